//! Several files as one: rows after rows, or sequences after sequences.

use super::{Columns, DataError, Rows, Sequence};
use std::ops::Range;

/// Rows of several sources for the same circuit.
pub struct JoinedRows {
    parts: Vec<Box<dyn Rows>>,
    /// The first row of each part, and the number of rows.
    starts: Vec<usize>,
}

impl JoinedRows {
    /// Joins sources in their order. There must be at least one, and all must be for the same circuit and of the same kind.
    pub fn new(parts: Vec<Box<dyn Rows>>) -> JoinedRows {
        assert!(parts.windows(2).all(|pair| pair[0].columns() == pair[1].columns()), "all parts have the same columns");
        assert!(!parts.is_empty(), "there is at least one part");
        JoinedRows { starts: starts(parts.iter().map(|part| part.len())), parts }
    }
}

impl Rows for JoinedRows {
    fn len(&self) -> usize {
        self.starts[self.parts.len()]
    }

    fn columns(&self) -> &Columns {
        self.parts[0].columns()
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        let (batch, width) = (range.len(), self.columns().len());
        for (part, own, at) in pieces(&self.starts, &range) {
            let len = own.len();
            let mut piece = vec![0; len * width];
            self.parts[part].fill(own, &mut piece)?;
            for (column, values) in piece.chunks_exact(len).enumerate() {
                out[column * batch + at..][..len].copy_from_slice(values);
            }
        }
        Ok(())
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let width = self.columns().len();
        for (part, bounds) in self.starts.windows(2).enumerate() {
            let own = |row: &usize| (bounds[0]..bounds[1]).contains(row);
            let samples: Vec<usize> = (0..rows.len()).filter(|sample| own(&rows[*sample])).collect();
            if samples.is_empty() {
                continue;
            }
            let wanted: Vec<usize> = samples.iter().map(|sample| rows[*sample] - bounds[0]).collect();
            let mut piece = vec![0; samples.len() * width];
            self.parts[part].fill_rows(&wanted, &mut piece)?;
            for (column, values) in piece.chunks_exact(samples.len()).enumerate() {
                for (sample, value) in samples.iter().zip(values) {
                    out[column * rows.len() + sample] = *value;
                }
            }
        }
        Ok(())
    }

    fn log_originals(&self, evidence: &[u32]) -> f64 {
        self.parts[0].log_originals(evidence)
    }
}

/// Sequences of one domain.
pub struct JoinedSequence {
    parts: Vec<Box<dyn Sequence>>,
    /// The first position of each part, and the length.
    starts: Vec<usize>,
}

impl JoinedSequence {
    /// Joins sequences in their order. There must be at least one, and all must be for the same circuit.
    pub fn new(parts: Vec<Box<dyn Sequence>>) -> JoinedSequence {
        assert!(parts.windows(2).all(|pair| pair[0].missing() == pair[1].missing()), "all parts have the same domain");
        assert!(!parts.is_empty(), "there is at least one part");
        JoinedSequence { starts: starts(parts.iter().map(|part| part.len())), parts }
    }
}

impl Sequence for JoinedSequence {
    fn len(&self) -> usize {
        self.starts[self.parts.len()]
    }

    fn missing(&self) -> u32 {
        self.parts[0].missing()
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        let mut values = Vec::with_capacity(range.len());
        for (part, own, _) in pieces(&self.starts, &range) {
            values.extend(self.parts[part].fill(own)?);
        }
        Ok(values)
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        for (part, own, at) in pieces(&self.starts, &(start..start + out.len())) {
            self.parts[part].read(own.start, &mut out[at..][..own.len()])?;
        }
        Ok(())
    }
}

fn starts(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = vec![0];
    for length in lengths {
        starts.push(starts[starts.len() - 1] + length);
    }
    starts
}

/// The parts that a range meets: the part, its own range, and where that is in the whole range.
fn pieces(starts: &[usize], range: &Range<usize>) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
    let (first, end) = (range.start, range.end);
    starts.windows(2).enumerate().filter_map(move |(part, bounds)| {
        let (from, to) = (first.max(bounds[0]), end.min(bounds[1]));
        (from < to).then(|| (part, from - bounds[0]..to - bounds[0], from - first))
    })
}
