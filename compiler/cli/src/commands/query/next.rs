//! `danaus query next`

use super::answers::{self, Probabilities};
use super::marginal::numbers;
use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::{evidence, model, output, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::data::{Columns, Rows};
use danaus_runtime::queries::{Marginals, QuerySession};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `danaus query next`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query next <MODEL> --data <FILE>... [OPTIONS]")]
#[command(after_help = "\
Variables follow each other in their order. For each row it prints the row, a tab, its first variable without a value, a tab, and the \
probability of each value given the values before; what stands after it is not looked at. With --all it prints that of every variable \
given the observed ones before it. On chains that takes constant time for each.

Examples:
  danaus query next hmm.pcb --params hmm.safetensors --text text8 --rows lines --data beginnings.txt
  danaus query next hmm.pcb --params hmm.safetensors --text text8 --data text8.txt --all -o next.npy")]
pub struct Next {
    /// The distribution of every variable given those before it
    #[arg(long)]
    all: bool,

    /// Print one JSON object for each row
    #[arg(long, conflicts_with = "output")]
    json: bool,

    /// With --all, write the distributions to a file: .npy (rows, variables, values), .npz (besides the log-likelihoods), .csv, or .png, a heat map of the means
    #[arg(short, long, value_name = "FILE", requires = "all")]
    output: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Prints the distribution of what follows.
pub fn run(arguments: &Next) -> Result<(), Failure> {
    let form = arguments.output.as_deref().map(answers::form).transpose()?;
    let model = model::open_for(&arguments.model, &[Purpose::Marginal])?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let rows = arguments.data.rows(&model.plan.variables)?;
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&model.plan));
    let mut query = session::marginals(model, &parameters)?;
    if !arguments.all {
        return after_prefixes(arguments, &mut query, &*rows, batch);
    }
    let columns = rows.columns();
    let variables: Vec<usize> = (0..columns.len()).collect();
    let mut kept = Probabilities::new(columns, &variables);
    let mut printed = Ok(());
    let mut on_batch = |first: usize, found: &Marginals| {
        if form.is_some() {
            kept.add(found);
            return ControlFlow::Continue(());
        }
        let mut text = String::new();
        for row in 0..found.log_likelihoods.len() {
            text += &line(first + row, found, row, columns, &variables, arguments.json);
        }
        printed = output::print(&text);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.next(&*rows, batch, &mut on_batch).map_err(session::failure)?;
    if let (Some(path), Some(form)) = (&arguments.output, form) {
        return kept.write(path, form, arguments.data.images);
    }
    printed
}

/// The first variable without a value of each row, given those before it.
fn after_prefixes(arguments: &Next, query: &mut QuerySession, rows: &dyn Rows, batch: usize) -> Result<(), Failure> {
    let columns = rows.columns();
    for first in (0..rows.len()).step_by(batch) {
        let count = batch.min(rows.len() - first);
        let (prefixes, nexts) = prefixes(rows, first, count)?;
        let mut printed = Ok(());
        let mut on_batch = |start: usize, found: &Marginals| {
            let mut text = String::new();
            for row in 0..found.log_likelihoods.len() {
                let next = nexts[start + row];
                text += &line(first + start + row, found, row, columns, &[next], arguments.json);
            }
            printed = output::print(&text);
            if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        query.marginals(&prefixes, batch, &mut on_batch).map_err(session::failure)?;
        printed?;
    }
    Ok(())
}

/// Rows up to their first missing value, and which variable that is.
fn prefixes(rows: &dyn Rows, first: usize, count: usize) -> Result<(MemoryRows, Vec<usize>), Failure> {
    let columns = rows.columns();
    let mut values = vec![0; columns.len() * count];
    rows.fill(first..first + count, &mut values).map_err(evidence::data_failure)?;
    let (mut indices, mut nexts) = (Vec::with_capacity(values.len()), Vec::with_capacity(count));
    for row in 0..count {
        let value = |column: usize| values[column * count + row];
        let next = (0..columns.len()).find(|&column| value(column) == columns.missing(column)).ok_or_else(|| {
            let row = first + row;
            Failure::wrong(format!(
                "row {row} has values for all variables, so nothing follows; --all looks at every variable"
            ))
        })?;
        indices.extend(
            (0..columns.len()).map(|column| if column < next { value(column) } else { columns.missing(column) }),
        );
        nexts.push(next);
    }
    Ok((MemoryRows::from_indices(columns.clone(), indices), nexts))
}

/// The distributions of some variables of a row; those after an impossible prefix are not there.
fn line(number: usize, found: &Marginals, row: usize, columns: &Columns, variables: &[usize], as_json: bool) -> String {
    let mut text = String::new();
    let distribution = |variable: usize| Some(found.variable(row, variable)).filter(|p| !p.iter().any(|p| p.is_nan()));
    if as_json {
        let entry = |&variable: &usize| {
            let name = serde_json::to_string(&columns.name(variable)).expect("a name is plain data");
            let listed = distribution(variable).map(|p| format!("[{}]", numbers(p, ", ")));
            format!("{name}: {}", listed.unwrap_or("null".to_string()))
        };
        let entries: Vec<String> = variables.iter().map(entry).collect();
        let _ = writeln!(text, "{{\"row\": {number}, \"next\": {{{}}}}}", entries.join(", "));
        return text;
    }
    for &variable in variables {
        let listed = distribution(variable).map(|p| numbers(p, " ")).unwrap_or("impossible".to_string());
        let _ = writeln!(text, "{number}\t{}\t{listed}", columns.name(variable));
    }
    text
}
