//! Samples and most likely completions: values for the missing variables of rows.

use super::{QuerySession, evidence};
use crate::data::Rows;
use crate::session::SessionError;
use danaus_kernels::Draws;
use std::ops::ControlFlow;

/// Draws at a time, at most.
const DRAWS: usize = 8192;

/// Bytes that the choices and completions of the draws take at most, unless those of a few draws take more.
const BYTES: usize = 256 << 20;

/// How many completions of a row there are, and how they are drawn. A plan of most likely completions draws nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Completions of each row.
    pub per_row: usize,
    /// The seed: equal seeds give equal samples, whatever the batch and the number of cores.
    pub seed: u64,
    /// Every choice is drawn with probabilities to the power of `1 / temperature`, normalized. 1 samples from the circuit.
    pub temperature: f32,
}

impl Sampling {
    /// One completion, for plans that draw nothing.
    pub const GREATEST: Sampling = Sampling { per_row: 1, seed: 0, temperature: 1.0 };
}

/// Completions of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// For each row the value of the root; `-inf` for an impossible row, whose completions are its evidence. In a plan of samples that is
    /// the log-likelihood of the evidence, in one of most likely completions the logarithm of what the chosen units contribute.
    pub values: Vec<f64>,
    /// Value indices `[rows][completions][variables]`.
    pub completions: Vec<u32>,
}

impl QuerySession {
    /// Completes every row: the number of the first row of a batch and its completions. Where one row has more completions than fit
    /// in memory, it comes in several parts. Stops early when told to.
    ///
    /// # Panics
    /// If the session is one of another query.
    pub fn complete(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        sampling: Sampling,
        on_batch: &mut dyn FnMut(usize, &Completed) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        self.check_variables(rows)?;
        let per_row = sampling.per_row;
        let wanted = (rows.len() as u64).saturating_mul(per_row as u64);
        if u32::try_from(wanted).is_err() {
            return Err(SessionError::TooManyDraws { wanted });
        }
        if per_row == 0 {
            return Ok(());
        }
        let most = (BYTES / (4 * (self.columns.len() + self.choices).max(1))).clamp(16, DRAWS);
        let batch = batch.min(most.div_ceil(per_row)).clamp(1, rows.len().max(1));
        for first in (0..rows.len()).step_by(batch) {
            let range = first..rows.len().min(first + batch);
            let count = range.len();
            let evidence = evidence(rows, range)?;
            for start in (0..per_row).step_by(most.min(per_row)) {
                let draws = Draws {
                    per_row: most.min(per_row - start),
                    first: (first * per_row + start) as u32,
                    stride: per_row as u32,
                    seed: sampling.seed,
                    sharpness: 1.0 / sampling.temperature,
                };
                let found = self.program.complete(&evidence, count, batch, draws)?;
                let completions = transposed(&found.completions, count * draws.per_row);
                if on_batch(first, &Completed { values: found.values, completions }).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// `[variables][draws]` becomes `[draws][variables]`.
fn transposed(values: &[u32], draws: usize) -> Vec<u32> {
    let variables = values.len() / draws;
    let mut out = vec![0; values.len()];
    for (variable, values) in values.chunks_exact(draws).enumerate() {
        for (draw, &value) in values.iter().enumerate() {
            out[draw * variables + variable] = value;
        }
    }
    out
}
