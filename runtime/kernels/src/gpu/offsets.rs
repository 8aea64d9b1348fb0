//! What happens between iterations and at the end: see [`crate::rescale`]. A cube has a tile of samples; its groups of units share the
//! rows of the carry.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::maximum::{greatest_of, rows_maximum};
use crate::gpu::spot::{Shape, spot};
use crate::math::shift_of;
use cubecl::prelude::*;

/// Copies a carry of `width` rows, or leaves it where it is; where it is rescaled, less its maximum, which is added to the offsets if they are wanted.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_carry<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    target: u32,
    width: u32,
    vectors: u32,
    #[comptime] rescales: bool,
    #[comptime] wanted: bool,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, 1usize, shape);
    let groups = comptime!(shape.groups());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(shape.units));
    let mut shift = Vector::<f32, N>::new(0.0);
    if comptime!(rescales) {
        let (from, width) = (row as usize, width as usize);
        let own = rows_maximum::<N>(&*arena, from, width, samples, spot.group, spot.v, groups);
        let high = greatest_of::<N>(&mut maxima, own, spot.column, groups, shape.vectors);
        shift = shift_of::<N>(high);
        if comptime!(wanted) && spot.group == 0 {
            offsets[spot.v] += Vector::<f64, N>::cast_from(shift);
        }
    }
    for step in 0..(width as usize).div_ceil(groups) {
        let h = step * groups + spot.group;
        if h < width as usize {
            arena[(target as usize + h) * samples + spot.v] = arena[(row as usize + h) * samples + spot.v] - shift;
        }
    }
}

/// Copies the last carry of a loop to its result, or leaves it where it is. If the offsets are not the root's they are added, and start afresh.
#[cube(launch_unchecked)]
pub fn gpu_leave<N: Size>(
    arena: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    row: u32,
    target: u32,
    width: u32,
    vectors: u32,
    #[comptime] with_offsets: bool,
    #[comptime] shape: Shape,
) {
    let samples = vectors as usize;
    let spot = spot(vectors, 1usize, shape);
    let groups = comptime!(shape.groups());
    let mut shift = Vector::<f32, N>::new(0.0);
    if comptime!(with_offsets) {
        shift = Vector::<f32, N>::cast_from(offsets[spot.v]);
    }
    for step in 0..(width as usize).div_ceil(groups) {
        let h = step * groups + spot.group;
        if h < width as usize {
            arena[(target as usize + h) * samples + spot.v] = arena[(row as usize + h) * samples + spot.v] + shift;
        }
    }
    if comptime!(with_offsets) {
        // All units have read the offsets.
        sync_cube();
        if spot.group == 0 {
            offsets[spot.v] = Vector::<f64, N>::new(0.0);
        }
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
