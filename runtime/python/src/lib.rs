//! The extension module of the Python package `danaus`: [`danaus_runtime::Model`] with arrays.
//!
//! What users see, with its documentation, is `danaus/__init__.py`; here are the conversions. Whatever computes gives the lock of the
//! interpreter back. Errors are `DanausError` with the text of the Rust error.

mod arrays;
mod learn;

use danaus_runtime::data::Rows;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::queries::{Marginals, Sampling, Stream};
use danaus_runtime::signature::Domain;
use danaus_runtime::{Device, Model, ModelError};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyDict};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};

create_exception!(danaus, DanausError, PyException, "What went wrong, as the command says it.");

/// The Python exception of an error.
fn raised(error: impl Display) -> PyErr {
    DanausError::new_err(error.to_string())
}

/// A model that threads take turns with.
#[pyclass(module = "danaus._danaus")]
struct RawModel(Mutex<Model>);

impl RawModel {
    fn lock(&self) -> MutexGuard<'_, Model> {
        // A panic while a model computes leaves it as it was before.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Computes without the lock of the interpreter.
    fn ask<T: Send>(
        &self,
        py: Python<'_>,
        question: impl FnOnce(&mut Model) -> Result<T, ModelError> + Send,
    ) -> PyResult<T> {
        py.detach(|| question(&mut self.lock())).map_err(raised)
    }

    /// Rows of an array.
    fn rows(&self, py: Python<'_>, (bytes, count): Array<'_>) -> PyResult<MemoryRows> {
        let rows = arrays::rows(bytes, count);
        self.ask(py, |model| Ok(model.rows(&rows)?))
    }

    fn probabilities<'py>(
        &self,
        py: Python<'py>,
        rows: Array<'_>,
        question: fn(&mut Model, &dyn Rows) -> Result<Marginals, ModelError>,
    ) -> PyResult<Probabilities<'py>> {
        let rows = self.rows(py, rows)?;
        let found = self.ask(py, |model| question(model, &rows))?;
        let values = arrays::most_values(&found);
        Ok((arrays::probabilities(py, &found), values, arrays::bytes(py, found.log_likelihoods)))
    }
}

/// A chain that keeps its state, and that threads take turns with.
#[pyclass(module = "danaus._danaus")]
struct RawStream(Mutex<Stream>);

impl RawStream {
    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[pymethods]
impl RawStream {
    #[getter]
    fn position(&self) -> usize {
        self.lock().position()
    }

    #[getter]
    fn is_complete(&self) -> bool {
        self.lock().is_complete()
    }

    #[getter]
    fn log_likelihoods<'py>(&self, py: Python<'py>) -> Bound<'py, PyByteArray> {
        arrays::bytes(py, self.lock().log_likelihoods().to_vec())
    }

    /// `[rows, values]` of the next variable; empty at the end.
    fn next<'py>(&self, py: Python<'py>) -> Bound<'py, PyByteArray> {
        let stream = self.lock();
        let rows = (0..stream.rows()).filter_map(|row| stream.next(row));
        arrays::bytes(py, rows.flatten().copied().collect::<Vec<f32>>())
    }

    fn push(&self, py: Python<'_>, values: Array<'_>) -> PyResult<()> {
        let values: Vec<Option<i64>> = arrays::rows(values.0, values.1).concat();
        py.detach(|| self.lock().push(&values)).map_err(raised)
    }
}

/// The bytes of an array of values, and how many rows it has.
type Array<'a> = (&'a [u8], usize);

/// Probabilities `[rows, variables, values]`, the number of values, and the log-likelihoods.
type Probabilities<'py> = (Bound<'py, PyByteArray>, usize, Bound<'py, PyByteArray>);

#[pymethods]
impl RawModel {
    #[staticmethod]
    fn load(py: Python<'_>, path: &str) -> PyResult<RawModel> {
        let model = py.detach(|| Model::load(path)).map_err(raised)?;
        if model.variables().iter().any(|array| array.domain == Domain::Real) {
            return Err(raised("models with real variables are not available in Python: use the command danaus"));
        }
        Ok(RawModel(Mutex::new(model)))
    }

    fn load_parameters(&self, py: Python<'_>, path: &str) -> PyResult<()> {
        self.ask(py, |model| model.load_parameters(path))
    }

    fn draw_parameters(&self, py: Python<'_>, seed: u64) -> PyResult<()> {
        self.ask(py, |model| model.draw_parameters(seed))
    }

    fn save_parameters(&self, py: Python<'_>, path: &str) -> PyResult<()> {
        self.ask(py, |model| model.save_parameters(path))
    }

    fn on(&self, device: &str) -> PyResult<()> {
        // There is one device, and models are on it.
        device.parse::<Device>().map(|_| ()).map_err(raised)
    }

    fn set_batch(&self, rows: usize) {
        self.lock().set_batch(rows);
    }

    #[getter]
    fn name(&self) -> String {
        self.lock().name().to_string()
    }

    /// Name, extents, first value and number of values of each array.
    #[getter]
    fn variables(&self) -> Vec<(String, Vec<usize>, i64, usize)> {
        let model = self.lock();
        model.variables().iter().map(arrays::variable).collect()
    }

    #[getter]
    fn queries(&self) -> Vec<&'static str> {
        self.lock().queries()
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.lock().warnings().to_vec()
    }

    fn log_likelihood<'py>(&self, py: Python<'py>, rows: Array<'_>) -> PyResult<Bound<'py, PyByteArray>> {
        let rows = self.rows(py, rows)?;
        let found = self.ask(py, |model| model.log_likelihood(&rows))?;
        Ok(arrays::bytes(py, found))
    }

    fn marginals<'py>(&self, py: Python<'py>, rows: Array<'_>) -> PyResult<Probabilities<'py>> {
        self.probabilities(py, rows, Model::marginals)
    }

    fn next<'py>(&self, py: Python<'py>, rows: Array<'_>) -> PyResult<Probabilities<'py>> {
        self.probabilities(py, rows, Model::next)
    }

    fn stream(&self, py: Python<'_>, rows: usize) -> PyResult<RawStream> {
        Ok(RawStream(Mutex::new(self.ask(py, |model| model.stream(rows))?)))
    }

    fn mpe<'py>(
        &self,
        py: Python<'py>,
        rows: Array<'_>,
    ) -> PyResult<(Bound<'py, PyByteArray>, Bound<'py, PyByteArray>, bool)> {
        let rows = self.rows(py, rows)?;
        let found = self.ask(py, |model| model.mpe(&rows))?;
        let values = arrays::values(py, rows.columns(), &found.indices);
        Ok((values, arrays::bytes(py, found.log_likelihoods), found.is_exact))
    }

    fn sample<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        evidence: Option<Array<'_>>,
        seed: u64,
        temperature: f32,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(raised(format!("a temperature is a number greater than 0, not {temperature}")));
        }
        let rows = evidence.map(|rows| self.rows(py, rows)).transpose()?;
        let sampling = Sampling { per_row: n, seed, temperature };
        let found = self.ask(py, |model| model.sample(rows.as_ref().map(|rows| rows as &dyn Rows), sampling))?;
        Ok(arrays::values(py, self.lock().columns(), &found.indices))
    }

    fn train<'py>(
        &self,
        py: Python<'py>,
        rows: Array<'_>,
        valid: Option<Array<'_>>,
        settings: Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let rows = self.rows(py, rows)?;
        let valid = valid.map(|rows| self.rows(py, rows)).transpose()?;
        let config = learn::config(&settings, valid.is_some())?;
        let mut watcher = learn::Signals::default();
        let outcome = self.ask(py, |model| {
            model.train_with(&rows, valid.as_ref().map(|rows| rows as &dyn Rows), &config, &mut watcher)
        })?;
        watcher.interrupted()?;
        learn::report(py, &outcome)
    }
}

#[pymodule]
fn _danaus(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("DanausError", module.py().get_type::<DanausError>())?;
    module.add_class::<RawModel>()?;
    module.add_class::<RawStream>()
}
