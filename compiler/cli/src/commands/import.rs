//! `danaus import`

use crate::evidence::positive;
use crate::failure::Failure;
use crate::output::say;
use clap::{Args, Subcommand};
use danaus_runtime::exchange::hmm::{self, HmmError};
use danaus_runtime::exchange::{psdd, spn};
use std::ops::Range;
use std::path::PathBuf;

/// The arguments of `danaus import`.
#[derive(Args, Debug)]
pub struct Import {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Reads a hidden Markov model as the public code of the Monarch paper writes it
    Hmm(Hmm),
    /// Reads a probabilistic sentential decision diagram in its text form
    Psdd(Psdd),
    /// Reads a sum-product network in JSON
    Spn(Spn),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Nodes are sum, product, histogram and gaussian; every node becomes an input or region of one unit: n[12] is node 12. Variables take whole \
numbers, at which the densities of leaves are taken.

Examples:
  danaus import spn counts.json -o counts
  danaus import spn binary.json --values 0..2 -o binary")]
struct Spn {
    /// The network
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NAME.pc and NAME.safetensors are written
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,

    /// The whole numbers that variables are, without the last [default: those of the histograms]
    #[arg(long, value_name = "FIRST..END", value_parser = whole_numbers)]
    values: Option<Range<i64>>,
}

fn whole_numbers(text: &str) -> Result<Range<i64>, String> {
    let range = text.split_once("..").and_then(|(start, end)| Some(start.parse().ok()?..end.parse().ok()?));
    range.ok_or_else(|| "expected two whole numbers, for example 0..2".to_string())
}

#[derive(Args, Debug)]
#[command(after_help = "\
Every node of the diagram becomes an input or region of one unit: n[12] is node 12.

Examples:
  danaus import psdd nltcs.psdd -o nltcs
  danaus eval nltcs.pc --params nltcs.safetensors --data nltcs.test.csv")]
struct Psdd {
    /// The diagram
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// NAME.pc and NAME.safetensors are written
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,
}

/// The arguments of `danaus import hmm`.
#[derive(Args, Debug)]
#[command(after_help = "\
DIR holds config.json (hidden_states, block_size, vocab_size) and model.safetensors (alpha_exp or \
alpha_exp.weights_exp.N, beta, gamma_exp). Numbers are kept as they are.

Examples:
  danaus import hmm checkpoint -o mine
  danaus eval mine.pc --params mine.safetensors --text text8 --data text8.txt")]
struct Hmm {
    /// The folder of the checkpoint
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// NAME.pc and NAME.safetensors are written
    #[arg(short, long, value_name = "NAME")]
    output: PathBuf,

    /// The length of the sequences the program starts with: its parameter T
    #[arg(long, value_name = "N", default_value = "256", value_parser = positive)]
    length: usize,
}

/// Turns a checkpoint of another program into a program and its parameters.
pub fn run(arguments: &Import) -> Result<(), Failure> {
    match &arguments.what {
        What::Hmm(arguments) => hidden_markov_model(arguments),
        What::Psdd(arguments) => diagram(arguments),
        What::Spn(arguments) => network(arguments),
    }
}

fn diagram(arguments: &Psdd) -> Result<(), Failure> {
    let done = psdd::import(&arguments.file, &arguments.output)
        .map_err(|error| if error.is_file() { Failure::usage(error) } else { Failure::wrong(error) })?;
    say(format_args!("{} nodes over {} variables", done.nodes, done.variables));
    say(format_args!("wrote {} and {}", done.source.display(), done.parameters.display()));
    Ok(())
}

fn network(arguments: &Spn) -> Result<(), Failure> {
    let done = spn::import(&arguments.file, &arguments.output, arguments.values.clone())
        .map_err(|error| if error.is_file() { Failure::usage(error) } else { Failure::wrong(error) })?;
    let values = format!("{}..{}", done.values.start, done.values.end);
    say(format_args!("{} nodes over {} variables of values {values}", done.nodes, done.variables));
    say(format_args!("wrote {} and {}", done.source.display(), done.parameters.display()));
    Ok(())
}

fn hidden_markov_model(arguments: &Hmm) -> Result<(), Failure> {
    let done = hmm::import(&arguments.folder, &arguments.output, arguments.length).map_err(failure)?;
    done.warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
    let factors: Vec<String> = done.factors.iter().map(usize::to_string).collect();
    let transition = if factors.is_empty() { "dense".to_string() } else { format!("monarch({})", factors.join(", ")) };
    say(format_args!("{} states, {} values, transition {transition}", done.states, done.values));
    say(format_args!("wrote {} and {}", done.source.display(), done.parameters.display()));
    Ok(())
}

/// A file that cannot be read is wrong usage, what stands in it is wrong data.
pub fn failure(error: HmmError) -> Failure {
    if error.is_file() { Failure::usage(error) } else { Failure::wrong(error) }
}
