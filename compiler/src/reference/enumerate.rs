//! Brute force: sums over all completions of evidence, for circuits small enough.

use super::{ParameterValues, ReferenceError, Row, domains, evaluate, log_sum_exp};
use crate::circuit::Circuit;

/// All complete rows that agree with `row`, the last missing variable counting fastest.
pub fn completions(circuit: &Circuit, row: &[Option<usize>]) -> Vec<Row> {
    let mut rows = vec![Vec::with_capacity(row.len())];
    for (value, size) in row.iter().zip(domains(circuit)) {
        let choices = match value {
            Some(value) => *value..*value + 1,
            None => 0..size,
        };
        rows = rows
            .into_iter()
            .flat_map(|prefix: Row| {
                choices.clone().map(move |choice| {
                    let mut row = prefix.clone();
                    row.push(Some(choice));
                    row
                })
            })
            .collect();
    }
    rows
}

/// The log-likelihood of a row with missing values, as the explicit sum over its completions.
pub fn explicit_marginal(
    circuit: &Circuit,
    values: &ParameterValues,
    row: &[Option<usize>],
) -> Result<f64, ReferenceError> {
    let terms = evaluate(circuit, values, &completions(circuit, row))?;
    Ok(log_sum_exp(terms.iter().copied()))
}

/// The logarithm of the sum of the likelihoods of all assignments: 0 for a normalized circuit.
pub fn total_log_probability(circuit: &Circuit, values: &ParameterValues) -> Result<f64, ReferenceError> {
    explicit_marginal(circuit, values, &vec![None; domains(circuit).len()])
}
