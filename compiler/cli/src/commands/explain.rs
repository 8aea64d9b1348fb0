//! `danaus explain`

use crate::failure::Failure;
use crate::output;
use clap::Args;
use danaus_compiler::explain;

/// The arguments of `danaus explain`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  danaus explain
  danaus explain sum.smooth")]
pub struct Explain {
    /// The rule, as it stands in brackets in a message; without it, all rules are listed
    #[arg(value_name = "RULE")]
    rule: Option<String>,
}

/// Prints what the specification says about a rule, or the names of all rules.
pub fn run(arguments: &Explain) -> Result<(), Failure> {
    let Some(rule) = &arguments.rule else {
        return output::print(&(explain::rules().join("\n") + "\n"));
    };
    match explain::explain(rule) {
        Some(text) => output::print(&text),
        None => Err(unknown(rule)),
    }
}

fn unknown(rule: &str) -> Failure {
    let nearest: Vec<String> = explain::nearest(rule).iter().map(|id| format!("`{id}`")).collect();
    let help = match nearest.is_empty() {
        true => "`danaus explain` lists all rules".to_string(),
        false => format!("did you mean {}?", nearest.join(" or ")),
    };
    Failure::usage(format!("there is no rule `{rule}`; {help}"))
}
