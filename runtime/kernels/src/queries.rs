//! Posterior probabilities, samples and most likely completions: the kernels of queries, run by the executor of flow plans.
//!
//! What the plans say stands in [`danaus_artifact::queries`]. Reading order: [`posterior`]; [`max`] (values of the most likely
//! completion); [`random`], [`pick`] (one of several in proportion), [`choose`] (sums, mixtures, inputs), [`route`] (products and
//! moves); [`launch`], [`check`], [`program`]; [`next`]
//! (what follows all prefixes of a row), [`prefix`] (what follows one that grows).
//!
//! **Choices** are `[row][draws]`, draws innermost: the lanes of a vector are draws. A choice is 0 for none, or 1 more than a unit.
//!
//! **Invariants.** What is drawn is a function of the seed, the number of the draw and the place in the circuit: not of batches,
//! segments or cores. Nothing impossible is ever chosen. A choice beyond its vector counts as none, so that no kernel reads
//! outside of its buffers whatever the choices hold.

pub mod check;
pub mod choose;
pub mod launch;
pub mod max;
pub mod next;
pub mod pick;
pub mod posterior;
pub mod prefix;
pub mod program;
pub mod random;
pub mod route;

pub use next::is_chain;
pub use prefix::Prefix;
pub use program::{Completions, Draws, Posteriors, answer_rows};
