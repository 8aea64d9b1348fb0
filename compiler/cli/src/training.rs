//! A training run as its user sees it.
//!
//! * [`watcher`]: progress on the terminal; [`metrics`]: what is measured, in a file
//! * [`curve`]: the same as a picture
//! * [`report`]: what came of it
//! * [`signal`] listens to Ctrl-C

pub mod curve;
pub mod metrics;
pub mod report;
pub mod signal;
pub mod watcher;
