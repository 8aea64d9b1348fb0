//! Mixing sums: `out[h] = lse_k(log W[h, k] + part_k[h])`.
//!
//! Logarithms of the weights are added before the maximum is taken, so nothing underflows whatever the weights.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{exp_nonpositive, greater, ln_positive, shift_of};
use crate::operand::{Place, leave, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of [`mixing_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct MixingConfig {
    /// Units.
    pub width: usize,
    /// Number of parts.
    pub inputs: usize,
}

/// Part `k` at unit `h`, weighted, in log space.
#[cube]
#[allow(clippy::too_many_arguments)]
fn weighted<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    record: usize,
    h: usize,
    k: usize,
    v: usize,
    vectors: usize,
    #[comptime] c: MixingConfig,
) -> Vector<f32, N> {
    let weight = packed[tables[record + 1] as usize * CHUNK + h * c.inputs + k];
    let row = tables[record + 2 + k] as usize + h;
    Vector::<f32, N>::new(weight).ln() + arena[row * vectors + v]
}

/// See the module's documentation. A work item is (member, row).
#[cube(launch_unchecked)]
pub fn mixing_kernel<N: Size>(
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
        let out = tables[record] as usize;
        let h = item % c.width;
        for v in 0..vectors {
            let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
            for k in 0..c.inputs {
                high = greater::<N>(high, weighted::<N>(&*arena, packed, tables, record, h, k, v, vectors, c));
            }
            let shift = shift_of::<N>(high);
            let mut sum = Vector::<f32, N>::new(0.0);
            for k in 0..c.inputs {
                let x = weighted::<N>(&*arena, packed, tables, record, h, k, v, vectors, c);
                sum += exp_nonpositive::<N>(x - shift);
            }
            arena[(out + h) * vectors + v] = ln_positive::<N>(sum) + high;
        }
    }
    leave(place.vectors);
}
