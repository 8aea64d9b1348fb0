//! Runs compiled circuits on GPUs of NVIDIA, with nothing but their driver: no CubeCL, no LLVM, no toolkit.
//!
//! The code comes from the artifact, where [`danaus_artifact::gpu`] describes it. Reading order: [`device`] (what is asked of a
//! device), [`kernels`] (how launches are made), [`batch`] (buffers, and launches that are recorded), [`forward`] (the walk over the plan), [`score`]
//! (all rows of some data), [`mod@check`] and [`training`] (the flow plan, walked up and down), [`flows`] (for the training loop of the runtime), [`driver`] (a device through the driver of CUDA),
//! [`choice`] (which of an artifact's codes a device can use), [`error`].
//!
//! **Invariant.** The walk knows nothing of the driver: tests have it walk over devices that only write down what they are asked,
//! or that compute on the processor.

pub mod batch;
pub mod check;
pub mod choice;
pub mod device;
pub mod driver;
pub mod error;
pub mod flows;
pub mod forward;
pub mod kernels;
pub mod score;
pub mod training;

pub use choice::{Choice, choose};
pub use device::Device;
pub use driver::{Gpu, GpuInfo, gpus};
pub use error::GpuError;
pub use flows::{GpuFlows, GpuLikelihood};
pub use forward::Forward;
pub use training::Training;
