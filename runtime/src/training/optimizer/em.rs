//! Expectation-maximization. With the step size `a`, and `N` the node flow that a row remembers, at first 0:
//!
//! ```text
//! theta'_j = ((1 - a) N theta_j + a (F_j + c / n)) / ((1 - a) N + a (f + c))
//! N'       =  (1 - a) N + a f
//! ```
//!
//! With `a = 1` this is full-batch EM, `(F_j + c / n) / (f + c)`, which never lowers the likelihood of the rows that the flows
//! are from when `c = 0` (Dempster, Laird and Rubin, 1977; for circuits: Peharz, Gens, Pernkopf and Domingos, 2016). With `a < 1` it is
//! stepwise EM (Sato and Ishii, 2000; Cappe and Moulines, 2009): `N theta` is a running mean of the flows of all updates so far. Without
//! pseudocount it is the update of the public code of "Scaling Probabilistic Circuits via Monarch Matrices" (ICML 2025), which
//! remembers row sums between updates in the same way.
//!
//! # Design
//!
//! * The first update has nothing to remember: it takes the maximum for its rows, whatever its step size.
//! * The pseudocount is imagined flow of every update. It is scaled by `a` as the real flow is, so that it means the same for
//!   every step size: where flows no longer change, `theta` comes to rest at the maximum `(F_j + c / n) / (f + c)`. Added unscaled, it would
//!   outweigh the data where the step size goes to zero, and a line from 1 to 0 would end close to uniform rows.
//! * A row without flow in an update keeps its numbers. What it remembers fades as if it had been part of the update.

use super::rows::{Trained, prepare, trained};
use super::{Optimizer, State, Update, WrongFlow};
use crate::numbers::blend;
use rayon::prelude::*;

/// Expectation-maximization. The buffer of its state holds the remembered node flows.
#[derive(Debug)]
pub struct Em {
    pseudocount: f64,
    state: State,
}

impl Em {
    /// At the start of a run.
    pub fn new(pseudocount: f64) -> Em {
        Em { pseudocount, state: State::default() }
    }
}

impl Optimizer for Em {
    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) -> Result<(), WrongFlow> {
        prepare(&mut self.state, update, values, 1, true);
        self.state.updates += 1;
        if update.step == 0.0 {
            return Ok(());
        }
        let mut node_flows: Vec<Option<&mut Vec<f64>>> = self.state.buffers[0].iter_mut().map(Some).collect();
        let all: Vec<(Trained<'_>, &mut Vec<f64>)> = trained(update, values)
            .map(|trained| {
                let node_flows = node_flows[trained.idx].take();
                (trained, node_flows.expect("each parameter is there once"))
            })
            .collect();
        // Circuits have few large parameters or many small ones: both are worth all cores.
        let updated = |(trained, node_flows): (Trained<'_>, &mut Vec<f64>)| {
            update_parameter(trained, node_flows, update.step, self.pseudocount)
        };
        all.into_par_iter().try_for_each(updated)
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn restore(&mut self, state: State) {
        self.state = state;
    }
}

fn update_parameter(
    trained: Trained<'_>,
    node_flows: &mut [f64],
    step: f64,
    pseudocount: f64,
) -> Result<(), WrongFlow> {
    let form = trained.form;
    let [_, imagined] = form.pseudocount(pseudocount);
    let node_flows = node_flows.par_iter_mut();
    trained.for_each_row(node_flows, |row, (flows, flow), masses, node_flow| {
        let kept = (1.0 - step) * *node_flow;
        if flow == 0.0 {
            *node_flow = kept;
            return;
        }
        if kept == 0.0 {
            masses.fill(0.0);
        } else {
            form.read(row, masses);
        }
        blend(masses, kept, flows, imagined, step);
        form.write(masses, row);
        *node_flow = kept + step * flow;
    })
}
