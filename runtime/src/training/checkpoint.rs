//! Checkpoints: a folder with the last two states of a run.
//!
//! # Guarantees
//!
//! * A file is written beside its place, made durable and renamed; it has a checksum over every byte. A run that ends at any moment
//!   leaves a whole file, or the ones before.
//! * The file before the newest is removed only after the newest is whole. When writing fails, the old ones stay.
//! * A damaged file is passed over, with a warning, for the one before.
//! * A state is taken up only by the run that it is of: same circuit, data, start and settings.
//! * Only one run uses a folder at a time.
//!
//! A file is a container of [`danaus_artifact::container`] with the sections `kind`, `identity` and `state`, the latter two in
//! postcard, which keeps every bit of a number.

use super::state::State;
use crate::files::{self, FileError};
use danaus_artifact::container;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Says that a container is one of these files, and its version.
const KIND: &[u8] = b"danaus training state 1";
/// How the names of files begin and end; between stands a number of eight digits or more.
const NAME: (&str, &str) = ("state-", ".danaus");
/// Files that are kept.
const KEPT: usize = 2;

/// What a run is: names and values. Two runs with the same end with the same parameters.
pub type Identity = Vec<(String, String)>;

/// Why checkpoints cannot be used.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The folder cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another run uses the folder.
    #[error("another run is using the checkpoint folder `{}`; wait for it, or give another folder", .folder.display())]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// The checkpoints are of another run.
    #[error(
        "the checkpoints in `{}` are of another run: {}; give what was given then, another folder, or --fresh to start over",
        .folder.display(), .differences.join(", ")
    )]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What differs.
        differences: Vec<String>,
    },
    /// There are checkpoints, and none can be read.
    #[error(
        "no checkpoint in `{}` can be read ({}); give --fresh to start over", .folder.display(), .problems.join("; ")
    )]
    Damaged {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with each.
        problems: Vec<String>,
    },
}

/// A folder of checkpoints, held by one run.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    identity: Identity,
    /// The number of the next file.
    next: u64,
    /// Held while the store is: the operating system lets go of it when the process ends, however it ends.
    _lock: File,
}

/// What a folder holds.
#[derive(Debug)]
pub struct Found {
    /// The newest state that is whole, if there is any.
    pub state: Option<State>,
    /// Whole sentences about files that were passed over.
    pub warnings: Vec<String>,
}

impl Store {
    /// Opens a folder for a run; it is made if it is not there.
    pub fn open(folder: &Path, identity: Identity) -> Result<Store, CheckpointError> {
        fs::create_dir_all(folder).map_err(FileError::write(folder))?;
        let path = folder.join("lock");
        let lock = File::create(&path).map_err(FileError::write(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(CheckpointError::Busy { folder: folder.to_path_buf() }),
            Err(TryLockError::Error(error)) => return Err(FileError::write(&path)(error).into()),
        }
        remove_leftovers(folder);
        let next = numbers(folder)?.last().map_or(1, |last| last + 1);
        Ok(Store { folder: folder.to_path_buf(), identity, next, _lock: lock })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes all checkpoints.
    pub fn clear(&mut self) -> Result<(), CheckpointError> {
        for number in numbers(&self.folder)? {
            let path = self.path(number);
            fs::remove_file(&path).map_err(FileError::write(&path))?;
        }
        Ok(())
    }

    /// Writes a state, then removes all but the newest two.
    pub fn save(&mut self, state: &State) -> Result<(), FileError> {
        let sections = [
            ("kind".to_string(), KIND.to_vec()),
            ("identity".to_string(), encode(&self.identity)),
            ("state".to_string(), encode(state)),
        ];
        let bytes = container::join(&sections);
        files::write(&self.path(self.next), |out| out.write_all(&bytes))?;
        self.next += 1;
        let old = numbers(&self.folder).unwrap_or_default();
        for number in old.iter().rev().skip(KEPT) {
            // A file that cannot be removed is in nobody's way.
            let _ = fs::remove_file(self.path(*number));
        }
        Ok(())
    }

    /// The newest state that is whole.
    pub fn load(&self) -> Result<Found, CheckpointError> {
        let mut problems = Vec::new();
        for number in numbers(&self.folder)?.into_iter().rev() {
            let path = self.path(number);
            match read(&path) {
                Ok((identity, _)) if identity != self.identity => {
                    let differences = differences(&identity, &self.identity);
                    return Err(CheckpointError::Other { folder: self.folder.clone(), differences });
                }
                Ok((_, state)) => {
                    let warning = |problem: &String| format!("passed over a checkpoint: {problem}");
                    return Ok(Found { state: Some(state), warnings: problems.iter().map(warning).collect() });
                }
                Err(problem) => problems.push(format!("`{}`: {problem}", path.display())),
            }
        }
        if problems.is_empty() {
            return Ok(Found { state: None, warnings: Vec::new() });
        }
        Err(CheckpointError::Damaged { folder: self.folder.clone(), problems })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}{number:08}{}", NAME.0, NAME.1))
    }
}

/// The numbers of the files in a folder, ascending.
fn numbers(folder: &Path) -> Result<Vec<u64>, FileError> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(folder).map_err(FileError::read(folder))? {
        let name = entry.map_err(FileError::read(folder))?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Removes what a run that was ended while it wrote has left.
fn remove_leftovers(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(files::TEMPORARY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("a state holds only numbers, strings and lists of known length")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|_| "it was written by another version of Danaus".to_string())
}

/// What a file says, or what is wrong with it.
fn read(path: &Path) -> Result<(Identity, State), String> {
    let bytes = files::read(path).map_err(|error| files::reason(&error.error))?;
    let sections = container::split(&bytes).map_err(|error| error.to_string())?;
    match &sections[..] {
        [(_, kind), (_, identity), (_, state)] if *kind == KIND => Ok((decode(identity)?, decode(state)?)),
        _ => Err("it is not a checkpoint of this version of Danaus".to_string()),
    }
}

/// What differs between two identities, in words.
fn differences(then: &Identity, now: &Identity) -> Vec<String> {
    let value = |identity: &Identity, name: &str| {
        identity.iter().find(|(other, _)| other == name).map_or("none".to_string(), |(_, value)| shortened(value))
    };
    let mut names: Vec<&String> = then.iter().chain(now).map(|(name, _)| name).collect();
    names.dedup();
    let mut differences: Vec<String> = Vec::new();
    for name in names {
        let (old, new) = (value(then, name), value(now, name));
        let difference = format!("{name} was {old} and is now {new}");
        if old != new && !differences.contains(&difference) {
            differences.push(difference);
        }
    }
    differences
}

/// Hashes are long; their first digits tell them apart.
fn shortened(value: &str) -> String {
    let is_hash = value.len() == 64 && value.chars().all(|c| c.is_ascii_hexdigit());
    if is_hash { format!("{}..", &value[..12]) } else { value.to_string() }
}
