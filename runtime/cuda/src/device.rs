//! What the walk asks of a device.

use crate::error::GpuError;
use danaus_artifact::gpu::GpuKernel;

/// A device: memory, kernels, and a queue of launches that are done in order.
pub trait Device {
    /// Some of its memory; given back when it is dropped.
    type Buffer;
    /// A kernel that has been loaded.
    type Kernel;
    /// Launches that can be queued again all at once.
    type Recording;

    /// Loads a kernel.
    fn load(&mut self, kernel: &GpuKernel) -> Result<Self::Kernel, GpuError>;

    /// Takes `bytes` bytes of memory, at least one; what is in them is not said. `what` is for messages.
    fn allocate(&mut self, bytes: u64, what: &'static str) -> Result<Self::Buffer, GpuError>;

    /// Sets a whole buffer to zero when all that is queued is done.
    fn clear(&mut self, buffer: &mut Self::Buffer) -> Result<(), GpuError>;

    /// Bytes that are free and bytes there are, if that can be said.
    fn memory(&self) -> Result<Option<[u64; 2]>, GpuError>;

    /// Copies to the beginning of a buffer when all that is queued is done.
    fn upload(&mut self, to: &mut Self::Buffer, bytes: &[u8]) -> Result<(), GpuError>;

    /// Copies from the beginning of a buffer when all that is queued is done.
    fn download(&mut self, from: &Self::Buffer, bytes: &mut [u8]) -> Result<(), GpuError>;

    /// Queues a launch: numbers in the order of the kernel's scalars, buffers with their lengths in the order of its buffers.
    ///
    /// # Safety
    /// The kernel must stay within the buffers for these numbers: those of a plan that has been checked.
    unsafe fn launch(
        &mut self,
        kernel: &Self::Kernel,
        cubes: u32,
        scalars: &[u32],
        buffers: &[(&Self::Buffer, u32)],
    ) -> Result<(), GpuError>;

    /// Begins to record launches instead of doing them; `false` if the device cannot, and does them as they come.
    fn begin_recording(&mut self) -> Result<bool, GpuError>;

    /// Ends what [`begin_recording`](Device::begin_recording) began.
    fn end_recording(&mut self) -> Result<Self::Recording, GpuError>;

    /// Queues all launches of a recording.
    fn replay(&mut self, recording: &Self::Recording) -> Result<(), GpuError>;
}
