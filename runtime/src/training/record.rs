//! What a run has measured, update by update and epoch by epoch.
//!
//! FLOPs are the Monarch paper's measure of the cost of training: three times the multiplications and additions of the sums in
//! the forward pass, for every row (forward, flows of the inputs of a sum, flows of its weights). Validation is not counted.

use crate::evaluation::Evaluation;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// The FLOPs of training one row, as a multiple of those of its forward pass.
pub const FLOPS_OF_FORWARD: f64 = 3.0;

/// How likely rows were.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The mean log-likelihood of the possible rows, in nats.
    pub log_likelihood: f64,
    /// Minus that mean, over ln 2 and the mean number of observed values of a row; of one original, if several have the same
    /// values.
    pub bits_per_dimension: f64,
    /// Rows that are impossible, and not part of the means.
    pub impossible: u64,
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// An update: the training rows are those of the update, before it.
    Update,
    /// An epoch: the training rows are all rows, each as it was seen in the epoch.
    Epoch,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is about.
    pub event: Event,
    /// The epoch, from 1.
    pub epoch: u64,
    /// Updates so far.
    pub update: u64,
    /// Rows seen so far, in all epochs together.
    pub rows: u64,
    /// Seconds of the run so far, all its parts together.
    pub seconds: f64,
    /// FLOPs spent so far.
    pub flops: f64,
    /// The step size of the last update.
    pub step: f64,
    /// The training rows; none if all of them are impossible.
    pub train: Option<Measure>,
    /// The validation rows, if they were evaluated.
    pub valid: Option<Measure>,
    /// The best bits per dimension on the validation rows so far.
    pub best: Option<f64>,
}

impl Measure {
    /// The measure of an evaluation; none if no row is possible.
    pub fn of(evaluation: &Evaluation) -> Option<Measure> {
        let mean = evaluation.mean_possible?;
        let observed = evaluation.observed as f64 / evaluation.rows as f64;
        // Nothing observed is certain: zero bits.
        let originals = evaluation.log_originals / evaluation.rows as f64;
        let bits = if observed > 0.0 { (originals - mean) / (observed * LN_2) } else { 0.0 };
        Some(Measure { log_likelihood: mean, bits_per_dimension: bits, impossible: evaluation.impossible as u64 })
    }

    /// Whether these numbers are better by more than `delta` bits: fewer impossible rows count more than any bits.
    pub fn improves(&self, other: &Measure, delta: f64) -> bool {
        match self.impossible.cmp(&other.impossible) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => self.bits_per_dimension < other.bits_per_dimension - delta,
            std::cmp::Ordering::Greater => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::Tally;

    #[test]
    fn impossible_rows_are_apart() {
        // COVERS: training.metrics.impossible
        let mut tally = Tally::default();
        tally.observe(&[0, 1, 1, 0], &[2, 2], 0.0);
        tally.row(-4.0 * LN_2);
        let possible = Measure::of(&tally.clone().finish(0.0)).unwrap();
        tally.row(f64::NEG_INFINITY);
        let with = Measure::of(&tally.finish(0.0)).unwrap();
        assert_eq!((with.log_likelihood, with.bits_per_dimension, with.impossible), (-4.0 * LN_2, 2.0, 1));
        assert!(possible.improves(&with, 10.0) && !with.improves(&possible, 0.0));
        let mut none = Tally::default();
        none.row(f64::NEG_INFINITY);
        assert_eq!(Measure::of(&none.finish(0.0)), None);
    }
}
