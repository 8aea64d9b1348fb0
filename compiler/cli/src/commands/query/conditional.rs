//! `danaus query conditional`

use super::names::Named;
use crate::arguments::ModelArguments;
use crate::evidence::{ParameterArguments, parameters};
use crate::failure::Failure;
use crate::model::{self, Model};
use crate::{output, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::Columns;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters::Parameters;
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;

/// The arguments of `danaus query conditional`.
#[derive(Args, Debug)]
#[command(
    override_usage = "danaus query conditional <MODEL> [--given <NAME=VALUE>...] --of <NAME[=VALUE]>... [OPTIONS]"
)]
#[command(after_help = "\
Of variables without values it prints the distribution of each: the variable, a value and its probability in a line, of a real variable \
its mean and its variance. Of variables with values it prints the probability that all of them have these values together, of real ones the \
density, and its natural logarithm.

Examples:
  danaus query conditional examples/weather.pc --given wet=1 --of rain
  danaus query conditional examples/weather.pc --given wet=1 rainbow=0 --of rain=1
  danaus query conditional hmm.pcb --params hmm.safetensors --given 'x[0]=1' --of 'x[1]' --json")]
pub struct Conditional {
    /// What is known
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    given: Vec<Named>,

    /// What is asked about: variables, or variables with values
    #[arg(long, value_name = "NAME[=VALUE]", num_args = 1.., required = true)]
    of: Vec<Named>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// Prints probabilities of some variables given the values of others.
pub fn run(arguments: &Conditional) -> Result<(), Failure> {
    let with_values = arguments.of.iter().filter(|named| named.value.is_some()).count();
    if with_values != 0 && with_values != arguments.of.len() {
        let message = "after --of either all variables have values, or none has: distributions and the probability of values \
                       are two questions";
        return Err(Failure::usage(message));
    }
    let purposes: &[Purpose] = if with_values == 0 { &[Purpose::Marginal] } else { &[] };
    let model = model::open_for(&arguments.model, purposes)?;
    let columns = Columns::new(&model.plan.variables);
    let mut given = unknown(&columns);
    for named in &arguments.given {
        let (column, Some(index)) = named.resolve(&columns)? else {
            return Err(Failure::usage(format!("`{}` is given without a value; write {0}=VALUE", named.name)));
        };
        set(&mut given, column, index, &columns)?;
    }
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    if with_values == 0 {
        distributions(arguments, model, &parameters, given, &columns)
    } else {
        joint(arguments, model, &parameters, given, &columns)
    }
}

fn unknown(columns: &Columns) -> Vec<u32> {
    (0..columns.len()).map(|column| columns.missing(column)).collect()
}

/// Observes a variable that is not observed yet.
fn set(row: &mut [u32], column: usize, index: u32, columns: &Columns) -> Result<(), Failure> {
    if row[column] != columns.missing(column) {
        return Err(Failure::usage(format!("`{}` has two values", columns.name(column))));
    }
    row[column] = index;
    Ok(())
}

fn distributions(
    arguments: &Conditional,
    model: Model,
    parameters: &Parameters,
    given: Vec<u32>,
    columns: &Columns,
) -> Result<(), Failure> {
    let asked: Result<Vec<usize>, Failure> = arguments.of.iter().map(|named| named.column(columns)).collect();
    let asked = asked?;
    let mut query = session::marginals(model, parameters)?;
    let rows = MemoryRows::from_indices(columns.clone(), given);
    let mut found = None;
    let mut keep = |_: usize, marginals: &danaus_runtime::queries::Marginals| {
        found = Some(marginals.clone());
        ControlFlow::Continue(())
    };
    query.marginals(&rows, 1, &mut keep).map_err(session::failure)?;
    let found = found.expect("there is one row");
    if found.is_impossible(0) {
        return Err(impossible(arguments));
    }
    if arguments.json {
        let all = asked.iter().map(|&column| (columns.name(column), json!(numbers(found.variable(0, column)))));
        let object = json!({
            "log_likelihood_of_given": found.log_likelihoods[0],
            "of": all.collect::<Map<String, Value>>(),
        });
        return output::print(&format!("{object}\n"));
    }
    let mut text = String::new();
    for &column in &asked {
        for (index, probability) in found.variable(0, column).iter().enumerate() {
            let value = match columns.is_real(column) {
                true => ["mean", "variance"][index].to_string(),
                false => columns.show(column, index as u32).expect("it is a value"),
            };
            text += &format!("{}\t{value}\t{probability}\n", columns.name(column));
        }
    }
    output::print(&text)
}

/// Numbers of single precision as JSON shows them in their shortest form.
fn numbers(values: &[f32]) -> Vec<Value> {
    values.iter().map(|value| value.to_string().parse::<f64>().map_or(Value::Null, |number| json!(number))).collect()
}

fn joint(
    arguments: &Conditional,
    model: Model,
    parameters: &Parameters,
    given: Vec<u32>,
    columns: &Columns,
) -> Result<(), Failure> {
    let mut both = given.clone();
    for named in &arguments.of {
        let (column, Some(index)) = named.resolve(columns)? else { panic!("all of them have values") };
        set(&mut both, column, index, columns)?;
    }
    let mut session = session::open(model.plan, parameters)?;
    let rows = MemoryRows::from_indices(columns.clone(), [given, both].concat());
    let mut values = Vec::new();
    let mut keep = |_: usize, found: &[f64]| {
        values.extend_from_slice(found);
        ControlFlow::Continue(())
    };
    session.log_likelihoods(&rows, 2, &mut keep).map_err(session::failure)?;
    if values[0] == f64::NEG_INFINITY {
        return Err(impossible(arguments));
    }
    let log_probability = values[1] - values[0];
    let probability = log_probability.exp();
    if arguments.json {
        let shown = if log_probability.is_finite() { json!(log_probability) } else { Value::Null };
        let object = json!({
            "log_likelihood_of_given": values[0],
            "probability": probability,
            "log_probability": shown,
        });
        return output::print(&format!("{object}\n"));
    }
    output::print(&format!("{probability}\t{log_probability}\n"))
}

fn impossible(arguments: &Conditional) -> Failure {
    let shown = |named: &Named| format!("{}={}", named.name, named.value.as_deref().unwrap_or("?"));
    let given: Vec<String> = arguments.given.iter().map(shown).collect();
    let given = if given.is_empty() { "nothing".to_string() } else { given.join(", ") };
    Failure::wrong(format!("what is given ({given}) has probability 0, so nothing follows from it"))
}
