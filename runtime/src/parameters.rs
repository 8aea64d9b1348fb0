//! The parameters of a circuit: read from a file, or made from a seed.
//!
//! * A loaded parameter has the shape the circuit wants, and no number that cannot be one: no NaN, no `+inf`, no negative
//!   weight. Numbers are kept as they are; rows that do not sum to one give a warning.
//! * A random parameter is a function of the seed and its name alone: see [`random`].
//! * [`mod@multiply`] starts a product of circuits from the parameters of its factors; [`mod@lower`] starts a Monarch circuit from those
//!   of a dense one, by [`project`].
//! * Derived parameters (indicators, exact tables of products) are always computed from the current values of their
//!   sources; they are not in files.

pub(crate) mod check;
mod derive;
mod error;
pub mod lower;
pub mod multiply;
pub mod project;
pub mod random;
mod resolve;
#[cfg(test)]
mod tests;

pub use error::{ParameterError, Problem};
pub use lower::lower;
pub use multiply::multiply;

use crate::files::FileError;
use crate::tensors::{self, TensorFile};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, ParameterShape};
use std::collections::BTreeMap;
use std::path::Path;

/// Key of the circuit's fingerprint in the metadata of a parameter file.
pub const FINGERPRINT: &str = "fingerprint";
/// Key of the writer's version in the metadata of a parameter file.
pub const VERSION: &str = "danaus_version";

/// The values of all parameters of a plan, in its order: tables as log-probabilities, weights linear; row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    values: Vec<Vec<f32>>,
}

/// Parameters, and what is odd about them.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The parameters.
    pub parameters: Parameters,
    /// Whole sentences.
    pub warnings: Vec<String>,
}

impl Parameters {
    /// Parameters with these values, in the order of a plan.
    pub fn new(values: Vec<Vec<f32>>) -> Parameters {
        Parameters { values }
    }

    /// By index of the plan's parameters.
    pub fn into_values(self) -> Vec<Vec<f32>> {
        self.values
    }

    /// By index of the plan's parameters.
    pub fn values(&self) -> &[Vec<f32>] {
        &self.values
    }

    /// Whether everything that the program gives as impossible is so: what is decided from zeros of given numbers then holds.
    pub fn keep_zeros(&self, plan: &Plan) -> bool {
        plan.parameters.iter().zip(&self.values).all(|(parameter, values)| {
            let Init::Given(numbers) = &parameter.init else { return true };
            if matches!(parameter.shape, ParameterShape::Gaussian { .. }) {
                return true;
            }
            let zero = if matches!(parameter.shape, ParameterShape::Table { .. }) { f32::NEG_INFINITY } else { 0.0 };
            numbers.iter().zip(values).all(|(number, value)| *number > 0.0 || *value == zero)
        })
    }

    /// In double precision, by name, derived ones included: what a reference evaluator takes.
    pub fn values64(&self, plan: &Plan) -> BTreeMap<String, Vec<f64>> {
        let wide = |values: &Vec<f32>| values.iter().map(|value| f64::from(*value)).collect();
        plan.parameters
            .iter()
            .zip(&self.values)
            .map(|(parameter, values)| (parameter.name.clone(), wide(values)))
            .collect()
    }
}

/// Reads the parameters of a circuit from a safetensors file. A parameter that is not there is computed, if its start is
/// not random and all it is computed from is there.
pub fn load(path: &Path, plan: &Plan) -> Result<Loaded, ParameterError> {
    let file = TensorFile::open(path)?;
    let (values, used) = resolve::resolve(plan, Some(&file), None)?;
    let mut warnings = check::notes(&file, plan, &used);
    warnings.extend(check::rows(plan, &values));
    Ok(Loaded { parameters: Parameters { values }, warnings })
}

/// The numbers of a circuit's parameter file that are stored in double precision, by name, as they are there: what a reference evaluator
/// takes in the place of rounded ones.
pub fn doubles(path: &Path, plan: &Plan) -> Result<BTreeMap<String, Vec<f64>>, ParameterError> {
    let file = TensorFile::open(path)?;
    let stored = plan.parameters.iter().filter(|parameter| parameter.is_stored());
    Ok(stored.filter_map(|parameter| Some((parameter.name.clone(), file.doubles(&parameter.name)?))).collect())
}

/// Makes the parameters a circuit starts with. Tensors that the `start` file has, parameters themselves or what they are
/// computed from, are taken from there.
pub fn init(plan: &Plan, seed: u64, start: Option<&Path>) -> Result<Loaded, ParameterError> {
    let file = start.map(TensorFile::open).transpose()?;
    let (values, used) = resolve::resolve(plan, file.as_ref(), Some(seed))?;
    let mut warnings = file.as_ref().map_or_else(Vec::new, |file| check::unknown(file, &used));
    warnings.extend(check::rows(plan, &values));
    Ok(Loaded { parameters: Parameters { values }, warnings })
}

/// Writes the parameters that belong in a file, with the circuit's fingerprint. Equal parameters give equal files.
pub fn save(path: &Path, plan: &Plan, values: &[Vec<f32>]) -> Result<(), FileError> {
    let stored = plan.parameters.iter().zip(values).filter(|(parameter, _)| parameter.is_stored());
    let tensors: Vec<tensors::Tensor<'_>> = stored
        .map(|(parameter, values)| (parameter.name.as_str(), tensor_shape(&parameter.shape), &values[..]))
        .collect();
    let notes =
        BTreeMap::from([(FINGERPRINT, plan.fingerprint.clone()), (VERSION, env!("CARGO_PKG_VERSION").to_string())]);
    tensors::write(path, &tensors, &notes)
}

/// The shape of a parameter's tensor in a file.
pub fn tensor_shape(shape: &ParameterShape) -> Vec<usize> {
    match *shape {
        ParameterShape::Table { width, values } => vec![width, values],
        ParameterShape::Weight { outputs, inputs, dense: true, .. } => vec![outputs, inputs],
        ParameterShape::Weight { blocks, outputs, inputs, dense: false } => vec![blocks, outputs, inputs],
        ParameterShape::Mixing { width, inputs } => vec![width, inputs],
        ParameterShape::Gaussian { width, .. } => vec![width, 2],
    }
}
