//! The parameters of a chain: the tables of its inputs in linear space, and whether all numbers are fit for it.

use super::convert::{table_kernel, weight_kernel};
use super::forward::STAGE_WORDS;
use super::inputs::INPUT_WORDS;
use crate::launch::argument;
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::chain::{Chain, ChainInput, ChainStage};
use danaus_artifact::plan::CHUNK;
use std::collections::BTreeMap;

/// A chain with its parameters in linear space.
pub struct ChainParameters {
    pub(super) chain: Chain,
    /// Words of sums and inputs.
    pub(super) tables: Handle,
    /// The tables of inputs, in linear space.
    pub(super) linear: Handle,
    /// Where each table comes from, goes to, and its length, in chunks.
    copies: Vec<[u32; 3]>,
    /// For each unit a chunk of numbers that are positive if a parameter is unfit.
    pub(super) unfits: Handle,
    /// Whether all that is the packed parameters'.
    is_current: bool,
}

impl ChainParameters {
    /// Makes the buffers.
    pub fn new(client: &Client, chain: Chain) -> ChainParameters {
        let mut copies: BTreeMap<u32, [u32; 3]> = BTreeMap::new();
        let mut next = 0;
        for input in &chain.inputs {
            copies.entry(input.table).or_insert_with(|| {
                // The table is part of the packed parameters, whose chunks fit 32 bits.
                let length = (u64::from(chain.width) * u64::from(input.pitch)).div_ceil(CHUNK as u64) as u32;
                next += length;
                [input.table, next - length, length]
            });
        }
        let words = words(&chain, &copies);
        let tables = client.create_from_slice(u32::as_bytes(&words));
        let linear = client.empty((next as usize).max(1) * CHUNK * size_of::<f32>());
        let copies = copies.into_values().collect();
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
        for &[from, to, length] in &self.copies {
            let ((count, dim), [packed, linear, unfits]) = (grid(), [packed, &self.linear, &self.unfits].map(argument));
            // SAFETY: the table lies within the packed parameters, as was checked, and has room in the linear tables.
            unsafe {
                table_kernel::launch_unchecked(client, count, dim, CHUNK, packed, linear, unfits, from, to, length)
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
