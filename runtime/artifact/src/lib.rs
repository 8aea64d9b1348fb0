//! What passes between the compiler and a runtime: the [`signature`] of a circuit, the kernel [`plan`], and the
//! `.pcb` [`file`](mod@file) that carries them.
//!
//! * [`signature`], [`plan`], [`flow_plan`], [`queries`]: the types
//! * [`flow_layout`]: where everything of a flow plan stands
//! * [`gpu`]: device code for GPUs; [`mod@pack`]: parameters as kernels read them; [`counts`]: flows from what kernels count
//! * [`validate`]: a plan that passes never makes an executor read or write outside its buffers
//! * [`container`]: named sections with checksums; [`mod@file`]: the artifact made of them; [`error`]: what can be wrong

#[cfg(test)]
extern crate self as danaus_artifact;

pub mod chain;
pub mod container;
pub mod counts;
pub mod error;
pub mod file;
pub mod flow_layout;
pub mod flow_plan;
pub mod gpu;
pub mod pack;
pub mod plan;
pub mod queries;
#[cfg(test)]
mod samples;
pub mod signature;
pub mod validate;
