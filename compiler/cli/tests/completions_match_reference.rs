//! Samples and most likely completions the whole way down, against brute force: random circuits, deterministic circuits and hidden Markov
//! models through the passes, the planner and the kernels on the CPU.
//!
//! The judge is the float64 evaluator, asked for the likelihood of every completion, and the textbook's Viterbi algorithm.
//! `DANAUS_CASES` asks for more random circuits.

#[path = "../../tests/common/mod.rs"]
mod common;

mod asked;

use asked::{assert_chi_squared, cases, compiled, for_each_case, in_single_precision, product};
use common::deterministic::deterministic_circuit;
use common::hmm::{Hmm, hmm};
use common::random_circuit::{random_chain, random_circuit, recipes, several_chains};
use common::textbook::viterbi;
use common::{parameters, random_rows, value};
use danaus_compiler::circuit::Circuit;
use danaus_compiler::plan::deterministic::is_deterministic;
use danaus_compiler::plan::flow::Purpose;
use danaus_compiler::reference::{ParameterValues, Row, completions, domains, evaluate, log_sum_exp, random_values};
use danaus_runtime::queries::Sampling;
use std::collections::BTreeMap;

/// Samples have the frequencies of the exact distribution, and agree with the evidence.
#[track_caller]
fn assert_samples(circuit: &Circuit, values: &ParameterValues, rows: &[Row], seed: u64) {
    let values = in_single_precision(values);
    let per_row = 3000;
    let sampling = Sampling { per_row, seed, temperature: 1.0 };
    let (likelihoods, found) = compiled(circuit, &values).complete(Purpose::Sample, rows, rows.len(), sampling);
    for ((row, samples), likelihood) in rows.iter().zip(&found).zip(likelihoods) {
        assert_eq!(samples.len(), per_row);
        if likelihood == f64::NEG_INFINITY {
            assert!(samples.iter().all(|sample| sample == row), "an impossible row stays as it is");
            continue;
        }
        let mut counts: BTreeMap<&Row, usize> = BTreeMap::new();
        samples.iter().for_each(|sample| *counts.entry(sample).or_default() += 1);
        let all = completions(circuit, row);
        let exact = evaluate(circuit, &values, &all).expect("the circuit is in order");
        let total = log_sum_exp(exact.iter().copied());
        let mut bins = Vec::with_capacity(all.len());
        for (completion, log) in all.iter().zip(&exact) {
            let found = counts.remove(completion).unwrap_or(0);
            assert!(found == 0 || *log > f64::NEG_INFINITY, "an impossible completion was drawn: {completion:?}");
            bins.push(((log - total).exp() * per_row as f64, found as f64));
        }
        assert!(counts.is_empty(), "samples that are no completions of {row:?}");
        assert_chi_squared(&bins, &format!("{row:?}"));
    }
}

// COVERS: queries.sample
#[test]
fn samples_of_random_circuits() {
    for_each_case(cases(10), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let mut rows = random_rows(&circuit, recipe.seed, 3, 0.6);
        rows.push(vec![None; domains(&circuit).len()]);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
    });
}

#[test]
fn samples_of_chains() {
    for_each_case(cases(3), (recipes(), 3..7usize), |(recipe, steps)| {
        let circuit = random_chain(&recipe, steps, 1);
        let mut rows = random_rows(&circuit, recipe.seed, 2, 0.6);
        rows.push(vec![None; steps]);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
        let circuit = several_chains(&recipe, steps, 3);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
    });
}

#[test]
fn samples_of_products() {
    for_each_case(cases(2), recipes(), |recipe| {
        let circuit = product(&recipe);
        let rows = random_rows(&circuit, recipe.seed, 2, 0.7);
        assert_samples(&circuit, &random_values(&circuit, recipe.seed), &rows, recipe.seed);
    });
}

// COVERS: queries.sample.seed
/// What is drawn depends on the seed and the number of the sample, and on nothing else.
#[test]
fn samples_are_the_same_in_any_batch() {
    let circuit = hmm(&Hmm { steps: 40, states: 12, values: 5, monarch: vec![3, 4] });
    let values = random_values(&circuit, 5);
    let compiled = compiled(&circuit, &values);
    let rows = random_rows(&circuit, 6, 21, 0.5);
    let sampling = Sampling { per_row: 7, seed: 11, temperature: 1.0 };
    let (_, found) = compiled.complete(Purpose::Sample, &rows, 21, sampling);
    for batch in [1, 4, 64] {
        let (_, again) = compiled.complete(Purpose::Sample, &rows, batch, sampling);
        assert_eq!(found, again, "batches of {batch}");
    }
    let (_, others) = compiled.complete(Purpose::Sample, &rows, 21, Sampling { seed: 12, ..sampling });
    assert_ne!(found, others);
    // More samples than are drawn at a time.
    let unknown = vec![vec![None; 40]];
    let sampling = Sampling { per_row: 20_000, ..sampling };
    let (_, many) = compiled.complete(Purpose::Sample, &unknown, 1, sampling);
    let (_, few) = compiled.complete(Purpose::Sample, &unknown, 1, Sampling { per_row: 9000, ..sampling });
    assert_eq!(many[0][..9000], few[0]);
    assert_ne!(many[0][..9000], many[0][9000..18000]);
}

// COVERS: queries.sample.temperature
#[test]
fn cold_samples_are_likely() {
    let circuit = hmm(&Hmm { steps: 20, states: 6, values: 5, monarch: vec![] });
    let values = in_single_precision(&random_values(&circuit, 5));
    let compiled = compiled(&circuit, &values);
    let mean = |temperature: f32| {
        let sampling = Sampling { per_row: 500, seed: 2, temperature };
        let (_, found) = compiled.complete(Purpose::Sample, &[vec![None; 20]], 1, sampling);
        value(&circuit, &values, &found[0]).iter().sum::<f64>() / 500.0
    };
    let [cold, usual, hot] = [0.3, 1.0, 3.0].map(mean);
    assert!(cold > usual + 1.0 && usual > hot + 1.0, "{cold} {usual} {hot}");
}

// COVERS: queries.mpe queries.mpe.exact
#[test]
fn completions_of_deterministic_circuits_are_the_most_likely() {
    for (variables, values, seed) in (0..cases(20)).map(|case| (2 + case % 5, 2 + case % 2, case as u64)) {
        let circuit = deterministic_circuit(variables, values, seed);
        assert!(is_deterministic(&circuit));
        let numbers = in_single_precision(&random_values(&circuit, seed));
        let rows = random_rows(&circuit, seed, 9, 0.7);
        let (found, completed) = compiled(&circuit, &numbers).complete(Purpose::Mpe, &rows, 4, Sampling::GREATEST);
        for ((row, found), completed) in rows.iter().zip(found).zip(completed) {
            let all = value(&circuit, &numbers, &completions(&circuit, row));
            let greatest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!((found - greatest).abs() <= 1e-5 * greatest.abs().max(1.0), "{row:?}: {found}, {greatest}");
            let own = value(&circuit, &numbers, &completed)[0];
            assert!((own - greatest).abs() <= 1e-5 * greatest.abs().max(1.0), "{row:?}: {completed:?}");
            assert!(row.iter().zip(&completed[0]).all(|(row, value)| row.is_none() || row == value));
        }
    }
}

/// Where a circuit is not deterministic, the completion is at least as likely as what was found on the way up.
#[test]
fn completions_of_random_circuits_are_bounds() {
    for_each_case(cases(10), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = in_single_precision(&parameters(&circuit, recipe.seed, recipe.zeros));
        let rows = random_rows(&circuit, recipe.seed, 9, 0.6);
        let (found, completed) = compiled(&circuit, &values).complete(Purpose::Mpe, &rows, 9, Sampling::GREATEST);
        let likelihoods = value(&circuit, &values, &rows);
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(found[index] == f64::NEG_INFINITY, likelihoods[index] == f64::NEG_INFINITY);
            if found[index] == f64::NEG_INFINITY {
                assert_eq!(completed[index][0], *row);
                continue;
            }
            let own = value(&circuit, &values, &completed[index])[0];
            assert!(own >= found[index] - 1e-5 * found[index].abs().max(1.0), "{row:?}: {own}, {}", found[index]);
            assert!(row.iter().zip(&completed[index][0]).all(|(row, value)| row.is_none() || row == value));
        }
    });
}

#[test]
fn completions_of_hidden_markov_models_are_those_of_viterbi() {
    for (states, steps, monarch) in [(20, 60, vec![]), (12, 40, vec![3, 4])] {
        let model = Hmm { steps, states, values: 5, monarch };
        let circuit = hmm(&model);
        let values = in_single_precision(&random_values(&circuit, 8));
        let rows = random_rows(&circuit, 9, 17, 0.5);
        let (found, _) = compiled(&circuit, &values).complete(Purpose::Mpe, &rows, 17, Sampling::GREATEST);
        // Each entry of a Monarch matrix of two factors is one product, so its paths are those of the dense matrix.
        for (row, found) in rows.iter().zip(found) {
            let expected = viterbi(&model, &values, row);
            assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found}, {expected}");
        }
    }
}

/// Impossible rows beside possible ones.
#[test]
fn impossible_rows_leave_the_others_alone() {
    let model = Hmm { steps: 30, states: 12, values: 4, monarch: vec![3, 4] };
    let circuit = hmm(&model);
    let mut values = random_values(&circuit, 8);
    let mut emission = values.get("emission").expect("it was drawn").to_vec();
    // No state emits the value 3.
    emission.chunks_mut(4).for_each(|row| row[3] = f64::NEG_INFINITY);
    values.insert("emission", emission);
    let rows = random_rows(&circuit, 9, 40, 0.9);
    let impossible = value(&circuit, &in_single_precision(&values), &rows);
    let impossible = impossible.iter().filter(|value| **value == f64::NEG_INFINITY).count();
    assert!((10..35).contains(&impossible), "{impossible} of 40 rows are impossible");
    let found = compiled(&circuit, &in_single_precision(&values)).marginals(&rows, 40).remove(0);
    assert_eq!((0..40).filter(|&row| found.row(row).iter().any(|p| p.is_nan())).count(), impossible);
    let compiled = compiled(&circuit, &in_single_precision(&values));
    let sampling = Sampling { per_row: 3, seed: 1, temperature: 1.0 };
    let (likelihoods, found) = compiled.complete(Purpose::Sample, &rows, 40, sampling);
    for ((row, samples), likelihood) in rows.iter().zip(&found).zip(likelihoods) {
        for sample in samples {
            let complete = sample.iter().all(|value| value.is_some_and(|value| value < 3));
            assert!(if likelihood == f64::NEG_INFINITY { sample == row } else { complete }, "{row:?}: {sample:?}");
        }
    }
}
