//! Sequences of symbols of the same number of bytes in a mapped file: no index is needed, and any range is read directly.

use super::symbols::Fault;
use super::{DataError, Sequence};
use crate::files::Bytes;
use std::ops::Range;

/// What the bytes of a symbol mean.
pub(super) trait Code {
    /// The bytes of a symbol.
    fn width(&self) -> usize;

    /// The value index of a symbol's bytes.
    fn index(&self, symbol: &[u8]) -> Option<u32>;

    /// Whether all bytes are symbols, so that there is nothing to check.
    fn is_total(&self) -> bool {
        false
    }

    /// The message for something that is no symbol.
    fn explain(&self, bytes: &[u8], fault: Fault) -> DataError;
}

/// A checked sequence.
pub(super) struct Fixed<C> {
    bytes: Bytes,
    code: C,
    missing: u32,
    len: usize,
}

impl<C: Code> Fixed<C> {
    /// Checks every symbol in the bytes before `end`.
    pub(super) fn new(bytes: Bytes, end: usize, code: C, missing: u32) -> Result<Fixed<C>, DataError> {
        let (width, len) = (code.width(), end / code.width());
        if !end.is_multiple_of(width) {
            return Err(code.explain(&bytes, Fault(len * width..end)));
        }
        if !code.is_total() {
            let wrong = bytes[..end].chunks_exact(width).position(|symbol| code.index(symbol).is_none());
            if let Some(wrong) = wrong {
                return Err(code.explain(&bytes, Fault(wrong * width..(wrong + 1) * width)));
            }
        }
        Ok(Fixed { bytes, code, missing, len })
    }
}

impl<C: Code> Sequence for Fixed<C> {
    fn len(&self) -> usize {
        self.len
    }

    fn missing(&self) -> u32 {
        self.missing
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        let start = range.start.min(self.len);
        let mut symbols = vec![0; range.end.min(self.len).saturating_sub(start)];
        self.read(start, &mut symbols)?;
        Ok(symbols)
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        let width = self.code.width();
        let bytes = &self.bytes[start * width..(start + out.len()) * width];
        for (at, (symbol, out)) in bytes.chunks_exact(width).zip(out).enumerate() {
            *out = self.code.index(symbol).ok_or_else(|| {
                let first = (start + at) * width;
                self.code.explain(&self.bytes, Fault(first..first + width))
            })?;
        }
        Ok(())
    }
}
