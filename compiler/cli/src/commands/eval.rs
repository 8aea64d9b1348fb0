//! `danaus eval`

use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::gpu::{self, DeviceArguments};
use crate::model::{self, Model, has_real};
use crate::output;
use crate::session::{self, Progress};
use crate::table::{Align, grouped, seconds, table};
use clap::Args;
use danaus_cuda::score;
use danaus_runtime::parameters::Parameters;
use danaus_runtime::session::Evaluation;
use std::ops::ControlFlow;

/// The arguments of `danaus eval`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus eval <MODEL> --data <FILE>... [OPTIONS]")]
#[command(after_help = "Examples:
  danaus eval hmm.pcb --params hmm.safetensors --data test.npy
  danaus eval examples/monarch_hmm.pc --set T=64 --seed 1 --text lower --data README.md
  danaus eval hmm.pcb --params hmm.safetensors --text text8 --data text8.txt --json
  danaus eval hmm.pcb --params hmm.safetensors --text lower --data novel.txt --stream")]
pub struct Eval {
    /// Take all data as one long sequence through a chain, whatever length the chain was compiled for
    #[arg(long, conflicts_with_all = ["batch", "cut", "device"])]
    stream: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArguments,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Prints how likely a model finds data.
pub fn run(arguments: &Eval) -> Result<(), Failure> {
    let model = model::open(&arguments.model)?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let is_density = has_real(&model.plan);
    let (found, flops) = match arguments.stream {
        true => stream(arguments, model, &parameters)?,
        false => rows(arguments, model, &parameters)?,
    };
    if arguments.json {
        return output::print(&format!("{}\n", serde_json::to_string(&found).expect("numbers are plain data")));
    }
    output::print(&text(&found, flops, is_density))
}

/// Evaluates row by row; also the FLOPs that it took.
fn rows(arguments: &Eval, model: Model, parameters: &Parameters) -> Result<(Evaluation, f64), Failure> {
    let rows = arguments.data.rows(&model.plan.variables)?;
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&model.plan));
    let mut progress = Progress::new(rows.len(), "rows");
    let mut show = |done| {
        progress.show(done);
        ControlFlow::Continue(())
    };
    let flops = model.stats.total.flops as f64;
    let found = if let Some(found) = gpu::find(arguments.device, &model)? {
        let mut forward = found.forward(parameters)?;
        score::evaluate(&mut forward, &*rows, batch, &mut show).map_err(gpu::failure)
    } else {
        let mut session = session::open(model.plan, parameters)?;
        session.evaluate_with(&*rows, batch, &mut show).map_err(session::failure)
    };
    progress.clear();
    let found = found?.expect("nothing says that it is enough");
    let flops = flops * found.rows as f64;
    Ok((found, flops))
}

/// Evaluates one long sequence; also the FLOPs that it took.
fn stream(arguments: &Eval, model: Model, parameters: &Parameters) -> Result<(Evaluation, f64), Failure> {
    let sequence = arguments.data.sequence(&model.plan.variables)?;
    let length = sequence.len();
    let per_value = model.stats.total.flops as f64 / model.stats.variables.max(1) as f64;
    let mut session = session::open(model.plan, parameters)?;
    let mut progress = Progress::new(length, "values");
    let found = session.stream_with(&*sequence, &mut |done| progress.show(done));
    progress.clear();
    Ok((found.map_err(session::failure)?, per_value * length as f64))
}

/// Densities have no bits per dimension.
fn text(found: &Evaluation, flops: f64, is_density: bool) -> String {
    let speed = format!(
        "{} ({:.0} rows/s, {:.1} GFLOP/s)",
        seconds(found.seconds),
        found.rows as f64 / found.seconds,
        flops / found.seconds / 1e9
    );
    let mut rows = vec![
        ("rows", grouped(found.rows as u64)),
        ("observed values", grouped(found.observed)),
        ("mean log-likelihood", format!("{:.6}", found.mean_log_likelihood)),
        ("bits per dimension", format!("{:.6}", found.bits_per_dimension)),
        ("perplexity", format!("{:.6}", found.perplexity)),
    ];
    if is_density {
        rows.truncate(3);
    }
    if found.impossible > 0 {
        rows.push(("impossible rows", grouped(found.impossible as u64)));
        let mean = found.mean_possible.map_or("none".to_string(), |mean| format!("{mean:.6}"));
        rows.push(("mean of the others", mean));
    }
    rows.push(("time", speed));
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_string(), value]).collect();
    table("", &[Align::Left; 2], &rows)
}
