//! safetensors files: tensors by name. Reads F64, F32, F16 and BF16 from a mapped file; writes F32, deterministically.

use crate::files::{self, Bytes, FileError};
use safetensors::tensor::{Dtype, Metadata};
use safetensors::{SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a tensor file cannot be used.
#[derive(Debug, Error)]
pub enum TensorError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not a safetensors file.
    #[error("`{}` is not a usable safetensors file: {reason}", .file.display())]
    Format {
        /// Its name.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A tensor has numbers of a type that is not read.
    #[error("`{}`: tensor `{tensor}` has type {dtype}; F64, F32, F16 and BF16 are read", .file.display())]
    Type {
        /// The file.
        file: PathBuf,
        /// The tensor.
        tensor: String,
        /// Its type.
        dtype: String,
    },
}

/// An open safetensors file.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    bytes: Bytes,
    start: usize,
    metadata: Metadata,
}

impl TensorFile {
    /// Opens a file and reads its header.
    pub fn open(path: &Path) -> Result<TensorFile, TensorError> {
        let bytes = files::read(path)?;
        let fail = |reason: String| TensorError::Format { file: path.to_path_buf(), reason };
        if bytes.is_empty() {
            return Err(fail("the file is empty".to_string()));
        }
        if bytes.get(8) != Some(&b'{') {
            return Err(fail("it does not begin like one".to_string()));
        }
        let (header, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| fail(explain(error)))?;
        let start = header + 8;
        Ok(TensorFile { path: path.to_path_buf(), bytes, start, metadata })
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort();
        names
    }

    /// The shape of a tensor, if there is such a tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// An entry of the file's metadata.
    pub fn note(&self, key: &str) -> Option<&str> {
        self.metadata.metadata().as_ref()?.get(key).map(String::as_str)
    }

    /// Whether a tensor has more digits than [`values`](TensorFile::values) keeps.
    pub fn is_double(&self, name: &str) -> bool {
        self.metadata.info(name).is_some_and(|info| info.dtype == Dtype::F64)
    }

    /// The values of a tensor that is stored in double precision, row-major. None if it is not there, or is stored otherwise.
    pub fn doubles(&self, name: &str) -> Option<Vec<f64>> {
        let info = self.metadata.info(name).filter(|info| info.dtype == Dtype::F64)?;
        let data = &self.bytes[self.start + info.data_offsets.0..self.start + info.data_offsets.1];
        let (values, _) = data.as_chunks::<8>();
        Some(values.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }

    /// The values of a tensor, row-major, rounded to single precision. The tensor must be there.
    pub fn values(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let info = self.metadata.info(name).expect("the caller asked for a tensor that the file has");
        let data = &self.bytes[self.start + info.data_offsets.0..self.start + info.data_offsets.1];
        Ok(match info.dtype {
            Dtype::F32 => decode(data, f32::from_le_bytes),
            Dtype::F64 => decode(data, |bytes| f64::from_le_bytes(bytes) as f32),
            Dtype::F16 => decode(data, |bytes| from_half(u16::from_le_bytes(bytes))),
            Dtype::BF16 => decode(data, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)),
            other => {
                let (file, tensor) = (self.path.clone(), name.to_string());
                return Err(TensorError::Type { file, tensor, dtype: format!("{other:?}") });
            }
        })
    }
}

/// The reasons that a user can do something about, in our words.
fn explain(error: SafeTensorError) -> String {
    match error {
        SafeTensorError::InvalidHeaderLength => "the file ends within its header; it may be truncated".to_string(),
        SafeTensorError::MetadataIncompleteBuffer => {
            "its tensors take another number of bytes than there are; it may be truncated".to_string()
        }
        other => other.to_string(),
    }
}

fn decode<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (values, _) = data.as_chunks::<N>();
    values.iter().map(|bytes| convert(*bytes)).collect()
}

/// IEEE 754 binary16 to binary32; exact.
pub(crate) fn from_half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (bits >> 10 & 31, f32::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + fraction) * 2f32.powi(i32::from(exponent) - 25),
    }
}

/// A tensor to be written: name, shape, values.
pub type Tensor<'a> = (&'a str, Vec<usize>, &'a [f32]);

/// Writes a file of F32 tensors. Equal arguments give equal bytes.
pub fn write(path: &Path, tensors: &[Tensor<'_>], notes: &BTreeMap<&str, String>) -> Result<(), FileError> {
    let mut header = Map::new();
    header.insert("__metadata__".to_string(), json!(notes));
    let mut offset = 0;
    for (name, shape, values) in tensors {
        let end = offset + 4 * values.len();
        header.insert(name.to_string(), json!({ "dtype": "F32", "shape": shape, "data_offsets": [offset, end] }));
        offset = end;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    files::write(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        for (_, _, values) in tensors {
            for chunk in values.chunks(1 << 16) {
                out.write_all(&chunk.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Writes a file with tensors of any type, as another program would.
    pub(crate) fn write_raw(path: &Path, tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (*name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    }

    #[test]
    fn writes_and_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let values = [1.0, f32::NEG_INFINITY, -0.0, 1e-40];
        let notes = BTreeMap::from([("fingerprint", "ab".to_string())]);
        write(&path, &[("b", vec![2, 2], &values), ("a", vec![1], &[3.0])], &notes).unwrap();
        let file = TensorFile::open(&path).unwrap();
        assert_eq!((file.names(), file.shape("b")), (vec!["a".to_string(), "b".to_string()], Some(&[2, 2][..])));
        let back = file.values("b").unwrap();
        assert!(back.iter().zip(values).all(|(a, b)| a.to_bits() == b.to_bits()));
        assert_eq!((file.note("fingerprint"), file.note("other")), (Some("ab"), None));
        let first = std::fs::read(&path).unwrap();
        write(&path, &[("b", vec![2, 2], &values), ("a", vec![1], &[3.0])], &notes).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn reads_other_precisions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let halves: Vec<u8> = [0x3800u16, 0xfc00, 0x0001, 0x7bff].iter().flat_map(|h| h.to_le_bytes()).collect();
        let brains: Vec<u8> = [0x3f00u16, 0xff80].iter().flat_map(|h| h.to_le_bytes()).collect();
        write_raw(
            &path,
            &[
                ("double", Dtype::F64, vec![1], 0.1f64.to_le_bytes().to_vec()),
                ("half", Dtype::F16, vec![4], halves),
                ("brain", Dtype::BF16, vec![2], brains),
                ("int", Dtype::I32, vec![1], vec![0; 4]),
            ],
        );
        let file = TensorFile::open(&path).unwrap();
        assert_eq!(file.values("double").unwrap(), [0.1]);
        assert_eq!(file.values("half").unwrap(), [0.5, f32::NEG_INFINITY, 2f32.powi(-24), 65504.0]);
        assert_eq!(file.values("brain").unwrap(), [0.5, f32::NEG_INFINITY]);
        let error = file.values("int").unwrap_err().to_string();
        assert!(error.ends_with("tensor `int` has type I32; F64, F32, F16 and BF16 are read"), "{error}");
    }

    #[test]
    fn foreign_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        for bytes in [&b""[..], b"circuit hmm", b"\x02\0\0\0\0\0\0\0{}extra"] {
            std::fs::write(&path, bytes).unwrap();
            let error = TensorFile::open(&path).unwrap_err().to_string();
            assert!(error.contains("is not a usable safetensors file"), "{error}");
        }
    }
}
