//! Counts of the weights of a block-diagonal sum on tensor cores: as [`flow_counts`](crate::gpu::flow_counts), with ratios and exponentials in
//! the precision of the kernel. A cube owns a tile of outputs and inputs of one distinct block, and sums over samples.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::count_tile::{Brought, Tile, add_exact, fetch};
use crate::gpu::flow_sums::FlowSum;
use crate::gpu::tensor::{EDGE, TensorShape, begin, corner, multiply, stage};
use crate::operand::{Place, rounds};
use cubecl::prelude::*;
use danaus_artifact::flow_plan;
use danaus_artifact::plan::CHUNK;

/// What is brought to shared memory: the samples of an input, and of an output, side by side.
fn brought(s: &TensorShape) -> Brought {
    let pitch = s.sampled().pitch / s.lanes;
    Brought {
        precision: s.precision,
        units: s.shape.units,
        vectors: s.shape.vectors,
        outputs: s.rows(),
        inputs: s.columns(),
        exponentials: [pitch, 1],
        ratios: [pitch, 1],
    }
}

/// Cubes of a group of members.
pub fn cubes(s: &TensorShape, c: &FlowSum) -> usize {
    c.distinct * c.outputs.div_ceil(s.rows()) * c.inputs.div_ceil(s.columns())
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
                    exponentials.as_vectorized_mut().with_vector_size_mut::<N>(),
                    ratios.as_vectorized_mut().with_vector_size_mut::<N>(),
                    &mut flags,
                    &tile,
                    c,
                    comptime!(brought(&s)),
                );
                let (side, depth) = comptime!((s.sampled(), s.samples()));
                multiply::<E, F>(&ratios, &exponentials, &mut fragments, &mut numbers, depth, side, side, s);
                for x in 0..rounds(vectors, s.shape.vectors) {
                    if flags[x] > 0.0 {
                        let v = first * s.shape.vectors + x;
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
                            comptime!(brought(&s)),
                        );
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
