//! Values of the most likely completion: sums and mixtures with a maximum in the place of a sum. In log space that is additions and
//! comparisons, so nothing overflows, underflows or is rounded more than once per layer.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::greater;
use crate::mixing::MixingConfig;
use crate::operand::{Operands, Place, leave, operands, share};
use crate::stage::stored_row;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Outputs in a register tile.
const TILE: usize = 8;

/// Compile-time values of a block-diagonal sum of queries.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct SumConfig {
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
}

/// `t[g, o] = max_i(log W[g % distinct, o, i] + s[g, i])`. A work item is (member, block, tile of outputs, vector of samples).
#[cube(launch_unchecked)]
pub fn max_stage_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    #[comptime] c: SumConfig,
) {
    let vectors = place.vectors as usize;
    let tile = comptime!(TILE.min(c.outputs));
    let tiles = comptime!(c.outputs.div_ceil(TILE.min(c.outputs)));
    let (first, end) = share(place.members as usize * comptime!(c.blocks * tiles) * vectors);
    for item in first..end {
        let v = item % vectors;
        let o0 = item / vectors % tiles * tile;
        let g = item / (vectors * tiles) % c.blocks;
        let record = place.table as usize + item / (vectors * comptime!(tiles * c.blocks)) * c.record;
        let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(c.outputs * c.inputs);
        let mut high = Array::<Vector<f32, N>>::new(tile);
        #[unroll]
        for k in 0..tile {
            high[k] = Vector::new(f32::NEG_INFINITY);
        }
        for i in 0..c.inputs {
            let h = g * c.inputs + i;
            let s = operands::<N>(&*arena, packed, tables, evidence, &place, record, h, v, c.prologue);
            #[unroll]
            for k in 0..tile {
                // A tile that overhangs computes the last output again.
                let o = min(o0 + k, comptime!(c.outputs - 1).runtime());
                high[k] = greater::<N>(high[k], Vector::<f32, N>::new(packed[weights + o * c.inputs + i]) + s);
            }
        }
        #[unroll]
        for k in 0..tile {
            if o0 + k < c.outputs {
                let p = stored_row(g, o0 + k, comptime!(c.outputs), comptime!(c.rows));
                arena[(tables[record] as usize + p) * vectors + v] = high[k];
            }
        }
    }
    leave(place.vectors);
}

/// `out[h] = max_k(log W[h, k] + part_k[h])`. A work item is (member, unit).
#[cube(launch_unchecked)]
pub fn max_mixing_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    place: Place,
    #[comptime] c: MixingConfig,
) {
    let vectors = place.vectors as usize;
    let (first, end) = share(place.members as usize * c.width);
    for item in first..end {
        let record = place.table as usize + item / c.width * comptime!(2 + c.inputs);
        let h = item % c.width;
        let weights = tables[record + 1] as usize * CHUNK + h * c.inputs;
        for v in 0..vectors {
            let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
            for k in 0..c.inputs {
                let part = arena[(tables[record + 2 + k] as usize + h) * vectors + v];
                high = greater::<N>(high, Vector::<f32, N>::new(packed[weights + k]).ln() + part);
            }
            arena[(tables[record] as usize + h) * vectors + v] = high;
        }
    }
    leave(place.vectors);
}
