//! `danaus inspect`

use crate::arguments::ModelArguments;
use crate::evidence::positive;
use crate::failure::Failure;
use crate::inspect::{Summary, json::json, text::text, training::Training};
use crate::{model, output};
use clap::Args;
use danaus_runtime::training::config::Bytes;

/// The arguments of `danaus inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus inspect examples/hmm.pc --set T=4096
  danaus inspect hmm.pcb --batch 256 --memory-limit 2GiB
  danaus inspect hmm.pcb --json | jq .per_sample")]
pub struct Inspect {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    /// Rows of a batch of training
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    batch: usize,

    /// The most memory for the activations of training, for example 8GiB [default: all are kept]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Bytes>,

    #[command(flatten)]
    model: ModelArguments,
}

/// Shows what a model is and costs.
pub fn run(arguments: &Inspect) -> Result<(), Failure> {
    let model = model::open_to_inspect(&arguments.model)?;
    let limit = arguments.memory_limit.map(|bytes| bytes.0);
    let training = |flows| Training::new(flows, model.stats.total.flops, arguments.batch as u64, limit);
    let training = model.flows.as_ref().map(training);
    let summary = Summary { plan: &model.plan, stats: model.stats, doc: model.doc, training, origin: model.origin };
    if arguments.json { output::print(&format!("{:#}\n", json(&summary))) } else { output::print(&text(&summary)) }
}
