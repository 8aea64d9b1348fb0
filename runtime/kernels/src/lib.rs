//! CubeCL kernels of the layers of probabilistic circuits, and the executor of kernel plans.
//!
//! This is the only crate that names CubeCL. One source serves all runtimes; kernels are specialised at compile
//! time by the plan's [`Kernel`](danaus_artifact::plan::Kernel) and by the layout of the batch.
//!
//! Reading order: [`operand`] (how kernels read their operands), [`math`], one module per kernel ([`product`],
//! [`gaussian`], [`kronecker`], [`stage`], [`narrow`], [`mixing`], [`permute`], [`rescale`]), [`launch`] (from the plan to device
//! code), [`mod@validate`] (what makes a plan safe to run), [`mod@pack`] (layout of parameters), [`program`] (the executor), [`stream`] (long sequences),
//! [`processor`] (the device that they run on), [`flows`] (training), [`gpu`] (other schedules, compiled ahead of time), [`queries`] (marginals, samples, most likely completions), [`peak`] (what the machine can do).
//!
//! **Layout.** The arena is `[row][batch]`, batch innermost: the lanes of a vector are samples, a permutation of units
//! is arithmetic on rows, and a weight is one number broadcast to all lanes.
//!
//! **Invariant.** A row of samples never influences another: `-inf` and underflow stay within their lane.

pub mod chain;
pub mod error;
pub mod flows;
pub mod gaussian;
pub mod gpu;
pub mod kronecker;
pub mod launch;
pub mod math;
pub mod mixing;
pub mod narrow;
pub mod operand;
pub mod peak;
pub mod permute;
pub mod processor;
pub mod product;
pub mod program;
pub mod quads;
pub mod queries;
pub mod rescale;
pub mod source;
pub mod stage;
pub mod stream;
pub mod validate;

pub use danaus_artifact::pack;
pub use error::KernelError;
pub use flows::FlowProgram;
pub use pack::{pack, pack_all, pack_len};
pub use program::{Program, Stats};
pub use queries::{Completions, Draws, Posteriors, Prefix, answer_rows, is_chain};
pub use source::source;
pub use validate::validate;
