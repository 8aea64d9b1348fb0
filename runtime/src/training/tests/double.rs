//! A mixture of independent categorical variables, with its flows, in double precision: what the loop is tested on. And random rows.

use crate::data::Rows;
use crate::data::memory::MemoryRows;
use crate::evaluation::{Evaluation, Tally};
use crate::numbers::{exp, ln, log_sum_exp};
use crate::parameters::random;
use crate::training::checkpoint::CheckpointError;
use crate::training::config::{Config, Settings};
use crate::training::error::TrainError;
use crate::training::flows::{FlowSource, Flows};
use crate::training::likelihood::Likelihood;
use crate::training::observer::Observer;
use crate::training::run::{Outcome, Task, run};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Domain, Init, Parameter, ParameterShape, VariableArray};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::convert::Infallible;
use std::sync::Arc;

/// FLOPs of a row, as far as the loop is told: two chunks of four rows are a segment.
pub const FLOPS: f64 = 3900.0;
/// Values of each variable.
pub const VALUES: usize = 3;

/// The mixture.
pub struct Mixture {
    plan: Arc<Plan>,
    values: Vec<Vec<f32>>,
    flows: Vec<Vec<f64>>,
    /// Rows gathered so far.
    pub gathered: usize,
}

/// A plan with no kernels: weights of `units` components, a table for each variable, and an indicator that nothing reads.
pub fn plan(variables: usize, units: usize) -> Plan {
    let parameter = |name: String, shape, init| Parameter { name, shape, init };
    let table = ParameterShape::Table { width: units, values: VALUES };
    let mut parameters = vec![parameter(
        "mix".to_string(),
        ParameterShape::Weight { blocks: 1, outputs: 1, inputs: units, dense: true },
        Init::Random,
    )];
    parameters.extend((0..variables).map(|v| parameter(format!("t{v}"), table.clone(), Init::Random)));
    parameters.push(parameter("is2".to_string(), table, Init::Indicator { value: 2 }));
    Plan {
        name: "mixture".to_string(),
        fingerprint: format!("{variables}x{units}"),
        variables: vec![VariableArray {
            name: "x".to_string(),
            shape: vec![variables],
            domain: Domain::Categorical(VALUES),
        }],
        parameters,
        packs: vec![],
        packed_chunks: 0,
        rows: 0,
        kernels: vec![],
        tables: vec![],
        steps: vec![],
        root: 0,
        root_offset: false,
    }
}

/// Random parameters of that plan.
pub fn start(plan: &Plan, seed: u64) -> Vec<Vec<f32>> {
    let values = |parameter: &Parameter| match (&parameter.shape, &parameter.init) {
        (_, Init::Indicator { .. }) => vec![f32::NEG_INFINITY; 3],
        (ParameterShape::Table { width, values }, _) => random::rows(seed, &parameter.name, *width, *values, ln),
        (ParameterShape::Weight { inputs, .. }, _) => random::rows(seed, &parameter.name, 1, *inputs, |p| p),
        (ParameterShape::Mixing { .. } | ParameterShape::Gaussian { .. }, _) => vec![],
    };
    plan.parameters.iter().map(values).collect()
}

/// Random rows, some values of them missing.
pub fn rows(variables: usize, count: usize, seed: u64) -> MemoryRows {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut row = || {
        let class = rng.next_u32() % 2;
        let mut value = |v: usize| match rng.next_u32() % 8 {
            0 => None,
            1 => Some(i64::from(rng.next_u32() % VALUES as u32)),
            _ => Some(i64::from((class + v as u32) % VALUES as u32)),
        };
        (0..variables).map(&mut value).collect()
    };
    let rows: Vec<Vec<Option<i64>>> = (0..count).map(|_| row()).collect();
    MemoryRows::new(&plan(variables, 1).variables, &rows).unwrap()
}

impl Mixture {
    pub fn new(variables: usize, units: usize) -> Mixture {
        let mut mixture =
            Mixture { plan: Arc::new(plan(variables, units)), values: vec![], flows: vec![], gathered: 0 };
        mixture.reset();
        mixture
    }

    fn reset(&mut self) -> Vec<Vec<f64>> {
        let len = |parameter: &Parameter| match parameter.shape {
            _ if !parameter.is_stored() => 0,
            ParameterShape::Table { width, values } => width * values,
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => inputs,
            ParameterShape::Gaussian { .. } => 0,
        };
        let zeros = self.plan.parameters.iter().map(|parameter| vec![0.0; len(parameter)]).collect();
        std::mem::replace(&mut self.flows, zeros)
    }

    /// The log-likelihood of a row, and adds its flows.
    fn row(&mut self, row: &[u32]) -> f64 {
        let units = self.values[0].len();
        let table = |values: &[Vec<f32>], v: usize, k: usize| -> Vec<f64> {
            values[v + 1][k * VALUES..][..VALUES].iter().map(|log| f64::from(*log)).collect()
        };
        let joint: Vec<f64> = (0..units)
            .map(|k| {
                let seen = |(v, value): (usize, &u32)| match *value as usize {
                    VALUES => log_sum_exp(table(&self.values, v, k).into_iter()),
                    value => table(&self.values, v, k)[value],
                };
                ln(f64::from(self.values[0][k])) + row.iter().enumerate().map(seen).sum::<f64>()
            })
            .collect();
        let total = log_sum_exp(joint.iter().copied());
        if total == f64::NEG_INFINITY {
            return total;
        }
        for (k, joint) in joint.iter().enumerate() {
            let posterior = exp(joint - total);
            self.flows[0][k] += posterior;
            for (v, value) in row.iter().enumerate() {
                let logs = table(&self.values, v, k);
                let sum = log_sum_exp(logs.iter().copied());
                for (c, log) in logs.iter().enumerate().filter(|(_, log)| **log > f64::NEG_INFINITY) {
                    let share = match *value as usize {
                        VALUES => exp(log - sum),
                        value => f64::from(u8::from(value == c)),
                    };
                    self.flows[v + 1][k * VALUES + c] += posterior * share;
                }
            }
        }
        total
    }
}

impl FlowSource for Mixture {
    type Error = Infallible;

    fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), Infallible> {
        self.values = values.to_vec();
        Ok(())
    }

    fn gather(&mut self, evidence: &[u32], rows: usize) -> Result<Vec<f64>, Infallible> {
        self.gathered += rows;
        let row = |sample: usize| evidence.chunks_exact(rows).map(|values| values[sample]).collect::<Vec<u32>>();
        Ok((0..rows).map(|sample| self.row(&row(sample))).collect())
    }

    fn take(&mut self) -> Result<Flows<'_>, Infallible> {
        Ok(Flows::Sums(self.reset()))
    }
}

impl Likelihood for Mixture {
    type Error = Infallible;

    fn evaluate(
        &mut self,
        values: &[Vec<f32>],
        rows: &dyn Rows,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Evaluation>, Infallible> {
        if stop() {
            return Ok(None);
        }
        self.values = values.to_vec();
        let columns = rows.columns().len();
        let mut evidence = vec![0; columns * rows.len()];
        rows.fill(0..rows.len(), &mut evidence).unwrap();
        let mut tally = Tally::default();
        tally.observe(&evidence, &vec![VALUES as u32; columns], 0.0);
        self.gather(&evidence, rows.len())?.into_iter().for_each(|value| tally.row(value));
        self.reset();
        Ok(Some(tally.finish(0.0)))
    }
}

/// Listens, and stops after so many questions.
#[derive(Default)]
pub struct Listener {
    pub stop_after: Option<usize>,
    pub asked: usize,
    pub notices: Vec<String>,
}

impl Observer for Listener {
    fn notice(&mut self, message: &str) {
        self.notices.push(message.to_string());
    }

    fn stop(&mut self) -> bool {
        self.asked += 1;
        self.stop_after.is_some_and(|most| self.asked > most)
    }
}

pub type Failed = TrainError<Infallible, Infallible>;

/// A training task on the mixture, with everything it needs.
pub struct Case {
    pub config: Config,
    pub train: MemoryRows,
    pub valid: Option<MemoryRows>,
    pub start: Vec<Vec<f32>>,
    pub chunk: usize,
    pub fresh: bool,
    pub variables: usize,
    pub units: usize,
}

impl Case {
    /// Settings as a file has them, on `count` rows of four variables.
    pub fn new(settings: &str, count: usize) -> Case {
        let config = Settings::parse(settings).unwrap().resolve(true).unwrap();
        let (variables, units) = (4, 3);
        let start = start(&plan(variables, units), 5);
        let (train, valid) = (rows(variables, count, 1), Some(rows(variables, 20, 2)));
        Case { config, train, valid, start, chunk: 4, fresh: false, variables, units }
    }

    pub fn run(&self, observer: &mut dyn Observer) -> Result<Outcome, Failed> {
        let mut source = Mixture::new(self.variables, self.units);
        let mut judge = Mixture::new(self.variables, self.units);
        let task = Task {
            config: &self.config,
            train: &self.train,
            valid: self.valid.as_ref().map(|rows| rows as &dyn Rows),
            chunk: self.chunk,
            flops_per_row: FLOPS,
            fresh: self.fresh,
        };
        run(task, self.start.clone(), &mut source, Some(&mut judge), observer)
    }

    /// Runs to the end.
    pub fn finish(&self) -> Outcome {
        self.run(&mut Listener::default()).unwrap()
    }
}

/// The message of an error about checkpoints.
pub fn checkpoint_error(found: Result<Outcome, Failed>) -> CheckpointError {
    match found {
        Err(TrainError::Checkpoint(error)) => error,
        other => panic!("expected an error about checkpoints, found {other:?}"),
    }
}

/// A state without what the clock says.
pub fn timeless(outcome: &Outcome) -> crate::training::state::State {
    let mut state = outcome.state.clone();
    state.progress.seconds = 0.0;
    state.records.iter_mut().for_each(|record| record.seconds = 0.0);
    state
}
