//! The float64 reference of learning: one step of expectation-maximization, as `spec/training.md` defines it.
//!
//! # Design
//!
//! * A row of a parameter (its last axis) is a distribution. A step computes a count for each of its numbers and
//!   divides the counts by their sum. A row without counts keeps its numbers.
//! * Everything happens to linear numbers; those of tables are brought back to logarithms at the end.
//! * Only stored parameters that a layer reads are learned. Indicators and exact products of tables stay what they are
//!   computed to be, and so do parameters that nothing but such a product is computed from: they have no flows, and a
//!   pseudocount alone would erase them.

use super::ReferenceError;
use super::flows::Flows;
use super::parameters::{ParameterValues, parameter_numbers};
use crate::circuit::{Circuit, LayerGraph, Op, Operand, Parameter, ParameterShape};

/// How a mini-batch changes the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EmOptions {
    /// How much the mini-batch counts, from 0 to 1, against what is remembered.
    pub step: f64,
    /// What is added to the counts of each row of a parameter, in equal parts.
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
/// of a row, `F` are their flows and `c` is the pseudocount.
pub fn em_step(
    circuit: &Circuit,
    values: &ParameterValues,
    flows: &Flows,
    pseudocount: f64,
) -> Result<ParameterValues, ReferenceError> {
    each_row(circuit, values, |parameter, row, weights| {
        let share = pseudocount / weights.len() as f64;
        flows.parameters[parameter][row * weights.len()..][..weights.len()].iter().map(|flow| flow + share).collect()
    })
}

/// The parameters after a step on a mini-batch: `w` becomes `(1 - a) N w + a F + c / n`, normalized, and then `N` becomes
/// `(1 - a) N + a (sum of F)`, where `a` is the step and `N` the node flow remembered for the row.
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
        let share = pseudocount / weights.len() as f64;
        let kept = (1.0 - step) * *node_flow;
        *node_flow = kept + step * batch.iter().sum::<f64>();
        weights.iter().zip(batch).map(|(weight, flow)| kept * weight + step * flow + share).collect()
    })
}

/// New values for all stored parameters. Each row of those that are learned has the counts that are given for its position
/// (parameter, row) and its linear numbers, divided by their sum. If that is 0 the row stays as it is.
fn each_row(
    circuit: &Circuit,
    values: &ParameterValues,
    mut counts: impl FnMut(usize, usize, &[f64]) -> Vec<f64>,
) -> Result<ParameterValues, ReferenceError> {
    let mut read = vec![false; circuit.parameters.len()];
    mark_read(&circuit.graph, &mut read);
    let mut learned = values.clone();
    let numbers = parameter_numbers(circuit, values)?;
    for (index, (parameter, mut numbers)) in circuit.parameters.iter().zip(numbers).enumerate() {
        if !parameter.is_stored() {
            continue;
        }
        if read[index] {
            let table = matches!(parameter.shape, ParameterShape::Table { .. });
            let (_, columns) = rows_and_columns(&parameter.shape);
            for (row, entries) in numbers.chunks_mut(columns).enumerate() {
                learn_row(entries, table, |weights| counts(index, row, weights));
            }
        }
        learned.insert(parameter.name.clone(), numbers);
    }
    Ok(learned)
}

/// Replaces a row by the counts for its linear numbers, divided by their sum.
fn learn_row(entries: &mut [f64], table: bool, counts: impl FnOnce(&[f64]) -> Vec<f64>) {
    let weights: Vec<f64> = entries.iter().map(|entry| if table { entry.exp() } else { *entry }).collect();
    let counts = counts(&weights);
    let total: f64 = counts.iter().sum();
    if total > 0.0 {
        for (entry, count) in entries.iter_mut().zip(counts) {
            *entry = if table { (count / total).ln() } else { count / total };
        }
    }
}

/// Marks the parameters that some layer reads.
fn mark_read(graph: &LayerGraph, read: &mut [bool]) {
    for (_, layer) in graph.layers() {
        if let Op::Scan(scan) = &layer.op {
            mark_read(&scan.body, read);
        }
        for member in &layer.members {
            let tables = member.operands.iter().filter_map(|operand| match operand {
                Operand::Input(input) => Some(input.table),
                Operand::Part(_) => None,
            });
            tables.chain(member.parameters.iter().copied()).for_each(|id| read[id.0 as usize] = true);
        }
    }
}

/// The rows of a parameter, along its last axis, and how many numbers each has.
fn rows_and_columns(shape: &ParameterShape) -> (usize, usize) {
    match *shape {
        ParameterShape::Table { width, values } => (width, values),
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => (blocks * outputs, inputs),
        ParameterShape::Mixing { width, inputs } => (width, inputs),
    }
}
