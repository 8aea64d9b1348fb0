//! The passes over the circuit IR and what runs them.
//!
//! A pass is a value ([`Pass`]): its name is the name of its file, of its test folder and of its spec page. The
//! order is one table ([`PASSES`]). Passes only rewrite: verifying, timing and dumping belong to [`run`].
//!
//! Invariant: a pass never changes the value of the circuit, except where its page says so (`untied`,
//! `--monarch`), and never edits a graph: it builds a new one.

pub mod fold;
pub mod fuse_layers;
pub mod lower_monarch;
pub mod multiply_circuits;
pub mod prune;
mod rebuild;
pub mod roll;
pub mod share;
#[cfg(test)]
mod structure_tests;

use crate::circuit::verify::{VerifyError, verify};
use crate::circuit::{Module, print::print};
use std::time::{Duration, Instant};

/// A rewriting of modules.
#[derive(Clone, Copy)]
pub struct Pass {
    /// `lower-monarch`.
    pub name: &'static str,
    /// One line for `danaus passes`.
    pub description: &'static str,
    /// What it does.
    pub run: fn(&Module, &PassContext) -> Result<Passed, PassError>,
}

/// What a pass gives back. A pass without notes ends in `Ok(module.into())`.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// The new module.
    pub module: Module,
    /// What the user should know: things that were asked for and not done, with the reason.
    pub notes: Vec<String>,
    /// Weights that others have taken the place of.
    pub replaced: Vec<Replaced>,
}

/// Dense weights that Monarch weights have taken the place of, by `--monarch`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The name of the dense weights.
    pub dense: String,
    /// The names of the factors' weights, the first factor first.
    pub factors: Vec<String>,
}

impl From<Module> for Passed {
    fn from(module: Module) -> Self {
        Passed { module, notes: Vec::new(), replaced: Vec::new() }
    }
}

/// Options of the passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PassContext {
    /// `--monarch 128x128`: square dense sums of this width become Monarch sums.
    pub monarch: Option<Vec<usize>>,
    /// How many rows of data are expected at a time.
    pub batch: Option<usize>,
}

/// All passes in the order in which they run.
pub const PASSES: &[Pass] = &[
    multiply_circuits::PASS,
    lower_monarch::PASS,
    share::PASS,
    prune::PASS,
    roll::PASS,
    fold::PASS,
    fuse_layers::PASS,
];

/// The pass of this name.
pub fn by_name(name: &str) -> Option<&'static Pass> {
    PASSES.iter().find(|pass| pass.name == name)
}

/// What to dump, and where to stop.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DumpRequest {
    /// Names of passes after which the module is printed.
    pub after: Vec<String>,
    /// Print after all passes.
    pub all: bool,
    /// The last pass to run.
    pub stop_after: Option<String>,
}

/// How long a pass took and what it did to the number of layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The pass.
    pub pass: &'static str,
    /// Its own time, without verification and dumping.
    pub duration: Duration,
    /// Layers before, those of bodies of scans included.
    pub layers_before: usize,
    /// Layers after.
    pub layers_after: usize,
}

/// What [`run`] gives.
#[derive(Clone, Debug, PartialEq)]
pub struct PassOutcome {
    /// The result.
    pub module: Module,
    /// Name of the pass and the module after it, for each pass asked for.
    pub dumps: Vec<(String, String)>,
    /// One for each pass that ran, in order.
    pub timings: Vec<Timing>,
    /// Notes of the passes, each once.
    pub notes: Vec<String>,
    /// Weights that others have taken the place of.
    pub replaced: Vec<Replaced>,
}

/// Why the passes did not get to the end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PassError {
    /// There is no such pass.
    #[error("there is no pass `{name}`; the passes are {}", names(PASSES))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The module is not one the pass can work on.
    #[error("{0}")]
    Refused(String),
    /// The module breaks the contract of the IR: before any pass, or after the one named.
    #[error("{}:\n{error}", stage_text(.after))]
    Broken {
        /// The pass at fault.
        after: Option<&'static str>,
        /// What is broken.
        error: Box<VerifyError>,
    },
}

fn names(passes: &[Pass]) -> String {
    passes.iter().map(|pass| pass.name).collect::<Vec<_>>().join(", ")
}

fn stage_text(after: &Option<&'static str>) -> String {
    match after {
        Some(pass) => format!("internal error: the pass {pass} broke the circuit"),
        None => "the circuit is broken".into(),
    }
}

/// Runs all passes of the table.
pub fn run(module: Module, ctx: &PassContext, request: &DumpRequest) -> Result<PassOutcome, PassError> {
    run_passes(PASSES, module, ctx, request)
}

/// Runs the given passes: verifies before the first and after each, times each, and dumps where asked.
pub fn run_passes(
    passes: &[Pass],
    module: Module,
    ctx: &PassContext,
    request: &DumpRequest,
) -> Result<PassOutcome, PassError> {
    known(request)?;
    checked(&module, None)?;
    let mut outcome =
        PassOutcome { module, dumps: Vec::new(), timings: Vec::new(), notes: Vec::new(), replaced: Vec::new() };
    for pass in passes {
        let start = Instant::now();
        let Passed { module, notes, replaced } = (pass.run)(&outcome.module, ctx)?;
        let duration = start.elapsed();
        checked(&module, Some(pass.name))?;
        if request.all || request.after.iter().any(|name| name == pass.name) {
            outcome.dumps.push((pass.name.to_string(), dump(pass.name, &outcome.module, &module)));
        }
        let (layers_before, layers_after) = (layers(&outcome.module), layers(&module));
        outcome.timings.push(Timing { pass: pass.name, duration, layers_before, layers_after });
        for note in notes {
            if !outcome.notes.contains(&note) {
                outcome.notes.push(note);
            }
        }
        outcome.replaced.extend(replaced);
        outcome.module = module;
        if request.stop_after.as_deref() == Some(pass.name) {
            break;
        }
    }
    Ok(outcome)
}

/// The module after a pass under a line that says what changed; only the line if nothing did.
fn dump(pass: &str, before: &Module, after: &Module) -> String {
    if before == after {
        return format!("// after {pass} (unchanged)\n");
    }
    format!("// after {pass}: {} -> {} layers\n{}", layers(before), layers(after), print(after))
}

fn layers(module: &Module) -> usize {
    module.circuits.iter().map(|circuit| circuit.graph.total_len()).sum()
}

fn known(request: &DumpRequest) -> Result<(), PassError> {
    match request.after.iter().chain(&request.stop_after).find(|name| by_name(name).is_none()) {
        Some(name) => Err(PassError::Unknown { name: name.clone() }),
        None => Ok(()),
    }
}

fn checked(module: &Module, after: Option<&'static str>) -> Result<(), PassError> {
    verify(module).map_err(|error| PassError::Broken { after, error: Box::new(error) })
}
