//! A row per line, for texts that are cut into sentences or documents: a line that is shorter than the circuit is filled up with
//! missing values, one that is longer is cut off, which a warning counts. Empty lines are no rows. The index holds where each
//! line starts.

use super::error::count;
use super::symbols::Decode;
use super::{Columns, Data, DataError, Rows, Source, scatter};
use crate::files::Bytes;
use std::ops::Range;

/// Lines of symbols, all for variables of one domain.
pub(super) struct LineRows<D> {
    bytes: Bytes,
    decoder: D,
    columns: Columns,
    missing: u32,
    /// Where each row starts, and where the last one ends.
    places: Vec<u64>,
}

/// The lines that start at `places` (and the end of the last one), all checked; `noun` is what their values are called.
pub(super) fn data<D: Decode + 'static>(
    source: &Source,
    bytes: Bytes,
    places: Vec<u64>,
    decoder: D,
    noun: &str,
    columns: Columns,
) -> Result<Data, DataError> {
    let missing = if columns.is_empty() {
        return Err(DataError::format(source.path(), "the circuit has no variables"));
    } else {
        columns.missing(0)
    };
    let all = LineRows { bytes, decoder, columns, missing, places };
    let lengths = all.lengths()?;
    let filled: Vec<usize> = (0..lengths.len()).filter(|line| lengths[*line] > 0).collect();
    if filled.is_empty() {
        return Err(DataError::Empty { file: source.path().into(), what: "at least one line" });
    }
    let chosen = &filled[source.select(filled.len(), "line")?];
    let mut places: Vec<u64> = chosen.iter().map(|line| all.places[*line]).collect();
    places.push(all.places[chosen[chosen.len() - 1] + 1]);
    let rows = LineRows { places, ..all };
    let width = rows.columns.len();
    let lengths = chosen.iter().map(|line| lengths[*line] as usize);
    let cut = lengths.clone().filter(|len| *len > width).count();
    let warning = format!(
        "`{}`: {cut} of {} {} longer than the {width} variables of the circuit and cut off; the longest has {}",
        source.name().display(),
        count(chosen.len(), "line"),
        if cut == 1 { "is" } else { "are" },
        count(lengths.max().unwrap_or(0), noun)
    );
    let summary = format!("{} of up to {}, one for each line", count(chosen.len(), "row"), count(width, noun));
    Ok(Data { rows: Box::new(rows), summary, warnings: if cut > 0 { vec![warning] } else { Vec::new() } })
}

/// Where the lines of a text start, and where it ends.
pub(super) fn places(text: &[u8]) -> Vec<u64> {
    let mut places = vec![0];
    places.extend((0u64..).zip(text).filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1));
    if places.last() != Some(&(text.len() as u64)) {
        places.push(text.len() as u64);
    }
    places
}

/// The text of a line: without what ends it, and what is behind that.
pub(super) fn text_of(line: &[u8]) -> &[u8] {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or(&[]);
    line.strip_suffix(b"\r").unwrap_or(line)
}

impl<D: Decode> LineRows<D> {
    /// The number of symbols of every line.
    fn lengths(&self) -> Result<Vec<u32>, DataError> {
        (0..self.len()).map(|line| self.symbols(line, usize::MAX, |_, _| {})).collect()
    }

    /// Decodes the first symbols of a line; says how many there were.
    fn symbols(&self, line: usize, most: usize, mut each: impl FnMut(usize, u32)) -> Result<u32, DataError> {
        let (start, limit) = (self.places[line] as usize, self.places[line + 1] as usize);
        let end = start + self.decoder.line(&self.bytes[start..limit]).len();
        let (mut at, mut len) = (start, 0);
        while len < most {
            match self.decoder.next(&self.bytes[..end], &mut at) {
                None => break,
                Some(Err(fault)) => return Err(self.decoder.explain(&self.bytes, fault)),
                Some(Ok(symbol)) => each(len, symbol),
            }
            len += 1;
        }
        Ok(u32::try_from(len).unwrap_or(u32::MAX))
    }

    fn gather(&self, rows: impl ExactSizeIterator<Item = usize>, out: &mut [u32]) -> Result<(), DataError> {
        let (width, batch) = (self.columns.len(), rows.len());
        let mut values = vec![0; width];
        for (sample, row) in rows.enumerate() {
            values.fill(self.missing);
            self.symbols(row, width, |at, symbol| values[at] = symbol)?;
            scatter(&values, out, sample, batch);
        }
        Ok(())
    }
}

impl<D: Decode> Rows for LineRows<D> {
    fn len(&self) -> usize {
        self.places.len() - 1
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        self.gather(range, out)
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        self.gather(rows.iter().copied(), out)
    }
}
