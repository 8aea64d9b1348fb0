//! The joint posterior of two variables: that of the second for every value of the first.

use super::{Marginals, QuerySession, evidence};
use crate::data::Rows;
use crate::data::memory::MemoryRows;
use crate::session::SessionError;
use std::ops::ControlFlow;

/// The joint posterior of two variables of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// `[values of the first][values of the second]`, adding up to 1; none if the row is impossible.
    pub probabilities: Option<Vec<f64>>,
}

impl QuerySession {
    /// The joint posterior of two variables given each row, one row after the other. A row is computed once for each value of the first
    /// variable: `p(a, b | e)` is proportional to `p(a, e) * p(b | a, e)`.
    ///
    /// # Panics
    /// If the session is one of another query, or the variables are one.
    pub fn pairs(
        &mut self,
        rows: &dyn Rows,
        [first, second]: [usize; 2],
        batch: usize,
        on_row: &mut dyn FnMut(usize, &Pair) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        assert_ne!(first, second, "a pair has two variables");
        self.check_variables(rows)?;
        let values = self.columns.missing(first);
        for row in 0..rows.len() {
            let row_values = evidence(rows, row..row + 1)?;
            let mut indices = Vec::with_capacity(row_values.len() * values as usize);
            for value in 0..values {
                let start = indices.len();
                indices.extend_from_slice(&row_values);
                indices[start + first] = value;
            }
            let with_values = MemoryRows::from_indices(self.columns.clone(), indices);
            let mut parts: Vec<(f64, Vec<f32>)> = Vec::new();
            self.marginals(&with_values, batch, &mut |_, found: &Marginals| {
                let part = |index: usize| (found.log_likelihoods[index], found.variable(index, second).to_vec());
                parts.extend((0..found.log_likelihoods.len()).map(part));
                ControlFlow::Continue(())
            })?;
            if row_values[first] < values {
                // An observed variable has no other values.
                let observed = row_values[first] as usize;
                let others = parts.iter_mut().enumerate().filter(|(value, _)| *value != observed);
                others.for_each(|(_, part)| part.0 = f64::NEG_INFINITY);
            }
            if on_row(row, &Pair { probabilities: joint(&parts) }).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// Parts weighted by their likelihoods.
fn joint(parts: &[(f64, Vec<f32>)]) -> Option<Vec<f64>> {
    let high = parts.iter().fold(f64::NEG_INFINITY, |high, part| high.max(part.0));
    if high == f64::NEG_INFINITY {
        return None;
    }
    let total: f64 = parts.iter().map(|part| (part.0 - high).exp()).sum();
    let weighted = |part: &(f64, Vec<f32>)| {
        let weight = (part.0 - high).exp() / total;
        // An impossible part has no posterior, and no weight.
        part.1.iter().map(move |&p| if weight > 0.0 { weight * f64::from(p) } else { 0.0 }).collect::<Vec<f64>>()
    };
    Some(parts.iter().flat_map(weighted).collect())
}
