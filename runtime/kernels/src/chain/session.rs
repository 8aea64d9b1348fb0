//! The buffers of a chain and its launches.

use super::convert::{enter_kernel, exit_kernel, table_kernel, weight_kernel};
use super::forward::{ChainConfig, ChainPlaceLaunch, INPUT_WORDS, STAGE_WORDS, chain_kernel};
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
    rows: u32,
}

impl ChainSession {
    /// Makes the buffers for values that are not kept.
    pub fn new(client: &Client, chain: &Chain, layout: Layout) -> ChainSession {
        let (regions, rows) = (2, chain.widest());
        let row = layout.samples() * size_of::<f32>();
        ChainSession {
            config: config(chain, layout),
            states: client.empty(regions as usize * rows as usize * row),
            maxima: client.empty(2 * layout.units * row),
            shifts: client.empty(row),
            scales: client.empty(chain.steps as usize * row),
            queue: client.create_from_slice(&vec![0; 3 * layout.units * CHUNK * size_of::<u32>()]),
            regions,
            rows,
        }
    }

    /// What the kernel is specialised by.
    pub fn config(&self) -> &ChainConfig {
        &self.config
    }

    /// Bytes of the buffers.
    pub fn bytes(&self) -> u64 {
        [&self.states, &self.maxima, &self.shifts, &self.scales].iter().map(|handle| handle.size_in_used()).sum()
    }

    /// Queues the iterations; `steps` is 0 to compile only. `failed` becomes positive if they fail.
    ///
    /// # Safety
    /// The plan must be valid, and the buffers must have been made for it and for this layout.
    pub unsafe fn walk(&self, client: &Client, memory: &Memory, parameters: &ChainParameters, failed: &Handle, steps: u32) {
        let layout = memory.layout;
        let (count, dim) = grid(layout);
        let vectors = layout.vectors as u32;
        let place = ChainPlaceLaunch::new(steps, vectors, self.regions, self.rows, (self.config.scratch() * layout.lanes) as u32);
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
                place,
                self.config.clone(),
            );
        }
    }

    /// Queues the chain from the carry at row `before` of the arena to that at row `after`.
    ///
    /// # Safety
    /// As for [`walk`](ChainSession::walk); the carries must lie within the arena.
    #[allow(clippy::too_many_arguments)]
    pub unsafe fn run(
        &self,
        client: &Client,
        memory: &Memory,
        offsets: &Handle,
        parameters: &ChainParameters,
        failed: &Handle,
        [before, after]: [u32; 2],
    ) {
        let layout = memory.layout;
        let (chain, vectors) = (&parameters.chain, layout.vectors as u32);
        let arguments = || (grid(layout), [&memory.arena, &self.states, offsets].map(argument));
        let ((count, dim), [arena, states, sums]) = arguments();
        let [maxima, shifts] = [&self.maxima, &self.shifts].map(argument);
        // SAFETY: the caller's promise.
        unsafe {
            enter_kernel::launch_unchecked(
                client, count, dim, layout.lanes, arena, states, sums, maxima, shifts, before, chain.width, vectors,
            );
            self.walk(client, memory, parameters, failed, chain.steps);
        }
        let ((count, dim), [arena, states, sums]) = arguments();
        let last = (chain.steps * chain.stages.len() as u32 % self.regions) * self.rows;
        // SAFETY: the caller's promise.
        unsafe {
            exit_kernel::launch_unchecked(
                client, count, dim, layout.lanes, arena, states, sums, argument(&self.shifts), last, after, chain.width, vectors,
            );
        }
    }
}

fn config(chain: &Chain, layout: Layout) -> ChainConfig {
    let stage = |stage: &ChainStage| match Config::new(&Kernel::Stage(stage.kernel.clone()), 1, layout) {
        Config::Panels(config) => config,
        other => panic!("a chain is made of register tiles, not of {other:?}"),
    };
    ChainConfig { stages: chain.stages.iter().map(stage).collect(), inputs: chain.inputs.len() }
}
