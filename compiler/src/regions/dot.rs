//! Region graphs as pictures, in the language of Graphviz.

use super::elide::{Gap, gaps};
use super::text::product_name;
use super::{CircuitRegions, Node, NodeId, PartitionKind, Region, RegionGraph, RegionKind};
use crate::model::scope_text;
use std::collections::{BTreeMap, VecDeque};

/// A picture shows at most this many nodes of one circuit; further ones are counted.
const MAX_NODES: usize = 400;

/// The graph in Graphviz's language: regions are ellipses, partitions small boxes; repetitions are left out.
pub fn dot(graph: &RegionGraph) -> String {
    let mut out = String::from("digraph regions {\n");
    out.push_str("    rankdir = TB; ranksep = 0.35; nodesep = 0.3;\n");
    out.push_str("    node [fontname = \"Helvetica\", fontsize = 11]; edge [arrowsize = 0.6];\n");
    let is_single = graph.circuits.len() == 1;
    for (position, regions) in graph.circuits.iter().enumerate() {
        if is_single {
            out.push_str(&Picture::new(regions, String::new()).draw("    "));
            continue;
        }
        out.push_str(&format!("    subgraph cluster_{position} {{\n        label = {};\n", quote(&regions.name)));
        out.push_str(&Picture::new(regions, format!("c{position}_")).draw("        "));
        out.push_str("    }\n");
    }
    out.push_str("}\n");
    out
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

struct Picture<'a> {
    regions: &'a CircuitRegions,
    /// Before every id, so that several circuits fit into one picture.
    prefix: String,
    ids: Vec<NodeId>,
    gaps: BTreeMap<usize, Gap>,
}

/// A node with more children than this is drawn with the first ones and the last one.
const MAX_CHILDREN: usize = 16;

/// What an edge leads to.
#[derive(Clone, Copy)]
enum Target {
    Node(usize),
    Gap(Gap),
    /// So many children that are left out.
    Others(usize),
}

impl<'a> Picture<'a> {
    fn new(regions: &'a CircuitRegions, prefix: String) -> Self {
        let gaps = gaps(regions).into_iter().map(|gap| (gap.from, gap)).collect();
        Picture { regions, prefix, ids: regions.nodes().map(|(id, _)| id).collect(), gaps }
    }

    fn targets(&self, node: usize) -> Vec<Target> {
        let children = self.regions.children(self.ids[node]).iter().map(|child| child.index());
        let target = |child| self.gaps.get(&child).map_or(Target::Node(child), |gap| Target::Gap(*gap));
        let mut targets: Vec<Target> = children.map(target).collect();
        if let Some(others) = targets.len().checked_sub(MAX_CHILDREN).filter(|others| *others > 0) {
            let last = targets.len() - 1;
            targets.splice(MAX_CHILDREN - 2..last, [Target::Others(others + 1)]);
        }
        targets
    }

    fn draw(&self, indent: &str) -> String {
        let mut lines = Vec::new();
        let mut is_queued = vec![false; self.ids.len()];
        let mut queue = VecDeque::from([NodeId::Region(self.regions.root()).index()]);
        is_queued[queue[0]] = true;
        let mut drawn = 0;
        while let Some(node) = queue.pop_front() {
            let id = format!("{}{}", self.prefix, self.ids[node]);
            lines.push(format!("{id} {};", self.attributes(node)));
            drawn += 1;
            let targets = self.targets(node);
            if drawn > MAX_NODES && !targets.is_empty() {
                lines.push(format!("{id}_more [shape = plaintext, label = \"..\"];"));
                lines.push(format!("{id} -> {id}_more;"));
                continue;
            }
            for target in targets {
                let next = self.link(&id, target, &mut lines);
                if let Some(next) = next.filter(|next| !std::mem::replace(&mut is_queued[*next], true)) {
                    queue.push_back(next);
                }
            }
        }
        lines.iter().map(|line| format!("{indent}{line}\n")).collect()
    }

    /// Draws an edge, with the gap it may lead over; gives the node it ends at.
    fn link(&self, id: &str, target: Target, lines: &mut Vec<String>) -> Option<usize> {
        match target {
            Target::Node(node) => {
                lines.push(format!("{id} -> {}{};", self.prefix, self.ids[node]));
                Some(node)
            }
            Target::Others(count) => {
                lines.push(format!("{id}_others [shape = plaintext, label = {}];", quote(&format!("{count} more"))));
                lines.push(format!("{id} -> {id}_others [style = dashed];"));
                None
            }
            Target::Gap(gap) => {
                let middle = format!("{}gap{}", self.prefix, gap.from);
                let label = quote(&format!("x {} more", gap.count));
                lines.push(format!("{middle} [shape = box, style = dashed, label = {label}];"));
                lines.push(format!("{id} -> {middle} [style = dashed];"));
                lines.push(format!("{middle} -> {}{} [style = dashed];", self.prefix, self.ids[gap.to]));
                Some(gap.to)
            }
        }
    }

    fn attributes(&self, node: usize) -> String {
        match self.regions.node(self.ids[node]) {
            Node::Partition(partition) => {
                let label = match partition.kind {
                    PartitionKind::Hadamard => "*",
                    PartitionKind::Kronecker => product_name(partition.kind),
                };
                format!("[shape = box, width = 0.3, height = 0.25, margin = 0.04, label = {}]", quote(label))
            }
            Node::Region(region) => {
                let style = match region.kind {
                    RegionKind::Input { .. } => ", style = filled, fillcolor = \"#dceefb\"",
                    RegionKind::Sum(_) | RegionKind::Mixing(_) => ", style = filled, fillcolor = \"#fdf0d5\"",
                    RegionKind::Product => "",
                };
                format!("[shape = ellipse{style}, label = {}]", quote(&self.label(region)))
            }
        }
    }

    fn label(&self, region: &Region) -> String {
        let kind = match region.kind {
            RegionKind::Input { table, .. } => format!("input {}", self.regions.weights_text(table)),
            RegionKind::Sum(weights) => format!("sum {}", self.regions.weights_text(weights)),
            RegionKind::Mixing(weights) => self.regions.weights_text(weights).to_owned(),
            RegionKind::Product => String::new(),
        };
        let scope = scope_text(&self.regions.variables, &region.scope);
        let parts = [region.name.clone().unwrap_or_default(), kind, format!("width {}, {scope}", region.width)];
        parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("\n")
    }
}
