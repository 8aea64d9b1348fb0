//! The distribution of every value of a chain given those before it, in one walk: constant time for each.
//!
//! # Design
//!
//! A chain that runs downwards has its first variable in the last iteration, so the way down of marginals meets the variables in their
//! order. With nothing observed, the flow of the units at iteration `i` is how probable they are before its variable `x` is seen, and
//! what they give to `x` is its distribution given what was seen before. When `x` is seen the iteration is computed once more
//! with it, and the flow of unit `h` becomes `F[h] * exp(seen[h] - unseen[h])`, normalized: Bayes' rule, for what lies below a
//! unit is independent of what lies above. What comes later is not seen yet, so its values stay those of nothing observed.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::program::Posteriors;
use crate::error::KernelError;
use crate::flows::FlowProgram;
use crate::flows::program::FlowSession;
use crate::launch::{argument, grid};
use crate::math::exp_bounded;
use crate::operand::{leave, share};
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::flow_plan::{FlowKernel, FlowLaunch, FlowPlan, FlowStep, Word};
use std::collections::BTreeSet;

/// Copies `width` rows of the arena. A work item is a row.
#[cube(launch_unchecked)]
pub fn keep_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    kept: &mut [Vector<f32, N>],
    from: u32,
    width: u32,
    vectors: u32,
) {
    let (first, end) = share(width as usize);
    for h in first..end {
        for v in 0..vectors as usize {
            kept[h * vectors as usize + v] = arena[(from as usize + h) * vectors as usize + v];
        }
    }
    leave(vectors);
}

/// Flows of `width` units when a variable was seen: in proportion to how much of their probability is left. Where nothing is left
/// there are no flows. A work item is a vector of samples.
#[cube(launch_unchecked)]
pub fn see_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    unseen: &[Vector<f32, N>],
    seen: u32,
    flow: u32,
    width: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let (first, end) = share(samples);
    for v in first..end {
        let mut total = Vector::<f32, N>::new(0.0);
        for h in 0..width as usize {
            let value = arena[(seen as usize + h) * samples + v];
            let alive = value.greater_than(&Vector::new(f32::NEG_INFINITY));
            let place = (flow as usize + h) * samples + v;
            let left = exp_bounded::<N>(value - unseen[h * samples + v]);
            let through = select_many(alive, arena[place] * left, Vector::new(0.0));
            arena[place] = through;
            total += through;
        }
        let possible = total.greater_than(&Vector::new(0.0));
        let scale = select_many(possible, Vector::new(1.0) / total, Vector::new(0.0));
        for h in 0..width as usize {
            arena[(flow as usize + h) * samples + v] *= scale;
        }
    }
    leave(vectors);
}

/// Whether a plan of marginals is a chain that runs downwards: one loop, an iteration of which reads one variable, from the one before
/// the last down to the first. Distributions of real variables are not computed so.
pub fn is_chain(plan: &FlowPlan) -> bool {
    if plan.kernels.iter().any(|kernel| matches!(kernel, FlowKernel::GaussianPosterior { .. })) {
        return false;
    }
    let loops: Vec<usize> =
        (0..plan.backward.len()).filter(|&at| matches!(plan.backward[at], FlowStep::Loop(_))).collect();
    let ([at], [body]) = (&loops[..], &plan.loops[..]) else { return false };
    let launches = |steps: &[FlowStep]| -> BTreeSet<(u32, i32)> {
        let read = steps.iter().map(|step| match step {
            FlowStep::Launch(launch) => read(plan, launch),
            FlowStep::Loop(_) => BTreeSet::new(),
        });
        read.flatten().collect()
    };
    let inner: BTreeSet<(u32, i32)> = body.backward.iter().flat_map(|launch| read(plan, launch)).collect();
    let (before, after) = (launches(&plan.backward[..*at]), launches(&plan.backward[at + 1..]));
    let last = body.steps;
    before.is_empty() && inner == BTreeSet::from([(last - 1, -1)]) && after == BTreeSet::from([(last, 0)])
}

/// The variables whose posteriors a launch computes.
fn read(plan: &FlowPlan, launch: &FlowLaunch) -> BTreeSet<(u32, i32)> {
    if !is_posterior(plan, launch.kernel) {
        return BTreeSet::new();
    }
    let variable = |word: &Word| match *word {
        Word::Variable(index, stride) => Some((index, stride)),
        _ => None,
    };
    launch.words.iter().filter_map(variable).collect()
}

fn is_posterior(plan: &FlowPlan, kernel: u32) -> bool {
    matches!(plan.kernels.get(kernel as usize), Some(FlowKernel::Posterior { .. }))
}

impl FlowProgram {
    /// The distribution of every variable given the observed ones before it, of a plan of marginals that [`is_chain()`]. After what is
    /// impossible all probabilities are 0. The log-likelihoods are those of nothing observed.
    ///
    /// # Panics
    /// If there are no parameters yet, or more rows than the batch has.
    pub fn next(&mut self, evidence: &[u32], rows: usize, batch: usize) -> Result<Posteriors, KernelError> {
        self.query(evidence, rows, batch, |program, session| {
            let pitch = program.clear_posteriors(session)?;
            let seen = session.memory.evidence.clone();
            let unknown: Vec<u32> =
                program.values.iter().flat_map(|&values| std::iter::repeat_n(values, rows)).collect();
            program.put_evidence(session, &unknown, rows)?;
            program.forward(session, None)?;
            let total = program.log_likelihoods(session);
            program.seed(session, rows)?;
            let plan = program.plan.clone();
            for (at, step) in plan.backward.iter().enumerate() {
                match (step, session.layout.backward[at]) {
                    (FlowStep::Loop(index), _) => program.see_all(session, *index as usize, &seen)?,
                    (FlowStep::Launch(_), Some(placed)) => program.launch(session, placed)?,
                    (FlowStep::Launch(_), None) => panic!("a launch has its place"),
                }
            }
            let log_likelihoods = program.read_values(total, rows)?;
            Ok(Posteriors { log_likelihoods, values: program.read_posteriors(session)?, pitch })
        })
    }

    /// Walks a loop backwards and sees its variables one after the other.
    fn see_all(&mut self, session: &mut FlowSession, index: usize, seen: &Handle) -> Result<(), KernelError> {
        let plan = self.plan.clone();
        let body = &plan.loops[index];
        let rows = session.layout.loops[index];
        let kept = self.client.empty(body.width as usize * session.memory.layout.samples() * 4);
        for first in (0..body.steps).step_by(rows.segment as usize).rev() {
            let end = body.steps.min(first + rows.segment);
            if end < body.steps {
                self.iterate(session, index, first..end, false)?;
            }
            for iteration in (first..end).rev() {
                self.look_in(session, index, iteration)?;
                self.see_in(session, index, iteration, &kept, seen)?;
            }
        }
        Ok(())
    }

    /// Computes the distribution of the variable of an iteration from the flows of its units.
    pub(super) fn look_in(&mut self, session: &FlowSession, index: usize, iteration: u32) -> Result<(), KernelError> {
        let down = &session.layout.loops_backward[index][iteration as usize];
        down.iter().try_for_each(|placed| self.launch(session, *placed))
    }

    /// Sees the variable of an iteration, whose value stands in other evidence, and hands the flows on. `kept` has room for the units of
    /// an iteration.
    pub(super) fn see_in(
        &mut self,
        session: &mut FlowSession,
        index: usize,
        iteration: u32,
        kept: &Handle,
        seen: &Handle,
    ) -> Result<(), KernelError> {
        let plan = self.plan.clone();
        let body = &plan.loops[index];
        let rows = session.layout.loops[index];
        self.keep(session, kept, rows.root(body, iteration), body.width);
        let unseen = std::mem::replace(&mut session.memory.evidence, seen.clone());
        let up = &session.layout.loops_forward[index][iteration as usize];
        up.iter().try_for_each(|placed| self.launch(session, *placed))?;
        self.see(session, kept, rows.root(body, iteration), rows.root_flow(body, iteration), body.width);
        let down = &session.layout.loops_backward[index][iteration as usize];
        let others = down.iter().filter(|placed| !is_posterior(&plan, placed.kernel));
        others.into_iter().try_for_each(|placed| self.launch(session, *placed))?;
        session.memory.evidence = unseen;
        Ok(())
    }

    fn keep(&self, session: &FlowSession, kept: &Handle, row: u32, width: u32) {
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let (arena, kept) = (argument(&session.memory.arena), argument(kept));
        // SAFETY: the rows were checked to lie within the arena, and `kept` has as many.
        unsafe {
            keep_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                arena,
                kept,
                row,
                width,
                layout.vectors as u32,
            );
        }
    }

    fn see(&self, session: &FlowSession, unseen: &Handle, value: u32, flow: u32, width: u32) {
        let layout = session.memory.layout;
        let (count, dim) = grid(layout);
        let (arena, unseen) = (argument(&session.memory.arena), argument(unseen));
        // SAFETY: the rows were checked to lie within the arena, and `unseen` has as many.
        unsafe {
            see_kernel::launch_unchecked(
                &self.client,
                count,
                dim,
                layout.lanes,
                arena,
                unseen,
                value,
                flow,
                width,
                layout.vectors as u32,
            );
        }
    }
}
