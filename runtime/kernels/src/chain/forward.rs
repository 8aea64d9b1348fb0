//! The values of a chain, all iterations in one launch.
//!
//! # Design
//!
//! Values stand in *regions* of equal size: sum number `k`, counted through the iterations of a launch, reads region `k` and writes
//! region `k + 1`, modulo the number of regions: two, or as many as there are sums if all values are kept for counts. If carries alone are kept
//! each has a region, and what lies between them has two more in turns. A
//! work item is as in [`stage`](crate::stage): (block, chunk of outputs, tile of samples); its inputs are read where
//! they stand. Every unit keeps the maxima of the values it writes; the next iteration multiplies its first sum by the power of two that
//! brings the greatest of them between 1 and 2.
//!
//! A unit that finds a value that is too small leaves an infinite maximum. From the next iteration on all units see it and do
//! nothing but wait for each other.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::LEAST_VALUE;
use super::inputs::{FOR_VALUES, bring, quads};
use super::queue::{clear_next, clear_queue, take};
use crate::math::{greater, greatest_lane, least_lane, lesser};
use crate::quads::{QUAD, unit_of};
use crate::stage::{StageConfig, stored_row};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Words of a sum in the chain's tables: where its weights, transposed weights and counts stand.
pub const STAGE_WORDS: usize = 3;

/// Compile-time values of [`chain_kernel()`].
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct ChainConfig {
    /// The sums of one iteration; what they say of operands is not used.
    pub stages: Vec<StageConfig>,
    /// Number of inputs.
    pub inputs: usize,
    /// Whether carries are kept, and nothing else.
    pub carries: bool,
}

impl ChainConfig {
    /// Numbers of scratch memory that a unit needs: the sums of a register tile, and what inputs give its outputs.
    pub fn scratch(&self, lanes: usize) -> usize {
        let of_stage = |stage: &StageConfig| {
            brought_at(stage, lanes) + (quads(stage.tile) * QUAD * stage.vectors * lanes).next_multiple_of(CHUNK)
        };
        self.stages.iter().map(of_stage).max().unwrap_or(0)
    }
}

/// Where in scratch memory stands what inputs give the outputs of a register tile.
fn brought_at(c: &StageConfig, lanes: usize) -> usize {
    (c.tile * c.vectors * lanes).next_multiple_of(CHUNK)
}

/// The run-time values of a chain.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct ChainPlace {
    /// The first iteration, and how many.
    pub first: u32,
    pub steps: u32,
    /// Whether the iterations have been computed before, so that their scales are known.
    pub known: u32,
    /// Vectors of samples in a row.
    pub vectors: u32,
    /// Whether scales are kept, for flows.
    pub kept: u32,
    /// Number of regions.
    pub regions: u32,
    /// First row of region 0.
    pub base: u32,
    /// Rows of a region.
    pub rows: u32,
    /// Numbers of scratch memory of a unit.
    pub scratch: u32,
}

/// What one sum reads and writes.
#[derive(CubeType, Clone, Copy)]
struct Sum {
    /// First row it reads.
    from: usize,
    /// First row it writes.
    to: usize,
    /// The iteration.
    iteration: u32,
    /// Where the maxima of the iteration before stand, of all units.
    maxima: usize,
    /// Where the scales of the iteration stand, if they are known.
    scales: usize,
    /// Where the maxima of this unit and iteration go.
    found: usize,
    /// Where the words of the inputs start.
    inputs: usize,
    /// Where the weights start.
    weights: usize,
}

/// The exponent of the greatest value of a sample, as a number, and the power of two that takes it away. Those of a
/// sample that is impossible are 0 and 1.
#[cube]
fn scale_of<N: Size>(
    maxima: &[Vector<f32, N>],
    from: usize,
    vectors: usize,
    v: usize,
) -> (Vector<f32, N>, Vector<f32, N>) {
    let mut high = maxima[from + v];
    for unit in 1..CUBE_DIM as usize {
        high = greater::<N>(high, maxima[from + unit * vectors + v]);
    }
    let alive = high.greater_than(&Vector::new(0.0));
    let exponent = Vector::<u32, N>::reinterpret(select_many(alive, high, Vector::new(1.0))) >> Vector::new(23u32);
    let scale = Vector::<f32, N>::reinterpret((Vector::new(254u32) - exponent) << Vector::new(23u32));
    (Vector::<f32, N>::cast_from(Vector::<i32, N>::cast_from(exponent) - Vector::new(127i32)), scale)
}

/// First row of the values before sum `j` of iteration number `turn` of a launch; `j` is that of the last sum and one more for the carry after it.
#[cube]
fn region(place: &ChainPlace, turn: u32, #[comptime] j: usize, #[comptime] c: &ChainConfig) -> usize {
    let stages = comptime!(c.stages.len());
    let region = if comptime!(!c.carries) {
        (turn * comptime!(stages as u32) + comptime!(j as u32)) % place.regions
    } else if comptime!(j.is_multiple_of(stages)) {
        turn + comptime!((j / stages) as u32)
    } else {
        place.regions - comptime!(2 - j as u32 % 2)
    };
    (place.base + region * place.rows) as usize
}

/// One register tile, left in scratch memory; the inputs stand from vector `at` on.
#[cube]
#[allow(clippy::too_many_arguments)]
fn multiply<N: Size>(
    states: &[Vector<f32, N>],
    scratch: &mut [f32],
    packed: &[f32],
    weights: usize,
    at: usize,
    vectors: usize,
    slot: usize,
    #[comptime] c: StageConfig,
) {
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(c.tile * c.vectors));
    #[unroll]
    for q in 0..comptime!(c.tile * c.vectors) {
        sums[q] = Vector::new(0.0);
    }
    for i in 0..c.inputs {
        #[unroll]
        for o in 0..c.tile {
            let weight = Vector::<f32, N>::new(packed[weights + i * c.tile + o]);
            #[unroll]
            for v in 0..c.vectors {
                let q = comptime!(o * c.vectors + v);
                sums[q] = fma(weight, states[at + i * vectors + v], sums[q]);
            }
        }
    }
    let to = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    #[unroll]
    for q in 0..comptime!(c.tile * c.vectors) {
        to[slot / N::value() + q] = sums[q];
    }
}

/// One work item of a sum.
#[cube]
#[allow(clippy::too_many_arguments)]
fn item<N: Size>(
    states: &mut [Vector<f32, N>],
    scratch: &mut [f32],
    maxima: &mut [Vector<f32, N>],
    known: &[Vector<f32, N>],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &ChainPlace,
    sum: &Sum,
    item: usize,
    #[comptime] c: StageConfig,
    #[comptime] is_first: bool,
    #[comptime] is_last: bool,
    #[comptime] inputs: usize,
) {
    let n = N::value();
    let vectors = place.vectors as usize;
    let tiles = vectors / c.vectors;
    let slot = ABSOLUTE_POS * place.scratch as usize;
    let v0 = item % tiles * c.vectors;
    let rest = item / tiles;
    let panel0 = rest % comptime!(c.chunks()) * c.chunk;
    let g = rest / comptime!(c.chunks());
    let mut scales = Array::<Vector<f32, N>>::new(c.vectors);
    let mut least = Array::<Vector<f32, N>>::new(c.vectors);
    let mut high = Array::<Vector<f32, N>>::new(c.vectors);
    #[unroll]
    for v in 0..c.vectors {
        least[v] = Vector::new(1.0);
        high[v] = Vector::new(0.0);
        scales[v] = Vector::new(1.0);
        if comptime!(is_first) {
            if place.known > 0 {
                scales[v] = known[sum.scales + v0 + v];
            } else {
                let (_, scale) = scale_of::<N>(&*maxima, sum.maxima, vectors, v0 + v);
                scales[v] = scale;
            }
        }
    }
    let at = (sum.from + g * c.inputs) * vectors + v0;
    let panel_end = min(panel0 + c.chunk, comptime!(c.panels()).runtime());
    for panel in panel0..panel_end {
        let weights = sum.weights + (g % c.distinct * comptime!(c.panels()) + panel) * comptime!(c.inputs * c.tile);
        let o0 = panel * c.tile;
        if comptime!(inputs > 0) {
            bring(
                scratch,
                linear,
                tables,
                evidence,
                sum.inputs,
                sum.iteration,
                vectors * n,
                v0 * n,
                g * comptime!(c.panels()) + panel,
                slot + comptime!(brought_at(&c, n)),
                FOR_VALUES,
                comptime!(quads(c.tile)),
                comptime!(c.vectors * n),
                inputs,
            );
        }
        multiply::<N>(&*states, scratch, packed, weights, at, vectors, slot, c);
        #[unroll]
        for k in 0..c.tile {
            let o = o0 + k;
            if o < c.outputs {
                let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
                #[unroll]
                for v in 0..c.vectors {
                    let found = scratch.as_vectorized().with_vector_size::<N>();
                    let mut value = found[slot / n + comptime!(k * c.vectors + v)];
                    if comptime!(is_first) {
                        value *= scales[v];
                    }
                    if comptime!(inputs > 0) {
                        let at = comptime!(k / QUAD * QUAD * c.vectors * n + brought_at(&c, n));
                        value *= unit_of::<N>(&*scratch, slot + at, comptime!(k % QUAD), comptime!(v * n));
                    }
                    let alive = value.greater_than(&Vector::new(0.0));
                    least[v] = lesser::<N>(least[v], select_many(alive, value, Vector::new(1.0)));
                    if comptime!(is_last) {
                        high[v] = greater::<N>(high[v], value);
                    }
                    states[(sum.to + p) * vectors + v0 + v] = value;
                }
            }
        }
    }
    #[unroll]
    for v in 0..c.vectors {
        let mut found = greater::<N>(maxima[sum.found + v0 + v], high[v]);
        if least_lane::<N>(least[v]) < LEAST_VALUE {
            found = Vector::new(f32::INFINITY);
        }
        maxima[sum.found + v0 + v] = found;
    }
}

/// A unit's part of a sum: the work items of its own run, then those that other units have not come to. Which unit computes an
/// item makes no difference to the result.
#[cube]
#[allow(clippy::too_many_arguments)]
fn sum<N: Size>(
    states: &mut [Vector<f32, N>],
    scratch: &mut [f32],
    maxima: &mut [Vector<f32, N>],
    known: &[Vector<f32, N>],
    queue: &mut [Atomic<u32>],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &ChainPlace,
    sum: &Sum,
    k: u32,
    #[comptime] c: StageConfig,
    #[comptime] is_first: bool,
    #[comptime] is_last: bool,
    #[comptime] inputs: usize,
) {
    let units = CUBE_DIM as usize;
    let items = comptime!(c.blocks * c.chunks()) * (place.vectors as usize / c.vectors);
    clear_next(queue, k);
    for turn in 0..units {
        let of = (ABSOLUTE_POS + turn) % units;
        let first = of * items / units;
        let count = (of + 1) * items / units - first;
        let mut taken = take(queue, k, of);
        while taken < count {
            item::<N>(
                states,
                scratch,
                maxima,
                known,
                packed,
                linear,
                tables,
                evidence,
                place,
                sum,
                first + taken,
                c,
                is_first,
                is_last,
                inputs,
            );
            taken = take(queue, k, of);
        }
    }
}

/// 1 if the chain has failed, by the maxima of all units from `from` on.
#[cube]
fn failing<N: Size>(maxima: &[Vector<f32, N>], from: usize, vectors: usize) -> f32 {
    let mut high = Vector::<f32, N>::new(0.0);
    for index in 0..CUBE_DIM as usize * vectors {
        high = greater::<N>(high, maxima[from + index]);
    }
    let mut fails = 0.0f32.runtime();
    if greatest_lane::<N>(high) > f32::MAX {
        fails = 1.0f32.runtime();
    }
    fails
}

/// See the module's documentation. `unfits` are numbers; a chain with unfit parameters fails at once.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn chain_kernel<N: Size>(
    states: &mut [Vector<f32, N>],
    scratch: &mut [f32],
    maxima: &mut [Vector<f32, N>],
    shifts: &mut [Vector<f32, N>],
    scales: &mut [Vector<f32, N>],
    failed: &mut [Vector<f32, N>],
    queue: &mut [Atomic<u32>],
    unfits: &[f32],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: ChainPlace,
    #[comptime] c: ChainConfig,
) {
    let vectors = place.vectors as usize;
    let units = CUBE_DIM as usize;
    let mut fails = 0.0f32.runtime();
    for index in 0..units * CHUNK {
        fails = max(fails, unfits[index]);
    }
    clear_queue(queue);
    sync_cube();
    for turn in 0..place.steps {
        let iteration = place.first + turn;
        let before = iteration as usize % 2 * units * vectors;
        let found = (iteration as usize + 1) % 2 * units * vectors + ABSOLUTE_POS * vectors;
        if place.known == 0 {
            fails = max(fails, failing::<N>(&*maxima, before, vectors));
        }
        for v in 0..vectors {
            maxima[found + v] = Vector::new(0.0);
            if fails > 0.0 {
                maxima[found + v] = Vector::new(f32::INFINITY);
            } else if ABSOLUTE_POS == 0 && place.known == 0 {
                let (exponent, scale) = scale_of::<N>(&*maxima, before, vectors, v);
                shifts[v] += exponent;
                if place.kept > 0 {
                    scales[iteration as usize * vectors + v] = scale;
                }
            }
        }
        #[unroll]
        for j in 0..comptime!(c.stages.len()) {
            if fails == 0.0 {
                let k = turn * comptime!(c.stages.len() as u32) + comptime!(j as u32);
                let what = Sum {
                    from: region(&place, turn, j, &c),
                    to: region(&place, turn, comptime!(j + 1), &c),
                    iteration,
                    maxima: before,
                    scales: iteration as usize * vectors,
                    found,
                    inputs: comptime!(c.stages.len() * STAGE_WORDS).runtime(),
                    weights: tables[comptime!(j * STAGE_WORDS)] as usize * CHUNK,
                };
                sum::<N>(
                    states,
                    scratch,
                    maxima,
                    &*scales,
                    queue,
                    packed,
                    linear,
                    tables,
                    evidence,
                    &place,
                    &what,
                    k,
                    comptime!(c.stages[j]),
                    comptime!(j == 0),
                    comptime!(j + 1 == c.stages.len()),
                    comptime!(if j + 1 == c.stages.len() { c.inputs } else { 0 }),
                );
            }
            sync_cube();
        }
    }
    let last = (place.first + place.steps) as usize % 2 * units * vectors;
    fails = max(fails, failing::<N>(&*maxima, last, vectors));
    if ABSOLUTE_POS == 0 && place.known == 0 {
        failed[0] = greater::<N>(failed[0], Vector::new(fails));
    }
}
