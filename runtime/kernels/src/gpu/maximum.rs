//! The greatest of what the units of a cube look at, sample by sample: each group of units looks at every so many rows, and the groups' maxima
//! meet in shared memory.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::greater;
use crate::operand::{Operands, Place, operands, rounds};
use cubecl::prelude::*;

/// The greatest of the units' vectors, for each vector of samples; all units of the cube meet here, twice.
#[cube]
pub fn greatest_of<N: Size>(
    shared: &mut [Vector<f32, N>],
    own: Vector<f32, N>,
    column: usize,
    #[comptime] groups: usize,
    #[comptime] width: usize,
) -> Vector<f32, N> {
    sync_cube();
    shared[UNIT_POS as usize] = own;
    sync_cube();
    let mut high = own;
    for group in 0..groups {
        high = greater::<N>(high, shared[group * width + column]);
    }
    high
}

/// The greatest of all inputs of block `g` among those that the unit's group looks at.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn group_maximum<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    group: usize,
    v: usize,
    #[comptime] groups: usize,
    #[comptime] inputs: usize,
    #[comptime] prologue: Operands,
) -> Vector<f32, N> {
    let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
    for step in 0..rounds(place.vectors, comptime!(inputs.div_ceil(groups))) {
        let i = step * groups + group;
        if i < inputs {
            let h = g * inputs + i;
            let value = operands::<N>(arena, packed, tables, evidence, place, record, h, v, prologue);
            high = greater::<N>(high, value);
        }
    }
    high
}

/// The greatest of `width` rows of the arena from `row` on among those that the unit's group looks at.
#[cube]
pub fn rows_maximum<N: Size>(
    arena: &[Vector<f32, N>],
    row: usize,
    width: usize,
    vectors: usize,
    group: usize,
    v: usize,
    #[comptime] groups: usize,
) -> Vector<f32, N> {
    let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
    for step in 0..width.div_ceil(groups) {
        let h = step * groups + group;
        if h < width {
            high = greater::<N>(high, arena[(row + h) * vectors + v]);
        }
    }
    high
}
