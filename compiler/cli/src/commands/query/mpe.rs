//! `danaus query mpe`

use super::answers;
use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::output::{self, say};
use crate::{model, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::Columns;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::queries::{Completed, QuerySession, Sampling};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `danaus query mpe`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query mpe <MODEL> --data <FILE>... [OPTIONS]")]
#[command(after_help = "\
Completes each row by maxima in the place of sums and a walk back, ties going to the first. Each line is the row, the log-likelihood of \
the completed row, `exact` or `lower bound`, and the values of all variables. If the circuit is known to be deterministic, no \
completion is more likely; otherwise there may be one, and the log-likelihood is a lower bound of the greatest.

Examples:
  danaus query mpe examples/weather.pc --data examples/weather.csv
  danaus query mpe hmm.pcb --params hmm.safetensors --data half.npy -o completed.npy")]
pub struct Mpe {
    /// Print one JSON object for each row
    #[arg(long, conflicts_with = "output")]
    json: bool,

    /// Write the completed rows to a file: .npy (rows, variables), .npz (an array for each array of variables), .csv, or .png, a grid of images
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Completes each row with the most likely values.
pub fn run(arguments: &Mpe) -> Result<(), Failure> {
    let form = arguments.output.as_deref().map(answers::form).transpose()?;
    let model = model::open_for(&arguments.model, &[Purpose::Mpe])?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let rows = arguments.data.rows(&model.plan.variables)?;
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&model.plan));
    let exact = model.queries.deterministic && parameters.keep_zeros(&model.plan);
    let plan = model.queries.mpe.expect("the model was opened with it");
    let mut likelihoods = session::open(model.plan.clone(), &parameters)?;
    let mut query = QuerySession::open(model.plan, plan, &parameters).map_err(session::failure)?;
    let columns = rows.columns();
    let (mut kept, mut impossible) = (Vec::new(), 0);
    let mut printed = Ok(());
    let mut on_batch = |first: usize, found: &Completed| {
        impossible += found.values.iter().filter(|value| **value == f64::NEG_INFINITY).count();
        if form.is_some() {
            kept.extend_from_slice(&found.completions);
            return ControlFlow::Continue(());
        }
        printed = likely(&mut likelihoods, columns, found, batch)
            .and_then(|values| output::print(&lines(first, columns, found, &values, exact, arguments.json)));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.complete(&*rows, batch, Sampling::GREATEST, &mut on_batch).map_err(session::failure)?;
    printed?;
    let (Some(path), Some(form)) = (&arguments.output, form) else { return Ok(()) };
    answers::write_values(path, form, arguments.data.images, Some(&*rows), columns, &kept)?;
    let how = if exact { "exact" } else { "a lower bound: the circuit is not known to be deterministic" };
    say(format_args!("the log-likelihood of the completions is {how}"));
    if impossible > 0 {
        say(format_args!("warning: rows of probability 0 have no completion: {impossible} of {}", rows.len()));
    }
    Ok(())
}

/// The log-likelihoods of completed rows.
fn likely(
    session: &mut danaus_runtime::session::Session,
    columns: &Columns,
    found: &Completed,
    batch: usize,
) -> Result<Vec<f64>, Failure> {
    let completed = MemoryRows::from_indices(columns.clone(), found.completions.clone());
    let mut values = Vec::with_capacity(found.values.len());
    let mut keep = |_: usize, batch: &[f64]| {
        values.extend_from_slice(batch);
        ControlFlow::Continue(())
    };
    session.log_likelihoods(&completed, batch, &mut keep).map_err(session::failure)?;
    Ok(values)
}

fn lines(first: usize, columns: &Columns, found: &Completed, values: &[f64], exact: bool, as_json: bool) -> String {
    let mut text = String::new();
    let rows = found.completions.chunks_exact(columns.len().max(1));
    for (index, (row, value)) in rows.zip(values).enumerate() {
        let number = first + index;
        let impossible = found.values[index] == f64::NEG_INFINITY;
        let _ = match (as_json, impossible) {
            (false, true) => writeln!(text, "{number}\timpossible"),
            (true, true) => writeln!(text, "{{\"row\": {number}, \"log_likelihood\": null, \"impossible\": true}}"),
            (false, false) => {
                let how = if exact { "exact" } else { "lower bound" };
                let shown = answers::values_as_csv(columns, row, false).replace(',', " ");
                write!(text, "{number}\t{value}\t{how}\t{shown}")
            }
            (true, false) => {
                let values = answers::values_as_json(columns, row);
                writeln!(
                    text,
                    "{{\"row\": {number}, \"log_likelihood\": {value}, \"exact\": {exact}, \"values\": {values}}}"
                )
            }
        };
    }
    text
}
