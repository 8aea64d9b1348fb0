//! `danaus query ll`

use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments};
use crate::failure::Failure;
use crate::gpu::{self, DeviceArguments};
use crate::model::{self, Model};
use crate::output;
use crate::{evidence, session};
use clap::Args;
use danaus_compiler::reference::{self, ParameterValues};
use danaus_cuda::score;
use danaus_runtime::data::Rows;
use danaus_runtime::parameters::{self, Parameters};
use std::fmt::Write;
use std::ops::ControlFlow;

/// Rows that the reference evaluator works on at a time.
const REFERENCE_BATCH: usize = 64;

/// The arguments of `danaus query ll`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query ll <MODEL> --data <FILE>... [OPTIONS]")]
#[command(after_help = "\
Each line is the number of a row, counted from 0, a tab, and the natural logarithm of the row's probability (-inf if \
it is impossible). With --json each line is {\"row\": 0, \"log_likelihood\": -12.34}; of an impossible row the number \
is null and \"impossible\": true is added.

Examples:
  danaus query ll examples/weather.pc --data examples/weather.csv
  danaus query ll hmm.pcb --params hmm.safetensors --data test.npy --json
  danaus query ll examples/hmm.pc --set T=64 --seed 1 --text lower --data README.md")]
pub struct LogLikelihood {
    /// Print one JSON object for each row
    #[arg(long)]
    json: bool,

    /// Compute in double precision by the definition, from the circuit before it is optimized: slow, and right
    #[arg(long, conflicts_with = "device")]
    reference: bool,

    #[command(flatten)]
    device: DeviceArguments,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Prints the log-likelihood of each row.
pub fn run(arguments: &LogLikelihood) -> Result<(), Failure> {
    if arguments.reference {
        model::refuse_compiled(&arguments.model.path, "--reference")?;
    }
    let model = model::open(&arguments.model)?;
    let parameters = evidence::parameters(&arguments.parameters, &model.plan)?;
    let rows = arguments.data.rows(&model.plan.variables)?;
    if arguments.reference {
        return by_definition(arguments, &model, &parameters, &*rows);
    }
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&model.plan));
    let mut printed = Ok(());
    let mut on_batch = |first: usize, values: &[f64]| {
        printed = output::print(&lines(first, values, arguments.json));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    if let Some(found) = gpu::find(arguments.device, &model)? {
        let mut forward = found.forward(&parameters)?;
        score::log_likelihoods(&mut forward, &*rows, batch, &mut on_batch).map_err(gpu::failure)?;
    } else {
        let mut session = session::open(model.plan, &parameters)?;
        session.log_likelihoods(&*rows, batch, &mut on_batch).map_err(session::failure)?;
    }
    printed
}

fn by_definition(
    arguments: &LogLikelihood,
    model: &Model,
    parameters: &Parameters,
    rows: &dyn Rows,
) -> Result<(), Failure> {
    let module = model::circuit(&arguments.model)?;
    let mut values = ParameterValues::new();
    for (name, numbers) in parameters.values64(&model.plan) {
        values.insert(name, numbers);
    }
    if let Some(path) = &arguments.parameters.params {
        for (name, numbers) in parameters::doubles(path, &model.plan).map_err(Failure::wrong)? {
            values.insert(name, numbers);
        }
    }
    for first in (0..rows.len()).step_by(REFERENCE_BATCH) {
        let range = first..rows.len().min(first + REFERENCE_BATCH);
        let evidence = assignments(rows, range)?;
        let found = reference::evaluate_module(&module, &values, &evidence).map_err(Failure::wrong)?;
        output::print(&lines(first, &found, arguments.json))?;
    }
    Ok(())
}

/// Rows as the reference evaluator takes them.
fn assignments(rows: &dyn Rows, range: std::ops::Range<usize>) -> Result<Vec<reference::Row>, Failure> {
    let (columns, count) = (rows.columns(), range.len());
    let mut values = vec![0; columns.len() * count];
    rows.fill(range, &mut values).map_err(evidence::data_failure)?;
    let observed = |column: usize, value: u32| (value != columns.missing(column)).then_some(value as usize);
    let row = |row: usize| (0..columns.len()).map(|column| observed(column, values[column * count + row])).collect();
    Ok((0..count).map(row).collect())
}

fn lines(first: usize, values: &[f64], as_json: bool) -> String {
    let mut text = String::new();
    for (row, value) in (first..).zip(values) {
        let _ = match (as_json, value.is_finite()) {
            (false, _) => writeln!(text, "{row}\t{value}"),
            (true, true) => writeln!(text, "{{\"row\": {row}, \"log_likelihood\": {value}}}"),
            (true, false) => {
                writeln!(text, "{{\"row\": {row}, \"log_likelihood\": null, \"impossible\": true}}")
            }
        };
    }
    text
}
