//! Flows of the inputs of a block-diagonal sum on tensor cores: as [`flow_sums`](crate::gpu::flow_sums), with ratios and transposed weights
//! in the precision of the kernel. The exponentials that the sums are multiplied by are rounded as in the forward pass, so that the
//! flows of the inputs add up to those of the outputs but for what is lost of the ratios.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::flows::stage::DEEPEST;
use crate::gpu::flow_sums::{FlowSum, exact_flow, exponential, output, ratio};
use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::spot::{Spot, spot};
use crate::gpu::tensor::{EDGE, TensorShape, begin, fetch_matrix, multiply, rounded, stage};
use crate::gpu::tensor_sums::{cell, items};
use crate::math::{greater, greatest_lane, shift_of};
use crate::operand::{Place, operands, rounds};
use cubecl::cmma;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Stores the flows of the plane's inputs; those of samples of which an output lies too deep are computed one weight at a time.
#[cube]
#[allow(clippy::too_many_arguments)]
fn store<N: Size, E: Float>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    i0: usize,
    highs: &[Vector<f32, N>],
    deepest: &[Vector<f32, N>],
    staging: &mut [f32],
    fragments: &Sequence<cmma::Matrix<f32>>,
    numbers: &Array<f32>,
    spot: &Spot,
    #[comptime] c: FlowSum,
    #[comptime] s: TensorShape,
) {
    let v0 = spot.v - spot.column;
    let below = tables[record + 4] as usize + g * c.inputs;
    let vectors = place.vectors as usize;
    let mut deep = Vector::<f32, N>::new(0.0);
    #[unroll]
    for fragment in 0..comptime!(s.fragments()) {
        stage(fragments, numbers, staging, fragment, s);
        for item in 0..rounds(place.vectors, comptime!(items(&s))) {
            let cell = cell(item, fragment, s);
            let i = i0 + cell.row;
            if i < c.inputs {
                let (h, v) = (g * c.inputs + i, v0 + cell.column);
                let sum = staging.as_vectorized().with_vector_size::<N>()[cell.staged];
                deep = greater::<N>(deep, deepest[cell.column]);
                let value = operands::<N>(&*arena, packed, tables, evidence, place, record, h, v, c.prologue);
                let e = exponential::<N>(value, shift_of::<N>(highs[cell.column]));
                arena[(below + i) * vectors + v] = sum * Vector::cast_from(rounded::<N, E>(e, s.precision));
            }
        }
    }
    if greatest_lane::<N>(deep) > DEEPEST {
        for fragment in 0..rounds(place.vectors, comptime!(s.fragments())) {
            for item in 0..rounds(place.vectors, comptime!(items(&s))) {
                let cell = cell(item, fragment, s);
                let i = i0 + cell.row;
                if i < c.inputs && greatest_lane::<N>(deepest[cell.column]) > DEEPEST {
                    let (h, v) = (g * c.inputs + i, v0 + cell.column);
                    let value = operands::<N>(&*arena, packed, tables, evidence, place, record, h, v, c.prologue);
                    let flow = exact_flow::<N>(&*arena, packed, tables, place.vectors, record, g, i, value, v, c);
                    arena[(below + i) * vectors + v] = flow;
                }
            }
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_tensor_flows<N: Size, E: Float, F: Float>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    matrices: &[E],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] c: FlowSum,
    #[comptime] s: TensorShape,
) {
    let place = Place { table, members, iteration: 0, base: 0, vectors };
    let m = comptime!(c.matrix());
    let chunks = comptime!(s.chunks(c.inputs));
    let spot = spot(vectors, comptime!(c.blocks * s.chunks(c.inputs)), comptime!(s.shape));
    let (groups, width) = comptime!((s.shape.groups(), s.shape.vectors));
    let g = spot.run / chunks;
    let i0 = spot.run % chunks * comptime!(s.rows());
    let record = table as usize + spot.member * c.record;
    let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(m.length());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.units));
    let mut highs = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.vectors));
    let mut deepest = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.vectors));
    let mut slab = Shared::<[E]>::new_aligned_slice(comptime!(s.depth * s.weights().pitch), 128usize);
    let mut ratios = Shared::<[E]>::new_aligned_slice(comptime!(s.depth * s.values().pitch), 128usize);
    let mut staging = Shared::<[f32]>::new_aligned_slice(comptime!(s.planes() * EDGE * EDGE), 128usize);

    let own = group_maximum::<N>(
        &*arena, packed, tables, evidence, &place, record, g, spot.group, spot.v, groups, c.inputs, c.prologue,
    );
    let high = greatest_of::<N>(&mut maxima, own, spot.column, groups, width);
    let mut deep = Vector::<f32, N>::new(0.0);
    let (mut fragments, mut numbers) = begin(s);
    for round in 0..rounds(vectors, comptime!(c.outputs.div_ceil(s.depth))) {
        let o0 = round * s.depth;
        fetch_matrix::<E>(matrices, &mut slab, weights, i0, o0, m, s);
        for step in 0..comptime!(s.depth / s.shape.groups()) {
            let o = step * groups + spot.group;
            let mut q = Vector::<f32, N>::new(0.0);
            if o0 + o < c.outputs {
                let (t, flow) = output::<N>(&*arena, tables, vectors, record, g, o0 + o, spot.v, c);
                let (handed, gap) = ratio::<N>(flow, high - t);
                q = handed;
                deep = greater::<N>(deep, gap);
            }
            let at = o * comptime!(s.values().pitch / s.lanes) + spot.column;
            ratios.as_vectorized_mut().with_vector_size_mut::<N>()[at] = rounded::<N, E>(q, s.precision);
        }
        sync_cube();
        let (lefts, rights) = comptime!((s.weights(), s.values()));
        multiply::<E, F>(&slab, &ratios, &mut fragments, &mut numbers, s.depth, lefts, rights, s);
        sync_cube();
    }
    let deep = greatest_of::<N>(&mut maxima, deep, spot.column, groups, width);
    if spot.group == 0 {
        highs[spot.column] = high;
        deepest[spot.column] = deep;
    }
    sync_cube();
    store::<N, E>(
        arena,
        packed,
        tables,
        evidence,
        &place,
        record,
        g,
        i0,
        &highs,
        &deepest,
        &mut staging,
        &fragments,
        &numbers,
        &spot,
        c,
        s,
    );
}
