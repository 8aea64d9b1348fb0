//! What can go wrong when a plan is run.

use thiserror::Error;

/// Why a plan cannot be run.
#[derive(Debug, Error)]
pub enum KernelError {
    /// The plan contradicts itself: it was not written by this version of the compiler, or it is damaged.
    #[error("the kernel plan is not valid: {0}; compile the circuit again")]
    Plan(String),
    /// The packed parameters do not fit the plan.
    #[error("the plan needs {expected} packed parameters, but {found} were given")]
    Parameters {
        /// Floats the plan asks for.
        expected: usize,
        /// Floats given.
        found: usize,
    },
    /// The evidence does not fit the circuit's variables.
    #[error("the evidence does not fit the circuit: {0}")]
    Evidence(String),
    /// The circuit is not a chain that can be read in windows.
    #[error("this circuit cannot be streamed: {0}")]
    Stream(String),
    /// The caller's supply of evidence failed.
    #[error("the evidence could not be read: {0}")]
    Supply(String),
    /// More memory than the device has.
    #[error("{what} would need {needed} bytes, more than the {available} the device can give; use a smaller batch")]
    Memory {
        /// What is too large.
        what: &'static str,
        /// Bytes it needs.
        needed: u64,
        /// Bytes there are.
        available: u64,
    },
    /// There are no kernels for GPUs for this.
    #[error("there is no code for GPUs: {0}")]
    NoGpu(String),
    /// The device or its compiler reported an error.
    #[error("the device reported an error: {0}")]
    Device(String),
}
