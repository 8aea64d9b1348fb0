//! Sum-product networks in JSON, as programs of Danaus.
//!
//! ```text
//! {"root": 0, "num_vars": 2, "nodes": [
//!     {"id": 0, "type": "sum", "children": [1, 2], "weights": [0.2, 0.8]},
//!     {"id": 1, "type": "product", "children": [3, 4]},
//!     {"id": 3, "type": "histogram", "var": 0, "breaks": [0, 1, 4], "densities": [0.7, 0.1]},
//!     {"id": 4, "type": "gaussian", "var": 1, "mean": 0.5, "stddev": 1.0}, ..]}
//! ```
//!
//! Variables take whole numbers: those between the first and the last break of the histograms, or those that are asked for. A leaf becomes
//! a table of its density at each of them, of which the logarithms are taken; so the likelihoods of complete rows are
//! those of the network, and rows with missing values are summed, not integrated, over.
//!
//! A node of id 12 becomes `n[12]`, of one unit. Numbers are rounded to single precision.

mod program;
mod read;
#[cfg(test)]
mod tests;

use crate::files::{self, FileError};
use crate::parameters::VERSION;
use crate::tensors::{self, TensorError};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The most nodes, variables and values of a variable.
const LARGEST: usize = 1 << 20;

/// Why a network cannot be read, or the program not be written.
#[derive(Debug, Error)]
pub enum SpnError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The parameters cannot be written.
    #[error(transparent)]
    Tensors(#[from] TensorError),
    /// The file is no network.
    #[error("`{}`: {reason}", .file.display())]
    Network {
        /// The file.
        file: PathBuf,
        /// What is wrong, what was expected.
        reason: String,
    },
}

impl SpnError {
    /// Whether a file could not be read or written at all.
    pub fn is_file(&self) -> bool {
        matches!(self, SpnError::File(_) | SpnError::Tensors(TensorError::File(_)))
    }
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The program.
    pub source: PathBuf,
    /// Its parameters.
    pub parameters: PathBuf,
    /// Variables of the network.
    pub variables: usize,
    /// The values of every variable.
    pub values: Range<i64>,
    /// Nodes that the root needs.
    pub nodes: usize,
}

/// A network: nodes by id, those that the root needs, children before parents.
#[derive(Clone, Debug, PartialEq)]
struct Network {
    variables: usize,
    nodes: Vec<(usize, Node)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Node {
    /// Children and their weights.
    Sum(Vec<(usize, f64)>),
    /// Children.
    Product(Vec<usize>),
    /// A variable and its density.
    Leaf(usize, Density),
}

#[derive(Clone, Debug, PartialEq)]
enum Density {
    /// One number between every two breaks.
    Histogram { breaks: Vec<f64>, densities: Vec<f64> },
    /// Mean and standard deviation.
    Gaussian { mean: f64, deviation: f64 },
}

/// Reads the network in a file and writes the program `NAME.pc` and its parameters `NAME.safetensors`. Variables have the values
/// given, or without them those of the histograms.
pub fn import(file: &Path, name: &Path, values: Option<Range<i64>>) -> Result<Imported, SpnError> {
    let bytes = files::read(file)?;
    let wrong = |reason: String| SpnError::Network { file: file.to_path_buf(), reason };
    let network = read::network(&bytes).map_err(wrong)?;
    let values = network.values(values).map_err(wrong)?;
    let ending = |ending: &str| {
        let mut path = name.as_os_str().to_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (source, parameters) = (ending(".pc"), ending(".safetensors"));
    let tensors = program::parameters(&network, &values);
    let listed: Vec<tensors::Tensor<'_>> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), &values[..])).collect();
    let notes = BTreeMap::from([(VERSION, env!("CARGO_PKG_VERSION").to_string())]);
    tensors::write(&parameters, &listed, &notes)?;
    let text = program::program(&network, &values);
    files::write(&source, |out| out.write_all(text.as_bytes()))?;
    let (variables, nodes) = (network.variables, network.nodes.len());
    Ok(Imported { source, parameters, variables, values, nodes })
}

impl Network {
    /// The values that variables take.
    fn values(&self, asked: Option<Range<i64>>) -> Result<Range<i64>, String> {
        let mut found: Option<(f64, f64)> = None;
        for (id, node) in &self.nodes {
            let Node::Leaf(_, density) = node else { continue };
            match (density, &asked) {
                (_, Some(_)) => {}
                (Density::Gaussian { .. }, None) => {
                    return Err(format!(
                        "node {id} is Gaussian: say which whole numbers the variables are, with --values 0..2 for example"
                    ));
                }
                (Density::Histogram { breaks, .. }, None) => {
                    let (first, last) = (breaks[0], breaks[breaks.len() - 1]);
                    let (low, high) = found.unwrap_or((first, last));
                    found = Some((low.min(first), high.max(last)));
                }
            }
        }
        let range = match (asked, found) {
            (Some(asked), _) => asked,
            (None, Some((low, high))) => low.ceil() as i64..high.ceil() as i64,
            (None, None) => return Err("there is no leaf".to_string()),
        };
        let size = range.end.checked_sub(range.start).filter(|size| (1..=LARGEST as i64).contains(size));
        size.map(|_| range.clone()).ok_or_else(|| format!("{}..{} are no values, or too many", range.start, range.end))
    }
}

impl Density {
    /// The density at a number.
    fn at(&self, number: f64) -> f64 {
        match self {
            Density::Histogram { breaks, densities } => {
                let after = breaks.partition_point(|at| *at <= number);
                if after == 0 { 0.0 } else { densities.get(after - 1).copied().unwrap_or(0.0) }
            }
            Density::Gaussian { mean, deviation } => {
                let distance = (number - mean) / deviation;
                (-distance * distance / 2.0).exp() / (deviation * (2.0 * std::f64::consts::PI).sqrt())
            }
        }
    }
}
