//! A compiled circuit with its parameters: what most programs need.
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
//! # fn main() -> Result<(), danaus_runtime::ModelError> {
//! # let (_folder, path) = weather();
//! use danaus_runtime::{Device, Model};
//!
//! // Compiled by `danaus compile examples/weather.pc -o weather.pcb`.
//! let mut model = Model::load(&path)?.on(Device::Cpu)?;
//!
//! // Rain, rainbow, wet: it rained, there was no rainbow, the street was wet. Then a day of which only the street is known.
//! let days = model.rows(&[vec![Some(1), Some(0), Some(1)], vec![None, None, Some(1)]])?;
//! let found = model.log_likelihood(&days)?;
//! assert!((found[0] - 0.456f64.ln()).abs() < 1e-6);
//!
//! let marginals = model.marginals(&days)?;
//! assert!((marginals.variable(1, 0)[1] - 0.57 / 0.61).abs() < 1e-6, "how probable rain is if the street is wet");
//! # Ok(())
//! # }
//! ```
//!
//! Parameters that the program does not give come from a file ([`Model::with_parameters`]) or are drawn
//! ([`Model::with_random_parameters`]); [`Model::train`] makes them fit data. Data of any kind is read by [`crate::data`].

mod ask;
mod error;
mod learn;

pub use ask::{Mpe, Samples};
pub use error::ModelError;

use crate::artifact;
use crate::data::memory::MemoryRows;
use crate::data::{Columns, DataError};
use crate::parameters::{self, Loaded, Parameters};
use crate::queries::QuerySession;
use crate::session::{Session, usual_batch};
use danaus_artifact::file::Artifact;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::Plan;
use danaus_artifact::queries::Queries;
use danaus_artifact::signature::{Init, VariableArray};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// Where circuits run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// All cores of this machine.
    #[default]
    Cpu,
}

impl FromStr for Device {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Device, ModelError> {
        match name {
            "cpu" => Ok(Device::Cpu),
            _ => Err(ModelError::Device { name: name.to_string() }),
        }
    }
}

/// A compiled circuit with its parameters.
pub struct Model {
    plan: Arc<Plan>,
    columns: Columns,
    flows: Option<Arc<FlowPlan>>,
    queries: Queries,
    parameters: Option<Parameters>,
    warnings: Vec<String>,
    batch: usize,
    /// What is on the device: made when it is first asked.
    ready: Ready,
}

/// Sessions with the current parameters.
#[derive(Default)]
struct Ready {
    likelihood: Option<Session>,
    marginal: Option<QuerySession>,
    sample: Option<QuerySession>,
    mpe: Option<QuerySession>,
}

impl Model {
    /// Loads a compiled circuit (`.pcb`). If all of its numbers are given in the program, it is ready to be asked.
    pub fn load(path: impl AsRef<Path>) -> Result<Model, ModelError> {
        Model::from_artifact(artifact::open(path.as_ref())?)
    }

    /// A compiled circuit that has been read already.
    pub fn from_artifact(artifact: Artifact) -> Result<Model, ModelError> {
        let (plan, flows, queries) = artifact.into_plans();
        let mut model = Model {
            columns: Columns::new(&plan.variables),
            batch: usual_batch(&plan),
            plan: Arc::new(plan),
            flows: flows.map(Arc::new),
            queries: queries.unwrap_or_default(),
            parameters: None,
            warnings: Vec::new(),
            ready: Ready::default(),
        };
        if model.random_parameters().next().is_none() {
            model.take(parameters::init(&model.plan, 0, None)?);
        }
        Ok(model)
    }

    /// Takes the parameters from a `.safetensors` file.
    pub fn with_parameters(mut self, path: impl AsRef<Path>) -> Result<Model, ModelError> {
        self.load_parameters(path)?;
        Ok(self)
    }

    /// As [`with_parameters`](Model::with_parameters), in place; after an error the model has the parameters it had.
    pub fn load_parameters(&mut self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        let loaded = parameters::load(path.as_ref(), &self.plan)?;
        self.take(loaded);
        Ok(())
    }

    /// Draws random parameters, the same for the same seed on every machine.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (folder, path) = weather();
    /// use danaus_runtime::Model;
    ///
    /// let model = Model::load(&path)?.with_random_parameters(7)?;
    /// model.save_parameters(folder.path().join("start.safetensors"))?;
    /// let again = Model::load(&path)?.with_parameters(folder.path().join("start.safetensors"))?;
    /// assert_eq!(model.parameters(), again.parameters());
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_random_parameters(mut self, seed: u64) -> Result<Model, ModelError> {
        self.draw_parameters(seed)?;
        Ok(self)
    }

    /// As [`with_random_parameters`](Model::with_random_parameters), in place.
    pub fn draw_parameters(&mut self, seed: u64) -> Result<(), ModelError> {
        let loaded = parameters::init(&self.plan, seed, None)?;
        self.take(loaded);
        Ok(())
    }

    /// Says where the circuit runs. At first that is the CPU.
    pub fn on(self, device: Device) -> Result<Model, ModelError> {
        match device {
            Device::Cpu => Ok(self),
        }
    }

    /// Says how many rows are computed at a time, at least one. It changes speed and memory, not the answers.
    pub fn with_batch(mut self, rows: usize) -> Model {
        self.set_batch(rows);
        self
    }

    /// As [`with_batch`](Model::with_batch), in place.
    pub fn set_batch(&mut self, rows: usize) {
        self.batch = rows.max(1);
    }

    /// The circuit's name.
    pub fn name(&self) -> &str {
        &self.plan.name
    }

    /// The variables.
    pub fn variables(&self) -> &[VariableArray] {
        &self.plan.variables
    }

    /// The variables as columns of data, with their names.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The parameters, if there are any.
    pub fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// What is odd about the parameters: whole sentences.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// What the circuit was compiled for.
    pub fn queries(&self) -> Vec<&'static str> {
        let train = self.flows.is_some().then_some("train");
        std::iter::once("ll").chain(train).chain(self.queries.names()).collect()
    }

    /// Rows of values, in the order of the variables; `None` is missing.
    pub fn rows(&self, values: &[Vec<Option<i64>>]) -> Result<MemoryRows, DataError> {
        MemoryRows::new(&self.plan.variables, values)
    }

    /// Writes the parameters to a `.safetensors` file.
    pub fn save_parameters(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        Ok(parameters::save(path.as_ref(), &self.plan, self.numbers()?.values())?)
    }

    fn take(&mut self, loaded: Loaded) {
        self.warnings = loaded.warnings;
        self.set(loaded.parameters);
    }

    fn set(&mut self, parameters: Parameters) {
        self.parameters = Some(parameters);
        self.ready = Ready::default();
    }

    /// The names of parameters that the program does not give.
    fn random_parameters(&self) -> impl Iterator<Item = &str> {
        let random = self.plan.parameters.iter().filter(|parameter| matches!(parameter.init, Init::Random));
        random.map(|parameter| parameter.name.as_str())
    }

    fn numbers(&self) -> Result<&Parameters, ModelError> {
        self.parameters.as_ref().ok_or_else(|| ModelError::NoParameters {
            circuit: self.plan.name.clone(),
            names: self.random_parameters().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        })
    }
}
