//! Training's source of flows, and its judge of validation data: see [`danaus_runtime::training`].

use crate::batch::values_of;
use crate::device::Device;
use crate::error::GpuError;
use crate::forward::Forward;
use crate::score::{self, ScoreError};
use crate::training::Training;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::gpu::GpuCode;
use danaus_artifact::pack::{pack, pack_all};
use danaus_artifact::plan::{CHUNK, Plan};
use danaus_runtime::data::Rows;
use danaus_runtime::evaluation::Evaluation;
use danaus_runtime::training::likelihood::unless;
use danaus_runtime::training::{FlowSource, Flows, Likelihood};
use std::sync::Arc;

/// A circuit that computes flows on a device.
pub struct GpuFlows<D: Device> {
    signature: Arc<Plan>,
    plan: Arc<FlowPlan>,
    training: Training<D>,
    values: Vec<Vec<f32>>,
    batch: usize,
}

impl<D: Device> GpuFlows<D> {
    /// Puts a circuit on a device. `batch` is how many rows are computed at a time; activations take at most `limit` bytes.
    pub fn open(
        device: D,
        signature: Arc<Plan>,
        plan: Arc<FlowPlan>,
        code: &GpuCode,
        batch: usize,
        limit: u64,
    ) -> Result<GpuFlows<D>, GpuError> {
        let training = Training::new(device, plan.clone(), signature.clone(), code, limit)?;
        Ok(GpuFlows { signature, plan, training, values: Vec::new(), batch: batch.max(1) })
    }
}

impl<D: Device> FlowSource for GpuFlows<D> {
    type Error = GpuError;

    fn plan(&self) -> &Arc<Plan> {
        &self.signature
    }

    fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), GpuError> {
        let length = self.plan.packed_chunks as usize * CHUNK;
        self.training.set_packed(&pack_all(&self.plan.packs, length, &self.signature.parameters, values))?;
        self.values = values.to_vec();
        Ok(())
    }

    fn gather(&mut self, evidence: &[u32], rows: usize) -> Result<Vec<f64>, GpuError> {
        let mut values = Vec::with_capacity(rows);
        for first in (0..rows).step_by(self.batch) {
            let count = self.batch.min(rows - first);
            let part: Vec<u32> =
                evidence.chunks_exact(rows).flat_map(|row| &row[first..first + count]).copied().collect();
            values.extend(self.training.gather(&part, count, self.batch)?);
        }
        Ok(values)
    }

    fn take(&mut self) -> Result<Flows<'_>, GpuError> {
        self.training.take(&self.values).map(Flows::Sums)
    }
}

/// A circuit on a device that says how likely validation data are.
pub struct GpuLikelihood<D: Device> {
    plan: Arc<Plan>,
    forward: Forward<D>,
    batch: usize,
}

impl<D: Device> GpuLikelihood<D> {
    /// Puts a circuit on a device, and takes the memory for batches of `batch` rows at once: what is left is for flows. `values` are those of
    /// the parameters.
    pub fn open(
        device: D,
        plan: Arc<Plan>,
        code: &GpuCode,
        values: &[Vec<f32>],
        batch: usize,
    ) -> Result<GpuLikelihood<D>, GpuError> {
        let mut forward = Forward::new(device, plan.clone(), code, &pack(&plan, values))?;
        let missing = values_of(&plan.variables).into_iter().flat_map(|value| std::iter::repeat_n(value, batch));
        forward.forward(&missing.collect::<Vec<u32>>(), batch)?;
        Ok(GpuLikelihood { plan, forward, batch })
    }
}

impl<D: Device> Likelihood for GpuLikelihood<D> {
    type Error = ScoreError;

    fn evaluate(
        &mut self,
        values: &[Vec<f32>],
        rows: &dyn Rows,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, ScoreError> {
        self.forward.set_packed(&pack(&self.plan, values))?;
        score::evaluate(&mut self.forward, rows, self.batch, &mut unless(stop))
    }
}

/// Nobody: for training without validation data.
pub enum NoJudge {}

impl Likelihood for NoJudge {
    type Error = GpuError;

    fn evaluate(
        &mut self,
        _values: &[Vec<f32>],
        _rows: &dyn Rows,
        _stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, GpuError> {
        match *self {}
    }
}
