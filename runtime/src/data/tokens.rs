//! Token ids as a sequence: a NumPy array with one axis, little-endian 16 or 32-bit numbers, or whole numbers in text.

use super::columns::{Cell, Columns, index};
use super::fixed::{Code, Fixed};
use super::npy::{self, Array};
use super::selected::SelectedSequence;
use super::symbols::{Decode, Fault, Symbols, line_and_column};
use super::{Data, DataError, Sequence, Source, compressed, lines};
use crate::files::{self, Bytes};
use danaus_artifact::signature::Domain;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// How tokens are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFormat {
    /// A NumPy array with one axis.
    Npy,
    /// Unsigned 16-bit numbers, little-endian.
    U16,
    /// Unsigned 32-bit numbers, little-endian.
    U32,
    /// Whole numbers with white space between them; `-1` and `?` are missing.
    Text,
}

impl FromStr for TokenFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<TokenFormat, String> {
        match text {
            "npy" => Ok(TokenFormat::Npy),
            "u16" => Ok(TokenFormat::U16),
            "u32" => Ok(TokenFormat::U32),
            "text" => Ok(TokenFormat::Text),
            _ => Err(format!("`{text}` is not a token format; expected `npy`, `u16`, `u32` or `text`")),
        }
    }
}

/// Opens tokens and checks every one. Without a format: NumPy by its first bytes, `.u32` and `.u16` by name, `.bin` as 16-bit
/// numbers, anything else as text.
pub(super) fn open(
    source: &Source,
    format: Option<TokenFormat>,
    columns: &Columns,
) -> Result<Box<dyn Sequence>, DataError> {
    let (path, domain) = (source.path(), domain(columns)?);
    let bytes = files::read(path)?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let format = format.unwrap_or(match ending {
        _ if bytes.starts_with(npy::MAGIC) => TokenFormat::Npy,
        "u32" => TokenFormat::U32,
        "u16" | "bin" => TokenFormat::U16,
        _ => TokenFormat::Text,
    });
    let sequence: Box<dyn Sequence> = match format {
        TokenFormat::Npy => Box::new(ArrayTokens::new(Array::new(path, bytes)?, path, domain)?),
        TokenFormat::U16 => binary(path, bytes, domain, 2)?,
        TokenFormat::U32 => binary(path, bytes, domain, 4)?,
        TokenFormat::Text => {
            compressed::refuse(path, &bytes)?;
            let end = bytes.len();
            let decoder = TokenDecoder { path: path.to_path_buf(), domain };
            Box::new(Symbols::new(bytes, end, decoder, domain.size() as u32)?)
        }
    };
    if sequence.is_empty() {
        return Err(DataError::Empty { file: path.into(), what: "tokens" });
    }
    SelectedSequence::of(sequence, source, "token")
}

/// Opens token ids in text as a row for each line and checks every one.
pub(super) fn lines(source: &Source, columns: Columns) -> Result<Data, DataError> {
    let (path, domain) = (source.path(), domain(&columns)?);
    let bytes = files::read(path)?;
    compressed::refuse(path, &bytes)?;
    let places = lines::places(&bytes);
    lines::data(source, bytes, places, TokenDecoder { path: path.to_path_buf(), domain }, "token", columns)
}

/// Little-endian numbers of `width` bytes.
pub(super) fn binary(path: &Path, bytes: Bytes, domain: Domain, width: usize) -> Result<Box<dyn Sequence>, DataError> {
    let end = bytes.len();
    let code = Numbers { path: path.to_path_buf(), domain, width };
    Ok(Box::new(Fixed::new(bytes, end, code, domain.size() as u32)?))
}

/// The domain of all variables.
pub(super) fn domain(columns: &Columns) -> Result<Domain, DataError> {
    columns.uniform().ok_or_else(|| DataError::Variables {
        what: "tokens",
        reason: "its variables have different domains".to_string(),
    })
}

/// Whole numbers in text.
struct TokenDecoder {
    path: PathBuf,
    domain: Domain,
}

impl TokenDecoder {
    /// The bytes of the next token.
    fn token(&self, bytes: &[u8], at: usize) -> Range<usize> {
        let start =
            bytes[at..].iter().position(|byte| !byte.is_ascii_whitespace()).map_or(bytes.len(), |skip| at + skip);
        let len = bytes[start..].iter().position(u8::is_ascii_whitespace);
        start..len.map_or(bytes.len(), |len| start + len)
    }

    fn cell(&self, token: &[u8]) -> Cell {
        if token == b"?" {
            return Cell::Missing;
        }
        let text = std::str::from_utf8(token).unwrap_or("");
        text.parse::<i64>().map_or(Cell::Other, |value| Cell::Whole(value.into()))
    }
}

impl Decode for TokenDecoder {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>> {
        let place = self.token(bytes, *at);
        if place.is_empty() {
            return None;
        }
        *at = place.end;
        Some(index(self.domain, self.cell(&bytes[place.clone()])).ok_or(Fault(place)))
    }

    fn explain(&self, bytes: &[u8], Fault(place): Fault) -> DataError {
        let (line, column) = line_and_column(bytes, place.start);
        let shown: String = String::from_utf8_lossy(&bytes[place]).chars().take(40).collect();
        let place = format!("line {line}, column {column}");
        DataError::value(&self.path, place, format!("`{shown}`"), self.domain, "-1, or `?`")
    }
}

/// Little-endian numbers.
pub(super) struct Numbers {
    pub path: PathBuf,
    pub domain: Domain,
    pub width: usize,
}

impl Code for Numbers {
    fn width(&self) -> usize {
        self.width
    }

    fn index(&self, symbol: &[u8]) -> Option<u32> {
        let number = symbol.iter().rev().fold(0u32, |value, byte| value << 8 | u32::from(*byte));
        index(self.domain, Cell::Whole(number.into()))
    }

    fn explain(&self, bytes: &[u8], Fault(place): Fault) -> DataError {
        let token = &bytes[place.clone()];
        if token.len() < self.width {
            let reason = format!("the file has {} bytes, which is no multiple of {}", bytes.len(), self.width);
            return DataError::format(&self.path, reason);
        }
        let found = token.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        let place = format!("token {}", place.start / self.width);
        DataError::value(&self.path, place, found.to_string(), self.domain, "not possible in this format")
    }
}

struct ArrayTokens {
    array: Array,
    path: PathBuf,
    domain: Domain,
}

impl ArrayTokens {
    fn new(array: Array, path: &Path, domain: Domain) -> Result<ArrayTokens, DataError> {
        if array.shape().len() != 1 {
            let reason = format!("tokens are an array with one axis, but this one has shape {:?}", array.shape());
            return Err(DataError::format(path, reason));
        }
        let tokens = ArrayTokens { array, path: path.to_path_buf(), domain };
        for at in 0..tokens.len() {
            tokens.token(at)?;
        }
        Ok(tokens)
    }

    fn token(&self, at: usize) -> Result<u32, DataError> {
        index(self.domain, self.array.cell(at))
            .ok_or_else(|| DataError::value(&self.path, format!("token {at}"), self.array.show(at), self.domain, "-1"))
    }
}

impl Sequence for ArrayTokens {
    fn len(&self) -> usize {
        self.array.shape()[0]
    }

    fn missing(&self) -> u32 {
        self.domain.size() as u32
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        (range.start..range.end.min(self.len())).map(|at| self.token(at)).collect()
    }

    fn read(&self, start: usize, out: &mut [u32]) -> Result<(), DataError> {
        for (at, out) in (start..).zip(out) {
            *out = self.token(at)?;
        }
        Ok(())
    }
}
