//! Reading files that may be larger than memory, and writing files that are never half there.

use memmap2::Mmap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// How the names of files begin that are being written.
pub const TEMPORARY: &str = ".danaus-";

/// A file could not be read or written.
#[derive(Debug, Error)]
#[error("cannot {action} `{}`: {}", .file.display(), reason(.error))]
pub struct FileError {
    /// Its name.
    pub file: PathBuf,
    /// "read" or "write".
    pub action: &'static str,
    /// What the operating system said.
    pub error: io::Error,
}

impl FileError {
    pub(crate) fn read(file: &Path) -> impl FnOnce(io::Error) -> FileError {
        let file = file.to_path_buf();
        move |error| FileError { file, action: "read", error }
    }

    pub(crate) fn write(file: &Path) -> impl FnOnce(io::Error) -> FileError {
        let file = file.to_path_buf();
        move |error| FileError { file, action: "write", error }
    }
}

/// What went wrong, in words that are the same on every system.
pub fn reason(error: &io::Error) -> String {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or folder".to_string(),
        ErrorKind::PermissionDenied => "permission denied".to_string(),
        ErrorKind::IsADirectory => "it is a folder".to_string(),
        ErrorKind::NotADirectory => "a part of the path is not a folder".to_string(),
        ErrorKind::StorageFull => "the disk is full".to_string(),
        _ => error.to_string(),
    }
}

/// The bytes of a file: mapped into memory, or held if it is no regular file.
#[derive(Debug)]
pub enum Bytes {
    /// Pages are read when they are touched.
    Mapped(Mmap),
    /// From a pipe, an archive, or empty.
    Held(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Held(bytes) => bytes,
        }
    }
}

/// The bytes of a file. `-` is standard input.
pub fn read(path: &Path) -> Result<Bytes, FileError> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(FileError::read(path))?;
        return Ok(Bytes::Held(bytes));
    }
    File::open(path).and_then(map).map_err(FileError::read(path))
}

/// The bytes of an open file.
pub(crate) fn map(mut file: File) -> io::Result<Bytes> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        return Ok(Bytes::Held(bytes));
    }
    // SAFETY: the map is only read. As with every mapped file, another process that shortens the file while it is
    // read ends this one; files are read as they are found, and our own are replaced, never changed in place.
    let map = unsafe { Mmap::map(&file)? };
    Ok(Bytes::Mapped(map))
}

/// Writes a file beside its place, makes it durable, then renames it, so that readers see the old or the new file,
/// whole. What is not a regular file (a pipe, a device) is written directly; a link's target is replaced, not the link.
/// `-` is standard output.
pub fn write(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), FileError> {
    write_whole(path, content).map_err(FileError::write(path))
}

fn write_whole(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        content(&mut out)?;
        return out.flush();
    }
    let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if place.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut file = BufWriter::new(File::create(&place)?);
        content(&mut file)?;
        return file.flush();
    }
    let folder = place.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.prefix(TEMPORARY).tempfile_in(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::other(format!("there is no folder `{}`; make it, or name another", folder.display()))
        }
        _ => error,
    })?;
    let mut buffered = BufWriter::with_capacity(1 << 20, temporary.as_file());
    content(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.as_file().sync_all()?;
    temporary.persist(&place)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write(&path, |out| {
            out.write_all(b"new")?;
            Err(io::Error::other("disk full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("cannot write `{}`: disk full", path.display()));
        assert_eq!(&*read(&path).unwrap(), b"old");
        write(&path, |out| out.write_all(b"new")).unwrap();
        assert_eq!(&*read(&path).unwrap(), b"new");
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("nowhere/file")).unwrap_err().to_string();
        assert_eq!(error, "cannot read `nowhere/file`: there is no such file or folder");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = write(Path::new("nowhere/file"), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(error, "cannot write `nowhere/file`: there is no folder `nowhere`; make it, or name another");
    }
}
