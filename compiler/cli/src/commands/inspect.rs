//! `danaus inspect`

use crate::arguments::ModelArguments;
use crate::failure::Failure;
use crate::inspect::{Summary, json::json, text::text};
use crate::{model, output};
use clap::Args;

/// The arguments of `danaus inspect`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus inspect examples/hmm.pc --set T=4096
  danaus inspect hmm.pcb
  danaus inspect hmm.pcb --json | jq .per_sample")]
pub struct Inspect {
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,
}

/// Shows what a model is and costs.
pub fn run(arguments: &Inspect) -> Result<(), Failure> {
    let model = model::open(&arguments.model)?;
    let summary = Summary { plan: &model.plan, stats: model.stats, doc: model.doc, origin: model.origin };
    if arguments.json { output::print(&format!("{:#}\n", json(&summary))) } else { output::print(&text(&summary)) }
}
