//! What happens between iterations and at the end: see [`crate::rescale`]. A cube has a tile of samples; its groups of units share the
//! rows of the carry.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::spot::{Shape, spot};
use crate::math::{greater, shift_of};
use cubecl::prelude::*;

/// Subtracts the maximum over `width` rows from `row` on from them and adds it to the offsets. A column of `-inf` stays.
#[cube(launch_unchecked)]
pub fn gpu_rescale<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    width: u32,
    vectors: u32,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, 1usize, shape);
    let groups = comptime!(shape.groups());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(shape.units));
    let steps = (width as usize).div_ceil(groups);
    let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
    for step in 0..steps {
        let h = step * groups + spot.group;
        if h < width as usize {
            high = greater::<N>(high, arena[(row as usize + h) * samples + spot.v]);
        }
    }
    maxima[UNIT_POS as usize] = high;
    sync_cube();
    for group in 0..groups {
        high = greater::<N>(high, maxima[group * shape.vectors + spot.column]);
    }
    let shift = shift_of::<N>(high);
    for step in 0..steps {
        let h = step * groups + spot.group;
        if h < width as usize {
            arena[(row as usize + h) * samples + spot.v] -= shift;
        }
    }
    if spot.group == 0 {
        offsets[spot.v] += Vector::<f64, N>::cast_from(shift);
    }
}

/// Adds the offsets back to `width` rows from `row` on, and starts them afresh for the next loop.
#[cube(launch_unchecked)]
pub fn gpu_restore<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    width: u32,
    vectors: u32,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, 1usize, shape);
    let groups = comptime!(shape.groups());
    let shift = Vector::<f32, N>::cast_from(offsets[spot.v]);
    for step in 0..(width as usize).div_ceil(groups) {
        let h = step * groups + spot.group;
        if h < width as usize {
            arena[(row as usize + h) * samples + spot.v] += shift;
        }
    }
    // All units have read the offsets.
    sync_cube();
    if spot.group == 0 {
        offsets[spot.v] = Vector::<f64, N>::new(0.0);
    }
}

/// The root's values in double precision, with the offsets if they are wanted.
#[cube(launch_unchecked)]
pub fn gpu_result<N: Size>(
    arena: &[Vector<f32, N>],
    offsets: &[Vector<f64, N>],
    result: &mut [Vector<f64, N>],
    row: u32,
    vectors: u32,
    #[comptime] with_offsets: bool,
    #[comptime] shape: Shape,
) {
    let spot = spot(vectors, 1usize, shape);
    if spot.group == 0 {
        let value = Vector::<f64, N>::cast_from(arena[row as usize * vectors as usize + spot.v]);
        result[spot.v] = if comptime!(with_offsets) { value + offsets[spot.v] } else { value };
    }
}
