//! Log-likelihoods on a device: walks the plan as the chapter of the specification on it says.
//!
//! # Design
//!
//! All launches of a batch are recorded when its size is first seen; after that a batch is one upload of evidence, one replay and
//! one download. So the time to launch thousands of kernels of a long loop does not show.

use crate::batch::{Batch, Recorded, rows, values_of};
use crate::device::Device;
use crate::error::GpuError;
use crate::kernels::{Ask, Kernels, check_evidence, matrices, sized, uploaded};
use danaus_artifact::gpu::{Buffer, GpuCode, Role, Scalar};
use danaus_artifact::pack;
use danaus_artifact::plan::{CHUNK, Launch, Loop, Plan, Step};
use std::sync::Arc;

/// A plan with its code and parameters on a device.
pub struct Forward<D: Device> {
    plan: Arc<Plan>,
    device: D,
    kernels: Kernels<D>,
    /// Samples in a vector, and in a tile.
    tile: [usize; 2],
    packed: (D::Buffer, u32),
    /// Weights in the precision of the code.
    matrices: Option<(D::Buffer, u32)>,
    tables: (D::Buffer, u32),
    /// Number of values of every variable.
    values: Vec<u32>,
    batch: Option<(Batch<D>, Recorded<D>)>,
}

impl<D: Device> Forward<D> {
    /// Puts a plan, its code and its packed parameters on a device.
    pub fn new(mut device: D, plan: Arc<Plan>, code: &GpuCode, packed: &[f32]) -> Result<Forward<D>, GpuError> {
        check_packed(&plan, packed)?;
        let is_ours = |role: Role| {
            let between = matches!(role, Role::Carry { rescales: true, wanted: true } | Role::Leave { .. });
            between || matches!(role, Role::Layer(_) | Role::Result | Role::ResultWithOffsets)
        };
        let kernels = Kernels::load(&mut device, code, is_ours)?;
        kernels.require((0..plan.kernels.len() as u32).map(Role::Layer))?;
        let mut weights = matrices(&mut device, code, packed.len() as u64)?;
        if let Some((buffer, _)) = &mut weights {
            let bytes = pack::matrices(&plan.packs, &plan.parameters, packed, code.precision);
            device.upload(buffer, &bytes)?;
        }
        let packed = uploaded(&mut device, packed.iter().map(|number| number.to_le_bytes()), "the parameters")?;
        let tables = uploaded(&mut device, plan.tables.iter().map(|word| word.to_le_bytes()), "the plan's tables")?;
        let values = values_of(&plan.variables);
        let tile = [code.lanes, code.samples].map(|size| size as usize);
        Ok(Forward { plan, device, kernels, tile, packed, matrices: weights, tables, values, batch: None })
    }

    /// Replaces the packed parameters.
    pub fn set_packed(&mut self, packed: &[f32]) -> Result<(), GpuError> {
        check_packed(&self.plan, packed)?;
        let bytes: Vec<u8> = packed.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.device.upload(&mut self.packed.0, &bytes)?;
        // A device may have given the copy another place.
        if let Some((_, recorded)) = &mut self.batch {
            recorded.forget();
        }
        Ok(())
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, to look at what it did or to change how it does it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Log-likelihoods of `rows` rows. `evidence` is `[variables][rows]`: indices of values, or the number of values of the variable
    /// where it is missing.
    pub fn forward(&mut self, evidence: &[u32], rows: usize) -> Result<Vec<f64>, GpuError> {
        check_evidence(evidence, rows, &self.values)?;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let (mut batch, mut recorded) = match self.batch.take().filter(|(batch, _)| batch.rows == rows) {
            Some(ready) => ready,
            None => {
                let variables = self.values.len().max(1);
                let batch = Batch::new(&mut self.device, rows, self.tile, self.plan.rows, variables)?;
                (batch, Recorded::default())
            }
        };
        let result = self.run(&mut batch, &mut recorded, evidence);
        self.batch = Some((batch, recorded));
        result
    }

    fn run(
        &mut self,
        batch: &mut Batch<D>,
        recorded: &mut Recorded<D>,
        evidence: &[u32],
    ) -> Result<Vec<f64>, GpuError> {
        batch.start(&mut self.device, evidence, batch.rows, &self.values)?;
        recorded.run(self, |forward| &mut forward.device, |forward| forward.walk(batch))?;
        batch.results(&mut self.device, batch.rows)
    }

    /// Queues all launches of a batch.
    fn walk(&mut self, batch: &Batch<D>) -> Result<(), GpuError> {
        let plan = self.plan.clone();
        let mut iterations = 0;
        for step in &plan.steps {
            match step {
                Step::Launch(launch) => self.layer(batch, launch, iterations, 0)?,
                Step::Loop(body) => {
                    self.walk_loop(batch, body)?;
                    iterations = body.steps;
                }
            }
        }
        let role = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
        self.launch(batch, role, 1, &rows([plan.root, 0, 1]))
    }

    fn walk_loop(&mut self, batch: &Batch<D>, body: &Loop) -> Result<(), GpuError> {
        let carry = |iteration: u32| body.carry[iteration as usize % 2];
        for iteration in 0..body.steps {
            for launch in &body.body {
                self.layer(batch, launch, iteration, iteration)?;
            }
            if (iteration + 1).is_multiple_of(body.rescale) {
                let (role, row) = (Role::Carry { rescales: true, wanted: true }, carry(iteration + 1));
                self.launch(batch, role, 1, &rows([row, row, body.width]))?;
            }
        }
        if self.plan.root_offset {
            return Ok(());
        }
        let row = carry(body.steps);
        self.launch(batch, Role::Leave { with_offsets: true }, 1, &rows([row, row, body.width]))
    }

    fn layer(&mut self, batch: &Batch<D>, launch: &Launch, parity: u32, iteration: u32) -> Result<(), GpuError> {
        let table = launch.table[parity as usize % 2];
        self.launch(batch, Role::Layer(launch.kernel), launch.members, &|scalar| match scalar {
            Scalar::Table => table,
            Scalar::Members => launch.members,
            Scalar::Iteration => iteration,
            _ => 0,
        })
    }

    /// Queues one launch of `items` members.
    fn launch(
        &mut self,
        batch: &Batch<D>,
        role: Role,
        items: u32,
        number: &dyn Fn(Scalar) -> u32,
    ) -> Result<(), GpuError> {
        let own = |buffer: Buffer| match buffer {
            Buffer::Packed => Some(sized(&self.packed)),
            Buffer::Matrices => self.matrices.as_ref().map(sized),
            Buffer::Tables => Some(sized(&self.tables)),
            _ => None,
        };
        let buffer = |buffer: Buffer| batch.buffer(buffer).or_else(|| own(buffer));
        let ask = Ask { role, items, vectors: batch.vectors as u32, number, buffer: &buffer };
        // SAFETY: the plan was checked when the artifact was read, and the buffers were made for it and for this batch.
        unsafe { self.kernels.launch(&mut self.device, &ask) }
    }
}

fn check_packed(plan: &Plan, packed: &[f32]) -> Result<(), GpuError> {
    let (expected, found) = (plan.packed_chunks as usize * CHUNK, packed.len());
    if found == expected { Ok(()) } else { Err(GpuError::Parameters { expected, found }) }
}
