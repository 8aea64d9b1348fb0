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
use super::{Optimizer, State, Update, WrongFlow};
use crate::numbers::blend;
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
}

impl Optimizer for Anemone {
    fn wants_top_down(&self) -> bool {
        true
    }

    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) -> Result<(), WrongFlow> {
        prepare(&mut self.state, update, values, usize::from(self.momentum > 0.0), false);
        self.state.updates += 1;
        let step = Step {
            size: update.step,
            rows: update.rows,
            pseudocount: self.pseudocount / update.rows,
            momentum: self.momentum,
            correction: 1.0 - self.momentum.powf(self.state.updates as f64),
        };
        let top_down = update.top_down.expect("the trainer gives what the optimizer asks for");
        let buffers = self.state.buffers.first_mut();
        let mut means: Vec<&mut [f64]> = buffers.into_iter().flatten().map(Vec::as_mut_slice).collect();
        trained(update, values).try_for_each(|trained| {
            let (columns, top_down) =
                (trained.form.masses(), top_down[trained.idx].par_chunks_exact(trained.form.masses()));
            match means.get_mut(trained.idx) {
                None => update_rows(trained, top_down.map(|row| (row, None)), step),
                Some(means) => update_rows(trained, top_down.zip(means.par_chunks_exact_mut(columns).map(Some)), step),
            }
        })
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

/// The numbers of one update.
#[derive(Clone, Copy)]
struct Step {
    size: f64,
    rows: f64,
    /// Per row of data.
    pseudocount: f64,
    momentum: f64,
    correction: f64,
}

/// `others` are for each row its top-down flows and, with momentum, the running means of its flows.
fn update_rows<'a>(
    trained: Trained<'_>,
    others: impl IndexedParallelIterator<Item = (&'a [f64], Option<&'a mut [f64]>)>,
    step: Step,
) -> Result<(), WrongFlow> {
    let form = trained.form;
    let [_, imagined] = form.pseudocount(step.pseudocount);
    trained.for_each_row(others, |row, (flows, _), masses, (top_down, means)| {
        flows.iter_mut().for_each(|flow| *flow /= step.rows);
        if let Some(means) = means {
            form.keep(row, flows);
            for (mean, flow) in means.iter_mut().zip(&mut *flows) {
                *mean = step.momentum * *mean + (1.0 - step.momentum) * *flow;
                *flow = *mean / step.correction;
            }
            form.recall(row, flows);
        }
        if form.total(flows) == 0.0 || step.size == 0.0 {
            return;
        }
        form.read(row, masses);
        let old = form.total(masses);
        let kept = if old > 0.0 { (1.0 - step.size) * form.total(top_down) / old } else { 0.0 };
        blend(masses, kept, flows, imagined, step.size);
        form.write(masses, row);
    })
}
