//! What can go wrong on a GPU.

use danaus_artifact::error::ArtifactError;
use danaus_artifact::gpu::Role;
use thiserror::Error;

/// Why a circuit cannot be run on a GPU.
#[derive(Debug, Error)]
pub enum GpuError {
    /// There is no driver, or it does not start.
    #[error("there is no GPU to use: {0}")]
    NoDriver(String),
    /// The code in the artifact is damaged.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The code in the artifact is not for its plan.
    #[error("the artifact has no code for {0:?} of its plan; compile the circuit again")]
    MissingKernel(Role),
    /// The flow plan contradicts itself.
    #[error("the flow plan is not valid: {0}; compile the circuit again")]
    Plan(String),
    /// The packed parameters do not fit the plan.
    #[error("the plan needs {expected} packed parameters, but {found} were given")]
    Parameters {
        /// Numbers the plan asks for.
        expected: usize,
        /// Numbers given.
        found: usize,
    },
    /// The evidence does not fit the circuit's variables.
    #[error("the evidence does not fit the circuit: {0}")]
    Evidence(String),
    /// More memory than the device has.
    #[error("{what} would need {needed} bytes, but {free} of the device's {total} bytes are free; use a smaller batch")]
    Memory {
        /// What is too large.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are free.
        free: u64,
        /// Bytes of the device.
        total: u64,
    },
    /// Numbers that do not fit the device's words.
    #[error("{what} is too large for a device: {found}, not more than {most}; use a smaller batch")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large.
        found: u64,
        /// The most there may be.
        most: u64,
    },
    /// The driver reported an error.
    #[error("the GPU reported an error while {doing}: {reason}")]
    Driver {
        /// What was done.
        doing: String,
        /// What the driver said.
        reason: String,
    },
}
