//! Probabilistic sentential decision diagrams in their text form (Kisa, Van den Broeck, Choi, Darwiche, "Probabilistic
//! sentential decision diagrams", KR 2014), as programs of Danaus.
//!
//! A file has a line for each node, children before parents; the last one is the root. Lines that begin with `c` are comments.
//!
//! ```text
//! psdd COUNT
//! L id vtree literal                      the variable |literal|, counted from 1, is 1, or 0 if it is negative
//! T id vtree variable log(p)              a distribution of one variable: p is the probability of 1
//! T id vtree variable log(q) log(p)       the same with the probability of 0
//! D id vtree count {prime sub log(p)}     a mixture of products
//! ```
//!
//! A node of id 12 becomes `n[12]`, of one unit: an indicator, a Bernoulli input, a product, or a mixture of products. The probabilities are
//! parameters of these names; they are rounded to single precision and otherwise as they are in the file.

#[cfg(test)]
mod tests;

use crate::files::{self, FileError};
use crate::parameters::VERSION;
use crate::tensors::{self, TensorError};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The most nodes, and the most variables, of a diagram.
const LARGEST: usize = 1 << 20;

/// Why a diagram cannot be read, or the program not be written.
#[derive(Debug, Error)]
pub enum PsddError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The parameters cannot be written.
    #[error(transparent)]
    Tensors(#[from] TensorError),
    /// The text is no diagram.
    #[error("`{}` line {line}: {reason}", .file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong, what was expected.
        reason: String,
    },
}

impl PsddError {
    /// Whether a file could not be read or written at all.
    pub fn is_file(&self) -> bool {
        matches!(self, PsddError::File(_) | PsddError::Tensors(TensorError::File(_)))
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The program.
    pub source: PathBuf,
    /// Its parameters.
    pub parameters: PathBuf,
    /// Variables of the diagram.
    pub variables: usize,
    /// Nodes of the diagram.
    pub nodes: usize,
}

/// A node and its id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    id: usize,
    kind: NodeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NodeKind {
    /// A variable, counted from 0, and its value.
    Literal(usize, bool),
    /// A variable and the logarithms of the probabilities of 0 and 1.
    True(usize, [f64; 2]),
    /// Primes, subs, and the logarithms of their probabilities.
    Decision(Vec<(usize, usize, f64)>),
}

/// Reads the diagram in a file and writes the program `NAME.pc` and its parameters `NAME.safetensors`.
pub fn import(file: &Path, name: &Path) -> Result<Imported, PsddError> {
    let bytes = files::read(file)?;
    let wrong = |(line, reason)| PsddError::Text { file: file.to_path_buf(), line, reason };
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong((1, "it is not UTF-8 text".to_string())))?;
    let nodes = read(text).map_err(wrong)?;
    let ending = |ending: &str| {
        let mut path = name.as_os_str().to_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let variables = variables(&nodes);
    let imported =
        Imported { source: ending(".pc"), parameters: ending(".safetensors"), variables, nodes: nodes.len() };
    let tensors = parameters(&nodes);
    let listed: Vec<tensors::Tensor<'_>> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), &values[..])).collect();
    let notes = BTreeMap::from([(VERSION, env!("CARGO_PKG_VERSION").to_string())]);
    tensors::write(&imported.parameters, &listed, &notes)?;
    let program = program(&nodes, variables);
    files::write(&imported.source, |out| out.write_all(program.as_bytes()))?;
    Ok(imported)
}

/// The nodes of a diagram, or the line of what is wrong and what it is.
pub(crate) fn read(text: &str) -> Result<Vec<Node>, (usize, String)> {
    let mut nodes: Vec<Node> = Vec::new();
    let mut known = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        let fail = |reason: String| (number + 1, reason);
        let mut words = line.split_whitespace();
        let kind = match words.next() {
            None | Some("c" | "psdd") => continue,
            Some(kind @ ("L" | "T" | "D")) => kind,
            Some(other) => {
                return Err(fail(format!("a line begins with `c`, `psdd`, `L`, `T` or `D`, not with {other:?}")));
            }
        };
        let words: Vec<&str> = words.collect();
        let node = node(kind, &words).map_err(fail)?;
        if let NodeKind::Decision(elements) = &node.kind
            && let Some(missing) = elements.iter().flat_map(|(p, s, _)| [*p, *s]).find(|id| !known.contains(id))
        {
            return Err(fail(format!("node {missing} is used before it is defined")));
        }
        if !known.insert(node.id) || nodes.len() == LARGEST {
            return Err(fail(format!("node {} is defined twice, or there are more than {LARGEST} nodes", node.id)));
        }
        nodes.push(node);
    }
    if nodes.is_empty() { Err((1, "there is no node".to_string())) } else { Ok(nodes) }
}

fn node(kind: &str, words: &[&str]) -> Result<Node, String> {
    let word = |at: usize| words.get(at).copied().ok_or_else(|| format!("the line ends after {} numbers", words.len()));
    let whole = |at: usize| -> Result<usize, String> {
        let found = word(at)?;
        let value = found.parse().ok().filter(|value| *value < LARGEST);
        value.ok_or_else(|| format!("expected a whole number below {LARGEST}, found {found:?}"))
    };
    let log = |at: usize| -> Result<f64, String> {
        let found = word(at)?;
        let value = found.parse().ok().filter(|value| *value <= 1e-4);
        value.ok_or_else(|| format!("expected the logarithm of a probability, found {found:?}"))
    };
    let variable = |number: usize| number.checked_sub(1).ok_or_else(|| "variables count from 1".to_string());
    let id = whole(0)?;
    let (kind, length) = match kind {
        "L" => {
            let literal = word(2)?;
            let number = literal.trim_start_matches('-').parse().ok().filter(|number| *number < LARGEST);
            let number = number.ok_or_else(|| format!("expected a literal, found {literal:?}"))?;
            (NodeKind::Literal(variable(number)?, !literal.starts_with('-')), 3)
        }
        "T" if words.len() > 4 => (NodeKind::True(variable(whole(2)?)?, [log(3)?, log(4)?]), 5),
        "T" => {
            let positive = log(3)?.min(0.0);
            (NodeKind::True(variable(whole(2)?)?, [(1.0 - positive.exp()).ln(), positive]), 4)
        }
        _ => {
            let count = whole(2)?;
            let element = |at: usize| Ok((whole(3 + 3 * at)?, whole(4 + 3 * at)?, log(5 + 3 * at)?));
            let elements: Result<Vec<_>, String> = (0..count).map(element).collect();
            (NodeKind::Decision(elements?), 3 + 3 * count)
        }
    };
    match &kind {
        _ if words.len() != length => Err(format!("expected {length} numbers, found {}", words.len())),
        NodeKind::Decision(elements) if elements.is_empty() => Err("a mixture has an element".to_string()),
        NodeKind::Decision(_) | NodeKind::Literal(..) | NodeKind::True(..) => Ok(Node { id, kind }),
    }
}

fn variables(nodes: &[Node]) -> usize {
    let last = nodes.iter().filter_map(|node| match node.kind {
        NodeKind::Literal(variable, _) | NodeKind::True(variable, _) => Some(variable + 1),
        NodeKind::Decision(_) => None,
    });
    last.max().unwrap_or(0)
}

/// The nodes that the last one needs.
fn needed(nodes: &[Node]) -> BTreeSet<usize> {
    let mut needed: BTreeSet<usize> = nodes.last().map(|root| root.id).into_iter().collect();
    for node in nodes.iter().rev().filter(|node| matches!(node.kind, NodeKind::Decision(_))) {
        if let (true, NodeKind::Decision(elements)) = (needed.contains(&node.id), &node.kind) {
            needed.extend(elements.iter().flat_map(|(prime, sub, _)| [*prime, *sub]));
        }
    }
    needed
}

fn parameters(nodes: &[Node]) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let needed = needed(nodes);
    let mut tensors = Vec::new();
    for Node { id, kind } in nodes.iter().filter(|node| needed.contains(&node.id)) {
        match kind {
            NodeKind::Literal(..) => {}
            NodeKind::True(_, logs) => {
                tensors.push((format!("n.{id}"), vec![1, 2], logs.iter().map(|log| *log as f32).collect()));
            }
            NodeKind::Decision(elements) if elements.len() == 1 => {}
            NodeKind::Decision(elements) => {
                let weights = elements.iter().map(|(_, _, log)| log.exp() as f32).collect();
                tensors.push((format!("n.{id}"), vec![1, elements.len()], weights));
            }
        }
    }
    tensors
}

fn program(nodes: &[Node], variables: usize) -> String {
    let needed = needed(nodes);
    let mut text = format!(
        "/// A probabilistic sentential decision diagram.\ncircuit psdd {{\n    var x[{variables}]: binary\n\n"
    );
    for Node { id, kind } in nodes.iter().filter(|node| needed.contains(&node.id)) {
        let line = match kind {
            NodeKind::Literal(variable, value) => {
                format!("input n[{id}] = indicator(x[{variable}], {})", u8::from(*value))
            }
            NodeKind::True(variable, _) => format!("input n[{id}] = bernoulli(x[{variable}])"),
            NodeKind::Decision(elements) => {
                let product = |(prime, sub, _): &(usize, usize, f64)| format!("n[{prime}] * n[{sub}]");
                format!("region n[{id}] = {}", elements.iter().map(product).collect::<Vec<_>>().join(" | "))
            }
        };
        writeln!(text, "    {line}").expect("a string takes any text");
    }
    let root = nodes.last().map_or(0, |root| root.id);
    text + &format!("\n    root n[{root}]\n}}\n")
}
