//! Text as a sequence of characters of an alphabet. Character `i` of the alphabet is value index `i`.

use super::Sequence;
use super::columns::Columns;
use super::error::DataError;
use super::symbols::{Decode, Fault, Symbols, line_and_column};
use crate::files;
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
pub fn open(path: &Path, alphabet: &Alphabet, columns: &Columns) -> Result<Box<dyn Sequence>, DataError> {
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
    let bytes = files::read(path)?;
    let decoder = TextDecoder::new(path, alphabet, &bytes);
    let symbols = Symbols::new(bytes, decoder, domain.size() as u32)?;
    if symbols.len() == 0 {
        return Err(DataError::Empty { file: path.into(), what: "text" });
    }
    Ok(Box::new(symbols))
}

struct TextDecoder {
    path: PathBuf,
    alphabet: Alphabet,
    /// For `Chars`.
    indices: BTreeMap<char, u32>,
    end: usize,
}

impl TextDecoder {
    fn new(path: &Path, alphabet: &Alphabet, bytes: &[u8]) -> TextDecoder {
        let indices = match alphabet {
            Alphabet::Chars(chars) => chars.iter().copied().zip(0..).collect(),
            _ => BTreeMap::new(),
        };
        let keeps_lines = *alphabet == Alphabet::Bytes || *alphabet == Alphabet::Lower;
        let mut end = bytes.len();
        let is_line_end = |byte: u8| (byte == b'\n' || byte == b'\r') && !indices.contains_key(&char::from(byte));
        while !keeps_lines && end > 0 && is_line_end(bytes[end - 1]) {
            end -= 1;
        }
        TextDecoder { path: path.to_path_buf(), alphabet: alphabet.clone(), indices, end }
    }
}

impl Decode for TextDecoder {
    fn next(&self, bytes: &[u8], at: &mut usize) -> Option<Result<u32, Fault>> {
        let rest = &bytes[*at..self.end];
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
