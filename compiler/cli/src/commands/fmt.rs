//! `danaus fmt`

use crate::failure::Failure;
use crate::output::{self, say};
use crate::{loader, messages};
use clap::Args;
use danaus_compiler::format::format;
use std::path::{Path, PathBuf};

/// The arguments of `danaus fmt`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus fmt model.pc
  danaus fmt --check examples/*.pc
  danaus fmt - < model.pc")]
pub struct Fmt {
    /// The files to format in place; - formats from stdin to stdout
    #[arg(value_name = "FILE", required = true)]
    paths: Vec<PathBuf>,

    /// Change nothing; name the files that are not formatted and exit with 1
    #[arg(long)]
    check: bool,
}

/// Brings files into the one format. All files are looked at, whatever is wrong with some.
pub fn run(arguments: &Fmt) -> Result<(), Failure> {
    let mut failed = None;
    for path in &arguments.paths {
        match one(path, arguments.check) {
            Ok(()) => {}
            Err(Failure::Closed) => return Err(Failure::Closed),
            Err(failure) => failed = Some(report(failure)),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Says what is wrong now, so that the messages stand in the order of the files.
fn report(failure: Failure) -> Failure {
    match failure {
        Failure::Wrong(message) => {
            say(format_args!("error: {message}"));
            Failure::Reported
        }
        other => other,
    }
}

fn one(path: &Path, check: bool) -> Result<(), Failure> {
    let source = loader::text(path)?;
    let formatted = match format(&source.text) {
        Ok(text) => text,
        Err(diagnostics) => {
            messages::show(&[source], &diagnostics);
            return Err(Failure::Reported);
        }
    };
    let same = formatted == source.text;
    if check {
        return if same { Ok(()) } else { Err(Failure::wrong(format!("`{}` is not formatted", source.name))) };
    }
    if path == Path::new("-") {
        return output::print(&formatted);
    }
    if same { Ok(()) } else { output::write(path, formatted.as_bytes()) }
}
