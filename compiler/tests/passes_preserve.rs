//! Every pass, and all of them together, keep the value of a circuit; so does the plan made from the result.

mod common;

use common::hmm::{hmm, hmms};
use common::random_circuit::{Recipe, random_chain, random_circuit, recipes, several_chains};
use common::{config, mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::{Circuit, Module, Op};
use danaus_compiler::passes::{DumpRequest, PASSES, PassContext, run, run_passes};
use danaus_compiler::plan::interpret::interpret;
use danaus_compiler::plan::{PlanOptions, lower};
use danaus_compiler::reference::{ParameterValues, Row, parameter_numbers, random_values};
use proptest::prelude::*;

fn module(circuit: Circuit) -> Module {
    Module { circuits: vec![circuit], product: None }
}

/// The value after each pass of the table, applied one after the other.
fn each_pass_keeps_the_value(circuit: Circuit, values: &ParameterValues, rows: &[Row]) -> Result<(), String> {
    let expected = value(&circuit, values, rows);
    let mut module = module(circuit);
    for pass in PASSES {
        let single = std::slice::from_ref(pass);
        module = run_passes(single, module, &PassContext::default(), &DumpRequest::default())
            .map_err(|error| format!("{}: {error}", pass.name))?
            .module;
        if let Some(difference) = mismatch(&value(&module.circuits[0], values, rows), &expected, 1e-10) {
            return Err(format!("{} changes the value: {difference}", pass.name));
        }
    }
    Ok(())
}

/// The value that the plan of a circuit computes, walked in float64.
fn planned(circuit: Circuit, values: &ParameterValues, rows: &[Row]) -> Vec<f64> {
    let outcome = run(module(circuit), &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = &outcome.module.circuits[0];
    let numbers = parameter_numbers(circuit, values).expect("all parameters have values");
    interpret(&lower(circuit, &PlanOptions::default()), &numbers, rows)
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn passes_keep_the_value_of_random_circuits(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 6, 0.3);
        prop_assert_eq!(each_pass_keeps_the_value(circuit, &values, &rows), Ok(()));
    }

    #[test]
    fn passes_keep_the_value_of_chains((model, seed) in hmms()) {
        let circuit = hmm(&model);
        let values = random_values(&circuit, seed);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        prop_assert_eq!(each_pass_keeps_the_value(circuit, &values, &rows), Ok(()));
    }

    #[test]
    fn plans_compute_random_circuits(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 6, 0.3);
        let expected = value(&circuit, &values, &rows);
        prop_assert_eq!(mismatch(&planned(circuit, &values, &rows), &expected, 1e-10), None);
    }

    #[test]
    fn plans_compute_chains((model, seed) in hmms()) {
        let circuit = hmm(&model);
        let values = random_values(&circuit, seed);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        let expected = value(&circuit, &values, &rows);
        prop_assert_eq!(mismatch(&planned(circuit, &values, &rows), &expected, 1e-10), None);
    }

    // COVERS: semantics.scan, semantics.stage, semantics.members
    #[test]
    fn passes_and_plans_keep_the_value_of_random_chains(recipe in recipes(), steps in 2..12usize, per_step in 1..4usize) {
        let circuit = random_chain(&recipe, steps, per_step);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 4, 0.2);
        let expected = value(&circuit, &values, &rows);
        prop_assert_eq!(mismatch(&planned(circuit.clone(), &values, &rows), &expected, 1e-10), None);
        prop_assert_eq!(each_pass_keeps_the_value(circuit, &values, &rows), Ok(()));
    }

    #[test]
    fn plans_compute_several_chains(recipe in recipes(), steps in 3..10usize, count in 2..4usize) {
        let circuit = several_chains(&recipe, steps, count);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 4, 0.2);
        let expected = value(&circuit, &values, &rows);
        prop_assert_eq!(mismatch(&planned(circuit, &values, &rows), &expected, 1e-10), None);
    }
}

/// Random chains of equal steps are rolled: what is left does not grow with their length.
#[test]
fn random_chains_are_rolled() {
    let recipe = |seed| Recipe { variables: 0, width: 4, zeros: false, seed };
    let layers = |circuit: Circuit| {
        let outcome = run(module(circuit), &PassContext::default(), &DumpRequest::default()).expect("the passes run");
        outcome.module.circuits[0].graph.total_len()
    };
    let kept = |seed: &u64| layers(random_chain(&recipe(*seed), 20, 2)) == layers(random_chain(&recipe(*seed), 40, 2));
    let rolled = (0..50).filter(kept).count();
    assert!(rolled >= 45, "only {rolled} of 50 chains are rolled");
}

/// Every chain of a circuit becomes a scan of its own.
#[test]
fn several_random_chains_are_rolled() {
    let scans = |seed| {
        let circuit = several_chains(&Recipe { variables: 0, width: 4, zeros: false, seed }, 20, 3);
        let outcome = run(module(circuit), &PassContext::default(), &DumpRequest::default()).expect("the passes run");
        outcome.module.circuits[0].graph.layers().filter(|(_, layer)| matches!(layer.op, Op::Scan(_))).count()
    };
    let rolled = (0..40).filter(|&seed| scans(seed) == 3).count();
    assert!(rolled >= 36, "all three chains are rolled in only {rolled} of 40 circuits");
}
