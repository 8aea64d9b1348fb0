//! The text of a region graph for `--emit=regions`.

use super::{CircuitRegions, Node, NodeId, Partition, PartitionKind, Region, RegionGraph, RegionKind};
use crate::model::{Weights, WeightsShape, scope_text};

/// The graph as text: one line for each node, children before parents.
pub fn dump(graph: &RegionGraph) -> String {
    graph.circuits.iter().map(dump_circuit).collect::<Vec<_>>().join("\n")
}

fn dump_circuit(regions: &CircuitRegions) -> String {
    let (region_count, partition_count) = regions.counts();
    let mut out = format!("regions {} {{  // {region_count} regions, {partition_count} partitions\n", regions.name);
    for (id, node) in regions.nodes() {
        out.push_str("    ");
        out.push_str(&line(regions, id, node));
        out.push('\n');
    }
    out.push_str(&format!("    root {}\n}}\n", NodeId::Region(regions.root())));
    out
}

fn line(regions: &CircuitRegions, id: NodeId, node: &Node) -> String {
    let children: Vec<String> = regions.children(id).iter().map(NodeId::to_string).collect();
    let children = children.join(", ");
    let (name, value) = match node {
        Node::Region(Region { name, kind, .. }) => {
            let value = match kind {
                RegionKind::Input { table, .. } => format!("input {}", regions.weights_text(*table)),
                RegionKind::Sum(weights) => format!("sum({children}) {}", regions.weights_text(*weights)),
                RegionKind::Mixing(weights) => format!("mixing({children}) {}", regions.weights_text(*weights)),
                RegionKind::Product => children,
            };
            (name.as_ref().map_or(String::new(), |name| format!(" {name}")), value)
        }
        Node::Partition(Partition { kind, .. }) => (String::new(), format!("{}({children})", product_name(*kind))),
    };
    let scope = scope_text(&regions.variables, node.scope());
    format!("{id}{name} = {value}  // width {}, {scope}", node.width())
}

/// The word for a kind of product.
pub(super) fn product_name(kind: PartitionKind) -> &'static str {
    match kind {
        PartitionKind::Hadamard => "hadamard",
        PartitionKind::Kronecker => "kronecker",
    }
}

/// What weights are: `dense transition`, `monarch(128, 128) transition`.
pub(super) fn weights(weights: &Weights) -> String {
    let kind = match &weights.shape {
        WeightsShape::Table { .. } | WeightsShape::Gaussian { .. } => return weights.name.clone(),
        WeightsShape::Dense { .. } => "dense".to_owned(),
        WeightsShape::BlockDiagonal { size, .. } => format!("block_diagonal({size})"),
        WeightsShape::Monarch { factors } => {
            format!("monarch({})", factors.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
        }
        WeightsShape::Mixing { .. } => "mixing".to_owned(),
    };
    format!("{kind} {}", weights.name)
}
