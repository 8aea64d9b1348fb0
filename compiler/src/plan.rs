//! From the circuit IR to the kernel plan.
//!
//! [`lower()`] turns the layers of a circuit into launches of kernels on rows of one arena and rolled chains into
//! loops. The plan's own types and their meaning stand in `danaus_artifact::plan`.
//!
//! * [`kernels`] (`select-kernels`) chooses how the work of each sum is cut
//! * [`memory`] (`plan-memory`) gives values rows of the arena by their lifetimes
//! * [`lower`](mod@lower) puts both together; [`homogeneous`] says where a loop may be rescaled
//! * [`flow`] writes the plan of likelihoods and flows, for training, and those of queries; [`deterministic`] says whether most likely
//!   completions are exact
//! * [`packs`] lays parameters out, [`shapes`] gives layers kernels, [`scope`] knows what is read and
//!   where it stands, [`encode`] writes the records
//! * [`print`](mod@print) writes plans for people, [`stats`](mod@stats) counts work and memory
//! * [`interpret`] walks a plan in float64, slowly, to judge the planner without kernels
//!
//! Invariant: no launch writes rows that it reads.

pub mod deterministic;
pub mod encode;
pub mod flow;
pub mod homogeneous;
pub mod interpret;
pub mod kernels;
pub mod lower;
pub mod memory;
pub mod packs;
pub mod print;
#[cfg(test)]
pub(crate) mod samples;
pub mod scope;
pub mod shapes;
pub mod stats;
#[cfg(test)]
pub(crate) mod tests;

pub use danaus_artifact::plan::Plan;
pub use lower::{PlanOptions, lower};
pub use print::print;
pub use stats::{Stats, stats};
