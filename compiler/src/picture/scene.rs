//! The contents of a text in the language of Graphviz: nodes, edges and clusters with their looks.

use super::PictureError;
use layout::gv::DotParser;
use layout::gv::parser::ast::{AttrStmtTarget, AttributeList, Graph, Stmt};
use std::collections::BTreeMap;

/// Attributes by name.
pub(super) type Attributes = BTreeMap<String, String>;

/// What is to be drawn.
#[derive(Debug, Default)]
pub(super) struct Scene {
    /// In the order of their first mention.
    pub(super) nodes: Vec<Node>,
    /// In order.
    pub(super) edges: Vec<Edge>,
    /// Outer ones before inner ones.
    pub(super) clusters: Vec<Cluster>,
}

/// A box or an ellipse.
#[derive(Debug)]
pub(super) struct Node {
    /// The text in it, lines separated by line ends.
    pub(super) label: String,
    /// Its looks.
    pub(super) attributes: Attributes,
}

/// An arrow.
#[derive(Debug)]
pub(super) struct Edge {
    /// Index of the node where it starts.
    pub(super) from: usize,
    /// Index of the node where it ends.
    pub(super) to: usize,
    /// Its looks.
    pub(super) attributes: Attributes,
}

/// A box around some nodes.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Indices of the nodes in it and in clusters in it.
    pub(super) nodes: Vec<usize>,
    /// Its looks and label.
    pub(super) attributes: Attributes,
}

/// Reads the text.
pub(super) fn scene(dot: &str) -> Result<Scene, PictureError> {
    let graph = DotParser::new(dot).process().map_err(PictureError)?;
    let mut reader = Reader { scene: Scene::default(), names: BTreeMap::new(), clusters: Vec::new() };
    reader.graph(&graph, &Defaults::default());
    Ok(reader.scene)
}

#[derive(Clone, Default)]
struct Defaults {
    node: Attributes,
    edge: Attributes,
}

struct Reader {
    scene: Scene,
    names: BTreeMap<String, usize>,
    /// The clusters around what is being read.
    clusters: Vec<usize>,
}

impl Reader {
    fn graph(&mut self, graph: &Graph, defaults: &Defaults) {
        let mut defaults = defaults.clone();
        for statement in &graph.list.list {
            match statement {
                Stmt::Attribute(attributes) => match attributes.target {
                    AttrStmtTarget::Graph => {
                        if let Some(cluster) = self.clusters.last() {
                            add(&mut self.scene.clusters[*cluster].attributes, &attributes.list);
                        }
                    }
                    AttrStmtTarget::Node => add(&mut defaults.node, &attributes.list),
                    AttrStmtTarget::Edge => add(&mut defaults.edge, &attributes.list),
                },
                Stmt::Node(node) => {
                    let index = self.node(&node.id.name, &defaults);
                    add(&mut self.scene.nodes[index].attributes, &node.list);
                    if let Some(label) = self.scene.nodes[index].attributes.get("label") {
                        self.scene.nodes[index].label = label.clone();
                    }
                }
                Stmt::Edge(edge) => {
                    let mut attributes = defaults.edge.clone();
                    add(&mut attributes, &edge.list);
                    let mut from = self.node(&edge.from.name, &defaults);
                    for (to, _) in &edge.to {
                        let to = self.node(&to.name, &defaults);
                        self.scene.edges.push(Edge { from, to, attributes: attributes.clone() });
                        from = to;
                    }
                }
                Stmt::SubGraph(inner) => self.subgraph(inner, &defaults),
            }
        }
    }

    fn subgraph(&mut self, graph: &Graph, defaults: &Defaults) {
        if !graph.name.starts_with("cluster") {
            return self.graph(graph, defaults);
        }
        self.clusters.push(self.scene.clusters.len());
        self.scene.clusters.push(Cluster::default());
        self.graph(graph, defaults);
        self.clusters.pop();
    }

    fn node(&mut self, name: &str, defaults: &Defaults) -> usize {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let index = self.scene.nodes.len();
        self.names.insert(name.to_string(), index);
        self.scene.nodes.push(Node { label: name.to_string(), attributes: defaults.node.clone() });
        for cluster in &self.clusters {
            self.scene.clusters[*cluster].nodes.push(index);
        }
        index
    }
}

fn add(attributes: &mut Attributes, list: &AttributeList) {
    for (name, value) in list.iter() {
        attributes.insert(name.clone(), value.clone());
    }
}
