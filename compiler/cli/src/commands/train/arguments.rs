//! The arguments of `danaus train`.

use crate::arguments::{ModelArguments, WithoutConstraint};
use crate::evidence::{DataArguments, positive};
use crate::gpu::DeviceArguments;
use crate::training::curve::Axis;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use danaus_runtime::training::Settings;
use danaus_runtime::training::config::{Batch, Bytes, Every, OptimizerName};
use danaus_runtime::training::schedule::Schedule;
use std::path::PathBuf;

/// The arguments of `danaus train`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus train <MODEL> --data <FILE>... -o <OUT.safetensors> [OPTIONS]")]
#[command(after_help = "\
Settings can stand in a TOML file, --config FILE, under the names of the options: batch = 128, schedule = \"1.0->0.0\". The \
command line is heard first.

Ctrl-C ends a run in order. With --checkpoint the same command goes on where it ended, and comes to the same parameters, \
to the bit; so it does after a crash.

Examples:
  danaus train hmm.pc --text text8 --data train.txt --valid valid.txt -o hmm.safetensors
  danaus train hmm.pc --text text8 --data train.txt --valid valid.txt --test test.txt --batch 128 --accumulate 8 \\
      --epochs 20 --schedule 1.0->0.0 --checkpoint run1 --metrics run1.jsonl --curve run1.svg -o hmm.safetensors
  danaus train product.pc --params dense.safetensors --data train.npy --optimizer anemone --batch 512 -o product.safetensors")]
pub struct Train {
    /// Where the parameters are written: the best on the validation data, or else the last
    #[arg(short, long, value_name = "OUT.safetensors")]
    pub output: PathBuf,

    /// Start from the parameters of this .safetensors file; without it at random, by the seed
    #[arg(long, value_name = "START")]
    pub params: Option<PathBuf>,

    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Write what is measured, an object per line
    #[arg(long, value_name = "FILE.jsonl")]
    pub metrics: Option<PathBuf>,

    /// Draw bits per dimension over the course of training, as .svg or .png
    #[arg(long, value_name = "FILE")]
    pub curve: Option<PathBuf>,

    /// What the curve is drawn over
    #[arg(long, value_name = "AXIS", default_value = "flops")]
    pub curve_axis: Axis,

    /// Start over, even if the folder of --checkpoint has a run to go on with
    #[arg(long)]
    pub fresh: bool,

    /// Say on stderr at the end how long each kernel took to be made ready, and whether it was compiled now
    #[arg(long)]
    pub timings: bool,

    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub device: DeviceArguments,

    #[command(flatten)]
    pub model: WithoutConstraint<ModelArguments>,

    #[command(flatten)]
    pub data: TrainingData,

    /// Rows that say which parameters are best; as --data
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Data")]
    pub valid: Vec<PathBuf>,

    /// Rows for the report at the end; as --data
    #[arg(long, value_name = "FILE", num_args = 1.., help_heading = "Data")]
    pub test: Vec<PathBuf>,

    #[command(flatten)]
    training: TrainingArguments,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Training")]
struct TrainingArguments {
    /// em, em-average, anemone or adam [default: em]
    #[arg(long, value_name = "NAME")]
    optimizer: Option<OptimizerName>,

    /// Rows of a batch, or `full`: all rows [default: full]
    #[arg(long = "batch", id = "rows_of_a_batch", value_name = "full|N")]
    batch: Option<Batch>,

    /// Batches whose flows make an update [default: 1]
    #[arg(long, value_name = "N", value_parser = positive)]
    accumulate: Option<usize>,

    /// How often all rows are read [default: as the schedule says, or 20]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,

    /// Step sizes: 0.1, 1.0->0.0, cosine:1.0->0.01, or "epochs:20,1.0->0.0; epochs:5,0.1" [default: 1 for a full batch; 1.0->0.0
    /// for em, 0.1->0.0 for em-average, 0.4 for anemone; 0.01 for adam]
    #[arg(long, value_name = "SCHEDULE")]
    schedule: Option<Schedule>,

    /// Imagined flow of each row of a parameter, spread evenly [default: 1e-6 for EM from batches, or 0]
    #[arg(long, value_name = "C", allow_negative_numbers = true)]
    pseudocount: Option<f64>,

    /// Momentum of anemone [default: 0.9, or 0 for a full batch]
    #[arg(long, value_name = "M", allow_negative_numbers = true)]
    momentum: Option<f64>,

    /// First decay of adam [default: 0.9]
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    beta1: Option<f64>,

    /// Second decay of adam [default: 0.999]
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    beta2: Option<f64>,

    /// The small number of adam [default: 1e-8]
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    epsilon: Option<f64>,

    /// Seed of the order of the rows, and of a random start [default: 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Whether every epoch has an order of its own [default: true, but for a full batch]
    #[arg(long, value_name = "BOOL")]
    shuffle: Option<bool>,

    /// How often the validation data is evaluated: 200u (updates) or 1e (epochs) [default: 1e]
    #[arg(long, value_name = "EVERY")]
    evaluate: Option<Every>,

    /// End after so many evaluations in a row without improvement
    #[arg(long, value_name = "N")]
    patience: Option<u64>,

    /// Bits per dimension that an improvement must exceed [default: 0]
    #[arg(long, value_name = "BITS", allow_negative_numbers = true)]
    min_delta: Option<f64>,

    /// Save the run in this folder, and go on with a run that is saved there
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<PathBuf>,

    /// How often: 30s, 5m, 1h, 200u (updates) or 1e (epochs) [default: 5m]
    #[arg(long, value_name = "EVERY")]
    every: Option<Every>,

    /// The most memory for activations: 8GiB [default: what is free]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Bytes>,
}

impl Train {
    /// What the command line says about training.
    pub fn settings(&self) -> Settings {
        let given = &self.training;
        Settings {
            optimizer: given.optimizer,
            schedule: given.schedule.clone(),
            pseudocount: given.pseudocount,
            momentum: given.momentum,
            beta1: given.beta1,
            beta2: given.beta2,
            epsilon: given.epsilon,
            batch: given.batch,
            accumulate: given.accumulate,
            device_batch: self.data.0.batch,
            epochs: given.epochs,
            seed: given.seed,
            shuffle: given.shuffle,
            evaluate: given.evaluate,
            patience: given.patience,
            min_delta: given.min_delta,
            checkpoint: given.checkpoint.clone(),
            every: given.every,
            memory_limit: given.memory_limit,
        }
    }
}

/// The arguments about data that all verbs have, where the number of rows on the device is called `--device-batch`: a batch of
/// training is something else.
#[derive(Clone, Debug)]
pub struct TrainingData(pub DataArguments);

impl Args for TrainingData {
    fn augment_args(command: Command) -> Command {
        renamed(DataArguments::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        renamed(DataArguments::augment_args_for_update(command))
    }
}

fn renamed(command: Command) -> Command {
    command.mut_arg("data", |data| data.help("Rows to train on, in the forms that danaus eval reads")).mut_arg(
        "batch",
        |batch| {
            batch.long("device-batch").help("Most rows on the device at a time [default: by the size of the circuit]")
        },
    )
}

impl FromArgMatches for TrainingData {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        DataArguments::from_arg_matches(matches).map(TrainingData)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}
