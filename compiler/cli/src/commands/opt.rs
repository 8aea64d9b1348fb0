//! `danaus opt`

use crate::arguments::{Factors, monarch};
use crate::failure::Failure;
use crate::loader;
use crate::output::{self, say};
use crate::program;
use clap::Args;
use danaus_compiler::circuit::{print::print, read::read};
use danaus_compiler::passes::{DumpRequest, Pass, PassContext, PassError, by_name, run_passes};
use std::path::PathBuf;

/// The arguments of `danaus opt`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus compile examples/hmm.pc --stop-after fold --emit circuit=hmm.pcir
  danaus opt --pass fuse-layers hmm.pcir
  danaus opt --pass share,prune - < hmm.pcir")]
pub struct Opt {
    /// The circuit IR to work on, as --emit circuit prints it
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// The passes to apply, in this order; without it the circuit is only verified and printed
    #[arg(long = "pass", value_name = "NAME[,NAME..]", value_delimiter = ',')]
    passes: Vec<String>,

    /// The factors for lower-monarch, for example 128x128
    #[arg(long, value_name = "B1xB2..", value_parser = monarch)]
    monarch: Option<Factors>,
}

/// Reads circuit IR, verifies it, applies passes and prints the result.
pub fn run(arguments: &Opt) -> Result<(), Failure> {
    let passes: Vec<Pass> = arguments.passes.iter().map(|name| pass(name)).collect::<Result<_, _>>()?;
    let source = loader::text(&arguments.path)?;
    let module = read(&source.text).map_err(|error| Failure::wrong(format!("{}:{error}", source.name)))?;
    let ctx = PassContext { monarch: arguments.monarch.as_ref().map(|m| m.0.clone()), ..PassContext::default() };
    let outcome = run_passes(&passes, module, &ctx, &DumpRequest::default()).map_err(failure)?;
    for note in &outcome.notes {
        say(format_args!("note: {note}"));
    }
    output::print(&print(&outcome.module))
}

fn pass(name: &str) -> Result<Pass, Failure> {
    by_name(name).copied().ok_or_else(|| Failure::usage(PassError::Unknown { name: name.to_string() }))
}

/// The text comes from the user here: a circuit that is broken before the first pass is not our fault.
fn failure(error: PassError) -> Failure {
    match error {
        PassError::Broken { after: None, error } => Failure::wrong(format!("the circuit is broken:\n{error}")),
        error => program::failure(error.into()),
    }
}
