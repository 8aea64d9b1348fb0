//! Likelihoods and the flows of all parameters on a device: walks the flow plan up and down.
//!
//! # Design
//!
//! As [`forward`](crate::forward): the launches of a batch are recorded once. Counts are gathered in single precision on the device during
//! a batch and added up in double precision here. How many iterations of loops have their values in memory at a time is
//! what the [plan](danaus_artifact::flow_plan) says for the memory there is.

use crate::batch::{Batch, Recorded, rows, values_of};
use crate::check::check;
use crate::device::Device;
use crate::error::GpuError;
use crate::kernels::{Ask, Kernels, check_evidence, matrices, sized, taken, uploaded};
use danaus_artifact::counts::{Counts, Numbers};
use danaus_artifact::flow_layout::{FlowLayout, Placed};
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, FlowStep, Segments};
use danaus_artifact::gpu::{Buffer, GpuCode, Precision, Role, Scalar};
use danaus_artifact::pack;
use danaus_artifact::plan::{CHUNK, Plan};
use std::ops::Range;
use std::sync::Arc;

/// A flow plan with its code and parameters on a device.
pub struct Training<D: Device> {
    plan: Arc<FlowPlan>,
    signature: Arc<Plan>,
    device: D,
    kernels: Kernels<D>,
    /// Samples in a vector, and in a tile.
    tile: [usize; 2],
    packed: (D::Buffer, u32),
    /// Weights in the precision of the code.
    matrices: Option<(D::Buffer, u32)>,
    precision: Precision,
    counts: (D::Buffer, u32),
    /// Counts of earlier batches.
    sums: Vec<f64>,
    is_counted: bool,
    /// Number of values of every variable.
    values: Vec<u32>,
    /// Bytes that activations may take.
    limit: u64,
    session: Option<Session<D>>,
}

/// The buffers for one size of batch.
struct Session<D: Device> {
    batch: Batch<D>,
    segments: Segments,
    layout: FlowLayout,
    tables: (D::Buffer, u32),
    weights: (D::Buffer, u32),
    recorded: Recorded<D>,
}

impl<D: Device> Training<D> {
    /// Puts a flow plan and its code on a device. `signature` has the circuit's variables and parameters; `limit` is how many bytes
    /// activations may take.
    pub fn new(
        mut device: D,
        plan: Arc<FlowPlan>,
        signature: Arc<Plan>,
        code: &GpuCode,
        limit: u64,
    ) -> Result<Training<D>, GpuError> {
        let is_ours = |role: Role| !matches!(role, Role::Layer(_));
        let kernels = Kernels::load(&mut device, code, is_ours)?;
        kernels.require(plan.kernels.iter().enumerate().flat_map(|(index, kernel)| roles(index as u32, kernel)))?;
        let count = plan.count_chunks as usize * CHUNK;
        let mut counts = taken(&mut device, count as u64, 4, "the flows of the parameters")?;
        device.clear(&mut counts.0)?;
        let packed = taken(&mut device, plan.packed_chunks as u64 * CHUNK as u64, 4, "the parameters")?;
        let matrices = matrices(&mut device, code, plan.packed_chunks as u64 * CHUNK as u64)?;
        let values = values_of(&signature.variables);
        Ok(Training {
            plan,
            signature,
            device,
            kernels,
            tile: [code.lanes, code.samples].map(|size| size as usize),
            packed,
            matrices,
            precision: code.precision,
            counts,
            sums: vec![0.0; count],
            is_counted: false,
            values,
            limit,
            session: None,
        })
    }

    /// The device, to look at what it did.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// How many iterations of each loop have their values in memory at a time, for the latest batch.
    pub fn segments(&self) -> Option<&Segments> {
        self.session.as_ref().map(|session| &session.segments)
    }

    /// Replaces the packed parameters.
    pub fn set_packed(&mut self, packed: &[f32]) -> Result<(), GpuError> {
        let expected = self.plan.packed_chunks as usize * CHUNK;
        if packed.len() != expected {
            return Err(GpuError::Parameters { expected, found: packed.len() });
        }
        let bytes: Vec<u8> = packed.iter().flat_map(|number| number.to_le_bytes()).collect();
        self.device.upload(&mut self.packed.0, &bytes)?;
        if let Some((buffer, _)) = &mut self.matrices {
            let bytes = pack::matrices(&self.plan.packs, &self.signature.parameters, packed, self.precision);
            self.device.upload(buffer, &bytes)?;
        }
        // A device may have given the copy another place.
        if let Some(session) = &mut self.session {
            session.recorded.forget();
        }
        Ok(())
    }

    /// Log-likelihoods of `rows` rows, and their flows, which are added to the counts. `evidence` is `[variables][rows]`. `batch` is the
    /// size of the buffers; it is raised to `rows` where it is less.
    pub fn gather(&mut self, evidence: &[u32], rows: usize, batch: usize) -> Result<Vec<f64>, GpuError> {
        check_evidence(evidence, rows, &self.values)?;
        if rows == 0 {
            return Ok(Vec::new());
        }
        self.prepare(batch.max(rows))?;
        self.drain()?;
        let mut session = self.session.take().expect("it was prepared");
        let result = self.run(&mut session, evidence, rows);
        self.session = Some(session);
        self.is_counted = true;
        result
    }

    /// The flows of all parameters gathered so far, see [`Counts::all`], and starts afresh. `values` are those of the parameters.
    pub fn take(&mut self, values: &[Vec<f32>]) -> Result<Vec<Vec<f64>>, GpuError> {
        self.drain()?;
        let flows = Counts::new(&self.plan, &self.signature.parameters, Numbers::Double(&self.sums)).all(values);
        self.sums.fill(0.0);
        Ok(flows)
    }

    /// Adds the counts of the last batch to those of all.
    fn drain(&mut self) -> Result<(), GpuError> {
        if !self.is_counted {
            return Ok(());
        }
        let mut bytes = vec![0; 4 * self.sums.len()];
        self.device.download(&self.counts.0, &mut bytes)?;
        for (sum, number) in self.sums.iter_mut().zip(bytes.chunks_exact(4)) {
            *sum += f64::from(f32::from_le_bytes(number.try_into().expect("4 bytes were taken")));
        }
        self.device.clear(&mut self.counts.0)?;
        self.is_counted = false;
        Ok(())
    }

    /// Makes the buffers for a batch.
    fn prepare(&mut self, batch: usize) -> Result<(), GpuError> {
        if self.session.as_ref().is_some_and(|session| session.batch.rows == batch) {
            return Ok(());
        }
        self.session = None;
        let samples = batch.next_multiple_of(self.tile[1]) as u64;
        let [free, total] = self.device.memory()?.unwrap_or([u64::MAX; 2]);
        // Evidence, tables and the driver want some of it too.
        let available = self.limit.min(free / 16 * 15);
        let segments = self.plan.segments(available / (4 * samples)).map_err(|rows| GpuError::Memory {
            what: "the activations",
            needed: rows * 4 * samples,
            free: available,
            total: total.min(self.limit),
        })?;
        let damaged = |reason: String| GpuError::Plan(reason);
        let layout = FlowLayout::new(&self.plan, &segments).map_err(|error| damaged(error.to_string()))?;
        check(&self.plan, &layout, &self.values).map_err(damaged)?;
        let (device, lanes) = (&mut self.device, self.tile[0] as u64);
        let words = layout.tables.iter().map(|word| word.to_le_bytes());
        let batch = Batch::new(device, batch, self.tile, layout.rows, self.values.len())?;
        let session = Session {
            tables: uploaded(device, words, "the plan's tables")?,
            weights: taken(device, batch.samples as u64 / lanes, 4 * lanes, "the weights of rows")?,
            batch,
            segments,
            layout,
            recorded: Recorded::default(),
        };
        self.session = Some(session);
        Ok(())
    }

    fn run(&mut self, session: &mut Session<D>, evidence: &[u32], rows: usize) -> Result<Vec<f64>, GpuError> {
        let Session { batch, weights, recorded, .. } = session;
        let of_rows = (0..batch.samples).map(|sample| if sample < rows { 1.0f32 } else { 0.0 });
        let of_rows: Vec<u8> = of_rows.flat_map(f32::to_le_bytes).collect();
        self.device.upload(&mut weights.0, &of_rows)?;
        batch.start(&mut self.device, evidence, rows, &self.values)?;
        let mut recorded = std::mem::take(recorded);
        let walked = recorded.run(self, |training| &mut training.device, |training| training.walk(session));
        session.recorded = recorded;
        walked?;
        session.batch.results(&mut self.device, rows)
    }

    /// Queues all launches of a batch.
    fn walk(&mut self, session: &Session<D>) -> Result<(), GpuError> {
        let plan = self.plan.clone();
        for (step, placed) in plan.forward.iter().zip(&session.layout.forward) {
            match (step, placed) {
                (FlowStep::Launch(_), Some(placed)) => self.placed(session, *placed)?,
                (FlowStep::Launch(_), None) => unreachable!("a launch has its place"),
                (FlowStep::Loop(index), _) => {
                    let (index, steps) = (*index as usize, plan.loops[*index as usize].steps);
                    self.iterate(session, index, 0..steps, true)?;
                    self.leave(session, index)?;
                }
            }
        }
        let role = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
        self.launch(session, role, 1, &rows([plan.root, 0, 1]))?;
        self.launch(session, Role::Seed, 1, &rows([plan.root, plan.root_flow, 1]))?;
        for (step, placed) in plan.backward.iter().zip(&session.layout.backward) {
            match (step, placed) {
                (FlowStep::Launch(_), Some(placed)) => self.placed(session, *placed)?,
                (FlowStep::Launch(_), None) => unreachable!("a launch has its place"),
                (FlowStep::Loop(index), _) => self.loop_backward(session, *index as usize)?,
            }
        }
        Ok(())
    }

    /// Forward iterations of a loop. `is_first` says that they are not computed again.
    fn iterate(
        &mut self,
        session: &Session<D>,
        index: usize,
        iterations: Range<u32>,
        is_first: bool,
    ) -> Result<(), GpuError> {
        let plan = self.plan.clone();
        let (body, place) = (&plan.loops[index], &session.layout.loops[index]);
        for iteration in iterations.clone() {
            if place.is_copied(body, iteration) && (is_first || iteration > iterations.start) {
                let rescales = body.rescale != u32::MAX;
                let role = Role::Carry { rescales, wanted: rescales && is_first };
                let numbers = [place.root(body, iteration - 1), place.carry(body, iteration), body.width];
                self.launch(session, role, 1, &rows(numbers))?;
            }
            for placed in &session.layout.loops_forward[index][iteration as usize] {
                self.placed(session, *placed)?;
            }
        }
        Ok(())
    }

    /// Brings the last carry to where the layers after the loop read it.
    fn leave(&mut self, session: &Session<D>, index: usize) -> Result<(), GpuError> {
        let (body, place) = (&self.plan.loops[index], &session.layout.loops[index]);
        let role = Role::Leave { with_offsets: !self.plan.root_offset };
        let numbers = [place.root(body, body.steps - 1), body.result, body.width];
        self.launch(session, role, 1, &rows(numbers))
    }

    /// Segment after segment, the last one first; the frames still hold the last one.
    fn loop_backward(&mut self, session: &Session<D>, index: usize) -> Result<(), GpuError> {
        let steps = self.plan.loops[index].steps;
        let segment = session.layout.loops[index].segment;
        for first in (0..steps).step_by(segment as usize).rev() {
            let end = steps.min(first + segment);
            if end < steps {
                self.iterate(session, index, first..end, false)?;
            }
            for iteration in (first..end).rev() {
                for placed in &session.layout.loops_backward[index][iteration as usize] {
                    self.placed(session, *placed)?;
                }
            }
        }
        Ok(())
    }

    /// A launch of the plan: the flows of operands, then the counts, if there are such.
    fn placed(&mut self, session: &Session<D>, placed: Placed) -> Result<(), GpuError> {
        let number = |scalar: Scalar| match scalar {
            Scalar::Table => placed.table,
            Scalar::Members => placed.members,
            _ => 0,
        };
        for (role, items) in [(Role::Flow(placed.kernel), placed.members), (Role::Counts(placed.kernel), placed.groups)]
        {
            if self.kernels.has(role) {
                self.launch(session, role, items, &number)?;
            }
        }
        Ok(())
    }

    fn launch(
        &mut self,
        session: &Session<D>,
        role: Role,
        items: u32,
        number: &dyn Fn(Scalar) -> u32,
    ) -> Result<(), GpuError> {
        let own = |buffer: Buffer| match buffer {
            Buffer::Packed => Some(sized(&self.packed)),
            Buffer::Matrices => self.matrices.as_ref().map(sized),
            Buffer::Tables => Some(sized(&session.tables)),
            Buffer::Counts => Some(sized(&self.counts)),
            Buffer::Weights => Some(sized(&session.weights)),
            _ => None,
        };
        let buffer = |buffer: Buffer| session.batch.buffer(buffer).or_else(|| own(buffer));
        let ask = Ask { role, items, vectors: session.batch.vectors as u32, number, buffer: &buffer };
        // SAFETY: the plan was checked when it was laid out, and the buffers were made for it and for this batch.
        unsafe { self.kernels.launch(&mut self.device, &ask) }
    }
}

/// The roles that a kernel of a flow plan needs.
fn roles(index: u32, kernel: &FlowKernel) -> Vec<Role> {
    let (flow, counts) = (Role::Flow(index), Role::Counts(index));
    match kernel {
        FlowKernel::Stage(stage) if stage.counted => vec![flow, counts],
        FlowKernel::Mixing { counted: true, .. } => vec![flow, counts],
        FlowKernel::Table { .. } => vec![counts],
        _ => vec![flow],
    }
}
