//! What happens between launches: the flow of the root, carries that are kept and rescaled, and counts that move to double
//! precision.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{greater, shift_of};
use crate::operand::{leave, share};
use cubecl::prelude::*;

/// The flow of the root: the weight of the row, which is 0 for rows that only fill up the batch, and 0 where the
/// row is impossible. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn seed_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    weights: &[Vector<f32, N>],
    root: u32,
    root_flow: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let possible = arena[root as usize * samples + v].greater_than(&Vector::new(f32::NEG_INFINITY));
        arena[root_flow as usize * samples + v] = select_many(possible, weights[v], Vector::new(0.0));
    }
    leave(vectors);
}

/// Copies a carry of `width` rows; where it is rescaled, less its maximum, which is added to the offsets if they
/// are wanted. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn carry_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    from: u32,
    to: u32,
    width: u32,
    vectors: u32,
    #[comptime] rescales: bool,
    #[comptime] wanted: bool,
) {
    let samples = vectors as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let mut shift = Vector::<f32, N>::new(0.0);
        if comptime!(rescales) {
            let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
            for h in 0..width as usize {
                high = greater::<N>(high, arena[(from as usize + h) * samples + v]);
            }
            shift = shift_of::<N>(high);
            if comptime!(wanted) {
                offsets[v] += Vector::<f64, N>::cast_from(shift);
            }
        }
        for h in 0..width as usize {
            arena[(to as usize + h) * samples + v] = arena[(from as usize + h) * samples + v] - shift;
        }
    }
    leave(vectors);
}

/// Copies the last carry of a loop to its result. If the offsets are not the root's they are added, and start
/// afresh for the next loop.
#[cube(launch_unchecked)]
pub fn result_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    from: u32,
    to: u32,
    width: u32,
    vectors: u32,
    #[comptime] with_offsets: bool,
) {
    let samples = vectors as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let mut shift = Vector::<f32, N>::new(0.0);
        if comptime!(with_offsets) {
            shift = Vector::<f32, N>::cast_from(offsets[v]);
            offsets[v] = Vector::<f64, N>::new(0.0);
        }
        for h in 0..width as usize {
            arena[(to as usize + h) * samples + v] = arena[(from as usize + h) * samples + v] + shift;
        }
    }
    leave(vectors);
}

/// Moves counts to their sums in double precision. A work item is a vector.
#[cube(launch_unchecked)]
pub fn drain_kernel<N: Size>(counts: &mut [Vector<f32, N>], sums: &mut [Vector<f64, N>], vectors: u32) {
    let (first, end) = share(vectors as usize);
    for v in first..end {
        sums[v] += Vector::<f64, N>::cast_from(counts[v]);
        counts[v] = Vector::new(0.0);
    }
    leave(vectors);
}

/// Sets counts to zero. A work item is a vector.
#[cube(launch_unchecked)]
pub fn clear_kernel<N: Size>(counts: &mut [Vector<f32, N>], vectors: u32) {
    let (first, end) = share(vectors as usize);
    for v in first..end {
        counts[v] = Vector::new(0.0);
    }
    leave(vectors);
}
