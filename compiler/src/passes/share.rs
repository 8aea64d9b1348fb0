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
use std::hash::{BuildHasher, RandomState};

/// The pass.
pub const PASS: Pass = Pass { name: "share", description: "computes equal layers once", run };

fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let circuits = module.circuits.iter().map(|c| Circuit { graph: share(&c.graph), ..c.clone() }).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// The graph with equal layers made one. Layers that are then unused are not in it.
pub(crate) fn share(graph: &LayerGraph) -> LayerGraph {
    let mut seen = Seen::default();
    rebuild(graph, |new, layer| seen.find_or_add(new, with_body(layer, share)))
}

/// The layers of the new graph by their hashes. Two layers of one hash take neighboring places.
#[derive(Default)]
struct Seen {
    state: RandomState,
    layers: HashMap<u64, LayerId>,
}

impl Seen {
    fn find_or_add(&mut self, graph: &mut LayerGraph, layer: Layer) -> LayerId {
        let mut hash = self.state.hash_one(&layer);
        while let Some(&id) = self.layers.get(&hash) {
            if *graph.layer(id) == layer {
                return id;
            }
            hash = hash.wrapping_add(1);
        }
        let id = graph.add(layer);
        self.layers.insert(hash, id);
        id
    }
}
