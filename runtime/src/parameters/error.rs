//! What can be wrong with parameters.

use crate::memory::MemoryError;
use crate::tensors::TensorError;
use std::path::PathBuf;
use thiserror::Error;

/// Why there are no parameters.
#[derive(Debug, Error)]
pub enum ParameterError {
    /// The file cannot be read, or is no safetensors file.
    #[error(transparent)]
    Tensors(#[from] TensorError),
    /// Tensors are missing or wrong; all of them are named.
    #[error("`{}` does not fit the circuit `{circuit}`: {}", .file.display(), sentences(.problems))]
    Unfit {
        /// The file.
        file: PathBuf,
        /// The circuit.
        circuit: String,
        /// What is wrong, in the order of the circuit's parameters.
        problems: Vec<Problem>,
    },
    /// They would take more memory than there is.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The plan computes a parameter from itself: a broken plan.
    #[error("parameter `{name}` of the circuit is computed from itself; compile the circuit again")]
    Cycle {
        /// The parameter.
        name: String,
    },
}

impl ParameterError {
    /// Whether a file could not be read at all.
    pub fn is_file(&self) -> bool {
        matches!(self, ParameterError::Tensors(TensorError::File(_)))
    }
}

/// One thing that is wrong with a parameter file.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Problem {
    /// A tensor is not there.
    #[error("tensor `{tensor}` {} is missing; the file has {}", shape(.expected), names(.found))]
    Missing {
        /// Its name.
        tensor: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The tensors that are there.
        found: Vec<String>,
    },
    /// A tensor has another shape.
    #[error("tensor `{tensor}` has shape {}, expected {}", shape(.found), shape(.expected))]
    Shape {
        /// Its name.
        tensor: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor has a number that cannot be one.
    #[error("tensor `{tensor}` has {found} at {}; {expected}", shape(.position))]
    Value {
        /// Its name.
        tensor: String,
        /// Where, by axis.
        position: Vec<usize>,
        /// The number.
        found: f32,
        /// What is allowed.
        expected: &'static str,
    },
}

fn sentences(problems: &[Problem]) -> String {
    match problems {
        [problem] => problem.to_string(),
        problems => problems.iter().map(|problem| format!("\n  {problem}")).collect(),
    }
}

/// `[2, 3]`
pub(super) fn shape(sizes: &[usize]) -> String {
    format!("{sizes:?}")
}

/// A list of names, cut when it is long.
pub(super) fn names(names: &[String]) -> String {
    const MOST: usize = 8;
    let shown: Vec<String> = names.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "no tensors".to_string(),
        count if count > MOST => format!("{} and {} more", shown.join(", "), count - MOST),
        _ => shown.join(", "),
    }
}
