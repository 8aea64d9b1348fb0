//! Sequences of symbols of varying length in a mapped file. One pass at the start checks every symbol and notes where
//! every 4096th starts, so that any range is decoded without reading what is before it.

use super::{DataError, Sequence};
use crate::files::Bytes;
use std::ops::Range;

/// Symbols between two noted places.
const STRIDE: usize = 4096;

/// Decodes one symbol. `at` moves behind it. `None` at the end. The error is where the symbol starts and what it is.
pub(super) trait Decode {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>>;

    /// The message for something that is no symbol.
    fn explain(&self, bytes: &[u8], fault: Fault) -> DataError;
}

/// Something that is no symbol: its bytes.
#[derive(Debug)]
pub(super) struct Fault(pub Range<usize>);

/// A checked sequence.
pub(super) struct Symbols<D> {
    bytes: Bytes,
    decoder: D,
    missing: u32,
    places: Vec<usize>,
    len: usize,
}

impl<D: Decode> Symbols<D> {
    /// Checks every symbol.
    pub(super) fn new(bytes: Bytes, decoder: D, missing: u32) -> Result<Symbols<D>, DataError> {
        let (mut places, mut len, mut at) = (Vec::new(), 0, 0);
        loop {
            let start = at;
            match decoder.next(&bytes, &mut at) {
                None => break,
                Some(Err(fault)) => return Err(decoder.explain(&bytes, fault)),
                Some(Ok(_)) if len % STRIDE == 0 => places.push(start),
                Some(Ok(_)) => {}
            }
            len += 1;
        }
        Ok(Symbols { bytes, decoder, missing, places, len })
    }
}

impl<D: Decode> Sequence for Symbols<D> {
    fn len(&self) -> usize {
        self.len
    }

    fn missing(&self) -> u32 {
        self.missing
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        let Some(place) = self.places.get(range.start / STRIDE) else { return Ok(Vec::new()) };
        let (mut at, mut symbols) = (*place, Vec::with_capacity(range.len()));
        for idx in range.start / STRIDE * STRIDE..range.end {
            match self.decoder.next(&self.bytes, &mut at) {
                None => break,
                Some(Err(fault)) => return Err(self.decoder.explain(&self.bytes, fault)),
                Some(Ok(symbol)) if idx >= range.start => symbols.push(symbol),
                Some(Ok(_)) => {}
            }
        }
        Ok(symbols)
    }
}

/// The line and the character in it of a byte, both from 1.
pub(super) fn line_and_column(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}
