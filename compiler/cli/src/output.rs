//! Where the words of the command go: the product to stdout or a file, everything else to stderr.

use crate::failure::Failure;
use crate::messages::counted;
use crate::table::grouped;
use danaus_artifact::plan::Plan;
use danaus_runtime::files::{self, FileError};
use danaus_runtime::parameters::{self, Loaded};
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Prints a line for people on stderr. A closed stderr is no reason to end.
pub fn say(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints text on stderr as it is.
pub fn say_text(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes the whole product to stdout.
pub fn print(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes())
}

/// Writes the whole product to stdout.
pub fn print_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| closed_or(&error))
}

/// Writes the whole product to a file, or to stdout if the path is `-`. A file appears whole or not at all.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    files::write(path, |out| out.write_all(bytes)).map_err(failure)
}

/// A reader that closes the pipe ends the command quietly.
fn failure(error: FileError) -> Failure {
    if error.error.kind() == ErrorKind::BrokenPipe { Failure::Closed } else { Failure::usage(error) }
}

/// Writes a file of parameters, shows what is odd about them, and says how many there are.
pub fn parameters(path: &Path, plan: &Plan, loaded: &Loaded) -> Result<(), Failure> {
    loaded.warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
    parameters::save(path, plan, loaded.parameters.values()).map_err(failure)?;
    let stored = plan.parameters.iter().zip(loaded.parameters.values()).filter(|(parameter, _)| parameter.is_stored());
    let sizes: Vec<usize> = stored.map(|(_, values)| values.len()).collect();
    let numbers = grouped(sizes.iter().sum::<usize>() as u64);
    let place = if path == Path::new("-") { "to stdout".to_string() } else { path.display().to_string() };
    say(format_args!("wrote {place}: {}, {numbers} numbers", counted(sizes.len(), "tensor")));
    Ok(())
}

/// Writes a product that is made while it is written to a file, which appears whole or not at all, or to stdout if the
/// path is `-`.
pub fn write_with(path: &Path, content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<(), Failure> {
    if path == Path::new("-") {
        let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
        return content(&mut stdout).and_then(|()| stdout.flush()).map_err(|error| closed_or(&error));
    }
    files::write(path, content).map_err(Failure::usage)
}

fn closed_or(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Usage(format!("cannot write to stdout: {error}")),
    }
}
