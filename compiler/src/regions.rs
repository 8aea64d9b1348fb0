//! The region graph: which regions are split how, on petgraph.
//!
//! A [`Region`] is a vector of units about a set of variables: an input, a sum, a mixture of partitions, or a
//! named product. A [`Partition`] splits a region into regions about disjoint sets of variables. Children of
//! partitions are regions; children of sums and mixtures are regions or partitions.
//!
//! # Design
//!
//! * Nodes are appended children first, so their order is a topological order.
//! * petgraph does not keep the order of neighbors, so every edge carries its position, and the children of
//!   each node are kept in order beside the graph.
//! * Only what the root needs is in the graph.

mod dot;
mod elide;
#[cfg(test)]
mod tests;
mod text;

pub use dot::dot;
pub use text::dump;

use crate::model::{Circuit, Model, Scope, UnitId, UnitKind, Variable, WeightsId};
use petgraph::graph::{DiGraph, NodeIndex};
use std::fmt;
use std::sync::Arc;

/// The region graphs of all circuits of a model, in the model's order.
#[derive(Clone, Debug)]
pub struct RegionGraph {
    /// One for each circuit.
    pub circuits: Vec<CircuitRegions>,
}

/// The region graph of one circuit.
#[derive(Clone, Debug)]
pub struct CircuitRegions {
    /// The circuit's name.
    pub name: String,
    /// The circuit's variables.
    pub variables: Vec<Variable>,
    /// By [`WeightsId`]: what the weights are, in words.
    weights: Vec<String>,
    /// Edges run from parent to child and carry the child's position.
    graph: DiGraph<Node, u32>,
    /// The children of all nodes, node by node.
    children: Vec<NodeId>,
    /// By node: where its children end in `children`.
    ends: Vec<u32>,
    root: Option<RegionId>,
}

/// Names a region; printed `r7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegionId(pub u32);

/// Names a partition; printed `p7`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionId(pub u32);

/// Names a node. Regions and partitions count together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeId {
    /// A region.
    Region(RegionId),
    /// A partition.
    Partition(PartitionId),
}

/// A node of the graph.
#[derive(Clone, Debug)]
pub enum Node {
    /// A region.
    Region(Region),
    /// A partition.
    Partition(Partition),
}

/// A vector of units about a set of variables.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its name in the source, if it has one.
    pub name: Option<String>,
    /// How its units are computed.
    pub kind: RegionKind,
    /// How many units.
    pub width: usize,
    /// The variables.
    pub scope: Arc<Scope>,
    /// Where it is in the model.
    pub unit: UnitId,
}

/// How the units of a region are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegionKind {
    /// A distribution of one variable with this table. No children.
    Input {
        /// The variable.
        variable: u32,
        /// Its table.
        table: WeightsId,
    },
    /// A weighted sum over all units of the children.
    Sum(WeightsId),
    /// A weighted sum of the children unit by unit.
    Mixing(WeightsId),
    /// The units of its one partition.
    Product,
}

/// A product of regions.
#[derive(Clone, Debug)]
pub struct Partition {
    /// How the units of the children are combined.
    pub kind: PartitionKind,
    /// How many units.
    pub width: usize,
    /// The variables of all children.
    pub scope: Arc<Scope>,
    /// Where it is in the model.
    pub unit: UnitId,
}

/// The kinds of product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartitionKind {
    /// Unit by unit.
    Hadamard,
    /// All pairs.
    Kronecker,
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeId::Region(id) => write!(f, "r{}", id.0),
            NodeId::Partition(id) => write!(f, "p{}", id.0),
        }
    }
}

impl NodeId {
    /// The position in the graph's order.
    pub fn index(self) -> usize {
        match self {
            NodeId::Region(id) => id.0 as usize,
            NodeId::Partition(id) => id.0 as usize,
        }
    }
}

impl CircuitRegions {
    /// All nodes, children before parents.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> + ExactSizeIterator {
        self.graph.raw_nodes().iter().enumerate().map(|(index, node)| (id_of(index, &node.weight), &node.weight))
    }

    /// One node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph[NodeIndex::new(id.index())]
    }

    /// The children in order.
    pub fn children(&self, id: NodeId) -> &[NodeId] {
        let start = id.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.children[start as usize..self.ends[id.index()] as usize]
    }

    /// The root region.
    pub fn root(&self) -> RegionId {
        self.root.expect("a model has a root, and it becomes a region")
    }

    /// The petgraph graph, for its algorithms.
    pub fn petgraph(&self) -> &DiGraph<Node, u32> {
        &self.graph
    }

    /// Number of regions and of partitions.
    pub fn counts(&self) -> (usize, usize) {
        let regions = self.nodes().filter(|(id, _)| matches!(id, NodeId::Region(_))).count();
        (regions, self.graph.node_count() - regions)
    }

    /// What weights are, in words: `dense transition`.
    pub fn weights_text(&self, id: WeightsId) -> &str {
        &self.weights[id.0 as usize]
    }

    fn add(&mut self, node: Node, children: &[NodeId]) -> NodeId {
        let index = self.graph.add_node(node);
        for (position, child) in children.iter().enumerate() {
            self.graph.add_edge(index, NodeIndex::new(child.index()), position as u32);
        }
        self.children.extend_from_slice(children);
        self.ends.push(self.children.len() as u32);
        id_of(index.index(), &self.graph[index])
    }
}

fn id_of(index: usize, node: &Node) -> NodeId {
    match node {
        Node::Region(_) => NodeId::Region(RegionId(index as u32)),
        Node::Partition(_) => NodeId::Partition(PartitionId(index as u32)),
    }
}

impl Node {
    /// The variables it is about.
    pub fn scope(&self) -> &Scope {
        match self {
            Node::Region(region) => &region.scope,
            Node::Partition(partition) => &partition.scope,
        }
    }

    /// The number of units.
    pub fn width(&self) -> usize {
        match self {
            Node::Region(region) => region.width,
            Node::Partition(partition) => partition.width,
        }
    }
}

/// The region graphs of a model.
pub fn from_model(model: &Model) -> RegionGraph {
    RegionGraph { circuits: model.circuits.iter().map(from_circuit).collect() }
}

fn from_circuit(circuit: &Circuit) -> CircuitRegions {
    let mut regions = CircuitRegions {
        name: circuit.name.clone(),
        variables: circuit.variables.clone(),
        weights: circuit.weights.iter().map(text::weights).collect(),
        graph: DiGraph::with_capacity(2 * circuit.units.len(), 2 * circuit.units.len()),
        children: Vec::with_capacity(2 * circuit.units.len()),
        ends: Vec::with_capacity(2 * circuit.units.len()),
        root: None,
    };
    let usage = usage(circuit);
    let mut nodes: Vec<Option<NodeId>> = vec![None; circuit.units.len()];
    let mut children = Vec::new();
    for (position, unit) in circuit.units.iter().enumerate() {
        if !usage[position].is_needed {
            continue;
        }
        let id = UnitId(position as u32);
        children.clear();
        let operands = unit.kind.operands().iter();
        children.extend(operands.map(|o| nodes[o.0 as usize].expect("operands come before their users")));
        let needs_region = unit.instance.is_some() || usage[position].by_product || id == circuit.root;
        nodes[position] = Some(add_unit(&mut regions, circuit, id, &children, needs_region));
    }
    if let Some(NodeId::Region(root)) = nodes[circuit.root.0 as usize] {
        regions.root = Some(root);
    }
    regions
}

/// How a unit vector is used.
#[derive(Clone, Copy, Default)]
struct Usage {
    is_needed: bool,
    by_product: bool,
}

fn usage(circuit: &Circuit) -> Vec<Usage> {
    let mut usage = vec![Usage::default(); circuit.units.len()];
    usage[circuit.root.0 as usize].is_needed = true;
    for (position, unit) in circuit.units.iter().enumerate().rev() {
        if !usage[position].is_needed {
            continue;
        }
        let is_product = matches!(unit.kind, UnitKind::Hadamard(_) | UnitKind::Kronecker(_));
        for operand in unit.kind.operands() {
            let operand = &mut usage[operand.0 as usize];
            operand.is_needed = true;
            operand.by_product |= is_product;
        }
    }
    usage
}

fn add_unit(
    regions: &mut CircuitRegions,
    circuit: &Circuit,
    id: UnitId,
    children: &[NodeId],
    needs_region: bool,
) -> NodeId {
    let unit = circuit.unit(id);
    let (width, scope) = (unit.width, unit.scope.clone());
    let region = |kind| Region { name: circuit.unit_name(id), kind, width, scope: scope.clone(), unit: id };
    let partition = |kind| Partition { kind, width, scope: scope.clone(), unit: id };
    let partition = match &unit.kind {
        UnitKind::Input { variable, table } => {
            let kind = RegionKind::Input { variable: *variable, table: *table };
            return regions.add(Node::Region(region(kind)), children);
        }
        UnitKind::Sum { weights, .. } => {
            return regions.add(Node::Region(region(RegionKind::Sum(*weights))), children);
        }
        UnitKind::Mixing { weights, .. } => {
            return regions.add(Node::Region(region(RegionKind::Mixing(*weights))), children);
        }
        UnitKind::Hadamard(_) => partition(PartitionKind::Hadamard),
        UnitKind::Kronecker(_) => partition(PartitionKind::Kronecker),
    };
    let product = regions.add(Node::Partition(partition), children);
    if needs_region { regions.add(Node::Region(region(RegionKind::Product)), &[product]) } else { product }
}
