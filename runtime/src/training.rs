//! Training: parameters that make data likely.
//!
//! * [`flows`]: where the flows of batches of rows come from; `engine` (with the feature `cpu`): from compiled kernels

#[cfg(feature = "cpu")]
pub mod engine;
pub mod flows;

pub use flows::FlowSource;
