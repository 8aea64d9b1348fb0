//! The processor as CubeCL's device, with kernels that are compiled once and kept in files.
//!
//! # Design
//!
//! CubeCL's own server for processors translates a kernel with LLVM in every process that launches it. Ours stands before it: memory, copies
//! and errors are CubeCL's ([`CpuServer`](cubecl_cpu::compute::server::CpuServer)), but a launch first looks for the kernel's object code
//! in a folder ([`cache`]). Only where there is none is the kernel expanded, brought to LLVM ([`lower`]) and translated ([`object`]), and
//! what came out is kept. The code is linked into the process by LLVM's linker for object code, and run by [`workers`], one for each unit.
//!
//! A name in the folder is a hash of all that the code depends on: the text of this crate and the versions it is built with, the kernel
//! with everything it is specialised by, and the processor. So nothing in the folder is ever out of date.
//!
//! A kernel that this way cannot take is left to CubeCL: one with shared memory, a buffer that does not begin where lines of the cache
//! do, a number of cubes that is read from a buffer.
//!
//! **Invariant.** What a launch computes does not depend on whether its code was in the folder.

mod cache;
mod lower;
mod object;
mod server;
mod workers;

pub use cache::VARIABLE;
pub use server::{Made, made};

use cubecl::client::Client;
use cubecl_core::device::DeviceId;

/// The processor. All programs of a process share it.
pub fn client() -> Client {
    Client::load::<server::Processor>(DeviceId::new(0, 0))
}
