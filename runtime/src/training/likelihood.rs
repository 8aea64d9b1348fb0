//! Who says how likely validation data are.

use crate::data::Rows;
use crate::evaluation::Evaluation;

/// Evaluates parameters on data.
pub trait Likelihood {
    /// What can go wrong.
    type Error: std::error::Error;

    /// How likely the circuit with these parameters (in the order of the plan) finds all rows.
    fn evaluate(&mut self, values: &[Vec<f32>], rows: &dyn Rows) -> Result<Evaluation, Self::Error>;
}

/// A session and the number of rows that it evaluates at a time.
#[cfg(feature = "cpu")]
pub struct SessionLikelihood {
    /// The session.
    pub session: crate::session::Session,
    /// Rows evaluated at a time.
    pub batch: usize,
}

#[cfg(feature = "cpu")]
impl Likelihood for SessionLikelihood {
    type Error = crate::session::SessionError;

    fn evaluate(&mut self, values: &[Vec<f32>], rows: &dyn Rows) -> Result<Evaluation, Self::Error> {
        self.session.set_parameters(values)?;
        self.session.evaluate(rows, self.batch)
    }
}
