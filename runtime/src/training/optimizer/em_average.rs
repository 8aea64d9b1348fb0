//! Mini-batch EM that averages parameters instead of flows, with the step size `s`:
//!
//! ```text
//! theta'_j = (1 - s) theta_j + s (F_j + c / n) / (f + c)
//! ```
//!
//! This is `mini_batch_em` of PyJuice (Liu, Ahmed and Van den Broeck, "Scaling Tractable Probabilistic Circuits: A Systems Perspective",
//! ICML 2024). Every row of a parameter moves by the same step, however few rows of data it has flow from; it needs no memory, and
//! the first update moves from the start by `s` only.

use super::rows::{Trained, trained};
use super::{Optimizer, State, Update};
use rayon::prelude::*;

/// Mini-batch EM on averages of parameters. It remembers nothing.
#[derive(Debug)]
pub struct EmAverage {
    pseudocount: f64,
    state: State,
}

impl EmAverage {
    /// At the start of a run.
    pub fn new(pseudocount: f64) -> EmAverage {
        EmAverage { pseudocount, state: State::default() }
    }
}

impl Optimizer for EmAverage {
    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) {
        self.state.updates += 1;
        if update.step == 0.0 {
            return;
        }
        for Trained { form, values, flows, .. } in trained(update, values) {
            let imagined = self.pseudocount / form.columns as f64;
            let rows = values.par_chunks_exact_mut(form.columns).zip(flows.par_chunks_exact(form.columns));
            rows.with_min_len(form.grain()).for_each_init(Vec::new, |masses, (row, flows)| {
                let flow: f64 = flows.iter().sum();
                if flow == 0.0 {
                    return;
                }
                form.read(row, masses);
                let old: f64 = masses.iter().sum();
                let kept = if old > 0.0 { (1.0 - update.step) / old } else { 0.0 };
                let scale = update.step / (flow + self.pseudocount);
                masses.iter_mut().zip(flows).for_each(|(mass, flow)| *mass = kept * *mass + scale * (flow + imagined));
                form.write(masses, row);
            });
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}
