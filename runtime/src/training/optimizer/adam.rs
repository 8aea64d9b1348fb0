//! Adam (Kingma and Ba, 2015) on unconstrained parameters. A row is the softmax of logits `z`; the gradient of the mean
//! log-likelihood of the rows of data with respect to them is
//!
//! ```text
//! g_j = (F_j + c / n - theta_j (f + c)) / R
//! ```
//!
//! (`c` only where the row has flow), and with `m` and `v` at first 0, the step size `s` and updates `t = 1, 2, ..`:
//!
//! ```text
//! m' = beta1 m + (1 - beta1) g        v' = beta2 v + (1 - beta2) g^2
//! z' = z + s (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)
//! ```
//!
//! # Design
//!
//! The softmax does not change when a number is added to all logits of a row, so the logarithms of the current
//! probabilities are logits of the row: nothing but `m` and `v` is remembered. A probability of 0 has the logit `-inf`, and stays 0.

use super::rows::{prepare, trained};
use super::{Optimizer, State, Update, WrongFlow};
use crate::numbers::exp;
use rayon::prelude::*;

/// Adam. The buffers of its state are the means of the gradient and of its square.
#[derive(Debug)]
pub struct Adam {
    pseudocount: f64,
    betas: [f64; 2],
    epsilon: f64,
    state: State,
}

/// The numbers of one update.
#[derive(Clone, Copy)]
struct Step {
    rows: f64,
    pseudocount: f64,
    betas: [f64; 2],
    corrections: [f64; 2],
    epsilon: f64,
    size: f64,
}

impl Adam {
    /// At the start of a run.
    pub fn new(pseudocount: f64, betas: [f64; 2], epsilon: f64) -> Adam {
        Adam { pseudocount, betas, epsilon, state: State::default() }
    }
}

impl Optimizer for Adam {
    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) -> Result<(), WrongFlow> {
        prepare(&mut self.state, update, values, 2, false);
        self.state.updates += 1;
        let step = Step {
            rows: update.rows,
            pseudocount: self.pseudocount,
            betas: self.betas,
            corrections: self.betas.map(|beta| 1.0 - beta.powf(self.state.updates as f64)),
            epsilon: self.epsilon,
            size: update.step,
        };
        let [means, squares] = &mut self.state.buffers[..] else { panic!("two buffers were prepared") };
        trained(update, values).try_for_each(|trained| {
            let (idx, form) = (trained.idx, trained.form);
            let moments =
                means[idx].par_chunks_exact_mut(form.columns).zip(squares[idx].par_chunks_exact_mut(form.columns));
            trained.for_each_row(moments, |row, (flows, flow), logits, (means, squares)| {
                form.read_logarithms(row, logits);
                if move_logits(logits, (flows, flow), means, squares, step) {
                    form.write_logarithms(logits, row);
                }
            })
        })
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

/// Whether anything moved.
fn move_logits(
    logits: &mut [f64],
    (flows, flow): (&[f64], f64),
    means: &mut [f64],
    squares: &mut [f64],
    step: Step,
) -> bool {
    let pseudocount = if flow > 0.0 { step.pseudocount } else { 0.0 };
    let imagined = pseudocount / logits.len() as f64;
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !max.is_finite() {
        return false;
    }
    let total: f64 = logits.iter().map(|logit| exp(logit - max)).sum();
    let mut moved = false;
    for (j, logit) in logits.iter_mut().enumerate() {
        let probability = exp(*logit - max) / total;
        let gradient = (flows[j] + imagined - probability * (flow + pseudocount)) / step.rows;
        means[j] = step.betas[0] * means[j] + (1.0 - step.betas[0]) * gradient;
        squares[j] = step.betas[1] * squares[j] + (1.0 - step.betas[1]) * gradient * gradient;
        let root = (squares[j] / step.corrections[1]).sqrt() + step.epsilon;
        let change = step.size * (means[j] / step.corrections[0]) / root;
        if change != 0.0 && change.is_finite() {
            *logit += change;
            moved = true;
        }
    }
    moved
}
