//! A folder of object code that outlives the process.
//!
//! A file is the hash of its contents, and the contents. It is written beside and renamed, so that processes that share the folder never
//! see half a file; one that is damaged, or that something else put there, is as if it were not there. Where nothing can be read or
//! written, kernels are compiled in every process. When there are [`MOST_FILES`], the oldest quarter is removed.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

/// The environment variable that says where the folder is; `off` is for none.
pub const VARIABLE: &str = "DANAUS_CACHE";

/// A file is some 10 to 100 KB, so the folder stays below some hundred megabytes.
const MOST_FILES: usize = 4096;
const HASH_BYTES: usize = 32;

/// The folder, if there is one.
pub struct Cache(Option<PathBuf>);

impl Cache {
    /// The folder that the environment names: that in [`VARIABLE`], or else `danaus/kernels` in the user's folder for caches.
    pub fn of_environment() -> Cache {
        let named = std::env::var_os(VARIABLE);
        if named.as_ref().is_some_and(|value| value == "off") {
            return Cache(None);
        }
        let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let caches = || of("XDG_CACHE_HOME").or_else(|| Some(of("HOME")?.join(".cache")));
        Cache(of(VARIABLE).or_else(|| Some(caches()?.join("danaus").join("kernels"))))
    }

    /// The object code of this name, whole and undamaged.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.0.as_ref()?.join(name)).ok()?;
        let (hash, contents) = bytes.split_first_chunk::<HASH_BYTES>()?;
        (hash == blake3::hash(contents).as_bytes()).then(|| contents.to_vec())
    }

    /// Keeps object code, if that can be done.
    pub fn write(&self, name: &str, contents: &[u8]) {
        // A folder that cannot be written to is no reason not to run.
        let _ = self.try_write(name, contents);
    }

    fn try_write(&self, name: &str, contents: &[u8]) -> std::io::Result<()> {
        let Some(folder) = &self.0 else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(blake3::hash(contents).as_bytes())?;
        file.write_all(contents)?;
        file.persist(folder.join(name))?;
        self.shrink()
    }

    fn shrink(&self) -> std::io::Result<()> {
        let Some(folder) = &self.0 else { return Ok(()) };
        let entries = fs::read_dir(folder)?.flatten();
        let mut files: Vec<(SystemTime, PathBuf)> =
            entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
        if files.len() >= MOST_FILES {
            files.sort();
            files[..MOST_FILES / 4].iter().for_each(|(_, path)| drop(fs::remove_file(path)));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &std::path::Path) -> usize {
        fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[test]
    fn what_is_written_is_read_unless_it_was_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache(Some(folder.path().join("made").join("on demand")));
        assert_eq!(cache.read("a"), None);
        cache.write("a", b"code");
        assert_eq!(cache.read("a").as_deref(), Some(&b"code"[..]));
        let path = folder.path().join("made").join("on demand").join("a");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[1..], b"", b"of another program, and longer than a hash is"] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.read("a"), None, "{damaged:?}");
        }
        cache.write("a", b"again");
        assert_eq!(cache.read("a").as_deref(), Some(&b"again"[..]));
        assert_eq!(files(path.parent().unwrap()), 1, "nothing else is left there");
    }

    #[test]
    fn where_nothing_can_be_written_there_is_nothing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for cache in [Cache(None), Cache(Some(file.path().to_path_buf())), Cache(Some(file.path().join("below")))] {
            cache.write("a", b"code");
            assert_eq!(cache.read("a"), None);
        }
    }

    #[test]
    fn the_oldest_are_removed_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache(Some(folder.path().to_path_buf()));
        for file in 0..MOST_FILES - 1 {
            fs::write(folder.path().join(format!("{file:04}")), b"").unwrap();
        }
        assert_eq!(files(folder.path()), MOST_FILES - 1);
        cache.write("new", b"code");
        assert_eq!(files(folder.path()), MOST_FILES - MOST_FILES / 4);
        assert_eq!(cache.read("new").as_deref(), Some(&b"code"[..]));
    }
}
