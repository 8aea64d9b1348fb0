//! What keeps single precision good for long chains: the maximum over the carry moves, sample by sample, into
//! an offset in double precision.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{greater, shift_of};
use crate::operand::{leave, share};
use cubecl::prelude::*;

/// Subtracts the maximum over `width` rows from `row` on from them and adds it to the offsets. A column of
/// `-inf` stays. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn rescale_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    width: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let row = row as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
        for h in row..row + width as usize {
            high = greater::<N>(high, arena[h * samples + v]);
        }
        let shift = shift_of::<N>(high);
        for h in row..row + width as usize {
            arena[h * samples + v] -= shift;
        }
        offsets[v] += Vector::<f64, N>::cast_from(shift);
    }
    leave(vectors);
}

/// Adds the offsets back to `width` rows from `row` on, and starts them afresh for the next loop. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn restore_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    width: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let row = row as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let shift = Vector::<f32, N>::cast_from(offsets[v]);
        for h in row..row + width as usize {
            arena[h * samples + v] += shift;
        }
        offsets[v] = Vector::<f64, N>::new(0.0);
    }
    leave(vectors);
}

/// `result = root + offsets` in double precision. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn result_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    offsets: &[Vector<f64, N>],
    result: &mut [Vector<f64, N>],
    root: u32,
    vectors: u32,
    #[comptime] with_offsets: bool,
) {
    let (first, end) = share(vectors as usize);
    for v in first..end {
        let value = Vector::<f64, N>::cast_from(arena[root as usize * vectors as usize + v]);
        result[v] = if comptime!(with_offsets) { value + offsets[v] } else { value };
    }
    leave(vectors);
}
