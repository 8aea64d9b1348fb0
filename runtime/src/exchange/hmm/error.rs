//! What can be wrong with a checkpoint.

use crate::files::FileError;
use crate::parameters::Problem;
use crate::tensors::TensorError;
use std::path::PathBuf;
use thiserror::Error;

/// Why a checkpoint cannot be read or written.
#[derive(Debug, Error)]
pub enum HmmError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The tensors cannot be read.
    #[error(transparent)]
    Tensors(#[from] TensorError),
    /// The configuration is wrong.
    #[error("`{}`: {reason}", .file.display())]
    Config {
        /// The file.
        file: PathBuf,
        /// What is wrong, what was expected.
        reason: String,
    },
    /// A tensor is missing or wrong.
    #[error("`{}`: {problem}", .file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The name for the new files cannot be used.
    #[error("`{}` is no name for the files to write: {reason}", .name.display())]
    Name {
        /// The name.
        name: PathBuf,
        /// Why.
        reason: &'static str,
    },
    /// The circuit is not such a hidden Markov model.
    #[error(
        "circuit `{circuit}` cannot be exported as a hidden Markov model: {reason}; such a model has one chain of \
         categorical variables with one emission table, a dense or Monarch transition that is used at every step, and a \
         dense initial sum"
    )]
    NotHmm {
        /// The circuit.
        circuit: String,
        /// What is different.
        reason: String,
    },
}

impl HmmError {
    /// Whether a file could not be read or written at all.
    pub fn is_file(&self) -> bool {
        matches!(self, HmmError::File(_) | HmmError::Tensors(TensorError::File(_)))
    }
}
