//! The training loop.
//!
//! An epoch reads all rows once, in the order of [`order`](super::order) or as they stand. Rows are gathered in chunks of as many as the
//! device holds; an update follows after the rows of a batch (times `accumulate`), and at the end of an epoch. Then the validation
//! data may be evaluated, the best parameters kept, and the run ended early.
//!
//! # Design
//!
//! **A run can be left and taken up between segments.** A segment is a fixed number of chunks, and ends with an update too. After each
//! the flows are taken from their source and added on the host, in double precision, whether or not a checkpoint is written there. So
//! the bits of a sum do not depend on when a run was saved or stopped. How many chunks a segment has follows from the circuit and
//! the size of a chunk: so many that taking the flows costs little beside gathering them.
//!
//! **Impossible rows** have no flows. They are counted and named, and the means of log-likelihoods are those of the other rows.

mod advance;
mod measure;

use super::checkpoint::Store;
use super::config::{Config, Every};
use super::error::TrainError;
use super::flows::FlowSource;
use super::identity::identity;
use super::likelihood::Likelihood;
use super::observer::{Observer, Position};
use super::optimizer::{self, Optimizer};
use super::state::{Ending, State};
use crate::data::Rows;
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::Init;
use std::time::Instant;

/// What is to be done.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    /// How.
    pub config: &'a Config,
    /// The rows to train on.
    pub train: &'a dyn Rows,
    /// The rows that decide which parameters are best.
    pub valid: Option<&'a dyn Rows>,
    /// Rows that are given to the flow source at a time.
    pub chunk: usize,
    /// FLOPs of the sums for one row of the forward pass.
    pub flops_per_row: f64,
    /// Whether to start over even if there are checkpoints.
    pub fresh: bool,
}

/// How a run ended, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it ended; none if it was stopped.
    pub ending: Option<Ending>,
    /// Where it stands. [`State::chosen`] are the parameters.
    pub state: State,
    /// Whether the state is in a checkpoint.
    pub saved: bool,
}

/// A run under way.
pub(super) struct Run<'a, S: FlowSource, L: Likelihood> {
    task: Task<'a>,
    source: &'a mut S,
    judge: Option<&'a mut L>,
    observer: &'a mut dyn Observer,
    optimizer: Box<dyn Optimizer>,
    store: Option<Store>,
    state: State,
    /// The rows of the current epoch in their order, and the epoch.
    order: (u64, Vec<usize>),
    missing: Vec<u32>,
    /// Chunks of a segment.
    segment: usize,
    since: Instant,
    seconds_before: f64,
    last_save: Instant,
    /// Why the run could not be saved the last time.
    problem: Option<String>,
}

/// Trains. `start` are the parameters at the start, in the order of the plan; `judge` is asked about validation data, and needed if there
/// are any.
pub fn run<S: FlowSource, L: Likelihood>(
    task: Task<'_>,
    start: Vec<Vec<f32>>,
    source: &mut S,
    judge: Option<&mut L>,
    observer: &mut dyn Observer,
) -> Result<Outcome, TrainError<S::Error, L::Error>> {
    assert!(task.valid.is_none() || judge.is_some(), "validation data need a judge");
    check_trainable(source.plan()).map_err(TrainError::Circuit)?;
    if task.train.is_empty() {
        return Err(TrainError::NoRows);
    }
    let mut run = Run::open(task, start, source, judge, observer)?;
    if run.state.progress.ending.is_some() {
        run.observer.notice("this run has ended already, and its result is given again; --fresh starts over");
    }
    while run.state.progress.ending.is_none() {
        if run.observer.stop() {
            let saved = run.save();
            return Ok(run.outcome(saved));
        }
        let before = run.state.progress.clone();
        run.advance()?;
        if run.is_save_due(before.updates, before.epoch) {
            run.save();
        }
    }
    let saved = run.store.is_some();
    Ok(run.outcome(saved))
}

/// Refuses circuits whose parameters cannot be trained, with the reason.
pub fn check_trainable(plan: &Plan) -> Result<(), String> {
    let exact = |init: &Init| matches!(init, Init::TableProduct { normalize: false, .. });
    if plan.parameters.iter().any(|parameter| exact(&parameter.init)) {
        return Err(format!(
            "circuit `{}` is an exact product of circuits: its tables are computed from those of its factors, are not normalized, and \
             cannot be trained. Write `untied` after the product to give it parameters of its own that start as the product",
            plan.name
        ));
    }
    if !plan.parameters.iter().any(|parameter| parameter.is_stored()) {
        return Err(format!("circuit `{}` has no parameters to train", plan.name));
    }
    Ok(())
}

impl<'a, S: FlowSource, L: Likelihood> Run<'a, S, L> {
    fn open(
        task: Task<'a>,
        start: Vec<Vec<f32>>,
        source: &'a mut S,
        judge: Option<&'a mut L>,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, TrainError<S::Error, L::Error>> {
        let mut optimizer = optimizer::create(task.config.algorithm);
        let (store, found) = match &task.config.checkpoints {
            None => (None, None),
            Some(checkpoints) => {
                let identity = identity(source.plan(), task.config, &start, task.chunk, task.train, task.valid)?;
                let mut store = Store::open(&checkpoints.folder, identity)?;
                if task.fresh {
                    store.clear()?;
                }
                let found = store.load()?;
                found.warnings.iter().for_each(|warning| observer.notice(warning));
                (Some(store), found.state)
            }
        };
        let state = found.unwrap_or_else(|| State::new(start));
        optimizer.restore(state.optimizer.clone());
        source.set_parameters(&state.values).map_err(TrainError::Flows)?;
        let columns = task.train.columns();
        let segment = segment_chunks(source.plan(), task.flops_per_row, task.chunk);
        let run = Run {
            missing: (0..columns.len()).map(|column| columns.missing(column)).collect(),
            order: (u64::MAX, Vec::new()),
            seconds_before: state.progress.seconds,
            since: Instant::now(),
            last_save: Instant::now(),
            problem: None,
            task,
            source,
            judge,
            observer,
            optimizer,
            store,
            state,
            segment,
        };
        run.observer.started(run.position(), &run.state.records);
        Ok(run)
    }

    fn position(&self) -> Position {
        let progress = &self.state.progress;
        Position {
            epoch: (progress.epoch + 1).min(self.task.config.epochs),
            epochs: self.task.config.epochs,
            row: progress.row as usize,
            rows: self.task.train.len(),
            update: progress.updates,
        }
    }

    /// Whether the run is to be saved, after what was done since these numbers of updates and epochs.
    fn is_save_due(&self, updates: u64, epochs: u64) -> bool {
        let Some(checkpoints) = &self.task.config.checkpoints else { return false };
        let progress = &self.state.progress;
        let due = match checkpoints.every {
            Every::Seconds(seconds) => self.last_save.elapsed().as_secs() >= seconds,
            Every::Updates(every) => progress.updates > updates && progress.updates.is_multiple_of(every),
            Every::Epochs(every) => progress.epoch > epochs && progress.epoch.is_multiple_of(every),
        };
        due || progress.ending.is_some()
    }

    /// Saves the run, if it has a folder; whether that worked. A full disk does not end a run.
    fn save(&mut self) -> bool {
        self.state.progress.seconds = self.seconds();
        let Some(store) = &mut self.store else { return false };
        self.state.optimizer = self.optimizer.state().clone();
        self.last_save = Instant::now();
        match store.save(&self.state) {
            Ok(()) => {
                self.problem = None;
                true
            }
            Err(error) => {
                let problem = error.to_string();
                // Every time would be too often.
                if self.problem.as_ref() != Some(&problem) {
                    self.observer.notice(&format!("the run could not be saved, and goes on: {problem}"));
                }
                self.problem = Some(problem);
                false
            }
        }
    }

    fn outcome(mut self, saved: bool) -> Outcome {
        self.state.progress.seconds = self.seconds();
        self.state.optimizer = self.optimizer.state().clone();
        Outcome { ending: self.state.progress.ending, state: self.state, saved }
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.since.elapsed().as_secs_f64()
    }
}

/// So many chunks that gathering them is at least this many operations for each number of the parameters.
const WORK_PER_NUMBER: f64 = 2000.0;
/// The most chunks of a segment.
const MOST_CHUNKS: usize = 16;

fn segment_chunks(plan: &Plan, flops_per_row: f64, chunk: usize) -> usize {
    let numbers: usize = plan
        .parameters
        .iter()
        .filter(|parameter| parameter.is_stored())
        .map(|parameter| crate::parameters::tensor_shape(&parameter.shape).iter().product::<usize>())
        .sum();
    let work = super::record::FLOPS_OF_FORWARD * flops_per_row * chunk as f64;
    let chunks = (WORK_PER_NUMBER * numbers as f64 / work.max(1.0)).ceil();
    (chunks as usize).clamp(1, MOST_CHUNKS)
}
