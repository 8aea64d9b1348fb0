//! Every pass keeps the flows of a circuit's parameters: training may be done on the circuit that is compiled.

mod common;

use common::hmm::{hmm, hmms};
use common::random_circuit::{Recipe, compatible_circuits, random_chain, random_circuit, recipes, several_chains};
use common::{config, mismatch, parameters, random_rows};
use danaus_compiler::circuit::{Circuit, Module, Op, Product, SumKind};
use danaus_compiler::passes::{DumpRequest, PASSES, PassContext, by_name, run_passes};
use danaus_compiler::reference::{ParameterValues, RandomOptions, Row, flows, random_values, random_values_with};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn module(circuit: Circuit) -> Module {
    Module { circuits: vec![circuit], product: None }
}

/// The circuit after one pass.
fn after(name: &str, module: Module) -> Result<Module, String> {
    let pass = by_name(name).expect("a pass of the table");
    let outcome = run_passes(&[*pass], module, &PassContext::default(), &DumpRequest::default());
    Ok(outcome.map_err(|error| format!("{name}: {error}"))?.module)
}

/// The flows of the parameters by their names, and the log-likelihoods.
fn named_flows(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> (BTreeMap<String, Vec<f64>>, Vec<f64>) {
    let found = flows(circuit, values, rows).expect("the circuit has all of its parameters");
    let names = circuit.parameters.iter().map(|parameter| parameter.name.clone());
    (names.zip(found.parameters).collect(), found.log_likelihoods)
}

/// The flows after each pass of the table, applied one after the other. A parameter that a pass removes has none.
fn each_pass_keeps_the_flows(circuit: Circuit, values: &ParameterValues, rows: &[Row]) -> Result<(), String> {
    let (expected, likelihoods) = named_flows(&circuit, values, rows);
    let mut module = module(circuit);
    for pass in PASSES {
        module = after(pass.name, module)?;
        let (mut found, now) = named_flows(&module.circuits[0], values, rows);
        if let Some(difference) = mismatch(&now, &likelihoods, 1e-10) {
            return Err(format!("{} changes the value: {difference}", pass.name));
        }
        for (name, expected) in &expected {
            let found = found.remove(name).unwrap_or_else(|| vec![0.0; expected.len()]);
            if let Some(difference) = mismatch(&found, expected, 1e-10) {
                return Err(format!("{} changes the flows of {name}: {difference}", pass.name));
            }
        }
        if let Some((name, _)) = found.first_key_value() {
            return Err(format!("{} adds the parameter {name}", pass.name));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn passes_keep_the_flows_of_random_circuits(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 6, 0.3);
        prop_assert_eq!(each_pass_keeps_the_flows(circuit, &values, &rows), Ok(()));
    }

    #[test]
    fn passes_keep_the_flows_of_hidden_markov_models((model, seed) in hmms()) {
        let circuit = hmm(&model);
        let values = random_values(&circuit, seed);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        prop_assert_eq!(each_pass_keeps_the_flows(circuit, &values, &rows), Ok(()));
    }

    // COVERS: training.flow.layers
    #[test]
    fn passes_keep_the_flows_of_random_chains(recipe in recipes(), steps in 2..12usize, per_step in 1..4usize) {
        let circuit = random_chain(&recipe, steps, per_step);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 4, 0.2);
        prop_assert_eq!(each_pass_keeps_the_flows(circuit, &values, &rows), Ok(()));
    }

    // COVERS: training.flow.layers
    #[test]
    fn passes_keep_the_flows_of_several_chains(recipe in recipes(), steps in 3..10usize, count in 2..4usize) {
        let circuit = several_chains(&recipe, steps, count);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 4, 0.2);
        prop_assert_eq!(each_pass_keeps_the_flows(circuit, &values, &rows), Ok(()));
    }

    #[test]
    fn passes_keep_the_flows_of_products(recipe in recipes(), count in 2..4u64, untied in any::<bool>()) {
        let recipe = Recipe { variables: recipe.variables.min(4), width: recipe.width.min(3), ..recipe };
        let product = Some(Product { name: "product".into(), untied });
        let pending = Module { circuits: compatible_circuits(&recipe, count), product };
        let circuit = after("multiply-circuits", pending).expect("the pass runs").circuits.remove(0);
        let zeros = if recipe.zeros { 0.3 } else { 0.0 };
        let values = random_values_with(&circuit, recipe.seed, RandomOptions { zeros });
        let rows = random_rows(&circuit, recipe.seed, 3, 0.2);
        prop_assert_eq!(each_pass_keeps_the_flows(circuit, &values, &rows), Ok(()));
    }
}

/// The kinds of layers that passes make do occur in what the properties above are checked on.
#[test]
fn the_passes_make_scans_and_stages_and_members_of_the_random_circuits() {
    let recipe = |seed| Recipe { variables: 0, width: 4, zeros: false, seed };
    let (mut scans, mut stages, mut shared_weights) = (0, 0, 0);
    for seed in 0..40 {
        let mut module = module(several_chains(&recipe(seed), 10, 3));
        for pass in PASSES {
            module = after(pass.name, module).expect("the pass runs");
            let layers = module.circuits[0].graph.layers();
            let blocks = layers.filter(|(_, layer)| matches!(layer.op, Op::Sum(SumKind::BlockDiagonal { .. })));
            shared_weights += blocks.count();
        }
        let ops = |is: fn(&Op) -> bool| module.circuits[0].graph.layers().filter(|(_, layer)| is(&layer.op)).count();
        scans += ops(|op| matches!(op, Op::Scan(_)));
        stages += ops(|op| matches!(op, Op::Stage(_)));
    }
    assert!(
        scans > 40 && stages > 40 && shared_weights > 40,
        "{scans} scans, {stages} stages, {shared_weights} blocks"
    );
}
