//! Rows of parameters as probabilities in double precision, and back.

use crate::families;
use crate::numbers::{exp, ln};
use crate::training::optimizer::{State, Update};
use danaus_artifact::signature::{Family, Init, Parameter, ParameterShape};

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

/// How the rows of a parameter stand in its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Numbers of a row.
    pub columns: usize,
    /// Whether they are logarithms.
    pub logarithms: bool,
    /// The family that a row stays in.
    pub family: Option<Family>,
}

impl Form {
    /// The form of a parameter that is trained.
    pub fn of(parameter: &Parameter) -> Form {
        let family = match parameter.init {
            Init::Member(family) => Some(family),
            _ => None,
        };
        match parameter.shape {
            ParameterShape::Table { values, .. } => Form { columns: values, logarithms: true, family },
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => {
                Form { columns: inputs, logarithms: false, family }
            }
        }
    }

    /// Rows that are worth a thread.
    pub fn grain(self) -> usize {
        GRAIN.div_ceil(self.columns.max(1))
    }

    /// The probabilities of a row.
    pub fn read(self, row: &[f32], probabilities: &mut Vec<f64>) {
        probabilities.clear();
        let linear = |value: &f32| if self.logarithms { exp(f64::from(*value)) } else { f64::from(*value) };
        probabilities.extend(row.iter().map(linear));
    }

    /// The logarithms of a row.
    pub fn read_logarithms(self, row: &[f32], logarithms: &mut Vec<f64>) {
        logarithms.clear();
        let log = |value: &f32| if self.logarithms { f64::from(*value) } else { ln(f64::from(*value)) };
        logarithms.extend(row.iter().map(log));
    }

    /// Normalizes masses and writes them; a row without a mass that can be normalized stays as it is.
    pub fn write(self, masses: &[f64], row: &mut [f32]) {
        let total: f64 = masses.iter().sum();
        if !(total > 0.0 && total < f64::INFINITY) {
            return;
        }
        if let Some(family) = self.family {
            return write_member(family, masses.to_vec(), row);
        }
        for (out, mass) in row.iter_mut().zip(masses) {
            let probability = mass / total;
            *out = (if self.logarithms { ln(probability) } else { probability }) as f32;
        }
    }

    /// Normalizes logarithms and writes them; a row that is `-inf` throughout stays as it is.
    pub fn write_logarithms(self, logarithms: &[f64], row: &mut [f32]) {
        let max = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !max.is_finite() {
            return;
        }
        if let Some(family) = self.family {
            return write_member(family, logarithms.iter().map(|log| exp(log - max)).collect(), row);
        }
        let total = ln(logarithms.iter().map(|log| exp(log - max)).sum());
        for (out, log) in row.iter_mut().zip(logarithms) {
            let log = log - max - total;
            *out = (if self.logarithms { log } else { exp(log) }) as f32;
        }
    }
}

/// Writes the member of a family that fits masses best, as logarithms.
fn write_member(family: Family, mut masses: Vec<f64>, row: &mut [f32]) {
    families::fit(family, &mut masses);
    row.iter_mut().zip(&masses).for_each(|(out, log)| *out = *log as f32);
}

/// A parameter that is trained, with its part of an update.
pub(super) struct Trained<'a> {
    /// Its index.
    pub idx: usize,
    /// How its rows stand in its values.
    pub form: Form,
    /// Its values.
    pub values: &'a mut [f32],
    /// Its flows.
    pub flows: &'a [f64],
}

/// The parameters that an update changes.
pub(super) fn trained<'a>(
    update: &Update<'a>,
    values: &'a mut [Vec<f32>],
) -> impl Iterator<Item = Trained<'a>> + use<'a> {
    let (parameters, flows) = (update.parameters, update.flows);
    values.iter_mut().enumerate().filter(move |(idx, _)| parameters[*idx].is_stored()).map(move |(idx, values)| {
        assert_eq!(values.len(), flows[idx].len(), "there is a flow for every number of a parameter");
        Trained { idx, form: Form::of(&parameters[idx]), values, flows: &flows[idx] }
    })
}

/// Makes `count` buffers of zeros if there are none: for each stored parameter one number per row, or per number.
pub(super) fn prepare(state: &mut State, update: &Update<'_>, count: usize, per_row: bool) {
    if !state.buffers.is_empty() || count == 0 {
        return;
    }
    let len = |(parameter, flows): (&Parameter, &Vec<f64>)| match parameter.is_stored() {
        true if per_row => flows.len() / Form::of(parameter).columns.max(1),
        true => flows.len(),
        false => 0,
    };
    let zeros: Vec<Vec<f64>> = update.parameters.iter().zip(update.flows).map(|pair| vec![0.0; len(pair)]).collect();
    state.buffers = vec![zeros; count];
}
