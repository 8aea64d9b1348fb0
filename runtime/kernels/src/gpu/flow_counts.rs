//! Counts of the weights of a block-diagonal sum: a cube owns the counts of a tile of outputs and inputs of one distinct block, and adds up
//! what all members with these weights and all samples contribute, `Q[o] * exp(s[i] - m)` (see [`crate::gpu::flow_sums`]).
//!
//! # Design
//!
//! For each member, block and tile of samples, exponentials and ratios are brought to shared memory, and each unit multiplies [`SIDE`] outputs by as many
//! inputs, in registers. No two units own the same count, so nothing depends on the order of work. Vectors of samples in
//! which an output lies too far below the maximum are left out and added one weight at a time.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::count_tile::{Brought, Tile, add_exact, fetch};
use crate::gpu::flow_sums::FlowSum;
use crate::math::total;
use crate::operand::{Place, rounds};
use cubecl::prelude::*;
use danaus_artifact::flow_plan;
use danaus_artifact::gpu::Precision;
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

    /// What is brought to shared memory: a vector of samples of all inputs, and of all outputs, side by side.
    pub fn brought(&self) -> Brought {
        Brought {
            precision: Precision::F32,
            units: self.units(),
            vectors: self.vectors,
            outputs: self.outputs,
            inputs: self.inputs,
            exponentials: [1, self.inputs],
            ratios: [1, self.outputs],
        }
    }

    /// Cubes of a group of members.
    pub fn cubes(&self, c: &FlowSum) -> usize {
        c.distinct * c.outputs.div_ceil(self.outputs) * c.inputs.div_ceil(self.inputs)
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
                fetch::<N, f32>(
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
                    comptime!(s.brought()),
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
                        add_exact::<N>(
                            arena,
                            counts,
                            packed,
                            tables,
                            evidence,
                            &place,
                            &tile,
                            v,
                            at,
                            c,
                            comptime!(s.brought()),
                        );
                    }
                }
                // All units have read the flags, and have written what they have counted one by one.
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
