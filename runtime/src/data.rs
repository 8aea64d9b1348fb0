//! Evidence from files: rows of value indices, checked against the circuit's variables when a file is opened.
//!
//! * [`columns`]: what the circuit expects; [`error`]: what can be wrong
//! * [`npy`], [`csv`]: tables, a row per sample
//! * [`text`], [`tokens`]: sequences; [`chunks`] cuts them into rows
//! * [`joined`]: several files as one
//! * [`memory`]: rows that a program made itself
//!
//! Files are mapped, not loaded: what is held in memory is an index, at most a few bytes per row.

pub mod chunks;
pub mod columns;
pub mod csv;
pub mod error;
pub mod joined;
pub mod memory;
pub mod npy;
mod symbols;
#[cfg(test)]
mod tests;
pub mod text;
pub mod tokens;

pub use columns::Columns;
pub use error::DataError;
pub use text::Alphabet;
pub use tokens::TokenFormat;

use crate::files;
use danaus_artifact::signature::VariableArray;
use std::ops::Range;
use std::path::Path;

/// Samples of all variables.
pub trait Rows {
    /// The number of rows.
    fn len(&self) -> usize;

    /// The variables.
    fn columns(&self) -> &Columns;

    /// Writes value indices as `[variables][rows of the range]`; a missing value is the number of values of its variable.
    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError>;

    /// Like [`fill`](Rows::fill), for rows in any order.
    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let mut one = vec![0; self.columns().len()];
        for (sample, row) in rows.iter().enumerate() {
            self.fill(*row..row + 1, &mut one)?;
            for (column, value) in one.iter().enumerate() {
                out[column * rows.len() + sample] = *value;
            }
        }
        Ok(())
    }

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One long sequence of values of one domain.
pub trait Sequence {
    /// The number of values.
    fn len(&self) -> usize;

    /// The index that stands for a missing value.
    fn missing(&self) -> u32;

    /// The value indices in a range.
    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError>;

    /// Whether there are no values.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A row per sample: `.npy`, `.npz` or CSV, told by the content.
    Table {
        /// The name of the array in an `.npz` with several.
        array: Option<String>,
    },
    /// Text, cut into rows.
    Text(Alphabet),
    /// Token ids, cut into rows. Without a format, the name's end and the content tell.
    Tokens(Option<TokenFormat>),
}

/// Rows from a file.
pub struct Data {
    /// The rows.
    pub rows: Box<dyn Rows>,
    /// How many there are and what they cover, for people: `5000 characters in 20 rows of 256`.
    pub summary: String,
    /// Whole sentences.
    pub warnings: Vec<String>,
}

/// Opens a file as rows of a circuit's variables and checks all of it.
pub fn rows(path: &Path, kind: &Kind, variables: &[VariableArray]) -> Result<Data, DataError> {
    let columns = Columns::new(variables);
    match kind {
        Kind::Table { array } => table(path, array.as_deref(), columns),
        Kind::Text(alphabet) => chunks::data(text::open(path, alphabet, &columns)?, "character", path, columns),
        Kind::Tokens(format) => chunks::data(tokens::open(path, *format, &columns)?, "token", path, columns),
    }
}

/// Opens a file as one long sequence of values of the circuit's (equal) variables and checks all of it.
pub fn sequence(path: &Path, kind: &Kind, variables: &[VariableArray]) -> Result<Box<dyn Sequence>, DataError> {
    let columns = Columns::new(variables);
    match kind {
        Kind::Table { .. } => tokens::open(path, None, &columns),
        Kind::Text(alphabet) => text::open(path, alphabet, &columns),
        Kind::Tokens(format) => tokens::open(path, *format, &columns),
    }
}

fn table(path: &Path, array: Option<&str>, columns: Columns) -> Result<Data, DataError> {
    let bytes = files::read(path)?;
    if bytes.is_empty() {
        return Err(DataError::Empty { file: path.into(), what: "data" });
    }
    let (rows, warnings): (Box<dyn Rows>, Vec<String>) = if bytes.starts_with(npy::MAGIC) {
        (Box::new(npy::NpyRows::new(npy::Array::new(path, bytes)?, columns)?), Vec::new())
    } else if bytes.starts_with(b"PK") {
        (Box::new(npy::NpyRows::new(npy::Array::from_archive(path, &bytes, array)?, columns)?), Vec::new())
    } else {
        let (rows, warnings) = csv::CsvRows::new(path, bytes, columns)?;
        (Box::new(rows), warnings)
    };
    let summary = error::count(rows.len(), "row");
    Ok(Data { rows, summary, warnings })
}
