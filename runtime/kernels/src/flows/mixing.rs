//! Flows of a mixture: `F_k[h] = F[h] * exp(log W[h, k] + x_k[h] - out[h])` for part `k`. The sum over samples is the flow of
//! the weight.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{exp_bounded, total};
use crate::operand::{Place, leave, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Units of a work item.
pub const ROWS: usize = 16;

/// Compile-time values of [`mixing_flow_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct MixingFlowConfig {
    /// Units.
    pub width: usize,
    /// Number of parts.
    pub inputs: usize,
    /// Whether the flows of the weights are counted.
    pub counted: bool,
}

/// See the module's documentation. A work item is (group of members that share weights, run of units).
#[cube(launch_unchecked)]
pub fn mixing_flow_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    place: Place,
    groups: u32,
    #[comptime] c: MixingFlowConfig,
) {
    let vectors = place.vectors as usize;
    let record_len = comptime!(4 + 2 * c.inputs);
    let runs = comptime!(c.width.div_ceil(ROWS));
    let (first, end) = share(groups as usize * runs);
    for item in first..end {
        let group = place.table as usize + place.members as usize * record_len + item / runs * 2;
        let h0 = item % runs * ROWS;
        let h_end = min(h0 + ROWS, comptime!(c.width).runtime());
        for member in tables[group] as usize..tables[group + 1] as usize {
            let record = place.table as usize + member * record_len;
            let out = tables[record] as usize;
            let weights = tables[record + 1] as usize * CHUNK;
            let count = tables[record + 2] as usize * CHUNK;
            let flow = tables[record + 3] as usize;
            for h in h0..h_end {
                for k in 0..c.inputs {
                    let weight = Vector::<f32, N>::new(packed[weights + h * c.inputs + k]).ln();
                    let part = tables[record + 4 + 2 * k] as usize;
                    let below = tables[record + 5 + 2 * k] as usize;
                    let mut sum = 0.0f32.runtime();
                    for v in 0..vectors {
                        let value = arena[(out + h) * vectors + v];
                        let above = arena[(flow + h) * vectors + v];
                        let x = weight + arena[(part + h) * vectors + v];
                        // A part of `-inf` has no flow, and nor has a mixture of `-inf`, whose parts are all that.
                        let alive = x.greater_than(&Vector::new(f32::NEG_INFINITY));
                        let through = select_many(alive, above * exp_bounded::<N>(x - value), Vector::new(0.0));
                        arena[(below + h) * vectors + v] = through;
                        sum += total::<N>(through);
                    }
                    if comptime!(c.counted) {
                        counts[count + h * c.inputs + k] += sum;
                    }
                }
            }
        }
    }
    leave(place.vectors);
}
