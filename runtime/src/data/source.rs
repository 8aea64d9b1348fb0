//! Which part of which file: `FILE` or `FILE@START..END`.
//!
//! Start and end count what the file is read as: rows of a table, rows by line, characters or tokens of a sequence, bytes of a
//! text that goes through a tokenizer. The end is not part of the range. Either may be left out; a negative one
//! counts from the end. A file whose name has an `@` and that exists is taken as it is.

use super::DataError;
use super::error::count;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A file or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    name: PathBuf,
    path: PathBuf,
    /// Start and end as they are written; none is the whole file.
    part: Option<(Option<i64>, Option<i64>)>,
}

impl Source {
    /// Tells a file's name from the range behind it.
    pub fn find(name: &Path) -> Result<Source, DataError> {
        let whole = Source { name: name.into(), path: name.into(), part: None };
        let Some((path, text)) = name.to_str().and_then(|name| name.rsplit_once('@')) else { return Ok(whole) };
        if path.is_empty() || name.exists() {
            return Ok(whole);
        }
        let path = PathBuf::from(path);
        match range(text) {
            Some(part) => Ok(Source { name: name.into(), path, part: Some(part) }),
            None if path == Path::new("-") || path.exists() => {
                Err(DataError::Range { name: name.into(), range: text.into() })
            }
            None => Ok(whole),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file and the range as they were given.
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The file without the range.
    #[cfg(feature = "tokenizers")]
    pub(super) fn whole(&self) -> Source {
        Source { name: self.path.clone(), path: self.path.clone(), part: None }
    }

    /// The part of `len` things, which are called `noun`.
    pub fn select(&self, len: usize, noun: &str) -> Result<Range<usize>, DataError> {
        let Some((start, end)) = self.part else { return Ok(0..len) };
        let place = |written: Option<i64>, otherwise: usize| {
            let place = match written {
                None => otherwise as i128,
                Some(place) if place < 0 => len as i128 + i128::from(place),
                Some(place) => i128::from(place),
            };
            let reason = || format!("the range goes beyond the file, which has {}", count(len, noun));
            usize::try_from(place)
                .ok()
                .filter(|place| *place <= len)
                .ok_or_else(|| DataError::format(&self.name, reason()))
        };
        let range = place(start, 0)?..place(end, len)?;
        if range.is_empty() {
            let reason = format!("the range is empty; the file has {}", count(len, noun));
            return Err(DataError::format(&self.name, reason));
        }
        Ok(range)
    }
}

/// `START..END`
fn range(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let number = |text: &str| match text {
        "" => Some(None),
        _ => text.parse().ok().map(Some),
    };
    let (start, end) = text.split_once("..")?;
    Some((number(start)?, number(end)?))
}
