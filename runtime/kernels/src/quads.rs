//! Quads: four units whose numbers stand next to each other for every sample, `[sample][unit]`.
//!
//! The lanes of a vector are samples, so a number that is chosen by the sample's evidence, or transposed numbers, need an access for each lane.
//! Four units at a time they need a quarter of them.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;

/// Units of a quad.
pub const QUAD: usize = 4;

/// Vector `part` of the four that hold four units' vectors of samples, `[sample][unit]`.
#[cube]
pub fn interleaved<N: Size>(units: &Array<Vector<f32, N>>, #[comptime] part: usize) -> Vector<f32, N> {
    let n = N::value();
    let mut values = Vector::<f32, N>::empty();
    #[unroll]
    for lane in 0..n {
        let at = comptime!(part * n + lane);
        values.insert(lane, units[comptime!(at % QUAD)].extract(comptime!(at / QUAD)));
    }
    values
}

/// Stores four units' vectors of samples in rows, `[sample][row]`: `to` is where the first unit stands for the first sample, a multiple of
/// four, as is the length of a row.
#[cube]
pub fn store_rows<N: Size>(scratch: &mut [f32], units: &Array<Vector<f32, N>>, to: usize, #[comptime] row: usize) {
    let n = N::value();
    let mut parts = Array::<Vector<f32, N>>::new(QUAD);
    #[unroll]
    for part in 0..QUAD {
        parts[part] = interleaved::<N>(units, part);
    }
    let quads = scratch.as_vectorized_mut().with_vector_size_mut::<Const<4>>();
    #[unroll]
    for sample in 0..n {
        let mut quad = Vector::<f32, Const<4>>::empty();
        #[unroll]
        for unit in 0..QUAD {
            let at = comptime!(sample * QUAD + unit);
            quad.insert(unit, parts[comptime!(at / n)].extract(comptime!(at % n)));
        }
        quads[to / QUAD + comptime!(sample * row / QUAD)] = quad;
    }
}

/// The vector of samples of one unit of a quad that stands in scratch memory from number `from` on, at first for sample `sample`.
#[cube]
pub fn unit_of<N: Size>(
    scratch: &[f32],
    from: usize,
    #[comptime] unit: usize,
    #[comptime] sample: usize,
) -> Vector<f32, N> {
    let n = N::value();
    let quads = scratch.as_vectorized().with_vector_size::<N>();
    let mut values = Vector::<f32, N>::empty();
    #[unroll]
    for lane in 0..n {
        let at = comptime!((sample + lane) * QUAD + unit);
        values.insert(lane, quads[from / n + comptime!(at / n)].extract(comptime!(at % n)));
    }
    values
}
