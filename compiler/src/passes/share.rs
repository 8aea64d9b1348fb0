//! Computes equal layers once.
//!
//! ```text
//! %0 = input x @e : 4            %0 = input x @e : 4
//! %1 = input x @e : 4            %1 = sum dense %0 @w : 8
//! %2 = sum dense %0 @w : 8  ->   ..
//! %3 = sum dense %1 @w : 8
//! ```
//!
//! Layers are equal if operation, width, operands and parameters are. Operands are compared after sharing, so one
//! walk finds all. The order of operands counts: `a * b` and `b * a` round alike, but looking for commuted
//! pairs would cost more than it finds.

use super::rebuild::{rebuild, with_body};
use super::{Pass, PassContext, PassError, Passed};
use crate::circuit::{Circuit, Layer, LayerGraph, LayerId, Module};
use std::collections::HashMap;

/// The pass.
pub const PASS: Pass = Pass { name: "share", description: "computes equal layers once", run };

fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let circuits = module.circuits.iter().map(|c| Circuit { graph: share(&c.graph), ..c.clone() }).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// The graph with equal layers made one. Layers that are then unused are not in it.
pub(crate) fn share(graph: &LayerGraph) -> LayerGraph {
    let mut seen: HashMap<Layer, LayerId> = HashMap::new();
    rebuild(graph, |new, layer| {
        let layer = with_body(layer, share);
        *seen.entry(layer).or_insert_with_key(|layer| new.add(layer.clone()))
    })
}
