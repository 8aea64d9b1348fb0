//! Optimizers: from the flows of rows of data to new parameters.
//!
//! All of them treat a parameter row by row, where a row is a distribution: the weights of one output of a sum, or the
//! table of one unit of an input. Below, `theta` is a row of `n` probabilities, `F` are its flows, `f` is their sum, `R` is the
//! number of rows of data that they are from, `s` the step size and `c` the pseudocount.
//!
//! * [`em`]: expectation-maximization, full-batch and stepwise
//! * [`em_average`]: moves `theta` towards the maximum of one batch
//! * [`anemone`]: EM whose steps are scaled by how often a row is used
//! * [`adam`]: Adam on unconstrained parameters
//!
//! Guarantees, whatever the flows are as long as they are finite and not negative:
//!
//! * A parameter that is not stored is never touched; a row that never had flows keeps its numbers.
//! * A row that changes is normalized in double precision and then rounded, and no number is NaN.
//! * Without a pseudocount a probability of 0 stays 0.
//! * Rows are computed independently of each other, so the result does not depend on the number of threads.

pub mod adam;
pub mod anemone;
pub mod em;
pub mod em_average;
mod gaussian;
mod rows;
#[cfg(test)]
mod tests;

use crate::training::flows::Flows;
use danaus_artifact::signature::Parameter;
use serde::{Deserialize, Serialize};

/// What an update is made from.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// The circuit's parameters.
    pub parameters: &'a [Parameter],
    /// The flows of the rows of data, under the current values of the parameters.
    pub flows: &'a Flows<'a>,
    /// The flows of one row without any evidence under the current parameters, if the optimizer asked for them.
    pub top_down: Option<&'a [Vec<f64>]>,
    /// Rows of data that gave the flows: those that are possible.
    pub rows: f64,
    /// The step size.
    pub step: f64,
}

/// A flow that is negative or not finite: a mistake in what computed it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WrongFlow {
    /// Index of its parameter.
    pub parameter: usize,
    /// Where it is among the parameter's numbers.
    pub number: usize,
    /// What it is.
    pub found: f64,
}

/// What an optimizer remembers from update to update. Saved and restored, it goes on to the bit as if nothing had happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Updates so far.
    pub updates: u64,
    /// Numbers by buffer and parameter; what they mean is the optimizer's business.
    pub buffers: Vec<Vec<Vec<f64>>>,
}

/// Makes new parameters from flows.
pub trait Optimizer {
    /// Whether [`Update::top_down`] is needed.
    fn wants_top_down(&self) -> bool {
        false
    }

    /// Replaces the values of parameters (tables as logarithms, weights linear). If there is a flow that is negative or not finite, what was
    /// replaced until then is of no use.
    fn update(&mut self, update: &Update<'_>, values: &mut [Vec<f32>]) -> Result<(), WrongFlow>;

    /// What it remembers.
    fn state(&self) -> &State;

    /// Goes on from a state of an optimizer of the same kind.
    fn restore(&mut self, state: State);
}

/// An optimizer and its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Algorithm {
    /// See [`em`].
    Em {
        /// Imagined flow of a row of a parameter.
        pseudocount: f64,
    },
    /// See [`em_average`].
    EmAverage {
        /// Imagined flow of a row of a parameter.
        pseudocount: f64,
    },
    /// See [`anemone`].
    Anemone {
        /// Imagined flow of a row of a parameter.
        pseudocount: f64,
        /// How much of the flows is remembered from update to update: 0 is none.
        momentum: f64,
    },
    /// See [`adam`].
    Adam {
        /// Imagined flow of a row of a parameter.
        pseudocount: f64,
        /// Decay of the mean of the gradient.
        beta1: f64,
        /// Decay of the mean of its square.
        beta2: f64,
        /// Added to the root of the mean square.
        epsilon: f64,
    },
}

/// An optimizer at the start of a run.
pub fn create(algorithm: Algorithm) -> Box<dyn Optimizer> {
    match algorithm {
        Algorithm::Em { pseudocount } => Box::new(em::Em::new(pseudocount)),
        Algorithm::EmAverage { pseudocount } => Box::new(em_average::EmAverage::new(pseudocount)),
        Algorithm::Anemone { pseudocount, momentum } => Box::new(anemone::Anemone::new(pseudocount, momentum)),
        Algorithm::Adam { pseudocount, beta1, beta2, epsilon } => {
            Box::new(adam::Adam::new(pseudocount, [beta1, beta2], epsilon))
        }
    }
}
