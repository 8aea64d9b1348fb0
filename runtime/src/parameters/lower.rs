//! The parameters of a circuit whose dense sums have become Monarch sums, from those it had before.
//!
//! Sums that were lowered get the projection of their dense weights ([`project`]); all other parameters are what they were.

use super::Parameters;
use super::project::project;
use crate::memory::{self, MemoryError};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::ParameterShape;

/// Dense weights, and the Monarch weights that have taken their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoweredSum {
    /// The name of the dense tensor.
    pub dense: String,
    /// The names of the factors' tensors, the first factor first.
    pub factors: Vec<String>,
}

/// What was lost by a projection.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// The name of the dense tensor.
    pub dense: String,
    /// The sizes of the factors.
    pub sizes: Vec<usize>,
    /// The divergence of a row from its projection, on average, in nats.
    pub mean: f64,
    /// The largest divergence of a row, in nats.
    pub most: f64,
    /// The row that has it.
    pub row: usize,
}

/// The parameters of `monarch`, the plan of the circuit after its sums were lowered, from those of `dense`, the plan before,
/// and what was lost in each sum.
///
/// # Panics
/// If the plans are not of one circuit before and after, or `sums` are not those that were lowered: a bug of the caller.
pub fn lower(
    dense: &Plan,
    values: &Parameters,
    monarch: &Plan,
    sums: &[LoweredSum],
) -> Result<(Parameters, Vec<Loss>), MemoryError> {
    let mut lowered: Vec<Option<Vec<f32>>> = vec![None; monarch.parameters.len()];
    let mut losses = Vec::new();
    for sum in sums {
        let places: Vec<usize> = sum.factors.iter().map(|name| position(monarch, name)).collect();
        let sizes: Vec<usize> = places.iter().map(|place| factor_size(monarch, *place)).collect();
        let weights = &values.values()[position(dense, &sum.dense)];
        // The largest intermediate result is the matrix summed over the first output.
        let what = || format!("projecting `{}`", sum.dense);
        memory::require(8 * (weights.len() / sizes[0]) as u64, what, "lower a smaller sum")?;
        let found = project(weights, &sizes);
        let (row, most) = found.worst_row();
        losses.push(Loss { dense: sum.dense.clone(), mean: found.mean_loss(), most, row, sizes });
        for (place, factor) in places.into_iter().zip(found.factors) {
            lowered[place] = Some(factor.into_iter().map(|weight| weight as f32).collect());
        }
    }
    let kept = |name: &str| values.values()[position(dense, name)].clone();
    let all = lowered.into_iter().zip(&monarch.parameters);
    let values = all.map(|(lowered, parameter)| lowered.unwrap_or_else(|| kept(&parameter.name))).collect();
    Ok((Parameters { values }, losses))
}

fn position(plan: &Plan, name: &str) -> usize {
    let found = plan.parameters.iter().position(|parameter| parameter.name == name);
    found.unwrap_or_else(|| panic!("the circuit `{}` has the parameter `{name}`", plan.name))
}

fn factor_size(plan: &Plan, place: usize) -> usize {
    match plan.parameters[place].shape {
        ParameterShape::Weight { outputs, .. } => outputs,
        ParameterShape::Table { .. } | ParameterShape::Gaussian { .. } | ParameterShape::Mixing { .. } => {
            panic!("the factors of a sum are weights")
        }
    }
}
