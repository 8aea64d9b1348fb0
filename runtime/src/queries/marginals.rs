//! Posterior probabilities of all variables, from one walk up and one down for each batch.

use super::{QuerySession, evidence};
use crate::data::Rows;
use crate::session::SessionError;
use danaus_kernels::Posteriors;
use std::ops::ControlFlow;

/// Bytes that the posteriors of a batch take at most, unless one row takes more.
const BYTES: usize = 128 << 20;

/// Posterior probabilities of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals {
    /// The log-likelihood of each row; `-inf` for an impossible one.
    pub log_likelihoods: Vec<f64>,
    /// `[rows][values of all variables, one variable after the other]`. The probabilities of a variable sum to 1; an observed variable
    /// has its value with probability 1. Those of an impossible row are NaN.
    pub probabilities: Vec<f32>,
    /// Where each variable starts in a row, and the length of a row.
    pub starts: Vec<usize>,
}

impl Marginals {
    /// Numbers in a row.
    fn length(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// All probabilities of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.probabilities[row * self.length()..][..self.length()]
    }

    /// The probabilities of the values of a variable.
    pub fn variable(&self, row: usize, variable: usize) -> &[f32] {
        &self.row(row)[self.starts[variable]..self.starts[variable + 1]]
    }

    /// Whether the evidence of a row has probability 0.
    pub fn is_impossible(&self, row: usize) -> bool {
        self.log_likelihoods[row] == f64::NEG_INFINITY
    }
}

impl QuerySession {
    /// The posterior of every variable given the evidence of each row, batch by batch: the number of the batch's first row and
    /// what was found. Stops early when told to.
    ///
    /// # Panics
    /// If the session is one of another query.
    pub fn marginals(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        on_batch: &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        self.check_variables(rows)?;
        let mut starts = vec![0];
        for column in 0..self.columns.len() {
            starts.push(starts[column] + self.columns.missing(column) as usize);
        }
        let length = starts[self.columns.len()];
        let batch = batch.min(BYTES / (4 * length.max(1))).clamp(1, rows.len().max(1));
        for first in (0..rows.len()).step_by(batch) {
            let range = first..rows.len().min(first + batch);
            let count = range.len();
            let evidence = evidence(rows, range)?;
            let found = self.program.posteriors(&evidence, count, batch)?;
            let mut marginals = Marginals {
                probabilities: vec![0.0; count * length],
                log_likelihoods: found.log_likelihoods.clone(),
                starts: starts.clone(),
            };
            for row in 0..count {
                let observed = |variable: usize| evidence[variable * count + row];
                self.fill_row(&found, row, observed, &mut marginals);
            }
            if on_batch(first, &marginals).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// What was found for a row. Flows are rounded in every layer, so that they may add up to a little more or less than 1.
    fn fill_row(&self, found: &Posteriors, row: usize, observed: impl Fn(usize) -> u32, marginals: &mut Marginals) {
        let length = marginals.length();
        let to = &mut marginals.probabilities[row * length..][..length];
        if marginals.log_likelihoods[row] == f64::NEG_INFINITY {
            to.fill(f32::NAN);
            return;
        }
        for variable in 0..self.columns.len() {
            let range = marginals.starts[variable]..marginals.starts[variable + 1];
            let value = observed(variable) as usize;
            if value < range.len() {
                to[range.start + value] = 1.0;
                continue;
            }
            let flow = |index: usize| f64::from(found.values[index * found.pitch + row]);
            let total: f64 = range.clone().map(flow).sum();
            range.for_each(|index| to[index] = (flow(index) / total) as f32);
        }
    }
}
