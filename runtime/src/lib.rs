//! Loads compiled probabilistic circuits and answers queries with them. Nothing here depends on the compiler.
//!
//! ```text
//!  .pcb ------> artifact --> plan --+
//!  .safetensors or seed --> parameters --> session --> log-likelihoods, evaluation
//!  .npy .csv text tokens --> data --+
//! ```
//!
//! * [`artifact`]: artifacts on disk
//! * [`tensors`], [`parameters`]: parameter files, random starts, derived parameters
//! * [`data`]: rows of evidence from files, checked against the circuit's variables
//! * [`evaluation`]: how likely data are, in the units people compare
//! * `session`: a circuit on a device, and queries (needs the feature `cpu`, which is on unless turned off)
//! * [`training`]: parameters that make data likely
//! * [`exchange`]: checkpoints of other programs
//! * [`files`], [`memory`], [`numbers`]: what the others share

pub mod artifact;
pub mod data;
pub mod evaluation;
pub mod exchange;
pub mod families;
pub mod files;
pub mod memory;
pub mod numbers;
pub mod parameters;
#[cfg(all(test, feature = "cpu"))]
#[path = "../artifact/src/samples.rs"]
mod samples;
#[cfg(feature = "cpu")]
pub mod session;
pub mod tensors;
pub mod training;
