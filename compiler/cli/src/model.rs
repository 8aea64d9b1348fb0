//! A model on the command line: an architecture that is compiled on the way, or a compiled circuit.

use crate::arguments::ModelArguments;
use crate::failure::Failure;
use crate::inspect::{Origin, sections};
use crate::loader::Files;
use crate::program;
use danaus_artifact::container::MAGIC;
use danaus_artifact::file;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::Plan;
use danaus_compiler::circuit::Module;
use danaus_compiler::pipeline::CompileOptions;
use danaus_compiler::plan::{Stats, stats};
use danaus_runtime::files::{self, Bytes};
use std::path::Path;

/// A model, ready to be used.
pub struct Model {
    /// The plan.
    pub plan: Plan,
    /// How flows are computed, if training was asked for.
    pub flows: Option<FlowPlan>,
    /// What the plan costs.
    pub stats: Stats,
    /// The circuit's doc comment.
    pub doc: Vec<String>,
    /// The compiled file, if it was read from one.
    pub origin: Option<Origin>,
}

/// Opens a model to ask it something.
pub fn open(arguments: &ModelArguments) -> Result<Model, Failure> {
    match compiled_file(&arguments.path)? {
        Some(bytes) => from_artifact(arguments, &bytes),
        None => from_program(arguments, false),
    }
}

/// Opens a model to look at it: with its flows, if it has them.
pub fn open_to_inspect(arguments: &ModelArguments) -> Result<Model, Failure> {
    match compiled_file(&arguments.path)? {
        Some(bytes) => from_artifact(arguments, &bytes),
        None => from_program(arguments, true),
    }
}

/// Opens a model to train it: it has its flows.
pub fn open_with_flows(arguments: &ModelArguments) -> Result<Model, Failure> {
    let Some(bytes) = compiled_file(&arguments.path)? else { return from_program(arguments, true) };
    let model = from_artifact(arguments, &bytes)?;
    if model.flows.is_none() {
        let path = arguments.path.display();
        return Err(Failure::wrong(format!("`{path}` was compiled without what training needs; compile it again")));
    }
    Ok(model)
}

/// The circuit of an architecture as it was written. A product is multiplied out, and `--monarch` is applied and what it
/// replaces removed, since they decide which parameters there are. Messages are not shown: the model has been opened.
pub fn circuit(arguments: &ModelArguments) -> Result<Module, Failure> {
    let circuit = |last: &str| {
        let mut files = Files::for_program(&arguments.path)?;
        let compiled = program::compile_quietly(&mut files, &arguments.path, &options(arguments, Some(last)))?;
        Ok(compiled.module.expect("the program has no errors, and the compiler was told to stop with the circuit"))
    };
    let written: Module = circuit("circuit")?;
    if written.product.is_none() && arguments.compile.monarch.is_none() {
        return Ok(written);
    }
    circuit("prune")
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
    let origin = Some(Origin { manifest, sections: sections(bytes) });
    let (plan, flows) = artifact.into_plans();
    Ok(Model { stats: stats(&plan, None), plan, flows, doc: doc.lines().map(str::to_string).collect(), origin })
}

fn from_program(arguments: &ModelArguments, flows: bool) -> Result<Model, Failure> {
    let options = CompileOptions { flows, ..options(arguments, None) };
    let compiled = program::compile(&arguments.path, &options)?;
    program::refuse_errors(&compiled)?;
    let plan = compiled.plan.expect("the program was compiled to the end");
    let stats = compiled.stats.expect("a plan has statistics");
    Ok(Model {
        plan,
        flows: compiled.flows,
        stats,
        doc: compiled.model.map_or_else(Vec::new, |model| model.doc),
        origin: None,
    })
}

fn options(arguments: &ModelArguments, stop_after: Option<&str>) -> CompileOptions {
    CompileOptions {
        model: arguments.compile.options(),
        stop_after: stop_after.map(str::to_string),
        ..CompileOptions::default()
    }
}
