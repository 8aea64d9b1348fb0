//! How likely a circuit finds data, in the units people compare, and the walk over the data, whatever computes.

use crate::data::{DataError, Rows};
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;
use std::ops::ControlFlow;
use std::time::Instant;

/// What computes a batch: from evidence `[variables][rows]` to log-likelihoods of the rows.
pub type Forward<'a, E> = &'a mut dyn FnMut(&[u32]) -> Result<Vec<f64>, E>;

/// Reads and evaluates batch after batch, until `on_batch` says that it is enough. That sees the first row, the evidence `[variables][rows]`
/// and the values. The last batch is filled up with rows of missing values, so that all batches have one size.
pub fn batches<E: From<DataError>>(
    rows: &dyn Rows,
    batch: usize,
    forward: Forward<'_, E>,
    on_batch: &mut dyn FnMut(usize, &[u32], &[f64]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, E> {
    let columns = rows.columns().len();
    let mut evidence = vec![0; columns * batch];
    for first in (0..rows.len()).step_by(batch) {
        let range = first..rows.len().min(first + batch);
        let len = range.len();
        let read = &mut evidence[..columns * len];
        rows.fill(range, read)?;
        let values = if len == batch { forward(read)? } else { forward(&filled_up(read, len, batch, rows))? };
        if on_batch(first, read, &values[..len]).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// How likely a circuit finds all rows. `progress` is told after every batch how many rows are done, and says whether it is enough; then
/// there is no result.
pub fn evaluate<E: From<DataError>>(
    rows: &dyn Rows,
    batch: usize,
    forward: Forward<'_, E>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, E> {
    let start = Instant::now();
    let mut tally = Tally::default();
    let missing: Vec<u32> = (0..rows.columns().len()).map(|column| rows.columns().missing(column)).collect();
    let ended = batches(rows, batch, forward, &mut |first, evidence, values| {
        tally.observe(evidence, &missing, rows.log_originals(evidence));
        values.iter().for_each(|value| tally.row(*value));
        progress(first + values.len())
    })?;
    Ok(ended.is_continue().then(|| tally.finish(start.elapsed().as_secs_f64())))
}

/// Evidence of `len` rows as a whole batch; the other rows are missing throughout.
fn filled_up(evidence: &[u32], len: usize, batch: usize, rows: &dyn Rows) -> Vec<u32> {
    let mut whole = Vec::with_capacity(rows.columns().len() * batch);
    for (column, values) in evidence.chunks_exact(len).enumerate() {
        whole.extend_from_slice(values);
        whole.resize((column + 1) * batch, rows.columns().missing(column));
    }
    whole
}

/// The likelihood of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows evaluated.
    pub rows: usize,
    /// Values that were not missing.
    pub observed: u64,
    /// Rows of log-likelihood `-inf`.
    pub impossible: usize,
    /// Sum over all rows, in nats: `-inf` if a row is impossible.
    pub log_likelihood: f64,
    /// Mean over all rows, in nats: `-inf` if a row is impossible.
    pub mean_log_likelihood: f64,
    /// Mean over the rows that are possible, in nats; none if there are none.
    pub mean_possible: Option<f64>,
    /// Minus the sum of the log-likelihoods over `observed * log 2`: bits per observed value. A missing value is summed over
    /// and does not count. Where several originals have the same values, the bits are those of one original: the logarithm of their
    /// number is added.
    pub bits_per_dimension: f64,
    /// The sum over all rows of the logarithm of the number of originals with the row's values, in nats: 0 if there is one.
    #[serde(skip_serializing_if = "is_zero")]
    pub log_originals: f64,
    /// `2^bits_per_dimension`: the perplexity per observed value.
    pub perplexity: f64,
    /// Wall-clock time, reading the data included.
    pub seconds: f64,
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// A running evaluation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    rows: usize,
    observed: u64,
    impossible: usize,
    sum: f64,
    log_originals: f64,
}

impl Tally {
    /// Counts the values of evidence `[variables][rows]` that are not missing. `log_originals` is the logarithm of the number of originals
    /// that have these values, summed over the rows.
    pub fn observe(&mut self, evidence: &[u32], missing: &[u32], log_originals: f64) {
        self.log_originals += log_originals;
        let rows = evidence.len() / missing.len().max(1);
        let per_variable = evidence.chunks_exact(rows.max(1)).zip(missing);
        self.observed += per_variable
            .map(|(values, missing)| values.iter().filter(|value| *value != missing).count() as u64)
            .sum::<u64>();
    }

    /// Adds a row's log-likelihood.
    pub fn row(&mut self, log_likelihood: f64) {
        self.rows += 1;
        if log_likelihood == f64::NEG_INFINITY {
            self.impossible += 1;
        } else {
            self.sum += log_likelihood;
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows that are possible, so far.
    pub fn possible(&self) -> usize {
        self.rows - self.impossible
    }

    /// The result. Without rows, means are not numbers.
    pub fn finish(self, seconds: f64) -> Evaluation {
        let possible = self.rows - self.impossible;
        let total = if self.impossible > 0 { f64::NEG_INFINITY } else { self.sum };
        // Nothing observed is certain: zero bits, not -0 or 0 / 0.
        let nats = self.log_originals - total;
        let bits = if self.observed == 0 && nats == 0.0 { 0.0 } else { nats / (self.observed as f64 * LN_2) };
        Evaluation {
            rows: self.rows,
            observed: self.observed,
            impossible: self.impossible,
            log_likelihood: total,
            mean_log_likelihood: total / self.rows as f64,
            mean_possible: (possible > 0).then(|| self.sum / possible as f64),
            bits_per_dimension: bits,
            log_originals: self.log_originals,
            perplexity: bits.exp2(),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_rows_are_counted_and_do_not_hide_the_others() {
        let mut tally = Tally::default();
        tally.observe(&[0, 1, 2, 1, 2, 2], &[2, 2], 0.0);
        tally.row(-2.0 * LN_2);
        tally.row(f64::NEG_INFINITY);
        tally.row(-LN_2);
        let result = tally.finish(1.0);
        assert_eq!((result.rows, result.observed, result.impossible), (3, 3, 1));
        assert_eq!((result.mean_log_likelihood, result.mean_possible), (f64::NEG_INFINITY, Some(-1.5 * LN_2)));
        assert_eq!((result.bits_per_dimension, result.perplexity), (f64::INFINITY, f64::INFINITY));
    }

    #[test]
    fn bits_are_per_observed_value() {
        let mut tally = Tally::default();
        tally.observe(&[0, 1, 0, 2], &[2, 2], 0.0);
        tally.row(-4.0 * LN_2);
        tally.row(-2.0 * LN_2);
        let result = tally.clone().finish(0.0);
        assert_eq!((result.bits_per_dimension, result.perplexity), (2.0, 4.0));
        assert!((result.mean_log_likelihood + 3.0 * LN_2).abs() < 1e-15);
        // Each row stands for 2^3 originals: their bits are 6 more for the 3 values.
        tally.observe(&[], &[2, 2], 6.0 * LN_2);
        let result = tally.finish(0.0);
        assert_eq!((result.bits_per_dimension, result.mean_log_likelihood), (4.0, -3.0 * LN_2));
    }
}
