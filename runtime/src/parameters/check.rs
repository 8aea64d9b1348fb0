//! What must hold for the numbers of a tensor, and what is worth a warning.

use super::error::{Problem, names};
use super::{FINGERPRINT, derive, tensor_shape};
use crate::tensors::TensorFile;
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, MEANS, Parameter, ParameterShape, VARIANCES};
use std::collections::BTreeSet;

/// How far the sum of a row may be from one before a warning.
const TOLERANCE: f64 = 1e-4;

/// The first number that cannot be one.
pub(crate) fn value(tensor: &str, shape: &ParameterShape, values: &[f32]) -> Option<Problem> {
    if let ParameterShape::Gaussian { .. } = shape {
        return gaussian(tensor, values);
    }
    let is_table = matches!(shape, ParameterShape::Table { .. });
    let (sound, expected): (fn(f32) -> bool, _) = if is_table {
        (|x| x < f32::INFINITY, "a table holds log-probabilities: numbers or -inf")
    } else {
        (|x| (0.0..f32::INFINITY).contains(&x), "weights are finite and not negative")
    };
    let at = values.iter().position(|x| !sound(*x))?;
    let mut position = Vec::new();
    let mut rest = at;
    for size in tensor_shape(shape).into_iter().rev() {
        position.insert(0, rest % size);
        rest /= size;
    }
    Some(Problem::Value { tensor: tensor.to_string(), position, found: values[at], expected })
}

/// The first number that is no mean or no variance.
fn gaussian(tensor: &str, values: &[f32]) -> Option<Problem> {
    let sound = |at: usize| {
        if at.is_multiple_of(2) { MEANS.contains(&values[at].into()) } else { VARIANCES.contains(&values[at].into()) }
    };
    let at = (0..values.len()).find(|&at| !sound(at))?;
    let expected = "a Gaussian unit has a mean from -1e30 to 1e30 and a variance from 1e-30 to 1e30";
    Some(Problem::Value { tensor: tensor.to_string(), position: vec![at / 2, at % 2], found: values[at], expected })
}

/// Warnings about a whole file: tensors that are not used, another circuit's fingerprint.
pub(super) fn notes(file: &TensorFile, plan: &Plan, used: &BTreeSet<String>) -> Vec<String> {
    let mut warnings = unknown(file, used);
    if let Some(found) = file.note(FINGERPRINT)
        && found != plan.fingerprint
    {
        warnings.push(format!(
            "`{}` was written for a circuit with fingerprint {found}, this circuit has {}; its tensors fit all the same",
            file.path().display(),
            plan.fingerprint
        ));
    }
    warnings
}

/// A warning about tensors that the circuit has no use for.
pub(crate) fn unknown(file: &TensorFile, used: &BTreeSet<String>) -> Vec<String> {
    let unknown: Vec<String> = file.names().into_iter().filter(|name| !used.contains(name)).collect();
    if unknown.is_empty() {
        return Vec::new();
    }
    let (noun, verb) = if unknown.len() == 1 { ("tensor", "is") } else { ("tensors", "are") };
    vec![format!("`{}`: {noun} {} {verb} not part of the circuit and not used", file.path().display(), names(&unknown))]
}

/// A warning for every stored parameter with a row that does not sum to one. What the compiled circuit gives is as it should be: the rules
/// of the language see to it, and the steps of an automaton are no probabilities.
pub(super) fn rows(plan: &Plan, values: &[Vec<f32>]) -> Vec<String> {
    let is_given = |parameter: &Parameter, values: &Vec<f32>| match &parameter.init {
        Init::Given(numbers) => derive::given(&parameter.shape, numbers) == *values,
        _ => false,
    };
    let stored = plan.parameters.iter().zip(values).filter(|(parameter, _)| parameter.is_stored());
    let stored = stored.filter(|(parameter, values)| !is_given(parameter, values));
    stored.filter_map(|(parameter, values)| row_warning(parameter, values)).collect()
}

fn row_warning(parameter: &Parameter, values: &[f32]) -> Option<String> {
    if matches!(parameter.shape, ParameterShape::Gaussian { .. }) {
        return None;
    }
    let is_table = matches!(parameter.shape, ParameterShape::Table { .. });
    row_sums(&parameter.name, parameter.shape.columns(), is_table, values)
}

/// A warning about the row whose sum is farthest from one, if it is too far.
pub(crate) fn row_sums(name: &str, columns: usize, is_table: bool, values: &[f32]) -> Option<String> {
    let linear = |x: &f32| if is_table { f64::from(*x).exp() } else { f64::from(*x) };
    let sums = values.chunks_exact(columns).map(|row| row.iter().map(linear).sum::<f64>());
    let far: Vec<(usize, f64)> = sums.enumerate().filter(|(_, sum)| !((sum - 1.0).abs() <= TOLERANCE)).collect();
    let worst = far.iter().max_by(|a, b| (a.1 - 1.0).abs().total_cmp(&(b.1 - 1.0).abs()))?;
    Some(format!(
        "tensor `{name}`: {} of {} rows do not sum to one, row {} is worst with {:.6}; they are used as they are, and \
         likelihoods may not sum to one",
        far.len(),
        values.len() / columns,
        worst.0,
        worst.1
    ))
}
