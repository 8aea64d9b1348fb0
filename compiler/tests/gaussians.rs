//! Gaussian units in the reference: densities and learning by hand, flows against central differences, and passes that keep both.

mod common;

use common::{mismatch, value};
use danaus_compiler::circuit::Circuit;
use danaus_compiler::circuit::read::read;
use danaus_compiler::reference::{EmOptions, NodeFlows, ParameterValues, Row, em_step, flows, mini_batch_em_step};

/// A mixture of two Gaussian units, by hand.
const MIXTURE: &str = "circuit mixture {
    var x: real
    param @g: gaussian[2; 0.01] random
    param @r: weight[1, 2] random
    %0 = input (x @g) : 2
    %1 = sum dense %0 @r : 1
    root %1
}";

fn circuit() -> Circuit {
    read(MIXTURE).expect("it is a circuit").circuits.remove(0)
}

fn values(units: [f64; 4], weights: [f64; 2]) -> ParameterValues {
    let mut values = ParameterValues::new();
    values.insert("g", units.to_vec());
    values.insert("r", weights.to_vec());
    values
}

fn row(x: f32) -> Row {
    vec![Some(x.to_bits() as usize)]
}

fn density(x: f64, mean: f64, variance: f64) -> f64 {
    (-0.5 * (x - mean).powi(2) / variance).exp() / (std::f64::consts::TAU * variance).sqrt()
}

// COVERS: semantics.gaussian
#[test]
fn densities_are_those_of_the_formula() {
    let values = values([1.0, 0.25, -2.0, 4.0], [0.3, 0.7]);
    let found = value(&circuit(), &values, &[row(0.5), row(-3.25), vec![None]]);
    let expected = |x: f64| (0.3 * density(x, 1.0, 0.25) + 0.7 * density(x, -2.0, 4.0)).ln();
    assert_eq!(mismatch(&found, &[expected(0.5), expected(-3.25), 0.0], 1e-12), None);
}

/// The derivatives with respect to the means and the logarithms of the deviations follow from the flows.
// COVERS: training.flow.gaussian
#[test]
fn flows_are_derivatives() {
    const STEP: f64 = 1e-6;
    let units = [1.0, 0.25, -2.0, 4.0];
    let rows = [row(0.5), row(-3.25), row(7.0), vec![None]];
    let found = flows(&circuit(), &values(units, [0.3, 0.7]), &rows).expect("it has its parameters");
    let total = |units: [f64; 4]| value(&circuit(), &values(units, [0.3, 0.7]), &rows).iter().sum::<f64>();
    for unit in 0..2 {
        let [all, first, second] = [0, 1, 2].map(|power| found.parameters[0][3 * unit + power]);
        let (mean, variance) = (2 * unit, 2 * unit + 1);
        let moved = |at: usize, change: &dyn Fn(f64) -> f64| {
            let mut moved = units;
            moved[at] = change(moved[at]);
            total(moved)
        };
        let by_mean = (moved(mean, &|m| m + STEP) - moved(mean, &|m| m - STEP)) / (2.0 * STEP);
        assert!((by_mean - first / units[variance].sqrt()).abs() < 1e-7, "{by_mean} {first}");
        let scaled = |step: f64| moved(variance, &|v| v * (2.0 * step).exp());
        let by_deviation = (scaled(STEP) - scaled(-STEP)) / (2.0 * STEP);
        assert!((by_deviation - (second - all)).abs() < 1e-7, "{by_deviation} {second} {all}");
    }
}

/// The textbook's step for a mixture (R. Redner and H. Walker, 1984): means and variances of the numbers, weighted by
/// responsibilities. A missing number counts as what the unit expects.
// COVERS: training.gaussian
#[test]
fn a_step_is_that_of_the_textbook() {
    let numbers = [0.5f32, 1.5, -3.0, -1.0, 0.75];
    let (units, weights) = ([1.0, 0.25, -2.0, 4.0], [0.3, 0.7]);
    let mut rows: Vec<Row> = numbers.iter().map(|&x| row(x)).collect();
    rows.push(vec![None]);
    let values = values(units, weights);
    let found = flows(&circuit(), &values, &rows).expect("it has its parameters");
    let learnt = em_step(&circuit(), &values, &found, 0.0).expect("it has its parameters");
    let joint = |x: f64, unit: usize| weights[unit] * density(x, units[2 * unit], units[2 * unit + 1]);
    for unit in 0..2 {
        let share = |x: f64| joint(x, unit) / (joint(x, 0) + joint(x, 1));
        let (m, v) = (units[2 * unit], units[2 * unit + 1]);
        // What is missing is in each unit as often as its weight says, with its own moments.
        let mut sums = [weights[unit], weights[unit] * m, weights[unit] * (m * m + v)];
        for x in numbers.map(f64::from) {
            [1.0, x, x * x].iter().zip(&mut sums).for_each(|(power, sum)| *sum += share(x) * power);
        }
        let mean = sums[1] / sums[0];
        let variance = (sums[2] / sums[0] - mean * mean).max(0.01);
        let found = &learnt.get("g").expect("it is learnt")[2 * unit..][..2];
        assert!((found[0] - mean).abs() < 1e-12 && (found[1] - variance).abs() < 1e-12, "{found:?} {mean} {variance}");
    }
}

/// Numbers that are all the same leave the floor; a unit that is not used stays; a pseudocount changes nothing.
// COVERS: training.gaussian
#[test]
fn variances_stay_above_their_floor() {
    let values = values([1.0, 0.25, 900.0, 4.0], [0.5, 0.5]);
    let rows = [row(1.0), row(1.0)];
    let found = flows(&circuit(), &values, &rows).expect("it has its parameters");
    let learnt = em_step(&circuit(), &values, &found, 3.0).expect("it has its parameters");
    let units = learnt.get("g").expect("it is learnt");
    assert_eq!(units[..2], [1.0, 0.01]);
    assert_eq!(units[2..], [900.0, 4.0], "its share is no number that is not 0");
}

/// Mini-batches blend moments: after two steps of one half from the same start the unit has the moments of both batches.
// COVERS: training.gaussian
#[test]
fn mini_batches_blend_moments() {
    let text =
        MIXTURE.replace("gaussian[2", "gaussian[1").replace("weight[1, 2]", "weight[1, 1]").replace(": 2", ": 1");
    let circuit = read(&text).expect("it is a circuit").circuits.remove(0);
    let mut values = ParameterValues::new();
    values.insert("g", vec![0.0, 1.0]);
    values.insert("r", vec![1.0]);
    let mut remembered = NodeFlows::none(&circuit);
    for (step, batch) in [(0.5, [1.0f32, 3.0]), (0.5, [5.0, 5.0])] {
        let rows = batch.map(row);
        let found = flows(&circuit, &values, &rows).expect("it has its parameters");
        let options = EmOptions { step, pseudocount: 0.0 };
        values =
            mini_batch_em_step(&circuit, &values, &found, options, &mut remembered).expect("it has its parameters");
    }
    // The first batch weighs a quarter of its rows, the second a half.
    let mean = (0.25 * 4.0 + 0.5 * 10.0) / (0.5 + 1.0);
    let square = (0.25 * 10.0 + 0.5 * 50.0) / (0.5 + 1.0);
    let found = values.get("g").expect("it is learnt");
    assert!((found[0] - mean).abs() < 1e-12 && (found[1] - (square - mean * mean)).abs() < 1e-12, "{found:?}");
}
