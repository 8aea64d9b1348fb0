//! Arguments that several verbs share.

use crate::evidence::data_failure;
use crate::failure::Failure;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use danaus_compiler::constraint::Constraint;
use danaus_compiler::model::Options;
use danaus_runtime::data::Alphabet;
use danaus_runtime::data::tokenizer::Tokenizer;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::str::FromStr;

/// How an architecture is compiled. For a compiled circuit (`.pcb`) all of this is settled already.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Architecture (.pc)")]
pub struct CompileArguments {
    /// Set a parameter of the circuit, for example --set H=4096; may be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,

    /// The circuit to compile, by name; the last one of the file if it is not given
    #[arg(long, value_name = "NAME")]
    pub circuit: Option<String>,

    /// Turn every dense sum over B1*B2*.. units into a Monarch sum, for example --monarch 128x128
    #[arg(long, value_name = "B1xB2..", value_parser = monarch)]
    pub monarch: Option<Factors>,

    #[command(flatten)]
    pub constraint: ConstraintArguments,
}

/// What complete rows must satisfy.
#[derive(Args, Clone, Debug, Default)]
pub struct ConstraintArguments {
    /// Give all rows probability 0 whose values, written one after the other, do not match this regular expression from the first to the
    /// last; for chains
    #[arg(long, value_name = "REGEX")]
    pub constraint: Option<String>,

    /// How values are written in --constraint: text8, bytes, chars: and a list, or tokenizer: and a file, if they are tokens [default: digits, if
    /// there are at most ten values]
    #[arg(long, value_name = "ALPHABET", requires = "constraint")]
    pub symbols: Option<Symbols>,
}

/// How values are written.
#[derive(Clone, Debug)]
pub enum Symbols {
    /// As characters.
    Alphabet(Alphabet),
    /// As what the tokens of the tokenizer in a file spell.
    Tokenizer(PathBuf),
}

impl Symbols {
    /// The symbol of each value; empty for those that have none.
    fn all(&self) -> Result<Vec<Vec<u8>>, Failure> {
        match self {
            Symbols::Alphabet(alphabet) => {
                let symbol = |value: usize| alphabet.symbol(value as u32).expect("it has so many characters");
                Ok((0..alphabet.len()).map(symbol).collect())
            }
            Symbols::Tokenizer(path) => {
                Tokenizer::open(path).and_then(|tokenizer| tokenizer.symbols()).map_err(data_failure)
            }
        }
    }
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Symbols::Alphabet(alphabet) => alphabet.fmt(f),
            Symbols::Tokenizer(path) => write!(f, "tokenizer:{}", path.display()),
        }
    }
}

impl FromStr for Symbols {
    type Err = String;

    fn from_str(text: &str) -> Result<Symbols, String> {
        match text.strip_prefix("tokenizer:") {
            Some("") => Err("the file of the tokenizer is missing; write `tokenizer:FILE`".to_string()),
            Some(path) => Ok(Symbols::Tokenizer(path.into())),
            None => text.parse().map(Symbols::Alphabet).map_err(|error| format!("{error}, or `tokenizer:` and a file")),
        }
    }
}

impl ConstraintArguments {
    /// What the compiler is asked for.
    pub fn constraint(&self) -> Result<Option<Constraint>, Failure> {
        let symbols = self.symbols.as_ref().map(Symbols::all).transpose()?;
        Ok(self.constraint.as_ref().map(|pattern| Constraint { pattern: pattern.clone(), symbols }))
    }
}

impl CompileArguments {
    /// What the compiler is asked for.
    pub fn options(&self) -> Options {
        Options {
            set: self.settings.clone(),
            circuit: self.circuit.clone(),
            monarch: self.monarch.as_ref().map(|factors| factors.0.clone()),
        }
    }

    /// Refuses a constraint where what is done has nothing to do with it.
    pub fn refuse_constraint(&self, verb: &str) -> Result<(), Failure> {
        match self.constraint.constraint {
            Some(_) => Err(Failure::usage(format!(
                "{verb} takes a circuit without --constraint, which is for queries: leave it out here, and give it to them"
            ))),
            None => Ok(()),
        }
    }

    /// The first option that was given, if any: a compiled circuit has all of them behind it.
    pub fn given(&self) -> Option<&'static str> {
        if !self.settings.is_empty() {
            Some("--set")
        } else if self.circuit.is_some() {
            Some("--circuit")
        } else if self.monarch.is_some() {
            Some("--monarch")
        } else if self.constraint.constraint.is_some() {
            Some("--constraint")
        } else {
            None
        }
    }
}

/// The factors of `--monarch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factors(pub Vec<usize>);

/// A circuit and how it is compiled.
#[derive(Args, Clone, Debug)]
pub struct ModelArguments {
    /// An architecture (.pc) or a compiled circuit (.pcb)
    #[arg(value_name = "MODEL")]
    pub path: PathBuf,

    #[command(flatten)]
    pub compile: CompileArguments,
}

/// Arguments of a verb that [refuses a constraint](CompileArguments::refuse_constraint): the help does not list it.
#[derive(Clone, Debug)]
pub struct WithoutConstraint<A>(A);

impl<A> Deref for WithoutConstraint<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.0
    }
}

impl<A: Args> Args for WithoutConstraint<A> {
    fn augment_args(command: Command) -> Command {
        hide_constraint(A::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        hide_constraint(A::augment_args_for_update(command))
    }
}

fn hide_constraint(command: Command) -> Command {
    command.mut_arg("constraint", |argument| argument.hide(true)).mut_arg("symbols", |argument| argument.hide(true))
}

impl<A: FromArgMatches> FromArgMatches for WithoutConstraint<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        A::from_arg_matches(matches).map(WithoutConstraint)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&sizes.join("x"))
    }
}

/// Reads the value of `--set`.
pub fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err("expected NAME=VALUE, for example H=4096".to_string()),
    }
}

/// Reads the factors of `--monarch`.
pub fn monarch(text: &str) -> Result<Factors, String> {
    let factors: Option<Vec<usize>> = text.split('x').map(|word| word.parse().ok().filter(|&size| size > 0)).collect();
    match factors {
        Some(factors) if factors.len() >= 2 => Ok(Factors(factors)),
        _ => Err("expected two or more block sizes joined by x, for example 128x128".to_string()),
    }
}
