//! Log-likelihoods on a device: walks the plan as the chapter of the specification on it says.
//!
//! # Design
//!
//! All launches of a batch are recorded when its size is first seen; after that a batch is one upload of evidence, one replay and
//! one download. So the time to launch thousands of kernels of a long loop does not show.

use crate::device::Device;
use crate::error::GpuError;
use crate::kernels::{Ask, Kernels, check_evidence, doubles, padded, taken, uploaded};
use danaus_artifact::gpu::{Buffer, GpuCode, Role, Scalar};
use danaus_artifact::plan::{CHUNK, Launch, Loop, Plan, Step};
use std::sync::Arc;

/// A plan with its code and parameters on a device.
pub struct Forward<D: Device> {
    plan: Arc<Plan>,
    device: D,
    kernels: Kernels<D>,
    lanes: usize,
    samples: usize,
    packed: (D::Buffer, u32),
    tables: (D::Buffer, u32),
    /// Number of values of every variable.
    values: Vec<u32>,
    session: Option<Session<D>>,
}

/// The buffers for one size of batch.
struct Session<D: Device> {
    batch: usize,
    /// Vectors in a row.
    vectors: usize,
    arena: (D::Buffer, u32),
    evidence: (D::Buffer, u32),
    offsets: (D::Buffer, u32),
    result: (D::Buffer, u32),
    recording: Option<D::Recording>,
}

impl<D: Device> Forward<D> {
    /// Puts a plan, its code and its packed parameters on a device.
    pub fn new(mut device: D, plan: Arc<Plan>, code: &GpuCode, packed: &[f32]) -> Result<Forward<D>, GpuError> {
        let expected = plan.packed_chunks as usize * CHUNK;
        if packed.len() != expected {
            return Err(GpuError::Parameters { expected, found: packed.len() });
        }
        let is_ours = |role: Role| {
            matches!(role, Role::Layer(_) | Role::Rescale | Role::Restore | Role::Result | Role::ResultWithOffsets)
        };
        let kernels = Kernels::load(&mut device, code, is_ours)?;
        kernels.require((0..plan.kernels.len() as u32).map(Role::Layer))?;
        let packed = uploaded(&mut device, packed.iter().map(|number| number.to_le_bytes()), "the parameters")?;
        let tables = uploaded(&mut device, plan.tables.iter().map(|word| word.to_le_bytes()), "the plan's tables")?;
        let arrays = plan.variables.iter();
        let values = arrays.flat_map(|array| vec![array.domain.size() as u32; array.len()]).collect();
        let (lanes, samples) = (code.lanes as usize, code.samples as usize);
        Ok(Forward { plan, device, kernels, lanes, samples, packed, tables, values, session: None })
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The device, to look at what it did or to change how it does it.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Log-likelihoods of a batch. `evidence` is `[variables][batch]`: indices of values, or the number of values of the variable
    /// where it is missing.
    pub fn forward(&mut self, evidence: &[u32], batch: usize) -> Result<Vec<f64>, GpuError> {
        check_evidence(evidence, batch, &self.values)?;
        if batch == 0 {
            return Ok(Vec::new());
        }
        self.prepare(batch)?;
        let mut session = self.session.take().expect("it was prepared");
        let result = self.run(&mut session, evidence);
        self.session = Some(session);
        result
    }

    /// Makes the buffers for a batch.
    fn prepare(&mut self, batch: usize) -> Result<(), GpuError> {
        if self.session.as_ref().is_some_and(|session| session.batch == batch) {
            return Ok(());
        }
        self.session = None;
        let samples = batch.next_multiple_of(self.samples) as u64;
        let vectors = samples / self.lanes as u64;
        let variables = self.values.len().max(1) as u64;
        let (device, lanes) = (&mut self.device, self.lanes as u64);
        let session = Session {
            batch,
            vectors: vectors as usize,
            arena: taken(device, u64::from(self.plan.rows) * vectors, 4 * lanes, "the activations")?,
            evidence: taken(device, variables * samples, 4, "the evidence")?,
            offsets: taken(device, vectors, 8 * lanes, "the offsets")?,
            result: taken(device, vectors, 8 * lanes, "the results")?,
            recording: None,
        };
        self.session = Some(session);
        Ok(())
    }

    fn run(&mut self, session: &mut Session<D>, evidence: &[u32]) -> Result<Vec<f64>, GpuError> {
        let samples = session.vectors * self.lanes;
        let padded = padded(evidence, session.batch, samples, &self.values);
        self.device.upload(&mut session.evidence.0, &padded)?;
        self.device.upload(&mut session.offsets.0, &vec![0; 8 * samples])?;
        match &session.recording {
            Some(recording) => self.device.replay(recording)?,
            None => self.first_walk(session)?,
        }
        let mut bytes = vec![0; 8 * samples];
        self.device.download(&session.result.0, &mut bytes)?;
        Ok(doubles(&bytes).take(session.batch).collect())
    }

    fn first_walk(&mut self, session: &mut Session<D>) -> Result<(), GpuError> {
        if !self.device.begin_recording()? {
            return self.walk(session);
        }
        let walked = self.walk(session);
        // A recording that was begun is ended whatever happened.
        let recording = self.device.end_recording();
        walked?;
        let recording = recording?;
        self.device.replay(&recording)?;
        session.recording = Some(recording);
        Ok(())
    }

    /// Queues all launches of a batch.
    fn walk(&mut self, session: &Session<D>) -> Result<(), GpuError> {
        let plan = self.plan.clone();
        let mut iterations = 0;
        for step in &plan.steps {
            match step {
                Step::Launch(launch) => self.layer(session, launch, iterations, 0)?,
                Step::Loop(body) => {
                    self.walk_loop(session, body)?;
                    iterations = body.steps;
                }
            }
        }
        let role = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
        self.launch(session, role, 1, &|scalar| match scalar {
            Scalar::Row => plan.root,
            _ => 0,
        })
    }

    fn walk_loop(&mut self, session: &Session<D>, body: &Loop) -> Result<(), GpuError> {
        let carry = |iteration: u32| body.carry[iteration as usize % 2];
        for iteration in 0..body.steps {
            for launch in &body.body {
                self.layer(session, launch, iteration, iteration)?;
            }
            if (iteration + 1).is_multiple_of(body.rescale) {
                self.on_carry(session, Role::Rescale, carry(iteration + 1), body.width)?;
            }
        }
        if self.plan.root_offset {
            return Ok(());
        }
        self.on_carry(session, Role::Restore, carry(body.steps), body.width)
    }

    fn on_carry(&mut self, session: &Session<D>, role: Role, row: u32, width: u32) -> Result<(), GpuError> {
        self.launch(session, role, 1, &|scalar| match scalar {
            Scalar::Row => row,
            Scalar::Width => width,
            _ => 0,
        })
    }

    fn layer(&mut self, session: &Session<D>, launch: &Launch, parity: u32, iteration: u32) -> Result<(), GpuError> {
        let table = launch.table[parity as usize % 2];
        self.launch(session, Role::Layer(launch.kernel), launch.members, &|scalar| match scalar {
            Scalar::Table => table,
            Scalar::Members => launch.members,
            Scalar::Iteration => iteration,
            _ => 0,
        })
    }

    /// Queues one launch of `items` members.
    fn launch(
        &mut self,
        session: &Session<D>,
        role: Role,
        items: u32,
        number: &dyn Fn(Scalar) -> u32,
    ) -> Result<(), GpuError> {
        let buffer = |buffer: Buffer| {
            let (buffer, length) = match buffer {
                Buffer::Arena => &session.arena,
                Buffer::Packed => &self.packed,
                Buffer::Tables => &self.tables,
                Buffer::Evidence => &session.evidence,
                Buffer::Offsets => &session.offsets,
                Buffer::Result => &session.result,
                Buffer::Counts | Buffer::Weights => return None,
            };
            Some((buffer, *length))
        };
        let ask = Ask { role, items, vectors: session.vectors as u32, number, buffer: &buffer };
        // SAFETY: the plan was checked when the artifact was read, and the buffers were made for it and for this batch.
        unsafe { self.kernels.launch(&mut self.device, &ask) }
    }
}
