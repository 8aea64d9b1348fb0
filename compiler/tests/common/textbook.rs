//! Textbook algorithms for hidden Markov models, in linear space and double precision: L. Rabiner, "A tutorial on hidden Markov
//! models", 1989. They share nothing with the evaluator.

use super::hmm::{Hmm, transition_matrix};
use danaus_compiler::reference::{ParameterValues, Row};

/// The forward-backward algorithm, section III.A. Posteriors of all variables.
pub fn forward_backward(model: &Hmm, values: &ParameterValues, row: &Row) -> Vec<Vec<f64>> {
    let transition = transition_matrix(model, values);
    let (emission, initial) = (values.get("emission").expect("drawn"), values.get("initial").expect("drawn"));
    let (states, steps) = (model.states, model.steps);
    let emit = |h: usize, v: Option<usize>| v.map_or(1.0, |v| emission[h * model.values + v].exp());
    let normalized = |mut x: Vec<f64>| {
        let total: f64 = x.iter().sum();
        x.iter_mut().for_each(|x| *x /= total);
        x
    };
    let mut predicted = vec![normalized(initial.to_vec())];
    for t in 1..steps {
        let before: Vec<f64> = (0..states).map(|h| predicted[t - 1][h] * emit(h, row[t - 1])).collect();
        let next = |i: usize| (0..states).map(|h| before[h] * transition[h * states + i]).sum();
        predicted.push(normalized((0..states).map(next).collect()));
    }
    let mut after = vec![vec![1.0; states]; steps];
    for t in (0..steps - 1).rev() {
        let to = |h: usize| -> f64 {
            (0..states).map(|i| transition[h * states + i] * emit(i, row[t + 1]) * after[t + 1][i]).sum()
        };
        after[t] = normalized((0..states).map(to).collect());
    }
    let posterior = |t: usize| {
        let value = |v: usize| {
            let state = |h: usize| predicted[t][h] * after[t][h] * emit(h, Some(v));
            if row[t].is_some_and(|observed| observed != v) { 0.0 } else { (0..states).map(state).sum() }
        };
        normalized((0..model.values).map(value).collect())
    };
    (0..steps).map(posterior).collect()
}

/// The Viterbi algorithm, section III.B, in which a missing variable has its most likely value: the
/// greatest log-likelihood of states and values together.
pub fn viterbi(model: &Hmm, values: &ParameterValues, row: &Row) -> f64 {
    let transition = transition_matrix(model, values);
    let (emission, initial) = (values.get("emission").expect("drawn"), values.get("initial").expect("drawn"));
    let emit = |h: usize, v: Option<usize>| {
        let row = &emission[h * model.values..][..model.values];
        v.map_or(row.iter().copied().fold(f64::NEG_INFINITY, f64::max), |v| row[v])
    };
    let mut best: Vec<f64> = (0..model.states).map(|h| initial[h].ln() + emit(h, row[0])).collect();
    for &observed in &row[1..] {
        let into = |i: usize| {
            let from = |h: usize| best[h] + transition[h * model.states + i].ln();
            (0..model.states).map(from).fold(f64::NEG_INFINITY, f64::max) + emit(i, observed)
        };
        best = (0..model.states).map(into).collect();
    }
    best.into_iter().fold(f64::NEG_INFINITY, f64::max)
}
