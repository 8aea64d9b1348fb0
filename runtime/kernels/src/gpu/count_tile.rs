//! What the kernels of counts share, in whatever precision they multiply: exponentials and ratios of a tile of samples, and the counts of samples
//! in which an output lies too far below the maximum.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::flows::stage::DEEPEST;
use crate::gpu::flow_sums::{FlowSum, exponential, output, ratio};
use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::tensor::rounded;
use crate::math::{exp_bounded, greater, greatest_lane, shift_of, total};
use crate::operand::{Place, operands, rounds};
use cubecl::prelude::*;
use danaus_artifact::flow_plan;
use danaus_artifact::gpu::Precision;

/// What a cube brings to shared memory at a time, and how it stands there.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Brought {
    /// What it is rounded to.
    pub precision: Precision,
    /// Units of the cube.
    pub units: usize,
    /// Vectors of samples; divides the units.
    pub vectors: usize,
    /// Outputs; the counts of all outputs and inputs are a multiple of the units.
    pub outputs: usize,
    /// Inputs.
    pub inputs: usize,
    /// Vectors from the exponentials of one input to those of the next, and from one vector of samples to the next.
    pub exponentials: [usize; 2],
    /// The same of the ratios of outputs.
    pub ratios: [usize; 2],
}

/// Where a tile of samples of a block of a member stands, and the cube's outputs and inputs.
#[derive(CubeType, Clone, Copy)]
pub struct Tile {
    /// The member's record.
    pub record: usize,
    /// The block.
    pub g: usize,
    /// The first output.
    pub o0: usize,
    /// The first input.
    pub i0: usize,
    /// The unit's vector in the row.
    pub v: usize,
    /// The unit's vector in the tile.
    pub column: usize,
    /// The unit's group.
    pub group: usize,
}

/// Brings exponentials and ratios of a tile of samples to shared memory; vectors that are too deep have ratios of 0 and a
/// positive flag.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn fetch<N: Size, E: Float>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    maxima: &mut [Vector<f32, N>],
    exponentials: &mut [Vector<E, N>],
    ratios: &mut [Vector<E, N>],
    flags: &mut [f32],
    tile: &Tile,
    #[comptime] c: FlowSum,
    #[comptime] b: Brought,
) {
    let (groups, width) = comptime!((b.units / b.vectors, b.vectors));
    let ([from_input, from_vector], [from_output, of_vector]) = comptime!((b.exponentials, b.ratios));
    let own = group_maximum::<N>(
        arena,
        packed,
        tables,
        evidence,
        place,
        tile.record,
        tile.g,
        tile.group,
        tile.v,
        groups,
        c.inputs,
        c.prologue,
    );
    let high = greatest_of::<N>(maxima, own, tile.column, groups, width);
    let shift = shift_of::<N>(high);
    for step in 0..rounds(place.vectors, comptime!(b.inputs.div_ceil(b.units / b.vectors))) {
        let i = step * groups + tile.group;
        if i < b.inputs {
            let mut e = Vector::<f32, N>::new(0.0);
            if tile.i0 + i < c.inputs {
                let h = tile.g * c.inputs + tile.i0 + i;
                let value = operands::<N>(arena, packed, tables, evidence, place, tile.record, h, tile.v, c.prologue);
                e = exponential::<N>(value, shift);
            }
            exponentials[i * from_input + tile.column * from_vector] = rounded::<N, E>(e, b.precision);
        }
    }
    let mut deep = Vector::<f32, N>::new(0.0);
    for step in 0..rounds(place.vectors, comptime!(b.outputs.div_ceil(b.units / b.vectors))) {
        let o = step * groups + tile.group;
        if o < b.outputs {
            let mut q = Vector::<f32, N>::new(0.0);
            if tile.o0 + o < c.outputs {
                let (t, flow) = output::<N>(arena, tables, place.vectors, tile.record, tile.g, tile.o0 + o, tile.v, c);
                let (handed, gap) = ratio::<N>(flow, high - t);
                q = handed;
                deep = greater::<N>(deep, gap);
            }
            ratios[o * from_output + tile.column * of_vector] = rounded::<N, E>(q, b.precision);
        }
    }
    let is_deep = greatest_lane::<N>(greatest_of::<N>(maxima, deep, tile.column, groups, width)) > DEEPEST;
    if is_deep {
        for step in 0..rounds(place.vectors, comptime!(b.outputs.div_ceil(b.units / b.vectors))) {
            let o = step * groups + tile.group;
            if o < b.outputs {
                ratios[o * from_output + tile.column * of_vector] = Vector::new(E::from_int(0));
            }
        }
    }
    if tile.group == 0 {
        flags[tile.column] = select(is_deep, 1.0f32, 0.0f32);
    }
    sync_cube();
}

/// Adds the counts of a vector of samples that is too deep, one weight at a time.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn add_exact<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    tile: &Tile,
    v: usize,
    at: usize,
    #[comptime] c: FlowSum,
    #[comptime] b: Brought,
) {
    for step in 0..rounds(place.vectors, comptime!(b.outputs * b.inputs / b.units)) {
        let pair = step * b.units + UNIT_POS as usize;
        let (o, i) = (tile.o0 + pair / b.inputs, tile.i0 + pair % b.inputs);
        if o < c.outputs && i < c.inputs {
            let h = tile.g * c.inputs + i;
            let value = operands::<N>(arena, packed, tables, evidence, place, tile.record, h, v, c.prologue);
            let (t, flow) = output::<N>(arena, tables, place.vectors, tile.record, tile.g, o, v, c);
            let flowing = flow.greater_than(&Vector::new(0.0));
            let count = select_many(flowing, flow * exp_bounded::<N>(value - t), Vector::new(0.0));
            counts[at + o * comptime!(flow_plan::pitch(c.inputs)) + i] += total::<N>(count);
        }
    }
}
