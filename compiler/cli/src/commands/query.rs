//! `danaus query`

mod ll;

use crate::failure::Failure;
use clap::{Args, Subcommand};

/// The arguments of `danaus query`.
#[derive(Args, Debug)]
pub struct Query {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Prints the log-likelihood of each row; missing values are summed out
    Ll(ll::LogLikelihood),
}

/// Answers a question about each row of data.
pub fn run(arguments: &Query) -> Result<(), Failure> {
    match &arguments.question {
        Question::Ll(arguments) => ll::run(arguments),
    }
}
