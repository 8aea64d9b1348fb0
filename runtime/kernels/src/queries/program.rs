//! Runs the plans of queries: posteriors, and completions from the root down.

use super::launch::{Answers, LANES};
use super::route::{RootLaunch, choose_root_kernel};
use crate::error::KernelError;
use crate::flows::FlowProgram;
use crate::flows::program::{FlowSession, zeros};
use crate::launch::{argument, grid};
use crate::program::check_memory;
use cubecl::prelude::*;
use danaus_artifact::signature::REAL_MISSING;

/// Posterior probabilities of a batch of rows.
pub struct Posteriors {
    /// The log-likelihood of each row.
    pub log_likelihoods: Vec<f64>,
    /// `[sum of the variables' rows][pitch]`: the values of a variable one after the other, those of all variables in order; of a real one
    /// the sum of the flows, the mean, and the sum of squared distances from it ([`answer_rows`]). What
    /// stands there for observed variables and for impossible rows has no meaning.
    pub values: Vec<f32>,
    /// Samples in a row of `values`; the first are those of the batch.
    pub pitch: usize,
}

/// How completions are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draws {
    /// How many for each row of evidence.
    pub per_row: usize,
    /// The number of the first draw of the first row: what is drawn depends on the seed and the number only.
    pub first: u32,
    /// How far apart the first draws of two rows are numbered.
    pub stride: u32,
    /// The seed.
    pub seed: u64,
    /// 1 draws from the distribution; greater numbers prefer what is likely.
    pub sharpness: f32,
}

/// Completions of a batch of rows.
pub struct Completions {
    /// The value of the root for each row: the log-likelihood, or in a plan of most likely completions the logarithm of what the chosen
    /// units contribute.
    pub values: Vec<f64>,
    /// `[variables][rows * per_row]`; of impossible rows the missing values are the number of values of their variable.
    pub completions: Vec<u32>,
}

/// Rows of the posterior of a variable with so many values.
pub fn answer_rows(values: u32) -> u32 {
    if values == REAL_MISSING { 3 } else { values }
}

impl FlowProgram {
    /// Posterior probabilities of all variables. `evidence` is `[variables][rows]`; `batch` is the size of the buffers, at least
    /// `rows`.
    ///
    /// # Panics
    /// If there are no parameters yet, or more rows than the batch has.
    pub fn posteriors(&mut self, evidence: &[u32], rows: usize, batch: usize) -> Result<Posteriors, KernelError> {
        self.query(evidence, rows, batch, |program, session| {
            let pitch = program.clear_posteriors(session)?;
            let log_likelihoods = program.passes(session, rows)?;
            Ok(Posteriors { log_likelihoods, values: program.read_posteriors(session)?, pitch })
        })
    }

    /// Makes room for posteriors, all 0; gives the samples of a row of them.
    pub(super) fn clear_posteriors(&self, session: &mut FlowSession) -> Result<usize, KernelError> {
        let pitch = session.memory.layout.samples();
        let mut starts = Vec::with_capacity(self.values.len());
        let mut total = 0u32;
        for &values in &self.values {
            starts.push(total);
            total = total.saturating_add(answer_rows(values));
        }
        check_memory(&self.client, u64::from(total) * pitch as u64 * 4, "the posteriors")?;
        let starts = if starts.is_empty() { vec![0] } else { starts };
        session.answers.starts = self.client.create_from_slice(u32::as_bytes(&starts));
        session.answers.posteriors = zeros::<f32>(&self.client, total as usize * pitch);
        Ok(pitch)
    }

    /// Reads the posteriors.
    pub(super) fn read_posteriors(&self, session: &FlowSession) -> Result<Vec<f32>, KernelError> {
        let total: usize = self.values.iter().map(|&values| answer_rows(values) as usize).sum();
        let read = self.client.read_one(session.answers.posteriors.clone());
        let read = read.map_err(|error| KernelError::Device(format!("{error:?}")))?;
        Ok(f32::from_bytes(&read)[..total * session.memory.layout.samples()].to_vec())
    }

    /// Completes rows from the root down. `evidence` is `[variables][rows]`; `batch` is the size of the buffers of values, at least
    /// `rows`.
    ///
    /// # Panics
    /// If there are no parameters yet, more rows than the batch has, or nothing to draw.
    pub fn complete(
        &mut self,
        evidence: &[u32],
        rows: usize,
        batch: usize,
        draws: Draws,
    ) -> Result<Completions, KernelError> {
        assert!(draws.per_row > 0, "there is something to draw");
        let count = rows * draws.per_row;
        self.query(evidence, rows, batch, |program, session| {
            let pitch = count.next_multiple_of(LANES);
            let choices = session.layout.choices as usize;
            let bytes = (program.values.len().max(choices) * pitch) as u64 * 4;
            check_memory(&program.client, bytes, "the choices")?;
            let mut missing = Vec::with_capacity(program.values.len() * pitch);
            for (&values, observed) in program.values.iter().zip(evidence.chunks_exact(rows)) {
                let start = missing.len();
                missing.extend(observed.iter().flat_map(|&value| std::iter::repeat_n(value, draws.per_row)));
                missing.resize(start + pitch, values);
            }
            let bytes = if missing.is_empty() { &[0; 64] } else { u32::as_bytes(&missing) };
            session.answers = Answers {
                choices: zeros::<u32>(&program.client, choices * pitch),
                completions: program.client.create_from_slice(bytes),
                draws: pitch as u32,
                shared: draws.per_row as u32,
                first: draws.first,
                stride: draws.stride,
                seed: draws.seed,
                sharpness: draws.sharpness,
                ..Answers::none(&session.memory.tables)
            };
            let values = program.passes(session, rows)?;
            let read = program.client.read_one(session.answers.completions.clone());
            let read = read.map_err(|error| KernelError::Device(format!("{error:?}")))?;
            let all = u32::from_bytes(&read)[..missing.len()].chunks_exact(pitch.max(1));
            Ok(Completions { values, completions: all.flat_map(|row| &row[..count]).copied().collect() })
        })
    }

    /// Checks and loads the evidence, and gives the buffers back whatever happens.
    pub(super) fn query<T>(
        &mut self,
        evidence: &[u32],
        rows: usize,
        batch: usize,
        ask: impl FnOnce(&mut FlowProgram, &mut FlowSession) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        self.check_evidence(evidence, rows)?;
        assert!((1..=batch).contains(&rows), "a batch of {batch} has room for {rows} rows");
        self.prepare(batch)?;
        let mut session = self.sessions.pop().expect("a batch was prepared");
        let answer = self.put_evidence(&mut session, evidence, rows).and_then(|()| ask(self, &mut session));
        session.answers = Answers::none(&session.memory.tables);
        self.sessions.push(session);
        answer
    }

    /// Chooses the root for every draw of a row that is possible.
    pub(crate) fn choose_root(&mut self, session: &FlowSession, rows: usize) {
        let layout = session.memory.layout;
        let answers = &session.answers;
        let (count, dim) = grid(layout);
        let place = RootLaunch::new(
            self.plan.root,
            self.plan.root_flow,
            answers.draws,
            rows as u32 * answers.shared,
            answers.shared,
            layout.samples() as u32,
        );
        // SAFETY: root and choice were checked to lie within their buffers, and no draw is beyond the rows.
        unsafe {
            choose_root_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                argument(&session.memory.arena),
                argument(&answers.choices),
                place,
            );
        }
    }
}
