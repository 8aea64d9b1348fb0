//! Random smooth decomposable circuits: random region trees, widths, products, sums, ties and parameters.

use super::builder::Builder;
use super::tree::{Tree, random_tree};
use danaus_compiler::circuit::{Circuit, Domain, Init, KroneckerFactor, ParamId, ParameterShape, PartRef, SumKind};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a random circuit is made from: the same recipe gives the same circuit.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Number of variables.
    pub variables: usize,
    /// Most units of a region.
    pub width: usize,
    /// Whether some weights are zero.
    pub zeros: bool,
    /// Decides everything else.
    pub seed: u64,
}

/// Recipes of circuits that are small enough to enumerate all assignments.
pub fn recipes() -> impl Strategy<Value = Recipe> {
    (2..=7usize, 1..=5usize, any::<bool>(), any::<u64>()).prop_map(|(variables, width, zeros, seed)| Recipe {
        variables,
        width,
        zeros,
        seed,
    })
}

/// What kinds of structure may occur.
#[derive(Clone, Copy, PartialEq)]
pub enum Structure {
    /// Everything.
    Free,
    /// Every region is split as its tree says: circuits over one tree can be multiplied.
    Structured,
}

/// A random circuit over a random tree.
pub fn random_circuit(recipe: &Recipe) -> Circuit {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let scope: Vec<u32> = (0..recipe.variables as u32).collect();
    let tree = random_tree(&mut rng, &scope);
    circuit_on_tree("random", recipe, &tree, Structure::Free)
}

/// Some circuits over one tree, with prefixed parameter names: factors of a product.
pub fn compatible_circuits(recipe: &Recipe, count: u64) -> Vec<Circuit> {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let scope: Vec<u32> = (0..recipe.variables as u32).collect();
    let tree = random_tree(&mut rng, &scope);
    (0..count)
        .map(|index| {
            let recipe = Recipe { seed: recipe.seed.wrapping_add(1 + index), ..recipe.clone() };
            let mut circuit = circuit_on_tree(&format!("factor{index}"), &recipe, &tree, Structure::Structured);
            for parameter in &mut circuit.parameters {
                parameter.name = format!("factor{index}.{}", parameter.name);
            }
            circuit
        })
        .collect()
}

fn circuit_on_tree(name: &str, recipe: &Recipe, tree: &Tree, structure: Structure) -> Circuit {
    let mut maker = Maker {
        rng: ChaCha8Rng::seed_from_u64(!recipe.seed),
        builder: Builder::default(),
        recipe,
        structure,
        tape: None,
    };
    maker.declare_variables();
    let region = maker.region(tree, 0);
    let root = maker.dense(region, 1);
    maker.builder.finish(name, root)
}

/// A random chain: every step adds `per_step` variables by the same random layers with the same parameters. Steps run
/// through the variables upwards or downwards.
pub fn random_chain(recipe: &Recipe, steps: usize, per_step: usize) -> Circuit {
    let mut maker = chain_maker(recipe, steps * per_step);
    let carry = maker.chain(steps, per_step);
    let root = maker.dense(carry, 1);
    maker.builder.finish("chain", root)
}

/// A mixture of several random chains over the same variables.
pub fn several_chains(recipe: &Recipe, steps: usize, count: usize) -> Circuit {
    let mut maker = chain_maker(recipe, steps);
    let chains: Vec<PartRef> = (0..count).map(|_| maker.chain(steps, 1)).collect();
    let all = maker.builder.concat(&chains);
    let root = maker.dense(all, 1);
    maker.builder.finish("chains", root)
}

fn chain_maker(recipe: &Recipe, variables: usize) -> Maker<'_> {
    let rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let mut maker = Maker { rng, builder: Builder::default(), recipe, structure: Structure::Free, tape: None };
    maker.builder.variables("x", &[variables], Domain::Categorical(3));
    maker
}

/// The parameters of the first step of a chain, which the other steps use again.
#[derive(Default)]
struct Tape {
    parameters: Vec<ParamId>,
    next: usize,
    is_recorded: bool,
}

struct Maker<'a> {
    rng: ChaCha8Rng,
    builder: Builder,
    recipe: &'a Recipe,
    structure: Structure,
    tape: Option<Tape>,
}

impl Maker<'_> {
    /// A chain over all variables.
    fn chain(&mut self, steps: usize, per_step: usize) -> PartRef {
        let downwards = self.chance(2);
        let step_variables = |step: usize| {
            let place = if downwards { steps - 1 - step } else { step };
            (0..per_step).map(|k| (place * per_step + k) as u32).collect::<Vec<u32>>()
        };
        let width = self.some_width();
        let table = self.parameter("first", ParameterShape::Table { width, values: 3 });
        let starts: Vec<PartRef> = step_variables(0).iter().map(|&x| self.builder.input(x, table)).collect();
        let mut carry = if starts.len() == 1 { starts[0] } else { self.builder.hadamard(&starts) };
        let (step_seed, next_seed): (u64, u64) = (self.rng.random(), self.rng.random());
        let mut tape = Tape::default();
        for step in 1..steps {
            self.rng = ChaCha8Rng::seed_from_u64(step_seed);
            tape.next = 0;
            tape.is_recorded = step > 1;
            self.tape = Some(tape);
            carry = self.chain_step(carry, &step_variables(step));
            tape = self.tape.take().expect("it was put there");
        }
        self.rng = ChaCha8Rng::seed_from_u64(next_seed);
        carry
    }

    /// One step of a chain: some sum of the carry, times some region of the step's own variables.
    fn chain_step(&mut self, carry: PartRef, variables: &[u32]) -> PartRef {
        let width = self.builder.width(carry);
        let tree = random_tree(&mut self.rng, variables);
        let own = self.region(&tree, 1);
        let next = self.some_sum(carry);
        let product = if self.chance(3) && self.builder.width(own) * self.builder.width(next) <= 16 {
            self.builder.kronecker(&[own, next])
        } else {
            let inner = self.builder.width(next);
            let own = self.of_width(own, inner);
            self.builder.hadamard(&[own, next])
        };
        self.of_width(product, width)
    }

    /// The first half has three values, the others are bits. This depends on the number of variables only, so that
    /// all factors of a product have the same.
    fn declare_variables(&mut self) {
        let first = self.recipe.variables / 2;
        self.builder.variables("x", &[first], Domain::Categorical(3));
        self.builder.variables("bits", &[self.recipe.variables - first], Domain::Binary);
    }

    fn values(&self, variable: u32) -> usize {
        if self.builder.variables.len() == 1 || (variable as usize) < self.recipe.variables / 2 { 3 } else { 2 }
    }

    fn chance(&mut self, one_in: u32) -> bool {
        self.rng.random_range(0..one_in) == 0
    }

    fn some_width(&mut self) -> usize {
        self.rng.random_range(1..=self.recipe.width)
    }

    /// A new parameter, or one of the same shape that is there already: a tie.
    fn parameter(&mut self, kind: &str, shape: ParameterShape) -> ParamId {
        // The structure of a chain's step must not depend on what is there already.
        let state: u64 = self.rng.random();
        if let Some(tape) = &mut self.tape
            && tape.is_recorded
        {
            tape.next += 1;
            return tape.parameters[tape.next - 1];
        }
        let saved = std::mem::replace(&mut self.rng, ChaCha8Rng::seed_from_u64(state));
        let parameter = self.some_parameter(kind, shape);
        self.rng = saved;
        if let Some(tape) = &mut self.tape {
            tape.parameters.push(parameter);
        }
        parameter
    }

    fn some_parameter(&mut self, kind: &str, shape: ParameterShape) -> ParamId {
        let same = |(_, parameter): &(usize, &danaus_compiler::circuit::Parameter)| {
            parameter.shape == shape && !matches!(parameter.init, Init::Indicator { .. })
        };
        let candidates: Vec<usize> =
            self.builder.parameters.iter().enumerate().filter(same).map(|(index, _)| index).collect();
        if !candidates.is_empty() && self.chance(3) {
            return ParamId(candidates[self.rng.random_range(0..candidates.len())] as u32);
        }
        let name = format!("{kind}{}", self.builder.parameters.len());
        let init = if self.chance(8) { self.given(&shape) } else { Init::Random };
        self.builder.parameter(&name, shape, init)
    }

    /// Numbers from the source: rows that sum to one.
    fn given(&mut self, shape: &ParameterShape) -> Init {
        let (rows, columns) = match *shape {
            ParameterShape::Table { width, values } => (width, values),
            ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => (blocks * outputs, inputs),
            ParameterShape::Mixing { width, inputs } => (width, inputs),
            ParameterShape::Gaussian { .. } => panic!("random circuits have no Gaussian units"),
        };
        let mut numbers = Vec::new();
        for _ in 0..rows {
            let row: Vec<f64> = (0..columns).map(|_| f64::from(self.rng.random_range(1..=8))).collect();
            let total: f64 = row.iter().sum();
            numbers.extend(row.iter().map(|number| number / total));
        }
        Init::Given(numbers)
    }

    fn leaf(&mut self, variable: u32) -> PartRef {
        let (width, values) = (self.some_width(), self.values(variable));
        let shape = ParameterShape::Table { width, values };
        let table = if self.chance(6) {
            let value = self.rng.random_range(0..values);
            let name = format!("is_{value}_of_{values}_{width}");
            self.builder.parameter(&name, shape, Init::Indicator { value })
        } else {
            self.parameter("t", shape)
        };
        self.builder.input(variable, table)
    }

    /// A region over the variables of `tree`, of at most the recipe's width.
    fn region(&mut self, tree: &Tree, depth: usize) -> PartRef {
        let first = self.partition(tree, depth);
        if depth > 2 || !self.chance(4) {
            return first;
        }
        let other_tree = match self.structure {
            Structure::Structured => tree.clone(),
            Structure::Free => random_tree(&mut self.rng, &tree.scope()),
        };
        let second = self.partition(&other_tree, depth + 1);
        if self.chance(2) {
            let both = self.builder.concat(&[first, second]);
            let width = self.some_width();
            return self.dense(both, width);
        }
        let width = self.builder.width(first);
        let second = self.of_width(second, width);
        let weights = self.parameter("mix", ParameterShape::Mixing { width, inputs: 2 });
        self.builder.sum(SumKind::Mixing, width, &[first, second], vec![weights])
    }

    /// A product of the parts of `tree` and a sum over it.
    fn partition(&mut self, tree: &Tree, depth: usize) -> PartRef {
        let parts = match tree {
            Tree::Leaf(variable) => {
                let leaf = self.leaf(*variable);
                return if self.chance(2) { leaf } else { self.some_sum(leaf) };
            }
            Tree::Split(parts) => parts,
        };
        let parts: Vec<PartRef> = parts.iter().map(|part| self.region(part, depth + 1)).collect();
        let pairs: usize = parts.iter().map(|&part| self.builder.width(part)).product();
        let product = if pairs <= 16 && self.chance(2) {
            self.builder.kronecker(&parts)
        } else {
            let width = self.builder.width(parts[0]);
            let parts: Vec<PartRef> = parts.into_iter().map(|part| self.of_width(part, width)).collect();
            self.builder.hadamard(&parts)
        };
        self.some_sum(product)
    }

    fn of_width(&mut self, part: PartRef, width: usize) -> PartRef {
        if self.builder.width(part) == width { part } else { self.dense(part, width) }
    }

    fn dense(&mut self, part: PartRef, outputs: usize) -> PartRef {
        let inputs = self.builder.width(part);
        let weight = self.parameter("w", ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true });
        self.builder.sum(SumKind::Dense, outputs, &[part], vec![weight])
    }

    /// A sum of any kind, or none; the result has at most the recipe's width or the operand's.
    fn some_sum(&mut self, part: PartRef) -> PartRef {
        let inputs = self.builder.width(part);
        match self.rng.random_range(0..6) {
            0 if inputs <= self.recipe.width => part,
            1 if inputs > 1 => self.block_diagonal(part),
            2 if split_in_two(inputs).is_some() => self.some_monarch(part),
            3 if split_in_two(inputs).is_some() => self.kronecker_sum(part),
            4 if split_in_two(inputs).is_some() => {
                let (rows, columns) = split_in_two(inputs).expect("it was checked");
                self.builder.permute(1, rows, columns, part)
            }
            _ => {
                let width = self.some_width();
                self.dense(part, width)
            }
        }
    }

    fn block_diagonal(&mut self, part: PartRef) -> PartRef {
        let width = self.builder.width(part);
        let divisors: Vec<usize> = (2..=width).filter(|d| width.is_multiple_of(*d)).collect();
        let blocks = divisors[self.rng.random_range(0..divisors.len())];
        let distinct = if self.chance(2) { 1 } else { blocks };
        let outputs = self.rng.random_range(1..=2.max(width / blocks));
        let shape = ParameterShape::Weight { blocks: distinct, outputs, inputs: width / blocks, dense: false };
        let weight = self.parameter("b", shape);
        self.builder.sum(SumKind::BlockDiagonal { blocks }, blocks * outputs, &[part], vec![weight])
    }

    fn some_monarch(&mut self, part: PartRef) -> PartRef {
        let (a, b) = split_in_two(self.builder.width(part)).expect("the width is composite");
        let factors = match split_in_two(b) {
            Some((c, d)) if self.chance(2) => vec![a, c, d],
            _ => vec![a, b],
        };
        // A name of its own: the tensors of one Monarch sum are never tied to each other.
        let name = format!("m{:08x}", self.rng.random::<u32>());
        self.builder.monarch(&name, &factors, part)
    }

    /// A sum whose weight is a Kronecker product, as multiplied circuits have them.
    fn kronecker_sum(&mut self, part: PartRef) -> PartRef {
        let (a, b) = split_in_two(self.builder.width(part)).expect("the width is composite");
        let mut factors = Vec::new();
        let mut weights = Vec::new();
        for inputs in [a, b] {
            let kind = (!self.chance(3)).then_some(SumKind::Dense);
            let outputs = if kind.is_some() { self.some_width().min(3) } else { inputs };
            if kind.is_some() {
                let shape = ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true };
                weights.push(self.parameter("k", shape));
            }
            factors.push(KroneckerFactor { kind, outputs, inputs });
        }
        if weights.is_empty() {
            return part;
        }
        let width = factors.iter().map(|factor| factor.outputs).product();
        self.builder.sum(SumKind::Kronecker(factors), width, &[part], weights)
    }
}

/// Two factors of a composite number, the smaller one first.
fn split_in_two(width: usize) -> Option<(usize, usize)> {
    (2..width).find(|d| width.is_multiple_of(*d)).map(|d| (d, width / d))
}
