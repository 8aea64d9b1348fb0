//! What a file or the command line says, and what follows from it.

use super::words::{Batch, Bytes, Every, OptimizerName};
use super::{Checkpoints, Config, Stopping};
use crate::training::optimizer::Algorithm;
use crate::training::schedule::Schedule;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// Epochs of a run whose schedule does not tell: those of the Monarch paper's hidden Markov models.
const EPOCHS: u64 = 20;
/// How often a run is saved if nobody says.
const SAVE_EVERY: Every = Every::Seconds(300);

/// Settings, any of which may be open. The keys of a file are their names with hyphens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The optimizer: `em`.
    #[serde(deserialize_with = "word")]
    pub optimizer: Option<OptimizerName>,
    /// The step sizes: by the optimizer.
    #[serde(deserialize_with = "word")]
    pub schedule: Option<Schedule>,
    /// Imagined flow of each row of a parameter: 1e-6 for the updates of EM from batches, otherwise 0.
    pub pseudocount: Option<f64>,
    /// Momentum of `anemone`: 0.9, or 0 if the batch is full.
    pub momentum: Option<f64>,
    /// First decay of `adam`: 0.9.
    pub beta1: Option<f64>,
    /// Second decay of `adam`: 0.999.
    pub beta2: Option<f64>,
    /// The small number of `adam`: 1e-8.
    pub epsilon: Option<f64>,
    /// Rows of a batch: `full`.
    #[serde(deserialize_with = "word")]
    pub batch: Option<Batch>,
    /// Batches of an update: 1.
    pub accumulate: Option<usize>,
    /// Most rows on the device at a time: by the circuit.
    pub device_batch: Option<usize>,
    /// Epochs: those of the schedule, or 20.
    pub epochs: Option<u64>,
    /// The seed: 0.
    pub seed: Option<u64>,
    /// Whether rows are shuffled: unless the batch is full.
    pub shuffle: Option<bool>,
    /// How often the validation data is evaluated: every epoch.
    #[serde(deserialize_with = "word")]
    pub evaluate: Option<Every>,
    /// Evaluations without improvement after which the run ends: none.
    pub patience: Option<u64>,
    /// Bits per dimension that an improvement must exceed: 0.
    pub min_delta: Option<f64>,
    /// The folder of checkpoints: none.
    pub checkpoint: Option<PathBuf>,
    /// How often the run is saved: every five minutes.
    #[serde(deserialize_with = "word")]
    pub every: Option<Every>,
    /// The most device memory for activations: what is free.
    #[serde(deserialize_with = "word")]
    pub memory_limit: Option<Bytes>,
}

/// Why settings make no run.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ConfigError {
    /// A number is out of its range.
    #[error("{name} = {found:?}: expected {expected}")]
    Range {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A setting of another optimizer.
    #[error("{name} is a setting of the optimizer {owner}, but the optimizer is {optimizer}")]
    Foreign {
        /// The setting.
        name: &'static str,
        /// The optimizer that has it.
        owner: &'static str,
        /// The optimizer of the run.
        optimizer: OptimizerName,
    },
    /// Two settings contradict each other.
    #[error("{0}")]
    Together(&'static str),
}

impl Settings {
    /// Reads a file's text. Messages name the line.
    pub fn parse(text: &str) -> Result<Settings, toml::de::Error> {
        toml::from_str(text)
    }

    /// These settings, and `others` where these are open.
    pub fn or(self, others: Settings) -> Settings {
        Settings {
            optimizer: self.optimizer.or(others.optimizer),
            schedule: self.schedule.or(others.schedule),
            pseudocount: self.pseudocount.or(others.pseudocount),
            momentum: self.momentum.or(others.momentum),
            beta1: self.beta1.or(others.beta1),
            beta2: self.beta2.or(others.beta2),
            epsilon: self.epsilon.or(others.epsilon),
            batch: self.batch.or(others.batch),
            accumulate: self.accumulate.or(others.accumulate),
            device_batch: self.device_batch.or(others.device_batch),
            epochs: self.epochs.or(others.epochs),
            seed: self.seed.or(others.seed),
            shuffle: self.shuffle.or(others.shuffle),
            evaluate: self.evaluate.or(others.evaluate),
            patience: self.patience.or(others.patience),
            min_delta: self.min_delta.or(others.min_delta),
            checkpoint: self.checkpoint.or(others.checkpoint),
            every: self.every.or(others.every),
            memory_limit: self.memory_limit.or(others.memory_limit),
        }
    }

    /// Fills in what is open and checks everything. `has_validation`: whether there is validation data.
    pub fn resolve(self, has_validation: bool) -> Result<Config, ConfigError> {
        let optimizer = self.optimizer.unwrap_or(OptimizerName::Em);
        let batch = self.batch.unwrap_or(Batch::Full);
        let algorithm = self.algorithm(optimizer, batch)?;
        let schedule = self.schedule.clone().unwrap_or_else(|| default_schedule(optimizer, batch));
        if optimizer != OptimizerName::Adam {
            range("schedule", schedule.range().1, |step| step <= 1.0, "step sizes of at most 1")?;
        }
        self.check_together(batch, has_validation)?;
        let positive = |value: usize| value as f64;
        range("accumulate", self.accumulate.map_or(1.0, positive), |n| n >= 1.0, "at least 1")?;
        range("device-batch", self.device_batch.map_or(1.0, positive), |n| n >= 1.0, "at least 1")?;
        let epochs = self.epochs.or(schedule.epochs()).unwrap_or(EPOCHS);
        range("epochs", epochs as f64, |n| n >= 1.0, "at least 1")?;
        Ok(Config {
            algorithm,
            schedule,
            batch,
            accumulate: self.accumulate.unwrap_or(1),
            epochs,
            seed: self.seed.unwrap_or(0),
            shuffle: self.shuffle.unwrap_or(batch != Batch::Full),
            evaluate: self.evaluate.unwrap_or(Every::Epochs(1)),
            stopping: self.stopping()?,
            checkpoints: self.checkpoint.map(|folder| Checkpoints { folder, every: self.every.unwrap_or(SAVE_EVERY) }),
            device_batch: self.device_batch,
            memory_limit: self.memory_limit.map(|bytes| bytes.0),
        })
    }

    fn algorithm(&self, optimizer: OptimizerName, batch: Batch) -> Result<Algorithm, ConfigError> {
        for (name, value, owner, is_owner) in [
            ("momentum", self.momentum, "anemone", optimizer == OptimizerName::Anemone),
            ("beta1", self.beta1, "adam", optimizer == OptimizerName::Adam),
            ("beta2", self.beta2, "adam", optimizer == OptimizerName::Adam),
            ("epsilon", self.epsilon, "adam", optimizer == OptimizerName::Adam),
        ] {
            if value.is_some() && !is_owner {
                return Err(ConfigError::Foreign { name, owner, optimizer });
            }
        }
        let pseudocount = self.pseudocount.unwrap_or_else(|| default_pseudocount(optimizer, batch));
        let not_negative = |x: f64| x >= 0.0 && x.is_finite();
        range("pseudocount", pseudocount, not_negative, "a finite number of at least 0")?;
        let decay = |name, value: Option<f64>, otherwise| {
            let value = value.unwrap_or(otherwise);
            range(name, value, |x| (0.0..1.0).contains(&x), "a number of at least 0 and less than 1").map(|()| value)
        };
        Ok(match optimizer {
            OptimizerName::Em => Algorithm::Em { pseudocount },
            OptimizerName::EmAverage => Algorithm::EmAverage { pseudocount },
            OptimizerName::Anemone => {
                let momentum = if batch == Batch::Full { 0.0 } else { 0.9 };
                Algorithm::Anemone { pseudocount, momentum: decay("momentum", self.momentum, momentum)? }
            }
            OptimizerName::Adam => {
                let epsilon = self.epsilon.unwrap_or(1e-8);
                range("epsilon", epsilon, |x| x > 0.0 && x.is_finite(), "a finite number greater than 0")?;
                let (beta1, beta2) = (decay("beta1", self.beta1, 0.9)?, decay("beta2", self.beta2, 0.999)?);
                Algorithm::Adam { pseudocount, beta1, beta2, epsilon }
            }
        })
    }

    fn check_together(&self, batch: Batch, has_validation: bool) -> Result<(), ConfigError> {
        let fail = |message| Err(ConfigError::Together(message));
        if batch == Batch::Full && self.accumulate.is_some_and(|batches| batches > 1) {
            return fail(
                "accumulate says how many batches make an update, but the batch is full: give a batch of N rows",
            );
        }
        if matches!(self.evaluate, Some(Every::Seconds(_))) {
            return fail(
                "evaluate says after how many updates (200u) or epochs (1e), so that a run can be repeated exactly",
            );
        }
        if self.every.is_some() && self.checkpoint.is_none() {
            return fail("every says how often the run is saved, but not where: give a folder with checkpoint");
        }
        if self.patience.is_some() && !has_validation {
            return fail(
                "patience ends a run that no longer improves on validation data, and there is none: give it with --valid",
            );
        }
        if self.min_delta.is_some() && self.patience.is_none() {
            return fail("min-delta says what counts as an improvement for patience: give patience too");
        }
        Ok(())
    }

    fn stopping(&self) -> Result<Option<Stopping>, ConfigError> {
        let Some(patience) = self.patience else { return Ok(None) };
        range("patience", patience as f64, |n| n >= 1.0, "at least 1")?;
        let min_delta = self.min_delta.unwrap_or(0.0);
        range("min-delta", min_delta, |x| x >= 0.0 && x.is_finite(), "a finite number of at least 0")?;
        Ok(Some(Stopping { patience, min_delta }))
    }
}

/// The Monarch paper's line for stepwise EM; PyJuice's step for Anemone. A full batch is exact and takes the whole step.
fn default_schedule(optimizer: OptimizerName, batch: Batch) -> Schedule {
    match (optimizer, batch) {
        (OptimizerName::Em | OptimizerName::EmAverage | OptimizerName::Anemone, Batch::Full) => Schedule::constant(1.0),
        (OptimizerName::Em, Batch::Rows(_)) => Schedule::linear(1.0, 0.0),
        (OptimizerName::EmAverage, Batch::Rows(_)) => Schedule::linear(0.1, 0.0),
        (OptimizerName::Anemone, Batch::Rows(_)) => Schedule::constant(0.4),
        (OptimizerName::Adam, _) => Schedule::constant(0.01),
    }
}

/// A batch has no flow where all rows have some. A zero would stay, so that EM from batches needs a little of it everywhere.
fn default_pseudocount(optimizer: OptimizerName, batch: Batch) -> f64 {
    if optimizer == OptimizerName::Adam || batch == Batch::Full { 0.0 } else { 1e-6 }
}

fn range(name: &'static str, found: f64, sound: fn(f64) -> bool, expected: &'static str) -> Result<(), ConfigError> {
    if sound(found) { Ok(()) } else { Err(ConfigError::Range { name, found, expected }) }
}

/// Reads a word from a string or a number of the file.
fn word<'de, D: Deserializer<'de>, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: fmt::Display>,
{
    deserializer.deserialize_any(Word(PhantomData)).map(Some)
}

struct Word<T>(PhantomData<T>);

impl<'de, T: FromStr<Err: fmt::Display>> Visitor<'de> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(Error::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&format!("{number:?}"))
    }
}
