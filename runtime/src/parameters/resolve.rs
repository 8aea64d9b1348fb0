//! Finds or computes the values of every parameter of a plan.
//!
//! A stored parameter comes from the file if it is there. Otherwise it starts as its `Init` says; a random start needs a
//! seed. The source of a derived start is, in this order: a tensor of the file, a parameter of the plan, random by
//! its name (if there is a seed).

use super::error::{ParameterError, Problem};
use super::{check, derive, random, tensor_shape};
use crate::memory;
use crate::numbers::ln;
use crate::tensors::TensorFile;
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, ParameterShape};
use std::collections::BTreeSet;

/// The values of all parameters, and the tensors of the file that were used.
pub(super) fn resolve(
    plan: &Plan,
    file: Option<&TensorFile>,
    seed: Option<u64>,
) -> Result<(Vec<Vec<f32>>, BTreeSet<String>), ParameterError> {
    let sizes = plan.parameters.iter().map(|parameter| tensor_shape(&parameter.shape).iter().product::<usize>() as u64);
    let what = || format!("holding the parameters of circuit `{}`", plan.name);
    memory::require(4 * sizes.sum::<u64>(), what, "make the circuit smaller")?;
    let values = plan.parameters.iter().map(|_| State::Open).collect();
    let mut resolver = Resolver { plan, file, seed, values, used: BTreeSet::new(), problems: Vec::new() };
    for idx in 0..plan.parameters.len() {
        resolver.parameter(idx)?;
    }
    if let Some(file) = file
        && !resolver.problems.is_empty()
    {
        let (file, circuit) = (file.path().to_path_buf(), plan.name.clone());
        return Err(ParameterError::Unfit { file, circuit, problems: resolver.problems });
    }
    let done = |state: State| match state {
        State::Done(values) => values,
        State::Open | State::Busy | State::Failed => panic!("a parameter without values is a problem of the file"),
    };
    Ok((resolver.values.into_iter().map(done).collect(), resolver.used))
}

enum State {
    Open,
    /// Being computed: to meet it again is a cycle.
    Busy,
    Done(Vec<f32>),
    /// A problem about it was noted.
    Failed,
}

struct Resolver<'a> {
    plan: &'a Plan,
    file: Option<&'a TensorFile>,
    seed: Option<u64>,
    values: Vec<State>,
    used: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Resolver<'_> {
    /// Brings a parameter to `Done` or `Failed`.
    fn parameter(&mut self, idx: usize) -> Result<(), ParameterError> {
        let parameter = &self.plan.parameters[idx];
        match self.values[idx] {
            State::Done(_) | State::Failed => return Ok(()),
            State::Busy => return Err(ParameterError::Cycle { name: parameter.name.clone() }),
            State::Open => self.values[idx] = State::Busy,
        }
        let found = if parameter.is_stored() && self.has(&parameter.name) {
            self.tensor(&parameter.name, &parameter.shape)?
        } else {
            self.start(&parameter.name, &parameter.shape, &parameter.init)?
        };
        self.values[idx] = found.map_or(State::Failed, State::Done);
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.file.is_some_and(|file| file.shape(name).is_some())
    }

    /// A tensor of the file, checked. `None` after noting a problem.
    fn tensor(&mut self, name: &str, shape: &ParameterShape) -> Result<Option<Vec<f32>>, ParameterError> {
        let file = self.file.expect("the caller saw the tensor in the file");
        self.used.insert(name.to_string());
        let (found, expected) = (file.shape(name).expect("the caller saw it").to_vec(), tensor_shape(shape));
        if found != expected {
            self.note(Problem::Shape { tensor: name.to_string(), found, expected });
            return Ok(None);
        }
        let values = file.values(name)?;
        if let Some(problem) = check::value(name, shape, &values) {
            self.note(problem);
            return Ok(None);
        }
        Ok(Some(values))
    }

    /// Two parameters may share a source: what is wrong with it is told once.
    fn note(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// The values a parameter starts with. `None` after noting a problem.
    fn start(&mut self, name: &str, shape: &ParameterShape, init: &Init) -> Result<Option<Vec<f32>>, ParameterError> {
        match init {
            Init::Random => Ok(self.random(name, shape)),
            Init::Given(numbers) => Ok(Some(derive::given(shape, numbers))),
            Init::Indicator { value } => {
                let &ParameterShape::Table { width, values } = shape else { panic!("an indicator is a table") };
                Ok(Some(derive::indicator(width, values, *value)))
            }
            Init::CopyOf { source, blocks: distinct, outputs, inputs } => {
                let &ParameterShape::Weight { blocks, .. } = shape else { panic!("a copy is a weight") };
                let (distinct, outputs, inputs) = (*distinct, *outputs, *inputs);
                let copied = ParameterShape::Weight { blocks: distinct, outputs, inputs, dense: distinct == 1 };
                let cycled = |values: Vec<f32>| values.into_iter().cycle().take(blocks * outputs * inputs).collect();
                Ok(self.source(source, &copied)?.map(cycled))
            }
            Init::TableProduct { sources, normalize } => {
                let &ParameterShape::Table { values, .. } = shape else { panic!("a product of tables is a table") };
                let shapes =
                    sources.iter().map(|(name, width)| (name, ParameterShape::Table { width: *width, values }));
                let tables = self.sources(shapes)?;
                Ok(tables.map(|tables| derive::table_product(&tables, values, *normalize)))
            }
            Init::WeightProduct { sources } => {
                let weights =
                    self.sources(sources.iter().map(|(name, outputs, inputs)| (name, dense(*outputs, *inputs))))?;
                let sized = |weights: Vec<Vec<f32>>| -> Vec<(Vec<f32>, usize, usize)> {
                    weights
                        .into_iter()
                        .zip(sources)
                        .map(|(weight, (_, outputs, inputs))| (weight, *outputs, *inputs))
                        .collect()
                };
                Ok(weights.map(|weights| derive::weight_product(&sized(weights))))
            }
        }
    }

    fn sources<'n>(
        &mut self,
        sources: impl Iterator<Item = (&'n String, ParameterShape)>,
    ) -> Result<Option<Vec<Vec<f32>>>, ParameterError> {
        let found: Vec<Option<Vec<f32>>> =
            sources.map(|(name, shape)| self.source(name, &shape)).collect::<Result<_, ParameterError>>()?;
        Ok(found.into_iter().collect())
    }

    /// What a derived parameter is computed from.
    fn source(&mut self, name: &str, shape: &ParameterShape) -> Result<Option<Vec<f32>>, ParameterError> {
        let plan = self.plan;
        let known = plan.parameters.iter().position(|parameter| parameter.name == name && parameter.shape == *shape);
        if let Some(idx) = known {
            self.parameter(idx)?;
            let State::Done(values) = &self.values[idx] else { return Ok(None) };
            return Ok(Some(values.clone()));
        }
        if self.has(name) {
            return self.tensor(name, shape);
        }
        Ok(self.random(name, shape))
    }

    /// Random values if there is a seed. Otherwise the tensor is missing.
    fn random(&mut self, name: &str, shape: &ParameterShape) -> Option<Vec<f32>> {
        let Some(seed) = self.seed else {
            let found = self.file.map_or_else(Vec::new, TensorFile::names);
            self.note(Problem::Missing { tensor: name.to_string(), expected: tensor_shape(shape), found });
            return None;
        };
        Some(match *shape {
            ParameterShape::Table { width, values } => random::rows(seed, name, width, values, ln),
            ParameterShape::Weight { blocks, outputs, inputs, .. } => {
                random::rows(seed, name, blocks * outputs, inputs, |p| p)
            }
            ParameterShape::Mixing { width, inputs } => random::rows(seed, name, width, inputs, |p| p),
        })
    }
}

fn dense(outputs: usize, inputs: usize) -> ParameterShape {
    ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true }
}
