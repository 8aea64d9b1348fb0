//! Builders: `regions quad_tree(p) { .. }` becomes inputs, regions and a root like those that are written out.
//!
//! # Design
//!
//! A builder is a shorthand of the language. Here it is replaced by the items that it stands for, and what comes after
//! knows nothing of it: the same rules hold for what it gives, and `danaus check --expand` writes the very items that
//! are compiled. `arguments` reads what stands in parentheses, `data` the data, [`crate::structure`] splits the variables,
//! `recipe` reads the layers, `items` writes the items. All of them stand at the head of the builder; their attributes stand
//! where they are written.

mod arguments;
mod data;
mod items;
mod recipe;

use super::expression::Setting;
use super::reports::Reports;
use super::{Loader, Variable, limits};
use crate::ast::{self, Builder, CircuitBody, Item, ItemKind, Span};
use crate::diagnostic::Diagnostic;
use crate::structure::grids::{self, Cut, Image};
use crate::structure::{Content, Structure, poon_domingos, random, trees};
use arguments::Arguments;

/// What a builder was replaced by.
#[derive(Clone, Debug)]
pub struct Built {
    /// Where the builder stands.
    pub span: Span,
    /// The inputs and regions it stands for, and the root if it has no name.
    pub items: Vec<Item>,
    /// The data it was learnt from.
    pub origin: Option<Origin>,
}

/// The data that a structure was learnt from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as it is named in the program.
    pub path: String,
    /// How many rows were read.
    pub rows: usize,
    /// BLAKE3 of the values, hexadecimal: equal for equal values, whatever form the file has.
    pub fingerprint: String,
}

impl Origin {
    /// What it is, in words: `16181 rows, BLAKE3 0123..`
    pub fn summary(&self) -> String {
        format!("{} rows, BLAKE3 {}", self.rows, self.fingerprint)
    }
}

/// What all builders of a circuit need.
pub(super) struct Context<'c> {
    /// The variables of the circuit that are not faulty.
    pub variables: &'c [Variable],
    /// The names of those that are, which has been reported.
    pub faulty: &'c [String],
    pub settings: &'c [Setting],
    pub reports: &'c mut Reports,
    pub loader: &'c mut dyn Loader,
    /// The file that the circuit stands in.
    pub file: &'c str,
}

/// Whether a circuit has builders.
pub(super) fn has_builders(ast: &ast::Circuit) -> bool {
    let CircuitBody::Items(items) = &ast.body else { return false };
    items.iter().any(|item| matches!(item.kind, ItemKind::Regions(_)))
}

/// What the builders of a circuit stand for. `None` if one of them is faulty, which has been reported.
pub(super) fn build(ast: &ast::Circuit, mut ctx: Context<'_>) -> Option<Vec<Built>> {
    let CircuitBody::Items(items) = &ast.body else { return Some(Vec::new()) };
    let mut built = Vec::new();
    let mut is_good = true;
    for item in items {
        let ItemKind::Regions(builder) = &item.kind else { continue };
        match ctx.build(builder, item.span) {
            Some(one) => built.push(one),
            None => is_good = false,
        }
    }
    is_good.then_some(built)
}

/// The circuit with its builders replaced.
pub(super) fn replace(ast: &ast::Circuit, built: &[Built]) -> ast::Circuit {
    let CircuitBody::Items(items) = &ast.body else { return ast.clone() };
    let mut built = built.iter();
    let mut replaced = Vec::with_capacity(items.len());
    for item in items {
        match &item.kind {
            ItemKind::Regions(_) => {
                replaced.extend(built.next().expect("every builder was built").items.iter().cloned());
            }
            ItemKind::Variable { .. } | ItemKind::Input { .. } | ItemKind::Region { .. } | ItemKind::Root { .. } => {
                replaced.push(item.clone());
            }
        }
    }
    let (doc, name, parameters) = (ast.doc.clone(), ast.name.clone(), ast.parameters.clone());
    ast::Circuit { doc, name, parameters, body: CircuitBody::Items(replaced), span: ast.span }
}

impl Context<'_> {
    fn build(&mut self, builder: &Builder, span: Span) -> Option<Built> {
        let arguments = self.arguments(builder);
        let recipe = self.recipe(builder);
        let (arguments, recipe) = (arguments?, recipe?);
        let (structure, origin) = match builder.builder.value.as_str() {
            "chow_liu" => self.learnt(builder, &arguments).map(|(structure, origin)| (structure, Some(origin)))?,
            _ => (self.structure(builder, &arguments)?, None),
        };
        let items = self.write(builder, &recipe, &arguments, &structure)?;
        Some(Built { span, items, origin })
    }

    fn structure(&mut self, builder: &Builder, arguments: &Arguments) -> Option<Structure> {
        let count = arguments.count();
        let number = |name: &str| arguments.number(name);
        let structure = match builder.builder.value.as_str() {
            "chain" => trees::chain(count),
            "linear" => trees::linear(count),
            "balanced" => trees::balanced(count),
            "random" => {
                let (depth, repetitions) = (number("depth") as u32, number("repetitions") as u32);
                self.check_size(builder, u64::from(repetitions) * u64::from(count))?;
                random::random(count, depth, repetitions, number("seed") as u64)
            }
            "quad_tree" => {
                let cut = if number("splits") == 2 { Cut::Halves } else { Cut::Quarters };
                grids::quad(arguments.image(), cut)
            }
            "quad_graph" => {
                let cut = if number("splits") == 2 { Cut::BothHalves } else { Cut::BothHalvesAndQuarters };
                grids::quad(arguments.image(), cut)
            }
            "poon_domingos" => {
                let (image, delta): (Image, _) = (arguments.image(), number("delta") as u32);
                let (partitions, regions) = poon_domingos::size(image, delta);
                self.check_size(builder, partitions.saturating_add(regions))?;
                poon_domingos::poon_domingos(image, delta)
            }
            other => unreachable!("the builder `{other}` is in the table"),
        };
        let inputs = structure.regions.iter().map(|region| match &region.content {
            Content::Leaf(variables) => variables.len() as u64,
            Content::Partitions(_) => 1,
        });
        self.check_size(builder, inputs.sum())?;
        Some(structure)
    }

    fn check_size(&mut self, builder: &Builder, size: u64) -> Option<()> {
        if size <= limits::INSTANCES {
            return Some(());
        }
        let message = format!("this builder gives {size} inputs, regions and partitions, which is too many");
        let label = format!("at most {} are possible", limits::INSTANCES);
        self.reports.add(Diagnostic::error("size.regions", message, builder.head, label));
        None
    }
}
