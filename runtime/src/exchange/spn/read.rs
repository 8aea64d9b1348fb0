//! From JSON to the nodes that the root needs.

use super::{Density, LARGEST, Network, Node};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct File {
    root: usize,
    num_vars: usize,
    nodes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: usize,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    children: Vec<usize>,
    #[serde(default)]
    weights: Vec<f64>,
    var: Option<usize>,
    #[serde(default)]
    breaks: Vec<f64>,
    #[serde(default)]
    densities: Vec<f64>,
    mean: Option<f64>,
    stddev: Option<f64>,
}

/// Reads a network; every node that the root needs is checked.
pub(super) fn network(bytes: &[u8]) -> Result<Network, String> {
    let file: File = serde_json::from_slice(bytes)
        .map_err(|error| format!("expected a sum-product network in JSON (see spec/parameters.md), but {error}"))?;
    if file.nodes.len() > LARGEST || !(1..=LARGEST).contains(&file.num_vars) {
        return Err(format!("there must be nodes and variables, and of each at most {LARGEST}"));
    }
    let mut nodes = BTreeMap::new();
    for entry in file.nodes {
        let id = entry.id;
        if id >= LARGEST || nodes.insert(id, entry).is_some() {
            return Err(format!("node {id} is defined twice, or its number is {LARGEST} or more"));
        }
    }
    let mut read = BTreeMap::new();
    for (id, entry) in &nodes {
        read.insert(*id, node(entry, file.num_vars).map_err(|reason| format!("node {id}: {reason}"))?);
    }
    Ok(Network { variables: file.num_vars, nodes: ordered(file.root, read)? })
}

fn node(entry: &Entry, variables: usize) -> Result<Node, String> {
    let leaf = |density: Density| match entry.var {
        Some(variable) if variable < variables => Ok(Node::Leaf(variable, density)),
        Some(variable) => Err(format!("there is no variable {variable} of {variables}")),
        None => Err("a leaf has a `var`".to_string()),
    };
    let positive = |numbers: &[f64]| numbers.iter().all(|number| *number >= 0.0 && number.is_finite());
    match entry.kind.as_str() {
        "sum" | "product" if entry.children.is_empty() => Err(format!("a {} has children", entry.kind)),
        "sum" if entry.weights.len() != entry.children.len() || !positive(&entry.weights) => {
            Err("a sum has a weight, not negative, for each child".to_string())
        }
        "sum" => Ok(Node::Sum(entry.children.iter().copied().zip(entry.weights.iter().copied()).collect())),
        "product" => Ok(Node::Product(entry.children.clone())),
        "histogram" => {
            let (breaks, densities) = (entry.breaks.clone(), entry.densities.clone());
            let ascending = breaks.windows(2).all(|pair| pair[0] < pair[1]) && breaks.iter().all(|at| at.abs() < 1e15);
            if densities.is_empty() || breaks.len() != densities.len() + 1 || !ascending || !positive(&densities) {
                return Err(
                    "a histogram has ascending breaks and a density, not negative, between every two".to_string()
                );
            }
            leaf(Density::Histogram { breaks, densities })
        }
        "gaussian" => match (entry.mean, entry.stddev) {
            (Some(mean), Some(deviation)) if mean.is_finite() && deviation > 0.0 && deviation.is_finite() => {
                leaf(Density::Gaussian { mean, deviation })
            }
            _ => Err("a Gaussian has a `mean` and a positive `stddev`".to_string()),
        },
        other => Err(format!("`{other}` is no kind of node; expected sum, product, histogram or gaussian")),
    }
}

/// What the root needs, children before parents.
fn ordered(root: usize, mut nodes: BTreeMap<usize, Node>) -> Result<Vec<(usize, Node)>, String> {
    let mut done: BTreeMap<usize, bool> = BTreeMap::new();
    let mut order = Vec::new();
    let mut stack = vec![(root, false)];
    while let Some((id, children_done)) = stack.pop() {
        if children_done {
            done.insert(id, true);
            order.push((id, nodes.remove(&id).expect("it was there before its children")));
            continue;
        }
        match done.get(&id) {
            Some(true) => continue,
            Some(false) => return Err(format!("node {id} is part of itself")),
            None => {}
        }
        let node = nodes.get(&id).ok_or_else(|| format!("there is no node {id}"))?;
        done.insert(id, false);
        stack.push((id, true));
        let children: Vec<usize> = match node {
            Node::Sum(children) => children.iter().map(|(child, _)| *child).collect(),
            Node::Product(children) => children.clone(),
            Node::Leaf(..) => Vec::new(),
        };
        // A child that is still open on the way here is an ancestor; one that waits elsewhere on the stack is not begun.
        stack.extend(children.into_iter().rev().map(|child| (child, false)));
    }
    Ok(order)
}
