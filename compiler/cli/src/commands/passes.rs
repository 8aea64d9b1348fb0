//! `danaus passes`

use crate::failure::Failure;
use crate::output;
use crate::table::{Align, table};
use clap::Args;
use danaus_compiler::passes::PASSES;

/// The arguments of `danaus passes`.
#[derive(Args, Debug)]
pub struct Passes {}

/// Lists the passes in the order in which they run.
pub fn run(_: &Passes) -> Result<(), Failure> {
    let rows: Vec<Vec<String>> =
        PASSES.iter().map(|pass| vec![pass.name.to_string(), pass.description.to_string()]).collect();
    output::print(&table("", &[Align::Left, Align::Left], &rows))
}
