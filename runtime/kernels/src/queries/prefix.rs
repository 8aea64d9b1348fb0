//! A chain after a prefix of its variables: what follows, one variable at a time, each in constant time.
//!
//! This is the walk of [`next`](super::next) that waits at every variable until it is told the value. The forward values of nothing
//! observed are computed once, at the start; then a variable costs one iteration down and one up. A chain longer than memory computes the
//! values of each segment again when the walk comes to it.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::next::{is_chain, keep_kernel};
use crate::error::KernelError;
use crate::flows::FlowProgram;
use crate::flows::program::FlowSession;
use crate::launch::{argument, grid};
use crate::operand::share;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::flow_plan::FlowStep;

/// Replaces the values of one variable.
#[cube(launch_unchecked)]
pub fn observe_kernel(evidence: &mut [u32], values: &[u32], row: u32, samples: u32) {
    let (first, end) = share(samples as usize);
    for sample in first..end {
        evidence[row as usize * samples as usize + sample] = values[sample];
    }
}

/// A chain with its parameters, some of whose variables have been seen in each of some rows.
pub struct Prefix {
    program: FlowProgram,
    session: FlowSession,
    rows: usize,
    /// The variable that is next.
    variable: usize,
    /// The loop among the steps of the way down.
    at: usize,
    /// What has been seen of the variable that is next; the others are missing.
    seen: Handle,
    /// The values of the units of an iteration before its variable is seen.
    kept: Handle,
    log_likelihoods: Vec<f64>,
}

impl Prefix {
    /// Before the first variable, of a program of marginals that has parameters and [`is_chain()`].
    ///
    /// # Panics
    /// If it is no chain, or there are no rows.
    pub fn new(mut program: FlowProgram, rows: usize) -> Result<Prefix, KernelError> {
        assert!(is_chain(&program.plan) && rows > 0, "a prefix is one of some rows of a chain");
        program.prepare(rows)?;
        let mut session = program.sessions.pop().expect("a batch was prepared");
        let unknown: Vec<u32> = program.values.iter().flat_map(|&values| std::iter::repeat_n(values, rows)).collect();
        program.put_evidence(&mut session, &unknown, rows)?;
        let seen = session.memory.evidence.clone();
        // Another buffer with the same values.
        program.put_evidence(&mut session, &unknown, rows)?;
        program.clear_posteriors(&mut session)?;
        program.forward(&session, None)?;
        let total = program.log_likelihoods(&session);
        program.seed(&session, rows)?;
        let at = program.plan.backward.iter().position(|step| matches!(step, FlowStep::Loop(_)));
        let at = at.expect("a chain has a loop");
        let kept = program.client.empty(program.plan.loops[0].width as usize * session.memory.layout.samples() * 4);
        let log_likelihoods = program.read_values(total, rows)?;
        let mut prefix = Prefix { program, session, rows, variable: 0, at, seen, kept, log_likelihoods };
        prefix.steps(0..at)?;
        prefix.look()?;
        Ok(prefix)
    }

    /// The number of variables that have been seen, which is the variable that is next.
    pub fn variable(&self) -> usize {
        self.variable
    }

    /// Whether all variables have been seen.
    pub fn is_complete(&self) -> bool {
        self.variable == self.program.values.len()
    }

    /// How probable each value of the next variable is, up to a factor for each row: `[values][rows]`. After what is impossible all are 0.
    ///
    /// # Panics
    /// If all variables have been seen.
    pub fn next(&self) -> Result<Vec<f32>, KernelError> {
        let values = &self.program.values;
        let (start, width) = (values[..self.variable].iter().sum(), values[self.variable]);
        let layout = self.session.memory.layout;
        let samples = layout.samples();
        let found = self.program.client.empty(width as usize * samples * 4);
        let (count, dim) = grid(layout);
        let (posteriors, to) = (argument(&self.session.answers.posteriors), argument(&found));
        // SAFETY: posteriors have a row for each value of all variables, and `found` one for each of this one.
        unsafe {
            keep_kernel::launch_unchecked(
                &self.program.client,
                count,
                dim,
                layout.lanes,
                posteriors,
                to,
                start,
                width,
                layout.vectors as u32,
            );
        }
        let read = self.program.client.read_one(found);
        let read = read.map_err(|error| KernelError::Device(format!("{error:?}")))?;
        let rows = f32::from_bytes(&read)[..width as usize * samples].chunks_exact(samples);
        Ok(rows.flat_map(|row| &row[..self.rows]).copied().collect())
    }

    /// The value of the root if nothing is observed.
    pub fn log_partition(&self) -> &[f64] {
        &self.log_likelihoods
    }

    /// Sees the next variable: a value of each row, or the number of values for a missing one.
    ///
    /// # Panics
    /// If all variables have been seen, or there is not one legal value for each row.
    pub fn push(&mut self, values: &[u32]) -> Result<(), KernelError> {
        let most = self.program.values[self.variable];
        assert!(values.len() == self.rows && values.iter().all(|&value| value <= most), "values are legal");
        if let Some(iteration) = self.iteration() {
            self.observe(values, most);
            self.program.see_in(&mut self.session, 0, iteration, &self.kept, &self.seen)?;
        }
        self.variable += 1;
        if self.is_complete() { Ok(()) } else { self.look() }
    }

    /// The iteration that reads the next variable; none if that is the last variable.
    fn iteration(&self) -> Option<u32> {
        self.program.plan.loops[0].steps.checked_sub(1 + self.variable as u32)
    }

    /// Computes how probable the values of the next variable are.
    fn look(&mut self) -> Result<(), KernelError> {
        let Some(iteration) = self.iteration() else {
            return self.steps(self.at + 1..self.program.plan.backward.len());
        };
        let (steps, segment) = (self.program.plan.loops[0].steps, self.session.layout.loops[0].segment);
        let end = iteration + 1;
        if end < steps && end.is_multiple_of(segment) {
            self.program.iterate(&self.session, 0, end - segment..end, false)?;
        }
        self.program.look_in(&self.session, 0, iteration)
    }

    /// Launches of the way down outside of the loop.
    fn steps(&mut self, steps: std::ops::Range<usize>) -> Result<(), KernelError> {
        for at in steps {
            let placed = self.session.layout.backward[at].expect("only the loop is no launch");
            self.program.launch(&self.session, placed)?;
        }
        Ok(())
    }

    fn observe(&self, values: &[u32], missing: u32) {
        let layout = self.session.memory.layout;
        let (count, dim) = grid(layout);
        let mut padded = values.to_vec();
        padded.resize(layout.samples(), missing);
        let values = self.program.client.create_from_slice(u32::as_bytes(&padded));
        let (evidence, values) = (argument(&self.seen), argument(&values));
        let (row, samples) = (self.variable as u32, layout.samples() as u32);
        // SAFETY: the evidence has a row of samples for each variable.
        unsafe { observe_kernel::launch_unchecked(&self.program.client, count, dim, evidence, values, row, samples) };
    }
}
