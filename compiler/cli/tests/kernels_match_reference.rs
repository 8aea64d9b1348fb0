//! The whole way down against the reference: random circuits and hidden Markov models through the passes, the planner
//! and the kernels on the CPU, in single precision, for several batch sizes.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::hmm::{Hmm, hmm, transition_matrix};
use common::random_circuit::{compatible_circuits, random_chain, random_circuit, recipes, several_chains};
use common::{mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::{Circuit, Module, Product};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run, run_passes};
use danaus_compiler::plan::{PlanOptions, lower};
use danaus_compiler::reference::{ParameterValues, Row, domains, evaluate_module, parameter_numbers, random_values};
use danaus_kernels::{Program, pack};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::sync::Arc;

/// What the specification promises in single precision (`semantics.precision`).
const TOLERANCE: f64 = 1e-5;

/// Batches: one row, less than a vector, a vector, more than a tile.
const BATCHES: [usize; 4] = [1, 5, 17, 64];

/// Rounds all numbers to single precision, so that both evaluators have the same parameters.
fn in_single_precision(values: &ParameterValues) -> ParameterValues {
    let mut rounded = ParameterValues::new();
    for (name, numbers) in values.iter() {
        rounded.insert(name, numbers.iter().map(|&number| f64::from(number as f32)).collect());
    }
    rounded
}

/// A circuit on the CPU.
fn program(module: Module, values: &ParameterValues) -> Program {
    let outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = &outcome.module.circuits[0];
    let plan = Arc::new(lower(circuit, &PlanOptions::default()));
    let numbers = parameter_numbers(circuit, values).expect("all parameters have values");
    let numbers: Vec<Vec<f32>> =
        numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
    let packed = pack(&plan, &numbers);
    Program::new(plan, packed.clone()).expect("the plan is in order")
}

/// The log-likelihoods of a batch: evidence is laid out variable by variable, missing is one past the last value.
fn forward(program: &mut Program, circuit: &Circuit, rows: &[Row]) -> Vec<f64> {
    let evidence: Vec<u32> = domains(circuit)
        .iter()
        .enumerate()
        .flat_map(|(variable, &size)| rows.iter().map(move |row| row[variable].unwrap_or(size) as u32))
        .collect();
    program.forward(&evidence, rows.len()).expect("the kernels run")
}

/// Compares all batch sizes with the reference.
fn assert_matches(circuit: &Circuit, values: &ParameterValues, seed: u64, batches: &[usize]) {
    let values = in_single_precision(values);
    let mut program = program(Module { circuits: vec![circuit.clone()], product: None }, &values);
    let rows = random_rows(circuit, seed, batches.iter().copied().max().unwrap_or(1), 0.2);
    let expected = value(circuit, &values, &rows);
    for &batch in batches {
        let found = forward(&mut program, circuit, &rows[..batch]);
        if let Some(difference) = mismatch(&found, &expected[..batch], TOLERANCE) {
            panic!("batch {batch}: {difference}");
        }
    }
}

/// Calls `act` with `count` values of a strategy, the same on every run.
fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(77), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

// COVERS: semantics.precision
#[test]
fn random_circuits() {
    for_each_case(12, recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        assert_matches(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), recipe.seed, &BATCHES);
    });
}

#[test]
fn random_chains() {
    for_each_case(8, (recipes(), 3..40usize, 1..3usize), |(recipe, steps, per_step)| {
        let circuit = random_chain(&recipe, steps, per_step);
        assert_matches(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), recipe.seed, &[1, 17]);
    });
}

/// Circuits with several loops.
#[test]
fn several_chains_in_one_circuit() {
    for_each_case(6, (recipes(), 3..60usize, 2..4usize), |(recipe, steps, count)| {
        let circuit = several_chains(&recipe, steps, count);
        assert_matches(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), recipe.seed, &[5]);
    });
}

#[test]
fn products_of_random_circuits() {
    for_each_case(4, recipes(), |recipe| {
        let module = Module {
            circuits: compatible_circuits(&recipe, 2),
            product: Some(Product { name: "product".into(), untied: false }),
        };
        let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
        let outcome = run_passes(&multiply, module.clone(), &PassContext::default(), &DumpRequest::default());
        let circuit = outcome.expect("the factors are compatible").module.circuits.remove(0);
        let values = in_single_precision(&random_values(&circuit, recipe.seed));
        let rows = random_rows(&circuit, recipe.seed, 17, 0.3);
        let found = forward(&mut program(module, &values), &circuit, &rows);
        assert_eq!(mismatch(&found, &value(&circuit, &values, &rows), TOLERANCE), None);
    });
}

/// Chains so long that single precision alone would lose the differences between the states.
#[test]
fn long_hidden_markov_models() {
    for (states, monarch) in [(16, vec![]), (24, vec![2, 3, 4])] {
        let model = Hmm { steps: 4096, states, values: 27, monarch };
        let circuit = hmm(&model);
        assert_matches(&circuit, &random_values(&circuit, 5), 5, &[5]);
    }
}

#[test]
fn wide_hidden_markov_models() {
    for (states, steps, monarch) in
        [(1024, 8, vec![]), (1000, 6, vec![]), (4096, 8, vec![64, 64]), (16384, 6, vec![128, 128])]
    {
        let model = Hmm { steps, states, values: 27, monarch };
        let circuit = hmm(&model);
        assert_matches(&circuit, &random_values(&circuit, 6), 6, &[5]);
    }
}

#[test]
fn many_monarch_factors() {
    let model = Hmm { steps: 20, states: 4096, values: 5, monarch: vec![8, 8, 8, 8] };
    let circuit = hmm(&model);
    assert_matches(&circuit, &random_values(&circuit, 7), 7, &[5]);
}

/// `hmm * hmm` is the product of the unnormalized likelihoods of its factors.
#[test]
fn products_of_hidden_markov_models() {
    let model = |states| Hmm { steps: 40, states, values: 9, monarch: vec![] };
    let module = Module {
        circuits: vec![hmm(&model(12)), hmm(&model(20))],
        product: Some(Product { name: "product".into(), untied: false }),
    };
    let mut values = ParameterValues::new();
    for (index, circuit) in module.circuits.iter().enumerate() {
        for (name, numbers) in in_single_precision(&random_values(circuit, 10 + index as u64)).iter() {
            values.insert(format!("{}.{name}", index + 1), numbers.to_vec());
        }
    }
    let rows = random_rows(&module.circuits[0], 11, 17, 0.0);
    let expected = evaluate_module(&module, &values, &rows).expect("the evidence is complete");
    let circuit = module.circuits[0].clone();
    let found = forward(&mut program(module, &values), &circuit, &rows);
    assert_eq!(mismatch(&found, &expected, TOLERANCE), None);
}

/// A Monarch transition is the dense transition whose matrix is the product of its factors.
#[test]
fn monarch_transitions_are_dense_matrices() {
    let model = Hmm { steps: 50, states: 96, values: 9, monarch: vec![8, 12] };
    let dense = Hmm { monarch: vec![], ..model.clone() };
    let values = in_single_precision(&random_values(&hmm(&model), 12));
    let mut dense_values = values.clone();
    dense_values.insert("transition", transition_matrix(&model, &values));
    let single = |circuit| Module { circuits: vec![circuit], product: None };
    let circuit = hmm(&model);
    let rows = random_rows(&circuit, 13, 17, 0.2);
    let found = forward(&mut program(single(circuit.clone()), &values), &circuit, &rows);
    let expected = forward(&mut program(single(hmm(&dense)), &dense_values), &circuit, &rows);
    assert_eq!(mismatch(&found, &expected, TOLERANCE), None);
}

/// Rows that the circuit gives probability 0 are `-inf`, and those beside them are not disturbed.
#[test]
fn impossible_rows_beside_possible_ones() {
    for monarch in [vec![], vec![3, 4]] {
        let model = Hmm { steps: 30, states: 12, values: 4, monarch };
        let circuit = hmm(&model);
        let values = in_single_precision(&parameters(&circuit, 8, true));
        let mut emission = values.get("emission").expect("it was drawn").to_vec();
        // No state emits the value 3.
        emission.chunks_mut(4).for_each(|row| row[3] = f64::NEG_INFINITY);
        let mut values = values;
        values.insert("emission", emission);
        let rows = random_rows(&circuit, 9, 64, 0.9);
        let expected = value(&circuit, &values, &rows);
        let impossible = expected.iter().filter(|value| **value == f64::NEG_INFINITY).count();
        assert!((10..54).contains(&impossible), "{impossible} of 64 rows are impossible");
        let mut program = program(Module { circuits: vec![circuit.clone()], product: None }, &values);
        assert_eq!(mismatch(&forward(&mut program, &circuit, &rows), &expected, TOLERANCE), None);
    }
}

/// Two chains that never meet: the states of one are far more likely, but the root reads those of the other. Every sum
/// then has zero weights on its largest inputs, and the others lie hundreds of nats below.
#[test]
fn sums_whose_likely_inputs_have_no_weight() {
    let (states, steps) = (24, 400);
    let model = Hmm { steps, states, values: 3, monarch: vec![] };
    let circuit = hmm(&model);
    let random = random_values(&circuit, 14);
    let half = |state: usize| state / (states / 2);
    let mut values = ParameterValues::new();
    let emission = (0..states).flat_map(|h| if half(h) == 0 { [0.98, 0.01, 0.01] } else { [0.001, 0.499, 0.5] });
    values.insert("emission", emission.map(f64::ln).collect());
    let transition = random.get("transition").expect("it was drawn");
    let apart = |(position, &weight): (usize, &f64)| {
        if half(position / states) == half(position % states) { 2.0 * weight } else { 0.0 }
    };
    values.insert("transition", transition.iter().enumerate().map(apart).collect());
    values.insert("initial", (0..states).map(|h| if half(h) == 0 { 0.0 } else { 2.0 / states as f64 }).collect());
    let values = in_single_precision(&values);
    let rows: Vec<Row> = (0..17).map(|row| (0..steps).map(|t| Some(usize::from(t % 50 < row))).collect()).collect();
    let expected = value(&circuit, &values, &rows);
    assert!(expected[0] < -2700.0 && expected.iter().all(|value| value.is_finite()));
    let mut program = program(Module { circuits: vec![circuit.clone()], product: None }, &values);
    assert_eq!(mismatch(&forward(&mut program, &circuit, &rows), &expected, TOLERANCE), None);
}
