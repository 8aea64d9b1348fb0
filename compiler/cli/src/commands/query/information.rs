//! `danaus query entropy` and `danaus query kl`

use crate::arguments::ModelArguments;
use crate::evidence::{ParameterArguments, parameters};
use crate::failure::Failure;
use crate::model::{self, Model};
use crate::{output, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::queries::information;
use std::path::PathBuf;
use std::sync::Arc;

/// The arguments of `danaus query entropy`.
#[derive(Args, Debug)]
#[command(after_help = "\
Prints the entropy of the whole distribution in nats. It needs a circuit that is known to be deterministic, as danaus inspect shows; \
otherwise the question is hard, and refused.

Examples:
  danaus query entropy examples/weather.pc")]
pub struct Entropy {
    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// The arguments of `danaus query kl`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query kl <MODEL> [--params <P>] --other <Q> [OPTIONS]")]
#[command(after_help = "\
Prints KL(p || q) in nats, the Kullback-Leibler divergence of q from p, where p has the parameters of --params (or those of the program) \
and q those of --other. It needs a circuit that is known to be deterministic, as danaus inspect shows.

Examples:
  danaus query kl examples/weather.pc --other trained.safetensors")]
pub struct Divergence {
    /// The parameters of the other distribution
    #[arg(long, value_name = "FILE")]
    other: PathBuf,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// Prints the entropy.
pub fn entropy(arguments: &Entropy) -> Result<(), Failure> {
    let mut model = open(&arguments.model, "entropy")?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    let flows = Arc::new(model.flows.take().expect("the model was opened with it"));
    let found = information::entropy(&Arc::new(model.plan), &flows, &parameters).map_err(session::failure)?;
    output::print(&format!("{found}\n"))
}

/// Prints the divergence.
pub fn divergence(arguments: &Divergence) -> Result<(), Failure> {
    let mut model = open(&arguments.model, "divergence")?;
    let own = parameters(&arguments.parameters, &model.plan)?;
    let other = ParameterArguments { params: Some(arguments.other.clone()), ..Default::default() };
    let other = parameters(&other, &model.plan)?;
    let flows = Arc::new(model.flows.take().expect("the model was opened with it"));
    let plan = Arc::new(model.plan);
    let found = information::divergence(&plan, &flows, &own, &other).map_err(session::failure)?;
    output::print(&format!("{found}\n"))
}

/// Opens a model that is known to be deterministic.
fn open(arguments: &ModelArguments, what: &str) -> Result<Model, Failure> {
    let model = model::open_for(arguments, &[Purpose::Training, Purpose::Mpe])?;
    if model.queries.deterministic && information::has_all_flows(&model.plan) {
        return Ok(model);
    }
    Err(Failure::wrong(format!(
        "the {what} of circuit `{}` is not tractable: the circuit is not known to be deterministic. It would be if for every two \
         operands of a sum there were a variable of which indicators allow them no common value",
        model.plan.name
    )))
}
