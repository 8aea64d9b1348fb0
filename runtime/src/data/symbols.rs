//! Sequences of symbols of varying length in a mapped file. One pass at the start checks every symbol and notes where
//! every 512th starts, so that any range is decoded with little of what is before it.

use super::{DataError, Sequence, lines};
use crate::files::Bytes;
use std::ops::Range;

/// Symbols between two noted places: an index of a byte or two for every hundred symbols, and rows in any order are read
/// about as fast as one after the other.
const STRIDE: usize = 512;

/// Decodes one symbol. `at` moves behind it. `None` at the end. The error is where the symbol starts and what it is.
pub(super) trait Decode {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>>;

    /// What is decoded of a line, which may have more behind it.
    fn line<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        lines::text_of(bytes)
    }

    /// The message for something that is no symbol.
    fn explain(&self, bytes: &[u8], fault: Fault) -> DataError;
}

/// Something that is no symbol: its bytes.
#[derive(Debug)]
pub(super) struct Fault(pub Range<usize>);

/// A checked sequence.
pub(super) struct Symbols<D> {
    bytes: Bytes,
    /// The bytes of the sequence end here.
    end: usize,
    decoder: D,
    missing: u32,
    places: Vec<usize>,
    len: usize,
}

impl<D: Decode> Symbols<D> {
    /// Checks every symbol in the bytes before `end`.
    pub(super) fn new(bytes: Bytes, end: usize, decoder: D, missing: u32) -> Result<Symbols<D>, DataError> {
        let (mut places, mut len, mut at) = (Vec::new(), 0, 0);
        loop {
            let start = at;
            match decoder.next(&bytes[..end], &mut at) {
                None => break,
                Some(Err(fault)) => return Err(decoder.explain(&bytes, fault)),
                Some(Ok(_)) if len % STRIDE == 0 => places.push(start),
                Some(Ok(_)) => {}
            }
            len += 1;
        }
        Ok(Symbols { bytes, end, decoder, missing, places, len })
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
        let mut symbols = vec![0; range.end.min(self.len).saturating_sub(range.start)];
        self.read(range.start, &mut symbols)?;
        Ok(symbols)
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        let Some(place) = self.places.get(start / STRIDE) else { return Ok(()) };
        let mut at = *place;
        let mut next = || match self.decoder.next(&self.bytes[..self.end], &mut at) {
            None => Ok(self.missing),
            Some(symbol) => symbol.map_err(|fault| self.decoder.explain(&self.bytes, fault)),
        };
        for _ in 0..start % STRIDE {
            next()?;
        }
        for symbol in out {
            *symbol = next()?;
        }
        Ok(())
    }
}

/// The line and the character in it of a byte, both from 1.
pub(super) fn line_and_column(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}
