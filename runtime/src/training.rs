//! Training: parameters that make data likely.
//!
//! * [`flows`]: where the flows of batches of rows come from

pub mod flows;

pub use flows::FlowSource;
