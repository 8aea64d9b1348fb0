//! Whether something fits in memory, asked before it is allocated: a program that is ended by the operating system
//! for its memory cannot say why.

use thiserror::Error;

/// There is not enough memory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{what} takes {}, but only {} of memory are free{help}", size(*.needed), size(*.available))]
pub struct MemoryError {
    /// What is too large.
    pub what: String,
    /// Bytes it takes.
    pub needed: u64,
    /// Bytes there are.
    pub available: u64,
    /// What to do, after `; `.
    pub help: String,
}

/// An error if so much memory is not free. Where the free memory is not known, all is well.
pub fn require(needed: u64, what: impl FnOnce() -> String, help: &str) -> Result<(), MemoryError> {
    let available = available().unwrap_or(u64::MAX);
    if needed <= available {
        return Ok(());
    }
    let help = if help.is_empty() { String::new() } else { format!("; {help}") };
    Err(MemoryError { what: what(), needed, available, help })
}

/// The memory that can be allocated without swapping, where the operating system tells (Linux).
pub fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// A size for people: `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(require(1, || "a byte".to_string(), ""), Ok(()));
        let error = MemoryError {
            what: "batch 64".into(),
            needed: 3 << 40,
            available: 1536,
            help: "; use a smaller batch".into(),
        };
        assert_eq!(
            error.to_string(),
            "batch 64 takes 3.0 TiB, but only 1.5 KiB of memory are free; use a smaller batch"
        );
        if available().is_some() {
            assert!(require(u64::MAX, || "everything".to_string(), "").is_err());
        }
    }
}
