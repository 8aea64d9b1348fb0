//! idx files, the format in which MNIST is published: two bytes 0, a byte for the type, a byte for the number of axes, the
//! extents as big-endian 32-bit numbers, then the elements, big-endian, the last axis fastest. Such a file is an array
//! like those of NumPy: the first axis counts the rows.
//!
//! The format is described at the end of the page "The MNIST database of handwritten digits" by LeCun, Cortes and Burges.

use super::DataError;
use super::npy::{Array, Element};
use crate::files::Bytes;
use npyz::TypeChar;
use std::path::Path;

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\0\0";

/// The code of each type, its kind and its bytes.
const TYPES: [(u8, TypeChar, usize); 6] = [
    (0x08, TypeChar::Uint, 1),
    (0x09, TypeChar::Int, 1),
    (0x0b, TypeChar::Int, 2),
    (0x0c, TypeChar::Int, 4),
    (0x0d, TypeChar::Float, 4),
    (0x0e, TypeChar::Float, 8),
];

/// The array in a file's bytes.
pub(super) fn array(path: &Path, bytes: Bytes) -> Result<Array, DataError> {
    let truncated = || DataError::format(path, "the idx header is truncated");
    let (code, axes) = (*bytes.get(2).ok_or_else(truncated)?, usize::from(*bytes.get(3).ok_or_else(truncated)?));
    let Some((_, kind, size)) = TYPES.iter().find(|(known, _, _)| *known == code) else {
        let reason = format!(
            "the file begins like an idx file, but its type is {code:#04x}; expected 0x08 (unsigned bytes), 0x09, 0x0b, \
             0x0c (integers of 1, 2, 4 bytes), 0x0d or 0x0e (floats of 4 or 8 bytes)"
        );
        return Err(DataError::format(path, reason));
    };
    if axes == 0 {
        return Err(DataError::format(
            path,
            "the idx file has no axes; expected rows, and an axis or more for the variables",
        ));
    }
    let start = 4 + 4 * axes;
    let extents = bytes.get(4..start).ok_or_else(truncated)?.chunks_exact(4);
    let shape: Vec<usize> =
        extents.map(|extent| u32::from_be_bytes(extent.try_into().expect("4 bytes")) as usize).collect();
    let element = Element { kind: *kind, size: *size, big: true };
    let mut strides = vec![1usize; axes];
    for axis in (1..axes).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    let expected = shape.iter().fold(*size, |len, extent| len.saturating_mul(*extent));
    let found = bytes.len() - start;
    if found > expected {
        let reason = format!("the array goes on behind its end: shape {shape:?} takes {expected} bytes, found {found}");
        return Err(DataError::format(path, reason));
    }
    Array::from_parts(path, bytes, start, element, shape, strides)
}
