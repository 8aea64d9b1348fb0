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

use super::gaussian;
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

impl Step {
    /// The change of a number by its gradient.
    fn change(&self, gradient: f64, mean: &mut f64, square: &mut f64) -> f64 {
        *mean = self.betas[0] * *mean + (1.0 - self.betas[0]) * gradient;
        *square = self.betas[1] * *square + (1.0 - self.betas[1]) * gradient * gradient;
        let root = (*square / self.corrections[1]).sqrt() + self.epsilon;
        let change = self.size * (*mean / self.corrections[0]) / root;
        if change.is_finite() { change } else { 0.0 }
    }
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
                means[idx].par_chunks_exact_mut(form.masses()).zip(squares[idx].par_chunks_exact_mut(form.masses()));
            trained.for_each_row(moments, |row, (flows, flow), logits, (means, squares)| {
                if let Some(floor) = form.floor {
                    return gaussian::shift(
                        row,
                        unit_changes([flows[0], flows[1], flows[2]], means, squares, step),
                        floor,
                    );
                }
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

/// What a Gaussian unit is moved by: its mean in deviations, and the logarithm of its deviation, with respect to which the gradient of the
/// log-likelihood is the sum of `F z`, and that of `F (z^2 - 1)`.
fn unit_changes([all, first, second]: [f64; 3], means: &mut [f64], squares: &mut [f64], step: Step) -> [f64; 2] {
    let mut change = |j: usize, gradient: f64| step.change(gradient / step.rows, &mut means[j], &mut squares[j]);
    [change(0, first), change(1, second - all)]
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
        let change = step.change(gradient, &mut means[j], &mut squares[j]);
        if change != 0.0 {
            *logit += change;
            moved = true;
        }
    }
    moved
}
