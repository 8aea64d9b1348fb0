//! From a program to its plan: the stages in order, and what each shows of itself.
//!
//! [`compile`] is the whole compiler in one function; [`compile_ir`] starts from the text form of the circuit IR.
//! Stages do not know about dumps, timings and stopping: that is done here.
//!
//! * errors of the user end at `check`; what fails to the right of it is a bug of the compiler
//!   ([`PassError::Broken`]), except options that ask for what a circuit does not have ([`PassError::Refused`])
//! * every dump is a function of the program and the options alone

mod emit;
#[cfg(test)]
mod tests;

pub use emit::{Dump, Emit, EmitKind, Format};

use crate::circuit::read::{ReadError, read};
use crate::circuit::{Module, print::print};
use crate::constraint::{Constraint, ConstraintError, constrained};
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::model::{self, Loader, Model};
use crate::passes::{self, DumpRequest, PASSES, Pass, PassContext, PassError};
use crate::plan::deterministic::is_deterministic;
use crate::plan::flow::Purpose;
use crate::plan::kernels::Target;
use crate::plan::{self, Plan, PlanOptions, Stats};
use crate::{build, regions};
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::queries::Queries;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The stages before the passes; `--stop-after` knows them by name.
pub const STAGES: &[&str] = &["check", "regions", "circuit"];

/// What the compiler is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct CompileOptions {
    /// How the program is resolved; also the option `--monarch`.
    pub model: model::Options,
    /// What complete rows must satisfy; the circuit, a chain, is multiplied with its automaton.
    pub constraint: Option<Constraint>,
    /// How many rows of data are expected at a time.
    pub batch: Option<usize>,
    /// The device that schedules are chosen for.
    pub target: Target,
    /// What to dump.
    pub emits: Vec<Emit>,
    /// Passes after which the circuit is printed.
    pub print_after: Vec<String>,
    /// Print the circuit after every pass.
    pub print_after_all: bool,
    /// The last stage or pass to run.
    pub stop_after: Option<String>,
    /// What plans are made for, besides likelihoods.
    pub purposes: Vec<Purpose>,
}

impl Default for CompileOptions {
    fn default() -> Self {
        CompileOptions {
            model: model::Options::default(),
            constraint: None,
            batch: None,
            target: Target::CPU,
            emits: Vec::new(),
            print_after: Vec::new(),
            print_after_all: false,
            stop_after: None,
            purposes: Vec::new(),
        }
    }
}

/// What the compiler gives.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// All files that were read; spans of diagnostics count through this list.
    pub sources: Vec<Source>,
    /// Errors and warnings about the program, in source order.
    pub diagnostics: Vec<Diagnostic>,
    /// What the user should know: things that were asked for and not done, with the reason.
    pub notes: Vec<String>,
    /// Dense weights that `--monarch` has replaced.
    pub replaced: Vec<passes::Replaced>,
    /// What was asked for with `emits`, in the order of the stages.
    pub dumps: Vec<Dump>,
    /// The name of a pass and the circuit after it, for each pass asked for.
    pub printed: Vec<(String, String)>,
    /// How long each stage took.
    pub timings: Vec<StageTiming>,
    /// How long each pass took, and what it did to the number of layers.
    pub passes: Vec<passes::Timing>,
    /// The program, resolved; none if it has errors or if the compiler started from circuit IR.
    pub model: Option<Model>,
    /// The circuit after the last pass that ran.
    pub module: Option<Module>,
    /// The plan; none if the program has errors or the compiler was to stop before.
    pub plan: Option<Plan>,
    /// Work and memory of the plan.
    pub stats: Option<Stats>,
    /// How flows are computed, if that was asked for.
    pub flows: Option<FlowPlan>,
    /// The queries that were asked for.
    pub queries: Queries,
}

impl Compiled {
    /// Whether the program has errors.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// How long a stage took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageTiming {
    /// `check`, `regions`, `circuit`, `passes`, `plan`, `flows`, `queries` or `dump`.
    pub stage: &'static str,
    /// Its time.
    pub duration: Duration,
}

/// Why the compiler did not get to the end although the program has no errors.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum CompileError {
    /// An option names neither a stage nor a pass.
    #[error("there is no stage or pass `{name}`; the stages are {}, the passes {}", STAGES.join(", "), pass_names())]
    UnknownStage {
        /// The name.
        name: String,
    },
    /// The text is no circuit IR.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A pass did not work.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The circuit cannot be constrained.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
}

fn pass_names() -> String {
    PASSES.iter().map(|pass| pass.name).collect::<Vec<_>>().join(", ")
}

/// Compiles the program at `path`.
pub fn compile(loader: &mut dyn Loader, path: &str, options: &CompileOptions) -> Result<Compiled, CompileError> {
    let mut run = Run::new(options)?;
    let checked = run.timed("check", |_| model::check(loader, path, &options.model));
    run.dump_sources(&checked.sources);
    run.compiled.sources = checked.sources;
    run.compiled.diagnostics = checked.diagnostics;
    let Some(model) = checked.model else { return Ok(run.compiled) };
    run.dump_model(&model);
    let model = run.compiled.model.insert(model).clone();
    if run.stops_after("check") {
        return Ok(run.compiled);
    }
    let regions = run.timed("regions", |_| regions::from_model(&model));
    run.dump_regions(&regions);
    if run.stops_after("regions") {
        return Ok(run.compiled);
    }
    let module = run.timed("circuit", |_| build::circuit(&model, &regions));
    run.finish(module)
}

/// Compiles the text form of the circuit IR.
pub fn compile_ir(text: &str, options: &CompileOptions) -> Result<Compiled, CompileError> {
    let mut run = Run::new(options)?;
    let module = run.timed("circuit", |_| read(text))?;
    run.finish(module)
}

/// A compilation under way.
struct Run<'a> {
    options: &'a CompileOptions,
    compiled: Compiled,
}

impl<'a> Run<'a> {
    fn new(options: &'a CompileOptions) -> Result<Self, CompileError> {
        let pass = |name: &&String| passes::by_name(name).is_none();
        let unknown = options
            .print_after
            .iter()
            .find(pass)
            .or_else(|| options.stop_after.iter().filter(pass).find(|name| !STAGES.contains(&name.as_str())));
        match unknown {
            Some(name) => Err(CompileError::UnknownStage { name: name.clone() }),
            None => Ok(Run { options, compiled: Compiled::default() }),
        }
    }

    fn timed<T>(&mut self, stage: &'static str, work: impl FnOnce(&mut Self) -> T) -> T {
        let start = Instant::now();
        let result = work(self);
        let duration = start.elapsed();
        match self.compiled.timings.iter_mut().find(|timing| timing.stage == stage) {
            Some(timing) => timing.duration += duration,
            None => self.compiled.timings.push(StageTiming { stage, duration }),
        }
        result
    }

    fn stops_after(&self, name: &str) -> bool {
        self.options.stop_after.as_deref() == Some(name)
    }

    /// The passes and the plan. The circuit is looked at twice on the way: before its sums are lowered, to
    /// compare them with dense ones, and before chains are rolled, for a fingerprint that says what is computed
    /// and not how, and which parameters fit: a constraint has no part in it.
    fn finish(mut self, module: Module) -> Result<Compiled, CompileError> {
        if self.stops_after("circuit") {
            self.dump_circuit(&module);
            self.compiled.module = Some(module);
            return Ok(self.compiled);
        }
        let [expand, simplify, schedule] = phases();
        let (constraint, monarch) = (self.options.constraint.as_ref(), self.options.model.monarch.clone());
        let is_last = constraint.is_none();
        let Some(expanded) = self.passes(expand, module, None, is_last)? else { return Ok(self.compiled) };
        let mut sums = expanded.circuits[0].clone();
        let Some(mut simple) = self.passes(simplify, expanded, monarch, is_last)? else { return Ok(self.compiled) };
        let fingerprint = self.timed("plan", |_| fingerprint(&simple));
        if let Some(constraint) = constraint {
            sums = self.timed("passes", |_| constrained(&simple.circuits[0], constraint))?;
            let product = Module { circuits: vec![sums.clone()], product: None };
            let Some(expanded) = self.passes(expand, product, None, true)? else { return Ok(self.compiled) };
            let Some(both) = self.passes(simplify, expanded, None, true)? else { return Ok(self.compiled) };
            simple = both;
        }
        let mpe = self.options.purposes.contains(&Purpose::Mpe);
        let deterministic = mpe && self.timed("queries", |_| is_deterministic(&simple.circuits[0]));
        let Some(module) = self.passes(schedule, simple, None, true)? else { return Ok(self.compiled) };
        let options = PlanOptions { fingerprint, target: self.options.target };
        let plan = self.timed("plan", |_| plan::lower(&module.circuits[0], &options));
        let stats = self.timed("plan", |_| plan::stats(&plan, Some(&sums)));
        self.dump_circuit(&module);
        self.dump_plan(&plan, &stats);
        self.compiled.plan = Some(plan);
        self.compiled.stats = Some(stats);
        for &purpose in &self.options.purposes {
            let stage = if purpose == Purpose::Training { "flows" } else { "queries" };
            let plan = self.timed(stage, |_| plan::flow::lower_for(&module.circuits[0], &options, purpose));
            match purpose {
                Purpose::Training => self.compiled.flows = Some(plan),
                Purpose::Marginal => self.compiled.queries.marginal = Some(plan),
                Purpose::Sample => self.compiled.queries.sample = Some(plan),
                Purpose::Mpe => self.compiled.queries.mpe = Some(plan),
            }
        }
        self.compiled.queries.deterministic = deterministic;
        self.compiled.module = Some(module);
        Ok(self.compiled)
    }

    /// Runs passes; none if the last of them to run was among them. `monarch` is what replaces dense sums. Passes
    /// that will run again are not the last to run.
    fn passes(
        &mut self,
        passes: &[Pass],
        module: Module,
        monarch: Option<Vec<usize>>,
        is_last: bool,
    ) -> Result<Option<Module>, CompileError> {
        let ctx = PassContext { monarch, batch: self.options.batch };
        let request = DumpRequest {
            after: self.options.print_after.clone(),
            all: self.options.print_after_all,
            stop_after: self.options.stop_after.clone().filter(|name| is_last && passes::by_name(name).is_some()),
        };
        let outcome = self.timed("passes", |_| passes::run_passes(passes, module, &ctx, &request))?;
        self.compiled.printed.extend(outcome.dumps);
        self.compiled.passes.extend(outcome.timings);
        self.compiled.notes.extend(outcome.notes);
        self.compiled.replaced.extend(outcome.replaced);
        if is_last && passes.iter().any(|pass| self.stops_after(pass.name)) {
            self.dump_circuit(&outcome.module);
            self.compiled.module = Some(outcome.module);
            return Ok(None);
        }
        Ok(Some(outcome.module))
    }
}

/// The passes that make one circuit, those that simplify it, and those that say how it is computed.
fn phases() -> [&'static [Pass]; 3] {
    let position = |name: &str| PASSES.iter().position(|pass| pass.name == name).expect("the pass is in the table");
    let (lower, roll) = (position("lower-monarch"), position("roll"));
    [&PASSES[..lower], &PASSES[lower..roll], &PASSES[roll..]]
}

/// Equal for equal variables, parameters and layers.
fn fingerprint(module: &Module) -> String {
    blake3::hash(print(module).as_bytes()).to_hex().to_string()
}
