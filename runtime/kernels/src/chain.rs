//! Linear chains: the loops of hidden Markov models, computed in linear space by one kernel for all iterations.
//!
//! # Design
//!
//! In log space every sum takes exponentials of its inputs and logarithms of its outputs, and every iteration is a launch for each
//! sum. A [`Chain`](danaus_artifact::chain::Chain) needs neither: values are linear numbers, divided at each iteration
//! by the power of two below the greatest value of the sample (so that nothing is rounded), whose exponents are added up. One
//! kernel walks all iterations; its units wait for each other at a barrier after every sum.
//!
//! **Exactness.** A number in single precision is precise down to `2^-126`. A chain is computed in linear space only as
//! long as all parameters that are not zero are at least [`LEAST_PARAMETER`], and all values that are not zero at least [`LEAST_VALUE`]:
//! their products do not underflow, so every value is as precise as in log space, and zero means impossible. If a
//! value is found to be smaller the chain has *failed*, and everything is computed again in log space. Whether it fails
//! depends on the evidence and the parameters alone, so equal inputs give equal bits.
//!
//! Reading order: [`convert`] (into linear space and back), [`inputs`] (emissions), [`queue`] (who computes what), [`forward`]
//! (values), [`backward`] (flows), [`parameters`], [`session`] (buffers and launches).

pub mod backward;
pub mod convert;
pub mod forward;
pub mod inputs;
pub mod parameters;
pub mod queue;
pub mod session;

/// The least parameter of a chain that is not zero.
pub const LEAST_PARAMETER: f32 = 9.094_947e-13; // 2^-40
/// The greatest parameter of a chain. Weights are probabilities, but nobody is forced to give normalized ones; those within this bound
/// cannot make values overflow between two scalings.
pub const MOST_PARAMETER: f32 = 2.0;
/// The least value of a chain that is not zero.
pub const LEAST_VALUE: f32 = 1.292_469_7e-26; // 2^-86
