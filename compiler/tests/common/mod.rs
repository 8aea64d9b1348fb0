//! Random circuits, hidden Markov models and comparisons for the property tests.
#![allow(dead_code, reason = "each test program uses a part of this")]

pub mod baum_welch;
pub mod builder;
pub mod constrained;
pub mod deterministic;
pub mod hmm;
pub mod random_circuit;
pub mod textbook;
pub mod tree;

use danaus_compiler::circuit::Circuit;
use danaus_compiler::reference::{ParameterValues, RandomOptions, Row, domains, evaluate, random_values_with};
use proptest::test_runner::{Config, RngSeed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The same cases on every run; failures are reproduced by running again.
pub fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(20_260), failure_persistence: None, ..Config::default() }
}

/// Random parameters, with or without zeros.
pub fn parameters(circuit: &Circuit, seed: u64, zeros: bool) -> ParameterValues {
    random_values_with(circuit, seed, RandomOptions { zeros: if zeros { 0.3 } else { 0.0 } })
}

/// Random evidence; each value is missing with probability `missing`.
pub fn random_rows(circuit: &Circuit, seed: u64, count: usize, missing: f64) -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let domains = domains(circuit);
    let mut value = |size: usize| (rng.random_range(0.0..1.0) >= missing).then(|| rng.random_range(0..size));
    (0..count).map(|_| domains.iter().map(|&size| value(size)).collect()).collect()
}

/// The reference value of a circuit that is known to be in order.
pub fn value(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> Vec<f64> {
    evaluate(circuit, values, rows).expect("the circuit has all of its parameters")
}

/// The first pair that differs by more than `tolerance` relative to the larger of 1 and its size. Infinite
/// values must be equal.
pub fn mismatch(found: &[f64], expected: &[f64], tolerance: f64) -> Option<String> {
    assert_eq!(found.len(), expected.len());
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= tolerance * b.abs().max(1.0);
    found
        .iter()
        .zip(expected)
        .position(|(&a, &b)| !close(a, b))
        .map(|row| format!("row {row}: found {}, expected {}", found[row], expected[row]))
}
