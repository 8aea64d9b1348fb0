//! The block-diagonal sum with few outputs: the units of a cube share the inputs of a block.
//!
//! A cube has a group of at most [`GROUP`](crate::narrow::GROUP) outputs of one block and a tile of samples. Its groups of units look
//! at every so many inputs, first for the maximum, then for the sums; what each group has meets in shared memory.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::spot::{Shape, spot};
use crate::math::{exp_nonpositive, least_lane, ln_positive, shift_of};
use crate::operand::{Place, operands, rounds};
use crate::stage::{StageConfig, UNDERFLOW, exact, stored_row};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// See the module's documentation. `c.tile` is 1, `c.chunk` the number of outputs in a group.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_narrow<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    iteration: u32,
    vectors: u32,
    #[comptime] c: StageConfig,
    #[comptime] shape: Shape,
) {
    let place = Place { table, members, iteration, base: 0, vectors };
    let spot = spot(vectors, comptime!(c.blocks * c.chunks()), shape);
    let (groups, width) = comptime!((shape.groups(), shape.vectors));
    let g = spot.run / comptime!(c.chunks());
    let o0 = spot.run % comptime!(c.chunks()) * c.chunk;
    let record = table as usize + spot.member * c.record;
    let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(c.outputs * c.inputs);
    let mut shared = Shared::<[Vector<f32, N>]>::new_slice(comptime!(shape.units * (1 + c.chunk)));

    let own = group_maximum::<N>(
        &*arena, packed, tables, evidence, &place, record, g, spot.group, spot.v, groups, c.inputs, c.prologue,
    );
    let high = greatest_of::<N>(&mut shared, own, spot.column, groups, width);
    let shift = shift_of::<N>(high);

    let mut sums = Array::<Vector<f32, N>>::new(c.chunk);
    #[unroll]
    for q in 0..c.chunk {
        sums[q] = Vector::new(0.0);
    }
    for step in 0..rounds(vectors, comptime!(c.inputs.div_ceil(shape.groups()))) {
        let i = step * groups + spot.group;
        if i < c.inputs {
            let h = g * c.inputs + i;
            let value = operands::<N>(&*arena, packed, tables, evidence, &place, record, h, spot.v, c.prologue);
            let e = exp_nonpositive::<N>(value - shift);
            #[unroll]
            for q in 0..c.chunk {
                // A group that overhangs computes the last output again.
                let o = min(o0 + q, comptime!(c.outputs - 1).runtime());
                sums[q] = fma(Vector::new(packed[weights + o * c.inputs + i]), e, sums[q]);
            }
        }
    }
    #[unroll]
    for q in 0..c.chunk {
        shared[comptime!((1 + q) * shape.units) + UNIT_POS as usize] = sums[q];
    }
    sync_cube();

    let out = tables[record] as usize;
    let dead = high.equal(&Vector::new(f32::NEG_INFINITY));
    for step in 0..comptime!(c.chunk.div_ceil(shape.groups())) {
        let q = step * groups + spot.group;
        let o = o0 + q;
        if q < c.chunk && o < c.outputs {
            let mut sum = Vector::<f32, N>::new(0.0);
            for group in 0..groups {
                sum += shared[(1 + q) * comptime!(shape.units) + group * width + spot.column];
            }
            let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
            let mut value = ln_positive::<N>(sum) + high;
            if least_lane::<N>(select_many(dead, Vector::new(1.0), sum)) < UNDERFLOW {
                value = exact::<N>(&*arena, packed, tables, evidence, &place, record, g, o, spot.v, c);
            }
            let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, spot.v, c.epilogue);
            arena[(out + p) * vectors as usize + spot.v] = value + after;
        }
    }
}
