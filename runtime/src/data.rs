//! Evidence from files: rows of value indices, checked against the circuit's variables when a file is opened.
//!
//! * [`columns`]: what the circuit expects; [`error`]: what can be wrong
//! * [`source`]: which part of which file; [`selected`] is that part of what is read
//! * [`npy`], [`idx`], [`csv`]: tables, a row per sample, told by their content in [`table`]
//! * [`images`]: pixels of PNG and WebP files, folders, sheets and arrays
//! * [`text`], [`tokens`]: sequences; [`chunks`] cuts them into rows, [`lines`] takes each line as a row
//! * [`tokenizer`], [`encoded`]: texts as tokens of a learnt vocabulary (needs the feature `tokenizers`)
//! * [`joined`]: several files as one
//! * [`memory`]: rows that a program made itself
//!
//! Files are mapped, not loaded: what is held in memory is an index, at most a few bytes per row. Any rows can be read in
//! any order: training shuffles their numbers.

pub mod chunks;
pub mod columns;
pub mod compressed;
pub mod csv;
#[cfg(feature = "tokenizers")]
pub mod encoded;
pub mod error;
mod fixed;
pub mod idx;
pub mod images;
pub mod joined;
pub mod lines;
pub mod memory;
pub mod npy;
pub mod selected;
pub mod source;
mod symbols;
pub mod table;
#[cfg(test)]
mod tests;
pub mod text;
#[cfg(feature = "tokenizers")]
pub mod tokenizer;
pub mod tokens;

pub use columns::{Cell, Columns};
pub use error::DataError;
pub use images::{Colors, Images};
pub use source::Source;
pub use text::Alphabet;
pub use tokens::TokenFormat;

use danaus_artifact::signature::{Domain, VariableArray};
use std::ops::Range;
use std::path::Path;
#[cfg(feature = "tokenizers")]
use std::path::PathBuf;

/// Samples of all variables.
pub trait Rows {
    /// The number of rows.
    fn len(&self) -> usize;

    /// The variables.
    fn columns(&self) -> &Columns;

    /// Writes value indices as `[variables][rows of the range]`; a missing value is the number of values of its variable.
    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError>;

    /// Like [`fill`](Rows::fill) for rows of any numbers, in the order given: `[variables][rows.len()]`.
    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let mut values = vec![0; self.columns().len()];
        for (sample, row) in rows.iter().enumerate() {
            self.fill(*row..*row + 1, &mut values)?;
            scatter(&values, out, sample, rows.len());
        }
        Ok(())
    }

    /// The logarithm of the number of originals that rows of evidence `[variables][rows]` stand for, added up: 0 if what was read can be
    /// had back from the values. Bits per dimension are those of one original.
    fn log_originals(&self, _evidence: &[u32]) -> f64 {
        0.0
    }

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Writes the values of one row into its place among `batch` rows.
fn scatter(values: &[u32], out: &mut [u32], sample: usize, batch: usize) {
    for (place, value) in out[sample..].iter_mut().step_by(batch).zip(values) {
        *place = *value;
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

    /// Writes the value indices from `start` on; there are at least as many.
    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        out.copy_from_slice(&self.fill(start..start + out.len())?);
        Ok(())
    }

    /// Whether there are no values.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A row per sample: `.npy`, `.npz`, idx or CSV, told by the content.
    Table {
        /// The name of the array in an `.npz` with several.
        array: Option<String>,
    },
    /// Images or patches of them, a row each.
    Images(Images),
    /// Text, cut into rows.
    Text(Alphabet),
    /// Token ids, cut into rows. Without a format, the name's end and the content tell.
    Tokens(Option<TokenFormat>),
    /// Text that is read as the tokens of the tokenizer in a file, cut into rows.
    #[cfg(feature = "tokenizers")]
    Encoded(PathBuf),
    /// A row per line of text: shorter ones are filled up with missing values, longer ones are cut off.
    Lines(Lines),
}

/// What is in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Characters.
    Text(Alphabet),
    /// Token ids, as numbers in text.
    Tokens,
    /// Text that is read as the tokens of the tokenizer in a file.
    #[cfg(feature = "tokenizers")]
    Encoded(PathBuf),
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

/// Opens a file, or the part of it that is named (see [`source`]), as rows of a circuit's variables and checks all of it.
pub fn rows(path: &Path, kind: &Kind, variables: &[VariableArray]) -> Result<Data, DataError> {
    let columns = Columns::new(variables);
    let source = Source::find(path)?;
    if !matches!(kind, Kind::Table { .. }) {
        refuse_real(variables)?;
    }
    match kind {
        Kind::Table { array } => table::open(&source, array.as_deref(), columns),
        Kind::Images(images) => images::open(&source, images, columns),
        Kind::Text(alphabet) => chunks::data(text::open(&source, alphabet, &columns)?, "character", path, columns),
        Kind::Tokens(format) => chunks::data(tokens::open(&source, *format, &columns)?, "token", path, columns),
        #[cfg(feature = "tokenizers")]
        Kind::Encoded(tokenizer) => chunks::data(encoded::open(&source, tokenizer, &columns)?, "token", path, columns),
        Kind::Lines(Lines::Text(alphabet)) => text::lines(&source, alphabet, columns),
        Kind::Lines(Lines::Tokens) => tokens::lines(&source, columns),
        #[cfg(feature = "tokenizers")]
        Kind::Lines(Lines::Encoded(tokenizer)) => encoded::lines(&source, tokenizer, columns),
    }
}

/// Real variables are read from tables only.
fn refuse_real(variables: &[VariableArray]) -> Result<(), DataError> {
    match variables.iter().find(|array| array.domain == Domain::Real) {
        None => Ok(()),
        Some(array) => {
            let reason = format!("its variables `{}` are real, and read from tables only", array.name);
            Err(DataError::Variables { what: "images, text and sequences", reason })
        }
    }
}

/// Opens a file, or the part of it that is named (see [`source`]), as one long sequence of values of the circuit's (equal)
/// variables and checks all of it.
pub fn sequence(path: &Path, kind: &Kind, variables: &[VariableArray]) -> Result<Box<dyn Sequence>, DataError> {
    let columns = Columns::new(variables);
    let source = Source::find(path)?;
    refuse_real(variables)?;
    match kind {
        Kind::Table { .. } => tokens::open(&source, None, &columns),
        Kind::Text(alphabet) => text::open(&source, alphabet, &columns),
        Kind::Tokens(format) => tokens::open(&source, *format, &columns),
        #[cfg(feature = "tokenizers")]
        Kind::Encoded(tokenizer) => encoded::open(&source, tokenizer, &columns),
        Kind::Images(_) => Err(DataError::format(path, "images are rows of their own, not one sequence")),
        Kind::Lines(_) => Err(DataError::format(path, "lines are rows of their own, not one sequence")),
    }
}
