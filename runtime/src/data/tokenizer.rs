//! Vocabularies of tokens that are learnt from text: files `tokenizer.json` of the `tokenizers` library.
//!
//! * A tokenizer is trained as a byte-level BPE: every text can be encoded, and decoding gives it back byte by byte. The same texts
//!   and size give the same file. Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units" (2016);
//!   bytes instead of characters: Radford et al., "Language Models are Unsupervised Multitask Learners" (2019).
//! * Texts are encoded in [pieces](pieces) that end between words, so that memory does not grow with them. Special tokens are
//!   recognized but never added; limits of length and padding in the file are not applied.
//! * Whatever else the library can read (WordPiece, Unigram, ..) encodes and decodes as it does there.

mod ids;
pub mod pieces;

pub use ids::{Ids, IdsFormat};

use super::columns::describe;
use super::{Columns, DataError, Sequence, Source, compressed, tokens};
use crate::files::{self, Bytes};
use danaus_artifact::signature::Domain;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufWriter, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use tokenizers::models::bpe::BPE;
use tokenizers::models::bpe::BpeTrainer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerBuilder};

/// The tokens of a byte-level vocabulary that has learnt nothing.
pub const BYTES: usize = 256;

/// Pieces of text that are encoded at a time, on all processors.
const BATCH: usize = 16;

/// Tokens that are decoded at a time.
const DECODED: usize = 4096;

/// Tokens before them that are decoded again, because text depends on its neighbors.
const CONTEXT: usize = 8;

/// A vocabulary and how text is divided into it.
pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    size: usize,
}

/// A text in UTF-8, mapped.
pub struct Text {
    bytes: Bytes,
    range: Range<usize>,
}

/// What is encoded: the whole text, or each line for itself without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Line ends are characters like all others.
    Whole,
    /// Lines are independent of each other.
    Lines,
}

impl Text {
    /// Opens a text. A range counts bytes.
    pub fn open(source: &Source) -> Result<Text, DataError> {
        let path = source.path();
        let bytes = files::read(path)?;
        compressed::refuse(path, &bytes)?;
        if bytes.is_empty() {
            return Err(DataError::Empty { file: path.into(), what: "text" });
        }
        let text = std::str::from_utf8(&bytes).map_err(|error| not_utf8(path, &bytes, error.valid_up_to()))?;
        let range = source.select(bytes.len(), "byte")?;
        if !text.is_char_boundary(range.start) || !text.is_char_boundary(range.end) {
            return Err(DataError::format(source.name(), "the range, which counts bytes, ends within a character"));
        }
        Ok(Text { bytes, range })
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.range.clone()]).expect("the text was checked when it was opened")
    }
}

fn not_utf8(path: &Path, bytes: &[u8], at: usize) -> DataError {
    let (line, column) = super::symbols::line_and_column(bytes, at);
    let reason =
        format!("line {line}, column {column}: byte {:#04x} is not UTF-8; a tokenizer reads text in UTF-8", bytes[at]);
    DataError::format(path, reason)
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn open(path: &Path) -> Result<Tokenizer, DataError> {
        let bytes = files::read(path)?;
        let inner = tokenizers::Tokenizer::from_bytes(&*bytes)
            .map_err(|error| DataError::format(path, format!("the file is not a tokenizer: {error}")))?;
        Tokenizer::new(path, inner)
    }

    fn new(path: &Path, mut inner: tokenizers::Tokenizer) -> Result<Tokenizer, DataError> {
        inner.with_truncation(None).map_err(|error| DataError::format(path, error.to_string()))?;
        inner.with_padding(None);
        let size = inner.get_vocab(true).into_values().max().map_or(0, |last| last as usize + 1);
        if size == 0 {
            return Err(DataError::format(path, "the tokenizer has no tokens"));
        }
        Ok(Tokenizer { path: path.into(), inner, size })
    }

    /// Learns a byte-level vocabulary of at most `size` tokens, at least the [256 bytes](BYTES). It is smaller if the texts
    /// have no more words of several tokens.
    pub fn train(texts: &[&str], size: usize) -> Result<Tokenizer, DataError> {
        let path = Path::new("tokenizer");
        let fail = |error: tokenizers::Error| DataError::format(path, error.to_string());
        let level = ByteLevel::new(false, false, true);
        let mut inner =
            TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new(
            )
            .with_model(BPE::default())
            .with_pre_tokenizer(Some(level.into()))
            .with_decoder(Some(level.into()))
            .build()
            .map_err(fail)?;
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(size)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let pieces = texts.iter().flat_map(|text| pieces::pieces(text));
        inner.train(&mut trainer, pieces).map_err(fail)?;
        let json = inner.to_string(false).map_err(fail)?;
        Tokenizer::new(path, tokenizers::Tokenizer::from_bytes(json).map_err(fail)?)
    }

    /// The number of tokens: one more than the largest id.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What the variables hold, if they can hold the tokens.
    pub fn checked(&self, columns: &Columns) -> Result<Domain, DataError> {
        let domain = tokens::domain(columns)?;
        if self.size > domain.size() {
            let (domain, path) = (describe(domain), self.path.display());
            let reason = format!("its variables are {domain}, but the tokenizer `{path}` has {} tokens", self.size);
            return Err(DataError::Variables { what: "tokens", reason });
        }
        Ok(domain)
    }

    /// The bytes that each token spells wherever it stands, by its id; none for ids without a token. Only byte-level tokenizers have them.
    pub fn symbols(&self) -> Result<Vec<Vec<u8>>, DataError> {
        if !matches!(self.inner.get_decoder(), Some(DecoderWrapper::ByteLevel(_))) {
            let reason = "what its tokens spell depends on their neighbors; symbols are the tokens of a byte-level tokenizer, \
                          as `danaus tokenize train` learns";
            return Err(DataError::format(&self.path, reason));
        }
        let bytes = bytes_of_characters();
        let spelled = |token: String| {
            let bytes: Option<Vec<u8>> = token.chars().map(|c| bytes.get(&c).copied()).collect();
            // Special tokens are written as they are.
            bytes.unwrap_or_else(|| token.into_bytes())
        };
        Ok((0..self.size as u32).map(|id| self.inner.id_to_token(id).map_or(Vec::new(), spelled)).collect())
    }

    /// The text of rows of tokens, a line for each. What is no token is written as `?`.
    pub fn write<'r>(&self, rows: impl Iterator<Item = &'r [u32]>) -> Result<Vec<u8>, DataError> {
        let is_token = |id: &u32| (*id as usize) < self.size;
        let mut text = String::new();
        for row in rows {
            for run in row.chunk_by(|left, right| is_token(left) == is_token(right)) {
                text += &if is_token(&run[0]) { self.text(run)? } else { "?".repeat(run.len()) };
            }
            text.push('\n');
        }
        Ok(text.into_bytes())
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a `tokenizer.json` holds.
    pub fn to_json(&self) -> Result<String, DataError> {
        self.inner.to_string(true).map_err(|error| DataError::format(&self.path, error.to_string()))
    }

    /// Divides a text into tokens.
    pub fn encode(&self, text: &str, cut: Cut) -> Result<Ids, DataError> {
        let unwritten = |error| files::FileError::write(&std::env::temp_dir())(error);
        let mut ids = tempfile::tempfile().map_err(unwritten)?;
        let mut out = BufWriter::with_capacity(1 << 20, &ids);
        let mut lines = vec![0];
        let mut pieces: Box<dyn Iterator<Item = &str>> = match cut {
            Cut::Whole => Box::new(pieces::pieces(text)),
            Cut::Lines => Box::new(text.lines()),
        };
        loop {
            let batch = pieces::batch(&mut pieces, BATCH);
            if batch.is_empty() {
                break;
            }
            let encoded = self.inner.encode_batch_fast(batch, false);
            for encoding in encoded.map_err(|error| self.failed("encode", &error))? {
                for id in encoding.get_ids() {
                    out.write_all(&id.to_le_bytes()).map_err(unwritten)?;
                }
                if cut == Cut::Lines {
                    lines.push(lines[lines.len() - 1] + 4 * encoding.len() as u64);
                }
            }
        }
        out.flush().map_err(unwritten)?;
        drop(out);
        let bytes = ids.rewind().and_then(|()| files::map(ids)).map_err(unwritten)?;
        Ok(Ids { bytes, lines })
    }

    /// The text that tokens stand for, in parts.
    pub fn decode<'t>(&'t self, tokens: &'t dyn Sequence) -> impl Iterator<Item = Result<String, DataError>> + 't {
        let mut start = 0;
        std::iter::from_fn(move || {
            (start < tokens.len()).then(|| {
                let (text, end) = self.decode_from(tokens, start)?;
                start = end;
                Ok(text)
            })
        })
    }

    /// The text of the next tokens, and where they end: never within a character, if the text is UTF-8.
    fn decode_from(&self, tokens: &dyn Sequence, start: usize) -> Result<(String, usize), DataError> {
        let mut end = tokens.len().min(start + DECODED);
        let first = start.saturating_sub(CONTEXT);
        let mut ids = self.ids(tokens, first..end)?;
        let mut text = self.text(&ids)?;
        // A character may go on in the next tokens, but has no more than four bytes.
        for _ in 0..3 {
            if !text.ends_with('\u{fffd}') || end == tokens.len() {
                break;
            }
            ids.extend(self.ids(tokens, end..end + 1)?);
            end += 1;
            text = self.text(&ids)?;
        }
        let (before, own) = ids.split_at(start - first);
        let new = text.strip_prefix(&self.text(before)?).map(str::to_string);
        Ok((new.map_or_else(|| self.text(own), Ok)?, end))
    }

    fn ids(&self, tokens: &dyn Sequence, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        let ids = tokens.fill(range.clone())?;
        match ids.iter().position(|id| *id as usize >= self.size) {
            None => Ok(ids),
            Some(at) => Err(self.failed("decode", &format!("token {} is missing", range.start + at))),
        }
    }

    fn text(&self, ids: &[u32]) -> Result<String, DataError> {
        self.inner.decode(ids, false).map_err(|error| self.failed("decode", &error))
    }

    fn failed(&self, action: &str, error: &dyn Display) -> DataError {
        DataError::format(&self.path, format!("the tokenizer cannot {action}: {error}"))
    }
}

/// The characters that stand for bytes in byte-level tokens: printable ones for themselves, the others, in order, as those from U+0100 on.
fn bytes_of_characters() -> BTreeMap<char, u8> {
    let mut characters: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    characters.sort_unstable();
    let (own, others): (Vec<char>, Vec<char>) = characters.into_iter().partition(|c| u8::try_from(*c).is_ok());
    let rest = (0..=u8::MAX).filter(|&byte| !own.contains(&char::from(byte)));
    own.iter().map(|&c| (c, c as u8)).chain(others.iter().copied().zip(rest)).collect()
}
