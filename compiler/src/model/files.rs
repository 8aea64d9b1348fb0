//! Loads the main file and what it uses.
//!
//! A file is loaded once however often it is used. A file sees its own circuits and those of the files it
//! uses directly.

use super::limits;
use super::reports::{Reports, placeless};
use super::{LoadError, Loader};
use crate::ast::{Circuit, File, Span, Spanned};
use crate::diagnostic::{Diagnostic, Source};
use crate::parse;
use std::collections::BTreeMap;

/// A loaded file.
pub(super) struct Unit {
    /// Its syntax tree.
    pub file: File,
    /// The files it uses: where that is written, and their position in [`Program::files`].
    pub uses: Vec<(Span, usize)>,
    /// Whether it has errors of syntax: then its circuits may be damaged.
    pub is_damaged: bool,
    /// Whether circuits may be missing: errors of syntax, or it uses a file that cannot be loaded.
    pub incomplete: bool,
}

/// All files; the main one is first.
pub(super) struct Program {
    pub files: Vec<Unit>,
    pub sources: Vec<Source>,
}

/// A circuit of a program: its file and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CircuitId {
    pub file: usize,
    pub position: usize,
}

impl Program {
    /// The syntax tree of a circuit.
    pub fn circuit(&self, id: CircuitId) -> &Circuit {
        &self.files[id.file].file.circuits[id.position]
    }

    /// The circuits of a file.
    pub fn circuits(&self, file: usize) -> impl DoubleEndedIterator<Item = CircuitId> + '_ {
        let count = self.files.get(file).map_or(0, |unit| unit.file.circuits.len());
        (0..count).map(move |position| CircuitId { file, position })
    }

    /// The circuits that may be named in a file: its own, then those of the files it uses.
    pub fn visible(&self, file: usize) -> Vec<CircuitId> {
        let used = self.files.get(file).into_iter().flat_map(|unit| &unit.uses);
        self.circuits(file).chain(used.flat_map(|(_, used)| self.circuits(*used))).collect()
    }
}

/// Loads everything. Whatever cannot be loaded is reported and left out.
pub(super) fn load(loader: &mut dyn Loader, path: &str, reports: &mut Reports) -> Program {
    let mut program = Program { files: Vec::new(), sources: Vec::new() };
    match loader.load(path, None) {
        Ok(source) => {
            let mut chain = Vec::new();
            add(loader, source, &mut program, &mut chain, reports);
        }
        Err(error) => reports.add(placeless(rule_of(&error), error.to_string())),
    }
    duplicates(&program, reports);
    program
}

fn rule_of(error: &LoadError) -> &'static str {
    match error {
        LoadError::NotFound(_) => "file.missing",
        LoadError::NotUtf8 { .. } => "file.utf8",
        LoadError::Unreadable { .. } => "file.unreadable",
    }
}

/// Parses a file and what it uses; `chain` are the files that lead here.
fn add(
    loader: &mut dyn Loader,
    source: Source,
    program: &mut Program,
    chain: &mut Vec<String>,
    reports: &mut Reports,
) -> usize {
    let id = program.sources.len();
    let parsed = parse::parse(id as u32, &source.text);
    let is_damaged = !parsed.diagnostics.is_empty();
    parsed.diagnostics.into_iter().for_each(|d| reports.add(d));
    // What is used by a file that is refused anyway is not looked at: its paths may be damaged, too.
    let uses = if is_damaged { Vec::new() } else { parsed.file.uses.clone() };
    chain.push(source.name.clone());
    program.sources.push(source);
    program.files.push(Unit { file: parsed.file, uses: Vec::new(), is_damaged, incomplete: is_damaged });
    for path in &uses {
        match add_used(loader, path, program, chain, reports) {
            Some(used) if program.files[id].uses.iter().all(|(_, other)| *other != used) => {
                program.files[id].uses.push((path.span, used));
                program.files[id].incomplete |= program.files[used].is_damaged;
            }
            Some(used) => program.files[id].incomplete |= program.files[used].is_damaged,
            None => program.files[id].incomplete = true,
        }
    }
    chain.pop();
    id
}

fn add_used(
    loader: &mut dyn Loader,
    path: &Spanned<String>,
    program: &mut Program,
    chain: &mut Vec<String>,
    reports: &mut Reports,
) -> Option<usize> {
    let source = match loader.load(&path.value, chain.last().map(String::as_str)) {
        Ok(source) => source,
        Err(error) => {
            let fault = Diagnostic::error(rule_of(&error), error.to_string(), path.span, "used here");
            reports.add(fault.help("paths are relative to the file that contains the `use`"));
            return None;
        }
    };
    if let Some(start) = chain.iter().position(|name| *name == source.name) {
        let message = format!("{:?} uses itself", source.name);
        let mut names = chain[start..].to_vec();
        names.push(source.name);
        let fault = Diagnostic::error("use.recursion", message, path.span, "this closes the circle");
        reports.add(fault.help(format!("the files use each other: {}", names.join(" -> "))));
        return None;
    }
    if let Some(known) = program.sources.iter().position(|other| other.name == source.name) {
        return Some(known);
    }
    if program.sources.len() >= limits::FILES {
        let message = format!("the program has more than {} files", limits::FILES);
        reports.add(Diagnostic::error("use.recursion", message, path.span, "one too many"));
        return None;
    }
    Some(add(loader, source, program, chain, reports))
}

/// Two circuits of one name, in one file or through `use`.
fn duplicates(program: &Program, reports: &mut Reports) {
    for file in 0..program.files.len() {
        let mut known: BTreeMap<&str, Span> = BTreeMap::new();
        for id in program.visible(file) {
            let name = &program.circuit(id).name;
            let Some(first) = known.get(name.value.as_str()).copied() else {
                known.insert(&name.value, name.span);
                continue;
            };
            let message = format!("there are two circuits called `{}`", name.value);
            let used = program.files[file].uses.iter().find(|(_, used)| *used == id.file);
            let fault = match used {
                Some((place, _)) => Diagnostic::error("name.duplicate", message, *place, "this file defines it, too")
                    .with(name.span, "defined here"),
                None => Diagnostic::error("name.duplicate", message, name.span, "defined again"),
            };
            reports.add(fault.with(first, "first defined here").help("rename one of them"));
        }
    }
}
