//! The buffers of a chain and its launches.

use super::backward::{ChainFlowConfig, chain_flow_kernel, copy_kernel, enter_flow_kernel};
use super::convert::{enter_kernel, exit_kernel};
use super::forward::{ChainConfig, ChainPlaceLaunch, STAGE_WORDS, chain_kernel};
use super::inputs::Runs;
use super::parameters::ChainParameters;
use super::queue::SETS;
use crate::error::KernelError;
use crate::flows::launch::stage_config;
use crate::flows::layout::LoopRows;
use crate::launch::{Config, Layout, Memory, argument, grid};
use crate::program::check_memory;
use cubecl::client::Client;
use cubecl::server::Handle;
use danaus_artifact::chain::{Chain, ChainStage};
use danaus_artifact::plan::{CHUNK, Kernel};
use std::ops::Range;

/// The buffers of a chain for one size of batch.
pub struct ChainSession {
    config: ChainConfig,
    states: Handle,
    maxima: Handle,
    shifts: Handle,
    scales: Handle,
    queue: Handle,
    regions: u32,
    /// Regions from one carry to the next.
    between: u32,
    /// First row of the values.
    base: u32,
    rows: u32,
    /// Iterations of a segment; see [`Segments`](danaus_artifact::flow_plan::Segments).
    segment: u32,
    /// First row of the carries into segments, but the first.
    carries: u32,
    flows: Option<(ChainFlowConfig, Handle)>,
}

/// The carries of a chain: first rows before and after it.
pub type Carries = [u32; 2];

/// The buffers of a program that a chain uses.
pub struct Buffers<'a> {
    /// Makes buffers and launches.
    pub client: &'a Client,
    /// The program's own buffers.
    pub memory: &'a Memory,
    /// What was subtracted from the values of the arena.
    pub offsets: &'a Handle,
    /// Becomes positive if a chain fails.
    pub failed: &'a Handle,
    /// The parameters of the chain.
    pub parameters: &'a ChainParameters,
}

impl ChainSession {
    /// Makes the buffers for values that are not kept.
    pub fn new(client: &Client, chain: &Chain, layout: Layout) -> Result<ChainSession, KernelError> {
        let row = layout.samples() * size_of::<f32>();
        let states = allocate(client, 2 * chain.widest() as usize * row)?;
        Ok(ChainSession {
            config: config(chain, layout, false),
            states,
            between: chain.stages.len() as u32,
            maxima: client.empty(2 * layout.units * row),
            shifts: client.empty(row),
            scales: client.empty(row),
            queue: client.empty(SETS * layout.units * CHUNK * size_of::<u32>()),
            regions: 2,
            base: 0,
            rows: chain.widest(),
            segment: chain.steps,
            carries: 0,
            flows: None,
        })
    }

    /// Makes the buffers of a chain with flows; the values of a segment are kept in the arena, where `rows` says.
    pub fn with_flows(
        client: &Client,
        chain: &Chain,
        layout: Layout,
        arena: &Handle,
        rows: &LoopRows,
    ) -> Result<ChainSession, KernelError> {
        let stage = |stage: &ChainStage| stage_config(&stage.flow.as_ref().expect("it has flows").kernel, 0, layout);
        let config = ChainFlowConfig {
            stages: chain.stages.iter().map(stage).collect(),
            counted: chain.inputs.iter().map(|input| input.counts.is_some()).collect(),
        };
        // The derivatives take the room that values would take that are not kept.
        let plain = ChainSession::new(client, chain, layout)?;
        Ok(ChainSession {
            config: self::config(chain, layout, !is_counted(chain)),
            between: between(chain),
            states: arena.clone(),
            scales: allocate(client, chain.steps as usize * layout.samples() * size_of::<f32>())?,
            regions: kept_regions(chain, rows.segment) as u32,
            base: rows.frames,
            segment: rows.segment,
            carries: rows.carries,
            flows: Some((config, plain.states)),
            ..plain
        })
    }

    /// What the kernel of the values is specialised by.
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// What the kernel of the flows is specialised by.
    pub fn flow_config(&self) -> Option<&ChainFlowConfig> {
        self.flows.as_ref().map(|(config, _)| config)
    }

    /// Numbers of scratch memory that a unit needs.
    pub fn scratch(&self, layout: Layout) -> usize {
        let flows = self.flow_config().map_or(0, ChainFlowConfig::scratch);
        flows.max(self.config.scratch(layout.lanes))
    }

    /// Bytes of the buffers that are the chain's own.
    pub fn bytes(&self) -> u64 {
        let own = [&self.maxima, &self.shifts, &self.scales, &self.queue];
        let last = self.flows.as_ref().map_or(&self.states, |(_, deltas)| deltas);
        own.into_iter().chain([last]).map(|handle| handle.size_in_used()).sum()
    }

    fn place(&self, layout: Layout, iterations: &Range<u32>, known: bool) -> ChainPlaceLaunch {
        ChainPlaceLaunch::new(
            iterations.start,
            iterations.end - iterations.start,
            u32::from(known),
            layout.vectors as u32,
            u32::from(self.flows.is_some()),
            self.regions,
            self.base,
            self.rows,
            self.scratch(layout) as u32,
        )
    }

    /// First row of the values after so many iterations of a segment.
    fn region(&self, iterations: u32) -> u32 {
        self.base + iterations * self.between % self.regions * self.rows
    }

    /// Queues iterations, which are `known` if they have been computed before; an empty range compiles only.
    ///
    /// # Safety
    /// The plan must be valid, and the buffers must have been made for it and for this layout.
    pub unsafe fn walk(&self, buffers: &Buffers<'_>, iterations: Range<u32>, known: bool) {
        let Buffers { client, memory, failed, parameters, .. } = *buffers;
        let (count, dim) = grid(memory.layout);
        // SAFETY: the caller's promise.
        unsafe {
            chain_kernel::launch_unchecked(
                client,
                count,
                dim,
                memory.layout.lanes,
                argument(&self.states),
                argument(&memory.scratch),
                argument(&self.maxima),
                argument(&self.shifts),
                argument(&self.scales),
                argument(failed),
                argument(&self.queue),
                argument(&parameters.unfits),
                argument(&memory.packed),
                argument(&parameters.linear),
                argument(&parameters.tables),
                argument(&memory.evidence),
                self.place(memory.layout, &iterations, known),
                self.config.clone(),
            );
        }
    }

    /// Queues iterations of the walk back; an empty range compiles only.
    ///
    /// # Safety
    /// As for [`walk`](ChainSession::walk).
    pub unsafe fn walk_back(&self, buffers: &Buffers<'_>, counts: &Handle, iterations: Range<u32>) {
        let Buffers { client, memory, parameters, .. } = *buffers;
        let (config, deltas) = self.flows.as_ref().expect("it has flows");
        let (count, dim) = grid(memory.layout);
        // SAFETY: the caller's promise.
        unsafe {
            chain_flow_kernel::launch_unchecked(
                client,
                count,
                dim,
                memory.layout.lanes,
                argument(&self.states),
                argument(deltas),
                argument(counts),
                argument(&memory.scratch),
                argument(&self.queue),
                argument(&self.scales),
                argument(&memory.packed),
                argument(&parameters.linear),
                argument(&parameters.tables),
                argument(&memory.evidence),
                self.place(memory.layout, &iterations, true),
                config.clone(),
            );
        }
    }

    /// Queues a copy of the carry.
    ///
    /// # Safety
    /// The rows must lie within the buffers.
    unsafe fn copy(&self, buffers: &Buffers<'_>, [source, target]: [&Handle; 2], from: u32, to: u32) {
        let Buffers { client, memory, parameters, .. } = *buffers;
        let ((count, dim), vectors) = (grid(memory.layout), memory.layout.vectors as u32);
        let ([source, target], width) = ([source, target].map(argument), parameters.chain.width);
        // SAFETY: the caller's promise.
        unsafe {
            copy_kernel::launch_unchecked(
                client,
                count,
                dim,
                memory.layout.lanes,
                source,
                target,
                from,
                to,
                width,
                vectors,
            );
        }
    }

    /// Queues the way from the carry in the arena into region 0.
    ///
    /// # Safety
    /// As for [`forward`](ChainSession::forward).
    unsafe fn enter(&self, buffers: &Buffers<'_>, before: u32) {
        let Buffers { client, memory, offsets, parameters, .. } = *buffers;
        let (layout, chain) = (memory.layout, &parameters.chain);
        let (count, dim) = grid(layout);
        let [arena, states, sums, maxima, shifts] =
            [&memory.arena, &self.states, offsets, &self.maxima, &self.shifts].map(argument);
        let vectors = layout.vectors as u32;
        // SAFETY: the caller's promise.
        unsafe {
            enter_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
                arena,
                states,
                sums,
                maxima,
                shifts,
                before,
                self.base,
                chain.width,
                vectors,
            );
        }
    }

    /// The iterations of all segments.
    fn segments(&self, chain: &Chain) -> impl DoubleEndedIterator<Item = Range<u32>> {
        let (steps, segment) = (chain.steps, self.segment);
        (0..steps.div_ceil(segment)).map(move |index| index * segment..steps.min((index + 1) * segment))
    }

    /// The row of the carry into a segment that is not the first.
    fn carry(&self, chain: &Chain, segment: &Range<u32>) -> u32 {
        self.carries + (segment.start / self.segment - 1) * chain.width
    }

    /// Queues the values of a chain from the carry before it to the one after it, both in the arena. Gives the number of launches.
    ///
    /// # Safety
    /// As for [`walk`](ChainSession::walk); the carries must lie within the arena.
    pub unsafe fn forward(&self, buffers: &Buffers<'_>, [before, after]: Carries) -> u64 {
        let Buffers { client, memory, offsets, parameters, .. } = *buffers;
        let (layout, chain) = (memory.layout, &parameters.chain);
        let mut launches = 2;
        // SAFETY: the caller's promise.
        unsafe {
            self.enter(buffers, before);
            for segment in self.segments(chain) {
                if segment.start > 0 {
                    let (last, carry) = (self.region(self.segment), self.carry(chain, &segment));
                    self.copy(buffers, [&self.states; 2], last, carry);
                    self.copy(buffers, [&self.states; 2], carry, self.base);
                    launches += 2;
                }
                self.walk(buffers, segment, false);
                launches += 1;
            }
        }
        let (count, dim) = grid(layout);
        let [arena, states, sums, shifts] = [&memory.arena, &self.states, offsets, &self.shifts].map(argument);
        let last = self.region(chain.steps - (chain.steps - 1) / self.segment * self.segment);
        let vectors = layout.vectors as u32;
        // SAFETY: the caller's promise.
        unsafe {
            exit_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
                arena,
                states,
                sums,
                shifts,
                last,
                after,
                chain.width,
                vectors,
            );
        }
        launches
    }

    /// Queues the flows of a chain, from the flow of the carry after it to that before it, both in the arena; the carry before
    /// it stands at row `first`. `then` is called after each segment, when the flows of its carries stand where their values were, unless flows are
    /// counted. Gives the number of launches.
    ///
    /// # Safety
    /// As for [`forward`](ChainSession::forward), which must have been queued before.
    pub unsafe fn backward(
        &self,
        buffers: &Buffers<'_>,
        counts: &Handle,
        first: u32,
        [before, after]: Carries,
        then: &mut dyn FnMut(u32),
    ) -> u64 {
        let chain = &buffers.parameters.chain;
        let mut launches = 2;
        for segment in self.segments(chain).rev() {
            // SAFETY: the caller's promise.
            unsafe {
                if segment.end == chain.steps {
                    self.enter_flows(buffers, counts, &segment, after);
                } else {
                    if segment.start == 0 {
                        self.enter(buffers, first);
                    } else {
                        self.copy(buffers, [&self.states; 2], self.carry(chain, &segment), self.base);
                    }
                    self.walk(buffers, segment.clone(), true);
                    launches += 2;
                }
                self.walk_back(buffers, counts, segment.clone());
                launches += 1;
            }
            then(segment.start / self.segment);
        }
        let (_, deltas) = self.flows.as_ref().expect("it has flows");
        // SAFETY: the caller's promise.
        unsafe { self.copy(buffers, [deltas, &buffers.memory.arena], 0, before) };
        launches
    }

    /// Queues the way from the flow of the last values to their derivatives.
    ///
    /// # Safety
    /// As for [`backward`](ChainSession::backward).
    unsafe fn enter_flows(&self, buffers: &Buffers<'_>, counts: &Handle, segment: &Range<u32>, after: u32) {
        let Buffers { client, memory, parameters, .. } = *buffers;
        let (layout, chain) = (memory.layout, &parameters.chain);
        let (config, deltas) = self.flows.as_ref().expect("it has flows");
        let (count, dim) = grid(layout);
        let last = config.stages.last().expect("a chain has sums");
        let runs = Runs::of_flows(&chain.stages[0].flow.as_ref().expect("it has flows").kernel);
        let to = chain.steps * chain.stages.len() as u32 % 2 * self.rows;
        // SAFETY: the caller's promise.
        unsafe {
            enter_flow_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
                argument(&memory.arena),
                argument(deltas),
                argument(counts),
                argument(&memory.scratch),
                argument(&parameters.linear),
                argument(&parameters.tables),
                argument(&memory.evidence),
                self.place(layout, segment, true),
                self.region(segment.end - segment.start),
                after,
                to,
                chain.width,
                chain.stages.len() * STAGE_WORDS,
                layout.lanes,
                config.counted.clone(),
                runs,
                last.outputs,
                last.rows,
            );
        }
    }
}

fn allocate(client: &Client, bytes: usize) -> Result<Handle, KernelError> {
    check_memory(client, bytes as u64, "the values of a chain")?;
    Ok(client.empty(bytes))
}

/// Whether flows of weights are counted, from the values of all units. If not, carries are enough.
fn is_counted(chain: &Chain) -> bool {
    chain.stages.iter().any(|stage| stage.flow.as_ref().is_some_and(|flow| flow.kernel.counted))
}

/// Regions from one carry that is kept to the next.
pub fn between(chain: &Chain) -> u32 {
    if is_counted(chain) { chain.stages.len() as u32 } else { 1 }
}

/// Regions of the values of a segment: those that are kept, the last carry, and where nothing is counted those of the sums of one iteration.
pub fn kept_regions(chain: &Chain, segment: u32) -> u64 {
    let others = if is_counted(chain) { 0 } else { (chain.stages.len() as u64 - 1).min(2) };
    u64::from(segment) * u64::from(between(chain)) + 1 + others
}

fn config(chain: &Chain, layout: Layout, carries: bool) -> ChainConfig {
    let stage = |stage: &ChainStage| match Config::new(&Kernel::Stage(stage.kernel.clone()), 1, layout) {
        Config::Panels(config) => config,
        other => panic!("a chain is made of register tiles, not of {other:?}"),
    };
    ChainConfig { stages: chain.stages.iter().map(stage).collect(), inputs: chain.inputs.len(), carries }
}
