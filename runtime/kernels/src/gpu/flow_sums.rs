//! Flows of the inputs of a block-diagonal sum: a cube computes a tile of the inputs of one block for a tile of samples.
//!
//! # Design
//!
//! As in the [forward pass](crate::gpu::stage), with outputs and inputs changing places. With the maximum `m` of the block's inputs `s`, the
//! flow of input `i` is `exp(s[i] - m) * sum over o of W[o, i] * Q[o]`, where `Q[o] = F[o] * exp(m - t[o])`: ratios and transposed weights are brought to
//! shared memory slab by slab. Where an output with a flow lies too far below the maximum for that ([`DEEPEST`]), the unit's
//! inputs are computed one weight at a time.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::flows::stage::DEEPEST;
use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::spot::{Spot, spot};
use crate::gpu::stage::{Matrix, StageShape, fetch_weights, multiply};
use crate::math::{exp_bounded, exp_nonpositive, greater, greatest_lane, ln_weight, shift_of};
use crate::operand::{Operands, Place, operands, rounds};
use crate::stage::stored_row;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of the flows of a block-diagonal sum.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct FlowSum {
    /// Number of blocks.
    pub blocks: usize,
    /// Number of distinct weight blocks.
    pub distinct: usize,
    /// Outputs of a block.
    pub outputs: usize,
    /// Inputs of a block.
    pub inputs: usize,
    /// Permutation of the store.
    pub rows: usize,
    /// Operands before the sum.
    pub prologue: Operands,
    /// Words of a record.
    pub record: usize,
    /// Inputs in a panel of transposed weights.
    pub tile: usize,
}

impl FlowSum {
    /// The transposed weights of a block: its inputs are summed for.
    pub fn matrix(&self) -> Matrix {
        Matrix { columns: self.inputs, summed: self.outputs, tile: self.tile }
    }
}

/// The value of an output and its flow, which is 0 where the value is `-inf`.
#[cube]
pub fn output<N: Size>(
    arena: &[Vector<f32, N>],
    tables: &[u32],
    vectors: u32,
    record: usize,
    g: usize,
    o: usize,
    v: usize,
    #[comptime] c: FlowSum,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
    let value = arena[(tables[record] as usize + p) * vectors as usize + v];
    let flow = arena[(tables[record + 3] as usize + p) * vectors as usize + v];
    let alive = value.greater_than(&Vector::new(f32::NEG_INFINITY));
    (value, select_many(alive, flow, Vector::new(0.0)))
}

/// `flow * exp(gap)`, and the gap, where there is a flow; else 0 twice.
#[cube]
pub fn ratio<N: Size>(flow: Vector<f32, N>, gap: Vector<f32, N>) -> (Vector<f32, N>, Vector<f32, N>) {
    let flowing = flow.greater_than(&Vector::new(0.0));
    let zero = Vector::<f32, N>::new(0.0);
    (select_many(flowing, flow * exp_bounded::<N>(gap), zero), select_many(flowing, gap, zero))
}

/// `exp(s - shift)`; exactly 0 for an input of `-inf`: what is impossible must not become possible.
#[cube]
pub fn exponential<N: Size>(s: Vector<f32, N>, shift: Vector<f32, N>) -> Vector<f32, N> {
    let alive = s.greater_than(&Vector::new(f32::NEG_INFINITY));
    select_many(alive, exp_nonpositive::<N>(s - shift), Vector::new(0.0))
}

/// The flow of input `i` of block `g`, one weight at a time.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn exact_flow<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    vectors: u32,
    record: usize,
    g: usize,
    i: usize,
    s: Vector<f32, N>,
    v: usize,
    #[comptime] c: FlowSum,
) -> Vector<f32, N> {
    let panel = g % c.distinct * comptime!(c.inputs.div_ceil(c.tile)) + i / c.tile;
    let weights = tables[record + 1] as usize * CHUNK + panel * comptime!(c.outputs * c.tile) + i % c.tile;
    let mut sum = Vector::<f32, N>::new(0.0);
    for o in 0..rounds(vectors, c.outputs) {
        let weight = packed[weights + o * c.tile];
        let (t, flow) = output::<N>(arena, tables, vectors, record, g, o, v, c);
        let through = flow * exp_bounded::<N>(Vector::<f32, N>::new(ln_weight(weight)) + s - t);
        let counts = flow.greater_than(&Vector::new(0.0));
        if weight > 0.0 {
            sum += select_many(counts, through, Vector::new(0.0));
        }
    }
    sum
}

/// Stores the flows of the unit's inputs.
#[cube]
#[allow(clippy::too_many_arguments)]
fn store<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    first: usize,
    shift: Vector<f32, N>,
    deepest: f32,
    sums: &Array<Vector<f32, N>>,
    spot: &Spot,
    #[comptime] c: FlowSum,
    #[comptime] s: StageShape,
) {
    let below = tables[record + 4] as usize + g * c.inputs;
    if deepest > DEEPEST {
        for i in first..min(first + s.tile, comptime!(c.inputs).runtime()) {
            let value =
                operands::<N>(&*arena, packed, tables, evidence, place, record, g * c.inputs + i, spot.v, c.prologue);
            let flow = exact_flow::<N>(&*arena, packed, tables, place.vectors, record, g, i, value, spot.v, c);
            arena[(below + i) * place.vectors as usize + spot.v] = flow;
        }
    } else {
        #[unroll]
        for k in 0..s.tile {
            let i = first + k;
            if i < c.inputs {
                let h = g * c.inputs + i;
                let value = operands::<N>(&*arena, packed, tables, evidence, place, record, h, spot.v, c.prologue);
                arena[(below + i) * place.vectors as usize + spot.v] = sums[k] * exponential::<N>(value, shift);
            }
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_flow_sums<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] c: FlowSum,
    #[comptime] s: StageShape,
) {
    let place = Place { table, members, iteration: 0, base: 0, vectors };
    let m = comptime!(c.matrix());
    let chunks = comptime!(s.chunks(&m));
    let spot = spot(vectors, comptime!(c.blocks * s.chunks(&m)), comptime!(s.shape));
    let (groups, width) = comptime!((s.shape.groups(), s.shape.vectors));
    let g = spot.run / chunks;
    let i0 = spot.run % chunks * comptime!(s.outputs());
    let record = table as usize + spot.member * c.record;
    let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(m.length());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.units));
    let mut ratios = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.depth * s.shape.vectors));
    let mut slab = Shared::<[f32]>::new_aligned_slice(comptime!(s.depth * s.pitch(&m)), 16usize);

    let own = group_maximum::<N>(
        &*arena, packed, tables, evidence, &place, record, g, spot.group, spot.v, groups, c.inputs, c.prologue,
    );
    let high = greatest_of::<N>(&mut maxima, own, spot.column, groups, width);
    let mut deep = Vector::<f32, N>::new(0.0);
    let mut sums = Array::<Vector<f32, N>>::new(s.tile);
    #[unroll]
    for k in 0..s.tile {
        sums[k] = Vector::new(0.0);
    }
    for round in 0..rounds(vectors, comptime!(c.outputs.div_ceil(s.depth))) {
        let o0 = round * s.depth;
        fetch_weights(packed, &mut slab, weights, i0, o0, m, s);
        for step in 0..comptime!(s.depth / s.shape.groups()) {
            let o = step * groups + spot.group;
            let mut q = Vector::<f32, N>::new(0.0);
            if o0 + o < c.outputs {
                let (t, flow) = output::<N>(&*arena, tables, vectors, record, g, o0 + o, spot.v, c);
                let (handed, gap) = ratio::<N>(flow, high - t);
                q = handed;
                deep = greater::<N>(deep, gap);
            }
            ratios[o * width + spot.column] = q;
        }
        sync_cube();
        multiply::<N>(&ratios, &slab, &mut sums, &spot, vectors, m, s);
        sync_cube();
    }
    let deep = greatest_of::<N>(&mut maxima, deep, spot.column, groups, width);
    let (first, deepest) = (i0 + spot.group * s.tile, greatest_lane::<N>(deep));
    store::<N>(
        arena,
        packed,
        tables,
        evidence,
        &place,
        record,
        g,
        first,
        shift_of::<N>(high),
        deepest,
        &sums,
        &spot,
        c,
        s,
    );
}
