//! Which parts of a region graph a picture leaves out: repetitions along chains.
//!
//! # Design
//!
//! The graph is cut into heavy paths: from a node to its child with the most variables, and on. Along a path
//! each node has a signature: what it is, and the structure of its children beside the path. Where the
//! signatures repeat with a short period, all but the first two and the last repetition are left out.

use super::{CircuitRegions, Node, NodeId};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// The longest period that is looked for, in nodes.
const MAX_PERIOD: usize = 12;
/// A repetition is elided from this number of periods.
const MIN_PERIODS: usize = 6;
/// How many periods stay in front of the gap.
const KEPT: usize = 2;

/// A part of a path that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The first node that is left out.
    pub from: usize,
    /// The node after the last one that is left out.
    pub to: usize,
    /// How many repetitions are left out.
    pub count: usize,
}

/// The gaps of all paths.
pub(super) fn gaps(regions: &CircuitRegions) -> Vec<Gap> {
    let heavy = heavy_children(regions);
    let shapes = shapes(regions);
    let ids: Vec<NodeId> = regions.nodes().map(|(id, _)| id).collect();
    let mut is_seen = vec![false; heavy.len()];
    let mut gaps = Vec::new();
    for start in (0..heavy.len()).rev() {
        let mut path = Vec::new();
        let mut next = Some(start);
        while let Some(node) = next.filter(|node| !std::mem::replace(&mut is_seen[*node], true)) {
            path.push(node);
            next = heavy[node];
        }
        let signatures: Vec<u64> =
            path.iter().map(|node| signature(regions, ids[*node], heavy[*node], &shapes)).collect();
        gaps.extend(gaps_of_path(&path, &signatures));
    }
    gaps
}

fn heavy_children(regions: &CircuitRegions) -> Vec<Option<usize>> {
    let heavy = |id: NodeId| {
        let mut best: Option<(usize, usize)> = None;
        for child in regions.children(id) {
            let size = regions.node(*child).scope().len();
            if best.is_none_or(|(largest, _)| size > largest) {
                best = Some((size, child.index()));
            }
        }
        best.map(|(_, child)| child)
    };
    regions.nodes().map(|(id, _)| heavy(id)).collect()
}

/// A hash of the structure below each node, names and variables aside.
fn shapes(regions: &CircuitRegions) -> Vec<u64> {
    let mut shapes: Vec<u64> = Vec::with_capacity(regions.petgraph().node_count());
    for (id, node) in regions.nodes() {
        let children: Vec<u64> = regions.children(id).iter().map(|child| shapes[child.index()]).collect();
        shapes.push(hash(&(own(node), children)));
    }
    shapes
}

/// What a node is by itself.
fn own(node: &Node) -> u64 {
    match node {
        Node::Region(region) => {
            let kind = match region.kind {
                super::RegionKind::Input { .. } => 0_u8,
                super::RegionKind::Sum(_) => 1,
                super::RegionKind::Mixing(_) => 2,
                super::RegionKind::Product => 3,
            };
            hash(&(kind, region.width))
        }
        Node::Partition(partition) => hash(&(partition.kind, partition.width)),
    }
}

fn signature(regions: &CircuitRegions, id: NodeId, heavy: Option<usize>, shapes: &[u64]) -> u64 {
    let children = regions.children(id);
    let beside: Vec<Option<u64>> =
        children.iter().map(|c| (Some(c.index()) != heavy).then(|| shapes[c.index()])).collect();
    hash(&(own(regions.node(id)), beside))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn gaps_of_path(path: &[usize], signatures: &[u64]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut start = 0;
    while start < path.len() {
        let Some((period, length)) = best_run(&signatures[start..]) else {
            start += 1;
            continue;
        };
        let periods = length / period;
        let (from, to) = (start + KEPT * period, start + (periods - 1) * period);
        gaps.push(Gap { from: path[from], to: path[to], count: periods - KEPT - 1 });
        start += length;
    }
    gaps
}

/// The shortest period with enough repetitions from the beginning, and how many nodes they cover.
fn best_run(signatures: &[u64]) -> Option<(usize, usize)> {
    (1..=MAX_PERIOD).find_map(|period| {
        let shifted = signatures.get(period..)?;
        let same = signatures.iter().zip(shifted).take_while(|(a, b)| a == b).count();
        let length = same + period;
        (length / period >= MIN_PERIODS).then_some((period, length / period * period))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_shortest_period() {
        let signatures: Vec<u64> = [9].into_iter().chain((0..40).map(|i| i % 2)).chain([7, 8]).collect();
        let path: Vec<usize> = (0..signatures.len()).map(|i| 100 + i).collect();
        assert_eq!(gaps_of_path(&path, &signatures), vec![Gap { from: 105, to: 139, count: 17 }]);
        assert_eq!(gaps_of_path(&path[..8], &signatures[..8]), vec![]);
    }
}
