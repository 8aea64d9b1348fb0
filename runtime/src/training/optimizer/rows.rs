//! Rows of parameters as probabilities in double precision, and back.

use super::gaussian;
use crate::families;
use crate::numbers::{exp, exp_all, ln, ln_shares, shares, sum};
use crate::training::flows::Flows;
use crate::training::optimizer::{State, Update, WrongFlow};
use danaus_artifact::signature::{Family, Init, Parameter, ParameterShape};
use rayon::prelude::*;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

/// How the rows of a parameter stand in its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Form {
    /// Numbers of a row.
    pub columns: usize,
    /// Whether they are logarithms.
    pub logarithms: bool,
    /// The family that a row stays in.
    pub family: Option<Family>,
    /// The floor under the variance, if a row is a Gaussian unit: see [`gaussian`].
    pub floor: Option<f64>,
}

impl Form {
    /// The form of a parameter that is trained.
    pub fn of(parameter: &Parameter) -> Form {
        let family = match parameter.init {
            Init::Member(family) => Some(family),
            _ => None,
        };
        let floor = match parameter.shape {
            ParameterShape::Gaussian { floor, .. } => Some(floor.0),
            _ => None,
        };
        let logarithms = matches!(parameter.shape, ParameterShape::Table { .. });
        Form { columns: parameter.shape.columns(), logarithms, family, floor }
    }

    /// Masses of a row, which is how many flows it has.
    pub fn masses(self) -> usize {
        if self.floor.is_some() { gaussian::OWN.len() } else { self.columns }
    }

    /// How often masses say that a row is used.
    pub fn total(self, masses: &[f64]) -> f64 {
        if self.floor.is_some() { masses[0] } else { sum(masses) }
    }

    /// The pseudocount of a row, and of each of its masses. Gaussian units have none.
    pub fn pseudocount(self, pseudocount: f64) -> [f64; 2] {
        if self.floor.is_some() { [0.0; 2] } else { [pseudocount, pseudocount / self.columns as f64] }
    }

    /// Makes masses into some that mean the same when the row has changed.
    pub fn keep(self, row: &[f32], masses: &mut [f64]) {
        if self.floor.is_some() {
            gaussian::to_moments(row, masses);
        }
    }

    /// The inverse of [`keep`](Form::keep) for the row as it is now.
    pub fn recall(self, row: &[f32], masses: &mut [f64]) {
        if self.floor.is_some() {
            gaussian::from_moments(row, masses);
        }
    }

    /// Rows that are worth a thread.
    pub fn grain(self) -> usize {
        GRAIN.div_ceil(self.columns.max(1))
    }

    /// The probabilities of a row, or its own masses.
    pub fn read(self, row: &[f32], probabilities: &mut [f64]) {
        if self.floor.is_some() {
            return probabilities.copy_from_slice(&gaussian::OWN);
        }
        if self.logarithms {
            return exp_all(row, probabilities);
        }
        probabilities.iter_mut().zip(row).for_each(|(probability, &value)| *probability = f64::from(value));
    }

    /// The logarithms of a row.
    pub fn read_logarithms(self, row: &[f32], logarithms: &mut [f64]) {
        let log = |value: f32| if self.logarithms { f64::from(value) } else { ln(f64::from(value)) };
        logarithms.iter_mut().zip(row).for_each(|(logarithm, &value)| *logarithm = log(value));
    }

    /// Normalizes masses and writes them; a row without a mass that can be normalized stays as it is.
    pub fn write(self, masses: &[f64], row: &mut [f32]) {
        if let Some(floor) = self.floor {
            return gaussian::write(masses, row, floor);
        }
        let total = sum(masses);
        if !(total > 0.0 && total < f64::INFINITY) {
            return;
        }
        if let Some(family) = self.family {
            return write_member(family, masses.to_vec(), row);
        }
        if self.logarithms { ln_shares(masses, total, row) } else { shares(masses, total, row) }
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
    values: &'a mut [f32],
    flows: &'a Flows<'a>,
}

impl Trained<'_> {
    /// Rows it has.
    pub fn rows(&self) -> usize {
        self.values.len() / self.form.columns
    }

    /// Calls `act` with the values of each row, its flows and their sum, room for as many numbers, and what `others` have for the row; on all
    /// cores.
    pub fn for_each_row<T: Send>(
        self,
        others: impl IndexedParallelIterator<Item = T>,
        act: impl Fn(&mut [f32], (&mut [f64], f64), &mut [f64], T) + Sync,
    ) -> Result<(), WrongFlow> {
        let Trained { idx, form, values, flows } = self;
        let rows = values.par_chunks_exact_mut(form.columns).zip(others).enumerate();
        let rooms = || [vec![0.0; form.masses()], vec![0.0; form.masses()]];
        rows.with_min_len(form.grain()).try_for_each_init(rooms, |[own, room], (number, (row, others))| {
            flows.row(idx, number, row, own);
            let flow = form.total(own);
            let is_wrong = |flow: &f64| !(0.0..f64::INFINITY).contains(flow);
            let wrong = match form.floor {
                None if flow.is_finite() => None,
                None => own.iter().position(is_wrong),
                Some(_) => own.iter().position(|flow| !flow.is_finite()),
            };
            if let Some(at) = wrong {
                return Err(WrongFlow { parameter: idx, number: number * form.masses() + at, found: own[at] });
            }
            act(row, (own, flow), room, others);
            Ok(())
        })
    }
}

/// The parameters that an update changes.
pub(super) fn trained<'a>(
    update: &Update<'a>,
    values: &'a mut [Vec<f32>],
) -> impl Iterator<Item = Trained<'a>> + use<'a> {
    let (parameters, flows) = (update.parameters, update.flows);
    let is_trained = move |(idx, values): &(usize, &mut Vec<f32>)| parameters[*idx].is_stored() && !values.is_empty();
    let trained = move |(idx, values): (usize, &'a mut Vec<f32>)| Trained {
        idx,
        form: Form::of(&parameters[idx]),
        values,
        flows,
    };
    values.iter_mut().enumerate().filter(is_trained).map(trained)
}

/// Makes `count` buffers of zeros if there are none: for each stored parameter one number per row, or per number.
pub(super) fn prepare(state: &mut State, update: &Update<'_>, values: &[Vec<f32>], count: usize, per_row: bool) {
    if !state.buffers.is_empty() || count == 0 {
        return;
    }
    let len = |(parameter, values): (&Parameter, &Vec<f32>)| match parameter.is_stored() {
        true if per_row => values.len() / Form::of(parameter).columns.max(1),
        true => values.len() / Form::of(parameter).columns.max(1) * Form::of(parameter).masses(),
        false => 0,
    };
    let zeros: Vec<Vec<f64>> = update.parameters.iter().zip(values).map(|pair| vec![0.0; len(pair)]).collect();
    state.buffers = vec![zeros; count];
}
