//! The verbs. One file each: its arguments with their help, and the function that does it.

mod bench;
mod check;
mod compile;
mod devices;
mod eval;
mod explain;
mod export;
mod fmt;
mod import;
mod inspect;
mod lower;
mod multiply;
mod opt;
mod passes;
mod query;
mod tokenize;
mod train;

use crate::failure::Failure;
use clap::{Parser, Subcommand};

/// Compiles architectures of probabilistic circuits and answers queries with them.
#[derive(Debug, Parser)]
#[command(name = "danaus", version, max_term_width = 100, after_help = AFTER_HELP)]
#[command(arg_required_else_help = true, disable_help_subcommand = true, infer_subcommands = false)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

const AFTER_HELP: &str = "\
A MODEL is an architecture (.pc) or a compiled circuit (.pcb). As a file name, - is stdin or stdout.

Exit codes: 0 done; 1 the program or the data is wrong; 2 the usage is wrong or a file cannot be read or written; \
101 internal error.";

/// The verbs, in the order in which a user meets them.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Checks an architecture and says what is wrong with it
    Check(check::Check),
    /// Brings architectures into the one format
    Fmt(fmt::Fmt),
    /// Explains a rule of the language, with right and wrong programs
    Explain(explain::Explain),
    /// Compiles an architecture, or shows any stage of its compilation
    Compile(compile::Compile),
    /// Shows what a model is and costs: layers, parameters, work, memory, kernels
    Inspect(inspect::Inspect),
    /// Asks about each row of data
    Query(query::Query),
    /// Says how likely a model finds data: mean log-likelihood, bits per dimension
    Eval(eval::Eval),
    /// Trains a model: parameters that make data likely
    Train(Box<train::Train>),
    /// Starts a product of circuits from the parameters of its factors
    Multiply(multiply::Multiply),
    /// Turns trained dense weights into the closest Monarch weights
    Lower(lower::Lower),
    /// Turns text into tokens and back
    Tokenize(tokenize::Tokenize),
    /// Reads a model of another program
    Import(import::Import),
    /// Writes a model for another program
    Export(export::Export),
    /// Measures the speed of a model
    Bench(bench::Bench),
    /// Applies passes to circuit IR, for tests of passes
    Opt(opt::Opt),
    /// Lists the passes of the compiler in the order in which they run
    Passes(passes::Passes),
    /// Shows the devices that circuits can be compiled for and run on here
    Devices(devices::Devices),
}

/// Does what the verb says.
pub fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Check(arguments) => check::run(&arguments),
        Verb::Compile(arguments) => compile::run(&arguments),
        Verb::Fmt(arguments) => fmt::run(&arguments),
        Verb::Inspect(arguments) => inspect::run(&arguments),
        Verb::Query(arguments) => query::run(&arguments),
        Verb::Eval(arguments) => eval::run(&arguments),
        Verb::Train(arguments) => train::run(&arguments),
        Verb::Multiply(arguments) => multiply::run(&arguments),
        Verb::Lower(arguments) => lower::run(&arguments),
        Verb::Tokenize(arguments) => tokenize::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Export(arguments) => export::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Opt(arguments) => opt::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Passes(arguments) => passes::run(&arguments),
        Verb::Devices(arguments) => devices::run(&arguments),
    }
}
