//! `danaus bench`

use crate::arguments::ModelArguments;
use crate::evidence::{ParameterArguments, positive};
use crate::failure::Failure;
use crate::model;
use crate::output::{self, say_text};
use crate::session;
use crate::table::{Align, bytes, flops, seconds, table};
use clap::Args;
use danaus_artifact::signature::{Domain, VariableArray};
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters;
use serde_json::json;
use std::time::Instant;

/// The arguments of `danaus bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus bench examples/monarch_hmm.pc --set T=64
  danaus bench hmm.pcb --batch 256 --json")]
pub struct Bench {
    /// Rows evaluated at a time [default: by the size of the circuit]
    #[arg(long, value_name = "N", value_parser = positive)]
    batch: Option<usize>,

    /// How many times the batch is evaluated; the median time counts
    #[arg(long, value_name = "N", default_value = "7", value_parser = positive)]
    repeat: usize,

    /// Say on stderr how long each kernel took to be made ready, and whether it was compiled now
    #[arg(long)]
    timings: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// Measures the forward pass on rows of arbitrary values.
pub fn run(arguments: &Bench) -> Result<(), Failure> {
    let model = model::open(&arguments.model)?;
    let parameters = match arguments.parameters.params {
        Some(_) => crate::evidence::parameters(&arguments.parameters, &model.plan)?,
        None => {
            let seed = arguments.parameters.seed.unwrap_or(0);
            parameters::init(&model.plan, seed, None).map_err(Failure::wrong)?.parameters
        }
    };
    let batch = arguments.batch.unwrap_or(session::usual_batch(&model.plan));
    let values: Vec<Vec<Option<i64>>> = (0..batch).map(|row| arbitrary(row, &model.plan.variables)).collect();
    let rows = MemoryRows::new(&model.plan.variables, &values).map_err(Failure::wrong)?;
    let stats = model.stats;
    let start = Instant::now();
    let mut session = session::open(model.plan, &parameters)?;
    session.evaluate(&rows, batch).map_err(session::failure)?;
    let first = start.elapsed().as_secs_f64();
    let mut times = Vec::new();
    for _ in 0..arguments.repeat {
        let start = Instant::now();
        session.evaluate(&rows, batch).map_err(session::failure)?;
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    if arguments.timings {
        say_text(&session::timings());
    }
    let (median, best, worst) = (times[times.len() / 2], times[0], times[times.len() - 1]);
    let work = stats.total.flops as f64 * batch as f64;
    if arguments.json {
        let found = json!({
            "circuit": stats.name, "batch": batch, "repeat": arguments.repeat, "flops_per_row": stats.total.flops,
            "seconds": median, "seconds_best": best, "seconds_worst": worst, "seconds_first": first,
            "rows_per_second": batch as f64 / median, "gflop_per_second": work / median / 1e9,
        });
        return output::print(&format!("{found}\n"));
    }
    let rows = [
        ("batch", format!("{batch} rows, {} each", flops(stats.total.flops as f64))),
        ("first", format!("{} (loading, and kernels compiled)", seconds(first))),
        ("median", format!("{} of {} ({} to {})", seconds(median), arguments.repeat, seconds(best), seconds(worst))),
        ("speed", format!("{:.0} rows/s, {:.1} GFLOP/s", batch as f64 / median, work / median / 1e9)),
        ("memory", format!("{} on the device", bytes(session.stats().bytes))),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, value)| vec![name.to_string(), value]).collect();
    output::print(&table("", &[Align::Left; 2], &rows))
}

/// A row of values that look random and are the same on every run.
fn arbitrary(row: usize, variables: &[VariableArray]) -> Vec<Option<i64>> {
    let mut state = row as u64 + 1;
    let mut next = |domain: Domain| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let index = (state >> 33) as i64 % domain.size() as i64;
        let low = match domain {
            Domain::Integer(low, _) => low,
            Domain::Categorical(_) | Domain::Binary => 0,
            Domain::Real => return Some(index % 7 - 3),
        };
        Some(low + index)
    };
    variables.iter().flat_map(|array| std::iter::repeat_n(array.domain, array.len())).map(&mut next).collect()
}
