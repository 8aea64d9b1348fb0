//! The reference evaluator against brute force and against textbook algorithms.

mod common;

use common::hmm::{Hmm, forward, hmm, hmms, rolled_hmm, transition_matrix};
use common::random_circuit::{random_circuit, recipes};
use common::{config, mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::{Module, verify::verify};
use danaus_compiler::reference::{explicit_marginal, random_values, total_log_probability};
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(300))]

    /// The generator of all property tests keeps the contract of the IR.
    #[test]
    fn random_circuits_are_in_order(recipe in recipes()) {
        let module = Module { circuits: vec![random_circuit(&recipe)], product: None };
        prop_assert!(verify(&module).is_ok(), "{}", verify(&module).expect_err("it was refused"));
    }

    #[test]
    fn likelihoods_of_all_assignments_sum_to_one(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let total = total_log_probability(&circuit, &values).expect("it evaluates");
        prop_assert!(total.abs() < 1e-12, "the likelihoods sum to exp({total})");
        prop_assert!(value(&circuit, &values, &[vec![None; recipe.variables]])[0].abs() < 1e-12);
    }

    #[test]
    fn missing_values_are_explicit_sums(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 3, 0.4);
        let found = value(&circuit, &values, &rows);
        let expected: Vec<f64> =
            rows.iter().map(|row| explicit_marginal(&circuit, &values, row).expect("it evaluates")).collect();
        prop_assert_eq!(mismatch(&found, &expected, 1e-12), None);
    }

    #[test]
    fn hidden_markov_models_give_what_the_forward_algorithm_gives((model, seed) in hmms()) {
        let circuit = hmm(&model);
        let values = random_values(&circuit, seed);
        let matrix = transition_matrix(&model, &values);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        let expected: Vec<f64> = rows.iter().map(|row| forward(&model, &values, &matrix, row)).collect();
        prop_assert_eq!(mismatch(&value(&circuit, &values, &rows), &expected, 1e-12), None);
    }

    #[test]
    fn a_scan_is_its_unrolled_chain((model, seed) in hmms()) {
        let (circuit, rolled) = (hmm(&model), rolled_hmm(&model));
        let values = random_values(&circuit, seed);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        prop_assert_eq!(value(&rolled, &values, &rows), value(&circuit, &values, &rows));
    }
}

/// Two factors have a closed form: M[(p, o), (g, i)] = W1[o, p, g] * W2[g, o, i].
#[test]
fn two_monarch_factors_have_a_closed_form() {
    let (a, b) = (3, 5);
    let model = Hmm { steps: 2, states: a * b, values: 2, monarch: vec![a, b] };
    let values = random_values(&hmm(&model), 1);
    let (first, second) = (values.get("transition.1").expect("drawn"), values.get("transition.2").expect("drawn"));
    let matrix = transition_matrix(&model, &values);
    for (p, o, g, i) in (0..a * b * a * b).map(|n| (n / (b * a * b), n / (a * b) % b, n / b % a, n % b)) {
        let expected = first[(o * a + p) * a + g] * second[(g * b + o) * b + i];
        assert!((matrix[(p * b + o) * a * b + g * b + i] - expected).abs() < 1e-15);
    }
}

/// A chain that is long enough to underflow in linear space.
#[test]
fn long_chains_do_not_underflow() {
    let model = Hmm { steps: 4096, states: 3, values: 40, monarch: vec![] };
    let circuit = hmm(&model);
    let values = random_values(&circuit, 3);
    let rows = random_rows(&circuit, 4, 2, 0.0);
    let matrix = transition_matrix(&model, &values);
    let expected: Vec<f64> = rows.iter().map(|row| forward(&model, &values, &matrix, row)).collect();
    assert_eq!(mismatch(&value(&circuit, &values, &rows), &expected, 1e-12), None);
    assert!(expected[0] < -10_000.0);
}
