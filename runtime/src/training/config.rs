//! What a training run is asked for.
//!
//! [`Settings`] are what a file or the command line says, with much left open; [`Config`] is what a run does, with nothing open.
//! The keys of a file are the names of the command's options, and mean the same:
//!
//! ```toml
//! optimizer = "em"
//! schedule = "1.0->0.0"
//! batch = 128
//! accumulate = 8
//! epochs = 20
//! checkpoint = "run1"
//! every = "5m"
//! ```

mod settings;
#[cfg(test)]
mod tests;
mod words;

pub use settings::{ConfigError, Settings};
pub use words::{Batch, Bytes, Every, OptimizerName, WordError};

use super::optimizer::Algorithm;
use super::schedule::Schedule;
use std::path::PathBuf;

/// What a run does.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The optimizer.
    pub algorithm: Algorithm,
    /// Its step sizes.
    pub schedule: Schedule,
    /// Rows of a batch.
    pub batch: Batch,
    /// Batches of an update.
    pub accumulate: usize,
    /// How often all rows are seen.
    pub epochs: u64,
    /// The seed of the order of the rows, and of what starts at random.
    pub seed: u64,
    /// Whether the order is another in every epoch.
    pub shuffle: bool,
    /// How often the validation data is evaluated: in updates or epochs.
    pub evaluate: Every,
    /// When to stop early.
    pub stopping: Option<Stopping>,
    /// Where and how often the run is saved.
    pub checkpoints: Option<Checkpoints>,
    /// The most rows that are on the device at a time.
    pub device_batch: Option<usize>,
    /// The most bytes of device memory for activations.
    pub memory_limit: Option<u64>,
}

/// When to stop early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stopping {
    /// So many evaluations in a row without improvement are the end.
    pub patience: u64,
    /// Bits per dimension that are an improvement only if they are more.
    pub min_delta: f64,
}

/// Where and how often a run is saved.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    /// The folder.
    pub folder: PathBuf,
    /// How often.
    pub every: Every,
}

impl Config {
    /// Rows of an update, if there are `rows` rows.
    pub fn rows_per_update(&self, rows: usize) -> usize {
        match self.batch {
            Batch::Full => rows,
            Batch::Rows(batch) => batch.saturating_mul(self.accumulate).min(rows),
        }
    }

    /// What the parameters at the end depend on, by name, as text: two runs with the same are the same run.
    pub fn identity(&self) -> Vec<(String, String)> {
        let Config { algorithm, schedule, batch, accumulate, epochs, seed, shuffle, evaluate, stopping, .. } = self;
        let mut identity: Vec<(&str, String)> = Vec::new();
        match *algorithm {
            Algorithm::Em { pseudocount } => {
                identity.extend([("optimizer", "em".to_string()), ("pseudocount", format!("{pseudocount:?}"))]);
            }
            Algorithm::EmAverage { pseudocount } => {
                identity.extend([("optimizer", "em-average".to_string()), ("pseudocount", format!("{pseudocount:?}"))]);
            }
            Algorithm::Anemone { pseudocount, momentum } => identity.extend([
                ("optimizer", "anemone".to_string()),
                ("pseudocount", format!("{pseudocount:?}")),
                ("momentum", format!("{momentum:?}")),
            ]),
            Algorithm::Adam { pseudocount, beta1, beta2, epsilon } => identity.extend([
                ("optimizer", "adam".to_string()),
                ("pseudocount", format!("{pseudocount:?}")),
                ("beta1", format!("{beta1:?}")),
                ("beta2", format!("{beta2:?}")),
                ("epsilon", format!("{epsilon:?}")),
            ]),
        }
        identity.extend([
            ("schedule", schedule.to_string()),
            ("batch", batch.to_string()),
            ("accumulate", accumulate.to_string()),
            ("epochs", epochs.to_string()),
            ("seed", seed.to_string()),
            ("shuffle", shuffle.to_string()),
            ("evaluate", evaluate.to_string()),
            ("patience", stopping.map_or("none".to_string(), |stopping| stopping.patience.to_string())),
            ("min-delta", stopping.map_or("none".to_string(), |stopping| format!("{:?}", stopping.min_delta))),
        ]);
        identity.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
    }
}
