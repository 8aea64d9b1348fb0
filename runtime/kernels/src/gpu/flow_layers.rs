//! Flows of layers without block-diagonal sums, counts of tables and mixtures, and what happens between launches of a flow plan.
//!
//! Counts are owned by units: each looks at all samples, so nothing depends on the order of work.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::layers::{ROWS, row_of, runs, steps};
use crate::gpu::spot::{Shape, spot};
use crate::kronecker::KroneckerConfig;
use crate::math::{exp_bounded, ln_weight, total};
use crate::operand::rounds;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of the flows of a mixture.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct FlowMixture {
    /// Units.
    pub width: usize,
    /// Number of parts.
    pub inputs: usize,
}

impl FlowMixture {
    fn record(&self) -> usize {
        4 + 2 * self.inputs
    }
}

/// Values of a table that are counted side by side.
pub const ABREAST: usize = 32;

/// What passes from unit `h` of a mixture to part `k`, for the samples of vector `v`.
#[cube]
#[allow(clippy::too_many_arguments)]
fn through<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    vectors: usize,
    record: usize,
    h: usize,
    k: usize,
    v: usize,
    #[comptime] c: FlowMixture,
) -> Vector<f32, N> {
    let weight = packed[tables[record + 1] as usize * CHUNK + h * c.inputs + k];
    let value = arena[(tables[record] as usize + h) * vectors + v];
    let above = arena[(tables[record + 3] as usize + h) * vectors + v];
    let x = Vector::<f32, N>::new(ln_weight(weight)) + arena[(tables[record + 4 + 2 * k] as usize + h) * vectors + v];
    // A part of `-inf` has no flow, and nor has a mixture of `-inf`, whose parts are all that.
    let alive = x.greater_than(&Vector::new(f32::NEG_INFINITY));
    select_many(alive, above * exp_bounded::<N>(x - value), Vector::new(0.0))
}

/// The flows of a mixture's parts.
#[cube(launch_unchecked)]
pub fn gpu_flow_mixing<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: FlowMixture,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, comptime!(runs(c.width)), shape);
    let record = table as usize + spot.member * comptime!(c.record());
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if h < c.width && step * comptime!(shape.groups()) + spot.group < ROWS {
            for k in 0..rounds(vectors, c.inputs) {
                let flow = through::<N>(&*arena, packed, tables, samples, record, h, k, spot.v, c);
                arena[(tables[record + 5 + 2 * k] as usize + h) * samples + spot.v] = flow;
            }
        }
    }
}

/// The counts of a mixture's weights: a unit owns one.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_flow_mixing_counts<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] c: FlowMixture,
    #[comptime] units: usize,
) {
    let cubes = comptime!((c.width * c.inputs).div_ceil(units));
    let group = table as usize + members as usize * comptime!(c.record()) + CUBE_POS / cubes * 2;
    let weight = CUBE_POS % cubes * units + UNIT_POS as usize;
    if weight < comptime!(c.width * c.inputs) {
        let (h, k) = (weight / c.inputs, weight % c.inputs);
        let mut sum = Vector::<f32, N>::new(0.0);
        for member in tables[group] as usize..tables[group + 1] as usize {
            let record = table as usize + member * comptime!(c.record());
            for v in 0..vectors as usize {
                sum += through::<N>(arena, packed, tables, vectors as usize, record, h, k, v, c);
            }
        }
        let first = table as usize + tables[group] as usize * comptime!(c.record());
        counts[tables[first + 2] as usize * CHUNK + weight] += total::<N>(sum);
    }
}

/// The flows of the parts of a Kronecker product: unit `j` of a part has those of all combinations it is in. The rows of all parts
/// are shared out one after the other.
#[cube(launch_unchecked)]
pub fn gpu_flow_kronecker<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: KroneckerConfig,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, comptime!(runs(c.widths.iter().sum())), shape);
    let record = table as usize + spot.member * comptime!(1 + c.widths.len());
    let flow = tables[record] as usize;
    for step in 0..comptime!(steps(shape)) {
        let row = row_of(spot.run, spot.group, step, shape);
        if step * comptime!(shape.groups()) + spot.group < ROWS {
            #[unroll]
            for part in 0..comptime!(c.widths.len()) {
                let start = comptime!(c.widths[..part].iter().sum::<usize>());
                let width = comptime!(c.widths[part]);
                let stride = comptime!(c.stride(part));
                let outer = comptime!(c.width() / (c.widths[part] * c.stride(part)));
                if row >= start && row < comptime!(c.widths[..=part].iter().sum::<usize>()) {
                    let unit = row - start;
                    let mut sum = Vector::<f32, N>::new(0.0);
                    for before in 0..rounds(vectors, outer) {
                        for after in 0..rounds(vectors, stride) {
                            let from = flow + (before * width + unit) * stride + after;
                            sum += arena[from * samples + spot.v];
                        }
                    }
                    let to = tables[record + comptime!(1 + part)] as usize + unit;
                    arena[to * samples + spot.v] = sum;
                }
            }
        }
    }
}

/// The counts of tables: a unit owns every [`ABREAST`]th value of one unit of the circuit, and adds the flows of the samples that have it. A cube has
/// `units / ABREAST` units of the circuit.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_flow_table<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    vectors: u32,
    #[comptime] width: usize,
    #[comptime] rows: usize,
    #[comptime] abreast: usize,
) {
    let n = N::value();
    let samples = vectors as usize;
    let cubes = comptime!(width.div_ceil(rows));
    let group = table as usize + members as usize * 2 + CUBE_POS / cubes * 4;
    let h = CUBE_POS % cubes * rows + UNIT_POS as usize / abreast;
    let pitch = tables[group + 1] as usize;
    if h < width {
        for turn in 0..pitch.div_ceil(abreast) {
            let value = turn * abreast + UNIT_POS as usize % abreast;
            if value < pitch {
                let mut sum = 0.0f32.runtime();
                for reader in tables[group + 2] as usize..tables[group + 3] as usize {
                    let record = table as usize + reader * 2;
                    let flow = (tables[record] as usize + h) * samples;
                    let observed = tables[record + 1] as usize * samples * n;
                    for v in 0..samples {
                        let above = arena[flow + v];
                        #[unroll]
                        for lane in 0..n {
                            let is_it = evidence[observed + v * n + lane] as usize == value;
                            sum += select(is_it, above.extract(lane), 0.0f32);
                        }
                    }
                }
                counts[tables[group] as usize * CHUNK + h * pitch + value] += sum;
            }
        }
    }
}

/// The flow of the root: the weight of the row, 0 where the row is impossible.
#[cube(launch_unchecked)]
pub fn gpu_seed<N: Size>(
    arena: &mut [Vector<f32, N>],
    weights: &[Vector<f32, N>],
    row: u32,
    target: u32,
    vectors: u32,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, 1usize, shape);
    if spot.group == 0 {
        let possible = arena[row as usize * samples + spot.v].greater_than(&Vector::new(f32::NEG_INFINITY));
        arena[target as usize * samples + spot.v] = select_many(possible, weights[spot.v], Vector::new(0.0));
    }
}
