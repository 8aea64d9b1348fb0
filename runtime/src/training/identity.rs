//! What a run is, as names and values: a checkpoint is taken up only by the run that it is of.

use super::checkpoint::Identity;
use super::config::Config;
use crate::data::{DataError, Rows};
use danaus_artifact::plan::Plan;

/// Rows that are read at a time.
const READ: usize = 4096;

/// The identity of a run. `chunk` is how many rows are on the device at a time, which decides about rounding.
pub fn identity(
    plan: &Plan,
    config: &Config,
    start: &[Vec<f32>],
    chunk: usize,
    train: &dyn Rows,
    valid: Option<&dyn Rows>,
) -> Result<Identity, DataError> {
    let named = |name: &str, value: String| (name.to_string(), value);
    let mut identity = vec![
        named("danaus", env!("CARGO_PKG_VERSION").to_string()),
        named("circuit", plan.fingerprint.clone()),
        named("start", values_hash(start)),
        named("training data", rows_hash(train)?),
        named("validation data", valid.map_or_else(|| Ok("none".to_string()), rows_hash)?),
        named("device-batch", chunk.to_string()),
    ];
    identity.extend(config.identity());
    Ok(identity)
}

/// BLAKE3 of parameters.
fn values_hash(values: &[Vec<f32>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for values in values {
        hasher.update(&(values.len() as u64).to_le_bytes());
        for part in values.chunks(1 << 16) {
            hasher.update(&part.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        }
    }
    hasher.finalize().to_hex().to_string()
}

/// BLAKE3 of the number of rows, of variables, and of all values.
fn rows_hash(rows: &dyn Rows) -> Result<String, DataError> {
    let columns = rows.columns().len();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(rows.len() as u64).to_le_bytes()).update(&(columns as u64).to_le_bytes());
    let mut evidence = vec![0; columns * READ.min(rows.len())];
    for first in (0..rows.len()).step_by(READ) {
        let range = first..rows.len().min(first + READ);
        let read = &mut evidence[..columns * range.len()];
        rows.fill(range, read)?;
        hasher.update(&read.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
