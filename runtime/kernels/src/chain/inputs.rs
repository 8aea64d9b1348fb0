//! The inputs of a chain: what they give a unit, and how its flow is counted in their tables.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::quads::QUAD;
use cubecl::prelude::*;
use danaus_artifact::flow_plan::StageFlow;
use danaus_artifact::plan::{CHUNK, Schedule, StageKernel};

/// Words of an input in the chain's tables: variable, stride, table for values, pitch, counts, table for flows.
pub const INPUT_WORDS: usize = 6;

/// The words of an input that say where its linear tables stand: that of the last sum's outputs, and that of the first sum's inputs.
pub const FOR_VALUES: usize = 2;
/// See [`FOR_VALUES`].
pub const FOR_FLOWS: usize = 5;

/// How the units of a linear table are cut: in runs of `tile` units of a block, each run in quads.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Runs {
    /// Number of blocks.
    pub blocks: usize,
    /// Units of a block.
    pub units: usize,
    /// How the units of a block are permuted; see [`stored_row`](crate::stage::stored_row()).
    pub rows: usize,
    /// Units of a run.
    pub tile: usize,
}

/// Quads of a run of `tile` units.
pub fn quads(tile: usize) -> usize {
    tile.div_ceil(QUAD)
}

impl Runs {
    /// Of the last sum's outputs, for values.
    pub fn of_values(stage: &StageKernel) -> Runs {
        let Schedule::Panels { tile, .. } = stage.schedule else { panic!("a chain is made of register tiles") };
        let [blocks, units, rows, tile] = [stage.blocks, stage.outputs, stage.rows, tile].map(|size| size as usize);
        Runs { blocks, units, rows, tile }
    }

    /// Of the first sum's inputs, for flows.
    pub fn of_flows(stage: &StageFlow) -> Runs {
        let [blocks, units, tile] = [stage.blocks, stage.inputs, stage.tile].map(|size| size as usize);
        Runs { blocks, units, rows: 1, tile }
    }

    /// Runs of a block.
    pub fn count(&self) -> usize {
        self.units.div_ceil(self.tile)
    }

    /// Quads of a run.
    pub fn quads(&self) -> usize {
        quads(self.tile)
    }

    /// Quads of a table that has `pitch` numbers for each unit.
    pub fn len(&self, pitch: usize) -> usize {
        self.blocks * self.count() * self.quads() * pitch
    }
}

/// Where the evidence of an input at an iteration stands from sample `v0` on, where a variable has `row` samples.
#[cube]
fn observed(tables: &[u32], words: usize, iteration: u32, row: usize, v0: usize) -> usize {
    (tables[words] + iteration * tables[words + 1]) as usize * row + v0
}

/// Brings what all inputs give a run of units for `c.vectors` vectors of samples into scratch memory, `[quad][sample][unit of the quad]`
/// from number `to` on. `run` is the number of the run, counted through the blocks.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn bring(
    scratch: &mut [f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    words: usize,
    iteration: u32,
    row: usize,
    v0: usize,
    run: usize,
    to: usize,
    #[comptime] table: usize,
    #[comptime] quads: usize,
    #[comptime] samples: usize,
    #[comptime] inputs: usize,
) {
    let linear = linear.as_vectorized().with_vector_size::<Const<4>>();
    let scratch = scratch.as_vectorized_mut().with_vector_size_mut::<Const<4>>();
    let to = to / QUAD;
    #[unroll]
    for input in 0..inputs {
        let words = words + comptime!(input * INPUT_WORDS);
        let observed = observed(tables, words, iteration, row, v0);
        let pitch = tables[words + 3] as usize;
        let from = tables[words + table] as usize * comptime!(CHUNK / QUAD) + run * quads * pitch;
        for sample in 0..samples {
            let column = from + evidence[observed + sample] as usize;
            #[unroll]
            for quad in 0..quads {
                let mut values = linear[column + quad * pitch];
                let at = to + comptime!(quad * samples) + sample;
                if comptime!(input > 0) {
                    values *= scratch[at];
                }
                scratch[at] = values;
            }
        }
    }
}

/// The product of what all inputs give unit `h` for the samples of vector `v`, from the tables for flows.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn emissions<N: Size>(
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    words: usize,
    iteration: u32,
    vectors: usize,
    h: usize,
    v: usize,
    #[comptime] inputs: usize,
    #[comptime] runs: Runs,
) -> Vector<f32, N> {
    let n = N::value();
    let o = h % runs.units;
    let run = h / runs.units * comptime!(runs.count()) + o / runs.tile;
    let quad = run * comptime!(runs.quads()) + o % runs.tile / QUAD;
    let mut product = Vector::<f32, N>::new(1.0);
    #[unroll]
    for input in 0..inputs {
        let words = words + comptime!(input * INPUT_WORDS);
        let observed = observed(tables, words, iteration, vectors * n, v * n);
        let row = tables[words + FOR_FLOWS] as usize * CHUNK
            + quad * tables[words + 3] as usize * QUAD
            + o % runs.tile % QUAD;
        let mut values = Vector::<f32, N>::empty();
        #[unroll]
        for lane in 0..n {
            values.insert(lane, linear[row + evidence[observed + lane] as usize * QUAD]);
        }
        product *= values;
    }
    product
}

/// Adds flows of `units` units from `h` on, left in scratch memory from number `at` on, to the counts of the inputs of an iteration.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn count_inputs(
    counts: &mut [f32],
    scratch: &[f32],
    tables: &[u32],
    evidence: &[u32],
    words: usize,
    iteration: u32,
    row: usize,
    v0: usize,
    h: usize,
    at: usize,
    #[comptime] units: usize,
    #[comptime] samples: usize,
    #[comptime] counted: Vec<bool>,
) {
    #[unroll]
    for input in 0..comptime!(counted.len()) {
        if comptime!(counted[input]) {
            let words = words + comptime!(input * INPUT_WORDS);
            let observed = observed(tables, words, iteration, row, v0);
            let pitch = tables[words + 3] as usize;
            let to = tables[words + 4] as usize * CHUNK + h * pitch;
            for sample in 0..samples {
                let column = to + evidence[observed + sample] as usize;
                #[unroll]
                for k in 0..units {
                    counts[column + k * pitch] += scratch[at + k * samples + sample];
                }
            }
        }
    }
}
