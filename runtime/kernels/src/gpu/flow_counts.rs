//! Counts of the weights of a block-diagonal sum: a cube owns the counts of a tile of outputs and inputs of one distinct block, and adds up
//! what all members with these weights and all samples contribute, `Q[o] * exp(s[i] - m)` (see [`crate::gpu::flow_sums`]).
//!
//! # Design
//!
//! For each member, block and tile of samples, exponentials and ratios are brought to shared memory, and each unit multiplies [`SIDE`] outputs by as many
//! inputs, in registers. No two units own the same count, so nothing depends on the order of work. Vectors of samples in
//! which an output lies too far below the maximum are left out and added one weight at a time.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::flows::stage::DEEPEST;
use crate::gpu::flow_sums::{FlowSum, exponential, output, ratio};
use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::math::{exp_bounded, greater, greatest_lane, shift_of, total};
use crate::operand::{Place, operands, rounds};
use cubecl::prelude::*;
use danaus_artifact::flow_plan;
use danaus_artifact::plan::CHUNK;

/// Outputs, and inputs, of a unit.
pub const SIDE: usize = 4;

/// The sizes of a cube's work: `outputs * inputs` counts, [`SIDE`] by [`SIDE`] for each unit.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct CountShape {
    /// Outputs.
    pub outputs: usize,
    /// Inputs.
    pub inputs: usize,
    /// Vectors of samples at a time; divides those of a row, and the units.
    pub vectors: usize,
}

impl CountShape {
    /// Units of a cube.
    pub fn units(&self) -> usize {
        (self.outputs / SIDE) * (self.inputs / SIDE)
    }

    fn groups(&self) -> usize {
        self.units() / self.vectors
    }

    /// Cubes of a group of members.
    pub fn cubes(&self, c: &FlowSum) -> usize {
        c.distinct * c.outputs.div_ceil(self.outputs) * c.inputs.div_ceil(self.inputs)
    }
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

/// Brings exponentials and ratios of a tile of samples to shared memory; vectors that are too deep have ratios of 0 and a
/// positive flag.
#[cube]
#[allow(clippy::too_many_arguments)]
fn fetch<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    maxima: &mut [Vector<f32, N>],
    exponentials: &mut [Vector<f32, N>],
    ratios: &mut [Vector<f32, N>],
    flags: &mut [f32],
    tile: &Tile,
    #[comptime] c: FlowSum,
    #[comptime] s: CountShape,
) {
    let (groups, width) = comptime!((s.groups(), s.vectors));
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
    for step in 0..rounds(place.vectors, comptime!(s.inputs.div_ceil(s.groups()))) {
        let i = step * groups + tile.group;
        if i < s.inputs {
            let mut e = Vector::<f32, N>::new(0.0);
            if tile.i0 + i < c.inputs {
                let h = tile.g * c.inputs + tile.i0 + i;
                let value = operands::<N>(arena, packed, tables, evidence, place, tile.record, h, tile.v, c.prologue);
                e = exponential::<N>(value, shift);
            }
            exponentials[tile.column * s.inputs + i] = e;
        }
    }
    let mut deep = Vector::<f32, N>::new(0.0);
    for step in 0..rounds(place.vectors, comptime!(s.outputs.div_ceil(s.groups()))) {
        let o = step * groups + tile.group;
        if o < s.outputs {
            let mut q = Vector::<f32, N>::new(0.0);
            if tile.o0 + o < c.outputs {
                let (t, flow) = output::<N>(arena, tables, place.vectors, tile.record, tile.g, tile.o0 + o, tile.v, c);
                let (handed, gap) = ratio::<N>(flow, high - t);
                q = handed;
                deep = greater::<N>(deep, gap);
            }
            ratios[tile.column * s.outputs + o] = q;
        }
    }
    let is_deep = greatest_lane::<N>(greatest_of::<N>(maxima, deep, tile.column, groups, width)) > DEEPEST;
    if is_deep {
        for step in 0..rounds(place.vectors, comptime!(s.outputs.div_ceil(s.groups()))) {
            let o = step * groups + tile.group;
            if o < s.outputs {
                ratios[tile.column * s.outputs + o] = Vector::new(0.0);
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
    #[comptime] s: CountShape,
) {
    let columns = comptime!(s.inputs / SIDE);
    let unit = UNIT_POS as usize;
    for pair in 0..rounds(place.vectors, SIDE * SIDE) {
        let o = tile.o0 + unit / columns * SIDE + pair / SIDE;
        let i = tile.i0 + pair % SIDE * columns + unit % columns;
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
pub fn gpu_flow_counts<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] c: FlowSum,
    #[comptime] s: CountShape,
) {
    let place = Place { table, members, iteration: 0, base: 0, vectors };
    let (rows, columns) = comptime!((c.outputs.div_ceil(s.outputs), c.inputs.div_ceil(s.inputs)));
    let unit = UNIT_POS as usize;
    let i0 = CUBE_POS % columns * s.inputs;
    let o0 = CUBE_POS / columns % rows * s.outputs;
    let rest = CUBE_POS / comptime!(c.outputs.div_ceil(s.outputs) * c.inputs.div_ceil(s.inputs));
    let block = rest % c.distinct;
    let group = table as usize + members as usize * c.record + rest / c.distinct * 2;
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.units()));
    let mut exponentials = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.vectors * s.inputs));
    let mut ratios = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.vectors * s.outputs));
    let mut flags = Shared::<[f32]>::new_slice(comptime!(s.vectors));
    let across = comptime!(s.inputs / SIDE);
    let (q0, e0) = (unit / across * SIDE, unit % across);
    let at = tables[table as usize + tables[group] as usize * c.record + 2] as usize * CHUNK
        + block * comptime!(c.outputs * flow_plan::pitch(c.inputs));

    let mut sums = Array::<Vector<f32, N>>::new(comptime!(SIDE * SIDE));
    #[unroll]
    for k in 0..comptime!(SIDE * SIDE) {
        sums[k] = Vector::new(0.0);
    }
    for member in tables[group] as usize..tables[group + 1] as usize {
        let record = table as usize + member * c.record;
        for repeat in 0..rounds(vectors, comptime!(c.blocks / c.distinct)) {
            let g = repeat * c.distinct + block;
            for first in 0..vectors as usize / s.vectors {
                let (column, group) = (unit % s.vectors, unit / s.vectors);
                let tile = Tile { record, g, o0, i0, v: first * s.vectors + column, column, group };
                fetch::<N>(
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
                for x in 0..rounds(vectors, s.vectors) {
                    let mut q = Array::<Vector<f32, N>>::new(SIDE);
                    #[unroll]
                    for a in 0..SIDE {
                        q[a] = ratios[x * s.outputs + q0 + a];
                    }
                    #[unroll]
                    for b in 0..SIDE {
                        let e = exponentials[x * s.inputs + b * across + e0];
                        #[unroll]
                        for a in 0..SIDE {
                            sums[comptime!(a * SIDE + b)] = fma(q[a], e, sums[comptime!(a * SIDE + b)]);
                        }
                    }
                    if flags[x] > 0.0 {
                        let v = first * s.vectors + x;
                        add_exact::<N>(arena, counts, packed, tables, evidence, &place, &tile, v, at, c, s);
                    }
                }
                // All units have read the flags; exponentials and ratios are not written before the next barrier.
                sync_cube();
            }
        }
    }
    #[unroll]
    for a in 0..SIDE {
        #[unroll]
        for b in 0..SIDE {
            let (o, i) = (o0 + q0 + a, i0 + b * across + e0);
            if o < c.outputs && i < c.inputs {
                counts[at + o * comptime!(flow_plan::pitch(c.inputs)) + i] += total::<N>(sums[comptime!(a * SIDE + b)]);
            }
        }
    }
}
