//! `danaus query entropy`, `danaus query kl` and `danaus query cross-entropy`

use crate::arguments::{CompileArguments, ModelArguments, setting};
use crate::evidence::{ParameterArguments, parameters};
use crate::failure::Failure;
use crate::model::{self, Model};
use crate::{output, session};
use clap::Args;
use danaus_compiler::circuit::Circuit;
use danaus_compiler::information::{InformationError, WithNumbers};
use danaus_compiler::plan::flow::Purpose;
use danaus_compiler::reference::ParameterValues;
use danaus_runtime::parameters::Parameters;
use danaus_runtime::queries::information;
use std::path::{Path, PathBuf};
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
#[command(override_usage = "danaus query kl <MODEL> [--params <P>] [--other-model <MODEL>] [--other <Q>] [OPTIONS]")]
#[command(after_help = "\
Prints KL(p || q) in nats, the Kullback-Leibler divergence of q from p, where p has the parameters of --params (or those of the program) \
and q those of --other. Without --other-model they are parameters of one circuit, which must be known to be deterministic, as danaus \
inspect shows. With it p and q are two architectures (.pc) over the same variables, both deterministic with the numbers that they have, \
which split their variables in ways that fit together; this is computed in double precision, by the definition.

Examples:
  danaus query kl examples/weather.pc --other trained.safetensors
  danaus query kl weather.pc --other-model simpler.pc")]
pub struct Divergence {
    #[command(flatten)]
    both: Both,
}

/// The arguments of `danaus query cross-entropy`.
#[derive(Args, Debug)]
#[command(
    override_usage = "danaus query cross-entropy <MODEL> [--params <P>] --other-model <MODEL> [--other <Q>] [OPTIONS]"
)]
#[command(after_help = "\
Prints the mean of -log q under p in nats, for two architectures (.pc) over the same variables that split them in ways that fit together. Only q, \
the circuit of --other-model, must be deterministic with the numbers that it has. Computed in double precision, by the definition.

Examples:
  danaus query cross-entropy hmm.pc --params hmm.safetensors --other-model markov.pc --other markov.safetensors")]
pub struct CrossEntropy {
    #[command(flatten)]
    both: Both,
}

/// Two distributions.
#[derive(Args, Debug)]
struct Both {
    /// The parameters of the other distribution
    #[arg(long, value_name = "FILE")]
    other: Option<PathBuf>,

    /// The circuit of the other distribution, an architecture (.pc)
    #[arg(long, value_name = "MODEL")]
    other_model: Option<PathBuf>,

    /// Set a parameter of the other circuit, for example --other-set H=4; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting, requires = "other_model")]
    other_set: Vec<(String, String)>,

    #[command(flatten)]
    model: ModelArguments,

    #[command(flatten)]
    parameters: ParameterArguments,
}

/// Prints the entropy.
pub fn entropy(arguments: &Entropy) -> Result<(), Failure> {
    let mut model = open(&arguments.model)?;
    require_deterministic("entropy", &model, &[])?;
    let parameters = parameters(&arguments.parameters, &model.plan)?;
    require_deterministic("entropy", &model, &[&parameters])?;
    let flows = Arc::new(model.flows.take().expect("the model was opened with it"));
    let found = information::entropy(&Arc::new(model.plan), &flows, &parameters).map_err(session::failure)?;
    output::print(&format!("{found}\n"))
}

/// Prints the divergence.
pub fn divergence(arguments: &Divergence) -> Result<(), Failure> {
    let Both { other, other_model, model: ours, parameters: numbers, .. } = &arguments.both;
    if let Some(path) = other_model {
        return of_two(&arguments.both, path, "divergence", danaus_compiler::information::divergence);
    }
    let Some(other) = other else {
        return Err(Failure::usage(
            "there is nothing to compare with: give --other FILE, --other-model MODEL, or both",
        ));
    };
    let mut model = open(ours)?;
    require_deterministic("divergence", &model, &[])?;
    let own = parameters(numbers, &model.plan)?;
    let other = ParameterArguments { params: Some(other.clone()), ..Default::default() };
    let other = parameters(&other, &model.plan)?;
    require_deterministic("divergence", &model, &[&own, &other])?;
    let flows = Arc::new(model.flows.take().expect("the model was opened with it"));
    let plan = Arc::new(model.plan);
    let found = information::divergence(&plan, &flows, &own, &other).map_err(session::failure)?;
    output::print(&format!("{found}\n"))
}

/// Prints the cross entropy.
pub fn cross_entropy(arguments: &CrossEntropy) -> Result<(), Failure> {
    let Some(path) = &arguments.both.other_model else {
        return Err(Failure::usage("there is nothing to compare with: give --other-model MODEL"));
    };
    of_two(&arguments.both, path, "cross entropy", danaus_compiler::information::cross_entropy)
}

/// What is asked of two circuits.
type Question = fn(WithNumbers<'_>, WithNumbers<'_>) -> Result<f64, InformationError>;

fn of_two(both: &Both, path: &Path, what: &str, question: Question) -> Result<(), Failure> {
    let compile = CompileArguments { settings: both.other_set.clone(), ..Default::default() };
    let other = ModelArguments { path: path.to_path_buf(), compile };
    let numbers = ParameterArguments { params: both.other.clone(), ..both.parameters.clone() };
    let (p, p_values) = with_numbers(&both.model, &both.parameters)?;
    let (q, q_values) = with_numbers(&other, &numbers)?;
    let found = question((&p, &p_values), (&q, &q_values));
    let found =
        found.map_err(|error| Failure::wrong(format!("the {what} of `{}` and `{}`: {error}", p.name, q.name)))?;
    output::print(&format!("{found}\n"))
}

/// A circuit as it is multiplied, and its numbers.
fn with_numbers(model: &ModelArguments, numbers: &ParameterArguments) -> Result<(Circuit, ParameterValues), Failure> {
    model::refuse_compiled(&model.path, "--other-model")?;
    let plan = model::open(model)?.plan;
    let mut values = ParameterValues::new();
    for (name, numbers) in parameters(numbers, &plan)?.values64(&plan) {
        values.insert(name, numbers);
    }
    let circuit = model::simple_circuit(model)?;
    Ok((circuit, values))
}

fn open(arguments: &ModelArguments) -> Result<Model, Failure> {
    model::open_for(arguments, &[Purpose::Training, Purpose::Mpe])
}

/// Refuses a model that is not known to be deterministic with all of these numbers.
fn require_deterministic(what: &str, model: &Model, numbers: &[&Parameters]) -> Result<(), Failure> {
    let circuit = &model.plan.name;
    if !model.queries.deterministic || !numbers.iter().all(|numbers| numbers.keep_zeros(&model.plan)) {
        return Err(Failure::wrong(format!(
            "the {what} of circuit `{circuit}` is not tractable: the circuit is not known to be deterministic. It would be if for every two \
             operands of a sum there were a variable of which indicators, or zeros of given numbers, allow them no common value"
        )));
    }
    if !information::has_all_flows(&model.plan) {
        return Err(Failure::wrong(format!(
            "the {what} of circuit `{circuit}` is not computed: it is an exact product of circuits, whose tables are computed from those of its factors"
        )));
    }
    Ok(())
}
