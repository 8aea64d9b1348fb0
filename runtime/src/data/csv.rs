//! CSV: a row per line, a column per variable, separated by commas, semicolons or tabs. An empty field, `?` or
//! `-1` is missing, the last unless it is a value. If the first line is not a row of values, it names the columns. Names that are the circuit's variables
//! put columns in any order. The file is mapped; an index holds where each row starts.

use super::columns::{Cell, Columns};
use super::{DataError, Rows};
use crate::files::Bytes;
use ::csv::{ByteRecord, Reader, ReaderBuilder, Trim};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// How a missing value is written.
const MISSING: &str = "-1, `?` or an empty field";

/// Bytes that a reader copies at a time.
const BUFFER: usize = 8 << 10;

/// The rows of a file.
#[derive(Debug)]
pub struct CsvRows {
    path: PathBuf,
    bytes: Bytes,
    separator: u8,
    columns: Columns,
    /// For each variable, its field in a row.
    fields: Vec<usize>,
    /// Number of fields in a row.
    width: usize,
    /// Where each row starts: byte and line.
    starts: Vec<(u64, u64)>,
}

impl CsvRows {
    /// Finds the rows and checks every value. With warnings.
    pub fn new(path: &Path, bytes: Bytes, columns: Columns) -> Result<(CsvRows, Vec<String>), DataError> {
        let (fields, width) = ((0..columns.len()).collect(), columns.len());
        let separator = separator(&bytes);
        let path = path.to_path_buf();
        let mut rows = CsvRows { path, bytes, separator, columns, fields, width, starts: Vec::new() };
        let (mut starts, mut warnings) = (Vec::new(), Vec::new());
        let mut reader = reader(&rows.bytes[byte_order_mark(&rows.bytes)..], rows.separator);
        let mut record = ByteRecord::new();
        let mut scratch = vec![0; rows.columns.len()];
        let mut first = true;
        while read(&rows.path, &mut reader, &mut record)? {
            let start = record_start(&rows.bytes, &record);
            if first && is_header(&record) {
                let (fields, width, found) = header(&rows.path, &rows.columns, &record)?;
                warnings.extend(found);
                (rows.fields, rows.width) = (fields, width);
            } else {
                rows.decode(&record, start.1, &mut scratch, 1, 0)?;
                starts.push(start);
            }
            first = false;
        }
        drop(reader);
        if starts.is_empty() {
            return Err(DataError::Empty { file: rows.path, what: "at least one row" });
        }
        rows.starts = starts;
        Ok((rows, warnings))
    }

    /// Writes the indices of one row.
    fn decode(
        &self,
        record: &ByteRecord,
        line: u64,
        out: &mut [u32],
        batch: usize,
        sample: usize,
    ) -> Result<(), DataError> {
        if record.len() != self.width {
            return Err(self.wrong_length(record, line));
        }
        for (column, field) in self.fields.iter().enumerate() {
            let index = self.columns.index(column, cell(&record[*field])).ok_or_else(|| {
                if let Some(error) = self.open_quote(record, line) {
                    return error;
                }
                let place = format!("line {line}, variable `{}`", self.columns.name(column));
                let found = format!("`{}`", String::from_utf8_lossy(&record[*field]));
                DataError::value(&self.path, place, found, self.columns.domain(column), MISSING)
            })?;
            out[column * batch + sample] = index;
        }
        Ok(())
    }

    fn wrong_length(&self, record: &ByteRecord, line: u64) -> DataError {
        if let Some(error) = self.open_quote(record, line) {
            return error;
        }
        if self.width != self.columns.len() {
            let reason = format!("line {line} has {} fields, but the header has {}", record.len(), self.width);
            return DataError::format(&self.path, reason);
        }
        DataError::columns(&self.path, Some(line), record.len(), &self.columns)
    }

    /// A quote that is not closed takes lines into its field; a value never has several lines.
    fn open_quote(&self, record: &ByteRecord, line: u64) -> Option<DataError> {
        let is_open = record.iter().any(|field| field.contains(&b'\n'));
        let reason = format!("line {line} has a field that begins with a quote and goes on over the end of the line");
        is_open.then(|| DataError::format(&self.path, reason))
    }
}

impl Rows for CsvRows {
    fn len(&self) -> usize {
        self.starts.len()
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        let Some(start) = self.starts.get(range.start) else { return Ok(()) };
        let batch = range.len();
        let mut reader = reader(&self.bytes[start.0 as usize..], self.separator);
        let mut record = ByteRecord::new();
        for (sample, row) in range.enumerate() {
            read(&self.path, &mut reader, &mut record)?;
            self.decode(&record, self.starts[row].1, out, batch, sample)?;
        }
        Ok(())
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        let mut record = ByteRecord::new();
        for (sample, row) in rows.iter().enumerate() {
            let (start, line) = self.starts[*row];
            let end = self.starts.get(row + 1).map_or(self.bytes.len(), |next| next.0 as usize);
            let mut reader = reader(&self.bytes[start as usize..end], self.separator);
            read(&self.path, &mut reader, &mut record)?;
            self.decode(&record, line, out, rows.len(), sample)?;
        }
        Ok(())
    }
}

fn reader(bytes: &[u8], separator: u8) -> Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).trim(Trim::All).delimiter(separator);
    builder.buffer_capacity(bytes.len().min(BUFFER));
    builder.from_reader(bytes)
}

fn read(path: &Path, reader: &mut Reader<&[u8]>, record: &mut ByteRecord) -> Result<bool, DataError> {
    reader.read_byte_record(record).map_err(|error| DataError::format(path, error.to_string()))
}

/// The byte and the line at which a record starts; the reader's own position is before blank lines.
fn record_start(bytes: &[u8], record: &ByteRecord) -> (u64, u64) {
    let position = record.position().expect("a record that was read has a position");
    let start = position.byte() as usize + byte_order_mark(bytes);
    let blank = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let (skipped, lines) = blank.fold((0, 0), |(all, lines), byte| (all + 1, lines + u64::from(*byte == b'\n')));
    ((start + skipped) as u64, position.line() + lines)
}

fn byte_order_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

/// The separator that the first line has most of.
fn separator(bytes: &[u8]) -> u8 {
    let line = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or(&[]);
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for byte in line {
        quoted ^= *byte == b'"';
        counts.iter_mut().filter(|(separator, _)| !quoted && separator == byte).for_each(|(_, count)| *count += 1);
    }
    // The first of equal counts.
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(separator, _)| separator)
}

/// What a field says.
fn cell(field: &[u8]) -> Cell {
    let Ok(text) = std::str::from_utf8(field) else { return Cell::Other };
    if text.is_empty() || text == "?" {
        return Cell::Missing;
    }
    if let Ok(value) = text.parse::<i64>() {
        return Cell::Whole(value.into());
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_nan() => Cell::Missing,
        Ok(value) if value.fract() == 0.0 && value.abs() < 1e18 => Cell::Whole(value as i128),
        Ok(value) if value.is_finite() => Cell::Real(value),
        _ => Cell::Other,
    }
}

/// A first line is a header if one of its fields is a name rather than a number.
fn is_header(record: &ByteRecord) -> bool {
    record.iter().any(|field| {
        let is_number = std::str::from_utf8(field).is_ok_and(|text| text.parse::<f64>().is_ok());
        let starts_like_name = field.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
        !is_number && starts_like_name
    })
}

/// The field of each variable, the number of fields, and warnings.
fn header(path: &Path, columns: &Columns, record: &ByteRecord) -> Result<(Vec<usize>, usize, Vec<String>), DataError> {
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let names: Vec<String> = record.iter().map(|field| plain(&String::from_utf8_lossy(field))).collect();
    let places = |column: usize| {
        let wanted = plain(&columns.name(column));
        let found: Vec<usize> = (0..names.len()).filter(|field| names[*field] == wanted).collect();
        found
    };
    let found: Vec<Vec<usize>> = (0..columns.len()).map(places).collect();
    if let Some(column) = found.iter().position(|places| places.len() > 1) {
        return Err(DataError::format(path, format!("the header names variable `{}` twice", columns.name(column))));
    }
    if found.iter().all(|places| places.len() == 1) {
        let fields: Vec<usize> = found.into_iter().flatten().collect();
        let unused: Vec<String> = (0..names.len())
            .filter(|field| !fields.contains(field))
            .map(|field| format!("`{}`", names[field]))
            .collect();
        let warning = format!("`{}`: not variables of the circuit and not used: {}", path.display(), unused.join(", "));
        return Ok((fields, names.len(), if unused.is_empty() { vec![] } else { vec![warning] }));
    }
    if let Some(column) = found.iter().position(Vec::is_empty).filter(|_| found.iter().any(|places| !places.is_empty()))
    {
        let name = columns.name(column);
        let reason = format!("the header has no column `{name}`; it must name all variables of the circuit, or none");
        return Err(DataError::format(path, reason));
    }
    if names.len() != columns.len() {
        return Err(DataError::columns(path, Some(1), names.len(), columns));
    }
    let warning = format!(
        "`{}`: the header does not name the circuit's variables ({}): columns are taken in their order",
        path.display(),
        columns.span()
    );
    Ok(((0..columns.len()).collect(), columns.len(), vec![warning]))
}
