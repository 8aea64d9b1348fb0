//! Random deterministic circuits: decision trees whose inner nodes ask for the value of a variable, with products in between.

use super::builder::Builder;
use danaus_compiler::circuit::{Circuit, Domain, Init, ParameterShape, PartRef, SumKind};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A deterministic circuit over some variables of two or three values.
pub fn deterministic_circuit(variables: usize, values: usize, seed: u64) -> Circuit {
    let mut maker = Maker { rng: ChaCha8Rng::seed_from_u64(seed), builder: Builder::default(), values };
    maker.builder.variables("x", &[variables], Domain::Categorical(values));
    let scope: Vec<u32> = (0..variables as u32).collect();
    let root = maker.region(&scope);
    let weight = maker.builder.weight("root", None, 1, 1);
    let root = maker.builder.sum(SumKind::Dense, 1, &[root], vec![weight]);
    maker.builder.finish("deterministic", root)
}

struct Maker {
    rng: ChaCha8Rng,
    builder: Builder,
    values: usize,
}

impl Maker {
    /// One unit over a set of variables.
    fn region(&mut self, scope: &[u32]) -> PartRef {
        let mut scope = scope.to_vec();
        scope.shuffle(&mut self.rng);
        if scope.len() == 1 {
            return self.leaf(scope[0]);
        }
        if self.rng.random_range(0..3) == 0 {
            let cut = self.rng.random_range(1..scope.len());
            let parts = [self.region(&scope[..cut]), self.region(&scope[cut..])];
            return self.builder.hadamard(&parts);
        }
        self.decision(scope[0], &scope[1..])
    }

    fn leaf(&mut self, variable: u32) -> PartRef {
        let name = format!("t{}", self.builder.parameters.len());
        let shape = ParameterShape::Table { width: 1, values: self.values };
        let table = self.builder.parameter(&name, shape, Init::Random);
        self.builder.input(variable, table)
    }

    /// Sums over the values of a variable.
    fn decision(&mut self, variable: u32, rest: &[u32]) -> PartRef {
        let mut branches = Vec::new();
        for value in 0..self.values {
            let shape = ParameterShape::Table { width: 1, values: self.values };
            let table = self.builder.parameter(&format!("is_{value}"), shape, Init::Indicator { value });
            let indicator = self.builder.input(variable, table);
            let below = self.region(rest);
            branches.push(self.builder.hadamard(&[indicator, below]));
        }
        let weights = format!("w{}", self.builder.parameters.len());
        if self.rng.random_range(0..2) == 0 {
            let shape = ParameterShape::Mixing { width: 1, inputs: self.values };
            let weight = self.builder.parameter(&weights, shape, Init::Random);
            return self.builder.sum(SumKind::Mixing, 1, &branches, vec![weight]);
        }
        let all = self.builder.concat(&branches);
        let weight = self.builder.weight(&weights, None, 1, self.values);
        self.builder.sum(SumKind::Dense, 1, &[all], vec![weight])
    }
}
