//! Who says how likely validation data are.

use crate::data::Rows;
use crate::evaluation::Evaluation;
#[cfg(feature = "cpu")]
use crate::session::{Session, SessionError};
#[cfg(feature = "cpu")]
use danaus_artifact::plan::Plan;
use std::ops::ControlFlow;
#[cfg(feature = "cpu")]
use std::sync::Arc;

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

/// A session, which takes memory from the first evaluation on.
#[cfg(feature = "cpu")]
pub struct SessionLikelihood {
    plan: Arc<Plan>,
    session: Option<Session>,
    batch: usize,
}

#[cfg(feature = "cpu")]
impl SessionLikelihood {
    /// For a circuit; `batch` is how many rows are evaluated at a time.
    pub fn new(plan: Arc<Plan>, batch: usize) -> SessionLikelihood {
        SessionLikelihood { plan, session: None, batch }
    }
}

#[cfg(feature = "cpu")]
impl Likelihood for SessionLikelihood {
    type Error = SessionError;

    fn evaluate(
        &mut self,
        values: &[Vec<f32>],
        rows: &dyn Rows,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, Self::Error> {
        let session = match &mut self.session {
            Some(session) => {
                session.set_parameters(values)?;
                session
            }
            none => none.insert(Session::with_values(self.plan.clone(), values)?),
        };
        session.evaluate_with(rows, self.batch, &mut unless(stop))
    }
}
