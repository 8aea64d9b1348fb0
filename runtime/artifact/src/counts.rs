//! From counts, as the kernels of a flow plan gather them, to flows.
//!
//! Counts are sums over rows of data of what needs no parameter to be known: for the weight `w` the flow over `w`, for an entry of a table its
//! flow while the variable is observed, and beside each row of a table the flow of the unit while the variable is missing, which is
//! spread over the row in proportion to its probabilities. Flows are made of them row by row, when they are used: those of all parameters in double
//! precision would be twice as large as the parameters.

use crate::flow_plan::{FlowPlan, GAUSSIAN_COUNTS, pitch};
use crate::pack::log_sum;
use crate::plan::CHUNK;
use crate::signature::{Parameter, ParameterShape};
use multiversion::multiversion;
use rayon::prelude::*;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

/// The counts of all parameters.
#[derive(Clone, Debug)]
pub struct Counts<'a> {
    parameters: &'a [Parameter],
    /// Where the counts of each parameter start, if it has any.
    offsets: Vec<Option<usize>>,
    numbers: Numbers<'a>,
}

/// Counts as they were gathered.
#[derive(Clone, Copy, Debug)]
pub enum Numbers<'a> {
    /// Those of one batch.
    Single(&'a [f32]),
    /// Those of several batches.
    Double(&'a [f64]),
}

impl<'a> Counts<'a> {
    /// The counts that a flow plan describes.
    ///
    /// # Panics
    /// If they are fewer than the plan says, or the plan is not one of these parameters.
    pub fn new(plan: &FlowPlan, parameters: &'a [Parameter], numbers: Numbers<'a>) -> Counts<'a> {
        let length = match numbers {
            Numbers::Single(numbers) => numbers.len(),
            Numbers::Double(numbers) => numbers.len(),
        };
        assert!(length >= plan.count_chunks as usize * CHUNK, "there are all counts of the plan");
        let mut offsets = vec![None; parameters.len()];
        plan.counts.iter().for_each(|count| offsets[count.parameter as usize] = Some(count.offset as usize * CHUNK));
        Counts { parameters, offsets, numbers }
    }

    /// The flows of row `row` of a parameter, whose numbers are `values`: the entries of a unit's table, the weights of an output, what a
    /// unit mixes. A number that is a probability of 0 has none.
    ///
    /// # Panics
    /// If there is no such row, or `flows` has not the length of `values`; that of a Gaussian unit has [`GAUSSIAN_COUNTS`] flows.
    pub fn row(&self, parameter: usize, row: usize, values: &[f32], flows: &mut [f64]) {
        let shape = &self.parameters[parameter].shape;
        assert_eq!(flows.len(), flow_columns(shape), "there is a flow for each number");
        let Some(offset) = self.offsets[parameter] else { return flows.fill(0.0) };
        let first = offset + row * stride(shape);
        match self.numbers {
            Numbers::Single(numbers) => row_flows(shape, &numbers[first..], values, flows),
            Numbers::Double(numbers) => row_flows(shape, &numbers[first..], values, flows),
        }
    }

    /// The flows of all parameters: for each of `values`, in the order of its numbers. Parameters that are not stored have none.
    pub fn all(&self, values: &[Vec<f32>]) -> Vec<Vec<f64>> {
        let flows = |(index, values): (usize, &Vec<f32>)| {
            if !self.parameters[index].is_stored() {
                return Vec::new();
            }
            let shape = &self.parameters[index].shape;
            let (columns, of_row) = (shape.columns().max(1), flow_columns(shape).max(1));
            let mut flows = vec![0.0; values.len() / columns * of_row];
            let rows = values.par_chunks_exact(columns).zip(flows.par_chunks_exact_mut(of_row)).enumerate();
            let rows = rows.with_min_len(GRAIN.div_ceil(columns));
            rows.for_each(|(row, (values, flows))| self.row(index, row, values, flows));
            flows
        };
        values.iter().enumerate().map(flows).collect()
    }
}

/// Flows of a row of a parameter.
fn flow_columns(shape: &ParameterShape) -> usize {
    match shape {
        ParameterShape::Gaussian { .. } => GAUSSIAN_COUNTS,
        other => other.columns(),
    }
}

/// Numbers from the counts of one row to those of the next.
fn stride(shape: &ParameterShape) -> usize {
    match shape {
        ParameterShape::Table { values, .. } => values + 1,
        ParameterShape::Weight { inputs, .. } => pitch(*inputs),
        ParameterShape::Mixing { .. } | ParameterShape::Gaussian { .. } => flow_columns(shape),
    }
}

#[multiversion(targets = "simd")]
fn row_flows<T: Copy + Into<f64>>(shape: &ParameterShape, counts: &[T], values: &[f32], flows: &mut [f64]) {
    let numbers = flows.iter_mut().zip(values).zip(counts);
    match shape {
        ParameterShape::Table { .. } => {
            for ((flow, &log), &count) in numbers {
                *flow = if log > f32::NEG_INFINITY { count.into() } else { 0.0 };
            }
            spread(counts[values.len()].into(), values, flows);
        }
        ParameterShape::Gaussian { .. } => {
            flows.iter_mut().zip(counts).for_each(|(flow, &count)| *flow = count.into());
        }
        ParameterShape::Weight { .. } => {
            for ((flow, &weight), &count) in numbers {
                *flow = if weight > 0.0 { f64::from(weight) * count.into() } else { 0.0 };
            }
        }
        ParameterShape::Mixing { .. } => {
            for ((flow, &weight), &count) in numbers {
                *flow = if weight > 0.0 { count.into() } else { 0.0 };
            }
        }
    }
}

/// Adds the flow of a missing variable.
fn spread(missing: f64, logs: &[f32], flows: &mut [f64]) {
    if missing == 0.0 {
        return;
    }
    let total = log_sum(logs);
    if total > f32::NEG_INFINITY {
        flows.iter_mut().zip(logs).for_each(|(flow, &log)| *flow += missing * f64::from(log - total).exp());
    }
}
