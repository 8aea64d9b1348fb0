//! `danaus tokenize`

mod decode;
mod encode;
mod train;

use crate::failure::Failure;
use clap::{Args, Subcommand};

/// The arguments of `danaus tokenize`.
#[derive(Args, Debug)]
pub struct Tokenize {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Learns a vocabulary of tokens from text
    Train(train::Train),
    /// Writes text as token ids
    Encode(encode::Encode),
    /// Writes token ids as text
    Decode(decode::Decode),
}

/// Does one of the three.
pub fn run(arguments: &Tokenize) -> Result<(), Failure> {
    match &arguments.what {
        What::Train(arguments) => train::run(arguments),
        What::Encode(arguments) => encode::run(arguments),
        What::Decode(arguments) => decode::run(arguments),
    }
}
