//! Rows that a program made itself.

use super::columns::{Cell, Columns};
use super::{DataError, Rows, scatter};
use danaus_artifact::signature::VariableArray;
use std::ops::Range;
use std::path::Path;

/// Rows held in memory.
#[derive(Clone, Debug)]
pub struct MemoryRows {
    columns: Columns,
    /// `[rows][variables]`
    indices: Vec<u32>,
    len: usize,
}

impl MemoryRows {
    /// Rows of values; `None` is missing.
    pub fn new(variables: &[VariableArray], rows: &[Vec<Option<i64>>]) -> Result<MemoryRows, DataError> {
        let columns = Columns::new(variables);
        let origin = Path::new("memory");
        let mut indices = Vec::with_capacity(rows.len() * columns.len());
        for (number, row) in rows.iter().enumerate() {
            if row.len() != columns.len() {
                return Err(DataError::columns(origin, None, row.len(), &columns));
            }
            for (column, value) in row.iter().enumerate() {
                let cell = value.map_or(Cell::Missing, |value| Cell::Whole(value.into()));
                let index = columns.index(column, cell).ok_or_else(|| {
                    let place = format!("row {number}, variable `{}`", columns.name(column));
                    let found = value.map_or_else(String::new, |value| value.to_string());
                    DataError::value(origin, place, found, columns.domain(column), "None")
                })?;
                indices.push(index);
            }
        }
        Ok(MemoryRows { columns, indices, len: rows.len() })
    }

    /// Rows of value indices `[rows][variables]`, which are legal; a missing value is the number of values of its variable.
    pub fn from_indices(columns: Columns, indices: Vec<u32>) -> MemoryRows {
        let len = indices.len() / columns.len().max(1);
        MemoryRows { columns, indices, len }
    }

    /// One row in which everything is missing.
    pub fn unknown(variables: &[VariableArray]) -> MemoryRows {
        let columns = Columns::new(variables);
        let indices = (0..columns.len()).map(|column| columns.missing(column)).collect();
        MemoryRows { columns, indices, len: 1 }
    }

    fn row(&self, row: usize) -> &[u32] {
        let width = self.columns.len();
        &self.indices[row * width..][..width]
    }
}

impl Rows for MemoryRows {
    fn len(&self) -> usize {
        self.len
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        let batch = range.len();
        range.enumerate().for_each(|(sample, row)| scatter(self.row(row), out, sample, batch));
        Ok(())
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        rows.iter().enumerate().for_each(|(sample, row)| scatter(self.row(*row), out, sample, rows.len()));
        Ok(())
    }
}
