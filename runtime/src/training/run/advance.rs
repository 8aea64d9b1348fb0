//! One segment of a run, and what follows it: an update, the end of an epoch.

use super::Run;
use crate::training::error::TrainError;
use crate::training::flows::{FlowSource, Flows};
use crate::training::likelihood::Likelihood;
use crate::training::optimizer::{Update, WrongFlow};
use crate::training::order::order;
use rayon::prelude::*;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 16;

type Failed<S, L> = TrainError<<S as FlowSource>::Error, <L as Likelihood>::Error>;

impl<S: FlowSource, L: Likelihood> Run<'_, S, L> {
    /// Goes on to the next place where the run can be left: the end of a segment, or the evaluation that follows it.
    pub(super) fn advance(&mut self) -> Result<(), Failed<S, L>> {
        let rows = self.task.train.len();
        if !self.is_measured() {
            return self.after_update();
        }
        if self.state.progress.row as usize == rows {
            return self.end_epoch();
        }
        self.gather_segment()?;
        let row = self.state.progress.row as usize;
        if row == rows || row.is_multiple_of(self.task.config.rows_per_update(rows)) {
            self.update()?;
            self.after_update()?;
        } else {
            self.add()?;
        }
        if row == rows && self.is_measured() { self.end_epoch() } else { Ok(()) }
    }

    /// Gathers chunks up to the end of the segment or of the update.
    fn gather_segment(&mut self) -> Result<(), Failed<S, L>> {
        let rows = self.task.train.len();
        self.prepare_order(rows);
        let per_update = self.task.config.rows_per_update(rows);
        let first = self.state.progress.row as usize;
        let update_end = ((first / per_update + 1) * per_update).min(rows);
        let end = update_end.min(first + self.segment * self.task.chunk);
        let mut evidence = vec![0; self.missing.len() * self.task.chunk.min(end - first)];
        for at in (first..end).step_by(self.task.chunk) {
            let len = self.task.chunk.min(end - at);
            let evidence = &mut evidence[..self.missing.len() * len];
            self.gather(at, len, evidence)?;
        }
        Ok(())
    }

    fn prepare_order(&mut self, rows: usize) {
        let epoch = self.state.progress.epoch;
        if self.task.config.shuffle && self.order.0 != epoch {
            self.order = (epoch, order(rows, self.task.config.seed, epoch));
        }
    }

    /// Reads and gathers one chunk.
    fn gather(&mut self, at: usize, len: usize, evidence: &mut [u32]) -> Result<(), Failed<S, L>> {
        let numbers: Vec<usize> = if self.task.config.shuffle {
            self.task.train.fill_rows(&self.order.1[at..at + len], evidence)?;
            self.order.1[at..at + len].to_vec()
        } else {
            self.task.train.fill(at..at + len, evidence)?;
            (at..at + len).collect()
        };
        let found = self.source.gather(evidence, len).map_err(TrainError::Flows)?;
        assert_eq!(found.len(), len, "there is a log-likelihood for every row");
        if let Some(at) = found.iter().position(|value| !(*value < f64::INFINITY)) {
            let place = format!("row {} of the training data", numbers[at]);
            return Err(TrainError::Number { what: "log-likelihood", place, found: found[at] });
        }
        let log_originals = self.task.train.log_originals(evidence);
        self.state.progress.take(&numbers, evidence, &self.missing, log_originals, &found);
        self.state.progress.row += len as u64;
        self.observer.gathered(self.position());
        Ok(())
    }

    /// Adds the flows of the segment to those of the update that is under way.
    fn add(&mut self) -> Result<(), Failed<S, L>> {
        let flows = self.source.take().map_err(TrainError::Flows)?.all(&self.state.values);
        if self.state.flows.is_empty() {
            self.state.flows = flows;
            return Ok(());
        }
        self.state.flows.par_iter_mut().zip(&flows).for_each(|(sums, flows)| {
            let numbers = sums.par_iter_mut().zip(flows).with_min_len(GRAIN);
            numbers.for_each(|(sum, flow)| *sum += flow);
        });
        Ok(())
    }

    /// Makes new parameters from the flows gathered. Rows that are all impossible change nothing.
    fn update(&mut self) -> Result<(), Failed<S, L>> {
        let rows = self.task.train.len();
        let per_epoch = rows.div_ceil(self.task.config.rows_per_update(rows)) as u64;
        let total = per_epoch.saturating_mul(self.task.config.epochs);
        let step = self.task.config.schedule.at(self.state.progress.updates, per_epoch, total);
        let possible = self.state.progress.in_update.possible();
        if possible > 0 {
            self.step(step, possible as f64)?;
            self.source.set_parameters(&self.state.values).map_err(TrainError::Flows)?;
        } else {
            self.state.flows.clear();
            self.source.take().map_err(TrainError::Flows)?;
        }
        self.state.progress.updates += 1;
        self.state.progress.step = step;
        Ok(())
    }

    /// A step of the optimizer. The flows of an update of one segment are read where they are.
    fn step(&mut self, step: f64, rows: f64) -> Result<(), Failed<S, L>> {
        let wants_top_down = self.optimizer.wants_top_down();
        if wants_top_down || !self.state.flows.is_empty() {
            self.add()?;
        }
        let top_down = if wants_top_down { Some(self.top_down()?) } else { None };
        let plan = self.source.plan().clone();
        let flows = match self.state.flows.is_empty() {
            true => self.source.take().map_err(TrainError::Flows)?,
            false => Flows::Sums(std::mem::take(&mut self.state.flows)),
        };
        let update = Update { parameters: &plan.parameters, flows: &flows, top_down: top_down.as_deref(), rows, step };
        self.optimizer.update(&update, &mut self.state.values).map_err(|WrongFlow { parameter, number, found }| {
            let place = format!("number {number} of parameter `{}`", plan.parameters[parameter].name);
            TrainError::Number { what: "flow", place, found }
        })
    }

    /// The flows of one row of which nothing is observed.
    fn top_down(&mut self) -> Result<Vec<Vec<f64>>, Failed<S, L>> {
        let evidence = self.missing.clone();
        self.source.gather(&evidence, 1).map_err(TrainError::Flows)?;
        Ok(self.source.take().map_err(TrainError::Flows)?.all(&self.state.values))
    }
}
