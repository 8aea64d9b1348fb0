//! Artifacts on disk: [`danaus_artifact::file`] with file names in its messages.

use crate::files::{self, FileError};
use danaus_artifact::error::ArtifactError;
use danaus_artifact::file::{self, Artifact};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why an artifact could not be loaded.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a usable artifact.
    #[error("`{}`: {error}", .file.display())]
    Artifact {
        /// Its name.
        file: PathBuf,
        /// What is wrong with it.
        error: ArtifactError,
    },
}

/// Reads an artifact.
pub fn open(path: &Path) -> Result<Artifact, OpenError> {
    let bytes = files::read(path)?;
    file::read(&bytes).map_err(|error| OpenError::Artifact { file: path.to_path_buf(), error })
}

/// Writes an artifact: beside its place, then renamed.
pub fn save(path: &Path, artifact: &Artifact) -> Result<(), FileError> {
    let bytes = file::write(artifact);
    files::write(path, |out| out.write_all(&bytes))
}
