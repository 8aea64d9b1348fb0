//! Sums that underflow, computed again in log space throughout: see [`crate::stage`] for when that is.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::spot::rounds;
use crate::math::{exp_nonpositive, greater, ln_positive, shift_of};
use crate::operand::{Place, operands};
use crate::stage::StageConfig;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// `2^64`.
const SCALE: f32 = 18_446_744_073_709_551_616.0;

/// The logarithm of a weight: `-inf` for zero, and right for numbers that are not normal too.
#[cube]
pub fn ln_weight(weight: f32) -> f32 {
    let scaled = weight * SCALE;
    let log = ln_positive::<Const<1>>(Vector::new(scaled)).extract(0usize) - 64.0 * std::f32::consts::LN_2;
    select(weight > 0.0, log, f32::NEG_INFINITY)
}

/// Where in the packed parameters the weight of output `o` and input `i` of block `g` stands.
#[cube]
pub fn weight_index(weights: usize, g: usize, o: usize, i: usize, #[comptime] c: StageConfig) -> usize {
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
