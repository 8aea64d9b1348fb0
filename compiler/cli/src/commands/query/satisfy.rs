//! `danaus query satisfy`

use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, ParameterArguments, parameters};
use crate::failure::Failure;
use crate::{model, output, session};
use clap::Args;
use danaus_artifact::plan::Plan;
use danaus_runtime::parameters::Parameters;
use std::fmt::Write;
use std::ops::ControlFlow;

/// The arguments of `danaus query satisfy`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query satisfy <MODEL> --constraint <REGEX> --data <FILE>... [OPTIONS]")]
#[command(after_help = "\
Each line is the number of a row, counted from 0, a tab, and the natural logarithm of the probability that the row, given the values it \
has, is completed in a way that satisfies --constraint: -inf if it cannot be, `impossible` if the row itself is impossible. With --json \
each line is {\"row\": 0, \"log_probability\": -1.2}; where there is none the number is null.

What follows, samples, posteriors and completions under a constraint are asked for by the same option of next, sample, marginal and mpe.

Examples:
  danaus query satisfy hmm.pc --params hmm.safetensors --constraint '.*monarch.*' --symbols text8 --text text8 --rows lines --data beginnings.txt
  danaus query sample hmm.pc --params hmm.safetensors --constraint '.*monarch.*' --symbols text8 --text text8 -n 10
  danaus query sample hmm.pc --params hmm.safetensors --constraint '.*monarch.*' --symbols tokenizer:tok.json --tokenizer tok.json -n 10")]
pub struct Satisfy {
    /// Print one JSON object for each row
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    data: DataArguments,
}

/// Prints the log-probability that each row is completed as it should be.
pub fn run(arguments: &Satisfy) -> Result<(), Failure> {
    if arguments.model.compile.constraint.constraint.is_none() {
        return Err(Failure::usage("nothing is asked for: say with --constraint REGEX what is to be satisfied"));
    }
    model::refuse_compiled(&arguments.model.path, "danaus query satisfy")?;
    let constrained = model::open(&arguments.model)?.plan;
    let free = model::without_constraint(&arguments.model)?;
    let parameters = parameters(&arguments.parameters, &constrained)?;
    let rows = arguments.data.rows(&free.variables)?;
    let batch = arguments.data.batch.unwrap_or(session::usual_batch(&constrained));
    let own = own_parameters(&free, &constrained, &parameters);
    let mut session = session::open(free, &own)?;
    let mut evidence = Vec::with_capacity(rows.len());
    let mut keep = |_: usize, values: &[f64]| {
        evidence.extend_from_slice(values);
        ControlFlow::Continue(())
    };
    session.log_likelihoods(&*rows, batch, &mut keep).map_err(session::failure)?;
    let mut session = session::open(constrained, &parameters)?;
    let mut printed = Ok(());
    let mut on_batch = |first: usize, values: &[f64]| {
        printed = output::print(&lines(first, values, &evidence[first..][..values.len()], arguments.json));
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    session.log_likelihoods(&*rows, batch, &mut on_batch).map_err(session::failure)?;
    printed
}

/// The parameters of a circuit among those of its product with an automaton, where they have the same names.
fn own_parameters(free: &Plan, constrained: &Plan, parameters: &Parameters) -> Parameters {
    let of_name = |name: &String| {
        let found = constrained.parameters.iter().position(|parameter| parameter.name == *name);
        parameters.values()[found.expect("a product has the parameters of its factors")].clone()
    };
    Parameters::new(free.parameters.iter().map(|parameter| of_name(&parameter.name)).collect())
}

fn lines(first: usize, both: &[f64], evidence: &[f64], as_json: bool) -> String {
    let mut text = String::new();
    for (row, (both, evidence)) in (first..).zip(both.iter().zip(evidence)) {
        // A probability is at most 1, whatever was rounded.
        let value = (both - evidence).min(0.0);
        let _ = match (as_json, *evidence == f64::NEG_INFINITY) {
            (false, false) => writeln!(text, "{row}\t{value}"),
            (false, true) => writeln!(text, "{row}\timpossible"),
            (true, false) if value.is_finite() => writeln!(text, "{{\"row\": {row}, \"log_probability\": {value}}}"),
            (true, false) => writeln!(text, "{{\"row\": {row}, \"log_probability\": null}}"),
            (true, true) => writeln!(text, "{{\"row\": {row}, \"log_probability\": null, \"impossible\": true}}"),
        };
    }
    text
}
