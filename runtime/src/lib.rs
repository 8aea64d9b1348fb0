//! Loads compiled probabilistic circuits and answers queries with them. Nothing here depends on the compiler.
//!
//! Most programs need [`Model`] and nothing else: a compiled circuit with its parameters that is asked and trained. The rest are
//! its parts, for programs that read data of any kind batch by batch.
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
//! * `model`: all of it together (needs the feature `cpu`, which is on unless turned off)
//! * `session`: a circuit on a device, and likelihoods (needs `cpu`)
//! * `queries`: posterior probabilities, samples, most likely completions (needs `cpu`)
//! * [`training`]: parameters that make data likely
//! * [`exchange`]: checkpoints of other programs
//! * [`results`]: answers as files of other programs
//! * [`files`], [`memory`], [`numbers`]: what the others share

pub mod artifact;
pub mod data;
pub mod evaluation;
pub mod exchange;
pub mod families;
pub mod files;
pub mod memory;
#[cfg(feature = "cpu")]
pub mod model;
pub mod numbers;
pub mod parameters;
#[cfg(feature = "cpu")]
pub mod queries;
pub mod results;
#[cfg(all(test, feature = "cpu"))]
#[path = "../artifact/src/samples.rs"]
mod samples;
#[cfg(feature = "cpu")]
pub mod session;
pub mod tensors;
pub mod training;

pub use danaus_artifact::signature;
#[cfg(feature = "cpu")]
pub use model::{Device, Model, ModelError};
