//! Training: parameters that make data likely.
//!
//! ```text
//!  rows -> order -> flows -> optimizer -> parameters -> likelihood of validation rows -> best parameters
//!                                 |
//!                      schedule --+        at any time: state <-> checkpoint
//! ```
//!
//! * [`flows`]: where the flows of batches of rows come from; `engine` (with the feature `cpu`): from compiled kernels
//! * [`config`]: what a run is asked for; [`schedule`]: its step sizes
//! * [`optimizer`]: from flows to new parameters
//! * [`run`](mod@run): the loop; [`order`], [`likelihood`], [`record`], [`observer`], [`error`] are its parts
//! * [`standardize`]: where Gaussian units start
//! * [`state`], [`checkpoint`], [`identity`]: a run can be left at any moment, taken up again, and ends with the same bits

pub mod checkpoint;
pub mod config;
#[cfg(feature = "cpu")]
pub mod engine;
pub mod error;
pub mod flows;
pub mod identity;
pub mod likelihood;
pub mod observer;
pub mod optimizer;
pub mod order;
pub mod record;
pub mod run;
pub mod schedule;
pub mod standardize;
pub mod state;
#[cfg(test)]
mod tests;

pub use config::{Config, Settings};
pub use error::TrainError;
pub use flows::{FlowSource, Flows};
pub use likelihood::Likelihood;
pub use run::{Outcome, Task, run};
