//! Likelihoods and the flows of all parameters: the kernels of the backward pass, and the executor of flow plans.
//!
//! The flow of a unit or weight is the derivative of the log-likelihood with respect to its logarithm. The flow of the
//! root is 1; a product hands its flow on to its operands; a sum shares it among its inputs in proportion to what they
//! contribute: `F[i] = sum over o of F[o] * w[o, i] * exp(s[i] - t[o])`. Summed over rows of data, what passes through
//! `w[o, i]` is the weight's flow. (Dang, Khosravi, Liang, Vergari, Van den Broeck: "Juice: a Julia package for logic and
//! probabilistic circuits", 2021; for Monarch sums arXiv 2506.12383, section 4.)
//!
//! Reading order: [`stage`] (block-diagonal sums, with register tiles from [`tiles`]), [`mixing`], [`kronecker`], [`table`], [`pass`] (seeds, carries, sums
//! in double precision), [`launch`] (from kernels of the plan to launches), [`layout`] (from words of the plan to rows),
//! [`program`] (the executor; its parameters, counts, and loops in linear space are in files of their own).
//!
//! **Layout.** Flows are linear numbers in rows of the arena, a sample per lane. Counts are a buffer of their own, so laid out
//! that the lanes of a vector are inputs of a sum.
//!
//! **Invariant.** Results are a function of the evidence and the parameters: no two work items add to the same number.

mod chains;
pub(crate) mod check;
mod counts;
pub mod kronecker;
pub mod launch;
pub mod mixing;
mod parameters;
pub mod pass;
pub mod program;
pub mod stage;
pub mod table;
pub mod tiles;

pub use danaus_artifact::flow_layout as layout;
pub use program::FlowProgram;
