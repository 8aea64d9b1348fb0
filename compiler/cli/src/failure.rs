//! Why a command ends without having done its work, and the exit code that tells.

use crate::output::say;
use std::fmt::Display;
use std::process::ExitCode;

/// The exit code after Ctrl-C: 128 and the number of the signal, as shells have it.
pub const STOPPED: u8 = 130;

/// The end of a command that could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// The program or the data is wrong: exit code 1.
    Wrong(String),
    /// The usage is wrong, or a file cannot be read or written: exit code 2.
    Usage(String),
    /// The program is wrong and the messages about it have been printed: exit code 1.
    Reported,
    /// The user stopped it, and it ended in order: exit code 130.
    Stopped(String),
    /// Nobody reads the output any more: the command ends quietly, as it would have.
    Closed,
}

impl Failure {
    /// The program or the data is wrong.
    pub fn wrong(message: impl Display) -> Self {
        Failure::Wrong(message.to_string())
    }

    /// Wrong usage.
    pub fn usage(message: impl Display) -> Self {
        Failure::Usage(message.to_string())
    }

    /// Prints the message and gives the exit code.
    pub fn report(self) -> ExitCode {
        match self {
            Failure::Wrong(message) => {
                say(format_args!("error: {message}"));
                ExitCode::from(1)
            }
            Failure::Usage(message) => {
                say(format_args!("error: {message}"));
                ExitCode::from(2)
            }
            Failure::Stopped(message) => {
                say(format_args!("{message}"));
                ExitCode::from(STOPPED)
            }
            Failure::Reported => ExitCode::from(1),
            Failure::Closed => ExitCode::SUCCESS,
        }
    }
}
