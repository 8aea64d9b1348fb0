//! What passes between the compiler and a runtime: the [`signature`] of a circuit, the kernel [`plan`], and the
//! `.pcb` file that carries them.

pub mod plan;
pub mod signature;
