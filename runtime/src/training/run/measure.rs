//! What is measured after an update and after an epoch, and what follows from it.

use super::Run;
use crate::evaluation::Tally;
use crate::training::config::Every;
use crate::training::error::TrainError;
use crate::training::flows::FlowSource;
use crate::training::likelihood::Likelihood;
use crate::training::record::{Event, FLOPS_OF_FORWARD, Measure, Record};
use crate::training::state::{Best, Ending};
use std::ops::ControlFlow;

type Failed<S, L> = TrainError<<S as FlowSource>::Error, <L as Likelihood>::Error>;

impl<S: FlowSource, L: Likelihood> Run<'_, S, L> {
    /// Whether the last update has its entry.
    pub(super) fn is_measured(&self) -> bool {
        let measured = self.state.records.iter().rev().find(|record| record.event == Event::Update);
        measured.map_or(0, |record| record.update) == self.state.progress.updates
    }

    /// Evaluates if it is time to, and makes an entry; leaves everything as it is if the run is to stop.
    pub(super) fn after_update(&mut self) -> Result<(), Failed<S, L>> {
        let updates = self.state.progress.updates;
        let due = matches!(self.task.config.evaluate, Every::Updates(every) if updates.is_multiple_of(every));
        let at_end = self.state.progress.row as usize == self.task.train.len() && self.is_last_epoch();
        // The end of the last epoch evaluates.
        let valid = if due && !at_end { self.validate()? } else { ControlFlow::Continue(None) };
        if let ControlFlow::Continue(valid) = valid {
            let tally = std::mem::take(&mut self.state.progress.in_update);
            self.record(Event::Update, &tally, valid);
        }
        Ok(())
    }

    /// Makes an entry of the epoch and begins the next; leaves everything as it is if the run is to stop.
    pub(super) fn end_epoch(&mut self) -> Result<(), Failed<S, L>> {
        let tally = self.state.progress.in_epoch.clone();
        let epoch = self.state.progress.epoch + 1;
        if tally.possible() == 0 {
            return Err(TrainError::Impossible { epoch });
        }
        let due = matches!(self.task.config.evaluate, Every::Epochs(every) if epoch.is_multiple_of(every));
        let last = self.is_last_epoch();
        let valid = if (due || last) && self.state.progress.ending.is_none() {
            self.validate()?
        } else {
            ControlFlow::Continue(None)
        };
        let ControlFlow::Continue(valid) = valid else { return Ok(()) };
        self.report_impossible(&tally, epoch);
        self.state.progress.in_epoch = Tally::default();
        self.record(Event::Epoch, &tally, valid);
        self.state.progress.epoch = epoch;
        self.state.progress.row = 0;
        if last && self.state.progress.ending.is_none() {
            self.state.progress.ending = Some(Ending::Done);
        }
        Ok(())
    }

    fn is_last_epoch(&self) -> bool {
        self.state.progress.epoch + 1 >= self.task.config.epochs
    }

    fn report_impossible(&mut self, tally: &Tally, epoch: u64) {
        let mut rows = std::mem::take(&mut self.state.progress.impossible);
        let impossible = tally.rows() - tally.possible();
        if impossible == 0 {
            return;
        }
        rows.sort_unstable();
        let named: Vec<String> = rows.iter().map(u64::to_string).collect();
        let (noun, verb) = if impossible == 1 { ("row", "has") } else { ("rows", "have") };
        let more = if impossible > rows.len() { ", .." } else { "" };
        self.observer.notice(&format!(
            "epoch {epoch}: {impossible} {noun} of the training data {verb} probability 0 and {verb} no part in the update or the mean \
             ({noun} {}{more}, counted from 0)",
            named.join(", ")
        ));
    }

    /// Evaluates the validation data, keeps the best parameters, and ends the run when they get no better. Breaks, and has done nothing,
    /// if the run is to stop.
    fn validate(&mut self) -> Result<ControlFlow<(), Option<Measure>>, Failed<S, L>> {
        let (Some(rows), Some(judge)) = (self.task.valid, self.judge.as_deref_mut()) else {
            return Ok(ControlFlow::Continue(None));
        };
        let stop = &mut || self.observer.stop();
        let found = judge.evaluate(&self.state.values, rows, stop).map_err(TrainError::Likelihood)?;
        let Some(found) = found else { return Ok(ControlFlow::Break(())) };
        let Some(measure) = Measure::of(&found) else {
            self.observer.notice("every row of the validation data is impossible");
            self.wait();
            return Ok(ControlFlow::Continue(None));
        };
        if self.state.best.as_ref().is_none_or(|best| measure.improves(&best.measure, 0.0)) {
            let (values, update) = (self.state.values.clone(), self.state.progress.updates);
            self.state.best = Some(Best { values, epoch: self.state.progress.epoch + 1, update, measure });
        }
        let delta = self.task.config.stopping.map_or(0.0, |stopping| stopping.min_delta);
        if self.state.progress.reference.as_ref().is_none_or(|reference| measure.improves(reference, delta)) {
            self.state.progress.reference = Some(measure);
            self.state.progress.stale = 0;
        } else {
            self.wait();
        }
        Ok(ControlFlow::Continue(Some(measure)))
    }

    /// One more evaluation without improvement.
    fn wait(&mut self) {
        self.state.progress.stale += 1;
        if self.task.config.stopping.is_some_and(|stopping| self.state.progress.stale >= stopping.patience) {
            self.state.progress.ending = Some(Ending::Early);
        }
    }

    fn record(&mut self, event: Event, tally: &Tally, valid: Option<Measure>) {
        let progress = &self.state.progress;
        let rows = progress.epoch * self.task.train.len() as u64 + progress.row;
        let record = Record {
            event,
            epoch: progress.epoch + 1,
            update: progress.updates,
            rows,
            seconds: self.seconds(),
            flops: FLOPS_OF_FORWARD * self.task.flops_per_row * rows as f64,
            step: progress.step,
            train: Measure::of(&tally.clone().finish(0.0)),
            valid,
            best: self.state.best.as_ref().map(|best| best.measure.bits_per_dimension),
        };
        self.observer.recorded(&record);
        self.state.records.push(record);
    }
}
