//! Training from Python: settings, signals and what is reported.

use super::raised;
use danaus_runtime::training::Outcome;
use danaus_runtime::training::config::{Config, Settings};
use danaus_runtime::training::observer::Observer;
use danaus_runtime::training::state::Ending;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt};
use std::fmt::Write;

/// The settings of `danaus train`, from keyword arguments.
pub fn config(settings: &Bound<'_, PyDict>, has_valid: bool) -> PyResult<Config> {
    let mut text = String::new();
    for (name, value) in settings.iter() {
        let written = if value.is_instance_of::<PyBool>() {
            value.extract::<bool>()?.to_string()
        } else if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
            value.repr()?.to_string()
        } else {
            // Rust's escapes of text are those of TOML but for characters that nobody writes.
            format!("{:?}", value.str()?.to_string())
        };
        let _ = writeln!(text, "{} = {written}", name.str()?);
    }
    let settings = Settings::parse(&text).map_err(|error| raised(error.to_string().trim_end()))?;
    settings.resolve(has_valid).map_err(raised)
}

/// Ends a run when the interpreter has a signal, such as Ctrl-C.
#[derive(Default)]
pub struct Signals(Option<PyErr>);

impl Signals {
    /// The exception of the signal.
    pub fn interrupted(self) -> PyResult<()> {
        self.0.map_or(Ok(()), Err)
    }
}

impl Observer for Signals {
    fn stop(&mut self) -> bool {
        if self.0.is_none() {
            self.0 = Python::attach(|py| py.check_signals()).err();
        }
        self.0.is_some()
    }
}

/// How a run ended.
pub fn report<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyDict>> {
    let progress = &outcome.state.progress;
    let ending = match outcome.ending {
        Some(Ending::Done) => "done",
        Some(Ending::Early) => "early",
        None => "stopped",
    };
    let report = PyDict::new(py);
    report.set_item("ending", ending)?;
    report.set_item("epochs", progress.epoch)?;
    report.set_item("updates", progress.updates)?;
    report.set_item("seconds", progress.seconds)?;
    Ok(report)
}
