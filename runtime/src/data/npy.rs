//! NumPy arrays `[rows, variables..]` of any integer, boolean or float type, either byte order, C or Fortran order.
//! Floats must hold whole numbers unless the variable is real; NaN is missing, and so is -1 where it is no value. An array of an archive is unpacked into a temporary file, so
//! that memory does not grow with it.

use super::columns::{Cell, Columns};
use super::{DataError, Rows};
use crate::files::{self, Bytes, FileError};
use crate::tensors::from_half;
use npyz::npz::NpzArchive;
use npyz::{DType, Endianness, NpyHeader, TypeChar};
use std::io::{self, Cursor, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The first bytes of an array file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// How a missing value is written.
const MISSING: &str = "-1, or NaN in an array of floats";

/// Rows that are decoded and checked at a time.
const CHECKED: usize = 256;

/// An array of numbers, mapped.
#[derive(Debug)]
pub struct Array {
    path: PathBuf,
    bytes: Bytes,
    start: usize,
    element: Element,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// How a number is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Integers, floats, ..
    pub kind: TypeChar,
    /// Bytes.
    pub size: usize,
    /// Whether the most significant byte is first.
    pub big: bool,
}

impl Array {
    /// The array in a file's bytes.
    pub fn new(path: &Path, bytes: Bytes) -> Result<Array, DataError> {
        check_header_length(path, &bytes)?;
        let mut cursor = Cursor::new(&bytes[..]);
        let header = NpyHeader::from_reader(&mut cursor).map_err(|error| damaged(path, &error))?;
        let start = cursor.position() as usize;
        Array::with_header(path, bytes, start, &header)
    }

    /// An array of an archive: the one with a name, or the only one, or the one with the usual name.
    pub fn from_archive(
        path: &Path,
        bytes: &[u8],
        name: Option<&str>,
        usual: Option<&str>,
    ) -> Result<Array, DataError> {
        let fail = |error: io::Error| DataError::format(path, format!("the archive cannot be read: {error}"));
        let mut archive = NpzArchive::new(Cursor::new(bytes)).map_err(fail)?;
        let mut names: Vec<String> = archive.array_names().map(str::to_string).collect();
        names.sort();
        let listed = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let name = match (name, names.as_slice()) {
            (Some(name), _) => name.to_string(),
            (None, [only]) => only.clone(),
            (None, several) if usual.is_some_and(|usual| several.iter().any(|name| name == usual)) => {
                usual.expect("it was just found").to_string()
            }
            (None, []) => return Err(DataError::format(path, "the archive has no arrays")),
            (None, _) => {
                let reason = format!("the archive has several arrays: {listed}; name the one that holds the data");
                return Err(DataError::format(path, reason));
            }
        };
        let missing = || DataError::format(path, format!("the archive has no array `{name}`; it has {listed}"));
        let file = archive.by_name(&name).map_err(fail)?.ok_or_else(missing)?;
        let header = file.header().clone();
        let (element, _) = layout(path, &header)?;
        let mut data = file.into_inner().take(header.len().saturating_mul(element.size as u64));
        let unpacked = tempfile::tempfile().and_then(|mut unpacked| {
            io::copy(&mut data, &mut unpacked)?;
            unpacked.rewind()?;
            files::map(unpacked)
        });
        let bytes = unpacked.map_err(FileError::read(path))?;
        Array::with_header(path, bytes, 0, &header)
    }

    fn with_header(path: &Path, bytes: Bytes, start: usize, header: &NpyHeader) -> Result<Array, DataError> {
        let (element, shape) = layout(path, header)?;
        let strides = header.strides().iter().map(|stride| *stride as usize).collect();
        Array::from_parts(path, bytes, start, element, shape, strides)
    }

    /// The array whose elements begin at a byte; strides count elements.
    pub(super) fn from_parts(
        path: &Path,
        bytes: Bytes,
        start: usize,
        element: Element,
        shape: Vec<usize>,
        strides: Vec<usize>,
    ) -> Result<Array, DataError> {
        let len = shape.iter().try_fold(element.size, |len, size| len.checked_mul(*size));
        let found = bytes.len() - start;
        if len.is_none_or(|len| found < len) {
            let expected = len.map_or("more".to_string(), |len| len.to_string());
            let reason = format!("the array is truncated: shape {shape:?} takes {expected} bytes, found {found}");
            return Err(DataError::format(path, reason));
        }
        Ok(Array { path: path.to_path_buf(), bytes, start, element, shape, strides })
    }

    /// The extents.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Elements from one entry of an axis to the next.
    pub fn strides(&self) -> &[usize] {
        &self.strides
    }

    /// The element at an offset in elements.
    pub fn cell(&self, offset: usize) -> Cell {
        let size = self.element.size;
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&self.bytes[self.start + offset * size..][..size]);
        if self.element.big {
            bytes[..size].reverse();
        }
        let bits = u64::from_le_bytes(bytes);
        match self.element.kind {
            TypeChar::Int => {
                let unused = 64 - 8 * size as u32;
                Cell::Whole(i128::from((bits << unused) as i64 >> unused))
            }
            TypeChar::Float => whole(match size {
                2 => f64::from(from_half(bits as u16)),
                4 => f64::from(f32::from_bits(bits as u32)),
                _ => f64::from_bits(bits),
            }),
            _ => Cell::Whole(bits.into()),
        }
    }

    /// How a missing value is written.
    fn missing(&self) -> &'static str {
        if self.element.kind == TypeChar::Uint { "not possible in an array of unsigned numbers" } else { MISSING }
    }

    /// The element at an offset, for messages.
    pub fn show(&self, offset: usize) -> String {
        match self.cell(offset) {
            Cell::Whole(value) => value.to_string(),
            Cell::Missing => "NaN".to_string(),
            Cell::Real(value) => value.to_string(),
            Cell::Other => "infinity".to_string(),
        }
    }
}

fn whole(value: f64) -> Cell {
    if value.is_nan() {
        Cell::Missing
    } else if value.fract() == 0.0 && value.is_finite() {
        Cell::Whole(value as i128)
    } else if value.is_finite() {
        Cell::Real(value)
    } else {
        Cell::Other
    }
}

/// A header's length is compared with the file's before room is made for it.
fn check_header_length(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let len = match (bytes.get(6), bytes.get(8..12)) {
        (Some(1), Some(len)) => usize::from(u16::from_le_bytes([len[0], len[1]])),
        (Some(_), Some(len)) => u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize,
        _ => usize::MAX,
    };
    if len > bytes.len() { Err(DataError::format(path, "the array's header is truncated")) } else { Ok(()) }
}

fn damaged(path: &Path, error: &io::Error) -> DataError {
    DataError::format(path, format!("the array's header cannot be read: {error}"))
}

/// The element type and shape, if they can be data.
fn layout(path: &Path, header: &NpyHeader) -> Result<(Element, Vec<usize>), DataError> {
    let dtype = header.dtype();
    let fail = || {
        let reason = format!("the array has type {}; expected integers, booleans or floats", dtype.descr());
        DataError::format(path, reason)
    };
    let DType::Plain(plain) = &dtype else { return Err(fail()) };
    let (kind, size) = (plain.type_char(), plain.num_bytes().unwrap_or(0));
    let known = match kind {
        TypeChar::Bool => size == 1,
        TypeChar::Int | TypeChar::Uint => [1, 2, 4, 8].contains(&size),
        TypeChar::Float => [2, 4, 8].contains(&size),
        _ => false,
    };
    if !known {
        return Err(fail());
    }
    let shape = header.shape().iter().map(|size| *size as usize).collect();
    Ok((Element { kind, size, big: plain.endianness() == Endianness::Big }, shape))
}

/// The rows of an array.
#[derive(Debug)]
pub struct NpyRows {
    array: Array,
    columns: Columns,
    /// Elements from a row's first value to each of its values.
    offsets: Vec<usize>,
}

impl NpyRows {
    /// Checks the shape and every value.
    pub fn new(array: Array, columns: Columns) -> Result<NpyRows, DataError> {
        let shape = array.shape.as_slice();
        let found = shape.get(1..).map_or(0, |shape| shape.iter().product());
        if shape.is_empty() || found != columns.len() {
            if shape.len() == 1 && shape[0] == columns.len() {
                let reason = format!(
                    "the array has shape {shape:?}: one axis; for one row, make its shape [1, {}]",
                    columns.len()
                );
                return Err(DataError::format(&array.path, reason));
            }
            if shape.len() != 1 || columns.len() != 1 {
                let found = if shape.len() < 2 { shape.len() } else { found };
                return Err(DataError::columns(&array.path, None, found, &columns));
            }
        }
        if shape[0] == 0 {
            return Err(DataError::Empty { file: array.path, what: "at least one row" });
        }
        let offsets = (0..columns.len()).map(|column| column_offset(&array, column)).collect();
        let rows = NpyRows { array, columns, offsets };
        let mut scratch = vec![0; CHECKED * rows.columns.len()];
        for first in (0..rows.len()).step_by(CHECKED) {
            let range = first..rows.len().min(first + CHECKED);
            let scratch = &mut scratch[..range.len() * rows.columns.len()];
            rows.fill(range, scratch)?;
        }
        Ok(rows)
    }

    fn gather(&self, rows: impl ExactSizeIterator<Item = usize>, out: &mut [u32]) -> Result<(), DataError> {
        let batch = rows.len();
        for (sample, row) in rows.enumerate() {
            for (column, offset) in self.offsets.iter().enumerate() {
                let offset = row * self.array.strides[0] + offset;
                let index = self.columns.index(column, self.array.cell(offset)).ok_or_else(|| {
                    let place = format!("row {row}, variable `{}`", self.columns.name(column));
                    let domain = self.columns.domain(column);
                    DataError::value(&self.array.path, place, self.array.show(offset), domain, self.array.missing())
                })?;
                out[column * batch + sample] = index;
            }
        }
        Ok(())
    }
}

/// Elements from a row's first value to the value of a column; columns count the last axis fastest.
fn column_offset(array: &Array, column: usize) -> usize {
    let mut rest = column;
    let mut offset = 0;
    for (size, stride) in array.shape.iter().zip(&array.strides).skip(1).rev() {
        offset += rest % size * stride;
        rest /= size;
    }
    offset
}

impl Rows for NpyRows {
    fn len(&self) -> usize {
        self.array.shape[0]
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
