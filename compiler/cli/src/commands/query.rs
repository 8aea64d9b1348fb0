//! `danaus query`

mod answers;
mod conditional;
mod ll;
mod marginal;
mod mpe;
mod names;
mod next;
mod sample;

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
    /// Prints the posterior probabilities of every variable, given each row
    Marginal(marginal::Marginal),
    /// Prints probabilities of some variables given the values of others
    Conditional(conditional::Conditional),
    /// Prints the distribution of the next symbol after the observed beginning of each row
    Next(next::Next),
    /// Completes each row with the most likely values
    Mpe(mpe::Mpe),
    /// Draws samples, also given evidence
    Sample(sample::Sample),
}

/// Answers a question about each row of data.
pub fn run(arguments: &Query) -> Result<(), Failure> {
    match &arguments.question {
        Question::Ll(arguments) => ll::run(arguments),
        Question::Marginal(arguments) => marginal::run(arguments),
        Question::Conditional(arguments) => conditional::run(arguments),
        Question::Next(arguments) => next::run(arguments),
        Question::Mpe(arguments) => mpe::run(arguments),
        Question::Sample(arguments) => sample::run(arguments),
    }
}
