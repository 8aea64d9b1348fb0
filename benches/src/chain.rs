//! The hidden Markov models that are measured: compiled from the programs in `examples/`, as a user would.

use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::{Plan, Step};
use danaus_artifact::queries::Queries;
use danaus_compiler::diagnostic::Source;
use danaus_compiler::model::{LoadError, Loader, Options};
use danaus_compiler::pipeline::{CompileOptions, Compiled, compile};
use danaus_compiler::plan::flow::Purpose;

/// A model and its size.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is called in tables: `monarch 128x128`.
    pub name: String,
    /// States.
    pub states: usize,
    /// Factors of the Monarch transition; empty if it is dense.
    pub factors: Vec<usize>,
    /// Positions.
    pub length: usize,
}

impl Case {
    /// `1024` is dense, `128x128` is Monarch.
    pub fn parse(text: &str, length: usize) -> Option<Case> {
        let factors: Option<Vec<usize>> = text.split('x').map(|part| part.parse().ok()).collect();
        let factors = factors.filter(|factors| factors.iter().all(|&factor| factor > 0))?;
        match factors.as_slice() {
            [states] => Some(Case { name: format!("dense {states}"), states: *states, factors: vec![], length }),
            [a, b] => Some(Case { name: format!("monarch {a}x{b}"), states: a * b, factors, length }),
            _ => None,
        }
    }

    /// Operations of the sums of all steps for one sample, a multiply-add counting as two.
    pub fn operations(&self) -> f64 {
        let inputs = if self.factors.is_empty() { self.states } else { self.factors.iter().sum() };
        2.0 * (self.states * inputs * (self.length - 1)) as f64
    }

    /// Compiles the example.
    pub fn plan(&self) -> Result<Plan, String> {
        self.plans().map(|(plan, _)| plan)
    }

    /// Compiles the example for training.
    pub fn plans(&self) -> Result<(Plan, FlowPlan), String> {
        let compiled = self.compiled(vec![Purpose::Training])?;
        Ok((compiled.plan.expect("it compiles"), compiled.flows.expect("flows were asked for")))
    }

    /// Compiles the example for marginals and samples.
    pub fn queries(&self) -> Result<(Plan, Queries), String> {
        let compiled = self.compiled(vec![Purpose::Marginal, Purpose::Sample])?;
        Ok((compiled.plan.expect("it compiles"), compiled.queries))
    }

    fn compiled(&self, purposes: Vec<Purpose>) -> Result<Compiled, String> {
        let set = |name: &str, value: usize| (name.to_string(), value.to_string());
        let mut sets = vec![set("T", self.length)];
        let path = match self.factors.as_slice() {
            [a, b] => {
                sets.extend([set("A", *a), set("B", *b)]);
                "monarch_hmm.pc"
            }
            _ => {
                sets.push(set("H", self.states));
                "hmm.pc"
            }
        };
        let model = Options { set: sets, ..Options::default() };
        let options = CompileOptions { model, batch: Some(64), purposes, ..CompileOptions::default() };
        let compiled = compile(&mut Examples, path, &options).map_err(|error| error.to_string())?;
        let first = compiled.diagnostics.first().map(|diagnostic| diagnostic.message.clone());
        match compiled.plan {
            Some(_) => Ok(compiled),
            None => Err(format!("{path} does not compile: {}", first.unwrap_or_default())),
        }
    }
}

/// How the sums within the loop are cut, for people.
pub fn schedules(plan: &Plan) -> String {
    let mut all = Vec::new();
    for step in &plan.steps {
        let Step::Loop(body) = step else { continue };
        for launch in &body.body {
            if let danaus_artifact::plan::Kernel::Stage(stage) = &plan.kernels[launch.kernel as usize] {
                all.push(match stage.schedule {
                    danaus_artifact::plan::Schedule::Panels { tile, chunk, vectors } => {
                        format!("{tile}x{vectors} in {chunk}")
                    }
                    danaus_artifact::plan::Schedule::Narrow => "narrow".to_string(),
                });
            }
        }
    }
    all.join(", ")
}

/// The examples, part of this program.
struct Examples;

impl Loader for Examples {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Source, LoadError> {
        let text = match path {
            "hmm.pc" => include_str!("../../examples/hmm.pc"),
            "monarch_hmm.pc" => include_str!("../../examples/monarch_hmm.pc"),
            _ => return Err(LoadError::NotFound(path.to_string())),
        };
        Ok(Source { name: path.to_string(), text: text.to_string() })
    }
}
