//! Runs a kernel plan: owns the buffers of the device and walks the steps.
//!
//! A launch is queued, not awaited; the results are read at the end. Buffers are kept between calls of equal
//! batch. Device code is compiled when a batch of a new layout is first seen.

use crate::chain::forward::ChainConfig;
use crate::chain::parameters::ChainParameters;
use crate::chain::session::{Buffers, ChainSession};
use crate::error::KernelError;
use crate::launch::{Config, Layout, Memory, argument, grid};
use crate::pack::pack_len;
use crate::processor::{self, upload};
use crate::rescale::{rescale_kernel, restore_kernel, result_kernel};
use crate::validate::{arrays, is_illegal, validate};
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::chain::Chain;
use danaus_artifact::plan::{CHUNK, Launch, Loop, Plan, Step};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Launches queued between two flushes: beyond some thirty the CPU runtime becomes slow.
pub(crate) const FLUSH: u64 = 8;

/// What a program has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Specialised kernels compiled.
    pub kernels: usize,
    /// Seconds spent compiling them.
    pub compile_seconds: f64,
    /// Launches queued.
    pub launches: u64,
    /// Batches whose chains were computed in linear space, and those for which that failed: see [`crate::chain`].
    pub in_linear_space: u64,
    /// See above.
    pub relapses: u64,
    /// Bytes of device memory held.
    pub bytes: u64,
}

/// A plan with its parameters on a device.
pub struct Program {
    pub(crate) plan: Arc<Plan>,
    client: Client,
    packed: Handle,
    tables: Handle,
    /// Number of values of every variable.
    pub(crate) values: Vec<u32>,
    units: usize,
    /// For each step of the plan, if it is a chain.
    chains: Vec<Option<ChainParameters>>,
    pub(crate) session: Option<Session>,
    /// By configuration, lanes and units.
    compiled: HashSet<(Config, usize, usize)>,
    compiled_chains: HashSet<(ChainConfig, usize, usize)>,
    stats: Stats,
}

/// The buffers and kernels for one size of batch.
pub(crate) struct Session {
    pub(crate) batch: usize,
    pub(crate) memory: Memory,
    offsets: Handle,
    /// By kernel and number of members.
    configs: BTreeMap<(u32, u32), Config>,
    /// For each step of the plan, if it is a chain.
    chains: Vec<Option<ChainSession>>,
}

impl Program {
    /// Checks the plan and puts it and its packed parameters (see [`pack`](crate::pack::pack)) on the CPU.
    pub fn new(plan: Arc<Plan>, packed: Vec<f32>) -> Result<Program, KernelError> {
        validate(&plan)?;
        if packed.len() != pack_len(&plan) {
            return Err(KernelError::Parameters { expected: pack_len(&plan), found: packed.len() });
        }
        let client = processor::client();
        let units = client.properties().hardware.max_units_per_cube.max(1) as usize;
        check_memory(&client, 4 * packed.len() as u64, "the parameters")?;
        let packed = upload(&client, packed);
        check_memory(&client, 4 * plan.tables.len() as u64, "the plan's tables")?;
        let tables = upload(&client, plan.tables.clone());
        let (arrays, count) = arrays(&plan)?;
        let mut values = Vec::with_capacity(count as usize);
        for (index, &(_, size)) in arrays.iter().enumerate() {
            let end = arrays.get(index + 1).map_or(count, |next| next.0);
            values.resize(end as usize, size as u32);
        }
        let chain = |step: &Step| match step {
            Step::Loop(body) => Chain::of_loop(&plan, body).map(|chain| ChainParameters::new(&client, chain)),
            Step::Launch(_) => None,
        };
        let chains = plan.steps.iter().map(chain).collect();
        let mut program = Program {
            plan,
            client,
            packed,
            tables,
            values,
            units,
            chains,
            session: None,
            compiled: HashSet::new(),
            compiled_chains: HashSet::new(),
            stats: Stats::default(),
        };
        program.stats.bytes = program.packed.size_in_used() + program.tables.size_in_used();
        Ok(program)
    }

    /// Replaces the packed parameters.
    pub fn set_parameters(&mut self, packed: Vec<f32>) -> Result<(), KernelError> {
        if packed.len() != pack_len(&self.plan) {
            return Err(KernelError::Parameters { expected: pack_len(&self.plan), found: packed.len() });
        }
        if packed.is_empty() {
            return Ok(());
        }
        self.packed = upload(&self.client, packed);
        self.chains.iter_mut().flatten().for_each(ChainParameters::outdate);
        if let Some(session) = &mut self.session {
            session.memory.packed = self.packed.clone();
        }
        Ok(())
    }

    /// Uses at most this many cores from now on; at first all are used.
    pub fn limit_cores(&mut self, cores: usize) {
        let all = self.client.properties().hardware.max_units_per_cube.max(1) as usize;
        self.units = cores.clamp(1, all);
        self.chains.iter_mut().flatten().for_each(ChainParameters::outdate);
        self.session = None;
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Log-likelihoods of a batch. `evidence` is `[variables][batch]`: indices of values, or the number of values of
    /// the variable where it is missing.
    pub fn forward(&mut self, evidence: &[u32], batch: usize) -> Result<Vec<f64>, KernelError> {
        let variables = self.values.len();
        self.check_rows(evidence, variables, batch, |row| row)?;
        if batch == 0 {
            return Ok(Vec::new());
        }
        self.prepare(batch)?;
        self.put_evidence(evidence, variables, |row| row)?;
        if self.chains.iter().any(Option::is_some) {
            let failed = self.zeros(1);
            let result = self.pass(Some(&failed))?;
            let read = self.client.read_one(failed).map_err(|error| KernelError::Device(format!("{error:?}")))?;
            if f32::from_bytes(&read).iter().all(|&failed| failed == 0.0) {
                self.stats.in_linear_space += 1;
                return Ok(result);
            }
            self.stats.relapses += 1;
        }
        self.pass(None)
    }

    /// The forward pass; with chains in linear space if there is a buffer that becomes positive if they fail.
    fn pass(&mut self, failed: Option<&Handle>) -> Result<Vec<f64>, KernelError> {
        self.reset_offsets();
        let plan = self.plan.clone();
        let mut iterations = 0;
        for (index, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Launch(launch) => self.launch(launch, iterations, 0, 0)?,
                Step::Loop(body) => {
                    iterations = u64::from(body.steps);
                    match failed.filter(|_| self.chains[index].is_some()) {
                        Some(failed) => self.walk(index, body, failed)?,
                        None => (0..iterations).try_for_each(|iteration| self.iterate(body, iteration, 0))?,
                    }
                    self.leave_loop(body, iterations)?;
                }
            }
        }
        self.result()
    }

    /// Queues a chain in linear space.
    fn walk(&mut self, index: usize, body: &Loop, failed: &Handle) -> Result<(), KernelError> {
        let session = self.session.as_ref().expect("a batch was prepared");
        let parameters = self.chains[index].as_mut().expect("it is a chain");
        self.stats.launches += parameters.update(&self.client, &self.packed, self.units);
        let chain = session.chains[index].as_ref().expect("it is a chain");
        let carries = [body.carry[0], body.carry[body.steps as usize % 2]];
        let buffers =
            Buffers { client: &self.client, memory: &session.memory, offsets: &session.offsets, failed, parameters };
        // SAFETY: the plan was validated, and the buffers were made for it and for this layout.
        self.stats.launches += unsafe { chain.forward(&buffers, carries) };
        self.flush()
    }

    /// A buffer of zeros, some numbers for each lane of each of `rows` vectors.
    fn zeros(&self, rows: usize) -> Handle {
        let session = self.session.as_ref().expect("a batch was prepared");
        let zeros = vec![0.0f32; rows * session.memory.layout.lanes.max(CHUNK)];
        upload(&self.client, zeros)
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Checks that evidence `[rows][batch]` holds legal indices; `variable` names the variable of a row.
    pub(crate) fn check_rows(
        &self,
        evidence: &[u32],
        rows: usize,
        batch: usize,
        variable: impl Fn(usize) -> usize,
    ) -> Result<(), KernelError> {
        if evidence.len() != rows * batch {
            let found = evidence.len();
            let expected = format!("expected {rows} variables by {batch} samples");
            return Err(KernelError::Evidence(format!("{expected}, found {found} numbers")));
        }
        for (row, indices) in evidence.chunks_exact(batch.max(1)).enumerate() {
            let values = self.values[variable(row)];
            if let Some(&index) = indices.iter().find(|&&index| is_illegal(index, values)) {
                return Err(KernelError::Evidence(format!(
                    "row {row} is of a variable of {values} values, but one of its indices is {index}"
                )));
            }
        }
        Ok(())
    }

    /// Makes the buffers for a batch and compiles the kernels for its layout.
    pub(crate) fn prepare(&mut self, batch: usize) -> Result<(), KernelError> {
        if self.session.as_ref().is_some_and(|session| session.batch == batch) {
            return Ok(());
        }
        self.session = None;
        let layout = Layout::new(batch, self.units);
        let configs = self.configs(layout);
        let row_bytes = layout.samples() as u64 * 4;
        let vector_bytes = layout.lanes as u64 * 4;
        let session = |chain: &Option<ChainParameters>| {
            chain.as_ref().map(|chain| ChainSession::new(&self.client, chain.chain(), layout)).transpose()
        };
        let chains = self.chains.iter().map(session).collect::<Result<Vec<Option<ChainSession>>, KernelError>>()?;
        let of_chains = chains.iter().flatten().map(|chain| chain.scratch(layout).div_ceil(layout.lanes));
        let scratch_vectors =
            configs.values().map(Config::scratch).chain(of_chains).max().unwrap_or(0).max(1) * layout.units;
        let arena = self.allocate(u64::from(self.plan.rows) * row_bytes, "the activations")?;
        let scratch = self.allocate(scratch_vectors as u64 * vector_bytes, "the scratch memory")?;
        let offsets = self.allocate(2 * row_bytes, "the offsets")?;
        self.stats.bytes =
            [&self.packed, &self.tables, &arena, &scratch, &offsets].iter().map(|handle| handle.size_in_used()).sum();
        self.stats.bytes += self.chains.iter().flatten().map(ChainParameters::bytes).sum::<u64>();
        self.stats.bytes += chains.iter().flatten().map(ChainSession::bytes).sum::<u64>();
        let (packed, tables, evidence) = (self.packed.clone(), self.tables.clone(), self.tables.clone());
        let memory = Memory { layout, arena, scratch, packed, tables, evidence };
        self.session = Some(Session { batch, memory, offsets, configs, chains });
        self.compile()
    }

    fn configs(&self, layout: Layout) -> BTreeMap<(u32, u32), Config> {
        let launches = self.plan.steps.iter().flat_map(|step| match step {
            Step::Launch(launch) => std::slice::from_ref(launch),
            Step::Loop(body) => &body.body,
        });
        launches
            .map(|launch| {
                let kernel = &self.plan.kernels[launch.kernel as usize];
                ((launch.kernel, launch.members), Config::new(kernel, launch.members as usize, layout))
            })
            .collect()
    }

    fn allocate(&self, bytes: u64, what: &'static str) -> Result<Handle, KernelError> {
        check_memory(&self.client, bytes, what)?;
        Ok(self.client.empty(bytes as usize))
    }

    /// Compiles what is new by launching it without work, one at a time, so that an error names its kernel.
    fn compile(&mut self) -> Result<(), KernelError> {
        let session = self.session.as_ref().expect("a batch was prepared");
        let Layout { lanes, units, .. } = session.memory.layout;
        for config in session.configs.values() {
            if !self.compiled.insert((config.clone(), lanes, units)) {
                continue;
            }
            let start = Instant::now();
            // SAFETY: no members, hence no access.
            unsafe { config.launch(&self.client, &session.memory, [0, 0, 0, 0]) };
            self.wait().map_err(|error| KernelError::Device(format!("{error} (while compiling {config:?})")))?;
            self.stats.compile_seconds += start.elapsed().as_secs_f64();
            self.stats.kernels += 1;
        }
        self.compile_chains()
    }

    fn compile_chains(&mut self) -> Result<(), KernelError> {
        let session = self.session.as_ref().expect("a batch was prepared");
        let Layout { lanes, units, .. } = session.memory.layout;
        for (parameters, chain) in self.chains.iter_mut().flatten().zip(session.chains.iter().flatten()) {
            if !self.compiled_chains.insert((chain.config().clone(), lanes, units)) {
                continue;
            }
            let start = Instant::now();
            parameters.update(&self.client, &self.packed, units);
            let (client, memory, offsets) = (&self.client, &session.memory, &session.offsets);
            let buffers = Buffers { client, memory, offsets, failed: offsets, parameters };
            // SAFETY: no iterations, hence hardly any access.
            unsafe { chain.walk(&buffers, 0..0, true) };
            cubecl::future::block_on(self.client.sync())
                .map_err(|error| KernelError::Device(format!("{error:?} (while compiling {:?})", chain.config())))?;
            self.stats.compile_seconds += start.elapsed().as_secs_f64();
            self.stats.kernels += 1;
        }
        Ok(())
    }

    /// Puts evidence `[rows][batch]` on the device; the samples of the padding miss every value.
    pub(crate) fn put_evidence(
        &mut self,
        evidence: &[u32],
        rows: usize,
        variable: impl Fn(usize) -> usize,
    ) -> Result<(), KernelError> {
        let session = self.session.as_mut().expect("a batch was prepared");
        let samples = session.memory.layout.samples();
        let mut padded = vec![0; rows.max(1) * samples];
        for (row, (indices, to)) in
            evidence.chunks_exact(session.batch).zip(padded.chunks_exact_mut(samples)).enumerate()
        {
            to[..indices.len()].copy_from_slice(indices);
            to[indices.len()..].fill(self.values[variable(row)]);
        }
        check_memory(&self.client, padded.len() as u64 * 4, "the evidence")?;
        session.memory.evidence = upload(&self.client, padded);
        Ok(())
    }

    /// Sets the offsets to zero.
    pub(crate) fn reset_offsets(&mut self) {
        let session = self.session.as_mut().expect("a batch was prepared");
        let zeros = vec![0.0f64; session.memory.layout.samples()];
        session.offsets = upload(&self.client, zeros);
    }

    /// Queues a launch of iteration `iteration`; variables are counted from `base`.
    pub(crate) fn launch(
        &mut self,
        launch: &Launch,
        parity: u64,
        iteration: u64,
        base: u32,
    ) -> Result<(), KernelError> {
        let session = self.session.as_ref().expect("a batch was prepared");
        let config = &session.configs[&(launch.kernel, launch.members)];
        let place = [launch.table[(parity % 2) as usize], launch.members, iteration as u32, base];
        // SAFETY: the plan was validated, and the buffers were made for it and for this layout.
        unsafe { config.launch(&self.client, &session.memory, place) };
        self.queued()
    }

    /// Queues one iteration of a loop, and the rescaling if it is due.
    pub(crate) fn iterate(&mut self, body: &Loop, iteration: u64, base: u32) -> Result<(), KernelError> {
        for launch in &body.body {
            self.launch(launch, iteration, iteration, base)?;
        }
        if !(iteration + 1).is_multiple_of(u64::from(body.rescale)) {
            return Ok(());
        }
        let session = self.session.as_ref().expect("a batch was prepared");
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let carry = body.carry[((iteration + 1) % 2) as usize];
        // SAFETY: the carry was checked to lie within the arena.
        unsafe {
            rescale_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&session.offsets),
                carry,
                body.width,
                layout.vectors as u32,
            );
        }
        self.queued()
    }

    /// Adds the offsets back to the carry, unless they are added to the root's value.
    pub(crate) fn leave_loop(&mut self, body: &Loop, iterations: u64) -> Result<(), KernelError> {
        if self.plan.root_offset {
            return Ok(());
        }
        let session = self.session.as_ref().expect("a batch was prepared");
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        // SAFETY: the carry was checked to lie within the arena.
        unsafe {
            restore_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&session.offsets),
                body.carry[(iterations % 2) as usize],
                body.width,
                layout.vectors as u32,
            );
        }
        self.queued()
    }

    /// Reads the root's values.
    pub(crate) fn result(&mut self) -> Result<Vec<f64>, KernelError> {
        let session = self.session.as_ref().expect("a batch was prepared");
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let result = self.client.empty(layout.samples() * 8);
        // SAFETY: the root was checked to lie within the arena.
        unsafe {
            result_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&session.offsets),
                argument(&result),
                self.plan.root,
                layout.vectors as u32,
                self.plan.root_offset,
            );
        }
        self.stats.launches += 1;
        let bytes = self.client.read_one(result).map_err(|error| KernelError::Device(format!("{error:?}")))?;
        Ok(f64::from_bytes(&bytes)[..session.batch].to_vec())
    }

    /// Waits for all queued work.
    pub(crate) fn wait(&self) -> Result<(), KernelError> {
        cubecl::future::block_on(self.client.sync()).map_err(|error| KernelError::Device(format!("{error:?}")))
    }

    fn queued(&mut self) -> Result<(), KernelError> {
        self.stats.launches += 1;
        if self.stats.launches.is_multiple_of(FLUSH) { self.flush() } else { Ok(()) }
    }

    fn flush(&self) -> Result<(), KernelError> {
        self.client.flush().map_err(|error| KernelError::Device(format!("{error:?}")))
    }
}

pub(crate) fn check_memory(client: &Client, needed: u64, what: &'static str) -> Result<(), KernelError> {
    let available = client.properties().memory.max_page_size;
    if needed > available {
        return Err(KernelError::Memory { what, needed, available });
    }
    Ok(())
}

impl Program {
    /// Fills the activations and the scratch memory for a batch with NaN, so that a test sees it when a kernel reads
    /// what nothing has written.
    #[doc(hidden)]
    pub fn poison(&mut self, batch: usize) -> Result<(), KernelError> {
        self.prepare(batch)?;
        let session = self.session.as_mut().expect("a batch was prepared");
        for buffer in [&mut session.memory.arena, &mut session.memory.scratch] {
            let poison = vec![f32::NAN; (buffer.size_in_used() / 4) as usize];
            *buffer = self.client.create_from_slice(f32::as_bytes(&poison));
        }
        Ok(())
    }
}
