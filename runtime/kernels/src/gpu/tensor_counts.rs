//! Counts of the weights of a block-diagonal sum on tensor cores: as [`flow_counts`](crate::gpu::flow_counts), with ratios and exponentials in
//! the precision of the kernel. A cube owns a tile of outputs and inputs of one distinct block, and sums over samples.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::flows::stage::DEEPEST;
use crate::gpu::flow_sums::{FlowSum, exponential, output, ratio};
use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::tensor::{EDGE, TensorShape, begin, corner, multiply, rounded, stage};
use crate::math::{exp_bounded, greater, greatest_lane, shift_of, total};
use crate::operand::{Place, operands, rounds};
use cubecl::prelude::*;
use danaus_artifact::flow_plan;
use danaus_artifact::plan::CHUNK;

/// Cubes of a group of members.
pub fn cubes(s: &TensorShape, c: &FlowSum) -> usize {
    c.distinct * c.outputs.div_ceil(s.rows()) * c.inputs.div_ceil(s.columns())
}

/// Where a tile of samples of a block of a member stands, and the cube's outputs and inputs.
#[derive(CubeType, Clone, Copy)]
struct Tile {
    record: usize,
    g: usize,
    o0: usize,
    i0: usize,
    /// The unit's vector, in the row and in the tile.
    v: usize,
    column: usize,
    group: usize,
}

/// Brings exponentials and ratios of a tile of samples to shared memory; vectors that are too deep have ratios of 0 and a positive flag.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch<N: Size, E: Float>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    maxima: &mut [Vector<f32, N>],
    exponentials: &mut [E],
    ratios: &mut [E],
    flags: &mut [f32],
    tile: &Tile,
    #[comptime] c: FlowSum,
    #[comptime] s: TensorShape,
) {
    let (groups, width, pitch) = comptime!((s.shape.groups(), s.shape.vectors, s.sampled().pitch / s.lanes));
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
    for step in 0..rounds(place.vectors, comptime!(s.columns().div_ceil(s.shape.groups()))) {
        let i = step * groups + tile.group;
        if i < comptime!(s.columns()) {
            let mut e = Vector::<f32, N>::new(0.0);
            if tile.i0 + i < c.inputs {
                let h = tile.g * c.inputs + tile.i0 + i;
                let value = operands::<N>(arena, packed, tables, evidence, place, tile.record, h, tile.v, c.prologue);
                e = exponential::<N>(value, shift);
            }
            let to = exponentials.as_vectorized_mut().with_vector_size_mut::<N>();
            to[i * pitch + tile.column] = rounded::<N, E>(e, s.precision);
        }
    }
    let mut deep = Vector::<f32, N>::new(0.0);
    for step in 0..rounds(place.vectors, comptime!(s.rows().div_ceil(s.shape.groups()))) {
        let o = step * groups + tile.group;
        if o < comptime!(s.rows()) {
            let mut q = Vector::<f32, N>::new(0.0);
            if tile.o0 + o < c.outputs {
                let (t, flow) = output::<N>(arena, tables, place.vectors, tile.record, tile.g, tile.o0 + o, tile.v, c);
                let (handed, gap) = ratio::<N>(flow, high - t);
                q = handed;
                deep = greater::<N>(deep, gap);
            }
            let to = ratios.as_vectorized_mut().with_vector_size_mut::<N>();
            to[o * pitch + tile.column] = rounded::<N, E>(q, s.precision);
        }
    }
    let is_deep = greatest_lane::<N>(greatest_of::<N>(maxima, deep, tile.column, groups, width)) > DEEPEST;
    if is_deep {
        for step in 0..rounds(place.vectors, comptime!(s.rows().div_ceil(s.shape.groups()))) {
            let o = step * groups + tile.group;
            if o < comptime!(s.rows()) {
                let to = ratios.as_vectorized_mut().with_vector_size_mut::<N>();
                to[o * pitch + tile.column] = Vector::new(E::from_int(0));
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
fn add_exact<N: Size>(
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
    #[comptime] s: TensorShape,
) {
    for step in 0..rounds(place.vectors, comptime!(s.rows() * s.columns() / s.shape.units)) {
        let pair = step * s.shape.units + UNIT_POS as usize;
        let (o, i) = (tile.o0 + pair / comptime!(s.columns()), tile.i0 + pair % comptime!(s.columns()));
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

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_tensor_counts<N: Size, E: Float, F: Float>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] c: FlowSum,
    #[comptime] s: TensorShape,
) {
    let place = Place { table, members, iteration: 0, base: 0, vectors };
    let (down, columns) = comptime!((c.outputs.div_ceil(s.rows()), c.inputs.div_ceil(s.columns())));
    let unit = UNIT_POS as usize;
    let i0 = CUBE_POS % columns * comptime!(s.columns());
    let o0 = CUBE_POS / columns % down * comptime!(s.rows());
    let rest = CUBE_POS / comptime!(c.outputs.div_ceil(s.rows()) * c.inputs.div_ceil(s.columns()));
    let block = rest % c.distinct;
    let group = table as usize + members as usize * c.record + rest / c.distinct * 2;
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.units));
    let mut flags = Shared::<[f32]>::new_slice(comptime!(s.shape.vectors));
    let mut exponentials = Shared::<[E]>::new_aligned_slice(comptime!(s.columns() * s.sampled().pitch), 128usize);
    let mut ratios = Shared::<[E]>::new_aligned_slice(comptime!(s.rows() * s.sampled().pitch), 128usize);
    let mut staging = Shared::<[f32]>::new_aligned_slice(comptime!(s.planes() * EDGE * EDGE), 128usize);
    let at = tables[table as usize + tables[group] as usize * c.record + 2] as usize * CHUNK
        + block * comptime!(c.outputs * flow_plan::pitch(c.inputs));

    let (mut fragments, mut numbers) = begin(s);
    for member in tables[group] as usize..tables[group + 1] as usize {
        let record = table as usize + member * c.record;
        for repeat in 0..rounds(vectors, comptime!(c.blocks / c.distinct)) {
            let g = repeat * c.distinct + block;
            for first in 0..vectors as usize / s.shape.vectors {
                let (column, group) = (unit % s.shape.vectors, unit / s.shape.vectors);
                let tile = Tile { record, g, o0, i0, v: first * s.shape.vectors + column, column, group };
                fetch::<N, E>(
                    arena,
                    packed,
                    tables,
                    evidence,
                    &place,
                    &mut maxima,
                    &mut exponentials,
                    &mut ratios,
                    &mut flags,
                    &tile,
                    c,
                    s,
                );
                let (side, depth) = comptime!((s.sampled(), s.samples()));
                multiply::<E, F>(&ratios, &exponentials, &mut fragments, &mut numbers, depth, side, side, s);
                for x in 0..rounds(vectors, s.shape.vectors) {
                    if flags[x] > 0.0 {
                        let v = first * s.shape.vectors + x;
                        add_exact::<N>(arena, counts, packed, tables, evidence, &place, &tile, v, at, c, s);
                    }
                }
                // All units have read the flags, and have written what they have counted one by one.
                sync_cube();
            }
        }
    }
    let (row, column) = corner(s);
    #[unroll]
    for fragment in 0..comptime!(s.fragments()) {
        stage(&fragments, &numbers, &mut staging, fragment, s);
        for step in 0..comptime!(EDGE * EDGE / s.plane) {
            let within = step * s.plane + unit % s.plane;
            let o = o0 + row + comptime!(fragment / s.across * EDGE) + within / EDGE;
            let i = i0 + column + comptime!(fragment % s.across * EDGE) + within % EDGE;
            if o < c.outputs && i < c.inputs {
                let sum = staging[unit / s.plane * comptime!(EDGE * EDGE) + within];
                counts[at + o * comptime!(flow_plan::pitch(c.inputs)) + i] += sum;
            }
        }
    }
}
