//! The parameters that a product of circuits starts with, from files of its factors' parameters.
//!
//! A product names what it takes from factor `k` by the prefix `k.`: parameters of its own if it is tied, the sources that
//! parameters are copied or computed from if it is untied. The plan says all of this, so a compiled product will do.
//!
//! * File `k` gives factor `k` its tensors under the names they have there. Missing tensors, other shapes and numbers that
//!   cannot be ones are told of all files at once.
//! * What the program gives numbers for need not be in a file.
//! * Axes of length one do not count where shapes are compared: the weights of a mixture have one more in a product, where
//!   they are the weights of a block-diagonal sum.

use super::error::{ParameterError, Problem, shape};
use super::resolve::{Tensors, resolve_from};
use super::{Loaded, Parameters, check, tensor_shape};
use crate::tensors::{TensorError, TensorFile};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, ParameterShape};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use thiserror::Error;

/// What a product expects of one factor: the names of the factor's tensors and their shapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Factor {
    /// In the order in which the product uses them.
    pub tensors: Vec<(String, Vec<usize>)>,
}

/// Why a product has no parameters.
#[derive(Debug, Error)]
pub enum MultiplyError {
    /// The circuit has no factors.
    #[error("circuit `{circuit}` is no product of circuits; a product is written `circuit product = a * b untied`")]
    NoProduct {
        /// The circuit.
        circuit: String,
    },
    /// There is not one file for each factor.
    #[error("{}", count(.circuit, *.files, .factors))]
    Count {
        /// The circuit.
        circuit: String,
        /// Number of files.
        files: usize,
        /// What is expected of each.
        factors: Vec<Factor>,
    },
    /// Files do not fit their factors.
    #[error("{}", unfit(.circuit, .files))]
    Unfit {
        /// The circuit.
        circuit: String,
        /// The files at fault: which factor each is for, and what is wrong.
        files: Vec<Unfit>,
    },
    /// A file cannot be read, or there is not enough memory.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
}

impl MultiplyError {
    /// Whether a file could not be read at all.
    pub fn is_file(&self) -> bool {
        matches!(self, MultiplyError::Parameters(error) if error.is_file())
    }
}

/// What a product expects of each of its factors; empty if the circuit is no product.
pub fn factors(plan: &Plan) -> Vec<Factor> {
    let mut factors: BTreeMap<usize, Factor> = BTreeMap::new();
    let mut add = |name: &str, shape: &ParameterShape| {
        let Some((k, own)) = split(name) else { return };
        let tensors = &mut factors.entry(k).or_default().tensors;
        if tensors.iter().all(|(other, _)| other != own) {
            tensors.push((own.to_string(), own_shape(shape)));
        }
    };
    for parameter in &plan.parameters {
        if parameter.is_stored() {
            add(&parameter.name, &parameter.shape);
        }
        for (name, shape) in sources(&parameter.init, &parameter.shape) {
            if plan.parameters.iter().all(|other| other.name != name) {
                add(&name, &shape);
            }
        }
    }
    let count = factors.keys().next_back().copied().unwrap_or(0);
    (1..=count).map(|k| factors.remove(&k).unwrap_or_default()).collect()
}

/// The parameters that a product starts with. Factor `k` has those of file `k`.
pub fn multiply(plan: &Plan, files: &[PathBuf]) -> Result<Loaded, MultiplyError> {
    let factors = factors(plan);
    let circuit = plan.name.clone();
    if factors.is_empty() {
        return Err(MultiplyError::NoProduct { circuit });
    }
    if files.len() != factors.len() {
        return Err(MultiplyError::Count { circuit, files: files.len(), factors });
    }
    let opened = files.iter().map(|file| TensorFile::open(file)).collect::<Result<Vec<_>, TensorError>>();
    let opened = FactorFiles(opened.map_err(ParameterError::from)?);
    let (values, used) = match resolve_from(plan, Some(&opened), None)? {
        Ok(resolved) => resolved,
        Err(problems) => return Err(MultiplyError::Unfit { circuit, files: by_file(files, &factors, problems) }),
    };
    let mut warnings = opened.unknown(&used);
    warnings.extend(check::rows(plan, &values));
    Ok(Loaded { parameters: Parameters { values }, warnings })
}

/// One file for each factor; the tensor `name` of file `k` is `k.name`.
struct FactorFiles(Vec<TensorFile>);

impl FactorFiles {
    fn find<'n>(&self, name: &'n str) -> Option<(&TensorFile, &'n str)> {
        let (k, own) = split(name)?;
        Some((self.0.get(k.checked_sub(1)?)?, own))
    }

    fn unknown(&self, used: &BTreeSet<String>) -> Vec<String> {
        let used: Vec<(usize, &str)> = used.iter().filter_map(|name| split(name)).collect();
        let of = |k: usize| used.iter().filter(move |(of, _)| *of == k).map(|(_, own)| own.to_string());
        let unknown = |(k, file)| check::unknown(file, &of(k).collect());
        (1..).zip(&self.0).flat_map(unknown).collect()
    }
}

impl Tensors for FactorFiles {
    fn names(&self) -> Vec<String> {
        let of = |(k, file): (usize, &TensorFile)| file.names().into_iter().map(move |name| format!("{k}.{name}"));
        (1..).zip(&self.0).flat_map(of).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        let (file, own) = self.find(name)?;
        file.shape(own)
    }

    fn values(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        let (file, own) = self.find(name).expect("the caller saw the tensor");
        file.values(own)
    }

    fn fits(&self, found: &[usize], expected: &[usize]) -> bool {
        let long = |shape: &[usize]| shape.iter().copied().filter(|size| *size != 1).collect::<Vec<usize>>();
        long(found) == long(expected)
    }
}

/// What is wrong with one file: its name, the factor it is for, the problems.
pub type Unfit = (PathBuf, usize, Vec<Problem>);

/// The problems of each file, in the words of its factor.
fn by_file(files: &[PathBuf], factors: &[Factor], problems: Vec<Problem>) -> Vec<Unfit> {
    let mut sorted: Vec<Unfit> = (1..).zip(files).map(|(k, file)| (file.clone(), k, Vec::new())).collect();
    for problem in problems {
        let (k, problem) = in_factor(problem, factors);
        sorted[k - 1].2.push(problem);
    }
    sorted.retain(|(_, _, problems)| !problems.is_empty());
    sorted
}

/// The factor that a problem is about, and the problem with the names and shapes that the factor's own file has.
fn in_factor(problem: Problem, factors: &[Factor]) -> (usize, Problem) {
    let own = |tensor: &str| {
        let (k, own) = split(tensor).expect("only tensors of factors are looked for in their files");
        (k, own.to_string())
    };
    let expected_of = |k: usize, tensor: &str, expected: Vec<usize>| {
        let of_factor = factors[k - 1].tensors.iter().find(|(name, _)| name == tensor);
        of_factor.map_or(expected, |(_, shape)| shape.clone())
    };
    match problem {
        Problem::Missing { tensor, expected, found } => {
            let (k, tensor) = own(&tensor);
            let same = |name: &String| split(name).filter(|(of, _)| *of == k).map(|(_, own)| own.to_string());
            let found = found.iter().filter_map(same).collect();
            (k, Problem::Missing { expected: expected_of(k, &tensor, expected), tensor, found })
        }
        Problem::Shape { tensor, found, expected } => {
            let (k, tensor) = own(&tensor);
            (k, Problem::Shape { expected: expected_of(k, &tensor, expected), tensor, found })
        }
        Problem::Value { tensor, position, found, expected } => {
            let (k, tensor) = own(&tensor);
            (k, Problem::Value { tensor, position, found, expected })
        }
    }
}

/// `2.emission` is the tensor `emission` of factor 2. Names of the language do not begin with digits.
fn split(name: &str) -> Option<(usize, &str)> {
    let (number, own) = name.split_once('.')?;
    let number = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok())??;
    (number > 0 && !own.is_empty()).then_some((number, own))
}

/// The shape of a tensor in the factor's own file: the weights of a mixture have two axes there.
fn own_shape(shape: &ParameterShape) -> Vec<usize> {
    match *shape {
        ParameterShape::Weight { blocks, outputs: 1, inputs, dense: false } if inputs > 1 => vec![blocks, inputs],
        _ => tensor_shape(shape),
    }
}

/// The tensors that a parameter's first values are computed from.
fn sources(init: &Init, shape: &ParameterShape) -> Vec<(String, ParameterShape)> {
    let weight = |blocks, outputs, inputs| ParameterShape::Weight { blocks, outputs, inputs, dense: blocks == 1 };
    match init {
        Init::Random | Init::Given(_) | Init::Indicator { .. } | Init::Identity | Init::Member(_) => Vec::new(),
        Init::CopyOf { source, blocks, outputs, inputs } => vec![(source.clone(), weight(*blocks, *outputs, *inputs))],
        Init::TableProduct { sources, .. } => {
            let &ParameterShape::Table { values, .. } = shape else { panic!("a product of tables is a table") };
            sources
                .iter()
                .map(|(name, width)| (name.clone(), ParameterShape::Table { width: *width, values }))
                .collect()
        }
        Init::WeightProduct { sources } => {
            sources.iter().map(|(name, outputs, inputs)| (name.clone(), weight(1, *outputs, *inputs))).collect()
        }
    }
}

fn count(circuit: &str, files: usize, factors: &[Factor]) -> String {
    let given = if files == 1 { "1 parameter file is".to_string() } else { format!("{files} parameter files are") };
    let mut text = format!(
        "circuit `{circuit}` is a product of {} circuits, but {given} given; give one for each factor, in their order:",
        factors.len()
    );
    for (k, factor) in (1..).zip(factors) {
        let tensors = factor.tensors.iter().map(|(name, sizes)| format!("`{name}` {}", shape(sizes)));
        text += &format!("\n  factor {k}: {}", tensors.collect::<Vec<_>>().join(", "));
    }
    text
}

fn unfit(circuit: &str, files: &[Unfit]) -> String {
    let of_file = |(file, k, problems): &Unfit| {
        let head = format!("`{}` does not fit factor {k} of circuit `{circuit}`:", file.display());
        match problems.as_slice() {
            [problem] => format!("{head} {problem}"),
            problems => problems.iter().fold(head, |text, problem| format!("{text}\n  {problem}")),
        }
    };
    files.iter().map(of_file).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
