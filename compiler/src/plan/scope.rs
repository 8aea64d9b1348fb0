//! What the planner knows of the graph it walks: what is alive, how often it is read, where it stands.

use crate::circuit::{Layer, LayerGraph, LayerId, Op, PartRef};
use crate::plan::encode::{Place, Slot};
use crate::plan::shapes::parts;
use std::collections::BTreeMap;

/// The layers that the root needs.
pub fn live(graph: &LayerGraph) -> Vec<bool> {
    let mut live = vec![false; graph.len()];
    live[graph.root().0 as usize] = true;
    for (id, layer) in graph.layers().rev() {
        if live[id.0 as usize] {
            for part in layer.members.iter().flat_map(parts) {
                live[part.layer.0 as usize] = true;
            }
        }
    }
    live
}

/// How often live layers read the members of layers; the root is read once from outside.
pub fn uses(graph: &LayerGraph, live: &[bool]) -> Vec<Vec<u32>> {
    let mut uses: Vec<Vec<u32>> = graph.layers().map(|(_, layer)| vec![0; layer.members.len()]).collect();
    for (_, layer) in graph.layers().filter(|(id, _)| live[id.0 as usize]) {
        for part in layer.members.iter().flat_map(parts) {
            uses[part.layer.0 as usize][part.part as usize] += 1;
        }
    }
    uses[graph.root().0 as usize][0] += 1;
    uses
}

/// A place in a concatenation: its layer and member, and the first unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The concatenation.
    pub concat: PartRef,
    /// Units before.
    pub offset: u32,
}

/// A graph under way.
pub struct Scope<'g> {
    /// The graph.
    pub graph: &'g LayerGraph,
    live: Vec<bool>,
    uses: Vec<Vec<u32>>,
    places: Vec<Vec<Place>>,
    /// Members that are written where a concatenation has them.
    homes: BTreeMap<PartRef, Home>,
    /// Where concatenations stand, from the first of their parts on.
    concats: BTreeMap<PartRef, Slot>,
}

impl<'g> Scope<'g> {
    /// Nothing stands anywhere yet.
    pub fn new(graph: &'g LayerGraph) -> Self {
        let live = live(graph);
        let uses = uses(graph, &live);
        let mut scope = Scope {
            graph,
            live,
            uses,
            places: vec![Vec::new(); graph.len()],
            homes: BTreeMap::new(),
            concats: BTreeMap::new(),
        };
        scope.find_homes();
        scope
    }

    /// The layers that the root needs, in order.
    pub fn layers(&self) -> Vec<(LayerId, &'g Layer)> {
        self.graph.layers().filter(|(id, _)| self.live[id.0 as usize]).collect()
    }

    /// Whether `id` is needed.
    pub fn is_live(&self, id: LayerId) -> bool {
        self.live[id.0 as usize]
    }

    /// Where a member stands.
    pub fn place(&self, part: PartRef) -> Place {
        self.places[part.layer.0 as usize][part.part as usize]
    }

    /// Says where the members of a layer stand.
    pub fn set(&mut self, id: LayerId, places: Vec<Place>) {
        self.places[id.0 as usize] = places;
    }

    /// Whether a member is read once.
    pub fn read_once(&self, part: PartRef) -> bool {
        self.uses[part.layer.0 as usize][part.part as usize] == 1
    }

    /// Where a concatenation has a member that nothing else reads.
    pub fn home(&self, part: PartRef) -> Option<Home> {
        self.homes.get(&part).copied()
    }

    /// Where a concatenation stands; `make` gives it rows when the first of its parts is written.
    pub fn concat(&mut self, concat: PartRef, make: impl FnOnce(usize) -> Slot) -> Slot {
        let width = self.graph.layer(concat.layer).width;
        *self.concats.entry(concat).or_insert_with(|| make(width))
    }

    fn find_homes(&mut self) {
        for (id, layer) in self.layers().into_iter().filter(|(_, layer)| matches!(layer.op, Op::Concat)) {
            for (member, index) in layer.members.iter().zip(0..) {
                let concat = PartRef { layer: id, part: index };
                let mut offset = 0;
                for part in parts(member) {
                    let source = self.graph.layer(part.layer);
                    let is_written_freely = !matches!(source.op, Op::Carry | Op::Scan(_) | Op::Concat);
                    if is_written_freely && self.read_once(part) {
                        self.homes.insert(part, Home { concat, offset });
                    }
                    offset += source.width as u32;
                }
            }
        }
    }
}
