//! `danaus inspect`

use crate::arguments::ModelArguments;
use crate::evidence::positive;
use crate::failure::Failure;
use crate::inspect::{Summary, cpu::Processor, json::json, text::text, training::Training};
use crate::model::PURPOSES;
use crate::{model, output};
use clap::Args;
use danaus_runtime::training::config::Bytes;

/// The arguments of `danaus inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus inspect examples/hmm.pc --set T=4096
  danaus inspect hmm.pcb --batch 256 --memory-limit 2GiB
  danaus inspect examples/monarch_hmm.pc --measure
  danaus inspect hmm.pcb --json | jq .per_sample")]
pub struct Inspect {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    /// Rows of a batch, for training and for the work of kernels
    #[arg(long, value_name = "N", default_value = "64", value_parser = positive)]
    batch: usize,

    /// The most memory for the activations of training, for example 8GiB [default: all are kept]
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<Bytes>,

    /// Measure this processor, and say how long each kernel takes on it at least
    #[arg(long)]
    measure: bool,

    #[command(flatten)]
    model: ModelArguments,
}

/// Shows what a model is and costs.
pub fn run(arguments: &Inspect) -> Result<(), Failure> {
    let model = model::open_to_inspect(&arguments.model)?;
    let limit = arguments.memory_limit.map(|bytes| bytes.0);
    let had = PURPOSES.into_iter().filter(|&purpose| model.has(purpose)).map(model::name);
    let queries: Vec<&str> = std::iter::once("ll").chain(had).collect();
    let exact = model.queries.mpe.is_some().then_some(model.queries.deterministic);
    let training = |flows| Training::new(flows, model.stats.total.flops, arguments.batch as u64, limit);
    let training = model.flows.as_ref().map(training);
    let processor = arguments.measure.then(Processor::measure).transpose().map_err(Failure::usage)?;
    let (stats, doc, origin, batch) = (model.stats, model.doc, model.origin, arguments.batch as u64);
    let flows = model.flows.as_ref();
    let summary = Summary { plan: &model.plan, stats, doc, queries, exact, flows, training, batch, processor, origin };
    if arguments.json { output::print(&format!("{:#}\n", json(&summary))) } else { output::print(&text(&summary)) }
}
