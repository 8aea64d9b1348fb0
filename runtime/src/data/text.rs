//! Text as a sequence of characters of an alphabet. Character `i` of the alphabet is value index `i`.

use super::fixed::{Code, Fixed};
use super::selected::SelectedSequence;
use super::symbols::{Decode, Fault, Symbols, line_and_column};
use super::{Columns, Data, DataError, Sequence, Source, compressed, lines};
use crate::files::{self, Bytes};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Which characters a text has, and their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// Space, then `a` to `z`: 27 characters, nothing else.
    Text8,
    /// The 256 bytes.
    Bytes,
    /// Like `Text8`, for any text: capital letters become small, every run of other bytes becomes one space.
    Lower,
    /// The characters listed, in their order.
    Chars(Vec<char>),
}

impl Alphabet {
    /// The number of characters.
    pub fn len(&self) -> usize {
        match self {
            Alphabet::Text8 | Alphabet::Lower => 27,
            Alphabet::Bytes => 256,
            Alphabet::Chars(chars) => chars.len(),
        }
    }

    /// Whether the variables can hold the alphabet.
    pub fn checked(&self, columns: &Columns) -> Result<&Alphabet, DataError> {
        missing(self, columns).map(|_| self)
    }

    /// How a value index is written, in UTF-8 unless the alphabet is one of bytes; none if it is no character of the alphabet.
    pub fn symbol(&self, index: u32) -> Option<Vec<u8>> {
        match (self, index) {
            (Alphabet::Bytes, 0..256) => Some(vec![index as u8]),
            (Alphabet::Text8 | Alphabet::Lower, 0) => Some(vec![b' ']),
            (Alphabet::Text8 | Alphabet::Lower, 1..27) => Some(vec![b'a' + index as u8 - 1]),
            (Alphabet::Chars(chars), _) => chars.get(index as usize).map(|c| c.to_string().into_bytes()),
            _ => None,
        }
    }

    /// The text of rows of value indices, a line for each. What is no character of the alphabet is written as `?`.
    pub fn write<'r>(&self, rows: impl Iterator<Item = &'r [u32]>) -> Vec<u8> {
        let mut text = Vec::new();
        for row in rows {
            row.iter().for_each(|&index| text.extend(self.symbol(index).unwrap_or(vec![b'?'])));
            text.push(b'\n');
        }
        text
    }

    /// Whether there are no characters: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Alphabet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alphabet::Text8 => f.write_str("text8"),
            Alphabet::Bytes => f.write_str("bytes"),
            Alphabet::Lower => f.write_str("lower"),
            Alphabet::Chars(chars) => {
                let escaped =
                    chars.iter().map(|c| if *c == '\\' { "\\\\".to_string() } else { c.escape_debug().to_string() });
                write!(f, "chars:{}", escaped.collect::<String>())
            }
        }
    }
}

impl FromStr for Alphabet {
    type Err = String;

    /// `text8`, `bytes`, `lower`, or `chars:` and the characters; `\n`, `\t`, `\r` and `\\` stand for themselves there.
    fn from_str(text: &str) -> Result<Alphabet, String> {
        match text {
            "text8" => Ok(Alphabet::Text8),
            "bytes" => Ok(Alphabet::Bytes),
            "lower" => Ok(Alphabet::Lower),
            _ => match text.strip_prefix("chars:") {
                Some(list) => chars(list),
                None => Err(format!(
                    "`{text}` is not an alphabet; expected `text8`, `bytes`, `lower` or `chars:` and the characters"
                )),
            },
        }
    }
}

fn chars(list: &str) -> Result<Alphabet, String> {
    let mut chars = Vec::new();
    let mut rest = list.chars();
    while let Some(c) = rest.next() {
        let c = match (c, c == '\\') {
            (_, true) => match rest.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('\\') => '\\',
                Some(other) => return Err(format!("`\\{other}` is not known; write `\\n`, `\\t`, `\\r` or `\\\\`")),
                None => return Err("a single `\\` ends the alphabet; write `\\\\`".to_string()),
            },
            (c, false) => c,
        };
        if chars.contains(&c) {
            return Err(format!("the alphabet has {c:?} twice"));
        }
        chars.push(c);
    }
    if chars.is_empty() { Err("the alphabet has no characters".to_string()) } else { Ok(Alphabet::Chars(chars)) }
}

/// Opens a text and checks every character. Line ends at the very end of the file are not part of it, unless the alphabet
/// has them.
pub(super) fn open(source: &Source, alphabet: &Alphabet, columns: &Columns) -> Result<Box<dyn Sequence>, DataError> {
    let missing = missing(alphabet, columns)?;
    let bytes = read(source.path(), alphabet)?;
    let end = end(alphabet, &bytes);
    let decoder = TextDecoder::new(source.path(), alphabet);
    let sequence: Box<dyn Sequence> = match alphabet {
        Alphabet::Lower => Box::new(Symbols::new(bytes, end, decoder, missing)?),
        Alphabet::Chars(chars) if !chars.iter().all(char::is_ascii) => {
            Box::new(Symbols::new(bytes, end, decoder, missing)?)
        }
        Alphabet::Bytes | Alphabet::Text8 | Alphabet::Chars(_) => {
            Box::new(Fixed::new(bytes, end, ByteCode::new(decoder), missing)?)
        }
    };
    if sequence.is_empty() {
        return Err(DataError::Empty { file: source.path().into(), what: "text" });
    }
    SelectedSequence::of(sequence, source, "character")
}

/// Opens a text as a row for each line and checks every character. Line ends are not part of lines.
pub(super) fn lines(source: &Source, alphabet: &Alphabet, columns: Columns) -> Result<Data, DataError> {
    missing(alphabet, &columns)?;
    let bytes = read(source.path(), alphabet)?;
    let places = lines::places(&bytes);
    lines::data(source, bytes, places, TextDecoder::new(source.path(), alphabet), "character", columns)
}

/// The index of a missing value, if the variables can hold the alphabet.
fn missing(alphabet: &Alphabet, columns: &Columns) -> Result<u32, DataError> {
    let fail = |reason: String| DataError::Variables { what: "text", reason };
    let domain = columns.uniform().ok_or_else(|| fail("its variables have different domains".to_string()))?;
    if alphabet.len() > domain.size() {
        let reason = format!(
            "its variables have {} values, but the alphabet `{alphabet}` has {} characters",
            domain.size(),
            alphabet.len()
        );
        return Err(fail(reason));
    }
    Ok(domain.size() as u32)
}

/// The bytes of a file, which is not compressed unless it is read as bytes.
fn read(path: &Path, alphabet: &Alphabet) -> Result<Bytes, DataError> {
    let bytes = files::read(path)?;
    if *alphabet != Alphabet::Bytes {
        compressed::refuse(path, &bytes)?;
    }
    Ok(bytes)
}

/// Where a text ends.
fn end(alphabet: &Alphabet, bytes: &[u8]) -> usize {
    let is_line_end = |byte: &u8| match alphabet {
        Alphabet::Bytes | Alphabet::Lower => false,
        Alphabet::Text8 => matches!(byte, b'\n' | b'\r'),
        Alphabet::Chars(chars) => matches!(byte, b'\n' | b'\r') && !chars.contains(&char::from(*byte)),
    };
    bytes.iter().rposition(|byte| !is_line_end(byte)).map_or(0, |last| last + 1)
}

struct TextDecoder {
    path: PathBuf,
    alphabet: Alphabet,
    /// For `Chars`.
    indices: BTreeMap<char, u32>,
    /// Those of ASCII, which are most of most texts.
    ascii: [Option<u32>; 128],
}

impl TextDecoder {
    fn new(path: &Path, alphabet: &Alphabet) -> TextDecoder {
        let indices: BTreeMap<char, u32> = match alphabet {
            Alphabet::Chars(chars) => chars.iter().copied().zip(0..).collect(),
            _ => BTreeMap::new(),
        };
        let ascii = std::array::from_fn(|byte| indices.get(&char::from(byte as u8)).copied());
        TextDecoder { path: path.to_path_buf(), alphabet: alphabet.clone(), indices, ascii }
    }
}

impl Decode for TextDecoder {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>> {
        let rest = &bytes[*at..];
        let byte = *rest.first()?;
        let start = *at;
        *at += 1;
        Some(match self.alphabet {
            Alphabet::Bytes => Ok(byte.into()),
            Alphabet::Text8 => match byte {
                b' ' => Ok(0),
                b'a'..=b'z' => Ok(u32::from(byte - b'a') + 1),
                _ => Err(Fault(start..start + first_char(rest).map_or(1, char::len_utf8))),
            },
            Alphabet::Lower => match byte.to_ascii_lowercase() {
                letter @ b'a'..=b'z' => Ok(u32::from(letter - b'a') + 1),
                _ => {
                    *at += rest[1..].iter().take_while(|byte| !byte.is_ascii_alphabetic()).count();
                    Ok(0)
                }
            },
            Alphabet::Chars(_) if byte.is_ascii() => self.ascii[usize::from(byte)].ok_or(Fault(start..start + 1)),
            Alphabet::Chars(_) => {
                let c = first_char(rest);
                let len = c.map_or(1, char::len_utf8);
                *at = start + len;
                c.and_then(|c| self.indices.get(&c).copied()).ok_or(Fault(start..start + len))
            }
        })
    }

    fn explain(&self, bytes: &[u8], Fault(place): Fault) -> DataError {
        let (line, column) = line_and_column(bytes, place.start);
        let help = match self.alphabet {
            Alphabet::Text8 => "use `lower` to read any text as letters and spaces, or `bytes`",
            _ => "add it to the alphabet, or use `bytes`",
        };
        let (file, alphabet) = (self.path.clone(), self.alphabet.to_string());
        DataError::Character { file, line, column, found: show(bytes, place), alphabet, help }
    }
}

/// An alphabet whose characters are single bytes: the index of each byte.
struct ByteCode {
    decoder: TextDecoder,
    indices: [Option<u32>; 256],
}

impl ByteCode {
    fn new(decoder: TextDecoder) -> ByteCode {
        let index = |byte| decoder.next(&[byte as u8], &mut 0).and_then(Result::ok);
        let indices = std::array::from_fn(index);
        ByteCode { decoder, indices }
    }
}

impl Code for ByteCode {
    fn width(&self) -> usize {
        1
    }

    fn index(&self, symbol: &[u8]) -> Option<u32> {
        self.indices[usize::from(symbol[0])]
    }

    fn is_total(&self) -> bool {
        self.indices.iter().all(Option::is_some)
    }

    fn explain(&self, bytes: &[u8], Fault(place): Fault) -> DataError {
        let len = first_char(&bytes[place.start..]).map_or(1, char::len_utf8);
        self.decoder.explain(bytes, Fault(place.start..place.start + len))
    }
}

fn first_char(bytes: &[u8]) -> Option<char> {
    let start = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&start[..error.valid_up_to()]).expect("this part is valid"),
    };
    valid.chars().next()
}

fn show(bytes: &[u8], place: Range<usize>) -> String {
    match std::str::from_utf8(&bytes[place.clone()]) {
        Ok(text) => format!("{:?}", text.chars().next().unwrap_or(' ')),
        Err(_) => format!("byte {:#04x}, which is not UTF-8,", bytes[place.start]),
    }
}
