//! `danaus tokenize decode`

use crate::evidence::{TokenChoice, data_failure, token_format};
use crate::failure::Failure;
use crate::output;
use clap::Args;
use danaus_artifact::signature::{Domain, VariableArray};
use danaus_runtime::data::tokenizer::Tokenizer;
use danaus_runtime::data::{self, Kind};
use std::io;
use std::path::PathBuf;

/// The arguments of `danaus tokenize decode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus tokenize decode --tokenizer tok.json corpus.npy
  danaus tokenize decode --tokenizer tok.json corpus.npy@0..1000 -o start.txt")]
pub struct Decode {
    /// Token ids; FILE@START..END is a part
    #[arg(value_name = "FILE")]
    ids: PathBuf,

    /// The vocabulary: a tokenizer.json
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,

    /// How the ids are written: npy, u16, u32 or text; auto goes by the file
    #[arg(long, value_name = "FORMAT", value_parser = token_format, default_value = "auto")]
    tokens: TokenChoice,

    /// Where the text goes
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Writes token ids as text.
pub fn run(arguments: &Decode) -> Result<(), Failure> {
    let tokenizer = Tokenizer::open(&arguments.tokenizer).map_err(data_failure)?;
    let domain = Domain::Categorical(tokenizer.size());
    let token = VariableArray { name: "token".to_string(), shape: Vec::new(), domain };
    let tokens = data::sequence(&arguments.ids, &Kind::Tokens(arguments.tokens.0), &[token]).map_err(data_failure)?;
    let mut wrong = None;
    let written = output::write_with(&arguments.output, |out| {
        for text in tokenizer.decode(&*tokens) {
            match text {
                Ok(text) => out.write_all(text.as_bytes())?,
                Err(error) => {
                    wrong = Some(error);
                    return Err(io::Error::other("the tokens cannot be decoded"));
                }
            }
        }
        Ok(())
    });
    wrong.map_or(written, |error| Err(data_failure(error)))
}
