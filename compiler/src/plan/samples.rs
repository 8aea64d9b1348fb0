//! Circuits and parameters for tests.

use crate::circuit::{
    Circuit, Domain, Init, LayerGraph, Op, Operand, ParamId, Parameter, ParameterShape, PartRef, SumKind, VarUse,
    VariableArray,
};
use crate::reference::{ParameterValues, evaluate};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A circuit under construction.
pub struct Builder {
    pub variables: Vec<VariableArray>,
    pub parameters: Vec<Parameter>,
    pub graph: LayerGraph,
}

impl Builder {
    pub fn new(variables: usize, values: usize) -> Self {
        let array = VariableArray { name: "x".into(), shape: vec![variables], domain: Domain::Categorical(values) };
        Builder { variables: vec![array], parameters: Vec::new(), graph: LayerGraph::new() }
    }

    fn parameter(&mut self, name: &str, shape: ParameterShape) -> ParamId {
        if let Some(found) = self.parameters.iter().position(|p| p.name == name) {
            assert_eq!(self.parameters[found].shape, shape);
            return ParamId(found as u32);
        }
        self.parameters.push(Parameter { name: name.into(), shape, init: Init::Random });
        ParamId(self.parameters.len() as u32 - 1)
    }

    pub fn input(&mut self, name: &str, variable: usize, width: usize) -> PartRef {
        let values = self.variables[0].domain.size();
        let table = self.parameter(name, ParameterShape::Table { width, values });
        let read = Operand::Input(VarUse { index: variable as u32, stride: 0, table });
        self.graph.add_single(Op::Input, width, vec![read], Vec::new())
    }

    pub fn width(&self, part: PartRef) -> usize {
        self.graph.layer(part.layer).width
    }

    pub fn product(&mut self, parts: &[PartRef]) -> PartRef {
        let width = self.width(parts[0]);
        self.graph.add_single(Op::Hadamard, width, operands(parts), Vec::new())
    }

    pub fn kronecker(&mut self, parts: &[PartRef]) -> PartRef {
        let width = parts.iter().map(|&p| self.width(p)).product();
        self.graph.add_single(Op::Kronecker, width, operands(parts), Vec::new())
    }

    pub fn concat(&mut self, parts: &[PartRef]) -> PartRef {
        let width = parts.iter().map(|&p| self.width(p)).sum();
        self.graph.add_single(Op::Concat, width, operands(parts), Vec::new())
    }

    pub fn dense(&mut self, name: &str, part: PartRef, outputs: usize) -> PartRef {
        let inputs = self.width(part);
        let weight = self.parameter(name, ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true });
        self.graph.add_single(Op::Sum(SumKind::Dense), outputs, operands(&[part]), vec![weight])
    }

    pub fn diagonal(&mut self, name: &str, part: PartRef, distinct: usize, size: usize) -> PartRef {
        let width = self.width(part);
        let shape = ParameterShape::Weight { blocks: distinct, outputs: size, inputs: size, dense: false };
        let weight = self.parameter(name, shape);
        let op = Op::Sum(SumKind::BlockDiagonal { blocks: width / size });
        self.graph.add_single(op, width, operands(&[part]), vec![weight])
    }

    pub fn permute(&mut self, part: PartRef, rows: usize, columns: usize) -> PartRef {
        let width = self.width(part);
        let op = Op::Permute { outer: width / rows / columns, rows, columns };
        self.graph.add_single(op, width, operands(&[part]), Vec::new())
    }

    pub fn mixing(&mut self, name: &str, parts: &[PartRef]) -> PartRef {
        let width = self.width(parts[0]);
        let weight = self.parameter(name, ParameterShape::Mixing { width, inputs: parts.len() });
        self.graph.add_single(Op::Sum(SumKind::Mixing), width, operands(parts), vec![weight])
    }

    /// The lowered form of a Monarch sum.
    pub fn monarch(&mut self, name: &str, part: PartRef, factors: &[usize]) -> PartRef {
        let width = self.width(part);
        let mut part = part;
        for (k, &size) in factors.iter().enumerate().rev() {
            let blocks = width / size;
            part = self.diagonal(&format!("{name}.{}", k + 1), part, blocks, size);
            part = self.permute(part, blocks, size);
        }
        part
    }

    pub fn finish(mut self, root: PartRef) -> Circuit {
        self.graph.set_root(root.layer);
        Circuit { name: "sample".into(), variables: self.variables, parameters: self.parameters, graph: self.graph }
    }
}

fn operands(parts: &[PartRef]) -> Vec<Operand> {
    parts.iter().map(|&part| part.into()).collect()
}

/// A hidden Markov model over `steps` variables; `transition` adds the sum of a step.
pub fn chain(steps: usize, width: usize, transition: impl Fn(&mut Builder, PartRef) -> PartRef) -> Circuit {
    let mut b = Builder::new(steps, 5);
    let mut z = b.input("emission", steps - 1, width);
    for t in (0..steps - 1).rev() {
        let sum = transition(&mut b, z);
        let emit = b.input("emission", t, width);
        z = b.product(&[emit, sum]);
    }
    let root = b.dense("initial", z, 1);
    b.finish(root)
}

/// A hidden Markov model with a dense transition.
pub fn dense_hmm(steps: usize, width: usize) -> Circuit {
    chain(steps, width, |b, z| b.dense("transition", z, width))
}

/// A hidden Markov model with a Monarch transition.
pub fn monarch_hmm(steps: usize, factors: &[usize]) -> Circuit {
    chain(steps, factors.iter().product(), |b, z| b.monarch("transition", z, factors))
}

/// A balanced binary tree over `2^levels` variables, every region a sum of the product of its halves.
pub fn tree(levels: u32, width: usize) -> Circuit {
    let count = 1usize << levels;
    let mut b = Builder::new(count, 5);
    let mut regions: Vec<PartRef> = (0..count).map(|i| b.input(&format!("leaf.{i}"), i, width)).collect();
    for level in 1..=levels {
        let outputs = if level == levels { 1 } else { width };
        let pairs: Vec<PartRef> = regions.chunks(2).map(|pair| b.product(pair)).collect();
        let name = |i: usize| format!("sum.{level}.{i}");
        regions = pairs.iter().enumerate().map(|(i, &p)| b.dense(&name(i), p, outputs)).collect();
    }
    b.finish(regions[0])
}

/// A circuit with every operation, over variables that are split at random.
pub fn random(seed: u64) -> Circuit {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let count = rng.random_range(2..9);
    let mut b = Builder::new(count, 5);
    let region = region(&mut b, rng, 0, count);
    let root = b.dense("root", region, 1);
    b.finish(root)
}

const WIDTH: usize = 6;

fn region(b: &mut Builder, rng: &mut ChaCha8Rng, first: usize, count: usize) -> PartRef {
    if count == 1 {
        return b.input(&format!("table.{}", rng.random_range(0..2)), first, WIDTH);
    }
    let partitions = rng.random_range(1..3);
    let parts: Vec<PartRef> = (0..partitions).map(|_| partition(b, rng, first, count)).collect();
    if partitions == 1 { parts[0] } else { b.mixing(&format!("mix.{}", rng.random_range(0..2)), &parts) }
}

fn partition(b: &mut Builder, rng: &mut ChaCha8Rng, first: usize, count: usize) -> PartRef {
    let left = rng.random_range(1..count);
    let halves = [region(b, rng, first, left), region(b, rng, first + left, count - left)];
    let product = match rng.random_range(0..5) {
        0 => {
            let narrow = halves.map(|half| b.dense(&format!("narrow.{}", half.layer.0), half, 3));
            let wide = b.kronecker(&narrow);
            b.dense(&format!("wide.{}", wide.layer.0), wide, WIDTH)
        }
        1 => {
            let halves = [0, 1].map(|_| b.product(&halves));
            let narrow = [0, 1].map(|k| b.dense(&format!("half.{k}"), halves[k], 3));
            b.concat(&narrow)
        }
        _ => b.product(&halves),
    };
    match rng.random_range(0..5) {
        0 => b.monarch("monarch", product, &[2, 3]),
        1 => b.diagonal("tied", product, 1, 3),
        2 => b.permute(product, 3, 2),
        3 => product,
        _ => b.dense(&format!("dense.{}", rng.random_range(0..3)), product, WIDTH),
    }
}

/// Values of all parameters: rows that sum to one.
pub fn values(circuit: &Circuit, seed: u64) -> Vec<Vec<f64>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let of = |parameter: &Parameter| match parameter.shape {
        ParameterShape::Table { width, values } => rows(rng, width, values).into_iter().map(f64::ln).collect(),
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => rows(rng, blocks * outputs, inputs),
        ParameterShape::Mixing { width, inputs } => rows(rng, width, inputs),
        ParameterShape::Gaussian { width, .. } => {
            (0..width).flat_map(|_| [rng.random_range(-2.0..2.0), rng.random_range(0.2..2.0)]).collect()
        }
    };
    circuit.parameters.iter().map(of).collect()
}

fn rows(rng: &mut impl Rng, count: usize, length: usize) -> Vec<f64> {
    let row = |_| {
        let raw: Vec<f64> = (0..length).map(|_| rng.random_range(0.05..1.0)).collect();
        let total: f64 = raw.iter().sum();
        raw.into_iter().map(move |x| x / total).collect::<Vec<f64>>()
    };
    (0..count).flat_map(row).collect()
}

/// Random rows of data; every fifth value is missing.
pub fn data(circuit: &Circuit, count: usize, seed: u64) -> Vec<Vec<Option<usize>>> {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let variables: usize = circuit.variables.iter().map(|a| a.shape.iter().product::<usize>()).sum();
    let values = circuit.variables[0].domain.size();
    let value = |rng: &mut ChaCha8Rng| rng.random_bool(0.8).then(|| rng.random_range(0..values));
    (0..count).map(|_| (0..variables).map(|_| value(rng)).collect()).collect()
}

/// The values under the parameters' names.
pub fn reference_values(circuit: &Circuit, values: &[Vec<f64>]) -> ParameterValues {
    let mut named = ParameterValues::new();
    for (parameter, values) in circuit.parameters.iter().zip(values) {
        named.insert(parameter.name.clone(), values.clone());
    }
    named
}

/// What the reference evaluator says.
pub fn reference(circuit: &Circuit, values: &ParameterValues, rows: &[Vec<Option<usize>>]) -> Vec<f64> {
    evaluate(circuit, values, rows).expect("samples are complete")
}
