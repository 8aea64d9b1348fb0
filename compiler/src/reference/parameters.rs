//! The numbers of a circuit: given by name, or computed as [`Init`] says.

use super::{ReferenceError, log_sum_exp};
use crate::circuit::{Circuit, Init, MEANS, Parameter, ParameterShape, VARIANCES};
use std::collections::BTreeMap;

/// Values by parameter name, row-major: log-probabilities for tables, linear numbers for weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterValues(BTreeMap<String, Vec<f64>>);

impl ParameterValues {
    /// No values.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the values of a parameter; replaces what was there.
    pub fn insert(&mut self, name: impl Into<String>, values: Vec<f64>) {
        self.0.insert(name.into(), values);
    }

    /// The values of a parameter.
    pub fn get(&self, name: &str) -> Option<&[f64]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f64])> {
        self.0.iter().map(|(name, values)| (name.as_str(), values.as_slice()))
    }

    /// The values of factor `index` of a product, counted from 1: those named `index.NAME`, without that prefix.
    pub fn of_factor(&self, index: usize) -> ParameterValues {
        let prefix = format!("{index}.");
        let own =
            |(name, values): (&String, &Vec<f64>)| Some((name.strip_prefix(&prefix)?.to_string(), values.clone()));
        ParameterValues(self.0.iter().filter_map(own).collect())
    }

    /// Adds all values of `other`; a name of both gets the values of `other`.
    pub fn extend(&mut self, other: ParameterValues) {
        self.0.extend(other.0);
    }
}

/// A parameter ready for use: everything in log space.
#[derive(Clone, Debug)]
pub(super) enum Tensor {
    /// Log-probabilities `[width, values]` and the log-sum of each row.
    Table { values: usize, log: Vec<f64>, missing: Vec<f64> },
    /// Means and variances `[width, 2]`.
    Gaussian { units: Vec<[f64; 2]> },
    /// Logarithms of weights `[distinct, outputs, inputs]`; mixing weights are one block.
    Weights { distinct: usize, outputs: usize, inputs: usize, log: Vec<f64> },
}

impl Tensor {
    /// The column of a table at a value, or the log-sums of its rows; the logarithms of Gaussian densities, or 0.
    pub(super) fn column(&self, value: Option<usize>) -> Vec<f64> {
        if let Tensor::Gaussian { units } = self {
            let density = |&[mean, variance]: &[f64; 2]| {
                let far = value.map(|bits| (real(bits) - mean).powi(2) / variance);
                far.map_or(0.0, |far| -0.5 * (far + (std::f64::consts::TAU * variance).ln()))
            };
            return units.iter().map(density).collect();
        }
        let Tensor::Table { values, log, missing } = self else { panic!("an input has a table, not weights") };
        match value {
            Some(value) => {
                assert!(value < *values, "a table covers the domain of its variable");
                log.iter().skip(value).step_by(*values).copied().collect()
            }
            None => missing.clone(),
        }
    }
}

/// The number whose bits in single precision are the evidence of a real variable.
pub(super) fn real(bits: usize) -> f64 {
    f64::from(f32::from_bits(bits as u32))
}

/// The numbers of all parameters of a circuit, in order: tables as logarithms, weights linear, means and variances as they are.
pub fn parameter_numbers(circuit: &Circuit, values: &ParameterValues) -> Result<Vec<Vec<f64>>, ReferenceError> {
    let resolver = Resolver { circuit, values };
    circuit.parameters.iter().map(|parameter| resolver.of_parameter(parameter, &mut Vec::new())).collect()
}

/// All parameters of a circuit, in order, in log space.
pub(super) fn resolve(circuit: &Circuit, values: &ParameterValues) -> Result<Vec<Tensor>, ReferenceError> {
    let numbers = parameter_numbers(circuit, values)?;
    circuit.parameters.iter().zip(numbers).map(|(parameter, numbers)| tensor(parameter, numbers)).collect()
}

struct Resolver<'a> {
    circuit: &'a Circuit,
    values: &'a ParameterValues,
}

impl Resolver<'_> {
    /// The values of a parameter. Indicators and exact tables of products are always computed; others only if
    /// no values are given. `users` are the parameters that are being computed from this one.
    fn of_parameter(&self, parameter: &Parameter, users: &mut Vec<String>) -> Result<Vec<f64>, ReferenceError> {
        if users.contains(&parameter.name) {
            return Err(ReferenceError::ParameterCycle { name: parameter.name.clone() });
        }
        if let Some(values) = self.values.get(&parameter.name)
            && parameter.is_stored()
        {
            return check_length(&parameter.name, values, size(&parameter.shape));
        }
        users.push(parameter.name.clone());
        let numbers = self.initial(parameter, users)?;
        users.pop();
        check_length(&parameter.name, &numbers, size(&parameter.shape))
    }

    /// The values that a parameter starts with.
    fn initial(&self, parameter: &Parameter, users: &mut Vec<String>) -> Result<Vec<f64>, ReferenceError> {
        match &parameter.init {
            Init::Random | Init::Member(_) => Err(ReferenceError::MissingParameter { name: parameter.name.clone() }),
            Init::Given(numbers) => Ok(match parameter.shape {
                ParameterShape::Table { .. } => numbers.iter().map(|p| p.ln()).collect(),
                ParameterShape::Weight { .. } | ParameterShape::Mixing { .. } | ParameterShape::Gaussian { .. } => {
                    numbers.clone()
                }
            }),
            Init::Indicator { value } => Ok(indicator(&parameter.shape, |_| *value)),
            Init::Identity => Ok(indicator(&parameter.shape, |unit| unit)),
            Init::CopyOf { source, blocks, outputs, inputs } => {
                let dense = self.source(source, blocks * outputs * inputs, users)?;
                Ok(dense.repeat(size(&parameter.shape) / dense.len().max(1)))
            }
            Init::TableProduct { sources, normalize } => {
                self.table_product(&parameter.shape, sources, *normalize, users)
            }
            Init::WeightProduct { sources } => self.weight_product(sources, users),
        }
    }

    /// The values of a source: given, or those of a parameter of this circuit.
    fn source(&self, name: &str, length: usize, users: &mut Vec<String>) -> Result<Vec<f64>, ReferenceError> {
        if let Some(values) = self.values.get(name) {
            return check_length(name, values, length);
        }
        match self.circuit.parameters.iter().find(|parameter| parameter.name == name) {
            Some(parameter) => check_length(name, &self.of_parameter(parameter, users)?, length),
            None => Err(ReferenceError::MissingParameter { name: name.to_string() }),
        }
    }

    /// `out[(h1, .., hn), v] = t1[h1, v] + .. + tn[hn, v]`, `h1` most significant; then normalized per unit.
    fn table_product(
        &self,
        shape: &ParameterShape,
        sources: &[(String, usize)],
        normalize: bool,
        users: &mut Vec<String>,
    ) -> Result<Vec<f64>, ReferenceError> {
        let &ParameterShape::Table { values, .. } = shape else { panic!("a product of tables is a table") };
        let mut rows = vec![vec![0.0; values]];
        for (name, width) in sources {
            let table = self.source(name, width * values, users)?;
            let add = |row: &Vec<f64>, other: &[f64]| row.iter().zip(other).map(|(a, b)| a + b).collect::<Vec<f64>>();
            rows = rows.iter().flat_map(|row| table.chunks(values).map(move |other| add(row, other))).collect();
        }
        if normalize {
            rows.iter_mut().for_each(|row| normalize_log(row));
        }
        Ok(rows.concat())
    }

    /// `out[(o1, .., on), (i1, .., in)] = w1[o1, i1] * .. * wn[on, in]`, the first most significant.
    fn weight_product(
        &self,
        sources: &[(String, usize, usize)],
        users: &mut Vec<String>,
    ) -> Result<Vec<f64>, ReferenceError> {
        let mut rows = vec![vec![1.0]];
        for (name, outputs, inputs) in sources {
            let weight = self.source(name, outputs * inputs, users)?;
            let multiply = |row: &Vec<f64>, other: &[f64]| {
                row.iter().flat_map(|a| other.iter().map(move |b| a * b)).collect::<Vec<f64>>()
            };
            rows = rows.iter().flat_map(|row| weight.chunks(*inputs).map(move |other| multiply(row, other))).collect();
        }
        Ok(rows.concat())
    }
}

/// `0` at `value`, `-inf` elsewhere, for every unit.
fn indicator(shape: &ParameterShape, value: impl Fn(usize) -> usize) -> Vec<f64> {
    let &ParameterShape::Table { width, values } = shape else { panic!("an indicator is a table") };
    let row = |unit: usize| (0..values).map(move |v| (unit, v));
    (0..width).flat_map(row).map(|(unit, v)| if v == value(unit) { 0.0 } else { f64::NEG_INFINITY }).collect()
}

/// Subtracts the log-sum of a row; a row of all `-inf` stays as it is.
fn normalize_log(row: &mut [f64]) {
    let total = log_sum_exp(row.iter().copied());
    if total > f64::NEG_INFINITY {
        row.iter_mut().for_each(|value| *value -= total);
    }
}

/// The number of values of a parameter.
pub(super) fn size(shape: &ParameterShape) -> usize {
    match *shape {
        ParameterShape::Table { width, values } => width * values,
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => blocks * outputs * inputs,
        ParameterShape::Mixing { width, inputs } => width * inputs,
        ParameterShape::Gaussian { width, .. } => 2 * width,
    }
}

fn check_length(name: &str, values: &[f64], expected: usize) -> Result<Vec<f64>, ReferenceError> {
    if values.len() != expected {
        return Err(ReferenceError::ParameterLength { name: name.to_string(), expected, found: values.len() });
    }
    Ok(values.to_vec())
}

/// Checks the numbers and brings them to log space.
fn tensor(parameter: &Parameter, numbers: Vec<f64>) -> Result<Tensor, ReferenceError> {
    if let ParameterShape::Gaussian { .. } = parameter.shape {
        return gaussian(parameter, &numbers);
    }
    let table = matches!(parameter.shape, ParameterShape::Table { .. });
    let legal = |&value: &f64| if table { value < f64::INFINITY } else { value >= 0.0 && value.is_finite() };
    if let Some(position) = numbers.iter().position(|value| !legal(value)) {
        let value = numbers[position];
        return Err(ReferenceError::ParameterValue { name: parameter.name.clone(), position, value, table });
    }
    Ok(match parameter.shape {
        ParameterShape::Table { values, .. } => {
            let missing = numbers.chunks(values).map(|row| log_sum_exp(row.iter().copied())).collect();
            Tensor::Table { values, log: numbers, missing }
        }
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => {
            Tensor::Weights { distinct: blocks, outputs, inputs, log: logarithms(&numbers) }
        }
        ParameterShape::Mixing { width, inputs } => {
            Tensor::Weights { distinct: 1, outputs: width, inputs, log: logarithms(&numbers) }
        }
        ParameterShape::Gaussian { .. } => unreachable!("these are no logarithms"),
    })
}

/// Checks means and variances.
fn gaussian(parameter: &Parameter, numbers: &[f64]) -> Result<Tensor, ReferenceError> {
    let legal = |(position, value): &(usize, &f64)| {
        if position % 2 == 0 { MEANS.contains(value) } else { VARIANCES.contains(value) }
    };
    if let Some((position, &value)) = numbers.iter().enumerate().find(|entry| !legal(entry)) {
        return Err(ReferenceError::Gaussian { name: parameter.name.clone(), position, value });
    }
    Ok(Tensor::Gaussian { units: numbers.chunks(2).map(|unit| [unit[0], unit[1]]).collect() })
}

fn logarithms(weights: &[f64]) -> Vec<f64> {
    weights.iter().map(|weight| weight.ln()).collect()
}
