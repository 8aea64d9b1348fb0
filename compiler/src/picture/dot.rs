//! A circuit in the language of Graphviz.

use super::elide::{Outline, outline};
use super::label::lines;
use crate::circuit::scope::{Scope, body_scopes, scopes};
use crate::circuit::*;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The picture of a circuit that the verifier accepts.
pub fn dot(circuit: &Circuit) -> String {
    let mut out = String::from("digraph circuit {\n");
    out.push_str(
        "    rankdir = TB; ranksep = 0.35; nodesep = 0.3; fontname = \"Helvetica\"; fontsize = 11; labeljust = l;\n",
    );
    out.push_str("    node [shape = box, style = \"filled,rounded\", fontname = \"Helvetica\", fontsize = 11];\n");
    out.push_str("    edge [arrowsize = 0.6, fontname = \"Helvetica\", fontsize = 10, color = \"#555555\"];\n");
    let scopes = scopes(&circuit.graph);
    let drawing =
        Drawing { circuit, graph: &circuit.graph, prefix: "n".into(), scopes, outline: outline(&circuit.graph) };
    drawing.nodes(&mut out, "    ");
    drawing.edges(&mut out, "    ");
    out.push_str("}\n");
    out
}

/// A graph in the picture: the circuit's or the body of a scan.
struct Drawing<'a> {
    circuit: &'a Circuit,
    graph: &'a LayerGraph,
    /// Before the number of a layer in its node's name.
    prefix: String,
    scopes: Vec<Vec<Scope>>,
    outline: Outline,
}

impl<'a> Drawing<'a> {
    fn body(&self, id: LayerId, scan: &'a Scan) -> Drawing<'a> {
        Drawing {
            circuit: self.circuit,
            graph: &scan.body,
            prefix: format!("{}{}_", self.prefix, id.0),
            scopes: body_scopes(scan),
            outline: outline(&scan.body),
        }
    }

    /// The node that stands for a layer: its own, its gap's, or that of the root of its body.
    fn node(&self, layer: LayerId) -> String {
        if let Some(gap) = self.outline.gap(layer) {
            return format!("{}gap{gap}", self.prefix);
        }
        match &self.graph.layer(layer).op {
            Op::Scan(scan) => self.body(layer, scan).node(scan.body.root()),
            _ => format!("{}{}", self.prefix, layer.0),
        }
    }

    fn nodes(&self, out: &mut String, indent: &str) {
        for id in self.outline.order.iter().rev().copied() {
            let layer = self.graph.layer(id);
            if let Some(gap) = self.outline.gap(id) {
                let gap = &self.outline.gaps[gap];
                if gap.end == self.outline.position[id.0 as usize] + 1 {
                    let (node, label) = (self.node(id), &gap.label);
                    let look = "style = \"dashed,rounded\", color = \"#888888\"";
                    line(out, indent, &format!("{node} [label = {}, {look}];", quote(label)));
                }
                continue;
            }
            match &layer.op {
                Op::Scan(scan) => self.scan(id, scan, out, indent),
                _ => {
                    let label = lines(self.circuit, self.graph, id, &self.scopes[id.0 as usize]).join("\n");
                    let (fill, color) = colors(&layer.op);
                    let root = if id == self.graph.root() { ", penwidth = 2" } else { "" };
                    let look = format!("fillcolor = \"{fill}\", color = \"{color}\"{root}");
                    line(out, indent, &format!("{} [label = {}, {look}];", self.node(id), quote(&label)));
                }
            }
        }
    }

    fn scan(&self, id: LayerId, scan: &'a Scan, out: &mut String, indent: &str) {
        let body = self.body(id, scan);
        let label = format!("{id}  scan, {} iterations", scan.steps);
        line(out, indent, &format!("subgraph cluster_{} {{", self.prefix.clone() + &id.0.to_string()));
        let inner = format!("{indent}    ");
        line(out, &inner, &format!("label = {}; style = rounded; color = \"#999999\";", quote(&label)));
        body.nodes(out, &inner);
        body.edges(out, &inner);
        line(out, indent, "}");
    }

    fn edges(&self, out: &mut String, indent: &str) {
        let mut seen = BTreeSet::new();
        for (id, layer) in self.graph.layers().rev() {
            for operand in layer.members.iter().flat_map(|member| &member.operands) {
                let Operand::Part(part) = operand else { continue };
                let (from, first) = match &layer.op {
                    Op::Scan(scan) if self.outline.gap(id).is_none() => (self.carry(id, scan), true),
                    _ => (self.node(id), false),
                };
                let to = self.node(part.layer);
                if from != to && seen.insert((from.clone(), to.clone())) {
                    let look = if first { " [style = dashed, label = \"at first\"]" } else { "" };
                    line(out, indent, &format!("{from} -> {to}{look};"));
                }
            }
        }
    }

    /// The node of the carry in the body of a scan.
    fn carry(&self, id: LayerId, scan: &'a Scan) -> String {
        let carry = scan.body.layers().find(|(_, layer)| layer.op == Op::Carry);
        let (carry, _) = carry.expect("the body of a scan holds a carry");
        self.body(id, scan).node(carry)
    }
}

/// Fill and border by kind of layer.
fn colors(op: &Op) -> (&'static str, &'static str) {
    match op {
        Op::Input => ("#e6f3e1", "#5f9150"),
        Op::Hadamard | Op::Kronecker => ("#e3edf9", "#4f7cac"),
        Op::Sum(_) | Op::Stage(_) => ("#fdebd3", "#c07f2c"),
        Op::Permute { .. } | Op::Concat => ("#f0f0f0", "#888888"),
        Op::Carry | Op::Scan(_) => ("#efe6f5", "#8660a8"),
    }
}

fn line(out: &mut String, indent: &str, text: &str) {
    writeln!(out, "{indent}{text}").expect("writing to a string works");
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
