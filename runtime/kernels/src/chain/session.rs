//! The buffers of a chain and its launches.

use super::backward::{ChainFlowConfig, chain_flow_kernel, enter_flow_kernel, exit_flow_kernel};
use super::convert::{enter_kernel, exit_kernel, table_kernel, weight_kernel};
use super::forward::{ChainConfig, ChainPlaceLaunch, INPUT_WORDS, STAGE_WORDS, chain_kernel};
use crate::flows::launch::stage_config;
use crate::launch::{Config, Layout, Memory, argument, grid};
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::chain::{Chain, ChainInput, ChainStage};
use danaus_artifact::plan::{CHUNK, Kernel};
use std::collections::BTreeMap;

/// A chain with its parameters in linear space.
pub struct ChainParameters {
    chain: Chain,
    /// Words of sums and inputs.
    tables: Handle,
    /// The tables of inputs, in linear space.
    linear: Handle,
    /// Where each table comes from, goes to, and its length, in chunks.
    copies: Vec<[u32; 3]>,
    /// For each unit a chunk of numbers that are positive if a parameter is unfit.
    unfits: Handle,
}

impl ChainParameters {
    /// Makes the buffers.
    pub fn new(client: &Client, chain: Chain) -> ChainParameters {
        let mut copies: BTreeMap<u32, [u32; 3]> = BTreeMap::new();
        let mut next = 0;
        for input in &chain.inputs {
            copies.entry(input.table).or_insert_with(|| {
                let length = (chain.width * input.pitch).div_ceil(CHUNK as u32);
                next += length;
                [input.table, next - length, length]
            });
        }
        let words = words(&chain, &copies);
        let tables = client.create_from_slice(u32::as_bytes(&words));
        let linear = client.empty((next as usize).max(1) * CHUNK * size_of::<f32>());
        let copies = copies.into_values().collect();
        let unfits = tables.clone();
        ChainParameters { chain, tables, linear, copies, unfits }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Bytes of the buffers.
    pub fn bytes(&self) -> u64 {
        self.tables.size_in_used() + self.linear.size_in_used()
    }

    /// Follows the packed parameters. Gives the number of launches.
    pub fn update(&mut self, client: &Client, packed: &Handle, units: usize) -> u64 {
        self.unfits = client.create_from_slice(&vec![0; units * CHUNK * size_of::<f32>()]);
        let grid = || (CubeCount::new_single(), CubeDim::new_1d(units as u32));
        for &[from, to, length] in &self.copies {
            let ((count, dim), [packed, linear, unfits]) =
                (grid(), [packed, &self.linear, &self.unfits].map(argument));
            // SAFETY: the table lies within the packed parameters, as was checked, and has room in the linear tables.
            unsafe { table_kernel::launch_unchecked(client, count, dim, CHUNK, packed, linear, unfits, from, to, length) };
        }
        for stage in &self.chain.stages {
            let length = stage.packed_len().div_ceil(CHUNK) as u32;
            let ((count, dim), [packed, unfits]) = (grid(), [packed, &self.unfits].map(argument));
            // SAFETY: the weights lie within the packed parameters, as was checked.
            unsafe { weight_kernel::launch_unchecked(client, count, dim, CHUNK, packed, unfits, stage.weights, length) };
        }
        (self.copies.len() + self.chain.stages.len()) as u64
    }
}

fn words(chain: &Chain, copies: &BTreeMap<u32, [u32; 3]>) -> Vec<u32> {
    let mut words = Vec::with_capacity(chain.stages.len() * STAGE_WORDS + chain.inputs.len() * INPUT_WORDS);
    for ChainStage { weights, flow, .. } in &chain.stages {
        let [transposed, counts] = flow.as_ref().map_or([0, 0], |flow| [flow.weights, flow.counts]);
        words.extend([*weights, transposed, counts]);
    }
    for ChainInput { variable, stride, table, pitch, counts } in &chain.inputs {
        words.extend([*variable, *stride, copies[table][1], *pitch, counts.unwrap_or(u32::MAX)]);
    }
    words
}

/// The buffers of a chain for one size of batch.
pub struct ChainSession {
    config: ChainConfig,
    states: Handle,
    maxima: Handle,
    shifts: Handle,
    scales: Handle,
    queue: Handle,
    regions: u32,
    /// First row of the values.
    base: u32,
    rows: u32,
    flows: Option<(ChainFlowConfig, Handle)>,
}

/// Most blocks of a work item: enough that memory is read in long pieces.
const MOST_TOGETHER: usize = 4;

/// The carries of a chain: first rows before and after it.
pub type Carries = [u32; 2];

impl ChainSession {
    /// Makes the buffers for values that are not kept.
    pub fn new(client: &Client, chain: &Chain, layout: Layout) -> ChainSession {
        let (regions, rows) = (2, chain.widest());
        let row = layout.samples() * size_of::<f32>();
        let states = client.empty(regions as usize * rows as usize * row);
        ChainSession::with_states(client, chain, layout, states, 0, regions)
    }

    /// Makes the buffers of a chain with flows; all values are kept, in the arena from row `base` on.
    pub fn with_flows(client: &Client, chain: &Chain, layout: Layout, arena: &Handle, base: u32) -> ChainSession {
        let regions = kept_regions(chain) as u32;
        let mut session = ChainSession::with_states(client, chain, layout, arena.clone(), base, regions);
        let stage = |stage: &ChainStage| {
            let mut config = stage_config(&stage.flow.as_ref().expect("it has flows").kernel, 0, layout);
            // Units that are done early take over items of others, so there should be some.
            config.together = config.together.min(MOST_TOGETHER);
            config
        };
        let config = ChainFlowConfig {
            stages: chain.stages.iter().map(stage).collect(),
            counted: chain.inputs.iter().map(|input| input.counts.is_some()).collect(),
        };
        let deltas = client.empty(2 * session.rows as usize * layout.samples() * size_of::<f32>());
        session.flows = Some((config, deltas));
        session
    }

    fn with_states(
        client: &Client,
        chain: &Chain,
        layout: Layout,
        states: Handle,
        base: u32,
        regions: u32,
    ) -> ChainSession {
        let row = layout.samples() * size_of::<f32>();
        ChainSession {
            config: config(chain, layout),
            states,
            maxima: client.empty(2 * layout.units * row),
            shifts: client.empty(row),
            scales: client.empty(chain.steps as usize * row),
            queue: client.empty(3 * layout.units * CHUNK * size_of::<u32>()),
            regions,
            base,
            rows: chain.widest(),
            flows: None,
        }
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
        flows.max(self.config.scratch() * layout.lanes)
    }

    /// Bytes of the buffers that are the chain's own.
    pub fn bytes(&self) -> u64 {
        let own = [&self.maxima, &self.shifts, &self.scales, &self.queue];
        let last = self.flows.as_ref().map_or(&self.states, |(_, deltas)| deltas);
        own.into_iter().chain([last]).map(|handle| handle.size_in_used()).sum()
    }

    fn place(&self, layout: Layout, steps: u32) -> ChainPlaceLaunch {
        let vectors = layout.vectors as u32;
        ChainPlaceLaunch::new(steps, vectors, self.regions, self.base, self.rows, self.scratch(layout) as u32)
    }

    /// Queues the iterations; `steps` is 0 to compile only. `failed` becomes positive if they fail.
    ///
    /// # Safety
    /// The plan must be valid, and the buffers must have been made for it and for this layout.
    pub unsafe fn walk(
        &self,
        client: &Client,
        memory: &Memory,
        parameters: &ChainParameters,
        failed: &Handle,
        steps: u32,
    ) {
        let layout = memory.layout;
        let (count, dim) = grid(layout);
        // SAFETY: the caller's promise.
        unsafe {
            chain_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
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
                self.place(layout, steps),
                self.config.clone(),
            );
        }
    }

    /// Queues the values of a chain from the carry before it to the one after it, both in the arena.
    ///
    /// # Safety
    /// As for [`walk`](ChainSession::walk); the carries must lie within the arena.
    pub unsafe fn forward(
        &self,
        client: &Client,
        memory: &Memory,
        offsets: &Handle,
        parameters: &ChainParameters,
        failed: &Handle,
        [before, after]: Carries,
    ) {
        let layout = memory.layout;
        let (chain, vectors) = (&parameters.chain, layout.vectors as u32);
        let (count, dim) = grid(layout);
        let [arena, states, sums, maxima, shifts] =
            [&memory.arena, &self.states, offsets, &self.maxima, &self.shifts].map(argument);
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
            self.walk(client, memory, parameters, failed, chain.steps);
        }
        let (count, dim) = grid(layout);
        let [arena, states, sums, shifts] = [&memory.arena, &self.states, offsets, &self.shifts].map(argument);
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
                self.last(chain),
                after,
                chain.width,
                vectors,
            );
        }
    }

    /// First row of the values after the last iteration.
    fn last(&self, chain: &Chain) -> u32 {
        self.base + (chain.steps * chain.stages.len() as u32 % self.regions) * self.rows
    }

    /// Queues the iterations of the walk back; `steps` is 0 to compile only.
    ///
    /// # Safety
    /// As for [`walk`](ChainSession::walk).
    pub unsafe fn walk_back(
        &self,
        client: &Client,
        memory: &Memory,
        counts: &Handle,
        parameters: &ChainParameters,
        steps: u32,
    ) {
        let layout = memory.layout;
        let (count, dim) = grid(layout);
        let (config, deltas) = self.flows.as_ref().expect("it has flows");
        // SAFETY: the caller's promise.
        unsafe {
            chain_flow_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
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
                self.place(layout, steps),
                config.clone(),
            );
        }
    }

    /// Queues the flows of a chain, from the flow of the carry after it to that before it, both in the arena.
    ///
    /// # Safety
    /// As for [`forward`](ChainSession::forward), which must have been queued before.
    pub unsafe fn backward(
        &self,
        client: &Client,
        memory: &Memory,
        counts: &Handle,
        parameters: &ChainParameters,
        [before, after]: Carries,
    ) {
        let layout = memory.layout;
        let (chain, vectors) = (&parameters.chain, layout.vectors as u32);
        let (config, deltas) = self.flows.as_ref().expect("it has flows");
        let (count, dim) = grid(layout);
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
                self.place(layout, chain.steps),
                self.last(chain),
                after,
                chain.steps * chain.stages.len() as u32 % 2 * self.rows,
                chain.width,
                chain.stages.len() * STAGE_WORDS,
                layout.lanes,
                config.counted.clone(),
            );
            self.walk_back(client, memory, counts, parameters, chain.steps);
            let (count, dim) = grid(layout);
            let [arena, deltas] = [&memory.arena, deltas].map(argument);
            exit_flow_kernel::launch_unchecked(
                client,
                count,
                dim,
                layout.lanes,
                arena,
                deltas,
                before,
                chain.width,
                vectors,
            );
        }
    }
}

/// Regions of all values of a chain: those before each sum, and the last.
pub fn kept_regions(chain: &Chain) -> u64 {
    u64::from(chain.steps) * chain.stages.len() as u64 + 1
}

fn config(chain: &Chain, layout: Layout) -> ChainConfig {
    let stage = |stage: &ChainStage| match Config::new(&Kernel::Stage(stage.kernel.clone()), 1, layout) {
        Config::Panels(config) => config,
        other => panic!("a chain is made of register tiles, not of {other:?}"),
    };
    ChainConfig { stages: chain.stages.iter().map(stage).collect(), inputs: chain.inputs.len() }
}
