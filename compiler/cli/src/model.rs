//! A model on the command line: an architecture that is compiled on the way, or a compiled circuit.

use crate::arguments::{CompileArguments, ModelArguments};
use crate::failure::Failure;
use crate::inspect::{Origin, sections};
use crate::loader::Files;
use crate::program;
use danaus_artifact::container::MAGIC;
use danaus_artifact::file;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::gpu::codes;
use danaus_artifact::plan::Plan;
use danaus_artifact::queries::Queries;
use danaus_compiler::circuit::{Circuit, Domain, Module};
use danaus_compiler::pipeline::CompileOptions;
use danaus_compiler::plan::flow::Purpose;
use danaus_compiler::plan::{Stats, stats};
use danaus_runtime::files::{self, Bytes};
use std::path::Path;

/// A model, ready to be used.
pub struct Model {
    /// The plan.
    pub plan: Plan,
    /// How flows are computed, if training was asked for.
    pub flows: Option<FlowPlan>,
    /// The queries besides likelihoods, if they were asked for.
    pub queries: Queries,
    /// What the plan costs.
    pub stats: Stats,
    /// The circuit's doc comment.
    pub doc: Vec<String>,
    /// The compiled file, if it was read from one.
    pub origin: Option<Origin>,
}

/// Opens a model to ask it for likelihoods.
pub fn open(arguments: &ModelArguments) -> Result<Model, Failure> {
    open_for(arguments, &[])
}

/// Opens a model to look at it: with all that it was compiled for.
pub fn open_to_inspect(arguments: &ModelArguments) -> Result<Model, Failure> {
    match compiled_file(&arguments.path)? {
        Some(bytes) => from_artifact(arguments, &bytes),
        None => from_program(arguments, &PURPOSES),
    }
}

/// Opens a model for some purposes, all of which it has.
pub fn open_for(arguments: &ModelArguments, purposes: &[Purpose]) -> Result<Model, Failure> {
    let Some(bytes) = compiled_file(&arguments.path)? else { return from_program(arguments, purposes) };
    let model = from_artifact(arguments, &bytes)?;
    for &purpose in purposes {
        if !model.has(purpose) {
            let (path, name) = (arguments.path.display(), name(purpose));
            return Err(Failure::wrong(format!(
                "`{path}` was compiled without what `{name}` needs; compile it again with {name} among --queries"
            )));
        }
    }
    Ok(model)
}

impl Model {
    /// Whether it was compiled for a purpose.
    pub fn has(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Training => self.flows.is_some(),
            Purpose::Marginal => self.queries.marginal.is_some(),
            Purpose::Sample => self.queries.sample.is_some(),
            Purpose::Mpe => self.queries.mpe.is_some(),
        }
    }
}

/// All purposes besides likelihoods, for which every circuit is compiled.
pub const PURPOSES: [Purpose; 4] = [Purpose::Training, Purpose::Marginal, Purpose::Sample, Purpose::Mpe];

/// How a purpose is called on the command line.
pub fn name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Training => "train",
        Purpose::Marginal => "marginal",
        Purpose::Sample => "sample",
        Purpose::Mpe => "mpe",
    }
}

/// The circuit of an architecture after the passes that say what is computed, before those that say how. Messages are not shown.
pub fn simple_circuit(arguments: &ModelArguments) -> Result<Circuit, Failure> {
    Ok(circuit_after(arguments, "prune")?.circuits.remove(0))
}

fn circuit_after(arguments: &ModelArguments, last: &str) -> Result<Module, Failure> {
    let mut files = Files::for_program(&arguments.path)?;
    let compiled = program::compile_quietly(&mut files, &arguments.path, &options(arguments, Some(last))?)?;
    Ok(compiled.module.expect("the program has no errors, and the compiler was told to stop with the circuit"))
}

/// The circuit of an architecture as it was written. A product is multiplied out, `--monarch` is applied and what it
/// replaces removed, and so is `--constraint`, since they decide which parameters there are. Messages are not shown: the model has been opened.
pub fn circuit(arguments: &ModelArguments) -> Result<Module, Failure> {
    let written = circuit_after(arguments, "circuit")?;
    let CompileArguments { monarch, constraint, .. } = &arguments.compile;
    if written.product.is_none() && monarch.is_none() && constraint.constraint.is_none() {
        return Ok(written);
    }
    circuit_after(arguments, "prune")
}

/// The plan of an architecture without its constraint. Messages are not shown: the model has been opened with it.
pub fn without_constraint(arguments: &ModelArguments) -> Result<Plan, Failure> {
    let mut files = Files::for_program(&arguments.path)?;
    let options = CompileOptions { constraint: None, ..options(arguments, None)? };
    let compiled = program::compile_quietly(&mut files, &arguments.path, &options)?;
    Ok(compiled.plan.expect("the program has no errors"))
}

/// Refuses compiled circuits where the architecture is needed.
pub fn refuse_compiled(path: &Path, option: &str) -> Result<(), Failure> {
    match compiled_file(path)? {
        Some(_) => Err(Failure::usage(format!(
            "{option} needs the circuit as it was written, but `{}` is compiled; name the architecture (.pc)",
            path.display()
        ))),
        None => Ok(()),
    }
}

/// The bytes of the file if it is a compiled circuit: by its name, or because it starts as one.
fn compiled_file(path: &Path) -> Result<Option<Bytes>, Failure> {
    if path == Path::new("-") {
        return Ok(None);
    }
    let named = path.extension().is_some_and(|ending| ending == "pcb");
    let bytes = files::read(path).map_err(Failure::usage)?;
    Ok((named || bytes.starts_with(&MAGIC)).then_some(bytes))
}

fn from_artifact(arguments: &ModelArguments, bytes: &[u8]) -> Result<Model, Failure> {
    if let Some(option) = arguments.compile.given() {
        return Err(Failure::usage(format!(
            "{option} is for architectures (.pc), but `{}` is a compiled circuit; compile it again with {option}",
            arguments.path.display()
        )));
    }
    let wrong = |error| Failure::wrong(format!("`{}`: {error}", arguments.path.display()));
    let artifact = file::read(bytes).map_err(wrong)?;
    let mut manifest = artifact.manifest().clone();
    let doc = manifest.options.remove(program::DOC).unwrap_or_default();
    let gpus = codes(&artifact).map_err(wrong)?;
    let origin = Some(Origin { manifest, sections: sections(bytes), gpus });
    let (plan, flows, queries) = artifact.into_plans();
    let queries = queries.unwrap_or_default();
    Ok(Model {
        stats: stats(&plan, None),
        plan,
        flows,
        queries,
        doc: doc.lines().map(str::to_string).collect(),
        origin,
    })
}

fn from_program(arguments: &ModelArguments, purposes: &[Purpose]) -> Result<Model, Failure> {
    let options = CompileOptions { purposes: purposes.to_vec(), ..options(arguments, None)? };
    let compiled = program::compile(&arguments.path, &options)?;
    program::refuse_errors(&compiled)?;
    let plan = compiled.plan.expect("the program was compiled to the end");
    let stats = compiled.stats.expect("a plan has statistics");
    Ok(Model {
        plan,
        flows: compiled.flows,
        queries: compiled.queries,
        stats,
        doc: compiled.model.map_or_else(Vec::new, |model| model.doc),
        origin: None,
    })
}

fn options(arguments: &ModelArguments, stop_after: Option<&str>) -> Result<CompileOptions, Failure> {
    Ok(CompileOptions {
        model: arguments.compile.options(),
        constraint: arguments.compile.constraint.constraint()?,
        stop_after: stop_after.map(str::to_string),
        ..CompileOptions::default()
    })
}

/// Whether likelihoods are densities.
pub fn has_real(plan: &Plan) -> bool {
    plan.variables.iter().any(|array| array.domain == Domain::Real)
}
