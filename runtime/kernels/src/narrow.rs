//! The block-diagonal sum of few outputs ([`Schedule::Narrow`]): no scratch memory, the inputs are read twice.
//!
//! A work item is (member, block, group of at most [`GROUP`] outputs, vector of samples). The first pass takes the
//! maximum over the inputs, the second sums `weight * exp(s - max)`. Underflow is treated as in
//! [`stage`](crate::stage).
//!
//! [`Schedule::Narrow`]: danaus_artifact::plan::Schedule::Narrow

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{exp_nonpositive, greater, least_lane, ln_positive, shift_of};
use crate::operand::{Place, leave, operands, share};
use crate::stage::{StageConfig, UNDERFLOW, exact, stored_row};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Most outputs of a work item.
pub const GROUP: usize = 8;

/// See the module's documentation. `c.tile` is 1, `c.chunk` the number of outputs in a group.
#[cube(launch_unchecked)]
pub fn narrow_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    #[comptime] c: StageConfig,
) {
    let vectors = place.vectors as usize;
    let (first, end) = share(place.members as usize * comptime!(c.blocks * c.chunks()) * vectors);
    for item in first..end {
        let v = item % vectors;
        let rest = item / vectors;
        let o0 = rest % comptime!(c.chunks()) * c.chunk;
        let rest = rest / comptime!(c.chunks());
        let g = rest % c.blocks;
        let record = place.table as usize + rest / c.blocks * c.record;
        let out = tables[record] as usize;
        let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(c.outputs * c.inputs);

        let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
        for i in 0..c.inputs {
            let h = g * c.inputs + i;
            high =
                greater::<N>(high, operands::<N>(&*arena, packed, tables, evidence, &place, record, h, v, c.prologue));
        }
        let shift = shift_of::<N>(high);
        let mut sums = Array::<Vector<f32, N>>::new(c.chunk);
        #[unroll]
        for q in 0..c.chunk {
            sums[q] = Vector::new(0.0);
        }
        for i in 0..c.inputs {
            let h = g * c.inputs + i;
            let s = operands::<N>(&*arena, packed, tables, evidence, &place, record, h, v, c.prologue);
            let e = exp_nonpositive::<N>(s - shift);
            #[unroll]
            for q in 0..c.chunk {
                // A group that overhangs computes the last output again.
                let o = min(o0 + q, comptime!(c.outputs - 1).runtime());
                sums[q] = fma(Vector::new(packed[weights + o * c.inputs + i]), e, sums[q]);
            }
        }
        let dead = high.equal(&Vector::new(f32::NEG_INFINITY));
        #[unroll]
        for q in 0..c.chunk {
            let o = min(o0 + q, comptime!(c.outputs - 1).runtime());
            let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
            let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, v, c.epilogue);
            if least_lane::<N>(select_many(dead, Vector::new(1.0), sums[q])) < UNDERFLOW {
                let sum = exact::<N>(&*arena, packed, tables, evidence, &place, record, g, o, v, c);
                arena[(out + p) * vectors + v] = sum + after;
            } else {
                arena[(out + p) * vectors + v] = ln_positive::<N>(sums[q]) + high + after;
            }
        }
    }
    leave(place.vectors);
}
