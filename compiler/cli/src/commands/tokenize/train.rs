//! `danaus tokenize train`

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::output::{self, say};
use crate::table::grouped;
use clap::Args;
use danaus_runtime::data::Source;
use danaus_runtime::data::tokenizer::{BYTES, Text, Tokenizer};
use std::path::PathBuf;

/// The arguments of `danaus tokenize train`.
#[derive(Args, Debug)]
#[command(after_help = "\
The vocabulary is a byte-level BPE in the tokenizer.json format of the tokenizers library: the 256 bytes, and what occurs together \
most often. TEXT@START..END is a part of a file, in bytes.

Examples:
  danaus tokenize train --vocab-size 8192 corpus.txt -o tok.json
  danaus tokenize train --vocab-size 1024 text8@0..90000000 -o tok.json")]
pub struct Train {
    /// Texts in UTF-8
    #[arg(value_name = "TEXT", required = true)]
    texts: Vec<PathBuf>,

    /// The number of tokens, at least 256: one for each byte
    #[arg(long, value_name = "N", value_parser = size)]
    vocab_size: usize,

    /// Where the vocabulary goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if size >= BYTES => Ok(size),
        _ => Err(format!("expected a whole number of at least {BYTES}: each byte is a token")),
    }
}

/// Learns a vocabulary.
pub fn run(arguments: &Train) -> Result<(), Failure> {
    let open = |path: &PathBuf| Source::find(path).and_then(|source| Text::open(&source)).map_err(data_failure);
    let texts: Vec<Text> = arguments.texts.iter().map(open).collect::<Result<_, _>>()?;
    let texts: Vec<&str> = texts.iter().map(Text::as_str).collect();
    let tokenizer = Tokenizer::train(&texts, arguments.vocab_size).map_err(data_failure)?;
    if tokenizer.size() < arguments.vocab_size {
        say(format_args!(
            "warning: the text gives no more than {} tokens, fewer than the {} asked for",
            grouped(tokenizer.size() as u64),
            grouped(arguments.vocab_size as u64)
        ));
    }
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    output::write(&arguments.output, tokenizer.to_json().map_err(data_failure)?.as_bytes())?;
    say(format_args!("{} tokens from {} bytes of text", grouped(tokenizer.size() as u64), grouped(bytes as u64)));
    Ok(())
}
