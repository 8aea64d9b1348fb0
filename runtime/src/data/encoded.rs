//! Texts that are read as the tokens of a tokenizer: encoded once, when they are opened, into a temporary file that is mapped. A
//! range counts bytes of the text; of lines it counts lines.

use super::fixed::Code;
use super::symbols::{Decode, Fault};
use super::tokenizer::{Cut, Text, Tokenizer};
use super::tokens::{self, Numbers};
use super::{Columns, Data, DataError, Sequence, Source, lines};
use danaus_artifact::signature::Domain;
use std::path::Path;

/// Opens a text as the tokens of a tokenizer.
pub(super) fn open(source: &Source, tokenizer: &Path, columns: &Columns) -> Result<Box<dyn Sequence>, DataError> {
    let (tokenizer, domain) = vocabulary(tokenizer, columns)?;
    let text = Text::open(source)?;
    let ids = tokenizer.encode(text.as_str(), Cut::Whole)?;
    if ids.bytes.is_empty() {
        return Err(DataError::Empty { file: source.name().into(), what: "text" });
    }
    tokens::binary(source.path(), ids.bytes, domain, WIDTH)
}

/// Opens a text as a row of tokens for each line.
pub(super) fn lines(source: &Source, tokenizer: &Path, columns: Columns) -> Result<Data, DataError> {
    let (tokenizer, domain) = vocabulary(tokenizer, &columns)?;
    let text = Text::open(&source.whole())?;
    let ids = tokenizer.encode(text.as_str(), Cut::Lines)?;
    let numbers = Numbers { path: source.path().into(), domain, width: WIDTH };
    lines::data(source, ids.bytes, ids.lines, LineOfIds(numbers), "token", columns)
}

/// Bytes of an encoded token.
const WIDTH: usize = 4;

/// The tokenizer, if the variables can hold its tokens.
fn vocabulary(path: &Path, columns: &Columns) -> Result<(Tokenizer, Domain), DataError> {
    let tokenizer = Tokenizer::open(path)?;
    let domain = tokenizer.checked(columns)?;
    Ok((tokenizer, domain))
}

/// The ids of a line.
struct LineOfIds(Numbers);

impl Decode for LineOfIds {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>> {
        let place = *at..*at + WIDTH;
        let symbol = bytes.get(place.clone())?;
        *at = place.end;
        Some(self.0.index(symbol).ok_or(Fault(place)))
    }

    fn line<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes
    }

    fn explain(&self, bytes: &[u8], fault: Fault) -> DataError {
        self.0.explain(bytes, fault)
    }
}
