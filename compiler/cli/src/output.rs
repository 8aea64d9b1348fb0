//! Where the words of the command go: the product to stdout or a file, everything else to stderr.

use crate::failure::Failure;
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
    replace(path, bytes).map_err(|error| Failure::file("write", path, &error))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Pipes and devices cannot be replaced, only written to.
    if path.exists() && !path.is_file() {
        return std::fs::write(path, bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(new_file_permissions()).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(unix)]
fn new_file_permissions() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    // The system takes away what the user's mask forbids.
    std::fs::Permissions::from_mode(0o666)
}

#[cfg(not(unix))]
fn new_file_permissions() -> std::fs::Permissions {
    std::fs::metadata(".").map(|folder| folder.permissions()).expect("the current folder has permissions")
}

fn closed_or(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::Closed,
        _ => Failure::Usage(format!("cannot write to stdout: {error}")),
    }
}
