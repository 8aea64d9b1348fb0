//! A sequence cut into rows, one value per variable. The last row is filled up with missing values, so that every value counts
//! exactly once: the circuit sums over what is missing.

use super::error::count;
use super::{Columns, Data, DataError, Rows, Sequence, scatter};
use std::ops::Range;
use std::path::Path;

/// The rows of a sequence.
pub struct Chunks {
    sequence: Box<dyn Sequence>,
    columns: Columns,
}

/// Cuts a sequence; `noun` is what its values are called.
pub(super) fn data(sequence: Box<dyn Sequence>, noun: &str, path: &Path, columns: Columns) -> Result<Data, DataError> {
    let width = columns.len();
    if width == 0 {
        return Err(DataError::format(path, "the circuit has no variables"));
    }
    let len = sequence.len();
    let chunks = Chunks { sequence, columns };
    let padding = chunks.len() * width - len;
    let padded = if padding == 0 {
        String::new()
    } else {
        format!(", the last one filled up with {}", count(padding, "missing value"))
    };
    let summary = format!("{} in {} of {width}{padded}", count(len, noun), count(chunks.len(), "row"));
    Ok(Data { rows: Box::new(chunks), summary, warnings: Vec::new() })
}

impl Rows for Chunks {
    fn len(&self) -> usize {
        self.sequence.len().div_ceil(self.columns.len())
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        let (width, batch) = (self.columns.len(), range.len());
        let start = range.start * width;
        let len = self.sequence.len().min(range.end * width) - start;
        let mut symbols = vec![self.sequence.missing(); batch * width];
        self.sequence.read(start, &mut symbols[..len])?;
        symbols.chunks_exact(width).enumerate().for_each(|(sample, row)| scatter(row, out, sample, batch));
        Ok(())
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let width = self.columns.len();
        let mut symbols = vec![0; width];
        for (sample, row) in rows.iter().enumerate() {
            let len = width.min(self.sequence.len() - row * width);
            self.sequence.read(row * width, &mut symbols[..len])?;
            symbols[len..].fill(self.sequence.missing());
            scatter(&symbols, out, sample, rows.len());
        }
        Ok(())
    }
}
