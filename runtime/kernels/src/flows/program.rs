//! Runs a flow plan: owns the buffers of the device, walks forwards and backwards, and gathers counts.
//!
//! Buffers are kept for the two latest sizes of batch. Parameters, counts and loops in linear space are in `parameters`, `counts` and `chains`.

use super::check::{check_layout, check_plan};
use super::launch::FlowConfig;
use super::layout::{FlowLayout, Placed};
use super::pass;
use crate::chain::backward::ChainFlowConfig;
use crate::chain::forward::ChainConfig;
use crate::chain::parameters::ChainParameters;
use crate::chain::session::ChainSession;
use crate::error::KernelError;
use crate::launch::{Layout, Memory, argument, grid};
use crate::processor::{self, upload};
use crate::program::{FLUSH, Stats, check_memory};
use crate::queries::launch::Answers;
use crate::validate::{arrays, is_illegal};
use cubecl::bytes::Bytes;
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::chain::Chain;
use danaus_artifact::flow_plan::{FlowPlan, FlowStep, Segments};
use danaus_artifact::plan::{CHUNK, Plan};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Sizes of batch whose buffers are kept.
const SESSIONS: usize = 2;

/// A flow plan with its parameters on a device.
pub struct FlowProgram {
    pub(crate) plan: Arc<FlowPlan>,
    pub(super) signature: Arc<Plan>,
    pub(crate) client: Client,
    pub(super) packed: Option<Handle>,
    pub(super) counts: Handle,
    /// Counts of earlier batches, in double precision.
    pub(super) sums: Option<Handle>,
    /// Whether the counts are those of a batch.
    pub(super) is_counted: bool,
    /// What was read of the device last. It may be the buffer itself, so nothing is computed while it is here.
    pub(super) read: Option<Bytes>,
    /// Number of values of every variable.
    pub(crate) values: Vec<u32>,
    pub(super) units: usize,
    /// Bytes that the buffers of a session may take.
    limit: u64,
    /// The latest last.
    pub(crate) sessions: Vec<FlowSession>,
    compiled: HashSet<(FlowConfig, usize, usize)>,
    /// The loops that are chains.
    pub(super) chains: Vec<Option<ChainParameters>>,
    pub(super) compiled_chains: HashSet<(ChainConfig, ChainFlowConfig, usize, usize)>,
    pub(super) stats: Stats,
}

/// The buffers and kernels for one size of batch.
pub(crate) struct FlowSession {
    batch: usize,
    segments: Segments,
    pub(crate) layout: FlowLayout,
    pub(crate) memory: Memory,
    /// Where the answers of a query are written.
    pub(crate) answers: Answers,
    pub(super) offsets: Handle,
    pub(super) configs: BTreeMap<(u32, u32), FlowConfig>,
    /// The loops that are computed as chains.
    pub(super) chains: Vec<Option<ChainSession>>,
    /// Their posteriors, `[loop][segment][launch]`.
    pub(super) chain_posteriors: Vec<Vec<Vec<Placed>>>,
}

impl FlowProgram {
    /// Checks the plan. `signature` has the circuit's variables and parameters; `limit` is how many bytes activations may
    /// take.
    pub fn new(plan: Arc<FlowPlan>, signature: Arc<Plan>, limit: u64) -> Result<FlowProgram, KernelError> {
        check_plan(&plan)?;
        let client = processor::client();
        let units = client.properties().hardware.max_units_per_cube.max(1) as usize;
        let (arrays, count) = arrays(&signature)?;
        let mut values = Vec::with_capacity(count as usize);
        for (index, &(_, size)) in arrays.iter().enumerate() {
            let end = arrays.get(index + 1).map_or(count, |next| next.0);
            values.resize(end as usize, size as u32);
        }
        check_memory(&client, plan.count_chunks as u64 * CHUNK as u64 * 8, "the flows of the parameters")?;
        let counts = zeros::<f32>(&client, plan.count_chunks as usize * CHUNK);
        let chain = |body| Chain::of_flow_loop(&plan, body).map(|chain| ChainParameters::new(&client, chain));
        let chains = plan.loops.iter().map(chain).collect();
        Ok(FlowProgram {
            plan,
            signature,
            client,
            packed: None,
            counts,
            sums: None,
            is_counted: false,
            read: None,
            values,
            units,
            limit,
            sessions: Vec::new(),
            compiled: HashSet::new(),
            chains,
            compiled_chains: HashSet::new(),
            stats: Stats::default(),
        })
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<FlowPlan> {
        &self.plan
    }

    /// What has been done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// How many iterations of each loop have their values in memory at a time, for the latest batch.
    pub fn segments(&self) -> Option<&Segments> {
        self.sessions.last().map(|session| &session.segments)
    }

    /// Log-likelihoods of `rows` rows, and their flows, which are added to the counts. `evidence` is `[variables][rows]`. `batch`
    /// is the size of the buffers, at least `rows`.
    ///
    /// # Panics
    /// If there are no parameters yet, or more rows than the batch has.
    pub fn gather(&mut self, evidence: &[u32], rows: usize, batch: usize) -> Result<Vec<f64>, KernelError> {
        self.check_evidence(evidence, rows)?;
        if rows == 0 {
            return Ok(Vec::new());
        }
        assert!(rows <= batch, "a batch of {batch} has room for {rows} rows");
        self.start_afresh()?;
        self.prepare(batch)?;
        self.drain()?;
        let mut session = self.sessions.pop().expect("a batch was prepared");
        let result = self.put_evidence(&mut session, evidence, rows).and_then(|()| self.passes(&mut session, rows));
        self.sessions.push(session);
        self.is_counted = true;
        result
    }

    pub(crate) fn check_evidence(&self, evidence: &[u32], rows: usize) -> Result<(), KernelError> {
        let variables = self.values.len();
        if evidence.len() != variables * rows {
            let found = evidence.len();
            return Err(KernelError::Evidence(format!("expected {variables} variables by {rows} rows, found {found}")));
        }
        for (variable, indices) in evidence.chunks_exact(rows.max(1)).enumerate() {
            let values = self.values[variable];
            if let Some(index) = indices.iter().find(|&&index| is_illegal(index, values)) {
                let what = format!("variable {variable} has {values} values, but one of its indices is {index}");
                return Err(KernelError::Evidence(what));
            }
        }
        Ok(())
    }

    /// Makes the buffers for a batch and compiles the kernels for its layout.
    pub(crate) fn prepare(&mut self, batch: usize) -> Result<(), KernelError> {
        if let Some(index) = self.sessions.iter().position(|session| session.batch == batch) {
            let session = self.sessions.remove(index);
            self.sessions.push(session);
            return Ok(());
        }
        if self.sessions.len() == SESSIONS {
            self.sessions.remove(0);
        }
        let lanes = Layout::new(batch, self.units);
        let row_bytes = lanes.samples() as u64 * 4;
        let available = self.limit.min(self.client.properties().memory.max_page_size);
        let segments = self.plan.segments(available / row_bytes).map_err(|rows| KernelError::Memory {
            what: "the activations",
            needed: rows * row_bytes,
            available,
        })?;
        let mut layout =
            FlowLayout::new(&self.plan, &segments).map_err(|error| KernelError::Plan(error.to_string()))?;
        check_layout(&self.plan, &layout, &self.signature)?;
        let chain_posteriors = self.chain_posteriors(&mut layout)?;
        let configs: BTreeMap<(u32, u32), FlowConfig> = layout
            .launches()
            .chain(chain_posteriors.iter().flatten().flatten())
            .map(|launch| {
                let kernel = &self.plan.kernels[launch.kernel as usize];
                ((launch.kernel, launch.members), FlowConfig::new(kernel, launch.members as usize, lanes))
            })
            .collect();
        let allocate = |bytes: u64, what| {
            check_memory(&self.client, bytes, what)?;
            Ok(self.client.empty(bytes as usize))
        };
        let arena = allocate(u64::from(layout.rows) * row_bytes, "the activations")?;
        let chains = self.chain_sessions(&layout, lanes, &arena)?;
        let of_chains = chains.iter().flatten().map(|chain| chain.scratch(lanes));
        let scratch = configs.values().map(|config| config.scratch(lanes)).chain(of_chains).max().unwrap_or(0);
        let scratch = scratch.max(CHUNK).next_multiple_of(CHUNK);
        let scratch = allocate((scratch * lanes.units) as u64 * 4, "the scratch memory")?;
        let offsets = allocate(2 * row_bytes, "the offsets")?;
        let tables = u32::as_bytes(&layout.tables);
        let tables = self.client.create_from_slice(if tables.is_empty() { &[0; 64] } else { tables });
        let packed = self.packed.clone().expect("parameters were given");
        let evidence = tables.clone();
        let memory = Memory { layout: lanes, arena, scratch, packed, tables, evidence };
        let answers = Answers::none(&memory.tables);
        self.stats.bytes = [&memory.arena, &memory.scratch, &memory.packed, &memory.tables, &self.counts]
            .iter()
            .map(|handle| handle.size_in_used())
            .sum();
        self.stats.bytes += self.chains.iter().flatten().map(ChainParameters::bytes).sum::<u64>();
        self.stats.bytes += chains.iter().flatten().map(ChainSession::bytes).sum::<u64>();
        let session =
            FlowSession { batch, segments, layout, memory, answers, offsets, configs, chains, chain_posteriors };
        self.compile(&session)?;
        self.compile_chains(&session)?;
        self.sessions.push(session);
        Ok(())
    }

    /// Compiles what is new by launching it without work, one at a time, so that an error names its kernel.
    fn compile(&mut self, session: &FlowSession) -> Result<(), KernelError> {
        let Layout { lanes, units, .. } = session.memory.layout;
        for config in session.configs.values() {
            if !self.compiled.insert((config.clone(), lanes, units)) {
                continue;
            }
            let start = Instant::now();
            let nothing = Placed { kernel: 0, table: 0, members: 0, groups: 0 };
            // SAFETY: no members, hence no access.
            unsafe { config.launch(&self.client, &session.memory, &self.counts, &session.answers, nothing) };
            self.wait().map_err(|error| KernelError::Device(format!("{error} (while compiling {config:?})")))?;
            self.stats.compile_seconds += start.elapsed().as_secs_f64();
            self.stats.kernels += 1;
        }
        Ok(())
    }

    /// The way up and the way down, when the evidence is there; gives the values of the root.
    pub(crate) fn passes(&mut self, session: &mut FlowSession, rows: usize) -> Result<Vec<f64>, KernelError> {
        let mut in_linear_space = session.chains.iter().any(Option::is_some);
        if in_linear_space {
            let failed = zeros::<f32>(&self.client, CHUNK);
            self.forward(session, Some(&failed))?;
            let read = self.client.read_one(failed).map_err(|error| KernelError::Device(format!("{error:?}")))?;
            in_linear_space = f32::from_bytes(&read).iter().all(|&failed| failed == 0.0);
            self.stats.in_linear_space += u64::from(in_linear_space);
            self.stats.relapses += u64::from(!in_linear_space);
            if !in_linear_space {
                session.offsets = zeros::<f64>(&self.client, session.memory.layout.samples());
            }
        }
        if !in_linear_space {
            self.forward(session, None)?;
        }
        let result = self.log_likelihoods(session);
        if session.layout.choices > 0 {
            self.choose_root(session, rows);
        } else {
            self.seed(session, rows)?;
        }
        self.backward(session, in_linear_space)?;
        self.read_values(result, rows)
    }

    /// Reads the values of the root.
    pub(crate) fn read_values(&self, result: Handle, rows: usize) -> Result<Vec<f64>, KernelError> {
        let bytes = self.client.read_one(result).map_err(|error| KernelError::Device(format!("{error:?}")))?;
        Ok(f64::from_bytes(&bytes)[..rows].to_vec())
    }

    /// Puts evidence `[variables][rows]` on the device, and starts the offsets afresh.
    pub(crate) fn put_evidence(
        &mut self,
        session: &mut FlowSession,
        evidence: &[u32],
        rows: usize,
    ) -> Result<(), KernelError> {
        let samples = session.memory.layout.samples();
        let mut padded = vec![0; self.values.len().max(1) * samples];
        for (variable, indices) in evidence.chunks_exact(rows).enumerate() {
            let to = &mut padded[variable * samples..][..samples];
            to[..rows].copy_from_slice(indices);
            to[rows..].fill(self.values[variable]);
        }
        check_memory(&self.client, padded.len() as u64 * 4, "the evidence")?;
        session.memory.evidence = upload(&self.client, padded);
        session.offsets = zeros::<f64>(&self.client, samples);
        Ok(())
    }

    /// The forward pass; with chains in linear space if there is a buffer that becomes positive if they fail.
    pub(crate) fn forward(&mut self, session: &FlowSession, failed: Option<&Handle>) -> Result<(), KernelError> {
        let plan = self.plan.clone();
        for (step, placed) in plan.forward.iter().zip(&session.layout.forward) {
            match (step, placed) {
                (FlowStep::Loop(index), _) => {
                    let index = *index as usize;
                    match failed.filter(|_| session.chains[index].is_some()) {
                        Some(failed) => self.chain_forward(session, index, failed)?,
                        None => {
                            self.iterate(session, index, 0..plan.loops[index].steps, true)?;
                            self.leave_loop(session, index)?;
                        }
                    }
                }
                (FlowStep::Launch(_), Some(placed)) => self.launch(session, *placed)?,
                (FlowStep::Launch(_), None) => panic!("a launch has its place"),
            }
        }
        Ok(())
    }

    /// Forward iterations of a loop. `is_first` says that they are not computed again.
    pub(crate) fn iterate(
        &mut self,
        session: &FlowSession,
        index: usize,
        iterations: std::ops::Range<u32>,
        is_first: bool,
    ) -> Result<(), KernelError> {
        let plan = self.plan.clone();
        let (body, rows) = (&plan.loops[index], &session.layout.loops[index]);
        for iteration in iterations.clone() {
            if rows.is_copied(body, iteration) && (is_first || iteration > iterations.start) {
                self.copy_carry(session, index, iteration, is_first)?;
            }
            for placed in &session.layout.loops_forward[index][iteration as usize] {
                self.launch(session, *placed)?;
            }
        }
        Ok(())
    }

    fn copy_carry(
        &mut self,
        session: &FlowSession,
        index: usize,
        iteration: u32,
        is_first: bool,
    ) -> Result<(), KernelError> {
        let (body, rows) = (&self.plan.loops[index], &session.layout.loops[index]);
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        // SAFETY: the rows were checked to lie within the arena.
        unsafe {
            pass::carry_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&session.offsets),
                rows.root(body, iteration - 1),
                rows.carry(body, iteration),
                body.width,
                layout.vectors as u32,
                body.rescale != u32::MAX,
                is_first,
            );
        }
        self.queued()
    }

    /// Brings the last carry to where the layers after the loop read it.
    fn leave_loop(&mut self, session: &FlowSession, index: usize) -> Result<(), KernelError> {
        let (body, rows) = (&self.plan.loops[index], &session.layout.loops[index]);
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        // SAFETY: the rows were checked to lie within the arena.
        unsafe {
            pass::result_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&session.offsets),
                rows.root(body, body.steps - 1),
                body.result,
                body.width,
                layout.vectors as u32,
                !self.plan.root_offset,
            );
        }
        self.queued()
    }

    /// The root's values with the offsets, not read yet.
    pub(crate) fn log_likelihoods(&mut self, session: &FlowSession) -> Handle {
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let result = self.client.empty(layout.samples() * 8);
        // SAFETY: the root was checked to lie within the arena.
        unsafe {
            crate::rescale::result_kernel::launch_unchecked(
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
        result
    }

    /// The flow of the root: 1 for each row, 0 for those that fill up the batch.
    pub(crate) fn seed(&mut self, session: &FlowSession, rows: usize) -> Result<(), KernelError> {
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let mut weights = vec![0.0f32; layout.samples()];
        weights[..rows].fill(1.0);
        let weights = upload(&self.client, weights);
        // SAFETY: both rows were checked to lie within the arena.
        unsafe {
            pass::seed_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                argument(&session.memory.arena),
                argument(&weights),
                self.plan.root,
                self.plan.root_flow,
                layout.vectors as u32,
            );
        }
        self.queued()
    }

    fn backward(&mut self, session: &FlowSession, in_linear_space: bool) -> Result<(), KernelError> {
        let plan = self.plan.clone();
        for (step, placed) in plan.backward.iter().zip(&session.layout.backward) {
            match (step, placed) {
                (FlowStep::Loop(index), _) => {
                    let index = *index as usize;
                    if in_linear_space && session.chains[index].is_some() {
                        self.chain_backward(session, index)?;
                    } else {
                        self.loop_backward(session, index)?;
                    }
                }
                (FlowStep::Launch(_), Some(placed)) => self.launch(session, *placed)?,
                (FlowStep::Launch(_), None) => panic!("a launch has its place"),
            }
        }
        Ok(())
    }

    /// Segment after segment, the last one first; the frames still hold the last one.
    fn loop_backward(&mut self, session: &FlowSession, index: usize) -> Result<(), KernelError> {
        let steps = self.plan.loops[index].steps;
        let segment = session.layout.loops[index].segment;
        for first in (0..steps).step_by(segment as usize).rev() {
            let end = steps.min(first + segment);
            if end < steps {
                self.iterate(session, index, first..end, false)?;
            }
            for iteration in (first..end).rev() {
                for placed in &session.layout.loops_backward[index][iteration as usize] {
                    self.launch(session, *placed)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn launch(&mut self, session: &FlowSession, placed: Placed) -> Result<(), KernelError> {
        let config = &session.configs[&(placed.kernel, placed.members)];
        // SAFETY: the launch was checked, and the buffers were made for the plan and this layout.
        unsafe { config.launch(&self.client, &session.memory, &self.counts, &session.answers, placed) };
        self.queued()
    }

    fn wait(&self) -> Result<(), KernelError> {
        cubecl::future::block_on(self.client.sync()).map_err(|error| KernelError::Device(format!("{error:?}")))
    }

    pub(super) fn queued(&mut self) -> Result<(), KernelError> {
        self.stats.launches += 1;
        if self.stats.launches.is_multiple_of(FLUSH) {
            self.client.flush().map_err(|error| KernelError::Device(format!("{error:?}")))?;
        }
        Ok(())
    }
}

/// A buffer of zeros; never empty, for empty buffers cannot be bound.
pub(crate) fn zeros<T>(client: &Client, length: usize) -> Handle {
    upload(client, vec![0u8; length * size_of::<T>()])
}
