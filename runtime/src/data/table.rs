//! Tables: a row per sample. What a file is, its content tells: NumPy arrays and archives, idx files and gzip by their first
//! bytes, anything else is CSV.

use super::selected::SelectedRows;
use super::{Columns, Data, DataError, Rows, Source, compressed, csv, error, idx, images, npy};
use crate::files;
use std::path::Path;

/// Opens a table and checks every value.
pub(super) fn open(source: &Source, array: Option<&str>, columns: Columns) -> Result<Data, DataError> {
    let path = source.path();
    let bytes = compressed::unpack(path, files::read(path)?)?;
    if bytes.is_empty() {
        return Err(DataError::Empty { file: path.into(), what: "data" });
    }
    let (rows, warnings): (Box<dyn Rows>, Vec<String>) = if bytes.starts_with(npy::MAGIC) {
        (Box::new(npy::NpyRows::new(npy::Array::new(path, bytes)?, columns)?), Vec::new())
    } else if bytes.starts_with(idx::MAGIC) {
        (Box::new(npy::NpyRows::new(idx::array(path, bytes)?, columns)?), Vec::new())
    } else if bytes.starts_with(b"PK") {
        (Box::new(npy::NpyRows::new(npy::Array::from_archive(path, &bytes, array, None)?, columns)?), Vec::new())
    } else if images::is_picture(&bytes) {
        return Err(DataError::format(
            path,
            "the file is a picture; say what its colors are, for example --images rgb",
        ));
    } else if let Some(extension) = numpy_extension(path) {
        return Err(DataError::format(
            path,
            format!(
                "expected a NumPy file, for its name ends in `.{extension}`, but it does not begin like one; write it again with \
                 `numpy.save`, or rename it to `.csv` if it is text"
            ),
        ));
    } else {
        let (rows, warnings) = csv::CsvRows::new(path, bytes, columns)?;
        (Box::new(rows), warnings)
    };
    let rows = SelectedRows::of(rows, source)?;
    let summary = error::count(rows.len(), "row");
    Ok(Data { rows, summary, warnings })
}

/// The extension of a name that promises NumPy.
fn numpy_extension(path: &Path) -> Option<&str> {
    path.extension().and_then(|extension| extension.to_str()).filter(|extension| ["npy", "npz"].contains(extension))
}
