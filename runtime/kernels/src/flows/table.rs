//! Counts of tables: a unit's flow is added to the column of the observed value, or to the last one where it is missing.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::operand::{Place, leave, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Units of a work item: enough that reading the record costs little, few enough for all cores.
pub const ROWS: usize = 32;

/// Compile-time values of [`table_flow_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct TableFlowConfig {
    /// Units.
    pub width: usize,
    /// Units of a work item.
    pub rows: usize,
}

/// See the module's documentation. A work item is (table, run of units); it adds the flows of all readers of the table, one
/// after the other.
#[cube(launch_unchecked)]
pub fn table_flow_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    groups: u32,
    #[comptime] c: TableFlowConfig,
) {
    let n = N::value();
    let vectors = place.vectors as usize;
    let runs = comptime!(c.width.div_ceil(c.rows));
    let (first, end) = share(groups as usize * runs);
    for item in first..end {
        let group = place.table as usize + place.members as usize * 2 + item / runs * 4;
        let pitch = tables[group + 1] as usize;
        let count = tables[group] as usize * CHUNK;
        let h0 = item % runs * c.rows;
        let h_end = min(h0 + c.rows, comptime!(c.width).runtime());
        for reader in tables[group + 2] as usize..tables[group + 3] as usize {
            let record = place.table as usize + reader * 2;
            let flow = tables[record] as usize;
            let observed = tables[record + 1] as usize * vectors * n;
            for h in h0..h_end {
                for v in 0..vectors {
                    let above = arena[(flow + h) * vectors + v];
                    #[unroll]
                    for lane in 0..n {
                        let value = evidence[observed + v * n + lane] as usize;
                        counts[count + h * pitch + value] += above.extract(lane);
                    }
                }
            }
        }
    }
    leave(place.vectors);
}
