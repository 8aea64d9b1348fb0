//! Flows of the parts of a Kronecker product: unit `j` of a part has the flows of all combinations it is in.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::kronecker::KroneckerConfig;
use crate::operand::{Place, leave, share};
use cubecl::prelude::*;

/// See the module's documentation. A work item is a member; a record is the flow's row and the row of each part's flow.
#[cube(launch_unchecked)]
pub fn kronecker_flow_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    tables: &[u32],
    place: Place,
    #[comptime] c: KroneckerConfig,
) {
    let vectors = place.vectors as usize;
    let (first, end) = share(place.members as usize * vectors);
    for item in first..end {
        let v = item % vectors;
        let record = place.table as usize + item / vectors * comptime!(1 + c.widths.len());
        let flow = tables[record] as usize;
        #[unroll]
        for part in 0..comptime!(c.widths.len()) {
            let width = comptime!(c.widths[part]);
            let stride = comptime!(c.stride(part));
            let outer = comptime!(c.width() / (width * stride));
            let to = tables[record + comptime!(1 + part)] as usize;
            for unit in 0..width {
                let mut sum = Vector::<f32, N>::new(0.0);
                for before in 0..outer {
                    for after in 0..stride {
                        let row = (before * width + unit) * stride + after;
                        sum += arena[(flow + row) * vectors + v];
                    }
                }
                arena[(to + unit) * vectors + v] = sum;
            }
        }
    }
    leave(place.vectors);
}
