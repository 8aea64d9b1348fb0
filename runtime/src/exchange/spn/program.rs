//! From nodes to a program and its tensors.

use super::{Network, Node};
use std::fmt::Write;
use std::ops::Range;

/// The tensors by name: of sums their weights, of leaves the logarithms of their densities.
pub(super) fn parameters(network: &Network, values: &Range<i64>) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let tensor = |(id, node): &(usize, Node)| {
        let numbers: Vec<f32> = match node {
            Node::Sum(children) => children.iter().map(|(_, weight)| *weight as f32).collect(),
            Node::Product(_) => return None,
            Node::Leaf(_, density) => values.clone().map(|value| density.at(value as f64).ln() as f32).collect(),
        };
        Some((format!("n.{id}"), vec![1, numbers.len()], numbers))
    };
    network.nodes.iter().filter_map(tensor).collect()
}

/// The program.
pub(super) fn program(network: &Network, values: &Range<i64>) -> String {
    let domain = match values {
        Range { start: 0, end } => format!("categorical({end})"),
        Range { start, end } => format!("integer({start}..{end})"),
    };
    let mut text =
        format!("/// A sum-product network.\ncircuit spn {{\n    var x[{}]: {domain}\n\n", network.variables);
    for (id, node) in &network.nodes {
        let joined = |ids: &mut dyn Iterator<Item = usize>, sign: &str| {
            ids.map(|id| format!("n[{id}]")).collect::<Vec<_>>().join(sign)
        };
        let line = match node {
            Node::Leaf(variable, _) => format!("input n[{id}] = categorical(x[{variable}])"),
            Node::Product(children) => format!("region n[{id}] = {}", joined(&mut children.iter().copied(), " * ")),
            Node::Sum(children) => match &children[..] {
                [(only, _)] => format!("region n[{id}] = sum(n[{only}])"),
                several => format!("region n[{id}] = {}", joined(&mut several.iter().map(|(id, _)| *id), " | ")),
            },
        };
        writeln!(text, "    {line}").expect("a string takes any text");
    }
    let root = network.nodes.last().map_or(0, |(id, _)| *id);
    text + &format!("\n    root n[{root}]\n}}\n")
}
