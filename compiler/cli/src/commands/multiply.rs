//! `danaus multiply`

use crate::arguments::{ModelArguments, WithoutConstraint};
use crate::failure::Failure;
use crate::model;
use crate::output;
use clap::Args;
use danaus_runtime::parameters::{self, multiply::MultiplyError};
use std::path::PathBuf;

/// The arguments of `danaus multiply`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus multiply <MODEL> --params <FILE> --params <FILE>... -o <FILE> [OPTIONS]")]
#[command(after_help = "\
MODEL is a product of circuits, as in `circuit product = a * b untied`. The file of each factor holds the factor's tensors \
under the names they have there. Of an untied product every block starts as a copy of the factor's weights, and tables are \
multiplied and normalized unit by unit; a tied product keeps the factors' tensors, named 1.NAME, 2.NAME, ..

Examples:
  danaus multiply examples/product_hmm.pc --params a.safetensors --params b.safetensors -o product.safetensors
  danaus multiply product_hmm.pc --set A=512 --set B=1024 --params a.safetensors --params b.safetensors -o start.safetensors")]
pub struct Multiply {
    /// The parameters of the next factor, in the order of the product; repeat for each
    #[arg(long, value_name = "FILE", required = true)]
    params: Vec<PathBuf>,

    /// Where to write the parameters of the product (.safetensors)
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    model: WithoutConstraint<ModelArguments>,
}

/// Writes the parameters that a product starts with.
pub fn run(arguments: &Multiply) -> Result<(), Failure> {
    arguments.model.compile.refuse_constraint("danaus multiply")?;
    let plan = model::open(&arguments.model)?.plan;
    let loaded = parameters::multiply(&plan, &arguments.params).map_err(failure)?;
    output::parameters(&arguments.output, &plan, &loaded)
}

/// A file that cannot be read is wrong usage, what stands in it is wrong data.
fn failure(error: MultiplyError) -> Failure {
    match &error {
        MultiplyError::Count { .. } => Failure::usage(error),
        _ if error.is_file() => Failure::usage(error),
        _ => Failure::wrong(error),
    }
}
