//! Quads: four units whose numbers stand next to each other for every sample, `[sample][unit]`.
//!
//! The lanes of a vector are samples, so a number that is chosen by the sample's evidence, or transposed numbers, need an access for each lane.
//! Four units at a time they need a quarter of them.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;

/// Units of a quad.
pub const QUAD: usize = 4;

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
