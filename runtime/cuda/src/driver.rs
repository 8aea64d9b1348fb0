//! A device through the driver of CUDA, which is opened when it is first asked for.

use crate::device::Device;
use crate::error::GpuError;
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute_enum as Attribute};
use danaus_artifact::gpu::GpuKernel;
use std::ffi::{CString, c_void};

/// What is known of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuInfo {
    /// Its number.
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// Its compute capability, major and minor.
    pub capability: [u32; 2],
    /// Bytes of memory.
    pub memory: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
}

/// The GPUs of this machine; none if there is no driver.
pub fn gpus() -> Result<Vec<GpuInfo>, GpuError> {
    // SAFETY: asks whether a library can be opened.
    if !unsafe { sys::is_culib_present() } {
        return Ok(Vec::new());
    }
    match result::init() {
        Ok(()) => {}
        // A driver without a device.
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        Err(error) => return Err(failed("starting the driver")(error)),
    }
    let count = result::device::get_count().map_err(failed("counting GPUs"))?;
    (0..count).map(info).collect()
}

fn info(ordinal: i32) -> Result<GpuInfo, GpuError> {
    let asking = || format!("asking about GPU {ordinal}");
    let device = result::device::get(ordinal).map_err(failed(asking()))?;
    let attribute = |attribute| {
        // SAFETY: the device was given by the driver.
        let number = unsafe { result::device::get_attribute(device, attribute) }.map_err(failed(asking()))?;
        Ok::<u32, GpuError>(number.max(0) as u32)
    };
    Ok(GpuInfo {
        ordinal: ordinal as u32,
        name: result::device::get_name(device).map_err(failed(asking()))?,
        capability: [
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ],
        // SAFETY: the device was given by the driver.
        memory: unsafe { result::device::total_mem(device) }.map_err(failed(asking()))? as u64,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

/// A GPU that is in use.
pub struct Gpu {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    poisons: bool,
}

/// Memory of a GPU.
#[derive(Debug)]
pub struct GpuBuffer {
    address: sys::CUdeviceptr,
    bytes: usize,
}

/// A kernel on a GPU.
#[derive(Debug)]
pub struct GpuFunction {
    module: sys::CUmodule,
    function: sys::CUfunction,
    kernel: GpuKernel,
}

/// Launches that the driver keeps as a graph.
#[derive(Debug)]
pub struct GpuGraph {
    graph: sys::CUgraph,
    executable: sys::CUgraphExec,
}

fn failed(doing: impl Into<String>) -> impl FnOnce(DriverError) -> GpuError {
    let doing = doing.into();
    move |error| GpuError::Driver { doing, reason: describe(error) }
}

fn describe(error: DriverError) -> String {
    let text = |text: Result<&std::ffi::CStr, DriverError>| {
        text.map_or_else(|_| "unknown error".to_string(), |text| text.to_string_lossy().into_owned())
    };
    format!("{} ({})", text(error.error_string()), text(error.error_name()))
}

impl Gpu {
    /// Opens a GPU.
    pub fn open(ordinal: u32) -> Result<Gpu, GpuError> {
        let all = gpus()?;
        if ordinal as usize >= all.len() {
            let message = match all.len() {
                0 => "no driver of CUDA with a GPU was found on this machine".to_string(),
                count => format!("GPU {ordinal} was asked for, but there are {count}, counted from 0"),
            };
            return Err(GpuError::NoDriver(message));
        }
        let device = result::device::get(ordinal as i32).map_err(failed("opening the GPU"))?;
        // SAFETY: the driver was started, and the device was given by it.
        unsafe {
            let context = result::primary_ctx::retain(device).map_err(failed("opening the GPU"))?;
            result::ctx::set_current(context).map_err(failed("opening the GPU"))?;
            let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
                .map_err(failed("making a queue of launches"))?;
            Ok(Gpu { device, context, stream, poisons: false })
        }
    }

    /// Fills memory with NaN when it is taken from now on, so that a check sees it when a kernel reads what nothing has written.
    pub fn poison(&mut self) {
        self.poisons = true;
    }

    /// Waits for all that is queued.
    pub fn wait(&self) -> Result<(), GpuError> {
        // SAFETY: the stream is the device's own.
        unsafe { result::stream::synchronize(self.stream) }.map_err(failed("running the kernels"))
    }
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // SAFETY: both are this device's own. A driver that fails when it is closed has nothing left to tell.
        unsafe {
            let _ = result::stream::synchronize(self.stream);
            let _ = result::stream::destroy(self.stream);
            debug_assert!(!self.context.is_null());
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        // SAFETY: the address came from the driver and is freed once; freeing waits for what is queued.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

impl Drop for GpuFunction {
    fn drop(&mut self) {
        // SAFETY: the module came from the driver and is unloaded once.
        let _ = unsafe { result::module::unload(self.module) };
    }
}

impl Drop for GpuGraph {
    fn drop(&mut self) {
        // SAFETY: both came from the driver and are given back once.
        unsafe {
            let _ = result::graph::exec_destroy(self.executable);
            let _ = result::graph::destroy(self.graph);
        }
    }
}

impl Device for Gpu {
    type Buffer = GpuBuffer;
    type Kernel = GpuFunction;
    type Recording = GpuGraph;

    fn load(&mut self, kernel: &GpuKernel) -> Result<GpuFunction, GpuError> {
        let loading = || failed(format!("loading kernel `{}`", kernel.entry));
        let entry = CString::new(kernel.entry.as_str()).expect("names were checked when the code was read");
        // SAFETY: the image is whole: machine code knows its length, and text ends with a zero byte.
        unsafe {
            let module = result::module::load_data(kernel.image.as_ptr().cast()).map_err(loading())?;
            let kernel = GpuKernel { image: Vec::new(), ..kernel.clone() };
            let mut loaded = GpuFunction { module, function: std::ptr::null_mut(), kernel };
            loaded.function = result::module::get_function(module, entry).map_err(loading())?;
            let most = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            result::function::set_function_attribute(loaded.function, most, loaded.kernel.shared_bytes as i32)
                .map_err(loading())?;
            Ok(loaded)
        }
    }

    fn allocate(&mut self, bytes: u64, what: &'static str) -> Result<GpuBuffer, GpuError> {
        // SAFETY: nothing is asked of memory that has not been taken yet.
        match unsafe { result::malloc_sync(bytes as usize) } {
            Ok(address) => {
                let buffer = GpuBuffer { address, bytes: bytes as usize };
                if self.poisons {
                    // SAFETY: so much was taken.
                    unsafe { result::memset_d8_sync(address, 0xff, bytes as usize) }
                        .map_err(failed("filling memory"))?;
                }
                Ok(buffer)
            }
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let [free, total] = self.memory()?.unwrap_or_default();
                Err(GpuError::Memory { what, needed: bytes, free, total })
            }
            Err(error) => Err(failed(format!("taking {bytes} bytes for {what}"))(error)),
        }
    }

    fn clear(&mut self, buffer: &mut GpuBuffer) -> Result<(), GpuError> {
        self.wait()?;
        // SAFETY: so much was taken.
        unsafe { result::memset_d8_sync(buffer.address, 0, buffer.bytes) }.map_err(failed("clearing memory"))
    }

    fn memory(&self) -> Result<Option<[u64; 2]>, GpuError> {
        let (free, total) = result::mem_get_info().map_err(failed("asking for free memory"))?;
        Ok(Some([free as u64, total as u64]))
    }

    fn upload(&mut self, to: &mut GpuBuffer, bytes: &[u8]) -> Result<(), GpuError> {
        self.wait()?;
        if bytes.is_empty() {
            return Ok(());
        }
        // SAFETY: callers do not write more than they took.
        unsafe { result::memcpy_htod_sync(to.address, bytes) }.map_err(failed("copying to the GPU"))
    }

    fn download(&mut self, from: &GpuBuffer, bytes: &mut [u8]) -> Result<(), GpuError> {
        self.wait()?;
        // SAFETY: callers do not read more than they took.
        unsafe { result::memcpy_dtoh_sync(bytes, from.address) }.map_err(failed("copying from the GPU"))
    }

    unsafe fn launch(
        &mut self,
        kernel: &GpuFunction,
        cubes: u32,
        scalars: &[u32],
        buffers: &[(&GpuBuffer, u32)],
    ) -> Result<(), GpuError> {
        let lengths: Vec<u32> = buffers.iter().map(|(_, length)| *length).collect();
        let mut block = kernel.kernel.block(scalars, &lengths);
        let mut addresses: Vec<sys::CUdeviceptr> = buffers.iter().map(|(buffer, _)| buffer.address).collect();
        let mut arguments: Vec<*mut c_void> =
            addresses.iter_mut().map(|address| std::ptr::from_mut(address).cast()).collect();
        arguments.push(block.as_mut_ptr().cast());
        let (units, shared) = (kernel.kernel.units, kernel.kernel.shared_bytes);
        // SAFETY: the arguments are those that the kernel's manifest lists; the rest is the caller's promise.
        unsafe {
            result::launch_kernel(kernel.function, (cubes, 1, 1), (units, 1, 1), shared, self.stream, &mut arguments)
        }
        .map_err(failed(format!("launching kernel `{}`", kernel.kernel.entry)))
    }

    fn begin_recording(&mut self) -> Result<bool, GpuError> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream is the device's own.
        unsafe { result::stream::begin_capture(self.stream, mode) }.map_err(failed("recording launches"))?;
        Ok(true)
    }

    fn end_recording(&mut self) -> Result<GpuGraph, GpuError> {
        // SAFETY: the stream is the device's own, and recording was begun.
        unsafe {
            let graph = result::stream::end_capture(self.stream).map_err(failed("recording launches"))?;
            let mut executable = std::mem::MaybeUninit::uninit();
            let made = sys::cuGraphInstantiateWithFlags(executable.as_mut_ptr(), graph, 0).result();
            if let Err(error) = made {
                let _ = result::graph::destroy(graph);
                return Err(failed("recording launches")(error));
            }
            Ok(GpuGraph { graph, executable: executable.assume_init() })
        }
    }

    fn replay(&mut self, recording: &GpuGraph) -> Result<(), GpuError> {
        // SAFETY: the graph was made for this device, and its buffers live as long as it does.
        unsafe { result::graph::launch(recording.executable, self.stream) }.map_err(failed("launching the kernels"))
    }
}
