//! CubeCL's server for processors, with launches of our own.
//!
//! Launches are queued at the [`Workers`]; whatever else is asked of the server waits for them first.

use super::cache::Cache;
use super::lower::{ALIGNMENT, lower};
use super::object::{Host, link};
use super::workers::{Entry, Launch, Workers};
use cubecl::server::{
    BufferBinding, CopyDescriptor, CubeCount, KernelArguments, KernelResource, ProfileError, ProfilingToken, Server,
    ServerCommunication, ServerError, ServerStorage, ServerUtilities,
};
use cubecl::{CubeKernel, MemoryAllocationMode, StreamMemoryReport, define_kernel};
use cubecl_core::bytes::Bytes;
use cubecl_core::device::{DeviceId, DeviceService, ServerUtilitiesHandle};
use cubecl_core::environment::stream::StreamId;
use cubecl_core::future::DynFut;
use cubecl_core::profile::ProfileDuration;
use cubecl_cpu::compute::server::CpuServer;
use cubecl_runtime::dry_run::LaunchMode;
use cubecl_runtime::id::KernelId;
use cubecl_runtime::logging::ServerLogger;
use cubecl_runtime::memory_management::ManagedMemoryHandle;
use cubecl_runtime::storage::{ComputeStorage, ManagedResource};
use std::any::Any;
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the code of kernels depends on in this crate; see `build.rs`.
const MADE_FROM: &str = env!("KERNELS_MADE_FROM");

/// A kernel that was made ready.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// Its name.
    pub kernel: &'static str,
    /// Seconds that it took.
    pub seconds: f64,
    /// Whether its code was in the folder.
    pub was_kept: bool,
}

static MADE: Mutex<Vec<Made>> = Mutex::new(Vec::new());

/// The kernels that this process has made ready, in their order.
pub fn made() -> Vec<Made> {
    MADE.lock().expect("nobody panics with it").clone()
}

/// The server.
pub struct Processor {
    inner: CpuServer,
    workers: Workers,
    cache: Cache,
    /// What object code depends on besides its kernel; none if LLVM does not know the processor.
    host: Option<(Host, String)>,
    /// Kernels that were launched; none for one that is CubeCL's.
    kernels: HashMap<KernelId, Option<Entry>>,
    /// Whether CubeCL may have launches under way.
    is_mixed: bool,
}

type Resource = <<CpuServer as ServerStorage>::Storage as ComputeStorage>::Resource;

impl Processor {
    /// CubeCL's server, after all launches.
    fn quiet(&mut self) -> &mut CpuServer {
        self.workers.wait();
        &mut self.inner
    }

    /// Queues a launch; `false` if it is one for CubeCL.
    fn queue(
        &mut self,
        kernel: &dyn CubeKernel,
        count: &CubeCount,
        bindings: &KernelArguments,
        stream: StreamId,
    ) -> bool {
        let CubeCount::Static(x, y, z) = *count else { return false };
        let Some(entry) = self.entry(kernel) else { return false };
        let id = kernel.id();
        let Some((buffers, kept)) = self.buffers(bindings, stream) else { return false };
        let units = [id.cube_dim.x, id.cube_dim.y, id.cube_dim.z];
        // SAFETY: the kernel was compiled for these bindings, and the buffers are kept.
        let launch = unsafe { Launch::new(entry, [[x, y, z], units], buffers, bindings.info.data.clone(), kept) };
        self.workers.queue(launch);
        true
    }

    /// Where the buffers are, and what keeps them there.
    fn buffers(
        &mut self,
        bindings: &KernelArguments,
        stream: StreamId,
    ) -> Option<(Vec<*mut c_void>, Vec<Box<dyn Any + Send>>)> {
        if std::mem::take(&mut self.is_mixed) {
            self.inner.flush(stream).ok()?;
        }
        let (mut pointers, mut kept) = (Vec::new(), Vec::<Box<dyn Any + Send>>::new());
        for resource in &bindings.resources {
            let KernelResource::Buffer(binding) = resource else { return None };
            if binding.offset_start.unwrap_or(0) % ALIGNMENT != 0 {
                return None;
            }
            let resource = self.inner.get_resource(binding.clone(), stream).ok()?;
            pointers.push(resource.resource().get_write_ptr_and_length().0.cast());
            kept.push(Box::new(resource));
        }
        (!pointers.is_empty()).then_some((pointers, kept))
    }

    /// The code of a kernel: linked already, from the folder, or new.
    fn entry(&mut self, kernel: &dyn CubeKernel) -> Option<Entry> {
        let id = kernel.id();
        if let Some(entry) = self.kernels.get(&id) {
            return *entry;
        }
        let start = Instant::now();
        // What goes wrong here goes wrong again where CubeCL compiles the kernel, which says so.
        let found = catch_unwind(AssertUnwindSafe(|| self.make(kernel, &id))).ok().and_then(Result::ok);
        if let Some((_, was_kept)) = found {
            let made = Made { kernel: id.short_name(), seconds: start.elapsed().as_secs_f64(), was_kept };
            MADE.lock().expect("nobody panics with it").push(made);
        }
        let entry = found.map(|(entry, _)| entry);
        self.kernels.insert(id, entry);
        entry
    }

    /// The code, and whether it was in the folder.
    fn make(&self, kernel: &dyn CubeKernel, id: &KernelId) -> Result<(Entry, bool), String> {
        let (host, about) = self.host.as_ref().ok_or("the processor is unknown")?;
        let properties = Server::utilities(&self.inner).properties_hash;
        let all = format!("{MADE_FROM} {about} {properties} {:x} {}", id.stable_hash(), id.stable_format());
        let name = blake3::hash(all.as_bytes()).to_hex().to_string();
        // SAFETY: the name stands for all that the code depends on, and the contents are undamaged.
        if let Some(entry) = self.cache.read(&name).and_then(|object| unsafe { link(&object, &name) }.ok()) {
            return Ok((entry, true));
        }
        let definition = define_kernel(kernel).map_err(|error| format!("{error:?}"))?;
        let entry = definition.settings.kernel_name.clone();
        let object = host.compile(&lower(definition)?, &entry, &name)?;
        self.cache.write(&name, &object);
        // SAFETY: it has just been made.
        Ok((unsafe { link(&object, &name)? }, false))
    }
}

impl DeviceService for Processor {
    fn init(device: DeviceId) -> Processor {
        let host = Host::new().ok().map(|host| {
            let about = host.describe();
            (host, about)
        });
        Processor {
            inner: CpuServer::init(device),
            workers: Workers::new(),
            cache: Cache::of_environment(),
            host,
            kernels: HashMap::new(),
            is_mixed: false,
        }
    }

    fn utilities(&self) -> ServerUtilitiesHandle {
        DeviceService::utilities(&self.inner)
    }
}

impl std::fmt::Debug for Processor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Processor").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl ServerCommunication for Processor {}

impl ServerStorage for Processor {
    type Storage = <CpuServer as ServerStorage>::Storage;

    fn get_resource(
        &mut self,
        binding: BufferBinding,
        stream: StreamId,
    ) -> Result<ManagedResource<Resource>, ServerError> {
        self.quiet().get_resource(binding, stream)
    }
}

impl Server for Processor {
    unsafe fn launch(
        &mut self,
        kernel: Box<dyn CubeKernel>,
        count: CubeCount,
        bindings: KernelArguments,
        stream: StreamId,
        mode: LaunchMode,
    ) {
        if mode.is_skipped() || !self.queue(&*kernel, &count, &bindings, stream) {
            self.is_mixed = true;
            // SAFETY: the caller's promise.
            unsafe { self.quiet().launch(kernel, count, bindings, stream, mode) }
        }
    }

    fn initialize_memory(
        &mut self,
        memory: ManagedMemoryHandle,
        size: u64,
        stream: StreamId,
    ) -> Result<(), ServerError> {
        self.quiet().initialize_memory(memory, size, stream)
    }

    fn staging(&mut self, sizes: &[usize], stream: StreamId) -> Result<Vec<Bytes>, ServerError> {
        self.inner.staging(sizes, stream)
    }

    fn logger(&self) -> Arc<ServerLogger> {
        self.inner.logger()
    }

    fn utilities(&self) -> Arc<ServerUtilities> {
        Server::utilities(&self.inner)
    }

    fn read(&mut self, descriptors: Vec<CopyDescriptor>, stream: StreamId) -> DynFut<Result<Vec<Bytes>, ServerError>> {
        self.quiet().read(descriptors, stream)
    }

    fn write(&mut self, descriptors: Vec<(CopyDescriptor, Bytes)>, stream: StreamId) {
        self.quiet().write(descriptors, stream);
    }

    fn sync(&mut self, handles: Vec<BufferBinding>, stream: StreamId) -> DynFut<Result<(), ServerError>> {
        self.quiet().sync(handles, stream)
    }

    fn check(&mut self, handles: Vec<BufferBinding>, stream: StreamId) -> Result<(), ServerError> {
        self.inner.check(handles, stream)
    }

    /// Does not wait: launches run by themselves.
    fn flush(&mut self, stream: StreamId) -> Result<(), ServerError> {
        self.inner.flush(stream)
    }

    fn memory_report(&mut self, stream: StreamId) -> Option<StreamMemoryReport> {
        self.inner.memory_report(stream)
    }

    fn stream_ids(&self) -> Vec<StreamId> {
        self.inner.stream_ids()
    }

    fn memory_cleanup(&mut self, stream: StreamId) -> Result<(), ServerError> {
        self.quiet().memory_cleanup(stream)
    }

    fn start_profile(&mut self, stream: StreamId) -> Result<ProfilingToken, ServerError> {
        self.quiet().start_profile(stream)
    }

    fn end_profile(&mut self, stream: StreamId, token: ProfilingToken) -> Result<ProfileDuration, ProfileError> {
        self.quiet().end_profile(stream, token)
    }

    fn abandon_profile(&mut self, stream: StreamId, token: ProfilingToken) {
        self.inner.abandon_profile(stream, token);
    }

    fn allocation_mode(&mut self, mode: MemoryAllocationMode, stream: StreamId) {
        self.inner.allocation_mode(mode, stream);
    }
}
