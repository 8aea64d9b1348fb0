//! `danaus lower`

use crate::arguments::{ModelArguments, WithoutConstraint};
use crate::evidence::{ParameterArguments, parameters};
use crate::failure::Failure;
use crate::loader::Files;
use crate::output::{self, say};
use crate::table::grouped;
use crate::{messages, model, program};
use clap::Args;
use danaus_artifact::plan::Plan;
use danaus_compiler::model::Options;
use danaus_compiler::pipeline::{CompileOptions, Compiled};
use danaus_runtime::parameters::Loaded;
use danaus_runtime::parameters::lower::{Loss, LoweredSum, lower};
use std::path::PathBuf;

/// The arguments of `danaus lower`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus lower <MODEL> --params <FILE> --monarch <B1xB2..> -o <FILE> [OPTIONS]")]
#[command(group(clap::ArgGroup::new("factors").args(["monarch"]).required(true)))]
#[command(after_help = "\
The dense weights of each sum over B1*B2*.. units are replaced by the closest Monarch weights: those with the least \
Kullback-Leibler divergence, summed over the rows of the matrix. What is lost is reported. All other parameters stay as they \
are. The same circuit with the same --monarch then takes what is written.

Examples:
  danaus lower examples/hmm.pc --params dense.safetensors --monarch 32x32 -o monarch.safetensors
  danaus eval examples/hmm.pc --monarch 32x32 --params monarch.safetensors --text lower --data README.md")]
pub struct Lower {
    /// The parameters of the circuit without --monarch
    #[arg(long, value_name = "FILE")]
    params: PathBuf,

    /// Where to write the parameters of the circuit with --monarch (.safetensors)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    model: WithoutConstraint<ModelArguments>,
}

/// Writes the parameters of a circuit whose dense sums become Monarch sums.
pub fn run(arguments: &Lower) -> Result<(), Failure> {
    arguments.model.compile.refuse_constraint("danaus lower")?;
    model::refuse_compiled(&arguments.model.path, "lower")?;
    let options = arguments.model.compile.options();
    let mut files = Files::for_program(&arguments.model.path)?;
    let lowered = compile(&mut files, arguments, options.clone())?;
    messages::show(&lowered.sources, &lowered.diagnostics);
    program::refuse_errors(&lowered)?;
    let monarch = plan(&lowered);
    let sums = sums(&lowered, &monarch)?;
    lowered.notes.iter().for_each(|note| say(format_args!("note: {note}")));
    // The messages about the program have been shown.
    let dense = plan(&compile(&mut files, arguments, Options { monarch: None, ..options })?);

    let given = ParameterArguments { params: Some(arguments.params.clone()), ..Default::default() };
    let values = parameters(&given, &dense)?;
    let (parameters, losses) = lower(&dense, &values, &monarch, &sums).map_err(Failure::usage)?;
    losses.iter().for_each(|loss| say(format_args!("{}", sentence(loss))));
    output::parameters(&arguments.output, &monarch, &Loaded { parameters, warnings: Vec::new() })
}

fn compile(files: &mut Files, arguments: &Lower, options: Options) -> Result<Compiled, Failure> {
    let options = CompileOptions { model: options, ..CompileOptions::default() };
    program::compile_quietly(files, &arguments.model.path, &options)
}

fn plan(compiled: &Compiled) -> Plan {
    compiled.plan.clone().expect("the program has no errors and was compiled to the end")
}

/// The sums that `--monarch` lowers. That there are none is an error with the reasons.
fn sums(lowered: &Compiled, plan: &Plan) -> Result<Vec<LoweredSum>, Failure> {
    let sums: Vec<LoweredSum> = lowered
        .replaced
        .iter()
        .map(|sum| LoweredSum { dense: sum.dense.clone(), factors: sum.factors.clone() })
        .collect();
    if !sums.is_empty() {
        return Ok(sums);
    }
    let reasons = lowered.notes.iter().map(|note| format!("\n  {note}")).collect::<String>();
    let reasons = if reasons.is_empty() { " it has no dense sums".to_string() } else { reasons };
    Err(Failure::wrong(format!("circuit `{}` has no sum that can be lowered:{reasons}", plan.name)))
}

/// `transition: 64 x 64 instead of 4096, 524,288 weights instead of 16,777,216; ..`
fn sentence(loss: &Loss) -> String {
    let width: usize = loss.sizes.iter().product();
    let sizes: Vec<String> = loss.sizes.iter().map(usize::to_string).collect();
    let weights: usize = loss.sizes.iter().map(|size| width * size).sum();
    format!(
        "{}: [{width}, {width}] became monarch({}), {} weights became {}; a row loses {:.6} nats on average, at most {:.6} \
         (row {})",
        loss.dense,
        sizes.join(", "),
        grouped((width * width) as u64),
        grouped(weights as u64),
        loss.mean,
        loss.most,
        loss.row
    )
}
