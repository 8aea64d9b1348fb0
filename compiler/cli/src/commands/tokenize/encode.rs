//! `danaus tokenize encode`

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::output::{self, say};
use crate::table::grouped;
use clap::Args;
use danaus_runtime::data::Source;
use danaus_runtime::data::tokenizer::{Cut, Ids, IdsFormat, Text, Tokenizer};
use std::path::PathBuf;

/// The arguments of `danaus tokenize encode`.
#[derive(Args, Debug)]
#[command(after_help = "\
The ending of the output says what is written: .npy (an array with one axis), .u16 or .u32 (little-endian numbers), or .txt: a line \
of numbers for each line of text, in which the ends of lines are no tokens. TEXT@START..END is a part of a file, in bytes.

Examples:
  danaus tokenize encode --tokenizer tok.json corpus.txt -o corpus.npy
  danaus eval hmm.pcb --params hmm.safetensors --tokens auto --data corpus.npy
  danaus tokenize encode --tokenizer tok.json sentences.txt -o ids.txt
  danaus eval hmm.pcb --params hmm.safetensors --tokens text --rows lines --data ids.txt")]
pub struct Encode {
    /// A text in UTF-8
    #[arg(value_name = "TEXT")]
    text: PathBuf,

    /// The vocabulary: a tokenizer.json
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,

    /// Where the token ids go: FILE.npy, .u16, .u32 or .txt
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

/// Writes text as token ids.
pub fn run(arguments: &Encode) -> Result<(), Failure> {
    let ending = arguments.output.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let format: IdsFormat = ending.parse().map_err(|reason| {
        Failure::usage(format!("cannot write token ids to `{}`: {reason}", arguments.output.display()))
    })?;
    let tokenizer = Tokenizer::open(&arguments.tokenizer).map_err(data_failure)?;
    if format == IdsFormat::U16 && tokenizer.size() > 1 << 16 {
        return Err(Failure::usage(format!(
            "`{}` has {} tokens, more than 16 bits can tell; write a .u32 or .npy file",
            arguments.tokenizer.display(),
            grouped(tokenizer.size() as u64)
        )));
    }
    let text = Source::find(&arguments.text).and_then(|source| Text::open(&source)).map_err(data_failure)?;
    let cut = if format == IdsFormat::Text { Cut::Lines } else { Cut::Whole };
    let ids = tokenizer.encode(text.as_str(), cut).map_err(data_failure)?;
    output::write_with(&arguments.output, |out| ids.write(format, tokenizer.size(), out))?;
    say(format_args!("{}", summary(&ids, text.as_str())));
    Ok(())
}

fn summary(ids: &Ids, text: &str) -> String {
    let (tokens, bytes) = (ids.len(), text.len());
    let ratio = bytes as f64 / tokens.max(1) as f64;
    format!(
        "{} tokens from {} bytes of text: {ratio:.3} bytes per token",
        grouped(tokens as u64),
        grouped(bytes as u64)
    )
}
