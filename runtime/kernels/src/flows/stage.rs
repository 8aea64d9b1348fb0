//! Flows of a block-diagonal sum: of what its prologue adds, and of its weights.
//!
//! # Design
//!
//! A work item is (group of members that share weights, run of distinct blocks, chunk of inputs). For each member, each block with
//! these weights and each tile of samples it takes the maximum `m` of the block's inputs `s`, leaves `E = exp(s - m)` of
//! its chunk and the ratios `Q = F * exp(m - t)` of all outputs in scratch memory, and multiplies twice in register tiles:
//!
//! * `sum over o of W[o, i] * Q[o]`, times `E[i]`, is the flow of input `i`: the lanes are samples
//! * `sum over samples of Q[o] * E[i]` is added to the counts: the lanes are inputs, so `E` is transposed first
//!
//! The store of the forward pass is permuted: outputs of a block lie far apart, those of neighboring blocks side by side. So the
//! ratios of several blocks are computed together, or each would wait for memory.
//!
//! **Exactness.** As in the forward pass the maximum ignores the weights. Where an output with a flow lies more than
//! [`DEEPEST`] below the maximum, its ratio may overflow while the exponentials of the inputs that matter underflow: such a
//! vector of samples is computed one weight at a time, `F * exp(log w + s - t)`, which is at most `F`. Units of `-inf` have no
//! flow.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::tiles::{CountTile, count_tile, pad, store_pair, weighted_sums};
use crate::math::{exp_bounded, exp_nonpositive, greater, greatest_lane, shift_of, total};
use crate::operand::{Operands, Place, leave, operands, share};
use crate::stage::stored_row;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// How far below the maximum of its inputs an output may lie to be computed by ratios: `-ln(1e-30)`, see
/// [`UNDERFLOW`](crate::stage::UNDERFLOW).
pub const DEEPEST: f32 = 69.07755;

/// Outputs of a slice.
pub(crate) const SLICE: usize = 128;

/// Compile-time values of [`stage_flow_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct StageFlowConfig {
    /// Number of blocks.
    pub blocks: usize,
    /// Number of distinct weight blocks.
    pub distinct: usize,
    /// Outputs of a block.
    pub outputs: usize,
    /// Inputs of a block.
    pub inputs: usize,
    /// Permutation of the store.
    pub rows: usize,
    /// Operands before the sum.
    pub prologue: Operands,
    /// Words of a record.
    pub record: usize,
    /// Inputs in a register tile of flows.
    pub tile: usize,
    /// Inputs per work item.
    pub chunk: usize,
    /// Blocks of a work item.
    pub together: usize,
    /// Vectors of samples at a time.
    pub vectors: usize,
    /// Samples in a vector.
    pub lanes: usize,
    /// Whether the flows of the weights are counted.
    pub counted: bool,
    /// Outputs in a register tile of counts.
    pub count_outputs: usize,
    /// Vectors of inputs in a register tile of counts.
    pub count_vectors: usize,
}

impl StageFlowConfig {
    /// Work items of a distinct block.
    pub fn chunks(&self) -> usize {
        self.inputs.div_ceil(self.chunk)
    }

    /// Register tiles of a block's inputs.
    pub(crate) fn panels(&self) -> usize {
        self.inputs.div_ceil(self.tile)
    }

    /// Numbers in a row of counts.
    pub(crate) fn pitch(&self) -> usize {
        self.inputs.next_multiple_of(CHUNK)
    }

    /// Slices of the outputs: the ratios of one stay in the first-level cache while all inputs pass.
    pub(crate) fn slices(&self) -> usize {
        self.outputs.div_ceil(SLICE)
    }

    /// Vectors of inputs in a row of the transposed exponentials.
    pub(crate) fn columns(&self) -> usize {
        self.chunk.next_multiple_of(CHUNK) / self.lanes
    }

    /// Samples at a time.
    pub(crate) fn samples(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Floats of the exponentials of a block; those of all blocks stand first in scratch memory.
    fn exponentials(&self) -> usize {
        self.chunk.next_multiple_of(CHUNK) * self.samples()
    }

    /// Floats of the ratios of a block.
    fn ratios(&self) -> usize {
        self.outputs.next_multiple_of(CHUNK) * self.samples()
    }

    /// Where the ratios begin.
    fn ratios_at(&self) -> usize {
        self.together * self.exponentials()
    }

    /// Where the maxima begin, two vectors for each vector of samples of a block.
    fn maxima_at(&self) -> usize {
        self.ratios_at() + self.together * self.ratios()
    }

    /// Where the transposed exponentials begin.
    fn transposed_at(&self) -> usize {
        self.maxima_at() + 2 * self.together * self.samples()
    }

    /// Floats of scratch memory that a unit needs.
    pub fn scratch(&self) -> usize {
        self.transposed_at() + self.samples() * self.columns() * self.lanes
    }
}

/// Where a block of a member stands.
#[derive(CubeType, Clone, Copy)]
struct Block {
    /// Its record.
    record: usize,
    /// Its number.
    g: usize,
    /// First input of the work item, and the one after the last.
    i0: usize,
    i_end: usize,
    /// First vector of samples.
    v0: usize,
    /// Scratch memory of the unit, in floats.
    slot: usize,
    /// Which of the work item's blocks it is.
    j: usize,
}

/// Where the exponentials of a block stand in scratch memory, in vectors.
#[cube]
fn exponentials_of<N: Size>(block: &Block, #[comptime] c: StageFlowConfig) -> usize {
    (block.slot + block.j * comptime!(c.exponentials())) / N::value()
}

/// Where the ratios of a block stand, in floats.
#[cube]
fn ratios_of(block: &Block, #[comptime] c: StageFlowConfig) -> usize {
    block.slot + comptime!(c.ratios_at()) + block.j * comptime!(c.ratios())
}

/// Where the maxima of a block stand, in vectors: those of its inputs, then how deep its outputs lie.
#[cube]
fn maxima_of<N: Size>(block: &Block, #[comptime] c: StageFlowConfig) -> usize {
    (block.slot + comptime!(c.maxima_at())) / N::value() + block.j * comptime!(2 * c.vectors)
}

/// The weight of output `o` and input `i` in transposed panels.
#[cube]
fn weight_index(tables: &[u32], block: &Block, o: usize, i: usize, #[comptime] c: StageFlowConfig) -> usize {
    let panel = block.g % c.distinct * comptime!(c.panels()) + i / c.tile;
    tables[block.record + 1] as usize * CHUNK + (panel * c.outputs + o) * c.tile + i % c.tile
}

/// The count of output `o` and input `i`.
#[cube]
fn count_index(tables: &[u32], block: &Block, o: usize, i: usize, #[comptime] c: StageFlowConfig) -> usize {
    tables[block.record + 2] as usize * CHUNK + (block.g % c.distinct * c.outputs + o) * comptime!(c.pitch()) + i
}

/// Leaves `exp(s - max)` of the work item's inputs and the maxima of the block in scratch memory.
#[cube]
#[allow(clippy::too_many_arguments)]
fn exponentials<N: Size>(
    arena: &[Vector<f32, N>],
    scratch: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    block: &Block,
    #[comptime] c: StageFlowConfig,
) {
    let e = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    let at = exponentials_of::<N>(block, c);
    let mut high = Array::<Vector<f32, N>>::new(c.vectors);
    #[unroll]
    for v in 0..c.vectors {
        high[v] = Vector::new(f32::NEG_INFINITY);
    }
    for i in 0..c.inputs {
        let h = block.g * c.inputs + i;
        #[unroll]
        for v in 0..c.vectors {
            let s = operands::<N>(arena, packed, tables, evidence, place, block.record, h, block.v0 + v, c.prologue);
            high[v] = greater::<N>(high[v], s);
            if comptime!(c.chunk == c.inputs) {
                e[at + i * c.vectors + v] = s;
            } else if i >= block.i0 && i < block.i_end {
                e[at + (i - block.i0) * c.vectors + v] = s;
            }
        }
    }
    for i in 0..block.i_end - block.i0 {
        #[unroll]
        for v in 0..c.vectors {
            let place = at + i * c.vectors + v;
            let s = e[place];
            // An input of `-inf` has no flow, not even a tiny one: what is impossible must not become possible.
            let alive = s.greater_than(&Vector::new(f32::NEG_INFINITY));
            e[place] = select_many(alive, exp_nonpositive::<N>(s - shift_of::<N>(high[v])), Vector::new(0.0));
        }
    }
    let maxima = maxima_of::<N>(block, c);
    #[unroll]
    for v in 0..c.vectors {
        e[maxima + v] = high[v];
        e[maxima + comptime!(c.vectors + v)] = Vector::new(0.0);
    }
}

/// The value of an output, and its flow, which is 0 where the value is `-inf`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn output<N: Size>(
    arena: &[Vector<f32, N>],
    tables: &[u32],
    place: &Place,
    block: &Block,
    o: usize,
    v: usize,
    #[comptime] c: StageFlowConfig,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let vectors = place.vectors as usize;
    let p = stored_row(block.g, o, comptime!(c.outputs), comptime!(c.rows));
    let value = arena[(tables[block.record] as usize + p) * vectors + v];
    let flow = arena[(tables[block.record + 3] as usize + p) * vectors + v];
    let alive = value.greater_than(&Vector::new(f32::NEG_INFINITY));
    (value, select_many(alive, flow, Vector::new(0.0)))
}

/// Leaves the ratios of output `o` of a block in scratch memory; the greatest `m - t` of an output with a flow goes to the maxima.
#[cube]
fn ratios<N: Size>(
    arena: &[Vector<f32, N>],
    scratch: &mut [f32],
    tables: &[u32],
    place: &Place,
    block: &Block,
    o: usize,
    #[comptime] c: StageFlowConfig,
) {
    let q = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    let at = ratios_of(block, c) / N::value() + o * c.vectors;
    let maxima = maxima_of::<N>(block, c);
    #[unroll]
    for v in 0..c.vectors {
        let (t, flow) = output::<N>(arena, tables, place, block, o, block.v0 + v, c);
        let gap = q[maxima + v] - t;
        let flowing = flow.greater_than(&Vector::new(0.0));
        let deepest = maxima + comptime!(c.vectors + v);
        q[deepest] = greater::<N>(q[deepest], select_many(flowing, gap, Vector::new(0.0)));
        q[at + v] = select_many(flowing, flow * exp_bounded::<N>(gap), Vector::new(0.0));
    }
}

/// A vector of samples that is computed one weight at a time: its ratios become 0, so that the others may be multiplied.
#[cube]
fn forget<N: Size>(scratch: &mut [f32], block: &Block, v: usize, #[comptime] c: StageFlowConfig) {
    let q = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    let at = ratios_of(block, c) / N::value();
    for o in 0..c.outputs {
        q[at + o * c.vectors + v] = Vector::new(0.0);
    }
}

/// Flows and counts of one vector of samples, in log space throughout.
#[cube]
#[allow(clippy::too_many_arguments)]
fn exact<N: Size>(
    arena: &mut [Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    block: &Block,
    v: usize,
    #[comptime] c: StageFlowConfig,
) {
    let vectors = place.vectors as usize;
    for i in block.i0..block.i_end {
        let h = block.g * c.inputs + i;
        let s = operands::<N>(&*arena, packed, tables, evidence, place, block.record, h, v, c.prologue);
        let mut below = Vector::<f32, N>::new(0.0);
        for o in 0..c.outputs {
            let weight = packed[weight_index(tables, block, o, i, c)];
            if weight > 0.0 {
                let (t, flow) = output::<N>(&*arena, tables, place, block, o, v, c);
                let flowing = flow.greater_than(&Vector::new(0.0));
                let through = exp_bounded::<N>(Vector::<f32, N>::new(weight).ln() + s - t);
                below += select_many(flowing, flow * through, Vector::new(0.0));
                if comptime!(c.counted) {
                    let count = select_many(flowing, flow * exp_bounded::<N>(s - t), Vector::new(0.0));
                    counts[count_index(tables, block, o, i, c)] += total::<N>(count);
                }
            }
        }
        arena[(tables[block.record + 4] as usize + h) * vectors + v] = below;
    }
}

/// Flows of `tile` inputs from `i` on: what the outputs of slice `slice` add to them. The slices before it have left their sums
/// where the transposed exponentials will be.
#[cube]
#[allow(clippy::too_many_arguments)]
fn flow_tile<N: Size>(
    arena: &mut [Vector<f32, N>],
    scratch: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    place: &Place,
    block: &Block,
    i: usize,
    slice: usize,
    #[comptime] c: StageFlowConfig,
) {
    let e = exponentials_of::<N>(block, c);
    let q = ratios_of(block, c) / N::value();
    let partial = (block.slot + comptime!(c.transposed_at())) / N::value() + (i - block.i0) * c.vectors;
    let weights = weight_index(tables, block, 0usize, i, c);
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(c.tile * c.vectors));
    weighted_sums::<N>(&*scratch, &*scratch, packed, &mut sums, weights, q, comptime!(c.vectors), partial, slice, c);
    let scratch = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    if slice + 1 == comptime!(c.slices()).runtime() {
        let row = tables[block.record + 4] as usize + block.g * c.inputs;
        #[unroll]
        for k in 0..c.tile {
            if i + k < block.i_end {
                #[unroll]
                for v in 0..c.vectors {
                    let exponential = scratch[e + (i + k - block.i0) * c.vectors + v];
                    arena[(row + i + k) * place.vectors as usize + block.v0 + v] =
                        sums[comptime!(k * c.vectors + v)] * exponential;
                }
            }
        }
    } else {
        #[unroll]
        for k in 0..comptime!(c.tile * c.vectors) {
            scratch[partial + k] = sums[k];
        }
    }
}

/// Writes the exponentials with inputs next to each other: `[samples][inputs]`, padded with 0.
#[cube]
fn transpose<N: Size>(scratch: &mut [f32], block: &Block, #[comptime] c: StageFlowConfig) {
    let to = block.slot + comptime!(c.transposed_at());
    let from = exponentials_of::<N>(block, c);
    let row = comptime!(c.columns() * c.lanes);
    let count = block.i_end - block.i0;
    for pair in 0..count.div_ceil(2usize) {
        let i = 2 * pair;
        #[unroll]
        for v in 0..c.vectors {
            let e = scratch.as_vectorized().with_vector_size::<N>();
            let low = e[from + i * c.vectors + v];
            let mut high = Vector::<f32, N>::new(0.0);
            if i + 1 < count {
                high = e[from + (i + 1) * c.vectors + v];
            }
            store_pair::<N>(scratch, low, high, to + comptime!(v * c.lanes * row) + i, row);
        }
    }
    pad(scratch, to, count, row, comptime!(c.samples()));
}

/// Flows and counts of one block, when its exponentials and ratios are there.
#[cube]
#[allow(clippy::too_many_arguments)]
fn flow_block<N: Size>(
    arena: &mut [Vector<f32, N>],
    counts: &mut [f32],
    scratch: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    block: &Block,
    #[comptime] c: StageFlowConfig,
) {
    let deepest = maxima_of::<N>(block, c) + c.vectors;
    #[unroll]
    for v in 0..c.vectors {
        let depth = scratch.as_vectorized().with_vector_size::<N>()[deepest + v];
        if greatest_lane::<N>(depth) > DEEPEST {
            forget::<N>(scratch, block, v, c);
        }
    }
    for slice in 0..comptime!(c.slices()) {
        for panel in 0..(block.i_end - block.i0).div_ceil(comptime!(c.tile).runtime()) {
            let i = block.i0 + panel * c.tile;
            flow_tile::<N>(arena, scratch, packed, tables, place, block, i, slice, c);
        }
    }
    if comptime!(c.counted) {
        transpose::<N>(scratch, block, c);
        for x in 0..comptime!(c.columns().div_ceil(c.count_vectors)) {
            for o in 0..comptime!(c.outputs.div_ceil(c.count_outputs)) {
                let tile = CountTile {
                    handed: ratios_of(block, c),
                    row: comptime!(c.samples()).runtime(),
                    transposed: block.slot + comptime!(c.transposed_at()),
                    counts: count_index(tables, block, 0usize, block.i0, c),
                    i0: block.i0,
                    o: o * c.count_outputs,
                    x: x * c.count_vectors,
                };
                count_tile::<N>(counts, &*scratch, &*scratch, &tile, c);
            }
        }
    }
    #[unroll]
    for v in 0..c.vectors {
        let depth = scratch.as_vectorized().with_vector_size::<N>()[deepest + v];
        if greatest_lane::<N>(depth) > DEEPEST {
            exact::<N>(arena, counts, packed, tables, evidence, place, block, block.v0 + v, c);
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn stage_flow_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    counts: &mut [f32],
    scratch: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    groups: u32,
    #[comptime] c: StageFlowConfig,
) {
    let runs = comptime!(c.distinct / c.together);
    let (first, end) = share(groups as usize * comptime!(runs * c.chunks()));
    let slot = ABSOLUTE_POS * comptime!(c.scratch());
    for item in first..end {
        let i0 = item % comptime!(c.chunks()) * c.chunk;
        let i_end = min(i0 + c.chunk, comptime!(c.inputs).runtime());
        let rest = item / comptime!(c.chunks());
        let group = place.table as usize + place.members as usize * c.record + rest / runs * 2;
        for member in tables[group] as usize..tables[group + 1] as usize {
            let record = place.table as usize + member * c.record;
            for repeat in 0..comptime!(c.blocks / c.distinct) {
                let g = repeat * c.distinct + rest % runs * c.together;
                for tile in 0..place.vectors as usize / c.vectors {
                    let v0 = tile * c.vectors;
                    for j in 0..c.together {
                        let block = Block { record, g: g + j, i0, i_end, v0, slot, j };
                        exponentials::<N>(&*arena, scratch, packed, tables, evidence, &place, &block, c);
                    }
                    // Outputs of neighboring blocks are neighbors in memory.
                    for o in 0..c.outputs {
                        for j in 0..c.together {
                            let block = Block { record, g: g + j, i0, i_end, v0, slot, j };
                            ratios::<N>(&*arena, scratch, tables, &place, &block, o, c);
                        }
                    }
                    for j in 0..c.together {
                        let block = Block { record, g: g + j, i0, i_end, v0, slot, j };
                        flow_block::<N>(arena, counts, scratch, packed, tables, evidence, &place, &block, c);
                    }
                }
            }
        }
    }
    leave(place.vectors);
}
