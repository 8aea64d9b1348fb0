//! Who says how likely validation data are.

use crate::data::Rows;
use crate::evaluation::Evaluation;
use std::ops::ControlFlow;

/// Evaluates parameters on data.
pub trait Likelihood {
    /// What can go wrong.
    type Error: std::error::Error;

    /// How likely the circuit with these parameters (in the order of the plan) finds all rows. `stop` is asked after every batch whether
    /// to stop; then there is no result.
    fn evaluate(
        &mut self,
        values: &[Vec<f32>],
        rows: &dyn Rows,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, Self::Error>;
}

/// Goes on unless `stop` says otherwise, for [`evaluation::evaluate`](crate::evaluation::evaluate).
pub fn unless(stop: &mut dyn FnMut() -> bool) -> impl FnMut(usize) -> ControlFlow<()> {
    move |_| if stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
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

    fn evaluate(
        &mut self,
        values: &[Vec<f32>],
        rows: &dyn Rows,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, Self::Error> {
        self.session.set_parameters(values)?;
        self.session.evaluate_with(rows, self.batch, &mut unless(stop))
    }
}
