//! A part of rows or of a sequence: the range behind a file's name.

use super::{Columns, DataError, Rows, Sequence, Source};
use std::ops::Range;

/// Rows of a range of rows.
pub struct SelectedRows {
    rows: Box<dyn Rows>,
    range: Range<usize>,
}

impl SelectedRows {
    /// The part that a source names.
    pub(super) fn of(rows: Box<dyn Rows>, source: &Source) -> Result<Box<dyn Rows>, DataError> {
        let range = source.select(rows.len(), "row")?;
        Ok(if range == (0..rows.len()) { rows } else { Box::new(SelectedRows { rows, range }) })
    }
}

impl Rows for SelectedRows {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn columns(&self) -> &Columns {
        self.rows.columns()
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        self.rows.fill(self.range.start + range.start..self.range.start + range.end, out)
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let rows: Vec<usize> = rows.iter().map(|row| self.range.start + row).collect();
        self.rows.fill_rows(&rows, out)
    }

    fn log_originals(&self, evidence: &[u32]) -> f64 {
        self.rows.log_originals(evidence)
    }
}

/// Values of a range of a sequence.
pub struct SelectedSequence {
    sequence: Box<dyn Sequence>,
    range: Range<usize>,
}

impl SelectedSequence {
    /// The part that a source names; `noun` is what the values are called.
    pub(super) fn of(sequence: Box<dyn Sequence>, source: &Source, noun: &str) -> Result<Box<dyn Sequence>, DataError> {
        let range = source.select(sequence.len(), noun)?;
        Ok(if range == (0..sequence.len()) { sequence } else { Box::new(SelectedSequence { sequence, range }) })
    }
}

impl Sequence for SelectedSequence {
    fn len(&self) -> usize {
        self.range.len()
    }

    fn missing(&self) -> u32 {
        self.sequence.missing()
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        let (start, end) = (range.start.min(self.len()), range.end.min(self.len()));
        self.sequence.fill(self.range.start + start..self.range.start + end)
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        self.sequence.read(self.range.start + start, out)
    }
}
