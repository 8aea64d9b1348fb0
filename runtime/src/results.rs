//! Answers as files that other programs read: NumPy arrays and archives of them.
//!
//! Equal answers give equal bytes.

use npyz::npz::NpzWriter;
use npyz::{AutoSerialize, WriteOptions, WriterBuilder};
use std::io::{self, Cursor, Write};
use std::path::Path;
use zip::DateTime;
use zip::write::FileOptions;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One NumPy array.
    Npy,
    /// NumPy arrays with names.
    Npz,
    /// A table of text.
    Csv,
}

impl Format {
    /// By the end of a file's name.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "npy" => Some(Format::Npy),
            "npz" => Some(Format::Npz),
            "csv" => Some(Format::Csv),
            _ => None,
        }
    }
}

/// Writes an array, row-major.
pub fn array<T: AutoSerialize>(out: &mut dyn Write, shape: &[usize], values: &[T]) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&extent| extent as u64).collect();
    let mut writer = WriteOptions::new().default_dtype().shape(&shape).writer(out).begin_nd()?;
    values.iter().try_for_each(|value| writer.push(value))?;
    writer.finish()
}

/// Arrays with names, in the order in which they are added.
pub struct Archive(NpzWriter<Cursor<Vec<u8>>>);

impl Default for Archive {
    fn default() -> Self {
        Archive::new()
    }
}

impl Archive {
    /// No arrays.
    pub fn new() -> Archive {
        Archive(NpzWriter::new(Cursor::new(Vec::new())))
    }

    /// Adds an array, row-major.
    pub fn add<T: AutoSerialize>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        let shape: Vec<u64> = shape.iter().map(|&extent| extent as u64).collect();
        // Archives keep the time of each file; that of writing would make equal answers different.
        let options = FileOptions::default().last_modified_time(DateTime::default());
        let mut writer = self.0.array(name, options)?.default_dtype().shape(&shape).begin_nd()?;
        values.iter().try_for_each(|value| writer.push(value))?;
        writer.finish()
    }

    /// Writes the archive.
    pub fn write(self, out: &mut dyn Write) -> io::Result<()> {
        let mut archive = self.0;
        out.write_all(archive.zip_writer().finish()?.get_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{self, Kind};
    use danaus_artifact::signature::{Domain, VariableArray};

    fn read(path: &Path, array: Option<&str>) -> Vec<u32> {
        let variables = [VariableArray { name: "x".into(), shape: vec![3], domain: Domain::Categorical(5) }];
        let kind = Kind::Table { array: array.map(str::to_string) };
        let rows = data::rows(path, &kind, &variables).unwrap().rows;
        let mut values = vec![0; 3 * rows.len()];
        rows.fill(0..rows.len(), &mut values).unwrap();
        values
    }

    #[test]
    fn what_is_written_can_be_read_as_data() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, packed) = (folder.path().join("a.npy"), folder.path().join("a.npz"));
        let values = [0i32, 1, 2, 3, 4, -1];
        let mut bytes = Vec::new();
        array(&mut bytes, &[2, 3], &values).unwrap();
        std::fs::write(&plain, &bytes).unwrap();
        let archived = || {
            let (mut archive, mut bytes) = (Archive::new(), Vec::new());
            archive.add("values", &[2, 3], &values).unwrap();
            archive.add("others", &[2], &[1.5f64, 2.5]).unwrap();
            archive.write(&mut bytes).unwrap();
            bytes
        };
        std::fs::write(&packed, archived()).unwrap();
        // By variable; 5 is missing.
        assert_eq!(read(&plain, None), [0, 3, 1, 4, 2, 5]);
        assert_eq!(read(&packed, Some("values")), [0, 3, 1, 4, 2, 5]);
        assert_eq!(archived(), archived());
    }

    #[test]
    fn the_name_says_how() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(
            [of("a.npy"), of("a.b.npz"), of("a.csv")],
            [Some(Format::Npy), Some(Format::Npz), Some(Format::Csv)]
        );
        assert_eq!([of("npy"), of("a.txt"), of("-")], [None, None, None]);
    }
}
