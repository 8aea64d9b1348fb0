//! Who watches a run.

use super::record::Record;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// The epoch, from 1.
    pub epoch: u64,
    /// Epochs of the run.
    pub epochs: u64,
    /// Rows of the epoch that are done.
    pub row: usize,
    /// Rows of an epoch.
    pub rows: usize,
    /// Updates so far.
    pub update: u64,
}

/// Watches a run. All methods but [`stop`](Observer::stop) may be left as they are.
pub trait Observer {
    /// The run begins, or goes on from a checkpoint, with all entries so far.
    fn started(&mut self, _position: Position, _records: &[Record]) {}

    /// Rows have been gathered.
    fn gathered(&mut self, _position: Position) {}

    /// There is a new entry.
    fn recorded(&mut self, _record: &Record) {}

    /// Something to know, a whole sentence.
    fn notice(&mut self, _message: &str) {}

    /// Whether the run should stop. It is asked wherever a run can go on from, and while validation data are evaluated: then the evaluation
    /// is made again when the run goes on.
    fn stop(&mut self) -> bool;
}

/// Nobody: the run goes to its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn stop(&mut self) -> bool {
        false
    }
}
