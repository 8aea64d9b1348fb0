//! Register tiles of the flows of a block-diagonal sum, in log space and in linear space: what outputs hand to the inputs
//! through the weights, and the counts of the weights. What the inputs hold (`E`) stands in scratch memory; what the outputs hand down (`Q`) does
//! in log space.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::stage::{SLICE, StageFlowConfig};
use cubecl::prelude::*;

/// `sum over o of W[o, i] * Q[o]` over the outputs of slice `slice`, for `tile` inputs: the lanes are samples. `weights` is where the
/// panel of transposed weights starts, `first` the vector of `handed` where `Q` starts, `row` how many vectors lie between its rows; what earlier
/// slices gave stands in scratch memory from vector `partial` on.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn weighted_sums<N: Size>(
    scratch: &[f32],
    handed: &[f32],
    packed: &[f32],
    sums: &mut Array<Vector<f32, N>>,
    weights: usize,
    first: usize,
    row: usize,
    partial: usize,
    slice: usize,
    #[comptime] c: StageFlowConfig,
) {
    let scratch = scratch.as_vectorized().with_vector_size::<N>();
    let handed = handed.as_vectorized().with_vector_size::<N>();
    #[unroll]
    for k in 0..comptime!(c.tile * c.vectors) {
        sums[k] = Vector::new(0.0);
    }
    if slice > 0 {
        #[unroll]
        for k in 0..comptime!(c.tile * c.vectors) {
            sums[k] = scratch[partial + k];
        }
    }
    let o_end = min((slice + 1) * comptime!(SLICE.min(c.outputs)), comptime!(c.outputs).runtime());
    for o in slice * SLICE..o_end {
        #[unroll]
        for k in 0..c.tile {
            let weight = Vector::<f32, N>::new(packed[weights + o * c.tile + k]);
            #[unroll]
            for v in 0..c.vectors {
                let at = comptime!(k * c.vectors + v);
                sums[at] = fma(weight, handed[first + o * row + v], sums[at]);
            }
        }
    }
}

/// Stores two neighboring inputs of a vector of samples transposed, `[sample][input]`: `to` is where the first of them stands for
/// the first sample. One store for two numbers takes half of the time.
#[cube]
pub fn store_pair<N: Size>(
    scratch: &mut [f32],
    low: Vector<f32, N>,
    high: Vector<f32, N>,
    to: usize,
    #[comptime] row: usize,
) {
    let low = Vector::<u64, N>::cast_from(Vector::<u32, N>::reinterpret(low));
    let high = Vector::<u64, N>::cast_from(Vector::<u32, N>::reinterpret(high));
    let both = low | (high << Vector::new(32u64));
    let pairs = scratch.as_vectorized_mut().with_vector_size_mut::<Const<2>>();
    let n = N::value();
    #[unroll]
    for lane in 0..n {
        pairs[to / 2 + lane * comptime!(row / 2)] = Vector::<f32, Const<2>>::reinterpret(both.extract(lane));
    }
}

/// Fills the rows of transposed inputs with zeros from input `count` on.
#[cube]
pub fn pad(scratch: &mut [f32], to: usize, count: usize, #[comptime] row: usize, #[comptime] samples: usize) {
    for sample in 0..samples {
        for i in count..row {
            scratch[to + sample * row + i] = 0.0;
        }
    }
}

/// Where a register tile of counts comes from and goes to.
#[derive(CubeType, Clone, Copy)]
pub struct CountTile {
    /// Where `Q` starts, and how many numbers lie between its rows.
    pub handed: usize,
    pub row: usize,
    /// Where the transposed `E` starts.
    pub transposed: usize,
    /// Where the counts of output 0 start, at input `i0`.
    pub counts: usize,
    /// First input.
    pub i0: usize,
    /// First output of the tile.
    pub o: usize,
    /// First vector of inputs of the tile.
    pub x: usize,
}

/// Adds `sum over samples of Q[o] * E[i]` to the counts: the lanes are inputs.
#[cube]
pub fn count_tile<N: Size>(
    counts: &mut [f32],
    scratch: &[f32],
    handed: &[f32],
    tile: &CountTile,
    #[comptime] c: StageFlowConfig,
) {
    let n = N::value();
    let from = scratch.as_vectorized().with_vector_size::<N>();
    let columns = comptime!(c.columns());
    let (outputs, width) = comptime!((c.count_outputs, c.count_vectors));
    let e = tile.transposed / n;
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(outputs * width));
    #[unroll]
    for k in 0..comptime!(outputs * width) {
        sums[k] = Vector::new(0.0);
    }
    for sample in 0..comptime!(c.samples()) {
        #[unroll]
        for a in 0..outputs {
            // A tile that overhangs computes the last output, and the last vector, again.
            let at = min(tile.o + a, comptime!(c.outputs - 1).runtime());
            let handed = Vector::<f32, N>::new(handed[tile.handed + at * tile.row + sample]);
            #[unroll]
            for k in 0..width {
                let column = min(tile.x + k, comptime!(columns - 1).runtime());
                let at = comptime!(a * width + k);
                sums[at] = fma(handed, from[e + sample * columns + column], sums[at]);
            }
        }
    }
    let to = counts.as_vectorized_mut().with_vector_size_mut::<N>();
    #[unroll]
    for a in 0..outputs {
        #[unroll]
        for k in 0..width {
            let (output, column) = (tile.o + a, tile.x + k);
            // The last chunk may be shorter than the others, and what follows a row is the next one.
            if output < c.outputs && column < columns && tile.i0 + column * n < comptime!(c.pitch()).runtime() {
                to[(tile.counts + output * comptime!(c.pitch())) / n + column] += sums[comptime!(a * width + k)];
            }
        }
    }
}
