//! Posterior probabilities of all variables, from one walk up and one down for each batch; and the distribution of each variable given
//! those before it.

use super::{QuerySession, evidence};
use crate::data::Rows;
use crate::data::memory::MemoryRows;
use crate::session::SessionError;
use danaus_kernels::{Posteriors, answer_rows};
use std::ops::ControlFlow;

/// Bytes that the posteriors of a batch take at most, unless one row takes more.
const BYTES: usize = 128 << 20;

/// Posterior probabilities of some rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Marginals {
    /// The log-likelihood of each row; `-inf` for an impossible one.
    pub log_likelihoods: Vec<f64>,
    /// `[rows][values of all variables, one variable after the other]`. The probabilities of a variable sum to 1; an observed variable
    /// has its value with probability 1. A real variable has its mean and its variance instead. Those of an impossible row are NaN.
    pub probabilities: Vec<f32>,
    /// Which variables are real.
    pub is_real: Vec<bool>,
    /// Where each variable starts in a row, and the length of a row.
    pub starts: Vec<usize>,
}

/// What is expected of a variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Its mean.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
    /// Its entropy, in nats; that of a real variable, a mixture of densities, is not a number.
    pub entropy: f64,
}

impl Marginals {
    /// Numbers in a row.
    fn length(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// All probabilities of a row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.probabilities[row * self.length()..][..self.length()]
    }

    /// The probabilities of the values of a variable.
    pub fn variable(&self, row: usize, variable: usize) -> &[f32] {
        &self.row(row)[self.starts[variable]..self.starts[variable + 1]]
    }

    /// Mean, variance and entropy (in nats) of a variable, whose values are `low`, `low + 1` and so on.
    pub fn moments(&self, row: usize, variable: usize, low: i64) -> Moments {
        let all = self.variable(row, variable);
        if self.is_real[variable] {
            return Moments { mean: all[0].into(), variance: all[1].into(), entropy: f64::NAN };
        }
        let mut moments = Moments { mean: 0.0, variance: 0.0, entropy: 0.0 };
        for (index, &probability) in all.iter().enumerate() {
            let probability = f64::from(probability);
            moments.mean += probability * index as f64;
            moments.entropy -= if probability > 0.0 { probability * probability.ln() } else { probability };
        }
        for (index, &probability) in all.iter().enumerate() {
            moments.variance += f64::from(probability) * (index as f64 - moments.mean).powi(2);
        }
        moments.mean += low as f64;
        moments
    }

    /// Whether the evidence of a row has probability 0.
    pub fn is_impossible(&self, row: usize) -> bool {
        self.log_likelihoods[row] == f64::NEG_INFINITY
    }
}

impl QuerySession {
    /// The posterior of every variable given the evidence of each row, batch by batch: the number of the batch's first row and
    /// what was found. Stops early when told to.
    ///
    /// # Panics
    /// If the session is one of another query.
    pub fn marginals(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        on_batch: &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        self.in_batches(rows, batch, false, on_batch)
    }

    /// The distribution of every variable given the observed variables before it, in the order of the variables: that of the next symbol
    /// after each prefix of a row. Of a chain that runs downwards all of them are computed in one walk, so that each takes constant time;
    /// of other circuits each prefix is a row of its own. The log-likelihoods are those of the whole rows. After an impossible
    /// prefix probabilities are NaN.
    ///
    /// # Panics
    /// If the session is one of another query.
    pub fn next(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        on_batch: &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        if self.is_chain {
            self.in_batches(rows, batch, true, on_batch)
        } else {
            self.check_variables(rows)?;
            self.next_of_prefixes(rows, batch, on_batch)
        }
    }

    /// Computes what is asked batch by batch: what follows each prefix, or posteriors.
    fn in_batches(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        is_next: bool,
        on_batch: &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        self.check_variables(rows)?;
        let starts = self.starts();
        let length = starts[self.columns.len()];
        let batch = batch.min(BYTES / (4 * length.max(1))).clamp(1, rows.len().max(1));
        for first in (0..rows.len()).step_by(batch) {
            let range = first..rows.len().min(first + batch);
            let count = range.len();
            let evidence = evidence(rows, range)?;
            let found = match is_next {
                true => self.program.next(&evidence, count, batch)?,
                false => self.program.posteriors(&evidence, count, batch)?,
            };
            let mut marginals = Marginals {
                probabilities: vec![0.0; count * length],
                log_likelihoods: found.log_likelihoods.clone(),
                ..self.no_marginals()
            };
            for row in 0..count {
                let observed = |variable: usize| evidence[variable * count + row];
                match is_next {
                    true => self.fill_next(&found, row, observed, &mut marginals),
                    false => self.fill_row(&found, row, observed, &mut marginals),
                }
            }
            if on_batch(first, &marginals).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The distribution of each variable given those before it, for a row; its values add to the likelihood of the row.
    fn fill_next(&self, found: &Posteriors, row: usize, observed: impl Fn(usize) -> u32, marginals: &mut Marginals) {
        let length = marginals.length();
        let to = &mut marginals.probabilities[row * length..][..length];
        let flow = |index: usize| f64::from(found.values[index * found.pitch + row]);
        for variable in 0..self.columns.len() {
            let range = marginals.starts[variable]..marginals.starts[variable + 1];
            let total: f64 = range.clone().map(flow).sum();
            range.clone().for_each(|index| to[index] = (flow(index) / total) as f32);
            let value = observed(variable) as usize;
            if value < range.len() && total > 0.0 {
                marginals.log_likelihoods[row] += (flow(range.start + value) / total).ln();
            }
        }
    }

    /// Each prefix of each row as a row of its own.
    fn next_of_prefixes(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        on_batch: &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        let variables = self.columns.len();
        let missing: Vec<u32> = (0..variables).map(|column| self.columns.missing(column)).collect();
        for row in 0..rows.len() {
            let values = evidence(rows, row..row + 1)?;
            let prefix = |length: usize| values[..length].iter().chain(&missing[length..]).copied();
            // The last one is the whole row, for its likelihood.
            let indices: Vec<u32> = (0..=variables).flat_map(prefix).collect();
            let prefixes = MemoryRows::from_indices(self.columns.clone(), indices);
            let mut marginals = self.no_marginals();
            let mut variable = 0;
            self.marginals(&prefixes, batch, &mut |_, found| {
                for index in 0..found.log_likelihoods.len() {
                    if variable < variables {
                        marginals.probabilities.extend_from_slice(found.variable(index, variable));
                        variable += 1;
                    } else {
                        marginals.log_likelihoods.push(found.log_likelihoods[index]);
                    }
                }
                ControlFlow::Continue(())
            })?;
            if on_batch(row, &marginals).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Where each variable starts in a row of probabilities, and the length of a row.
    pub fn starts(&self) -> Vec<usize> {
        let mut starts = vec![0];
        for column in 0..self.columns.len() {
            starts.push(starts[column] + self.columns.beliefs(column));
        }
        starts
    }

    /// Those of no rows.
    pub fn no_marginals(&self) -> Marginals {
        let is_real = (0..self.columns.len()).map(|column| self.columns.is_real(column)).collect();
        Marginals { log_likelihoods: Vec::new(), probabilities: Vec::new(), is_real, starts: self.starts() }
    }

    /// What was found for a row. Flows are rounded in every layer, so that they may add up to a little more or less than 1.
    fn fill_row(&self, found: &Posteriors, row: usize, observed: impl Fn(usize) -> u32, marginals: &mut Marginals) {
        let length = marginals.length();
        let to = &mut marginals.probabilities[row * length..][..length];
        if marginals.log_likelihoods[row] == f64::NEG_INFINITY {
            to.fill(f32::NAN);
            return;
        }
        let flow = |index: usize| f64::from(found.values[index * found.pitch + row]);
        // The posteriors of real variables have more rows than are answered.
        let mut end = 0;
        for variable in 0..self.columns.len() {
            let range = marginals.starts[variable]..marginals.starts[variable + 1];
            let first = end;
            end += answer_rows(self.columns.missing(variable)) as usize;
            if self.columns.is_real(variable) {
                let moments = [flow(first + 1) as f32, (flow(first + 2) / flow(first)) as f32];
                let known = self.columns.real(variable, observed(variable));
                to[range].copy_from_slice(&known.map_or(moments, |number| [number, 0.0]));
                continue;
            }
            let value = observed(variable) as usize;
            if value < range.len() {
                to[range.start + value] = 1.0;
                continue;
            }
            let total: f64 = (first..end).map(flow).sum();
            range.zip(first..).for_each(|(index, from)| to[index] = (flow(from) / total) as f32);
        }
    }
}
