//! `danaus export`

use super::import::failure;
use crate::arguments::{ModelArguments, WithoutConstraint};
use crate::evidence::{ParameterArguments, parameters};
use crate::failure::Failure;
use crate::model;
use crate::output::say;
use clap::{Args, Subcommand};
use danaus_compiler::diagnostic::{Source, render};
use danaus_compiler::model::{LoadError, Loader};
use danaus_compiler::pipeline::{self, CompileOptions};
use danaus_runtime::exchange::hmm;
use std::path::PathBuf;

/// The arguments of `danaus export`.
#[derive(Args, Debug)]
pub struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Writes a hidden Markov model as the public code of the Monarch paper reads it
    Hmm(Hmm),
}

/// The arguments of `danaus export hmm`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus export hmm mine.pc --params mine.safetensors -o checkpoint")]
struct Hmm {
    /// The folder to write config.json and model.safetensors to
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    #[command(flatten)]
    model: WithoutConstraint<ModelArguments>,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// Turns a program and its parameters into a checkpoint of another program.
pub fn run(arguments: &Export) -> Result<(), Failure> {
    let What::Hmm(arguments) = &arguments.what;
    arguments.model.compile.refuse_constraint("danaus export")?;
    let model = model::open(&arguments.model)?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    hmm::export(&model.plan, &parameters, &arguments.output, &fingerprint).map_err(failure)?;
    say(format_args!("wrote config.json and model.safetensors to {}", arguments.output.display()));
    Ok(())
}

/// The fingerprint of the circuit of a program.
fn fingerprint(text: &str) -> Result<String, String> {
    let mut loader = Memory(text);
    let compiled = pipeline::compile(&mut loader, "hmm.pc", &CompileOptions::default());
    let compiled = compiled.map_err(|error| error.to_string())?;
    match compiled.plan {
        Some(plan) => Ok(plan.fingerprint),
        None => Err(render(&compiled.sources, &compiled.diagnostics)),
    }
}

/// One program that is not in a file.
struct Memory<'t>(&'t str);

impl Loader for Memory<'_> {
    fn load(&mut self, path: &str, _from: Option<&str>) -> Result<Source, LoadError> {
        Ok(Source { name: path.to_string(), text: self.0.to_string() })
    }
}
