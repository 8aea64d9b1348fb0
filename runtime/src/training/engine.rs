//! Flows from compiled kernels.
//!
//! Activations that the backward pass needs are kept; where that would take more memory than there is, they are
//! computed again, segment by segment (see [`danaus_artifact::flow_plan`]).

use super::{FlowSource, Flows};
use crate::memory;
use crate::session::SessionError;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::{CHUNK, Plan};
use danaus_kernels::{FlowProgram, Stats};
use std::sync::Arc;

/// Batches that are at least this much smaller than the usual ones have buffers of their own.
const SMALL: usize = 4;

/// Share of the free memory that activations take if nobody says how much.
const SHARE: f64 = 0.7;

/// A circuit that computes flows on the CPU.
pub struct Engine {
    signature: Arc<Plan>,
    program: FlowProgram,
    batch: usize,
}

impl Engine {
    /// Puts a circuit on the device. `batch` is how many rows are computed at a time; activations take at most `limit`
    /// bytes, or most of the free memory.
    pub fn open(
        signature: Arc<Plan>,
        plan: Arc<FlowPlan>,
        batch: usize,
        limit: Option<u64>,
    ) -> Result<Engine, SessionError> {
        let free = memory::available().unwrap_or(u64::MAX / 2);
        let limit = limit.unwrap_or((free as f64 * SHARE) as u64);
        // Single precision for a batch, double precision for several.
        let counts = (4 + 8) * plan.count_chunks as u64 * CHUNK as u64;
        let packed = 2 * 4 * plan.packed_chunks as u64 * CHUNK as u64;
        memory::require(counts + packed, || format!("the flows of circuit `{}`", signature.name), "")?;
        let program = FlowProgram::new(plan, signature.clone(), limit)?;
        Ok(Engine { signature, program, batch: batch.max(1) })
    }

    /// What the device has done so far.
    pub fn stats(&self) -> Stats {
        self.program.stats()
    }

    /// Iterations of each loop whose activations are in memory at a time; none before the first batch.
    pub fn segments(&self) -> Option<Vec<u32>> {
        self.program.segments().map(|segments| segments.0.clone())
    }
}

impl FlowSource for Engine {
    type Error = SessionError;

    fn plan(&self) -> &Arc<Plan> {
        &self.signature
    }

    fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), SessionError> {
        Ok(self.program.set_parameters(values)?)
    }

    fn gather(&mut self, evidence: &[u32], rows: usize) -> Result<Vec<f64>, SessionError> {
        if rows <= self.batch {
            let small = rows.max(1).next_power_of_two();
            let batch = if small * SMALL <= self.batch { small } else { self.batch };
            return Ok(self.program.gather(evidence, rows, batch)?);
        }
        let mut values = Vec::with_capacity(rows);
        for first in (0..rows).step_by(self.batch) {
            let count = self.batch.min(rows - first);
            let part: Vec<u32> =
                evidence.chunks_exact(rows).flat_map(|row| &row[first..first + count]).copied().collect();
            values.extend(self.program.gather(&part, count, self.batch)?);
        }
        Ok(values)
    }

    fn take(&mut self) -> Result<Flows<'_>, SessionError> {
        Ok(Flows::Counts(self.program.take()?))
    }
}
