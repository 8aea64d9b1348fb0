//! Arrays in and out: as bytes in the order of the machine, which `danaus/__init__.py` makes NumPy arrays of. So this crate needs nothing of
//! NumPy, and works with any version of it.

use danaus_runtime::data::Columns;
use danaus_runtime::queries::Marginals;
use danaus_runtime::signature::{Domain, VariableArray};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

/// What stands for a missing value in arrays of the package.
const MISSING: i64 = i64::MIN;

/// Numbers that go to Python.
pub trait Number: Copy {
    /// The bytes.
    fn put(self, out: &mut Vec<u8>);
}

impl Number for f32 {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_ne_bytes());
    }
}

impl Number for f64 {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_ne_bytes());
    }
}

impl Number for i64 {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_ne_bytes());
    }
}

/// The bytes of numbers.
pub fn bytes<'py, N: Number>(py: Python<'py>, numbers: impl IntoIterator<Item = N>) -> Bound<'py, PyByteArray> {
    let mut out = Vec::new();
    numbers.into_iter().for_each(|number| number.put(&mut out));
    PyByteArray::new(py, &out)
}

/// Rows of values from their bytes.
pub fn rows(bytes: &[u8], count: usize) -> Vec<Vec<Option<i64>>> {
    let numbers: Vec<i64> = bytes
        .chunks_exact(size_of::<i64>())
        .map(|number| i64::from_ne_bytes(number.try_into().expect("chunks have the length of a number")))
        .collect();
    let width = numbers.len() / count.max(1);
    let row = |row: &[i64]| row.iter().map(|&value| (value != MISSING).then_some(value)).collect();
    numbers.chunks_exact(width.max(1)).map(row).collect()
}

/// Name, extents, first value and number of values.
pub fn variable(array: &VariableArray) -> (String, Vec<usize>, i64, usize) {
    let low = match array.domain {
        Domain::Integer(low, _) => low,
        Domain::Categorical(_) | Domain::Binary | Domain::Real => 0,
    };
    (array.name.clone(), array.shape.clone(), low, array.domain.size())
}

/// Most values of a variable.
pub fn most_values(found: &Marginals) -> usize {
    found.starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// `[rows, variables, most values]`; variables with fewer values than others are filled up with 0.
pub fn probabilities<'py>(py: Python<'py>, found: &Marginals) -> Bound<'py, PyByteArray> {
    let (variables, most) = (found.starts.len() - 1, most_values(found));
    let mut all: Vec<f32> = Vec::with_capacity(found.log_likelihoods.len() * variables * most);
    for row in 0..found.log_likelihoods.len() {
        for variable in 0..variables {
            let end = all.len() + most;
            all.extend_from_slice(found.variable(row, variable));
            all.resize(end, 0.0);
        }
    }
    bytes(py, all)
}

/// Values of indices `[.., variables]`; a missing one is -1.
pub fn values<'py>(py: Python<'py>, columns: &Columns, indices: &[u32]) -> Bound<'py, PyByteArray> {
    let width = columns.len().max(1);
    bytes(py, indices.iter().enumerate().map(|(at, &index)| columns.value(at % width, index).unwrap_or(-1)))
}
