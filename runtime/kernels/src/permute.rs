//! Moves of rows: permutations of axes and concatenation.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::operand::{Place, leave, share};
use cubecl::prelude::*;

/// Compile-time values of [`permute_kernel()`]: `[outer, rows, columns]` becomes `[outer, columns, rows]`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct PermuteConfig {
    /// Leading axis.
    pub outer: usize,
    /// Middle axis.
    pub rows: usize,
    /// Last axis.
    pub columns: usize,
}

/// Compile-time values of [`concat_kernel()`].
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct ConcatConfig {
    /// Widths of the parts.
    pub widths: Vec<usize>,
}

impl ConcatConfig {
    /// Units of the result.
    pub fn width(&self) -> usize {
        self.widths.iter().sum()
    }

    /// Where part `part` starts in the result.
    pub(crate) fn start(&self, part: usize) -> usize {
        self.widths[..part].iter().sum()
    }
}

/// See [`PermuteConfig`]. A work item is (member, row of the result).
#[cube(launch_unchecked)]
pub fn permute_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    place: Place,
    #[comptime] c: PermuteConfig,
) {
    let vectors = place.vectors as usize;
    let plane = comptime!(c.rows * c.columns);
    let width = comptime!(c.outer * c.rows * c.columns);
    let (first, end) = share(place.members as usize * width);
    for item in first..end {
        let record = place.table as usize + item / width * 3;
        let h = item % width;
        let row = h % c.rows;
        let column = h % plane / c.rows;
        let from = tables[record + 2] as usize + h / plane * plane + row * c.columns + column;
        let to = tables[record] as usize + h;
        for v in 0..vectors {
            arena[to * vectors + v] = arena[from * vectors + v];
        }
    }
    leave(place.vectors);
}

/// Parts one after the other. A work item is (member, row of the result).
#[cube(launch_unchecked)]
pub fn concat_kernel<N: Size>(arena: &mut [Vector<f32, N>], tables: &[u32], place: Place, #[comptime] c: ConcatConfig) {
    let vectors = place.vectors as usize;
    let width = comptime!(c.width());
    let (first, end) = share(place.members as usize * width);
    for item in first..end {
        let record = place.table as usize + item / width * comptime!(2 + c.widths.len());
        let h = item % width;
        let to = tables[record] as usize + h;
        #[unroll]
        for part in 0..comptime!(c.widths.len()) {
            let start = comptime!(c.start(part));
            if h >= start && h < comptime!(c.start(part) + c.widths[part]) {
                let from = tables[record + comptime!(2 + part)] as usize + h - start;
                for v in 0..vectors {
                    arena[to * vectors + v] = arena[from * vectors + v];
                }
            }
        }
    }
    leave(place.vectors);
}
