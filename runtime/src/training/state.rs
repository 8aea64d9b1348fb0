//! Everything that a run is at one moment. A run that goes on from it ends with the same bits as if nothing had happened.

use super::optimizer;
use super::record::{Measure, Record};
use crate::evaluation::Tally;
use serde::{Deserialize, Serialize};

/// How many impossible rows are named.
const NAMED: usize = 8;

/// A run at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The current parameters.
    pub values: Vec<Vec<f32>>,
    /// The best parameters so far, if there is validation data.
    pub best: Option<Best>,
    /// What the optimizer remembers.
    pub optimizer: optimizer::State,
    /// The flows gathered for the update that is under way; empty between updates.
    pub flows: Vec<Vec<f64>>,
    /// How far the run is.
    pub progress: Progress,
    /// What has been measured.
    pub records: Vec<Record>,
}

/// The best parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Their values.
    pub values: Vec<Vec<f32>>,
    /// The epoch they are from, counted from 1.
    pub epoch: u64,
    /// The update they are from.
    pub update: u64,
    /// How likely they make the validation data.
    pub measure: Measure,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epochs done.
    pub epoch: u64,
    /// Rows of this epoch that are done.
    pub row: u64,
    /// Updates done.
    pub updates: u64,
    /// The step size of the last update.
    pub step: f64,
    /// Seconds, all parts of the run together.
    pub seconds: f64,
    /// The rows of this epoch.
    pub in_epoch: Tally,
    /// The rows of the update that is under way.
    pub in_update: Tally,
    /// Impossible rows of this epoch: the numbers of the first few.
    pub impossible: Vec<u64>,
    /// Evaluations since the last improvement.
    pub stale: u64,
    /// What the next improvement must beat.
    pub reference: Option<Measure>,
    /// How the run ended, if it did.
    pub ending: Option<Ending>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// All epochs are done.
    Done,
    /// It no longer improved.
    Early,
}

impl State {
    /// The start of a run.
    pub fn new(values: Vec<Vec<f32>>) -> State {
        State {
            values,
            best: None,
            optimizer: optimizer::State::default(),
            flows: Vec::new(),
            progress: Progress::default(),
            records: Vec::new(),
        }
    }

    /// The parameters that a run is about: the best, or else the current ones.
    pub fn chosen(&self) -> &[Vec<f32>] {
        self.best.as_ref().map_or(&self.values, |best| &best.values)
    }
}

impl Progress {
    /// Takes the log-likelihoods of rows of data; `numbers` are their numbers, `evidence` is `[variables][rows]`, `log_originals` as in
    /// [`Tally::observe`].
    pub fn take(
        &mut self,
        numbers: &[usize],
        evidence: &[u32],
        missing: &[u32],
        log_originals: f64,
        log_likelihoods: &[f64],
    ) {
        for tally in [&mut self.in_epoch, &mut self.in_update] {
            tally.observe(evidence, missing, log_originals);
            log_likelihoods.iter().for_each(|value| tally.row(*value));
        }
        for (number, value) in numbers.iter().zip(log_likelihoods) {
            if *value == f64::NEG_INFINITY && self.impossible.len() < NAMED {
                self.impossible.push(*number as u64);
            }
        }
    }
}
