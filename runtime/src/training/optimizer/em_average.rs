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
use super::{Optimizer, State, Update, WrongFlow};
use crate::numbers::blend;
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
    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) -> Result<(), WrongFlow> {
        self.state.updates += 1;
        if update.step == 0.0 {
            return Ok(());
        }
        trained(update, values).try_for_each(|trained| update_parameter(trained, update.step, self.pseudocount))
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

fn update_parameter(trained: Trained<'_>, step: f64, pseudocount: f64) -> Result<(), WrongFlow> {
    let form = trained.form;
    let [pseudocount, imagined] = form.pseudocount(pseudocount);
    let nothing = (0..trained.rows()).into_par_iter();
    trained.for_each_row(nothing, |row, (flows, flow), masses, _| {
        if flow == 0.0 {
            return;
        }
        form.read(row, masses);
        let old = form.total(masses);
        let kept = if old > 0.0 { (1.0 - step) / old } else { 0.0 };
        let scale = step / (flow + pseudocount);
        blend(masses, kept, flows, imagined, scale);
        form.write(masses, row);
    })
}
