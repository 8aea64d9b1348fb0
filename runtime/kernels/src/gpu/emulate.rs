//! Kernels for GPUs on the processor, so that tests can see what they compute where there is no GPU. Slow: a unit is a thread.

use crate::error::KernelError;
use crate::gpu::schedule::{Scheduled, Sizes, all_kernels};
use crate::launch::argument;
use cubecl::Device;
use cubecl::client::Client;
pub use cubecl::server::Handle;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::gpu::{Buffer, Format, GpuCode, GpuKernel, Role, Scalar};
use danaus_artifact::plan::Plan;

/// The kernels of a plan and a processor.
pub struct Emulator {
    client: Client,
    sizes: Sizes,
    kernels: Vec<Scheduled>,
    launches: usize,
}

impl Emulator {
    /// Schedules the kernels of a plan with these sizes.
    pub fn new(plan: &Plan, flows: Option<&FlowPlan>, sizes: Sizes) -> Result<Emulator, KernelError> {
        let client = Device::cpu().map_err(|error| KernelError::Device(format!("{error:?}")))?.client();
        Ok(Emulator { client, sizes, kernels: all_kernels(plan, flows, &sizes), launches: 0 })
    }

    /// The manifest, as it would be with code; images are empty texts.
    pub fn code(&self) -> GpuCode {
        let kernel = |scheduled: &Scheduled| GpuKernel {
            role: scheduled.role,
            entry: format!("{:?}", scheduled.role),
            units: scheduled.units,
            grid: scheduled.grid,
            shared_bytes: 0,
            buffers: scheduled.kernel.buffers(),
            scalars: scheduled.kernel.scalars(),
            precision: scheduled.kernel.precision(),
            resources: None,
            image: vec![0],
        };
        let kernels = self.kernels.iter().map(kernel).collect();
        let Sizes { lanes, samples, .. } = self.sizes;
        let precision = self.sizes.precision();
        GpuCode { architecture: "cpu".into(), format: Format::Ptx, precision, lanes, samples, kernels }
    }

    /// A buffer that holds `bytes`.
    pub fn buffer(&self, bytes: &[u8]) -> Handle {
        self.client.create_from_slice(bytes)
    }

    /// What a buffer holds.
    pub fn read(&self, buffer: &Handle) -> Result<Vec<u8>, KernelError> {
        let bytes = self.client.read_one(buffer.clone());
        Ok(bytes.map_err(|error| KernelError::Device(format!("{error:?}")))?.to_vec())
    }

    /// Queues a launch.
    ///
    /// # Safety
    /// The buffers and numbers must be those of a plan that has been checked.
    pub unsafe fn launch(
        &mut self,
        role: Role,
        cubes: u32,
        scalar: &dyn Fn(Scalar) -> u32,
        buffer: &dyn Fn(Buffer) -> Handle,
    ) -> Result<(), KernelError> {
        let scheduled = self.kernels.iter().find(|scheduled| scheduled.role == role).expect("all have code");
        let sizes = [cubes, scheduled.units, self.sizes.lanes];
        // SAFETY: the caller's promise.
        unsafe { scheduled.kernel.launch(&self.client, sizes, &|name| argument(&buffer(name)), scalar) };
        self.launches += 1;
        // Many queued launches make the runtime slow.
        if self.launches.is_multiple_of(crate::program::FLUSH as usize) {
            self.client.flush().map_err(|error| KernelError::Device(format!("{error:?}")))?;
        }
        Ok(())
    }
}
