//! Anemone: mini-batch EM whose steps are scaled by how often the circuit uses a row (Liu, Zhang and Van den Broeck, "Rethinking
//! Probabilistic Circuit Parameter Learning", 2025). With the step size `s` and the top-down probability `T` of the row:
//!
//! ```text
//! theta'_j = (s (F_j + c / n) / R + (1 - s) T theta_j) / (s (f + c) / R + (1 - s) T)
//! ```
//!
//! `T` is the flow of the row for one row of data without evidence, under the current parameters: the sum over all places where
//! the parameter is tied. It is the exact weight that keeps the circuit near its current distribution: `s = 1` is full-batch EM, and
//! rows that few rows of data reach move little. `T` changes with the parameters, so it is computed for every update; that
//! costs one row more per update.
//!
//! With the momentum `m`, `F / R` is replaced by its running mean over updates `t = 1, 2, ..`, corrected for its start at 0:
//!
//! ```text
//! buffer' = m buffer + (1 - m) F / R        F / R <- buffer' / (1 - m^t)
//! ```

use super::rows::{Trained, prepare, trained};
use super::{Optimizer, State, Update};
use rayon::prelude::*;

/// Anemone. The buffer of its state, if there is momentum, holds the running mean of the flows.
#[derive(Debug)]
pub struct Anemone {
    pseudocount: f64,
    momentum: f64,
    state: State,
}

impl Anemone {
    /// At the start of a run.
    pub fn new(pseudocount: f64, momentum: f64) -> Anemone {
        Anemone { pseudocount, momentum, state: State::default() }
    }

    /// The mean flows of a parameter per row of data, with momentum.
    fn mean_flows(&mut self, idx: usize, flows: &[f64], rows: f64) -> Vec<f64> {
        let momentum = self.momentum;
        if momentum == 0.0 {
            return flows.iter().map(|flow| flow / rows).collect();
        }
        let correction = 1.0 - momentum.powf(self.state.updates as f64);
        let buffer = &mut self.state.buffers[0][idx];
        let mean = |(mean, flow): (&mut f64, &f64)| {
            *mean = momentum * *mean + (1.0 - momentum) * flow / rows;
            *mean / correction
        };
        buffer.par_iter_mut().zip(flows).with_min_len(1 << 14).map(mean).collect()
    }
}

impl Optimizer for Anemone {
    fn wants_top_down(&self) -> bool {
        true
    }

    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) {
        prepare(&mut self.state, update, usize::from(self.momentum > 0.0), false);
        self.state.updates += 1;
        let top_down = update.top_down.expect("the trainer gives what the optimizer asks for");
        let imagined = self.pseudocount / update.rows;
        for Trained { idx, form, values, flows } in trained(update, values) {
            let means = self.mean_flows(idx, flows, update.rows);
            if update.step > 0.0 {
                update_rows(Trained { idx, form, values, flows: &means }, &top_down[idx], update.step, imagined);
            }
        }
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

fn update_rows(trained: Trained<'_>, top_down: &[f64], step: f64, pseudocount: f64) {
    let Trained { form, values, flows, .. } = trained;
    let imagined = pseudocount / form.columns as f64;
    let rows = values.par_chunks_exact_mut(form.columns).zip(flows.par_chunks_exact(form.columns));
    let rows = rows.zip(top_down.par_chunks_exact(form.columns)).with_min_len(form.grain());
    rows.for_each_init(Vec::new, |masses, ((row, flows), top_down)| {
        if flows.iter().sum::<f64>() == 0.0 {
            return;
        }
        form.read(row, masses);
        let old: f64 = masses.iter().sum();
        let kept = if old > 0.0 { (1.0 - step) * top_down.iter().sum::<f64>() / old } else { 0.0 };
        masses.iter_mut().zip(flows).for_each(|(mass, flow)| *mass = kept * *mass + step * (flow + imagined));
        form.write(masses, row);
    });
}
