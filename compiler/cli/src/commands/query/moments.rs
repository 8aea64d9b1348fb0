//! `danaus query moments`

use super::names::selected;
use crate::arguments::ModelArguments;
use crate::evidence::{OptionalData, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::{model, output, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::data::{Columns, Rows};
use danaus_runtime::queries::Marginals;
use std::fmt::Write;
use std::ops::ControlFlow;

/// The arguments of `danaus query moments`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query moments <MODEL> [--data <FILE>...] [OPTIONS]")]
#[command(after_help = "\
For each row and variable a line: the row, a tab, the variable, a tab, and its mean, variance and entropy (in nats) given what the row \
observes, with tabs between; for the entropy of a real variable there is a dash. Without data there is one row that observes nothing; its log-likelihood, which --json shows, is the logarithm of \
the partition function.

Examples:
  danaus query moments examples/weather.pc
  danaus query moments image.pcb --params image.safetensors --data half.npy --json")]
pub struct Moments {
    /// Only of these variables
    #[arg(long, value_name = "NAME", num_args = 1..)]
    of: Vec<String>,

    /// Print one JSON object for each row
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: OptionalData,
}

/// Prints what is expected of every variable, given each row.
pub fn run(arguments: &Moments) -> Result<(), Failure> {
    let model = model::open_for(&arguments.model, &[Purpose::Marginal])?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let data = &arguments.data.0;
    let rows: Box<dyn Rows> = match data.data.is_empty() {
        true => Box::new(MemoryRows::unknown(&model.plan.variables)),
        false => data.rows(&model.plan.variables)?,
    };
    let variables = selected(&arguments.of, rows.columns())?;
    let batch = data.batch.unwrap_or(session::usual_batch(&model.plan));
    let mut query = session::marginals(model, &parameters)?;
    let mut printed = Ok(());
    let mut on_batch = |first: usize, found: &Marginals| {
        let text = match arguments.json {
            true => objects(first, found, rows.columns(), &variables),
            false => lines(first, found, rows.columns(), &variables),
        };
        printed = output::print(&text);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.marginals(&*rows, batch, &mut on_batch).map_err(session::failure)?;
    printed
}

fn lines(first: usize, found: &Marginals, columns: &Columns, variables: &[usize]) -> String {
    let mut text = String::new();
    for row in 0..found.log_likelihoods.len() {
        let number = first + row;
        if found.is_impossible(row) {
            let _ = writeln!(text, "{number}\timpossible");
            continue;
        }
        for &variable in variables {
            let moments = found.moments(row, variable, columns.low(variable));
            let (mean, variance, entropy) = (moments.mean, moments.variance, shown(moments.entropy, "-"));
            let _ = writeln!(text, "{number}\t{}\t{mean}\t{variance}\t{entropy}", columns.name(variable));
        }
    }
    text
}

/// An entropy, or what stands for that of a real variable.
fn shown(entropy: f64, otherwise: &str) -> String {
    if entropy.is_nan() { otherwise.to_string() } else { entropy.to_string() }
}

fn objects(first: usize, found: &Marginals, columns: &Columns, variables: &[usize]) -> String {
    let mut text = String::new();
    for (row, value) in found.log_likelihoods.iter().enumerate() {
        let number = first + row;
        if found.is_impossible(row) {
            let _ = writeln!(text, "{{\"row\": {number}, \"log_likelihood\": null, \"impossible\": true}}");
            continue;
        }
        let entry = |&variable: &usize| {
            let name = serde_json::to_string(&columns.name(variable)).expect("a name is plain data");
            let moments = found.moments(row, variable, columns.low(variable));
            let (mean, variance, entropy) = (moments.mean, moments.variance, shown(moments.entropy, "null"));
            format!("{name}: {{\"mean\": {mean}, \"variance\": {variance}, \"entropy\": {entropy}}}")
        };
        let entries: Vec<String> = variables.iter().map(entry).collect();
        let _ = writeln!(
            text,
            "{{\"row\": {number}, \"log_likelihood\": {value}, \"moments\": {{{}}}}}",
            entries.join(", ")
        );
    }
    text
}
