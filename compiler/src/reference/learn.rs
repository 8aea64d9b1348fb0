//! The float64 reference of learning: one step of expectation-maximization, as `spec/training.md` defines it.
//!
//! # Design
//!
//! * A row of a parameter (its last axis) is a distribution. A step computes a count for each of its numbers and
//!   divides the counts by their sum. A row without flow keeps its numbers.
//! * Everything happens to linear numbers; those of tables are brought back to logarithms at the end.
//! * Only stored parameters are learned. Indicators and exact products of tables stay what they are computed to be.
//!   Parameters that no layer reads have no flows, and keep their numbers.

use super::ReferenceError;
use super::families::fitted;
use super::flows::Flows;
use super::parameters::{ParameterValues, parameter_numbers};
use crate::circuit::{Circuit, Family, Init, Parameter, ParameterShape};

/// How a mini-batch changes the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmOptions {
    /// How much the mini-batch counts, from 0 to 1, against what is remembered.
    pub step: f64,
    /// What is added to the flows of each row of a parameter, in equal parts.
    pub pseudocount: f64,
}

/// The node flows remembered from earlier mini-batches: for each parameter of a circuit, one for each of its rows.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeFlows(Vec<Vec<f64>>);

impl NodeFlows {
    /// Nothing is remembered before the first mini-batch.
    pub fn none(circuit: &Circuit) -> Self {
        let rows = |parameter: &Parameter| vec![0.0; rows_and_columns(&parameter.shape).0];
        NodeFlows(circuit.parameters.iter().map(rows).collect())
    }

    /// The node flows of the rows of a parameter, by its position in the circuit.
    pub fn of_parameter(&self, index: usize) -> &[f64] {
        &self.0[index]
    }
}

/// The parameters after a step on all data: `w = (F + c / n) / (sum of F + c)`, where the sum is over the `n` numbers
/// of a row, `F` are their flows and `c` is the pseudocount. A row without flow keeps its numbers.
pub fn em_step(
    circuit: &Circuit,
    values: &ParameterValues,
    flows: &Flows,
    pseudocount: f64,
) -> Result<ParameterValues, ReferenceError> {
    each_row(circuit, values, |parameter, row, weights| {
        let batch = &flows.parameters[parameter][row * weights.len()..][..weights.len()];
        with_pseudocount(circuit, parameter, batch, pseudocount)
    })
}

/// The parameters after a step on a mini-batch: `w` becomes `(1 - a) N w + a (F + c / n)`, normalized, and then `N` becomes
/// `(1 - a) N + a (sum of F)`, where `a` is the step and `N` the node flow remembered for the row. A row without flow keeps
/// its numbers, and what it remembers fades.
pub fn mini_batch_em_step(
    circuit: &Circuit,
    values: &ParameterValues,
    flows: &Flows,
    options: EmOptions,
    remembered: &mut NodeFlows,
) -> Result<ParameterValues, ReferenceError> {
    let EmOptions { step, pseudocount } = options;
    each_row(circuit, values, |parameter, row, weights| {
        let batch = &flows.parameters[parameter][row * weights.len()..][..weights.len()];
        let node_flow = &mut remembered.0[parameter][row];
        let kept = (1.0 - step) * *node_flow;
        let used = if is_gaussian(circuit, parameter) { batch[0] } else { batch.iter().sum::<f64>() };
        *node_flow = kept + step * used;
        let counts = with_pseudocount(circuit, parameter, batch, pseudocount);
        if counts.iter().all(|count| *count == 0.0) {
            return counts;
        }
        weights.iter().zip(counts).map(|(weight, count)| kept * weight + step * count).collect()
    })
}

fn is_gaussian(circuit: &Circuit, parameter: usize) -> bool {
    matches!(circuit.parameters[parameter].shape, ParameterShape::Gaussian { .. })
}

/// The flows of a row with the pseudocount, in equal parts; all 0 if there is no flow. Gaussian units have no pseudocount.
fn with_pseudocount(circuit: &Circuit, parameter: usize, flows: &[f64], pseudocount: f64) -> Vec<f64> {
    if is_gaussian(circuit, parameter) {
        return flows.to_vec();
    }
    let is_used = flows.iter().any(|flow| *flow > 0.0);
    let share = if is_used { pseudocount / flows.len() as f64 } else { 0.0 };
    flows.iter().map(|flow| flow + share).collect()
}

/// New values for all stored parameters. Each row has the counts that are given for its position
/// (parameter, row) and its linear numbers, divided by their sum. If that is 0 the row stays as it is.
fn each_row(
    circuit: &Circuit,
    values: &ParameterValues,
    mut counts: impl FnMut(usize, usize, &[f64]) -> Vec<f64>,
) -> Result<ParameterValues, ReferenceError> {
    let mut learned = values.clone();
    let numbers = parameter_numbers(circuit, values)?;
    for (index, (parameter, mut numbers)) in circuit.parameters.iter().zip(numbers).enumerate() {
        if !parameter.is_stored() {
            continue;
        }
        if let ParameterShape::Gaussian { floor, .. } = parameter.shape {
            for (row, unit) in numbers.chunks_mut(2).enumerate() {
                learn_unit(unit, floor.0, |masses| counts(index, row, masses));
            }
            learned.insert(parameter.name.clone(), numbers);
            continue;
        }
        let table = matches!(parameter.shape, ParameterShape::Table { .. });
        let (_, columns) = rows_and_columns(&parameter.shape);
        let family = match parameter.init {
            Init::Member(family) => Some(family),
            _ => None,
        };
        for (row, entries) in numbers.chunks_mut(columns).enumerate() {
            learn_row(entries, (table, family), |weights| counts(index, row, weights));
        }
        learned.insert(parameter.name.clone(), numbers);
    }
    Ok(learned)
}

/// Replaces mean and variance by those that counts `[S, S1, S2]` say: how often the unit is used, and the sums of `z` and of `z^2` over
/// these times, where `z` is the distance from the mean in standard deviations. The counts of the unit as it is are `[1, 0, 1]`.
fn learn_unit(unit: &mut [f64], floor: f64, counts: impl FnOnce(&[f64]) -> Vec<f64>) {
    let counts = counts(&[1.0, 0.0, 1.0]);
    if counts[0] > 0.0 {
        let (first, second) = (counts[1] / counts[0], counts[2] / counts[0]);
        unit[0] += unit[1].sqrt() * first;
        unit[1] = (unit[1] * (second - first * first)).max(floor);
    }
}

/// Replaces a row by the counts for its linear numbers, divided by their sum; or, if it is of a family, by the member that fits
/// them best.
fn learn_row(entries: &mut [f64], (table, family): (bool, Option<Family>), counts: impl FnOnce(&[f64]) -> Vec<f64>) {
    let weights: Vec<f64> = entries.iter().map(|entry| if table { entry.exp() } else { *entry }).collect();
    let counts = counts(&weights);
    let total: f64 = counts.iter().sum();
    if total > 0.0 {
        let counts = family.map_or(counts.clone(), |family| fitted(family, &counts));
        let total: f64 = counts.iter().sum();
        for (entry, count) in entries.iter_mut().zip(counts) {
            *entry = if table { (count / total).ln() } else { count / total };
        }
    }
}

/// The rows of a parameter, along its last axis, and how many numbers each has.
fn rows_and_columns(shape: &ParameterShape) -> (usize, usize) {
    match *shape {
        ParameterShape::Table { width, values } => (width, values),
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => (blocks * outputs, inputs),
        ParameterShape::Mixing { width, inputs } => (width, inputs),
        ParameterShape::Gaussian { width, .. } => (width, 2),
    }
}
