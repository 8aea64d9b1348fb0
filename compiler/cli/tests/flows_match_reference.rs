//! Flows the whole way down against the reference: random circuits and hidden Markov models through the passes, the planner
//! and the kernels on the CPU, in single precision, for several batch sizes and memory limits.
//!
//! The tolerance of a flow is relative to the larger of the flow itself and the largest of its row: a small flow beside a
//! large one is a difference of rounding errors of the large one, and it is the row that is normalized.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::hmm::{Hmm, hmm};
use common::random_circuit::{compatible_circuits, random_chain, random_circuit, recipes, several_chains};
use common::{mismatch, parameters, random_rows};
use danaus_artifact::signature::ParameterShape;
use danaus_compiler::circuit::{Circuit, Module, Product};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run, run_passes};
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_compiler::reference::{ParameterValues, Row, domains, flows, parameter_numbers, random_values};
use danaus_kernels::FlowProgram;
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::sync::Arc;

/// What the specification promises of flows in single precision (`training.precision`).
const TOLERANCE: f64 = 1e-5;

/// Much memory: loops keep all of their values.
const PLENTY: u64 = 1 << 40;

/// Random circuits; `DANAUS_CASES` asks for more.
fn cases() -> usize {
    std::env::var("DANAUS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(8)
}

fn in_single_precision(values: &ParameterValues) -> ParameterValues {
    let mut rounded = ParameterValues::new();
    for (name, numbers) in values.iter() {
        rounded.insert(name, numbers.iter().map(|&number| f64::from(number as f32)).collect());
    }
    rounded
}

/// A circuit on the CPU, after all passes.
struct Compiled {
    circuit: Circuit,
    numbers: Vec<Vec<f32>>,
    program: FlowProgram,
}

fn compiled(module: Module, values: &ParameterValues, limit: u64) -> Compiled {
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = outcome.module.circuits.remove(0);
    let plan = Arc::new(flow::lower(&circuit, &PlanOptions::default()));
    let signature = Arc::new(lower(&circuit, &PlanOptions::default()));
    let numbers = parameter_numbers(&circuit, values).expect("all parameters have values");
    let numbers: Vec<Vec<f32>> =
        numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
    let mut program = FlowProgram::new(plan, signature, limit).expect("the plan is in order");
    program.set_parameters(&numbers).expect("the parameters fit");
    Compiled { circuit, numbers, program }
}

impl Compiled {
    fn gather(&mut self, rows: &[Row], batch: usize) -> Vec<f64> {
        let evidence: Vec<u32> = domains(&self.circuit)
            .iter()
            .enumerate()
            .flat_map(|(variable, &size)| rows.iter().map(move |row| row[variable].unwrap_or(size) as u32))
            .collect();
        self.program.gather(&evidence, rows.len(), batch).expect("the kernels run")
    }

    fn take(&mut self) -> Vec<Vec<f64>> {
        self.program.take().expect("there are flows").all(&self.numbers)
    }
}

/// Compares the flows of the parameters of a file.
fn assert_flows(circuit: &Circuit, found: &[Vec<f64>], expected: &[Vec<f64>], what: &str) {
    for ((parameter, found), expected) in circuit.parameters.iter().zip(found).zip(expected) {
        if !parameter.is_stored() {
            continue;
        }
        let columns = match parameter.shape {
            ParameterShape::Table { values, .. } => values,
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => inputs,
            ParameterShape::Gaussian { .. } => panic!("these circuits have no Gaussian units"),
        };
        if found.is_empty() {
            assert!(expected.iter().all(|&flow| flow == 0.0), "{what}: `{}` is not counted", parameter.name);
            continue;
        }
        assert_eq!(found.len(), expected.len(), "{what}: `{}`", parameter.name);
        for (index, (found, expected)) in found.chunks(columns).zip(expected.chunks(columns)).enumerate() {
            let largest = expected.iter().fold(0.0f64, |largest, &flow| largest.max(flow));
            for (column, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                // A row of flows that is as small as rounding errors of the whole batch is one.
                let allowed = TOLERANCE * largest.max(1e-6);
                assert!(
                    (found - expected).abs() <= allowed,
                    "{what}: `{}` row {index} column {column}: found {found}, expected {expected}, largest {largest}",
                    parameter.name
                );
            }
        }
    }
}

/// Compares one batch and, if there is more than one row, the same rows in two batches.
fn assert_matches(circuit: &Circuit, values: &ParameterValues, seed: u64, batches: &[usize], limit: u64) {
    let values = in_single_precision(values);
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let mut compiled = compiled(module, &values, limit);
    let all = random_rows(circuit, seed, batches.iter().copied().max().unwrap_or(1), 0.2);
    for &batch in batches {
        let rows = &all[..batch];
        let expected = flows(&compiled.circuit, &values, rows).expect("the circuit has all of its parameters");
        let what = format!("batch {batch}");
        let found = compiled.gather(rows, batch);
        assert_eq!(mismatch(&found, &expected.log_likelihoods, TOLERANCE), None, "{what}");
        let taken = compiled.take();
        assert_flows(&compiled.circuit, &taken, &expected.parameters, &what);
        let (first, second) = rows.split_at(batch / 2);
        compiled.gather(first, batch);
        compiled.gather(second, batch);
        let taken = compiled.take();
        assert_flows(&compiled.circuit, &taken, &expected.parameters, &format!("{what} in two"));
    }
}

/// Calls `act` with `count` values of a strategy, the same on every run.
fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(78), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

// COVERS: training.precision
#[test]
fn random_circuits() {
    for_each_case(cases(), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        assert_matches(&circuit, &values, recipe.seed, &[5, 64], PLENTY);
    });
}

#[test]
fn random_chains() {
    for_each_case(8, (recipes(), 3..40usize, 1..3usize), |(recipe, steps, per_step)| {
        let circuit = random_chain(&recipe, steps, per_step);
        assert_matches(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), recipe.seed, &[1, 17], PLENTY);
    });
}

#[test]
fn several_chains_in_one_circuit() {
    for_each_case(6, (recipes(), 3..60usize, 2..4usize), |(recipe, steps, count)| {
        let circuit = several_chains(&recipe, steps, count);
        assert_matches(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), recipe.seed, &[5], PLENTY);
    });
}

#[test]
fn products_of_random_circuits() {
    for_each_case(4, recipes(), |recipe| {
        let module = Module {
            circuits: compatible_circuits(&recipe, 2),
            product: Some(Product { name: "product".into(), untied: true }),
        };
        let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
        let outcome = run_passes(&multiply, module, &PassContext::default(), &DumpRequest::default());
        let circuit = outcome.expect("the factors are compatible").module.circuits.remove(0);
        assert_matches(&circuit, &random_values(&circuit, recipe.seed), recipe.seed, &[17], PLENTY);
    });
}

#[test]
fn hidden_markov_models() {
    for (states, steps, monarch) in [
        (20, 40, vec![]),
        (24, 50, vec![2, 3, 4]),
        (300, 6, vec![]),
        (131, 6, vec![]),
        (1024, 5, vec![]),
        (4096, 5, vec![64, 64]),
        (1024, 5, vec![8, 8, 16]),
    ] {
        let circuit = hmm(&Hmm { steps, states, values: 27, monarch });
        assert_matches(&circuit, &random_values(&circuit, 6), 6, &[5, 33], PLENTY);
    }
}

// COVERS: training.segments
/// Little memory: the values of a chain are computed again, segment by segment, in log space and in linear space.
#[test]
fn segments_change_nothing() {
    for (monarch, zero) in [(vec![4, 6], false), (vec![6, 8], false), (vec![6, 8], true), (vec![], false)] {
        segments_of(monarch, zero);
    }
}

/// `zero`: one symbol is impossible in most states, so that impossible values are among those that are kept.
fn segments_of(monarch: Vec<usize>, zero: bool) {
    let states = monarch.iter().product::<usize>().max(24);
    let what = format!("{monarch:?} {zero}");
    let circuit = hmm(&Hmm { steps: 100, states, values: 7, monarch });
    let mut values = in_single_precision(&random_values(&circuit, 8));
    if zero {
        let mut table = values.get("emission").expect("there are emissions").to_vec();
        table.chunks_mut(7).skip(3).for_each(|row| row[2] = f64::NEG_INFINITY);
        values.insert("emission", table);
    }
    let rows = random_rows(&circuit, 9, 17, 0.1);
    let mut taken: Vec<(u32, Vec<f64>, Vec<Vec<f64>>)> = Vec::new();
    for rows_of_memory in [1 << 20, 175, 110, 80] {
        let rows_of_memory = rows_of_memory * states as u64;
        let module = Module { circuits: vec![circuit.clone()], product: None };
        let mut compiled = compiled(module, &values, rows_of_memory * 4 * 32);
        let log_likelihoods = compiled.gather(&rows, 17);
        let segment = compiled.program.segments().expect("a batch was computed").0[0];
        taken.push((segment, log_likelihoods, compiled.take()));
        let stats = compiled.program.stats();
        assert_eq!(
            (stats.in_linear_space, stats.relapses),
            (u64::from(states > 24 || what.starts_with("[] ")), 0),
            "{what}"
        );
    }
    let lengths: Vec<u32> = taken.iter().map(|(segment, ..)| *segment).collect();
    assert!(lengths.windows(2).all(|pair| pair[0] > pair[1]), "{what}: {lengths:?}");
    for (segment, log_likelihoods, flows) in &taken[1..] {
        assert!(*log_likelihoods == taken[0].1 && *flows == taken[0].2, "{what}: segments of {segment}");
    }
}

// COVERS: plan.linear
/// Flows of chains that fail in linear space are those of log space: values that underflow, and parameters too small for it.
#[test]
fn chains_that_underflow() {
    let circuit = hmm(&Hmm { steps: 40, states: 36, values: 5, monarch: vec![6, 6] });
    let plain = random_values(&circuit, 3);
    let tables = |change: &dyn Fn(usize, &mut f64)| {
        let mut values = plain.clone();
        let mut table = values.get("emission").expect("there are emissions").to_vec();
        table.iter_mut().enumerate().for_each(|(index, number)| change(index, number));
        values.insert("emission", table);
        values
    };
    // The first unit of a block comes from the first alone, and falls behind the others by more than single precision can hold.
    let mut rare = plain.clone();
    let transitions = plain.iter().filter(|(name, _)| name.starts_with("transition"));
    for (name, numbers) in transitions {
        let mut numbers = numbers.to_vec();
        for block in numbers.chunks_mut(36) {
            block[..6].fill(0.0);
            block[0] = 1e-11;
        }
        rare.insert(name, numbers);
    }
    // Symbol 1 is less likely than linear space admits.
    let tiny = tables(&|index, log| *log = if index % 5 == 1 { -40.0 } else { *log });
    for (values, relapses) in [(&plain, 0), (&rare, 1), (&tiny, 1)] {
        let values = in_single_precision(values);
        let mut compiled = compiled(Module { circuits: vec![circuit.clone()], product: None }, &values, PLENTY);
        let rows: Vec<Row> =
            (0..9).map(|row| (0..40).map(|t| Some(if t % 9 < 4 { 1 } else { (row + t) % 5 })).collect()).collect();
        compiled.gather(&rows, 9);
        assert_eq!(compiled.program.stats().relapses, relapses);
        let expected = flows(&circuit, &values, &rows).expect("the reference computes flows");
        assert_flows(&circuit, &compiled.take(), &expected.parameters, "underflow");
    }
}
