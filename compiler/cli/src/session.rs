//! Sessions of the runtime, with the command line's failures and habits.

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::model::Model;
use crate::table::{Align, seconds, table};
use danaus_artifact::plan::Plan;
use danaus_kernels::processor::{Made, made};
use danaus_runtime::parameters::Parameters;
use danaus_runtime::queries::QuerySession;
pub use danaus_runtime::session::usual_batch;
use danaus_runtime::session::{Session, SessionError};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Puts a circuit on the device.
pub fn open(plan: impl Into<Arc<Plan>>, parameters: &Parameters) -> Result<Session, Failure> {
    Session::open(plan, parameters).map_err(failure)
}

/// Puts the marginals of a model on the device; it must have been opened with them.
pub fn marginals(model: Model, parameters: &Parameters) -> Result<QuerySession, Failure> {
    let plan = model.queries.marginal.expect("the model was opened with them");
    QuerySession::open(model.plan, plan, parameters).map_err(failure)
}

/// Whose fault it is.
pub fn failure(error: SessionError) -> Failure {
    match error {
        SessionError::Data(error) => data_failure(error),
        SessionError::Variables { .. }
        | SessionError::NoChain { .. }
        | SessionError::StreamEnd { .. }
        | SessionError::StreamRows { .. } => Failure::wrong(error),
        SessionError::Kernel(_) | SessionError::Memory(_) | SessionError::TooManyDraws { .. } => Failure::usage(error),
    }
}

/// How long each kernel took to be made ready, and how: `--timings`.
pub fn timings() -> String {
    let made = made();
    let row = |name: &str, time: f64, how: &str| vec![name.to_string(), seconds(time), how.to_string()];
    let how = |made: &Made| if made.was_kept { "kept" } else { "compiled" };
    let mut rows: Vec<Vec<String>> = made.iter().map(|made| row(made.kernel, made.seconds, how(made))).collect();
    rows.push(row("all kernels", made.iter().map(|made| made.seconds).sum(), ""));
    table("", &[Align::Left, Align::Right, Align::Left], &rows)
}

/// A line on the terminal that says how far a long evaluation is. Not shown where stderr is not a terminal.
pub struct Progress {
    total: usize,
    what: &'static str,
    last: Instant,
    shown: bool,
    visible: bool,
}

impl Progress {
    /// So many things are to be done.
    pub fn new(total: usize, what: &'static str) -> Self {
        Progress { total, what, last: Instant::now(), shown: false, visible: std::io::stderr().is_terminal() }
    }

    /// So many are done.
    pub fn show(&mut self, done: usize) {
        if self.visible && self.last.elapsed() > Duration::from_millis(500) {
            self.last = Instant::now();
            self.shown = true;
            let _ = write!(std::io::stderr(), "\r{done} of {} {}", self.total, self.what);
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
