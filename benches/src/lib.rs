//! Speed measurements, as ratios against what a user would pick instead.
//!
//! * [`arguments`]: what the programs are asked for
//! * [`chain`]: the hidden Markov models that are measured, compiled from the examples
//! * [`measure`]: repeated timing that notices when something else uses the machine
//!
//! `RESULTS.md` beside this crate holds predictions and numbers; `peers.py` runs other programs beside ours.

pub mod arguments;
pub mod chain;
pub mod measure;
