//! `danaus query`

mod answers;
mod conditional;
mod information;
mod ll;
mod marginal;
mod moments;
mod mpe;
mod names;
mod next;
mod pictures;
mod sample;
mod satisfy;

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
    /// Prints mean, variance and entropy of every variable, given each row
    Moments(moments::Moments),
    /// Prints the entropy of a deterministic circuit
    Entropy(information::Entropy),
    /// Prints the divergence between two deterministic circuits, or two sets of parameters of one
    Kl(information::Divergence),
    /// Prints the cross entropy of a circuit and a deterministic circuit
    CrossEntropy(information::CrossEntropy),
    /// Prints the distribution of the next symbol after the observed beginning of each row
    Next(next::Next),
    /// Prints the log-probability that each row is completed in a way that satisfies a constraint
    Satisfy(satisfy::Satisfy),
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
        Question::Moments(arguments) => moments::run(arguments),
        Question::Entropy(arguments) => information::entropy(arguments),
        Question::Kl(arguments) => information::divergence(arguments),
        Question::CrossEntropy(arguments) => information::cross_entropy(arguments),
        Question::Next(arguments) => next::run(arguments),
        Question::Satisfy(arguments) => satisfy::run(arguments),
        Question::Mpe(arguments) => mpe::run(arguments),
        Question::Sample(arguments) => sample::run(arguments),
    }
}
