//! Why a run ends without a result.

use super::checkpoint::CheckpointError;
use crate::data::DataError;
use thiserror::Error;

/// Why a run ends without a result. `S` is what can go wrong where flows come from, `L` where likelihoods do.
#[derive(Debug, Error)]
pub enum TrainError<S: std::error::Error, L: std::error::Error> {
    /// The rows cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The flows cannot be computed.
    #[error(transparent)]
    Flows(S),
    /// The validation data cannot be evaluated.
    #[error(transparent)]
    Likelihood(L),
    /// The run cannot go on from its checkpoints.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The circuit cannot be trained.
    #[error("{0}")]
    Circuit(String),
    /// There is nothing to learn from.
    #[error("there are no rows to train on")]
    NoRows,
    /// All rows of an epoch are impossible.
    #[error(
        "every row of epoch {epoch} is impossible: the circuit gives all of them probability 0, so there is nothing to learn \
         from; start from other parameters, or look for zeros in those that are given"
    )]
    Impossible {
        /// The epoch, from 1.
        epoch: u64,
    },
    /// A number that cannot be one. A mistake of whoever computes flows.
    #[error("the {what} of {place} came out as {found}, which cannot be: this is a mistake in Danaus")]
    Number {
        /// What it is.
        what: &'static str,
        /// Where.
        place: String,
        /// The number.
        found: f64,
    },
}
