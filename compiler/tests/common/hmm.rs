//! Hidden Markov models as circuits, and algorithms for them that share nothing with the evaluator.

use super::builder::Builder;
use danaus_compiler::circuit::{
    Circuit, Domain, Init, LayerGraph, Op, Operand, ParamId, ParameterShape, Scan, SumKind, VarUse,
};
use danaus_compiler::reference::ParameterValues;
use proptest::prelude::*;

/// The sizes of a hidden Markov model. Tensors: `emission`, `transition` (or `transition.k`), `initial`.
#[derive(Clone, Debug)]
pub struct Hmm {
    /// Number of variables.
    pub steps: usize,
    /// Number of states.
    pub states: usize,
    /// Values of each variable.
    pub values: usize,
    /// The factors of a Monarch transition; empty for a dense one.
    pub monarch: Vec<usize>,
}

/// Models with dense transitions and with Monarch ones of two and three factors, and a seed.
pub fn hmms() -> impl Strategy<Value = (Hmm, u64)> {
    let monarch = prop_oneof![
        Just(vec![]),
        Just(vec![2, 3]),
        Just(vec![3, 2]),
        Just(vec![2, 2, 2]),
        Just(vec![4, 4]),
        Just(vec![4, 1, 2])
    ];
    (2..12usize, 1..7usize, 2..5usize, monarch, any::<u64>()).prop_map(|(steps, states, values, monarch, seed)| {
        let states = if monarch.is_empty() { states } else { monarch.iter().product() };
        (Hmm { steps, states, values, monarch }, seed)
    })
}

/// The circuit: `z[T-1] = emit[T-1]`, `z[t] = emit[t] * sum(z[t+1])`, `root sum(z[0])`.
pub fn hmm(model: &Hmm) -> Circuit {
    let (mut builder, table) = start(model);
    let mut z = builder.input(model.steps as u32 - 1, table);
    for t in (0..model.steps as u32 - 1).rev() {
        let next = transition(&mut builder, model, z);
        let emit = builder.input(t, table);
        z = builder.hadamard(&[emit, next]);
    }
    let initial = builder.weight("initial", None, 1, model.states);
    let root = builder.sum(SumKind::Dense, 1, &[z], vec![initial]);
    builder.finish("hmm", root)
}

/// The same circuit as one scan, written down directly.
pub fn rolled_hmm(model: &Hmm) -> Circuit {
    let (mut builder, table) = start(model);
    let last = builder.input(model.steps as u32 - 1, table);
    let outer = std::mem::take(&mut builder.graph);
    let carry = builder.graph.add_single(Op::Carry, model.states, Vec::new(), Vec::new());
    let next = transition(&mut builder, model, carry);
    let read = VarUse { index: model.steps as u32 - 2, stride: -1, table };
    let emit = builder.graph.add_single(Op::Input, model.states, vec![Operand::Input(read)], Vec::new());
    let product = builder.hadamard(&[emit, next]);
    builder.graph.set_root(product.layer);
    let body: LayerGraph = std::mem::replace(&mut builder.graph, outer);
    let scan = Op::Scan(Box::new(Scan { steps: model.steps - 1, body }));
    let z = builder.graph.add_single(scan, model.states, vec![last.into()], Vec::new());
    let initial = builder.weight("initial", None, 1, model.states);
    let root = builder.sum(SumKind::Dense, 1, &[z], vec![initial]);
    builder.finish("hmm", root)
}

fn start(model: &Hmm) -> (Builder, ParamId) {
    let mut builder = Builder::default();
    builder.variables("x", &[model.steps], Domain::Categorical(model.values));
    let shape = ParameterShape::Table { width: model.states, values: model.values };
    let table = builder.parameter("emission", shape, Init::Random);
    (builder, table)
}

fn transition(
    builder: &mut Builder,
    model: &Hmm,
    z: danaus_compiler::circuit::PartRef,
) -> danaus_compiler::circuit::PartRef {
    if !model.monarch.is_empty() {
        return builder.monarch("transition", &model.monarch, z);
    }
    let weight = builder.weight("transition", None, model.states, model.states);
    builder.sum(SumKind::Dense, model.states, &[z], vec![weight])
}

/// The textbook forward algorithm with scaling, in linear space, from the first variable to the last:
/// L. Rabiner, "A tutorial on hidden Markov models", 1989, section III.A and V.A. `transition[h][i]` is
/// P(next = i | h). Missing variables emit with probability 1.
pub fn forward(model: &Hmm, values: &ParameterValues, transition: &[f64], row: &[Option<usize>]) -> f64 {
    let get = |name: &str| values.get(name).expect("the parameter was drawn");
    let (emission, initial) = (get("emission"), get("initial"));
    let emit = |h: usize, value: Option<usize>| value.map_or(1.0, |v| emission[h * model.values + v].exp());
    let mut alpha: Vec<f64> = (0..model.states).map(|h| initial[h] * emit(h, row[0])).collect();
    let mut log_likelihood = 0.0;
    for (t, &observed) in row.iter().enumerate() {
        if t > 0 {
            let into = |i: usize| (0..model.states).map(|h| alpha[h] * transition[h * model.states + i]).sum::<f64>();
            alpha = (0..model.states).map(|i| into(i) * emit(i, observed)).collect();
        }
        let scale: f64 = alpha.iter().sum();
        if scale == 0.0 {
            return f64::NEG_INFINITY;
        }
        log_likelihood += scale.ln();
        alpha.iter_mut().for_each(|a| *a /= scale);
    }
    log_likelihood
}

/// The dense transition matrix: given, or the identity pushed through the stages of the Monarch factors.
pub fn transition_matrix(model: &Hmm, values: &ParameterValues) -> Vec<f64> {
    let width = model.states;
    if model.monarch.is_empty() {
        return values.get("transition").expect("the transition was drawn").to_vec();
    }
    let mut matrix = vec![0.0; width * width];
    for column in 0..width {
        let mut x = vec![0.0; width];
        x[column] = 1.0;
        for (k, &b) in model.monarch.iter().enumerate().rev() {
            let weight = values.get(&format!("transition.{}", k + 1)).expect("the factor was drawn");
            let rows = width / b;
            let mut y = vec![0.0; width];
            for g in 0..rows {
                for o in 0..b {
                    y[o * rows + g] = (0..b).map(|i| weight[(g * b + o) * b + i] * x[g * b + i]).sum();
                }
            }
            x = y;
        }
        for row in 0..width {
            matrix[row * width + column] = x[row];
        }
    }
    matrix
}
