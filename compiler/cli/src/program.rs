//! Programs through the compiler: what it says goes to stderr, what it makes goes back.

use crate::arguments::CompileArguments;
use crate::failure::Failure;
use crate::loader::Files;
use crate::messages;
use crate::output::say;
use danaus_artifact::file::{Artifact, SourceFile};
use danaus_compiler::constraint::ConstraintError;
use danaus_compiler::passes::PassError;
use danaus_compiler::pipeline::{self, CompileError, CompileOptions, Compiled};
use std::collections::BTreeMap;
use std::path::Path;

/// The key under which an artifact keeps the circuit's doc comment.
pub const DOC: &str = "doc";

/// Compiles a program. Errors are shown and are the end; warnings and notes are shown.
pub fn compile(path: &Path, options: &CompileOptions) -> Result<Compiled, Failure> {
    let compiled = compile_quietly(&mut Files::for_program(path)?, path, options)?;
    messages::show(&compiled.sources, &compiled.diagnostics);
    for note in &compiled.notes {
        say(format_args!("note: {note}"));
    }
    Ok(compiled)
}

/// Compiles a program whose messages have been shown, or will be.
pub fn compile_quietly(files: &mut Files, path: &Path, options: &CompileOptions) -> Result<Compiled, Failure> {
    pipeline::compile(files, &path.to_string_lossy(), options).map_err(failure)
}

/// Shows how many errors there are, if there are any, and ends.
pub fn refuse_errors(compiled: &Compiled) -> Result<(), Failure> {
    if compiled.has_errors() { messages::count(&compiled.diagnostics) } else { Ok(()) }
}

/// Whose fault it is: an unknown name is wrong usage, a refusal is about the program, and a circuit that a pass has
/// broken is ours.
pub fn failure(error: CompileError) -> Failure {
    match error {
        CompileError::UnknownStage { .. } | CompileError::Pass(PassError::Unknown { .. }) => Failure::usage(error),
        CompileError::Constraint(ConstraintError::Symbols { .. }) => Failure::usage(error),
        CompileError::Read(_) | CompileError::Pass(PassError::Refused(_)) | CompileError::Constraint(_) => {
            Failure::wrong(error)
        }
        CompileError::Pass(PassError::Broken { .. }) => panic!("{error}"),
    }
}

/// The artifact of a program that was compiled to the end.
pub fn artifact(compiled: &Compiled, arguments: &CompileArguments) -> Artifact {
    let plan = compiled.plan.clone().expect("the program was compiled to the end");
    let sources = compiled.sources.iter();
    let files = sources.map(|source| SourceFile { name: source.name.clone(), text: Some(source.text.clone()) });
    let artifact = Artifact::new(plan, options(compiled, arguments), files.collect());
    let artifact = match compiled.flows.clone() {
        Some(flows) => artifact.with_flows(flows),
        None => artifact,
    };
    if compiled.queries.names().is_empty() { artifact } else { artifact.with_queries(compiled.queries.clone()) }
}

/// What an artifact keeps about its compilation.
fn options(compiled: &Compiled, arguments: &CompileArguments) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for (name, value) in &arguments.settings {
        options.insert(format!("set {name}"), value.clone());
    }
    if let Some(circuit) = &arguments.circuit {
        options.insert("circuit".to_string(), circuit.clone());
    }
    if let Some(monarch) = &arguments.monarch {
        options.insert("monarch".to_string(), monarch.to_string());
    }
    let constraint = &arguments.constraint;
    options.extend(constraint.constraint.iter().map(|pattern| ("constraint".to_string(), pattern.clone())));
    options.extend(constraint.symbols.iter().map(|symbols| ("symbols".to_string(), symbols.to_string())));
    let circuits = compiled.model.iter().flat_map(|model| &model.circuits);
    for origin in circuits.flat_map(|circuit| &circuit.built).filter_map(|built| built.origin.as_ref()) {
        options.insert(format!("data {}", origin.path), origin.summary());
    }
    if let Some(model) = compiled.model.as_ref().filter(|model| !model.doc.is_empty()) {
        options.insert(DOC.to_string(), model.doc.join("\n"));
    }
    options
}
