//! The model: a program with everything resolved.
//!
//! [`check`] loads a program, applies the static rules of `spec/static.md` and gives a [`Model`] or the
//! faults it found. In a model every name, size and loop is gone: a [`Circuit`] is a list of [`Unit`]s,
//! operands before users, each with its width and scope, and a list of weights. All rules hold:
//! products are decomposable, sums are smooth, widths and shapes agree, given weights are distributions,
//! multiplied circuits are compatible. Whatever fails after this stage is a fault of the compiler.
//!
//! # Design
//!
//! * `files` loads and parses, `circuits` picks the circuit and multiplies, `builders` replaces builders by the items
//!   they stand for, `elaborate` drives one circuit:
//!   `declare` (names, shapes, loops), `references` (which instance reads which), `order` (no cycles), then
//!   `units` (widths, scopes) and `weights` (ties, given numbers), instance by instance in topological order.
//! * An instance that is wrong becomes *poisoned*: it has no unit, and whoever reads it stays silent.
//! * Scopes are shared: a sum has the very scope of its operand, and only products make new ones. Together
//!   with intervals for contiguous scopes that keeps chains linear in time and memory.
//!
//! Invariant: this module never reads a file and never prints.

mod attributes;
mod builders;
mod circuits;
mod compatible;
mod declare;
mod dump;
mod elaborate;
mod expression;
mod files;
mod freeze;
mod gaussian;
mod input;
mod limits;
mod lookup;
mod monarch;
mod names;
mod naming;
mod numbers;
mod order;
mod references;
mod reports;
mod scope;
mod spans;
mod structure;
mod sums;
#[cfg(test)]
mod tests;
mod units;
mod unused;
mod weights;

pub use builders::{Built, Origin};
pub use dump::dump;
pub use expression::Value;
pub use freeze::freeze;
pub use scope::Scope;

pub(crate) use naming::scope_text;
use naming::{array_of, element, variable_name};

use crate::ast::Span;
use crate::circuit::{Family, Floor, VariableArray};
use crate::diagnostic::{Diagnostic, Source};
use std::sync::Arc;

/// Where the text of files comes from. The library itself does no input or output.
pub trait Loader {
    /// The text of the file at `path` as written in a `use` line of the file `from` (or as given to
    /// [`check`] if there is none) and its display name. One file must always have the same display name.
    fn load(&mut self, path: &str, from: Option<&str>) -> Result<Source, LoadError>;

    /// Rows of data for a builder. `path` stands in the file `from`; the columns are those of `variables`. Of many rows
    /// at most `most` are given, evenly spread. The error is a whole sentence for the user.
    fn observations(
        &mut self,
        path: &str,
        from: &str,
        variables: &[VariableArray],
        most: Option<usize>,
    ) -> Result<Observations, String> {
        let _ = (from, variables, most);
        Err(format!("the data {path:?} cannot be read here"))
    }
}

/// Rows of data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// How many.
    pub rows: usize,
    /// `[variables][rows]`: value indices; a missing value is the number of values of its variable.
    pub values: Vec<u32>,
}

/// Why a file could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// There is no such file.
    #[error("there is no file {0:?}")]
    NotFound(String),
    /// The file is not text.
    #[error("the file {name:?} is not UTF-8 text: the first wrong byte is at offset {offset}")]
    NotUtf8 {
        /// The file.
        name: String,
        /// How many bytes are good.
        offset: usize,
    },
    /// The operating system refuses.
    #[error("the file {name:?} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        name: String,
        /// What the operating system says.
        reason: String,
    },
}

/// What the user asks for on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `--set NAME=VALUE`, in order; a later value of a name replaces an earlier one.
    pub set: Vec<(String, String)>,
    /// `--circuit NAME`: another circuit than the last of the file.
    pub circuit: Option<String>,
    /// `--monarch 128x128`: the factors every dense sum of that width gets. Used by the passes, not here.
    pub monarch: Option<Vec<usize>>,
}

/// What [`check`] gives.
#[derive(Clone, Debug)]
pub struct Checked {
    /// All files loaded; spans count through this list.
    pub sources: Vec<Source>,
    /// The model, if there is no error.
    pub model: Option<Model>,
    /// Errors and warnings in source order.
    pub diagnostics: Vec<Diagnostic>,
}

/// A resolved program: one circuit, or the factors of a product.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name of the circuit, or of the product.
    pub name: String,
    /// Its doc comment.
    pub doc: Vec<String>,
    /// One circuit; or the factors of the product, in order, with names that differ.
    pub circuits: Vec<Circuit>,
    /// Present if the circuits are to be multiplied.
    pub product: Option<Product>,
}

/// A multiplication of all circuits of a model.
#[derive(Clone, Debug)]
pub struct Product {
    /// Whether `untied` was written.
    pub untied: bool,
    /// The values of the product's own parameters.
    pub settings: Vec<(String, Value)>,
}

/// A resolved circuit.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// Its name.
    pub name: String,
    /// Its doc comment.
    pub doc: Vec<String>,
    /// Its parameters with their values.
    pub settings: Vec<(String, Value)>,
    /// Arrays of variables, in order of declaration.
    pub variables: Vec<Variable>,
    /// Weights and tables, in order of first use.
    pub weights: Vec<Weights>,
    /// Names of inputs and regions.
    pub symbols: Vec<String>,
    /// Inputs and regions, instance by instance, in order of declaration.
    pub instances: Vec<Instance>,
    /// Inputs, products and sums; operands come before their users.
    pub units: Vec<Unit>,
    /// The root, of width 1.
    pub root: UnitId,
    /// What the builders of the circuit stand for, in order.
    pub built: Vec<Built>,
}

/// An array of variables.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Name, shape and domain.
    pub array: VariableArray,
    /// The index of its first variable; variables count through all arrays, row-major.
    pub first: u32,
    /// Its doc comment.
    pub doc: Vec<String>,
    /// Its declaration.
    pub span: Span,
}

/// Names a unit vector in [`Circuit::units`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnitId(pub u32);

/// Names weights in [`Circuit::weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightsId(pub u32);

/// An input or region at fixed indices, such as `z[3]`.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Position of its name in [`Circuit::symbols`].
    pub symbol: u32,
    /// Its indices.
    pub indices: Box<[i64]>,
    /// Its units. Several instances may be names of the same units (`region z[7] = emit[7]`).
    pub unit: UnitId,
    /// Its declaration.
    pub span: Span,
}

/// A vector of units.
#[derive(Clone, Debug)]
pub struct Unit {
    /// How it is computed.
    pub kind: UnitKind,
    /// How many units.
    pub width: usize,
    /// The variables it is about.
    pub scope: Arc<Scope>,
    /// The expression it comes from.
    pub span: Span,
    /// The first instance that names it: a position in [`Circuit::instances`].
    pub instance: Option<u32>,
}

/// How a vector of units is computed.
#[derive(Clone, Debug)]
pub enum UnitKind {
    /// A distribution of one variable, given by a table.
    Input {
        /// The variable.
        variable: u32,
        /// Its table.
        table: WeightsId,
    },
    /// Unit by unit product; the operands have equal widths and disjoint scopes.
    Hadamard(Vec<UnitId>),
    /// All pairs; the operands have disjoint scopes.
    Kronecker(Vec<UnitId>),
    /// A weighted sum over the units of the operands, one after the other; they have equal scopes.
    Sum {
        /// One or more operands.
        operands: Vec<UnitId>,
        /// Never a table or mixing weights.
        weights: WeightsId,
    },
    /// A weighted sum unit by unit; the operands have equal widths and scopes.
    Mixing {
        /// Two or more operands, or one with the given weight 1.
        operands: Vec<UnitId>,
        /// Mixing weights.
        weights: WeightsId,
    },
}

impl UnitKind {
    /// The operands in order.
    pub fn operands(&self) -> &[UnitId] {
        match self {
            UnitKind::Input { .. } => &[],
            UnitKind::Hadamard(operands) | UnitKind::Kronecker(operands) => operands,
            UnitKind::Sum { operands, .. } | UnitKind::Mixing { operands, .. } => operands,
        }
    }
}

/// A table or weights, with the name it has in a parameter file.
#[derive(Clone, Debug)]
pub struct Weights {
    /// The tie name, or an automatic one.
    pub name: String,
    /// Kind and shape.
    pub shape: WeightsShape,
    /// First values.
    pub init: WeightsInit,
    /// Where they are first used.
    pub span: Span,
}

/// The kind and shape of weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsShape {
    /// Probabilities `[width, values]` of an input.
    Table {
        /// Units.
        width: usize,
        /// Values of the variable.
        values: usize,
    },
    /// Means and variances `[width, 2]` of a Gaussian input.
    Gaussian {
        /// Units.
        width: usize,
        /// What no variance is below.
        floor: Floor,
    },
    /// `[outputs, inputs]`.
    Dense {
        /// Units of the sum.
        outputs: usize,
        /// Units summed over.
        inputs: usize,
    },
    /// `[blocks, size, size]`.
    BlockDiagonal {
        /// Number of blocks.
        blocks: usize,
        /// Outputs and inputs of each block.
        size: usize,
    },
    /// One tensor `[H / b, b, b]` for each factor `b`.
    Monarch {
        /// The factors; their product `H` is the width.
        factors: Vec<usize>,
    },
    /// `[width, inputs]`.
    Mixing {
        /// Units.
        width: usize,
        /// Number of vectors.
        inputs: usize,
    },
}

/// The first values of weights.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightsInit {
    /// Random, or from a parameter file.
    Random,
    /// Given in the source, row-major; probabilities.
    Given(Arc<[f64]>),
    /// Probability 1 for one value, for every unit.
    Indicator(usize),
    /// Probability 1 for value `u`, for unit `u`.
    Identity,
    /// Random members of a family, or from a parameter file.
    Member(Family),
}

impl Circuit {
    /// A unit vector.
    pub fn unit(&self, id: UnitId) -> &Unit {
        &self.units[id.0 as usize]
    }

    /// Weights.
    pub fn weights(&self, id: WeightsId) -> &Weights {
        &self.weights[id.0 as usize]
    }

    /// How an instance is written: `z[3]`.
    pub fn instance_name(&self, instance: u32) -> String {
        let instance = &self.instances[instance as usize];
        element(&self.symbols[instance.symbol as usize], &instance.indices)
    }

    /// How a unit vector is called in dumps and messages: by its instance if it has one.
    pub fn unit_name(&self, id: UnitId) -> Option<String> {
        self.unit(id).instance.map(|instance| self.instance_name(instance))
    }

    /// How a variable is written: `x[3]`.
    pub fn variable_name(&self, variable: u32) -> String {
        variable_name(&self.variables, variable)
    }

    /// The variables of a scope in short: `x[3..256], y`.
    pub fn scope_text(&self, scope: &Scope) -> String {
        scope_text(&self.variables, scope)
    }

    /// The number of variables.
    pub fn variable_count(&self) -> usize {
        self.variables.last().map_or(0, |v| v.first as usize + v.array.shape.iter().product::<usize>())
    }
}

/// Loads the program at `path`, applies all static rules and resolves everything.
pub fn check(loader: &mut dyn Loader, path: &str, options: &Options) -> Checked {
    let mut reports = reports::Reports::default();
    let program = files::load(loader, path, &mut reports);
    let model = circuits::resolve(&program, loader, options, &mut reports);
    let model = if reports.errors() == 0 { model } else { None };
    Checked { sources: program.sources, model, diagnostics: reports.finish() }
}
