//! Where a training run has its flows from.
//!
//! The *flow* of a number `w` of a parameter is the sum, over rows of data, of `d log p(row) / d log w`: how often the
//! circuit expects `w` to be used. For a table, which holds logarithms, it is the derivative with respect to the entry
//! itself; where the variable is missing, the flow of a unit is spread over its row in proportion to the probabilities.
//! The flows of one row of a sum's weights add up to the flow of its unit, and those of the root to the number of rows.

use danaus_artifact::counts::Counts;
use danaus_artifact::plan::Plan;
use std::sync::Arc;

/// Gathers the flows of rows of data.
pub trait FlowSource {
    /// What can go wrong.
    type Error: std::error::Error;

    /// The circuit: its variables and its parameters.
    fn plan(&self) -> &Arc<Plan>;

    /// Replaces the numbers of all parameters, in the order of the plan: tables as logarithms, weights linear, row-major.
    fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), Self::Error>;

    /// Adds the flows of `rows` rows to those gathered so far, and gives the rows' log-likelihoods. `evidence` is
    /// `[variables][rows]`: indices of values, or the number of values of the variable where it is missing. A row of
    /// log-likelihood `-inf` has no flows.
    fn gather(&mut self, evidence: &[u32], rows: usize) -> Result<Vec<f64>, Self::Error>;

    /// The flows gathered so far; the next rows start afresh.
    fn take(&mut self) -> Result<Flows<'_>, Self::Error>;
}

/// The flows of all parameters of a plan, in the order of their numbers.
#[derive(Clone, Debug)]
pub enum Flows<'a> {
    /// As kernels counted them, with the parameters as they are.
    Counts(Counts<'a>),
    /// As sums; the vector of a parameter that is not stored (an indicator) is empty.
    Sums(Vec<Vec<f64>>),
}

impl Flows<'_> {
    /// The flows of row `row` of a stored parameter, whose numbers are `values`.
    ///
    /// # Panics
    /// If there is no such row, or `flows` has not the length of `values`.
    pub fn row(&self, parameter: usize, row: usize, values: &[f32], flows: &mut [f64]) {
        match self {
            Flows::Counts(counts) => counts.row(parameter, row, values, flows),
            Flows::Sums(sums) => flows.copy_from_slice(&sums[parameter][row * flows.len()..][..flows.len()]),
        }
    }

    /// All of them as sums. `values` are the numbers of the parameters.
    pub fn all(self, values: &[Vec<f32>]) -> Vec<Vec<f64>> {
        match self {
            Flows::Counts(counts) => counts.all(values),
            Flows::Sums(sums) => sums,
        }
    }
}
