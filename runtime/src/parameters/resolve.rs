//! Finds or computes the values of every parameter of a plan.
//!
//! A stored parameter comes from the file if it is there. Otherwise it starts as its `Init` says; a random start needs a
//! seed. The source of a derived start is, in this order: a tensor of the file, a parameter of the plan, random by
//! its name (if there is a seed).

use super::error::{ParameterError, Problem};
use super::{check, derive, random, tensor_shape};
use crate::memory;
use crate::numbers::ln;
use crate::tensors::{TensorError, TensorFile};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, ParameterShape};
use std::collections::BTreeSet;

/// Tensors by name, wherever they stand.
pub(super) trait Tensors {
    /// All names.
    fn names(&self) -> Vec<String>;
    /// The shape of a tensor, if there is such a tensor.
    fn shape(&self, name: &str) -> Option<&[usize]>;
    /// The numbers of a tensor that is there.
    fn values(&self, name: &str) -> Result<Vec<f32>, TensorError>;
    /// Whether a tensor of the shape that was found can be one of the shape that is expected.
    fn fits(&self, found: &[usize], expected: &[usize]) -> bool;
}

impl Tensors for TensorFile {
    fn names(&self) -> Vec<String> {
        self.names()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.shape(name)
    }

    fn values(&self, name: &str) -> Result<Vec<f32>, TensorError> {
        self.values(name)
    }

    /// The weights of a mixture have one axis more in the product of a circuit and a constraint.
    fn fits(&self, found: &[usize], expected: &[usize]) -> bool {
        found == expected || matches!(*expected, [width, 1, inputs] if inputs > 1 && *found == [width, inputs])
    }
}

/// The values of all parameters, and the names of the tensors that were used.
pub(super) type Resolved = (Vec<Vec<f32>>, BTreeSet<String>);

/// The values of all parameters of a plan, from a file, a seed, or both.
pub(super) fn resolve(plan: &Plan, file: Option<&TensorFile>, seed: Option<u64>) -> Result<Resolved, ParameterError> {
    let tensors = file.map(|file| file as &dyn Tensors);
    let unfit = |problems: Vec<Problem>| {
        let file = file.expect("what is wrong is wrong with a file").path().to_path_buf();
        ParameterError::Unfit { file, circuit: plan.name.clone(), problems }
    };
    resolve_from(plan, tensors, seed)?.map_err(unfit)
}

/// The same from any tensors; what is wrong with them is the inner error.
pub(super) fn resolve_from(
    plan: &Plan,
    tensors: Option<&dyn Tensors>,
    seed: Option<u64>,
) -> Result<Result<Resolved, Vec<Problem>>, ParameterError> {
    let sizes = plan.parameters.iter().map(|parameter| tensor_shape(&parameter.shape).iter().product::<usize>() as u64);
    let what = || format!("holding the parameters of circuit `{}`", plan.name);
    memory::require(4 * sizes.sum::<u64>(), what, "make the circuit smaller")?;
    let values = plan.parameters.iter().map(|_| State::Open).collect();
    let mut resolver = Resolver { plan, tensors, seed, values, used: BTreeSet::new(), problems: Vec::new() };
    for idx in 0..plan.parameters.len() {
        resolver.parameter(idx)?;
    }
    if !resolver.problems.is_empty() {
        return Ok(Err(resolver.problems));
    }
    let done = |state: State| match state {
        State::Done(values) => values,
        State::Open | State::Busy | State::Failed => panic!("a parameter without values is a problem of the file"),
    };
    Ok(Ok((resolver.values.into_iter().map(done).collect(), resolver.used)))
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
    tensors: Option<&'a dyn Tensors>,
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
        self.tensors.is_some_and(|tensors| tensors.shape(name).is_some())
    }

    /// A tensor of the file, checked. `None` after noting a problem.
    fn tensor(&mut self, name: &str, shape: &ParameterShape) -> Result<Option<Vec<f32>>, ParameterError> {
        let tensors = self.tensors.expect("the caller saw the tensor");
        self.used.insert(name.to_string());
        let (found, expected) = (tensors.shape(name).expect("the caller saw it").to_vec(), tensor_shape(shape));
        if !tensors.fits(&found, &expected) {
            self.note(Problem::Shape { tensor: name.to_string(), found, expected });
            return Ok(None);
        }
        let values = tensors.values(name)?;
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
            Init::Member(family) => {
                let &ParameterShape::Table { width, values } = shape else { panic!("a family is one of tables") };
                Ok(self.seed.map(|seed| random::members(seed, name, *family, width, values)))
            }
            Init::Identity => {
                let &ParameterShape::Table { width, .. } = shape else { panic!("an identity is a table") };
                Ok(Some(derive::identity(width)))
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
            let found = self.tensors.map_or_else(Vec::new, Tensors::names);
            self.note(Problem::Missing { tensor: name.to_string(), expected: tensor_shape(shape), found });
            return None;
        };
        Some(match *shape {
            ParameterShape::Table { width, values } => random::rows(seed, name, width, values, ln),
            ParameterShape::Weight { blocks, outputs, inputs, .. } => {
                random::rows(seed, name, blocks * outputs, inputs, |p| p)
            }
            ParameterShape::Mixing { width, inputs } => random::rows(seed, name, width, inputs, |p| p),
            ParameterShape::Gaussian { width, floor } => random::gaussians(seed, name, width, floor.0),
        })
    }
}

fn dense(outputs: usize, inputs: usize) -> ParameterShape {
    ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true }
}
