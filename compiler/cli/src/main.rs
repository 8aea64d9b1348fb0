//! The command `danaus`: the shell around the compiler and the runtime.
//!
//! Everything that touches files, the terminal or the process stands here; the compiler is a library of pure
//! functions. Each verb is one file of [`commands`], with its arguments, its help and the function that does it.
//!
//! Conventions, kept by all verbs:
//!
//! * The product goes to stdout or to `-o`; everything else (messages, progress, timings) goes to stderr.
//! * `-` as a file name is stdin or stdout.
//! * The exit code is 0 if it is done, 1 if the program or the data is wrong, 2 if the usage is wrong or a file
//!   cannot be read or written, and 101 after an internal error (see [`crash`]).
//! * A reader that closes the pipe ends the command quietly.
//! * Nothing that is printed is colored or depends on the width of the terminal, but for the help.
//!
//! Modules in reading order: [`arguments`] and [`commands`]; [`loader`], [`program`] and [`model`] (from a file to a plan), [`targets`] (code for devices);
//! [`evidence`], [`session`] and [`gpu`] (parameters, data, queries);
//! [`training`]; [`inspect`]; [`messages`], [`table`], [`output`], [`failure`], [`crash`].

mod arguments;
mod commands;
mod crash;
mod evidence;
mod failure;
mod gpu;
mod inspect;
mod loader;
mod messages;
mod model;
mod output;
mod program;
mod session;
mod table;
mod targets;
mod training;

use clap::Parser;
use std::process::ExitCode;

/// Large buffers are kept rather than given back to the system and taken again, which costs a fault for every page: training makes
/// and drops many of them for each update.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Deeply nested programs are legal, and the compiler's functions over trees call themselves.
const STACK_BYTES: usize = 256 << 20;

fn main() -> ExitCode {
    crash::install_hook();
    let worker = std::thread::Builder::new().name("danaus".to_string()).stack_size(STACK_BYTES).spawn(run);
    match worker.map(|thread| thread.join()) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => ExitCode::from(crash::EXIT_CODE),
        Err(error) => failure::Failure::usage(format!("cannot start a thread: {error}")).report(),
    }
}

fn run() -> ExitCode {
    let arguments = commands::Arguments::parse();
    match commands::run(arguments.verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
