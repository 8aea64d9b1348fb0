//! The file system as the compiler sees it.
//!
//! A path in a `use` line is relative to the file that has the line. A file is shown by the path that first led to
//! it, however else it is reached later, so that one file is never loaded twice under two names.

use crate::failure::Failure;
use danaus_artifact::signature::VariableArray;
use danaus_compiler::diagnostic::Source;
use danaus_compiler::model::{LoadError, Loader, Observations};
use danaus_runtime::data::{self, DataError, Kind};
use danaus_runtime::files::{self, FileError};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// How the text on stdin is shown.
const STDIN_NAME: &str = "<stdin>";

/// Loads files; `-` is stdin.
#[derive(Debug, Default)]
pub struct Files {
    /// The display name of each file, by its canonical path.
    names: BTreeMap<PathBuf, String>,
    /// What was on stdin, once it has been read.
    stdin: Option<Vec<u8>>,
}

impl Files {
    /// A loader for the program at `path`. That this file can be read is a question of usage, not of the program.
    pub fn for_program(path: &Path) -> Result<Self, Failure> {
        let mut files = Files::default();
        files.read(path).map_err(Failure::usage)?;
        Ok(files)
    }

    fn read(&mut self, path: &Path) -> Result<Vec<u8>, FileError> {
        if path != Path::new("-") {
            return Ok(files::read(path)?.to_vec());
        }
        if self.stdin.is_none() {
            self.stdin = Some(files::read(path)?.to_vec());
        }
        Ok(self.stdin.clone().expect("stdin has just been read"))
    }

    /// The name under which a file is shown.
    fn name(&mut self, path: &Path) -> String {
        if path == Path::new("-") {
            return STDIN_NAME.to_string();
        }
        let shown = path.display().to_string();
        match path.canonicalize() {
            Ok(canonical) => self.names.entry(canonical).or_insert(shown).clone(),
            Err(_) => shown,
        }
    }
}

impl Loader for Files {
    fn load(&mut self, path: &str, from: Option<&str>) -> Result<Source, LoadError> {
        let path = match from {
            Some(from) => beside(Path::new(from), Path::new(path)),
            None => PathBuf::from(path),
        };
        let name = self.name(&path);
        let bytes = self.read(&path).map_err(|failed| match failed.error.kind() {
            ErrorKind::NotFound => LoadError::NotFound(name.clone()),
            _ => LoadError::Unreadable { name: name.clone(), reason: files::reason(&failed.error) },
        })?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Source { name, text }),
            Err(error) => Err(LoadError::NotUtf8 { name, offset: error.utf8_error().valid_up_to() }),
        }
    }

    fn observations(
        &mut self,
        path: &str,
        from: &str,
        variables: &[VariableArray],
        most: Option<usize>,
    ) -> Result<Observations, String> {
        let path = beside(Path::new(from), Path::new(path));
        observations(&path, variables, most).map_err(|error| error.to_string())
    }
}

fn observations(path: &Path, variables: &[VariableArray], most: Option<usize>) -> Result<Observations, DataError> {
    let data = data::rows(path, &Kind::Table { array: None }, variables)?;
    let (all, variables) = (data.rows.len(), data.rows.columns().len());
    let rows = most.map_or(all, |most| most.min(all));
    let chosen: Vec<usize> = (0..rows).map(|row| (row as u128 * all as u128 / rows as u128) as usize).collect();
    let mut values = vec![0; rows * variables];
    if rows == all {
        data.rows.fill(0..all, &mut values)?;
    } else {
        data.rows.fill_rows(&chosen, &mut values)?;
    }
    Ok(Observations { rows, values })
}

/// The text of one file that is not a program.
pub fn text(path: &Path) -> Result<Source, Failure> {
    let mut files = Files::for_program(path)?;
    files.load(&path.to_string_lossy(), None).map_err(Failure::wrong)
}

/// The path that `path` means in the file `from`, without needless `.` and `..`.
fn beside(from: &Path, path: &Path) -> PathBuf {
    let mut joined = from.parent().unwrap_or(Path::new("")).to_path_buf();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(joined.components().next_back(), Some(Component::Normal(_))) => {
                joined.pop();
            }
            _ => joined.push(component),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_files_are_relative_to_the_user() {
        assert_eq!(beside(Path::new("a/b.pc"), Path::new("c.pc")), Path::new("a/c.pc"));
        assert_eq!(beside(Path::new("a/b.pc"), Path::new("../c.pc")), Path::new("c.pc"));
        assert_eq!(beside(Path::new("b.pc"), Path::new("../c.pc")), Path::new("../c.pc"));
        assert_eq!(beside(Path::new("b.pc"), Path::new("./c.pc")), Path::new("c.pc"));
        assert_eq!(beside(Path::new("a/b.pc"), Path::new("/c.pc")), Path::new("/c.pc"));
    }
}
