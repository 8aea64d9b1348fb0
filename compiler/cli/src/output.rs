//! Where the words of the command go: the product to stdout or a file, everything else to stderr.

use crate::failure::Failure;
use danaus_runtime::files;
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
    if path == Path::new("-") {
        return print_bytes(bytes);
    }
    files::write(path, |out| out.write_all(bytes)).map_err(Failure::usage)
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
