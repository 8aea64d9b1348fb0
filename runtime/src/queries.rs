//! Queries besides likelihoods: posterior probabilities, samples, most likely completions.
//!
//! Each is a plan of its own (see [`danaus_artifact::queries`]) that is run here batch by batch, so that memory does not grow with the
//! number of rows; a chain longer than memory is computed segment by segment. Rows never influence each other; a row of
//! probability 0 has no answer, and says so.
//!
//! * [`marginals`]: the posterior of every variable
//! * [`completions`]: samples and most likely completions
//! * [`pairs`]: the joint posterior of two variables
//! * [`stream`]: what follows a beginning, one symbol at a time
//! * [`information`]: entropy and divergence of deterministic circuits

pub mod completions;
pub mod information;
pub mod marginals;
pub mod pairs;
pub mod stream;

use crate::data::{Columns, Rows};
use crate::memory;
use crate::parameters::Parameters;
use crate::session::SessionError;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::{CHUNK, Plan};
use danaus_kernels::{FlowProgram, is_chain};
use std::ops::Range;
use std::sync::Arc;

pub use completions::{Completed, Sampling};
pub use marginals::{Marginals, Moments};
pub use pairs::Pair;
pub use stream::Stream;

/// Share of the free memory that activations take at most.
const SHARE: f64 = 0.7;

/// A circuit with its parameters on a device, ready for one kind of query.
pub struct QuerySession {
    signature: Arc<Plan>,
    columns: Columns,
    program: FlowProgram,
    choices: usize,
    /// Whether the variables of the plan are seen one after the other.
    is_chain: bool,
}

impl QuerySession {
    /// Puts a circuit on the device. `signature` has its variables and parameters, `plan` says how the query is computed.
    pub fn open(
        signature: impl Into<Arc<Plan>>,
        plan: impl Into<Arc<FlowPlan>>,
        parameters: &Parameters,
    ) -> Result<QuerySession, SessionError> {
        let (signature, plan) = (signature.into(), plan.into());
        let length = plan.packed_chunks as usize * CHUNK;
        // Once as it is packed, once on the device.
        let what = || format!("putting the parameters of circuit `{}` on the device", signature.name);
        memory::require(2 * 4 * length as u64, what, "")?;
        let limit = (memory::available().unwrap_or(u64::MAX / 2) as f64 * SHARE) as u64;
        let choices = plan.choices as usize + 2 * plan.loops.len();
        let is_chain = is_chain(&plan);
        let mut program = FlowProgram::new(plan, signature.clone(), limit)?;
        program.set_parameters(parameters.values())?;
        Ok(QuerySession { columns: Columns::new(&signature.variables), signature, program, choices, is_chain })
    }

    /// The variables.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    fn check_variables(&self, rows: &dyn Rows) -> Result<(), SessionError> {
        let (expected, found) = (self.columns.len(), rows.columns().len());
        if expected == found {
            return Ok(());
        }
        Err(SessionError::Variables { circuit: self.signature.name.clone(), expected, found })
    }
}

/// Evidence `[variables][rows]`.
fn evidence(rows: &dyn Rows, range: Range<usize>) -> Result<Vec<u32>, SessionError> {
    let mut values = vec![0; rows.columns().len() * range.len()];
    rows.fill(range, &mut values)?;
    Ok(values)
}
