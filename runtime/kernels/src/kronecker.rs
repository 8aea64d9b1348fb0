//! Kronecker products: all combinations of units of the parts, the first most significant.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::operand::{Place, leave, share};
use cubecl::prelude::*;

/// Compile-time values of [`kronecker_kernel()`].
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct KroneckerConfig {
    /// Widths of the parts.
    pub widths: Vec<usize>,
}

impl KroneckerConfig {
    /// Units of the result.
    pub fn width(&self) -> usize {
        self.widths.iter().product()
    }

    /// How far apart two units of part `part` are in the result.
    pub(crate) fn stride(&self, part: usize) -> usize {
        self.widths[part + 1..].iter().product()
    }
}

/// See the module's documentation. A work item is (member, row).
#[cube(launch_unchecked)]
pub fn kronecker_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    place: Place,
    #[comptime] c: KroneckerConfig,
) {
    let vectors = place.vectors as usize;
    let width = comptime!(c.width());
    let (first, end) = share(place.members as usize * width);
    for item in first..end {
        let record = place.table as usize + item / width * comptime!(2 + c.widths.len());
        let out = tables[record] as usize;
        let h = item % width;
        for v in 0..vectors {
            let mut sum = Vector::<f32, N>::new(0.0);
            #[unroll]
            for part in 0..comptime!(c.widths.len()) {
                let unit = h / comptime!(c.stride(part)) % comptime!(c.widths[part]);
                sum += arena[(tables[record + comptime!(2 + part)] as usize + unit) * vectors + v];
            }
            arena[(out + h) * vectors + v] = sum;
        }
    }
    leave(place.vectors);
}
