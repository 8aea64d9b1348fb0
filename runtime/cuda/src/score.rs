//! Log-likelihoods of all rows of some data, batch after batch.

use crate::device::Device;
use crate::error::GpuError;
use crate::forward::Forward;
use danaus_runtime::data::{DataError, Rows};
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
    let columns = rows.columns();
    let batch = batch.clamp(1, rows.len().max(1));
    for first in (0..rows.len()).step_by(batch) {
        let range = first..rows.len().min(first + batch);
        let count = range.len();
        let mut read = vec![0; columns.len() * count];
        rows.fill(range, &mut read)?;
        // The last batch has the size of the others, so that nothing is recorded anew for it.
        let mut whole = Vec::with_capacity(columns.len() * batch);
        for (column, values) in read.chunks_exact(count).enumerate() {
            whole.extend_from_slice(values);
            whole.resize((column + 1) * batch, columns.missing(column));
        }
        let values = forward.forward(&whole, batch)?;
        if on_batch(first, &values[..count]).is_break() {
            break;
        }
    }
    Ok(())
}
