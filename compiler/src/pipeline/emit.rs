//! What `--emit` knows: the stages that can be dumped and the forms they are dumped in.

use super::Run;
use crate::circuit::{Module, print};
use crate::diagnostic::Source;
use crate::model::{self, Model};
use crate::plan::{Plan, Stats, print::print_kernels};
use crate::regions::{self, RegionGraph};
use crate::{dump, parse, picture, plan};
use std::fmt;
use std::str::FromStr;

/// What is dumped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EmitKind {
    /// The tokens of the program.
    Tokens,
    /// Its syntax tree.
    Ast,
    /// The resolved program.
    Model,
    /// Its region graph.
    Regions,
    /// The circuit after the last pass that ran.
    Circuit,
    /// The plan.
    Plan,
    /// The kernels of the plan.
    Kernels,
    /// Work and memory of the plan.
    Stats,
}

/// The form of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Text for people.
    Text,
    /// Graphviz; for graphs.
    Dot,
    /// A picture; for graphs.
    Svg,
    /// JSON; for statistics.
    Json,
}

/// A dump that is asked for: `plan`, `regions.svg`, `stats.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit {
    /// What.
    pub kind: EmitKind,
    /// How.
    pub format: Format,
}

/// A dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// What was asked for.
    pub emit: Emit,
    /// The answer.
    pub text: String,
}

const KINDS: &[(&str, EmitKind)] = &[
    ("tokens", EmitKind::Tokens),
    ("ast", EmitKind::Ast),
    ("model", EmitKind::Model),
    ("regions", EmitKind::Regions),
    ("circuit", EmitKind::Circuit),
    ("plan", EmitKind::Plan),
    ("kernels", EmitKind::Kernels),
    ("stats", EmitKind::Stats),
];

impl fmt::Display for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(name, _)| name);
        let ending = match self.format {
            Format::Text => "",
            Format::Dot => ".dot",
            Format::Svg => ".svg",
            Format::Json => ".json",
        };
        write!(f, "{name}{ending}")
    }
}

impl FromStr for Emit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, ending) = text.split_once('.').unwrap_or((text, ""));
        let found = KINDS.iter().find(|(known, _)| *known == name);
        let Some(&(_, kind)) = found else {
            let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
            return Err(format!("`{name}` cannot be emitted; what can be is {}", names.join(", ")));
        };
        let format = match ending {
            "" => Format::Text,
            "dot" => Format::Dot,
            "svg" => Format::Svg,
            "json" => Format::Json,
            other => return Err(format!("`.{other}` is no form of a dump; the forms are .dot, .svg and .json")),
        };
        let emit = Emit { kind, format };
        if emit.is_possible() {
            Ok(emit)
        } else {
            Err(format!("{name} has no .{ending} form; regions and circuit have .dot and .svg, stats has .json"))
        }
    }
}

impl Emit {
    /// Whether the kind has the form.
    pub fn is_possible(self) -> bool {
        match self.format {
            Format::Text => true,
            Format::Dot | Format::Svg => matches!(self.kind, EmitKind::Regions | EmitKind::Circuit),
            Format::Json => self.kind == EmitKind::Stats,
        }
    }
}

impl Run<'_> {
    /// Adds the dump of a kind in every form that is asked for.
    fn dump(&mut self, kind: EmitKind, text: impl Fn(Format) -> String) {
        for &emit in self.options.emits.iter().filter(|emit| emit.kind == kind) {
            let text = self.timed("dump", |_| text(emit.format));
            self.compiled.dumps.push(Dump { emit, text });
        }
    }

    /// Tokens and syntax tree of the program's own file; not of those it uses.
    pub(super) fn dump_sources(&mut self, sources: &[Source]) {
        let Some(source) = sources.first() else { return };
        self.dump(EmitKind::Tokens, |_| dump::tokens(&source.text));
        self.dump(EmitKind::Ast, |_| dump::ast(&parse::parse(0, &source.text).file, &source.text));
    }

    pub(super) fn dump_model(&mut self, model: &Model) {
        self.dump(EmitKind::Model, |_| model::dump(model));
    }

    pub(super) fn dump_regions(&mut self, graph: &RegionGraph) {
        self.dump(EmitKind::Regions, |format| match format {
            Format::Dot => regions::dot(graph),
            Format::Svg => svg(&regions::dot(graph)),
            Format::Text | Format::Json => regions::dump(graph),
        });
    }

    /// The circuit. A picture of a product that is still pending is one of its first factor.
    pub(super) fn dump_circuit(&mut self, module: &Module) {
        self.dump(EmitKind::Circuit, |format| match format {
            Format::Dot => module.circuits.iter().map(picture::dot).collect(),
            Format::Svg => svg(&picture::dot(&module.circuits[0])),
            Format::Text | Format::Json => print::print(module),
        });
    }

    pub(super) fn dump_plan(&mut self, plan: &Plan, stats: &Stats) {
        self.dump(EmitKind::Plan, |_| plan::print(plan));
        self.dump(EmitKind::Kernels, |_| print_kernels(plan));
        self.dump(EmitKind::Stats, |format| match format {
            Format::Json => format!("{:#}\n", stats.to_json()),
            Format::Text | Format::Dot | Format::Svg => stats.to_text(),
        });
    }
}

/// The picture of a graph that the compiler has written.
fn svg(dot: &str) -> String {
    picture::svg(dot).unwrap_or_else(|error| panic!("the compiler's own graphs can be drawn: {error}"))
}
