//! The textbook algorithm for learning hidden Markov models, in linear space with scaling. It shares nothing with the
//! reference flows: it knows no circuits.
//!
//! L. Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition", Proceedings of
//! the IEEE 77 (2), 1989: section III.A (forward and backward), III.C (reestimation), V.A (scaling), V.B (several
//! sequences).

use super::hmm::Hmm;
use danaus_compiler::reference::{ParameterValues, Row};

/// Expected numbers of uses, summed over sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Counts {
    /// `[states]`: sequences that start in a state.
    pub initial: Vec<f64>,
    /// `[states, states]`: steps from a state to the next.
    pub transition: Vec<f64>,
    /// `[states, values]`: values that a state emits.
    pub emission: Vec<f64>,
}

/// A hidden Markov model in linear space.
struct Tables<'a> {
    states: usize,
    values: usize,
    initial: &'a [f64],
    transition: &'a [f64],
    emission: Vec<f64>,
}

impl Tables<'_> {
    /// The probability that a state emits what is observed; 1 if nothing is.
    fn emit(&self, state: usize, observed: Option<usize>) -> f64 {
        observed.map_or(1.0, |value| self.emission[state * self.values + value])
    }
}

/// The expectation step. `transition[h][i]` is P(next = i | h); parameters named `initial` and `emission` give the rest.
pub fn expected_counts(model: &Hmm, values: &ParameterValues, transition: &[f64], rows: &[Row]) -> Counts {
    let get = |name: &str| values.get(name).expect("the parameter was drawn");
    let (states, symbols) = (model.states, model.values);
    let emission = get("emission").iter().map(|log| log.exp()).collect();
    let tables = Tables { states, values: symbols, initial: get("initial"), transition, emission };
    let mut counts = Counts {
        initial: vec![0.0; states],
        transition: vec![0.0; states * states],
        emission: vec![0.0; states * symbols],
    };
    rows.iter().for_each(|row| add_sequence(&tables, row, &mut counts));
    counts
}

/// The maximization step: each row of counts divided by its sum.
pub fn normalized_rows(counts: &[f64], columns: usize) -> Vec<f64> {
    counts.chunks(columns).flat_map(|row| row.iter().map(|n| n / row.iter().sum::<f64>()).collect::<Vec<_>>()).collect()
}

fn add_sequence(model: &Tables<'_>, row: &Row, counts: &mut Counts) {
    let n = model.states;
    let (alpha, scales) = forward(model, row);
    let beta = backward(model, row, &scales);
    for t in 0..row.len() {
        for h in 0..n {
            // Equation 27: with scaled variables, gamma_t(h) = alpha_t(h) beta_t(h) * scale_t.
            let gamma = alpha[t][h] * beta[t][h] * scales[t];
            if t == 0 {
                counts.initial[h] += gamma;
            }
            match row[t] {
                Some(value) => counts.emission[h * model.values + value] += gamma,
                None => (0..model.values).for_each(|v| {
                    counts.emission[h * model.values + v] += gamma * model.emission[h * model.values + v];
                }),
            }
            for i in (0..n).filter(|_| t + 1 < row.len()) {
                // Equation 37, scaled.
                let arrive = model.emit(i, row[t + 1]) * beta[t + 1][i];
                counts.transition[h * n + i] += alpha[t][h] * model.transition[h * n + i] * arrive;
            }
        }
    }
}

/// `alpha[t][h]`, scaled so that each sums to 1, and the sums before scaling.
fn forward(model: &Tables<'_>, row: &Row) -> (Vec<Vec<f64>>, Vec<f64>) {
    let n = model.states;
    let (mut alphas, mut scales) = (Vec::new(), Vec::new());
    let mut alpha: Vec<f64> = (0..n).map(|h| model.initial[h] * model.emit(h, row[0])).collect();
    for t in 0..row.len() {
        if t > 0 {
            let into = |i: usize| (0..n).map(|h| alpha[h] * model.transition[h * n + i]).sum::<f64>();
            alpha = (0..n).map(|i| into(i) * model.emit(i, row[t])).collect();
        }
        let scale: f64 = alpha.iter().sum();
        alpha.iter_mut().for_each(|a| *a /= scale);
        alphas.push(alpha.clone());
        scales.push(scale);
    }
    (alphas, scales)
}

/// `beta[t][h]`, divided by the forward scale of the same step.
fn backward(model: &Tables<'_>, row: &Row, scales: &[f64]) -> Vec<Vec<f64>> {
    let n = model.states;
    let last = row.len() - 1;
    let mut betas = vec![vec![1.0 / scales[last]; n]; row.len()];
    for t in (0..last).rev() {
        for h in 0..n {
            let leave = |i: usize| model.transition[h * n + i] * model.emit(i, row[t + 1]) * betas[t + 1][i];
            betas[t][h] = (0..n).map(leave).sum::<f64>() / scales[t];
        }
    }
    betas
}
