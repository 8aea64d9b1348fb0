//! `danaus check`

use crate::arguments::{CompileArguments, WithoutConstraint};
use crate::failure::Failure;
use crate::loader::Files;
use crate::messages;
use crate::output;
use clap::Args;
use danaus_compiler::model;
use std::path::PathBuf;

/// The arguments of `danaus check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus check examples/hmm.pc
  danaus check examples/hmm.pc --set H=4096
  danaus check --expand examples/quad_tree.pc > frozen.pc
  danaus check --json - < model.pc")]
pub struct Check {
    /// The architecture to check
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Print each message as one JSON object on stdout
    #[arg(long)]
    json: bool,

    /// Print the circuit as a program of its own in which builders are written out: it needs no other file and no
    /// data, and compiles to the same circuit
    #[arg(long, conflicts_with = "json")]
    expand: bool,

    #[command(flatten)]
    compile: WithoutConstraint<CompileArguments>,
}

/// Applies all static rules and prints what is wrong.
pub fn run(arguments: &Check) -> Result<(), Failure> {
    arguments.compile.refuse_constraint("danaus check")?;
    let mut files = Files::for_program(&arguments.path)?;
    let checked = model::check(&mut files, &arguments.path.to_string_lossy(), &arguments.compile.options());
    if arguments.json {
        output::print(&messages::json_lines(&checked.sources, &checked.diagnostics))?;
    } else {
        messages::show(&checked.sources, &checked.diagnostics);
    }
    messages::count(&checked.diagnostics)?;
    if !arguments.expand {
        return Ok(());
    }
    match model::freeze(&checked) {
        Some(text) => output::print(&text),
        None => {
            Err(Failure::wrong("a product of circuits is not written out: name one of its circuits with --circuit"))
        }
    }
}
