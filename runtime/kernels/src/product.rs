//! Inputs and Hadamard products: `out[h] = sum of parts and table columns at h`.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::operand::{Operands, Place, leave, operands, share};
use cubecl::prelude::*;

/// Rows of a work item, at most: enough to pay for reading the record, few enough that the rows of a table stay
/// in the first-level cache while the vectors of samples pass.
pub const ROWS: usize = 32;

/// Compile-time values of [`product_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct ProductConfig {
    /// Units.
    pub width: usize,
    /// What is added.
    pub operands: Operands,
    /// Words of a record.
    pub record: usize,
}

/// See the module's documentation. A work item is (member, run of rows).
#[cube(launch_unchecked)]
pub fn product_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    #[comptime] c: ProductConfig,
) {
    let runs = comptime!(c.width.div_ceil(ROWS));
    let (first, end) = share(place.members as usize * runs);
    for item in first..end {
        let record = place.table as usize + item / runs * c.record;
        let out = tables[record] as usize;
        let h0 = item % runs * ROWS;
        let h_end = min(h0 + ROWS, comptime!(c.width).runtime());
        for v in 0..place.vectors as usize {
            for h in h0..h_end {
                arena[(out + h) * place.vectors as usize + v] =
                    operands::<N>(&*arena, packed, tables, evidence, &place, record, h, v, c.operands);
            }
        }
    }
    leave(place.vectors);
}
