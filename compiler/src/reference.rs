//! The float64 reference evaluator: what a circuit means, computed slowly and obviously.
//!
//! It is written like `spec/semantics.md`, clause by clause, and judges every other evaluator: what a pass
//! makes of a circuit, what a plan computes, what a kernel computes.
//!
//! # Design
//!
//! * Everything is in log space and float64. Every sum is a log-sum-exp about its own exact maximum, so that
//!   nothing overflows, nothing underflows, and `-inf` (impossible) stays `-inf`.
//! * One row of data after the other, one unit after the other, no sharing of work but the logarithms of the
//!   weights. A scan is unrolled while it is evaluated.
//! * Invariant: nothing here depends on the passes or on the plan.
//!
//! Reading order: [`evaluate`], then `layers` (operations), `sums` (the kinds of sum), `parameters` (numbers); for training
//! [`flows()`], then `learn` ([`em_step`]), which are `spec/training.md` written in Rust.

mod enumerate;
pub mod families;
mod flows;
mod layers;
mod learn;
mod parameters;
mod random;
mod sums;

use crate::circuit::{Circuit, Module};
use danaus_artifact::signature::REAL_MISSING;
pub use enumerate::{completions, explicit_marginal, total_log_probability};
pub use flows::{Flows, flows};
pub use learn::{EmOptions, NodeFlows, em_step, mini_batch_em_step};
pub use parameters::{ParameterValues, parameter_numbers};
pub use random::{RandomOptions, random_values, random_values_with};
use thiserror::Error;

/// Evidence: for each variable the index of its observed value, or none if it is missing. Of a real variable it is the bits of a number in
/// single precision.
pub type Row = Vec<Option<usize>>;

/// Why a circuit cannot be evaluated with these numbers.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ReferenceError {
    /// A parameter, or a source that a parameter is computed from, has no values.
    #[error("there are no values for the parameter `{name}`")]
    MissingParameter {
        /// Its name.
        name: String,
    },
    /// A parameter has too few or too many values.
    #[error("the parameter `{name}` has {found} values; its shape needs {expected}")]
    ParameterLength {
        /// Its name.
        name: String,
        /// The size of its shape.
        expected: usize,
        /// The number of values given.
        found: usize,
    },
    /// A weight is negative or not finite, or a table holds NaN or `+inf`.
    #[error("the parameter `{name}` holds {value} at position {position}, which is no {}", if *.table { "log-probability" } else { "weight" })]
    ParameterValue {
        /// Its name.
        name: String,
        /// Where, row-major.
        position: usize,
        /// What.
        value: f64,
        /// Whether the parameter is a table.
        table: bool,
    },
    /// A number is no mean or no variance.
    #[error("the parameter `{name}` holds {value} at position {position}, which is no {}", if .position % 2 == 0 { "mean" } else { "variance" })]
    Gaussian {
        /// Its name.
        name: String,
        /// Where, row-major.
        position: usize,
        /// What.
        value: f64,
    },
    /// A parameter is computed from itself.
    #[error("the parameter `{name}` is computed from itself")]
    ParameterCycle {
        /// Its name.
        name: String,
    },
    /// A row has too few or too many values.
    #[error("row {row} has {found} values; the circuit has {expected} variables")]
    RowLength {
        /// Which row.
        row: usize,
        /// The number of variables.
        expected: usize,
        /// The number of values.
        found: usize,
    },
    /// A value is out of its variable's domain.
    #[error("row {row}: value {value} of variable {variable} is out of its domain of {values} values")]
    ValueOutOfDomain {
        /// Which row.
        row: usize,
        /// Which variable.
        variable: usize,
        /// The value's index.
        value: usize,
        /// The size of the domain.
        values: usize,
    },
    /// A pending product needs complete evidence.
    #[error("row {row}: variable {variable} is missing; a product that is not multiplied out needs complete evidence")]
    MissingEvidence {
        /// Which row.
        row: usize,
        /// Which variable.
        variable: usize,
    },
}

/// The log-likelihood of each row. Any variable may be missing.
///
/// # Panics
/// If the circuit breaks the contract of the verifier, or its root is not of width 1.
pub fn evaluate(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> Result<Vec<f64>, ReferenceError> {
    let units = evaluate_units(circuit, values, rows)?;
    let single = |root: Vec<f64>| {
        assert_eq!(root.len(), 1, "the root of a circuit has width 1");
        root[0]
    };
    Ok(units.into_iter().map(single).collect())
}

/// The vector of the root layer for each row: [`evaluate`] for circuits whose root has any width.
pub fn evaluate_units(
    circuit: &Circuit,
    values: &ParameterValues,
    rows: &[Row],
) -> Result<Vec<Vec<f64>>, ReferenceError> {
    let parameters = parameters::resolve(circuit, values)?;
    let domains = domains(circuit);
    let mut units = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        check_row(&domains, index, row)?;
        units.push(layers::evaluate_row(circuit, &parameters, row));
    }
    Ok(units)
}

/// The log-likelihood of each row under a module. If its product is pending, this is the unnormalized product:
/// the sum of the log-likelihoods of the factors, which is defined for complete evidence only. The tensors of factor `k`,
/// counted from 1, are then named as `multiply-circuits` names them: `k.` and their own name.
pub fn evaluate_module(module: &Module, values: &ParameterValues, rows: &[Row]) -> Result<Vec<f64>, ReferenceError> {
    if module.product.is_none() {
        return evaluate(&module.circuits[0], values, rows);
    }
    for (row, evidence) in rows.iter().enumerate() {
        if let Some(variable) = evidence.iter().position(Option::is_none) {
            return Err(ReferenceError::MissingEvidence { row, variable });
        }
    }
    let mut total = vec![0.0; rows.len()];
    for (index, circuit) in module.circuits.iter().enumerate() {
        let own = values.of_factor(index + 1);
        for (sum, value) in total.iter_mut().zip(evaluate(circuit, &own, rows)?) {
            *sum += value;
        }
    }
    Ok(total)
}

/// The size of the domain of each variable, in the order of variable indices.
pub fn domains(circuit: &Circuit) -> Vec<usize> {
    circuit
        .variables
        .iter()
        .flat_map(|array| std::iter::repeat_n(array.domain.size(), array.shape.iter().product()))
        .collect()
}

/// `log(sum of exp(terms))` about the exact maximum; `-inf` if there are no terms or all are `-inf`.
pub fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let maximum = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if maximum == f64::NEG_INFINITY {
        return maximum;
    }
    maximum + terms.map(|term| (term - maximum).exp()).sum::<f64>().ln()
}

/// Whether these are the bits of a finite number.
fn is_real(bits: usize) -> bool {
    u32::try_from(bits).is_ok_and(|bits| f32::from_bits(bits).is_finite())
}

/// Checks that a row has a value of the domain, or none, for each variable.
fn check_row(domains: &[usize], row: usize, evidence: &[Option<usize>]) -> Result<(), ReferenceError> {
    if evidence.len() != domains.len() {
        return Err(ReferenceError::RowLength { row, expected: domains.len(), found: evidence.len() });
    }
    for (variable, (&value, &values)) in evidence.iter().zip(domains).enumerate() {
        if let Some(value) = value
            && (if values == REAL_MISSING as usize { !is_real(value) } else { value >= values })
        {
            return Err(ReferenceError::ValueOutOfDomain { row, variable, value, values });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
