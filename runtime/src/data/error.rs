//! What can be wrong with data.

use super::columns::{Columns, describe};
use crate::files::FileError;
use danaus_artifact::signature::Domain;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file is not evidence for the circuit.
#[derive(Debug, Error)]
pub enum DataError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// What stands behind its name is no range.
    #[error("`{}`: `{range}` is not a range; write FILE@START..END with whole numbers, either of which may be left out or negative to count from the end", .name.display())]
    Range {
        /// The name with what stands behind it.
        name: PathBuf,
        /// What stands there.
        range: String,
    },
    /// There is nothing in it.
    #[error("`{}` is empty: expected {what}", .file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// It is not what it seemed to be.
    #[error("`{}`: {reason}", .file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// It has too few or too many columns.
    #[error("`{}`{}: found {}, but the circuit has {} ({names})", .file.display(), place(.line), count(*.found, "column"), count(*.expected, "variable"))]
    Columns {
        /// The file.
        file: PathBuf,
        /// The line, if the file has lines.
        line: Option<u64>,
        /// Columns found.
        found: usize,
        /// Columns expected.
        expected: usize,
        /// The variables.
        names: String,
    },
    /// Something is not a value of its variable.
    #[error("`{}` {place}: {found} is not a value of {expected}", .file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// Where.
        place: String,
        /// What stands there.
        found: String,
        /// The variable's domain and how to write a missing value.
        expected: String,
    },
    /// A character is not in the alphabet.
    #[error("`{}` line {line}, column {column}: {found} is not in the alphabet `{alphabet}`; {help}", .file.display())]
    Character {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The character in the line, from 1.
        column: usize,
        /// The character.
        found: String,
        /// The alphabet's name.
        alphabet: String,
        /// What to do.
        help: &'static str,
    },
    /// The circuit's variables cannot hold a sequence.
    #[error("the circuit cannot read {what}: {reason}")]
    Variables {
        /// "text" or "tokens".
        what: &'static str,
        /// Why.
        reason: String,
    },
}

impl DataError {
    /// Whether the file could not be read at all, or was not named well.
    pub fn is_file(&self) -> bool {
        matches!(self, DataError::File(_) | DataError::Range { .. })
    }

    pub(super) fn format(file: &Path, reason: impl Into<String>) -> DataError {
        DataError::Format { file: file.to_path_buf(), reason: reason.into() }
    }

    pub(super) fn columns(file: &Path, line: Option<u64>, found: usize, columns: &Columns) -> DataError {
        DataError::Columns { file: file.to_path_buf(), line, found, expected: columns.len(), names: columns.span() }
    }

    /// `missing` says how this kind of file writes a missing value.
    pub(crate) fn value(file: &Path, place: String, found: String, domain: Domain, missing: &str) -> DataError {
        let missing = match domain {
            Domain::Integer(lo, hi) if (lo..hi).contains(&-1) => missing.trim_start_matches("-1, ").to_string(),
            Domain::Real => missing.trim_start_matches("-1, ").trim_start_matches("or ").to_string(),
            _ => missing.to_string(),
        };
        let expected = format!("{}; a missing value is {missing}", describe(domain));
        DataError::Value { file: file.to_path_buf(), place, found, expected }
    }
}

/// `1 row`, `2 rows`
pub(super) fn count(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn place(line: &Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" line {line}"))
}
