//! Log-likelihoods of all rows of some data, batch after batch.

use crate::device::Device;
use crate::error::GpuError;
use crate::forward::Forward;
use danaus_runtime::data::{DataError, Rows};
use danaus_runtime::evaluation::{self, Evaluation, batches};
use std::ops::ControlFlow;
use thiserror::Error;

/// Why rows have no likelihoods.
#[derive(Debug, Error)]
pub enum ScoreError {
    /// The evidence cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The device cannot run the circuit.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Evaluates rows in batches; `on_batch` is told the number of a batch's first row and its values, and says when to stop.
pub fn log_likelihoods<D: Device>(
    forward: &mut Forward<D>,
    rows: &dyn Rows,
    batch: usize,
    on_batch: &mut dyn FnMut(usize, &[f64]) -> ControlFlow<()>,
) -> Result<(), ScoreError> {
    let batch = batch.clamp(1, rows.len().max(1));
    let compute = &mut |evidence: &[u32]| Ok(forward.forward(evidence, batch)?);
    batches(rows, batch, compute, &mut |first, _, values| on_batch(first, values)).map(drop)
}

/// How likely the circuit finds all rows. `progress` is told after every batch how many are done, and says whether it is enough; then
/// there is no result.
pub fn evaluate<D: Device>(
    forward: &mut Forward<D>,
    rows: &dyn Rows,
    batch: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, ScoreError> {
    let batch = batch.clamp(1, rows.len().max(1));
    evaluation::evaluate(rows, batch, &mut |evidence| Ok(forward.forward(evidence, batch)?), progress)
}
