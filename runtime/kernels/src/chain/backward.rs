//! The flows of a chain, all iterations in one launch.
//!
//! # Design
//!
//! What is handed down is the derivative `D` of the log-likelihood with respect to the linear value: a unit's flow is `D` times its
//! value. For a sum `t[o] = sum over i of w[o, i] * x[i]` there is nothing to divide by:
//!
//! * `D[i] = sum over o of w[o, i] * D[o]`
//! * `sum over samples of D[o] * x[i]` is the count of the weight
//!
//! A first sum has the scale of its iteration as a factor. Below it stands the product with the inputs of the iteration
//! before: the unit's flow is counted in their tables, and `D` is multiplied by what they gave.
//!
//! Values of zero are impossible, and have no derivative: it might grow without bound before it meets the zero.
//!
//! Where nothing is counted, for posteriors, carries alone are kept, and the derivatives between them are bounded: that of a possible value is
//! far below the bound, and that of an impossible one, whatever it is, meets weights of zero or carries of zero.
//!
//! The flow of a unit of a carry is then left where its value was: posteriors are computed from it.
//!
//! A work item is (distinct block, chunk of inputs). Derivatives stand in two regions in turns, as the values do; the values themselves are all
//! there. A derivative is written where the outputs of one block, which are permuted when they are stored, are neighbors.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::forward::{ChainPlace, STAGE_WORDS};
use super::inputs::{FOR_FLOWS, Runs, bring, count_inputs, emissions, quads};
use super::queue::{clear_next, clear_queue, take};
use crate::flows::stage::StageFlowConfig;
use crate::flows::tiles::{CountTile, count_tile, pad, store_pair, weighted_sums};
use crate::math::lesser;
use crate::operand::{leave, share};
use crate::quads::{QUAD, unit_of};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of [`chain_flow_kernel()`].
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct ChainFlowConfig {
    /// The sums of one iteration; what they say of operands is not used.
    pub stages: Vec<StageFlowConfig>,
    /// For each input whether its table is counted.
    pub counted: Vec<bool>,
}

impl ChainFlowConfig {
    /// Numbers of scratch memory that a unit needs.
    pub fn scratch(&self) -> usize {
        let of_stage = |c: &StageFlowConfig| scratch(c);
        self.stages.iter().map(of_stage).max().unwrap_or(0)
    }
}

/// Transposed values of a block, a register tile, and what the chain's inputs give its units.
fn scratch(c: &StageFlowConfig) -> usize {
    (brought_at(c) + quads(c.tile) * QUAD * c.samples()).next_multiple_of(CHUNK)
}

fn tile_at(c: &StageFlowConfig) -> usize {
    c.samples() * c.columns() * c.lanes
}

fn brought_at(c: &StageFlowConfig) -> usize {
    (tile_at(c) + c.tile * c.samples()).next_multiple_of(CHUNK)
}

/// Where the derivative of unit `h` of a layer stands whose values are written by sums of so many outputs: those of a block are neighbors.
#[cube]
fn place_of(h: usize, #[comptime] outputs: usize, #[comptime] rows: usize) -> usize {
    if comptime!(rows == 1) {
        h
    } else {
        let g = h / comptime!(rows * outputs) * rows + h % rows;
        g * outputs + h / rows % outputs
    }
}

/// What a block reads and writes.
#[derive(CubeType, Clone, Copy)]
struct Block {
    /// Its number.
    g: usize,
    /// First input of the work item, and the one after the last.
    i0: usize,
    i_end: usize,
    /// First vector of samples.
    v0: usize,
    /// Scratch memory of the unit.
    slot: usize,
    /// First row of the derivatives of the outputs.
    above: usize,
    /// First row of the values below.
    values: usize,
    /// First row of the derivatives below.
    below: usize,
    /// The iteration.
    iteration: u32,
    /// Where the transposed weights and the counts stand.
    weights: usize,
    counts: usize,
    /// Where the words of the inputs start.
    inputs: usize,
}

/// Sums of `tile` inputs from `i` on over the outputs of slice `slice`, left in scratch memory: where the transposed values will be, or,
/// after the last slice, in the register tile.
#[cube]
#[allow(clippy::too_many_arguments)]
fn flow_tile<N: Size>(
    scratch: &mut [f32],
    deltas: &[f32],
    packed: &[f32],
    vectors: usize,
    block: &Block,
    i: usize,
    slice: usize,
    #[comptime] c: StageFlowConfig,
) {
    let n = N::value();
    let partial = block.slot / n + (i - block.i0) * c.vectors;
    let panel = block.g % c.distinct * comptime!(c.panels()) + i / c.tile;
    let weights = block.weights + panel * comptime!(c.outputs * c.tile);
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(c.tile * c.vectors));
    let first = block.above * vectors + block.v0;
    weighted_sums::<N>(&*scratch, deltas, packed, &mut sums, weights, first, vectors, partial, slice, c);
    let mut to = partial;
    if slice + 1 == comptime!(c.slices()).runtime() {
        to = (block.slot + comptime!(tile_at(&c))) / n;
    }
    let scratch = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
    #[unroll]
    for k in 0..comptime!(c.tile * c.vectors) {
        scratch[to + k] = sums[k];
    }
}

/// Writes the derivatives of `tile` inputs from `i` on, whose sums are in the register tile.
#[cube]
// One condition is decided when the kernel is compiled, the other when it runs.
#[allow(clippy::too_many_arguments, clippy::collapsible_if)]
fn hand_down<N: Size>(
    states: &mut [Vector<f32, N>],
    deltas: &mut [f32],
    counts: &mut [f32],
    scratch: &mut [f32],
    scales: &[Vector<f32, N>],
    tables: &[u32],
    evidence: &[u32],
    place: &ChainPlace,
    block: &Block,
    i: usize,
    #[comptime] c: StageFlowConfig,
    #[comptime] below: [usize; 2],
    #[comptime] is_first: bool,
    #[comptime] counted: Vec<bool>,
) {
    let n = N::value();
    let vectors = place.vectors as usize;
    let inputs = comptime!(counted.len());
    let at = block.slot + comptime!(tile_at(&c));
    #[unroll]
    for k in 0..c.tile {
        if i + k < block.i_end {
            let h = block.g * c.inputs + i + k;
            let mut to = place_of(h, comptime!(below[0]), comptime!(below[1]));
            if comptime!(is_first) {
                if block.iteration == 0 {
                    to = h;
                }
            }
            let deltas = deltas.as_vectorized_mut().with_vector_size_mut::<N>();
            #[unroll]
            for v in 0..c.vectors {
                let column = block.v0 + v;
                let tile = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
                let mut derivative = tile[at / n + comptime!(k * c.vectors + v)];
                if comptime!(!is_first && !c.counted) {
                    derivative = lesser::<N>(derivative, Vector::new(f32::MAX));
                } else {
                    let value = states[(block.values + h) * vectors + column];
                    let alive = value.greater_than(&Vector::new(0.0));
                    if comptime!(is_first) {
                        derivative *= scales[block.iteration as usize * vectors + column];
                        let flow = select_many(alive, derivative * value, Vector::new(0.0));
                        tile[at / n + comptime!(k * c.vectors + v)] = flow;
                        if comptime!(!c.counted) {
                            // The value has been used, and nothing is counted with it.
                            states[(block.values + h) * vectors + column] = flow;
                        }
                        if block.iteration == 0 {
                            // Before the first iteration flows are wanted.
                            derivative = flow;
                        } else if comptime!(inputs > 0) {
                            let at = comptime!(k / QUAD * QUAD * c.samples() + brought_at(&c));
                            derivative *=
                                unit_of::<N>(&*scratch, block.slot + at, comptime!(k % QUAD), comptime!(v * c.lanes));
                        }
                    }
                    derivative = select_many(alive, derivative, Vector::new(0.0));
                }
                deltas[(block.below + to) * vectors + column] = derivative;
            }
        } else {
            #[unroll]
            for v in 0..c.vectors {
                let tile = scratch.as_vectorized_mut().with_vector_size_mut::<N>();
                tile[at / n + comptime!(k * c.vectors + v)] = Vector::new(0.0);
            }
        }
    }
    if comptime!(is_first && counted.contains(&true)) {
        if block.iteration > 0 {
            let h = block.g * c.inputs + i;
            let count = min(block.i_end - i, comptime!(c.tile).runtime());
            if count == comptime!(c.tile).runtime() {
                count_inputs(
                    counts,
                    &*scratch,
                    tables,
                    evidence,
                    block.inputs,
                    block.iteration - 1,
                    vectors * n,
                    block.v0 * n,
                    h,
                    at,
                    c.tile,
                    comptime!(c.samples()),
                    counted.clone(),
                );
            } else {
                for k in 0..count {
                    count_inputs(
                        counts,
                        &*scratch,
                        tables,
                        evidence,
                        block.inputs,
                        block.iteration - 1,
                        vectors * n,
                        block.v0 * n,
                        h + k,
                        at + k * comptime!(c.samples()),
                        1usize,
                        comptime!(c.samples()),
                        counted.clone(),
                    );
                }
            }
        }
    }
}

/// Writes the values of the work item's inputs with inputs next to each other: `[samples][inputs]`, padded with 0.
#[cube]
fn transpose<N: Size>(
    states: &[Vector<f32, N>],
    scratch: &mut [f32],
    scales: &[Vector<f32, N>],
    vectors: usize,
    block: &Block,
    #[comptime] c: StageFlowConfig,
    #[comptime] is_first: bool,
) {
    let to = block.slot;
    let row = comptime!(c.columns() * c.lanes);
    let count = block.i_end - block.i0;
    for pair in 0..count.div_ceil(2usize) {
        let i = 2 * pair;
        let h = block.values + block.g * c.inputs + block.i0 + i;
        #[unroll]
        for v in 0..c.vectors {
            let column = block.v0 + v;
            let mut low = states[h * vectors + column];
            let mut high = Vector::<f32, N>::new(0.0);
            if i + 1 < count {
                high = states[(h + 1) * vectors + column];
            }
            if comptime!(is_first) {
                let scale = scales[block.iteration as usize * vectors + column];
                low *= scale;
                high *= scale;
            }
            store_pair::<N>(scratch, low, high, to + comptime!(v * c.lanes * row) + i, row);
        }
    }
    pad(scratch, to, count, row, comptime!(c.samples()));
}

/// Flows and counts of one block.
#[cube]
// One condition is decided when the kernel is compiled, the other when it runs.
#[allow(clippy::too_many_arguments, clippy::collapsible_if)]
fn block_flows<N: Size>(
    states: &mut [Vector<f32, N>],
    deltas: &mut [f32],
    counts: &mut [f32],
    scratch: &mut [f32],
    scales: &[Vector<f32, N>],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &ChainPlace,
    block: &Block,
    #[comptime] c: StageFlowConfig,
    #[comptime] below: [usize; 2],
    #[comptime] is_first: bool,
    #[comptime] counted: Vec<bool>,
) {
    let vectors = place.vectors as usize;
    for slice in 0..comptime!(c.slices()) {
        for panel in 0..(block.i_end - block.i0).div_ceil(comptime!(c.tile).runtime()) {
            let i = block.i0 + panel * c.tile;
            let is_done = slice + 1 == comptime!(c.slices()).runtime();
            if comptime!(is_first && !counted.is_empty()) {
                if is_done && block.iteration > 0 {
                    bring(
                        scratch,
                        linear,
                        tables,
                        evidence,
                        block.inputs,
                        block.iteration - 1,
                        place.vectors as usize * comptime!(c.lanes),
                        block.v0 * c.lanes,
                        block.g * comptime!(c.panels()) + i / c.tile,
                        block.slot + comptime!(brought_at(&c)),
                        FOR_FLOWS,
                        comptime!(quads(c.tile)),
                        comptime!(c.samples()),
                        comptime!(counted.len()),
                    );
                }
            }
            flow_tile::<N>(scratch, &*deltas, packed, vectors, block, i, slice, c);
            if is_done {
                hand_down::<N>(
                    states,
                    deltas,
                    counts,
                    scratch,
                    scales,
                    tables,
                    evidence,
                    place,
                    block,
                    i,
                    c,
                    below,
                    is_first,
                    counted.clone(),
                );
            }
        }
    }
    if comptime!(c.counted) {
        transpose::<N>(&*states, scratch, scales, vectors, block, c, is_first);
        for x in 0..comptime!(c.columns().div_ceil(c.count_vectors)) {
            for o in 0..comptime!(c.outputs.div_ceil(c.count_outputs)) {
                let first = block.g % c.distinct * c.outputs * comptime!(c.pitch()) + block.i0;
                let tile = CountTile {
                    handed: (block.above * vectors + block.v0) * comptime!(c.lanes),
                    row: vectors * comptime!(c.lanes),
                    transposed: block.slot,
                    counts: block.counts + first,
                    i0: block.i0,
                    o: o * c.count_outputs,
                    x: x * c.count_vectors,
                };
                count_tile::<N>(counts, &*scratch, &*deltas, &tile, c);
            }
        }
    }
}

/// Starts the walk back: derivatives of the last values from their flows, which stand in the arena, past the inputs of the last
/// iteration. A work item is a row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn enter_flow_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    deltas: &mut [Vector<f32, N>],
    counts: &mut [f32],
    scratch: &mut [f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: ChainPlace,
    values: u32,
    flow: u32,
    to: u32,
    width: u32,
    #[comptime] words: usize,
    #[comptime] lanes: usize,
    #[comptime] counted: Vec<bool>,
    #[comptime] runs: Runs,
    #[comptime] outputs: usize,
    #[comptime] rows: usize,
) {
    let n = N::value();
    let vectors = place.vectors as usize;
    let slot = ABSOLUTE_POS * place.scratch as usize;
    let (first, end) = share(width as usize);
    for h in first..end {
        for v in 0..vectors {
            let value = arena[(values as usize + h) * vectors + v];
            let above = arena[(flow as usize + h) * vectors + v];
            let alive = value.greater_than(&Vector::new(0.0));
            let given = emissions::<N>(
                linear,
                tables,
                evidence,
                words,
                place.first + place.steps - 1,
                vectors,
                h,
                v,
                comptime!(counted.len()),
                runs,
            );
            scratch.as_vectorized_mut().with_vector_size_mut::<N>()[slot / n] =
                select_many(alive, above, Vector::new(0.0));
            deltas[(to as usize + place_of(h, outputs, rows)) * vectors + v] =
                select_many(alive, above / value * given, Vector::new(0.0));
            let at = v * n;
            count_inputs(
                counts,
                &*scratch,
                tables,
                evidence,
                words,
                place.first + place.steps - 1,
                vectors * n,
                at,
                h,
                slot,
                1usize,
                lanes,
                counted.clone(),
            );
        }
    }
    leave(place.vectors);
}

/// Copies rows from one buffer to another. A work item is a vector.
#[cube(launch_unchecked)]
pub fn copy_kernel<N: Size>(
    source: &[Vector<f32, N>],
    target: &mut [Vector<f32, N>],
    from: u32,
    to: u32,
    width: u32,
    vectors: u32,
) {
    let (first, end) = share(width as usize * vectors as usize);
    for index in first..end {
        target[to as usize * vectors as usize + index] = source[from as usize * vectors as usize + index];
    }
    leave(vectors);
}

/// A work item: the blocks that share weights, one after the other.
#[cube]
#[allow(clippy::too_many_arguments)]
fn item<N: Size>(
    states: &mut [Vector<f32, N>],
    deltas: &mut [f32],
    counts: &mut [f32],
    scratch: &mut [f32],
    scales: &[Vector<f32, N>],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &ChainPlace,
    item: usize,
    iteration: u32,
    #[comptime] j: usize,
    #[comptime] config: ChainFlowConfig,
) {
    let c = comptime!(config.stages[j]);
    let stages = comptime!(config.stages.len());
    let vectors = place.vectors as usize;
    let k = iteration * comptime!(stages as u32) + comptime!(j as u32);
    // Values between carries are kept if they are counted with.
    let region = if comptime!(config.stages.iter().all(|stage| !stage.counted)) {
        iteration - place.first
    } else {
        k - place.first * comptime!(stages as u32)
    };
    let i0 = item % comptime!(c.chunks()) * c.chunk;
    let distinct = item / comptime!(c.chunks());
    // The sum whose outputs are this one's inputs.
    let below = comptime!(config.stages[(j + stages - 1) % stages]);
    for repeat in 0..comptime!(c.blocks / c.distinct) {
        let g = repeat * c.distinct + distinct;
        for tile in 0..vectors / c.vectors {
            let block = Block {
                g,
                i0,
                i_end: min(i0 + c.chunk, comptime!(c.inputs).runtime()),
                v0: tile * c.vectors,
                slot: ABSOLUTE_POS * place.scratch as usize,
                above: ((k + 1) % 2 * place.rows) as usize + g * c.outputs,
                values: (place.base + region * place.rows) as usize,
                below: (k % 2 * place.rows) as usize,
                iteration,
                weights: tables[comptime!(j * STAGE_WORDS + 1)] as usize * CHUNK,
                counts: tables[comptime!(j * STAGE_WORDS + 2)] as usize * CHUNK,
                inputs: comptime!(stages * STAGE_WORDS).runtime(),
            };
            block_flows::<N>(
                states,
                deltas,
                counts,
                scratch,
                scales,
                packed,
                linear,
                tables,
                evidence,
                place,
                &block,
                c,
                comptime!([below.outputs, below.rows]),
                comptime!(j == 0),
                comptime!(config.counted.clone()),
            );
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn chain_flow_kernel<N: Size>(
    states: &mut [Vector<f32, N>],
    deltas: &mut [f32],
    counts: &mut [f32],
    scratch: &mut [f32],
    queue: &mut [Atomic<u32>],
    scales: &[Vector<f32, N>],
    packed: &[f32],
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: ChainPlace,
    #[comptime] config: ChainFlowConfig,
) {
    let stages = comptime!(config.stages.len());
    let units = CUBE_DIM as usize;
    clear_queue(queue);
    sync_cube();
    for turn in 0..place.steps {
        let iteration = place.first + place.steps - 1 - turn;
        #[unroll]
        for stage in 0..stages {
            let j = comptime!(stages - 1 - stage);
            let c = comptime!(config.stages[j]);
            let barrier = turn * comptime!(stages as u32) + comptime!(stage as u32);
            let items = comptime!(c.distinct * c.chunks());
            clear_next(queue, barrier);
            for other in 0..units {
                let of = (ABSOLUTE_POS + other) % units;
                let first = of * items / units;
                let count = (of + 1) * items / units - first;
                let mut taken = take(queue, barrier, of);
                while taken < count {
                    item::<N>(
                        states,
                        deltas,
                        counts,
                        scratch,
                        scales,
                        packed,
                        linear,
                        tables,
                        evidence,
                        &place,
                        first + taken,
                        iteration,
                        j,
                        config.clone(),
                    );
                    taken = take(queue, barrier, of);
                }
            }
            sync_cube();
        }
    }
}
