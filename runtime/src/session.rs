//! A circuit with its parameters on a device, and queries.
//!
//! Memory does not grow with the number of rows: they are read, evaluated and handed on batch by batch. Rows never
//! influence each other; a row that the circuit gives probability 0 has log-likelihood `-inf`, and the others are what they are.

#[cfg(test)]
mod tests;

pub use crate::evaluation::Evaluation;

use crate::data::{DataError, Rows, Sequence};
use crate::evaluation::{self, Tally};
use crate::memory::{self, MemoryError};
use crate::parameters::Parameters;
use danaus_artifact::plan::Plan;
use danaus_kernels::{KernelError, Program, Stats, pack, pack_len};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Instant;
use thiserror::Error;

/// The activations of a batch should stay in the cache.
const CACHED_BYTES: u64 = 8 << 20;

/// How many rows are evaluated at a time if nobody says: many for small circuits, never fewer than the kernels need
/// to be fast.
pub fn usual_batch(plan: &Plan) -> usize {
    let rows = CACHED_BYTES / (4 * u64::from(plan.rows)).max(1);
    (rows.clamp(64, 1024) as usize).next_multiple_of(16)
}

/// Values of a long sequence that are on the device at a time.
const WINDOW: u32 = 4096;

/// Why a query has no answer.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The evidence cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The plan cannot be run.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// It would take more memory than there is.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The evidence is for another circuit.
    #[error("the data has {found} variables, but circuit `{circuit}` has {expected}")]
    Variables {
        /// The circuit.
        circuit: String,
        /// Its variables.
        expected: usize,
        /// The variables of the data.
        found: usize,
    },
    /// There is no order in which values could be given.
    #[error(
        "circuit `{circuit}` has no order in which its variables could be given values one at a time: it is no chain that was rolled up and whose \
         last iteration reads the first variable"
    )]
    NoChain {
        /// The circuit.
        circuit: String,
    },
    /// All values have been given.
    #[error("all {variables} variables have been given values")]
    StreamEnd {
        /// How many there are.
        variables: usize,
    },
    /// There is not one value for each row.
    #[error("there is one value for each of {expected} rows, but {found} are given")]
    StreamRows {
        /// Rows of the stream.
        expected: usize,
        /// Values.
        found: usize,
    },
    /// More samples than have numbers.
    #[error("{wanted} samples at once are too many; fewer than {} can be told apart", u32::MAX)]
    TooManyDraws {
        /// How many.
        wanted: u64,
    },
}

/// A circuit that is ready to answer.
pub struct Session {
    plan: Arc<Plan>,
    program: Program,
    variables: usize,
}

impl Session {
    /// Puts a circuit and its parameters on the device.
    pub fn open(plan: impl Into<Arc<Plan>>, parameters: &Parameters) -> Result<Session, SessionError> {
        Session::with_values(plan.into(), parameters.values())
    }

    pub(crate) fn with_values(plan: Arc<Plan>, values: &[Vec<f32>]) -> Result<Session, SessionError> {
        // Once as it is packed, once on the device.
        let needed = 2 * 4 * pack_len(&plan) as u64;
        memory::require(needed, || format!("putting the parameters of circuit `{}` on the device", plan.name), "")?;
        let program = Program::new(plan.clone(), pack(&plan, values))?;
        let variables = plan.variables.iter().map(|array| array.len()).sum();
        Ok(Session { plan, program, variables })
    }

    /// Replaces the numbers of all parameters, in the order of the plan.
    pub fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), SessionError> {
        Ok(self.program.set_parameters(pack(&self.plan, values))?)
    }

    /// The plan.
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// What the device has done so far.
    pub fn stats(&self) -> Stats {
        self.program.stats()
    }

    /// The log-likelihood of every row, batch by batch: the number of the batch's first row and its values. Stops
    /// early when told to.
    pub fn log_likelihoods(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        on_batch: &mut dyn FnMut(usize, &[f64]) -> ControlFlow<()>,
    ) -> Result<(), SessionError> {
        let batch = self.whole_batch(rows, batch)?;
        let forward = &mut |evidence: &[u32]| Ok(self.program.forward(evidence, batch)?);
        evaluation::batches(rows, batch, forward, &mut |first, _, values| on_batch(first, values)).map(drop)
    }

    /// How likely the circuit finds all rows.
    pub fn evaluate(&mut self, rows: &dyn Rows, batch: usize) -> Result<Evaluation, SessionError> {
        let found = self.evaluate_with(rows, batch, &mut |_| ControlFlow::Continue(()))?;
        Ok(found.expect("nobody said that it is enough"))
    }

    /// Like [`evaluate`](Session::evaluate); tells after every batch how many rows are done, and gives nothing if it is then told that
    /// it is enough.
    pub fn evaluate_with(
        &mut self,
        rows: &dyn Rows,
        batch: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Evaluation>, SessionError> {
        let batch = self.whole_batch(rows, batch)?;
        let forward = &mut |evidence: &[u32]| Ok(self.program.forward(evidence, batch)?);
        evaluation::evaluate(rows, batch, forward, progress)
    }

    /// How likely the circuit, a chain of any length, finds one long sequence. Memory does not grow with its length.
    pub fn stream(&mut self, sequence: &dyn Sequence) -> Result<Evaluation, SessionError> {
        self.stream_with(sequence, &mut |_| {})
    }

    /// Like [`stream`](Session::stream); tells after every window how many values have been read.
    pub fn stream_with(
        &mut self,
        sequence: &dyn Sequence,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Evaluation, SessionError> {
        let start = Instant::now();
        self.check_memory(1)?;
        let mut tally = Tally::default();
        let (mut failed, mut read) = (None, 0);
        let mut next = |range: Range<u64>| {
            let values = sequence.fill(range.start as usize..range.end as usize).map_err(|error| {
                let message = error.to_string();
                failed = Some(error);
                message
            })?;
            tally.observe(&values, &[sequence.missing()], 0.0);
            read += values.len();
            progress(read);
            Ok(values)
        };
        let result = self.program.stream(sequence.len() as u64, WINDOW, 1, &mut next);
        if let Some(error) = failed {
            return Err(error.into());
        }
        result?.into_iter().for_each(|value| tally.row(value));
        Ok(tally.finish(start.elapsed().as_secs_f64()))
    }

    /// How many rows are evaluated at a time; refuses data that do not fit the circuit or the memory.
    fn whole_batch(&self, rows: &dyn Rows, batch: usize) -> Result<usize, SessionError> {
        let found = rows.columns().len();
        if found != self.variables {
            let (circuit, expected) = (self.plan.name.clone(), self.variables);
            return Err(SessionError::Variables { circuit, expected, found });
        }
        let batch = batch.clamp(1, rows.len().max(1));
        self.check_memory(batch)?;
        Ok(batch)
    }

    /// Activations and evidence, before they are allocated.
    fn check_memory(&self, batch: usize) -> Result<(), MemoryError> {
        let padded = batch.next_multiple_of(16) as u64;
        let activations = 4 * u64::from(self.plan.rows) * padded;
        let evidence = 3 * 4 * self.variables as u64 * padded;
        let what = || format!("evaluating circuit `{}` in batches of {batch}", self.plan.name);
        memory::require(activations.saturating_add(evidence), what, "use a smaller batch")
    }
}
