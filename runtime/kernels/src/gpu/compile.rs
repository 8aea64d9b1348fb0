//! From kernels to PTX, without a device and without a driver.
//!
//! The code is for [`ARCHITECTURE`] and everything after it: the kernels use nothing that only later devices have, so one text serves all, and
//! [`assemble`](mod@crate::gpu::assemble) makes machine code of it for each. Its version is one that drivers from CUDA 12.0 on know.

use crate::error::KernelError;
use crate::gpu::schedule::{SHARED, Scheduled, Sizes, all_kernels};
use cubecl::ir::features::Features;
use cubecl::ir::nvidia::SmArch;
use cubecl::ir::{
    DeviceIdentity, DeviceProperties, HardwareProperties, MemoryDeviceProperties, TargetProperties, VectorSize,
};
use cubecl_core::Compiler;
use cubecl_core::profile::TimingMethod;
use cubecl_llvm::nvptx::ptx_version::PtxVersion;
use cubecl_llvm::{LlvmTarget, NvptxModule, PlironArtifact, PlironCompiler, PlironOptions};
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::gpu::{Format, GpuCode, GpuKernel};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::Domain;
use rayon::prelude::*;
use std::sync::Arc;

/// The oldest compute capability that the code is for, times ten.
pub const ARCHITECTURE: u32 = 80;

/// The directive of how many cubes shall fit a multiprocessor.
pub const CUBES: &str = ".minnctapersm";

/// Units that a multiprocessor shall have room for, a quarter of all: otherwise the assembler spills to make room for more, or takes so many registers
/// that there is room for too few.
const AT_WORK: u32 = 512;

/// The release of CUDA whose drivers must understand the text: 12.0.
const DRIVER: i32 = 12_000;

/// The kernels of the plan's forward pass as PTX, and those of training if there is a flow plan.
pub fn compile(plan: &Plan, flows: Option<&FlowPlan>) -> Result<GpuCode, KernelError> {
    if let Some(array) = plan.variables.iter().find(|array| array.domain == Domain::Real) {
        return Err(KernelError::NoGpu(format!(
            "the variables `{}` are real; compile for the processor only",
            array.name
        )));
    }
    let (properties, target) = (Arc::new(properties()), Arc::new(TargetProperties::default()));
    let kernels = all_kernels(plan, flows, &Sizes::GPU)
        .par_iter()
        .map(|scheduled| compile_kernel(scheduled, &properties, &target))
        .collect::<Result<Vec<GpuKernel>, KernelError>>()?;
    let Sizes { lanes, samples, .. } = Sizes::GPU;
    Ok(GpuCode { architecture: format!("sm_{ARCHITECTURE}"), format: Format::Ptx, lanes, samples, kernels })
}

fn compile_kernel(
    scheduled: &Scheduled,
    properties: &Arc<DeviceProperties>,
    target: &Arc<TargetProperties>,
) -> Result<GpuKernel, KernelError> {
    let Scheduled { role, kernel, units, grid } = scheduled;
    let definition = kernel.define([*units, Sizes::GPU.lanes], properties.clone(), target.clone());
    let options = PlironOptions {
        sm_arch: Some(SmArch::new(ARCHITECTURE, true)),
        ptx_version: PtxVersion::for_driver(DRIVER),
        grid_constants: true,
        ..PlironOptions::default()
    };
    let mut compiler = PlironCompiler { target: LlvmTarget::Nvptx };
    let module = match compiler.compile(definition, &options) {
        Ok(PlironArtifact::NvptxCode(module)) => module,
        Ok(PlironArtifact::Jit(_)) => unreachable!("code for a GPU was asked for"),
        Err(error) => return Err(KernelError::Device(format!("{error} (while compiling {kernel:?})"))),
    };
    if module.shared_memory_size > SHARED {
        let bytes = module.shared_memory_size;
        return Err(KernelError::Device(format!("{kernel:?} needs {bytes} bytes of shared memory, not {SHARED}")));
    }
    Ok(GpuKernel {
        role: *role,
        entry: module.entrypoint.clone(),
        units: *units,
        grid: *grid,
        shared_bytes: module.shared_memory_size as u32,
        buffers: kernel.buffers(),
        scalars: kernel.scalars(),
        resources: None,
        image: text(&module, *units),
    })
}

/// The text with the zero byte that ends it, and with how many cubes shall fit a multiprocessor.
fn text(module: &NvptxModule, units: u32) -> Vec<u8> {
    let bytes: Vec<u8> = module.ptx.iter().map(|&byte| byte as u8).take_while(|&byte| byte != 0).collect();
    let text = String::from_utf8(bytes).expect("PTX is text");
    let mut lines = String::with_capacity(text.len() + 32);
    for line in text.lines() {
        lines.push_str(line);
        lines.push('\n');
        if line.starts_with(".reqntid") {
            lines.push_str(&format!("{CUBES} {}\n", (AT_WORK / units).max(1)));
        }
    }
    lines.push('\0');
    lines.into_bytes()
}

/// What CubeCL would read from a driver, written down: the least that a device of [`ARCHITECTURE`] has.
fn properties() -> DeviceProperties {
    let hardware = HardwareProperties {
        load_width: 128,
        vector_register_count: None,
        plane_size_min: 32,
        plane_size_max: 32,
        max_bindings: 1024,
        max_shared_memory_size: SHARED,
        max_cube_count: (i32::MAX as u32, 65535, 65535),
        max_units_per_cube: 1024,
        max_cube_dim: (1024, 1024, 64),
        num_streaming_multiprocessors: None,
        num_tensor_cores: None,
        min_tensor_cores_dim: None,
        num_cpu_cores: None,
        last_level_cache_size: None,
        max_vector_size: VectorSize::MAX,
        cube_mma_reserved_shared_memory: 0,
    };
    let identity = DeviceIdentity { name: "offline".into(), fingerprint: "offline".into(), physical: None };
    let memory = MemoryDeviceProperties::new(u64::MAX, 256);
    DeviceProperties::new(Features::default(), memory, hardware, TimingMethod::Device, identity)
}
