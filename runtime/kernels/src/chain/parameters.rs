//! The parameters of a chain: the tables of its inputs in linear space, and whether all numbers are fit for it.

use super::convert::{table_kernel, weight_kernel};
use super::forward::STAGE_WORDS;
use super::inputs::{INPUT_WORDS, Runs};
use crate::launch::argument;
use crate::quads::QUAD;
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::chain::{Chain, ChainInput, ChainStage};
use danaus_artifact::plan::CHUNK;

/// A chain with its parameters in linear space.
pub struct ChainParameters {
    pub(super) chain: Chain,
    /// Words of sums and inputs.
    pub(super) tables: Handle,
    /// The tables of inputs, in linear space.
    pub(super) linear: Handle,
    copies: Vec<Copied>,
    /// For each unit a chunk of numbers that are positive if a parameter is unfit.
    pub(super) unfits: Handle,
    /// Whether all that is the packed parameters'.
    is_current: bool,
}

/// A linear table.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Copied {
    /// Where the packed table stands, in chunks.
    from: u32,
    /// Where the linear table stands, in chunks.
    to: u32,
    /// Numbers of a unit.
    pitch: u32,
    /// How its units are cut.
    runs: Runs,
}

impl ChainParameters {
    /// Makes the buffers.
    pub fn new(client: &Client, chain: Chain) -> ChainParameters {
        let mut copies = Vec::new();
        let mut next = 0;
        let last = chain.stages.last().expect("a chain has sums");
        for input in &chain.inputs {
            copies.push(copied(&copies, &mut next, input, Runs::of_values(&last.kernel)));
        }
        if let Some(flow) = &chain.stages[0].flow {
            for input in &chain.inputs {
                copies.push(copied(&copies, &mut next, input, Runs::of_flows(&flow.kernel)));
            }
        }
        let words = words(&chain, &copies);
        let tables = client.create_from_slice(u32::as_bytes(&words));
        let linear = client.empty((next as usize).max(1) * CHUNK * size_of::<f32>());
        copies.sort_by_key(|copy| copy.to);
        copies.dedup();
        let unfits = tables.clone();
        ChainParameters { chain, tables, linear, copies, unfits, is_current: false }
    }

    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Bytes of the buffers.
    pub fn bytes(&self) -> u64 {
        self.tables.size_in_used() + self.linear.size_in_used()
    }

    /// Says that the packed parameters, or the number of units, are others.
    pub fn outdate(&mut self) {
        self.is_current = false;
    }

    /// Follows the packed parameters if they are others. Gives the number of launches.
    pub fn update(&mut self, client: &Client, packed: &Handle, units: usize) -> u64 {
        if std::mem::replace(&mut self.is_current, true) {
            return 0;
        }
        self.unfits = client.create_from_slice(&vec![0; units * CHUNK * size_of::<f32>()]);
        let grid = || (CubeCount::new_single(), CubeDim::new_1d(units as u32));
        for &Copied { from, to, pitch, runs } in &self.copies {
            let ((count, dim), [packed, linear, unfits]) = (grid(), [packed, &self.linear, &self.unfits].map(argument));
            // SAFETY: the table lies within the packed parameters, as was checked, and has room in the linear tables.
            unsafe {
                table_kernel::launch_unchecked(client, count, dim, packed, linear, unfits, from, to, pitch, runs)
            };
        }
        for stage in &self.chain.stages {
            let length = stage.packed_len().div_ceil(CHUNK) as u32;
            let ((count, dim), [packed, unfits]) = (grid(), [packed, &self.unfits].map(argument));
            // SAFETY: the weights lie within the packed parameters, as was checked.
            unsafe {
                weight_kernel::launch_unchecked(client, count, dim, CHUNK, packed, unfits, stage.weights, length)
            };
        }
        (self.copies.len() + self.chain.stages.len()) as u64
    }
}

/// The linear table of an input: one that is there already, or a new one.
fn copied(copies: &[Copied], next: &mut u32, input: &ChainInput, runs: Runs) -> Copied {
    let new = Copied { from: input.table, to: *next, pitch: input.pitch, runs };
    if let Some(copy) = copies.iter().find(|copy| Copied { to: new.to, ..**copy } == new) {
        return *copy;
    }
    let length = (runs.len(new.pitch as usize) * QUAD).div_ceil(CHUNK);
    *next = u32::try_from(*next as usize + length).expect("the tables of a chain are less than 256 GiB");
    new
}

fn words(chain: &Chain, copies: &[Copied]) -> Vec<u32> {
    let mut words = Vec::with_capacity(chain.stages.len() * STAGE_WORDS + chain.inputs.len() * INPUT_WORDS);
    for ChainStage { weights, flow, .. } in &chain.stages {
        let [transposed, counts] = flow.as_ref().map_or([0, 0], |flow| [flow.weights, flow.counts]);
        words.extend([*weights, transposed, counts]);
    }
    for (index, ChainInput { variable, stride, pitch, counts, .. }) in chain.inputs.iter().enumerate() {
        let flows = copies.get(chain.inputs.len() + index).map_or(u32::MAX, |copy| copy.to);
        words.extend([*variable, *stride, copies[index].to, *pitch, counts.unwrap_or(u32::MAX), flows]);
    }
    words
}
