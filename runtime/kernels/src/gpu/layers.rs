//! Layers without sums over units: products, Kronecker products, moves of rows, mixtures. A cube computes a run of at most
//! [`ROWS`] rows for a tile of samples.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::spot::{Shape, spot};
use crate::kronecker::KroneckerConfig;
use crate::math::{exp_nonpositive, greater, ln_positive, ln_weight, shift_of};
use crate::mixing::MixingConfig;
use crate::operand::{Place, operands, rounds};
use crate::permute::{ConcatConfig, PermuteConfig};
use crate::product::ProductConfig;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Rows of a cube.
pub const ROWS: usize = 32;

/// Cubes of a member of `width` rows, for every tile of samples.
pub fn runs(width: usize) -> usize {
    width.div_ceil(ROWS)
}

/// Row `step` of the unit's group in run `run`; it may lie beyond the last.
#[cube]
pub fn row_of(run: usize, group: usize, step: usize, #[comptime] shape: Shape) -> usize {
    run * ROWS + step * comptime!(shape.groups()) + group
}

/// How many rows each group has.
pub fn steps(shape: Shape) -> usize {
    ROWS.div_ceil(shape.groups())
}

/// The sum of the operands, unit by unit.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_product<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    iteration: u32,
    vectors: u32,
    #[comptime] c: ProductConfig,
    #[comptime] shape: Shape,
) {
    let place = Place { table, members, iteration, base: 0, vectors };
    let spot = spot(vectors, comptime!(runs(c.width)), shape);
    let record = table as usize + spot.member * c.record;
    let out = tables[record] as usize;
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if h < c.width && step * comptime!(shape.groups()) + spot.group < ROWS {
            arena[(out + h) * vectors as usize + spot.v] =
                operands::<N>(&*arena, packed, tables, evidence, &place, record, h, spot.v, c.operands);
        }
    }
}

/// All combinations of units of the parts.
#[cube(launch_unchecked)]
pub fn gpu_kronecker<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: KroneckerConfig,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, comptime!(runs(c.width())), shape);
    let record = table as usize + spot.member * comptime!(2 + c.widths.len());
    let out = tables[record] as usize;
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if h < comptime!(c.width()) && step * comptime!(shape.groups()) + spot.group < ROWS {
            let mut sum = Vector::<f32, N>::new(0.0);
            #[unroll]
            for part in 0..comptime!(c.widths.len()) {
                let unit = h / comptime!(c.stride(part)) % comptime!(c.widths[part]);
                sum += arena[(tables[record + comptime!(2 + part)] as usize + unit) * samples + spot.v];
            }
            arena[(out + h) * samples + spot.v] = sum;
        }
    }
}

/// `[outer, rows, columns]` becomes `[outer, columns, rows]`.
#[cube(launch_unchecked)]
pub fn gpu_permute<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: PermuteConfig,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let plane = comptime!(c.rows * c.columns);
    let width = comptime!(c.outer * c.rows * c.columns);
    let spot = spot(vectors, comptime!(runs(c.outer * c.rows * c.columns)), shape);
    let record = table as usize + spot.member * 3;
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if h < width && step * comptime!(shape.groups()) + spot.group < ROWS {
            let (row, column) = (h % c.rows, h % plane / c.rows);
            let from = tables[record + 2] as usize + h / plane * plane + row * c.columns + column;
            arena[(tables[record] as usize + h) * samples + spot.v] = arena[from * samples + spot.v];
        }
    }
}

/// Parts one after the other.
#[cube(launch_unchecked)]
pub fn gpu_concat<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: ConcatConfig,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, comptime!(runs(c.width())), shape);
    let record = table as usize + spot.member * comptime!(2 + c.widths.len());
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if step * comptime!(shape.groups()) + spot.group < ROWS {
            #[unroll]
            for part in 0..comptime!(c.widths.len()) {
                let start = comptime!(c.start(part));
                if h >= start && h < comptime!(c.start(part) + c.widths[part]) {
                    let from = tables[record + comptime!(2 + part)] as usize + h - start;
                    arena[(tables[record] as usize + h) * samples + spot.v] = arena[from * samples + spot.v];
                }
            }
        }
    }
}

/// Part `k` at unit `h`, weighted, in log space.
#[cube]
#[allow(clippy::too_many_arguments)]
fn weighted<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    record: usize,
    h: usize,
    k: usize,
    at: usize,
    #[comptime] c: MixingConfig,
) -> Vector<f32, N> {
    let weight = packed[tables[record + 1] as usize * CHUNK + h * c.inputs + k];
    Vector::<f32, N>::new(ln_weight(weight)) + arena[at]
}

/// `out[h] = lse_k(log W[h, k] + part_k[h])`; the maximum is that of the weighted parts, so nothing underflows.
#[cube(launch_unchecked)]
pub fn gpu_mixing<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    table: u32,
    vectors: u32,
    #[comptime] c: MixingConfig,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, comptime!(runs(c.width)), shape);
    let record = table as usize + spot.member * comptime!(2 + c.inputs);
    let out = tables[record] as usize;
    for step in 0..comptime!(steps(shape)) {
        let h = row_of(spot.run, spot.group, step, shape);
        if h < c.width && step * comptime!(shape.groups()) + spot.group < ROWS {
            let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
            for k in 0..rounds(vectors, c.inputs) {
                let at = (tables[record + 2 + k] as usize + h) * samples + spot.v;
                high = greater::<N>(high, weighted::<N>(&*arena, packed, tables, record, h, k, at, c));
            }
            let shift = shift_of::<N>(high);
            let mut sum = Vector::<f32, N>::new(0.0);
            for k in 0..rounds(vectors, c.inputs) {
                let at = (tables[record + 2 + k] as usize + h) * samples + spot.v;
                sum += exp_nonpositive::<N>(weighted::<N>(&*arena, packed, tables, record, h, k, at, c) - shift);
            }
            arena[(out + h) * samples + spot.v] = ln_positive::<N>(sum) + high;
        }
    }
}
