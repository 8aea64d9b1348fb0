//! The block-diagonal sum with register tiles ([`Schedule::Panels`]).
//!
//! # Design
//!
//! A work item is (member, block, chunk of outputs, tile of samples). It adds the prologue's operands, takes the
//! maximum over the block's inputs sample by sample, leaves `e = exp(s - max)` in scratch memory of its own unit,
//! multiplies the block's weights with `e` in tiles of `tile` outputs by `vectors` vectors of samples that stay
//! in registers, and stores `ln + max` plus the epilogue's operands at the permuted row.
//!
//! **Exactness.** The maximum ignores the weights, so a sum may underflow where a weight is zero or tiny at the
//! maximum. An item in which any sum is below [`UNDERFLOW`] though the maximum is finite computes
//! that vector of samples again in log space ([`exact()`]); zero weights and inputs of `-inf` then contribute nothing.
//!
//! [`Schedule::Panels`]: danaus_artifact::plan::Schedule::Panels

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{exp_nonpositive, greater, least_lane, lesser, ln_positive, ln_weight, shift_of};
use crate::operand::{Operands, Place, leave, operands, rounds, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Sums below it are computed again in log space: above it the terms that `exp` flushes to zero are too small
/// to matter (weights are at most 1).
pub const UNDERFLOW: f32 = 1e-30;

/// Compile-time values of the kernels of a block-diagonal sum.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct StageConfig {
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
    /// Operands after the sum.
    pub epilogue: Operands,
    /// Words of a record.
    pub record: usize,
    /// Outputs in a register tile.
    pub tile: usize,
    /// Register tiles per work item.
    pub chunk: usize,
    /// Vectors of samples per work item.
    pub vectors: usize,
}

impl StageConfig {
    /// Register tiles of a block.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(self.tile)
    }

    /// Work items of a block and a tile of samples.
    pub fn chunks(&self) -> usize {
        self.panels().div_ceil(self.chunk)
    }

    /// Vectors of scratch memory a unit needs.
    pub fn scratch(&self) -> usize {
        (self.inputs + self.tile) * self.vectors
    }
}

/// Row, relative to the layer's first, of output `o` of block `g`.
#[cube]
pub fn stored_row(g: usize, o: usize, #[comptime] outputs: usize, #[comptime] rows: usize) -> usize {
    if comptime!(rows == 1) { g * outputs + o } else { (g / rows * outputs + o) * rows + g % rows }
}

/// Where in the packed parameters the weight of output `o` and input `i` of block `g` stands.
#[cube]
fn weight_index(weights: usize, g: usize, o: usize, i: usize, #[comptime] c: StageConfig) -> usize {
    let panel = g % c.distinct * comptime!(c.panels()) + o / c.tile;
    weights + (panel * c.inputs + i) * c.tile + o % c.tile
}

/// Output `o` of block `g` for the samples of vector `v`, without its epilogue, in log space.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn exact<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    o: usize,
    v: usize,
    #[comptime] c: StageConfig,
) -> Vector<f32, N> {
    let weights = tables[record + 1] as usize * CHUNK;
    let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
    for i in 0..rounds(place.vectors, c.inputs) {
        let log = ln_weight(packed[weight_index(weights, g, o, i, c)]);
        let s = operands::<N>(arena, packed, tables, evidence, place, record, g * c.inputs + i, v, c.prologue);
        high = greater::<N>(high, Vector::<f32, N>::new(log) + s);
    }
    let shift = shift_of::<N>(high);
    let mut sum = Vector::<f32, N>::new(0.0);
    for i in 0..rounds(place.vectors, c.inputs) {
        let log = ln_weight(packed[weight_index(weights, g, o, i, c)]);
        let s = operands::<N>(arena, packed, tables, evidence, place, record, g * c.inputs + i, v, c.prologue);
        sum += exp_nonpositive::<N>(Vector::<f32, N>::new(log) + s - shift);
    }
    ln_positive::<N>(sum) + high
}

/// Adds the prologue's operands of block `g`, leaves `exp(s - max)` in scratch memory and the maxima in `high`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn exponentials<N: Size>(
    arena: &[Vector<f32, N>],
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    v0: usize,
    slot: usize,
    high: &mut Array<Vector<f32, N>>,
    #[comptime] c: StageConfig,
) {
    #[unroll]
    for v in 0..c.vectors {
        high[v] = Vector::new(f32::NEG_INFINITY);
    }
    for i in 0..c.inputs {
        #[unroll]
        for v in 0..c.vectors {
            let s = operands::<N>(arena, packed, tables, evidence, place, record, g * c.inputs + i, v0 + v, c.prologue);
            scratch[slot + i * c.vectors + v] = s;
            high[v] = greater::<N>(high[v], s);
        }
    }
    for i in 0..c.inputs {
        #[unroll]
        for v in 0..c.vectors {
            let at = slot + i * c.vectors + v;
            scratch[at] = exp_nonpositive::<N>(scratch[at] - shift_of::<N>(high[v]));
        }
    }
}

/// One register tile: the sums of `tile` outputs, left in scratch memory after the exponentials.
#[cube]
fn multiply<N: Size>(
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    weights: usize,
    slot: usize,
    #[comptime] c: StageConfig,
) {
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(c.tile * c.vectors));
    #[unroll]
    for q in 0..comptime!(c.tile * c.vectors) {
        sums[q] = Vector::new(0.0);
    }
    for i in 0..c.inputs {
        #[unroll]
        for o in 0..c.tile {
            let weight = Vector::<f32, N>::new(packed[weights + i * c.tile + o]);
            #[unroll]
            for v in 0..c.vectors {
                let q = comptime!(o * c.vectors + v);
                sums[q] = fma(weight, scratch[slot + i * c.vectors + v], sums[q]);
            }
        }
    }
    #[unroll]
    for q in 0..comptime!(c.tile * c.vectors) {
        scratch[slot + comptime!(c.inputs * c.vectors + q)] = sums[q];
    }
}

/// Reads a little of each table row that the epilogue of a register tile will gather from, so that the rows, which lie
/// far apart, are on their way to the cache while the tile is multiplied. The result must be used, or nothing is read.
#[cube]
fn touch_rows(packed: &[f32], tables: &[u32], record: usize, g: usize, o0: usize, #[comptime] c: StageConfig) -> f32 {
    let mut touched = 0.0f32.runtime();
    #[unroll]
    for input in 0..comptime!(c.epilogue.inputs) {
        let quadruple = record + comptime!(c.epilogue.inputs_at + 4 * input);
        let pitch = tables[quadruple + 3] as usize;
        #[unroll]
        for o in 0..c.tile {
            let p =
                stored_row(g, min(o0 + o, comptime!(c.outputs - 1).runtime()), comptime!(c.outputs), comptime!(c.rows));
            let row = tables[quadruple + 2] as usize * CHUNK + p * pitch;
            touched += packed[row] + packed[row + pitch / 2] + packed[row + pitch - 1];
        }
    }
    touched
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn stage_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    #[comptime] c: StageConfig,
) {
    let vectors = place.vectors as usize;
    let tiles = vectors / c.vectors;
    let (first, end) = share(place.members as usize * comptime!(c.blocks * c.chunks()) * tiles);
    let slot = ABSOLUTE_POS * comptime!(c.scratch());
    for item in first..end {
        let v0 = item % tiles * c.vectors;
        let rest = item / tiles;
        let panel0 = rest % comptime!(c.chunks()) * c.chunk;
        let rest = rest / comptime!(c.chunks());
        let g = rest % c.blocks;
        let record = place.table as usize + rest / c.blocks * c.record;
        let out = tables[record] as usize;
        let weights = tables[record + 1] as usize * CHUNK;

        let mut high = Array::<Vector<f32, N>>::new(c.vectors);
        exponentials::<N>(&*arena, scratch, packed, tables, evidence, &place, record, g, v0, slot, &mut high, c);

        let mut least = Array::<Vector<f32, N>>::new(c.vectors);
        #[unroll]
        for v in 0..c.vectors {
            least[v] = Vector::new(1.0);
        }
        let mut touched = 0.0f32.runtime();
        let panel_end = min(panel0 + c.chunk, comptime!(c.panels()).runtime());
        for panel in panel0..panel_end {
            let panel_weights =
                weights + (g % c.distinct * comptime!(c.panels()) + panel) * comptime!(c.inputs * c.tile);
            let o0 = panel * c.tile;
            if comptime!(c.epilogue.inputs > 0) {
                touched += touch_rows(packed, tables, record, g, o0, c);
            }
            multiply::<N>(scratch, packed, panel_weights, slot, c);
            let count = min(comptime!(c.outputs).runtime() - o0, comptime!(c.tile).runtime());
            for o in 0..count {
                let p = stored_row(g, o0 + o, comptime!(c.outputs), comptime!(c.rows));
                #[unroll]
                for v in 0..c.vectors {
                    let sum = scratch[slot + comptime!(c.inputs * c.vectors) + o * c.vectors + v];
                    least[v] = lesser::<N>(least[v], sum);
                    let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, v0 + v, c.epilogue);
                    arena[(out + p) * vectors + v0 + v] = ln_positive::<N>(sum) + high[v] + after;
                }
            }
        }

        #[unroll]
        for v in 0..c.vectors {
            let dead = high[v].equal(&Vector::new(f32::NEG_INFINITY));
            // Log-probabilities do not add up to infinity; and if they did, the result would still be right.
            let again = least_lane::<N>(select_many(dead, Vector::new(1.0), least[v])) < UNDERFLOW;
            if again || touched > f32::MAX {
                let o_end = min(panel_end * c.tile, comptime!(c.outputs).runtime());
                for o in panel0 * c.tile..o_end {
                    let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
                    let sum = exact::<N>(&*arena, packed, tables, evidence, &place, record, g, o, v0 + v, c);
                    let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, v0 + v, c.epilogue);
                    arena[(out + p) * vectors + v0 + v] = sum + after;
                }
            }
        }
    }
    leave(place.vectors);
}
