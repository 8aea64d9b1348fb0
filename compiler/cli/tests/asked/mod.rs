//! Compiled circuits that are asked, and what both kinds of tests need.
#![allow(dead_code, reason = "each test program uses a part of this")]

use super::common::random_circuit::{Recipe, compatible_circuits};
use super::common::value;
use danaus_artifact::plan::Plan;
use danaus_artifact::queries::Queries;
use danaus_compiler::circuit::{Circuit, Module, Product};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run, run_passes};
use danaus_compiler::plan::flow::{Purpose, lower_for};
use danaus_compiler::plan::{PlanOptions, lower};
use danaus_compiler::reference::{ParameterValues, Row, domains, log_sum_exp, parameter_numbers};
use danaus_runtime::data::Columns;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters::Parameters;
use danaus_runtime::queries::{Completed, Marginals, QuerySession, Sampling};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::ops::ControlFlow;

/// What the specification promises of probabilities (`queries.precision`).
pub const TOLERANCE: f64 = 1e-5;

pub fn cases(usual: usize) -> usize {
    std::env::var("DANAUS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

pub fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(79), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

pub fn in_single_precision(values: &ParameterValues) -> ParameterValues {
    let mut rounded = ParameterValues::new();
    for (name, numbers) in values.iter() {
        rounded.insert(name, numbers.iter().map(|&number| f64::from(number as f32)).collect());
    }
    rounded
}

/// A circuit after all passes, with all of its queries.
pub struct Compiled {
    pub signature: Plan,
    pub queries: Queries,
    pub parameters: Parameters,
}

pub fn compiled(circuit: &Circuit, values: &ParameterValues) -> Compiled {
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = &outcome.module.circuits[0];
    let numbers = parameter_numbers(circuit, values).expect("all parameters have values");
    let single = |numbers: &Vec<f64>| numbers.iter().map(|&number| number as f32).collect();
    let options = PlanOptions::default();
    let plan = |purpose| Some(lower_for(circuit, &options, purpose));
    Compiled {
        signature: lower(circuit, &options),
        queries: Queries {
            marginal: plan(Purpose::Marginal),
            sample: plan(Purpose::Sample),
            mpe: plan(Purpose::Mpe),
            deterministic: false,
        },
        parameters: Parameters::new(numbers.iter().map(single).collect()),
    }
}

impl Compiled {
    pub fn rows(&self, rows: &[Row]) -> MemoryRows {
        let columns = Columns::new(&self.signature.variables);
        let index = |column: usize, value: &Option<usize>| value.map_or(columns.missing(column), |value| value as u32);
        let indices = rows.iter().flat_map(|row| row.iter().enumerate().map(|(column, value)| index(column, value)));
        let indices = indices.collect();
        MemoryRows::from_indices(columns, indices)
    }

    pub fn marginals(&self, rows: &[Row], batch: usize) -> Vec<Marginals> {
        let plan = self.queries.marginal.clone().expect("it was made");
        let mut session = QuerySession::open(self.signature.clone(), plan, &self.parameters).expect("it opens");
        let mut all = Vec::new();
        let mut keep = |_: usize, found: &Marginals| {
            all.push(found.clone());
            ControlFlow::Continue(())
        };
        session.marginals(&self.rows(rows), batch, &mut keep).expect("the kernels run");
        all
    }

    /// Values of the root for each row, and the completions of each.
    pub fn complete(&self, plan: Purpose, rows: &[Row], batch: usize, sampling: Sampling) -> (Vec<f64>, Vec<Vec<Row>>) {
        let plan = if plan == Purpose::Mpe { self.queries.mpe.clone() } else { self.queries.sample.clone() };
        let plan = plan.expect("it was made");
        let mut session = QuerySession::open(self.signature.clone(), plan, &self.parameters).expect("it opens");
        let columns = Columns::new(&self.signature.variables);
        let mut values = vec![0.0; rows.len()];
        let mut all = vec![Vec::new(); rows.len()];
        let mut keep = |first: usize, found: &Completed| {
            let per_row = found.completions.len() / columns.len() / found.values.len();
            for (index, completion) in found.completions.chunks_exact(columns.len()).enumerate() {
                let value =
                    |(column, &index): (usize, &u32)| (index != columns.missing(column)).then_some(index as usize);
                values[first + index / per_row] = found.values[index / per_row];
                all[first + index / per_row].push(completion.iter().enumerate().map(value).collect());
            }
            ControlFlow::Continue(())
        };
        session.complete(&self.rows(rows), batch, sampling, &mut keep).expect("the kernels run");
        (values, all)
    }
}

/// The posterior of a variable: the likelihood of each of its values beside the others.
pub fn posterior(circuit: &Circuit, values: &ParameterValues, row: &Row, variable: usize) -> Vec<f64> {
    let size = domains(circuit)[variable];
    let with = |value: usize| {
        let mut row = row.clone();
        row[variable] = Some(value);
        row
    };
    if let Some(observed) = row[variable] {
        return (0..size).map(|value| f64::from(u8::from(value == observed))).collect();
    }
    let all = value(circuit, values, &(0..size).map(with).collect::<Vec<Row>>());
    let total = log_sum_exp(all.iter().copied());
    all.iter().map(|value| (value - total).exp()).collect()
}

/// The product of circuits is not normalized.
pub fn product(recipe: &Recipe) -> Circuit {
    let product = Some(Product { name: "product".into(), untied: false });
    let module = Module { circuits: compatible_circuits(recipe, 2), product };
    let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
    let outcome = run_passes(&multiply, module, &PassContext::default(), &DumpRequest::default());
    outcome.expect("the factors are compatible").module.circuits.remove(0)
}

/// The chance that a chi-squared statistic is greater is less than a millionth of a percent (E. Wilson and M. Hilferty, 1931).
pub fn assert_chi_squared(counts: &[(f64, f64)], what: &str) {
    let mut bins = Vec::new();
    let (mut rare_expected, mut rare_found) = (0.0, 0.0);
    for &(expected, found) in counts {
        if expected >= 5.0 {
            bins.push((expected, found));
        } else {
            rare_expected += expected;
            rare_found += found;
        }
    }
    if rare_expected >= 5.0 {
        bins.push((rare_expected, rare_found));
    }
    let statistic: f64 = bins.iter().map(|(expected, found)| (found - expected).powi(2) / expected).sum();
    let freedom = (bins.len().max(2) - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 5.6 * spread.sqrt()).powi(3);
    assert!(statistic <= limit, "{what}: chi-squared {statistic} of {freedom} degrees of freedom, limit {limit}");
}
