//! Compressed files. A table in gzip (MNIST is published so) is unpacked into a temporary file, so that memory does not grow
//! with it. Everything else has to be decompressed by the user, who is told how.

use super::DataError;
use crate::files::{self, Bytes, FileError};
use flate2::read::MultiGzDecoder;
use std::io::{self, Seek};
use std::path::Path;

/// First bytes, name of the format, and the command that decompresses.
const FORMATS: [(&[u8], &str, &str); 5] = [
    (b"\x1f\x8b", "gzip", "gunzip"),
    (b"\xfd7zXZ\0", "xz", "unxz"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"BZh91AY&SY", "bzip2", "bunzip2"),
    (b"PK\x03\x04", "zip", "unzip"),
];

/// The bytes of a table: unpacked if they are gzip, refused if they are compressed in another way.
pub(super) fn unpack(path: &Path, bytes: Bytes) -> Result<Bytes, DataError> {
    match format(&bytes) {
        Some(("gzip", _)) => {}
        Some(("zip", _)) | None => return Ok(bytes),
        Some(_) => return refuse(path, &bytes).map(|()| bytes),
    }
    let mut unpacked = tempfile::tempfile().map_err(FileError::read(path))?;
    if let Err(error) = io::copy(&mut MultiGzDecoder::new(&bytes[..]), &mut unpacked) {
        return Err(match error.kind() {
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                DataError::format(path, format!("the gzip file is damaged: {error}"))
            }
            _ => FileError::read(path)(error).into(),
        });
    }
    let unpacked = unpacked.rewind().and_then(|()| files::map(unpacked));
    Ok(unpacked.map_err(FileError::read(path))?)
}

/// Text and numbers in text are never compressed.
pub(super) fn refuse(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let Some((format, command)) = format(bytes) else { return Ok(()) };
    let reason = format!("the file is compressed with {format}; decompress it first, for example with `{command}`");
    Err(DataError::format(path, reason))
}

fn format(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    FORMATS.iter().find(|(magic, _, _)| bytes.starts_with(magic)).map(|(_, format, command)| (*format, *command))
}
