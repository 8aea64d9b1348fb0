//! `danaus query marginal`

use super::answers::{self, Probabilities};
use super::names::selected;
use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::{model, output, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::{Columns, Rows};
use danaus_runtime::queries::{Marginals, Pair, QuerySession};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `danaus query marginal`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query marginal <MODEL> --data <FILE>... [OPTIONS]")]
#[command(after_help = "\
For each row and variable a line: the row, a tab, the variable, a tab, and the probability of each of its values given what \
the row observes. An observed variable has its value with probability 1. A real variable has its mean and its variance instead. Of a row of probability 0 there is one line, \
with `impossible`. With --json each row is an object with log_likelihood and marginals.

Examples:
  danaus query marginal examples/weather.pc --data examples/weather.csv
  danaus query marginal hmm.pcb --params hmm.safetensors --text text8 --data text8.txt --of x[0] --json
  danaus query marginal image.pcb --params image.safetensors --data half.npy -o posterior.npy")]
pub struct Marginal {
    /// Only of these variables
    #[arg(long, value_name = "NAME", num_args = 1..)]
    of: Vec<String>,

    /// The joint posterior of two variables instead
    #[arg(long, value_names = ["NAME", "NAME"], num_args = 2, conflicts_with_all = ["of", "output"])]
    pair: Vec<String>,

    /// Print one JSON object for each row
    #[arg(long, conflicts_with = "output")]
    json: bool,

    /// Write all to a file: .npy (rows, variables, values), .npz (besides the log-likelihoods), .csv, or .png, a heat map of the means
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Prints the posterior probabilities of every variable, given each row.
pub fn run(arguments: &Marginal) -> Result<(), Failure> {
    let form = arguments.output.as_deref().map(answers::form).transpose()?;
    let model = model::open_for(&arguments.model, &[Purpose::Marginal])?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let rows = arguments.data.rows(&model.plan.variables)?;
    let variables = selected(&arguments.of, rows.columns())?;
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&model.plan));
    let mut query = session::marginals(model, &parameters)?;
    if !arguments.pair.is_empty() {
        return pairs(arguments, &mut query, &*rows, batch);
    }
    let mut kept = Probabilities::new(rows.columns(), &variables);
    let mut printed = Ok(());
    let mut on_batch = |first: usize, found: &Marginals| {
        if form.is_some() {
            kept.add(found);
            return ControlFlow::Continue(());
        }
        printed = output::print(&lines(first, found, rows.columns(), &variables, arguments.json));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.marginals(&*rows, batch, &mut on_batch).map_err(session::failure)?;
    if let (Some(path), Some(form)) = (&arguments.output, form) {
        return kept.write(path, form, arguments.data.images);
    }
    printed
}

/// Prints the joint posterior of two variables: a line for each value of the first.
fn pairs(arguments: &Marginal, query: &mut QuerySession, rows: &dyn Rows, batch: usize) -> Result<(), Failure> {
    let columns = rows.columns();
    let asked = selected(&arguments.pair, columns)?;
    let &[first, second] = &asked[..] else { panic!("a pair has two names") };
    if first == second {
        return Err(Failure::usage(format!("`{}` and itself are no pair", columns.name(first))));
    }
    if let Some(real) = [first, second].into_iter().find(|&column| columns.is_real(column)) {
        return Err(Failure::usage(format!(
            "`{}` is real: pairs are of variables with finitely many values",
            columns.name(real)
        )));
    }
    let values = columns.missing(second) as usize;
    let mut printed = Ok(());
    let mut on_row = |row: usize, pair: &Pair| {
        let text = match (&pair.probabilities, arguments.json) {
            (None, false) => format!("{row}\timpossible\n"),
            (None, true) => format!("{{\"row\": {row}, \"pair\": null, \"impossible\": true}}\n"),
            (Some(all), false) => {
                let line = |(value, row_of): (usize, &[f64])| {
                    let shown = columns.value(first, value as u32).expect("it is a value");
                    let [first, second] = [first, second].map(|variable| columns.name(variable));
                    format!("{row}\t{first}={shown}\t{second}\t{}\n", joined(row_of, " "))
                };
                all.chunks_exact(values).enumerate().map(line).collect()
            }
            (Some(all), true) => {
                let listed: Vec<String> =
                    all.chunks_exact(values).map(|row_of| format!("[{}]", joined(row_of, ", "))).collect();
                format!("{{\"row\": {row}, \"pair\": [{}]}}\n", listed.join(", "))
            }
        };
        printed = output::print(&text);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.pairs(rows, [first, second], batch, &mut on_row).map_err(session::failure)?;
    printed
}

/// Probabilities to single precision, which is what they are computed to.
fn joined(values: &[f64], separator: &str) -> String {
    numbers(&values.iter().map(|&value| value as f32).collect::<Vec<f32>>(), separator)
}

/// The probabilities of some variables of each row.
fn lines(first: usize, found: &Marginals, columns: &Columns, variables: &[usize], as_json: bool) -> String {
    let mut text = String::new();
    for row in 0..found.log_likelihoods.len() {
        let number = first + row;
        let _ = match (as_json, found.is_impossible(row)) {
            (false, true) => writeln!(text, "{number}\timpossible"),
            (true, true) => writeln!(text, "{{\"row\": {number}, \"log_likelihood\": null, \"impossible\": true}}"),
            (false, false) => variables.iter().try_for_each(|&variable| {
                let listed = numbers(found.variable(row, variable), " ");
                writeln!(text, "{number}\t{}\t{listed}", columns.name(variable))
            }),
            (true, false) => {
                let entry = |&variable: &usize| {
                    let name = serde_json::to_string(&columns.name(variable)).expect("a name is plain data");
                    format!("{name}: [{}]", numbers(found.variable(row, variable), ", "))
                };
                let entries: Vec<String> = variables.iter().map(entry).collect();
                let value = found.log_likelihoods[row];
                writeln!(
                    text,
                    "{{\"row\": {number}, \"log_likelihood\": {value}, \"marginals\": {{{}}}}}",
                    entries.join(", ")
                )
            }
        };
    }
    text
}

/// Numbers in their shortest form.
pub fn numbers(values: &[f32], separator: &str) -> String {
    values.iter().map(f32::to_string).collect::<Vec<_>>().join(separator)
}
