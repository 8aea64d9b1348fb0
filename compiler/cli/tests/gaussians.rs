//! Gaussian units the whole way down: likelihoods, flows, posteriors, samples, completions and learning, through the passes, the planner and
//! the kernels on the CPU, against the reference evaluator and what follows from it by sums over fine grids.

#[path = "../../tests/common/mod.rs"]
mod common;

mod asked;

use asked::{Compiled, assert_chi_squared, compiled, in_single_precision};
use common::{mismatch, value};
use danaus_artifact::signature::{ParameterShape, REAL_MISSING};
use danaus_compiler::circuit::read::read;
use danaus_compiler::circuit::{Circuit, Domain, Module};
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::flow::Purpose;
use danaus_compiler::plan::interpret::interpret;
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_compiler::reference::{
    ParameterValues, Row, domains, em_step, flows, log_sum_exp, parameter_numbers, random_values,
};
use danaus_kernels::FlowProgram;
use danaus_runtime::queries::Sampling;
use danaus_runtime::session::Session;
use danaus_runtime::training::Flows;
use danaus_runtime::training::optimizer::{Algorithm, Update, create};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Real and categorical variables, units that are tied and units that are not, an input that several layers read.
const TREE: &str = "circuit c {
    var x[4]: real
    var y: categorical(3)
    param @g: gaussian[5; 0.0001] random
    param @h: gaussian[5; 0.01] random
    param @k: gaussian[5; 0.01] random
    param @t: table[5, 3] random
    param @w: weight[5, 5] random
    param @v: weight[5, 5] random
    param @m: mixing[5, 2] random
    param @r: weight[1, 5] random
    %0 = input (x[0] @g) : 5
    %1 = input (x[1] @g) : 5
    %2 = input (x[2] @h) : 5
    %3 = input (y @t) : 5
    %4 = hadamard %0, %3 : 5
    %5 = sum dense %4 @w : 5
    %6 = sum dense %4 @v : 5
    %7 = sum mixing %5, %6 @m : 5
    %8 = hadamard %1, %2, %7 : 5
    %9 = input (x[3] @k) : 5
    %10 = sum dense %9 @v : 5
    %11 = hadamard %8, %10 : 5
    %12 = sum dense %11 @r : 1
    root %12
}";

/// A chain, rolled up.
const CHAIN: &str = "circuit chain {
    var x[40]: real
    param @e: gaussian[3; 0.0001] random
    param @a: weight[3, 3] random
    param @r: weight[1, 3] random
    %0 = input (x[39] @e) : 3
    %1 = scan 39 from %0 : 3 {
        %0 = carry : 3
        %1 = input (x[38 - i] @e) : 3
        %2 = sum dense %0 @a : 3
        %3 = hadamard %1, %2 : 3
        root %3
    }
    %2 = sum dense %1 @r : 1
    root %2
}";

/// Both, with random numbers that single precision has.
fn circuits() -> Vec<(Circuit, ParameterValues)> {
    let circuit = |text: &str| read(text).unwrap_or_else(|error| panic!("{error}")).circuits.remove(0);
    [TREE, CHAIN]
        .map(circuit)
        .map(|circuit| (in_single_precision(&random_values(&circuit, 3)), circuit))
        .map(|(v, c)| (c, v))
        .to_vec()
}

fn bits(number: f32) -> Option<usize> {
    Some(number.to_bits() as usize)
}

/// Rows with numbers around the means; some values are missing.
fn rows(circuit: &Circuit, seed: u64, count: usize, missing: f64) -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let sizes = domains(circuit);
    let mut entry = |size: usize| match rng.random_bool(missing) {
        true => None,
        false if size == REAL_MISSING as usize => bits(rng.random_range(-4.0..4.0)),
        false => Some(rng.random_range(0..size)),
    };
    (0..count).map(|_| sizes.iter().map(|&size| entry(size)).collect()).collect()
}

fn likelihoods(compiled: &Compiled, rows: &[Row], batch: usize) -> Vec<f64> {
    let mut session = Session::open(compiled.signature.clone(), &compiled.parameters).expect("it opens");
    let mut all = Vec::new();
    let mut keep = |_: usize, values: &[f64]| {
        all.extend_from_slice(values);
        ControlFlow::Continue(())
    };
    session.log_likelihoods(&compiled.rows(rows), batch, &mut keep).expect("the kernels run");
    all
}

// COVERS: semantics.gaussian plan.kernel
#[test]
fn likelihoods_are_those_of_the_reference() {
    for (circuit, values) in circuits() {
        let compiled = compiled(&circuit, &values);
        for (count, missing) in [(1, 0.0), (3, 0.3), (17, 0.2), (70, 0.2), (5, 1.0)] {
            let rows = rows(&circuit, count as u64, count, missing);
            let expected = value(&circuit, &values, &rows);
            assert_eq!(mismatch(&likelihoods(&compiled, &rows, 32), &expected, 1e-5), None, "{} {count}", circuit.name);
            let numbers = parameter_numbers(&circuit, &values).expect("they are there");
            let interpreted = interpret(&compiled.signature, &numbers, &rows);
            assert_eq!(mismatch(&interpreted, &expected, 1e-9), None, "{} interpreted", circuit.name);
        }
    }
}

/// Large means beside small variances, and numbers that are far away.
#[test]
fn extremes_stay_numbers() {
    let text = "circuit c {
        var x: real
        param @g: gaussian[2; 0.0001] given [100000.0, 0.01, -3.0, 4.0]
        param @r: weight[1, 2] given [0.5, 0.5]
        %0 = input (x @g) : 2
        %1 = sum dense %0 @r : 1
        root %1
    }";
    let circuit = read(text).expect("it is a circuit").circuits.remove(0);
    let values = ParameterValues::new();
    let rows: Vec<Row> = [100_000.07, 0.0, 3e7, -3e38].map(|x| vec![bits(x)]).to_vec();
    let found = likelihoods(&compiled(&circuit, &values), &rows, 4);
    let expected = value(&circuit, &values, &rows);
    assert_eq!(mismatch(&found[..3], &expected[..3], 1e-5), None, "{found:?} {expected:?}");
    assert!(found[3] < -1e30 && !found[3].is_nan());
    let (log_likelihoods, flows) = gathered(&circuit, &values, &rows);
    assert!(log_likelihoods.iter().all(|value| !value.is_nan()));
    assert!(flows.iter().flatten().all(|flow| flow.is_finite()), "{flows:?}");
}

/// Log-likelihoods and flows from the kernels.
fn gathered(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = outcome.module.circuits.remove(0);
    let plan = Arc::new(flow::lower(&circuit, &PlanOptions::default()));
    let signature = Arc::new(lower(&circuit, &PlanOptions::default()));
    let numbers = parameter_numbers(&circuit, values).expect("all parameters have values");
    let single = |numbers: &Vec<f64>| numbers.iter().map(|&number| number as f32).collect();
    let numbers: Vec<Vec<f32>> = numbers.iter().map(single).collect();
    let mut program = FlowProgram::new(plan, signature, 1 << 40).expect("the plan is in order");
    program.set_parameters(&numbers).expect("the parameters fit");
    let sizes = domains(&circuit);
    let evidence: Vec<u32> = (0..sizes.len())
        .flat_map(|variable| rows.iter().map(move |row| (variable, row)))
        .map(|(variable, row)| row[variable].unwrap_or(sizes[variable]) as u32)
        .collect();
    let found = program.gather(&evidence, rows.len(), rows.len()).expect("the kernels run");
    let flows = program.take().expect("there are flows").all(&numbers);
    (found, flows)
}

// COVERS: training.flow.gaussian
#[test]
fn flows_are_those_of_the_reference() {
    for (circuit, values) in circuits() {
        for (count, missing) in [(1, 0.0), (7, 0.3), (33, 0.2), (2, 1.0)] {
            let rows = rows(&circuit, 90 + count as u64, count, missing);
            let expected = flows(&circuit, &values, &rows).expect("it has its parameters");
            let (found, flows) = gathered(&circuit, &values, &rows);
            assert_eq!(mismatch(&found, &expected.log_likelihoods, 1e-5), None);
            for ((parameter, found), expected) in circuit.parameters.iter().zip(&flows).zip(&expected.parameters) {
                assert_eq!(found.len(), expected.len(), "{}", parameter.name);
                let largest = expected.iter().fold(1e-6f64, |largest, flow| largest.max(flow.abs()));
                for (a, b) in found.iter().zip(expected) {
                    // Densities in single precision are good to `1e-6` of their exponents.
                    assert!((a - b).abs() <= 3e-5 * largest, "{}: {found:?} {expected:?}", parameter.name);
                }
            }
        }
    }
}

/// Distance between the points of a grid; exact in single precision.
const STEP: f32 = 1.0 / 64.0;

/// The density of a missing real variable given the rest of a row, on a grid.
fn density(circuit: &Circuit, values: &ParameterValues, row: &Row, variable: usize) -> Vec<(f64, f64)> {
    let grid: Vec<f32> = (-1024..=1024).map(|k| k as f32 * STEP).collect();
    let with = |&x: &f32| {
        let mut row = row.clone();
        row[variable] = bits(x);
        row
    };
    let all = value(circuit, values, &grid.iter().map(with).collect::<Vec<Row>>());
    let total = log_sum_exp(all.iter().copied());
    grid.iter().zip(&all).map(|(&x, value)| (f64::from(x), (value - total).exp())).collect()
}

// COVERS: queries.real
#[test]
fn posteriors_have_the_moments_of_the_density() {
    for (circuit, values) in circuits() {
        let rows = rows(&circuit, 5, 4, 0.5);
        let mut row = 0;
        for found in compiled(&circuit, &values).marginals(&rows, 3) {
            for index in 0..found.log_likelihoods.len() {
                for variable in (0..rows[row].len()).filter(|&v| circuit.domain(v) == Some(Domain::Real)) {
                    let [mean, variance] = found.variable(index, variable) else { panic!("two numbers") };
                    if let Some(observed) = rows[row][variable] {
                        assert_eq!((mean.to_bits() as usize, *variance), (observed, 0.0));
                        continue;
                    }
                    let density = density(&circuit, &values, &rows[row], variable);
                    let expected: f64 = density.iter().map(|(x, p)| x * p).sum();
                    let spread: f64 = density.iter().map(|(x, p)| (x - expected).powi(2) * p).sum();
                    assert!((f64::from(*mean) - expected).abs() < 2e-5, "{mean} {expected}");
                    assert!((f64::from(*variance) - spread).abs() < 5e-5, "{variance} {spread}");
                }
                row += 1;
            }
        }
        assert_eq!(row, rows.len());
    }
}

// COVERS: queries.sample.real
#[test]
fn samples_have_the_density() {
    let (circuit, values) = circuits().remove(0);
    let row: Row = vec![None, bits(0.5), None, bits(-1.0), None];
    let sampling = Sampling { per_row: 40_000, seed: 9, temperature: 1.0 };
    let (_, completions) =
        compiled(&circuit, &values).complete(Purpose::Sample, std::slice::from_ref(&row), 1, sampling);
    for variable in [0, 2] {
        let numbers: Vec<f64> = completions[0].iter().map(|row| number(row[variable])).collect();
        let density = density(&circuit, &values, &row, variable);
        let bin = |x: f64| ((x + 16.0) / 0.25).floor().clamp(0.0, 127.0) as usize;
        let mut counts = vec![(0.0, 0.0); 128];
        // A point of the grid stands for half a step to both sides; bins end between points.
        let half = f64::from(STEP) / 2.0;
        density.iter().for_each(|(x, p)| counts[bin(x + half)].0 += p * numbers.len() as f64);
        numbers.iter().for_each(|x| counts[bin(x + half)].1 += 1.0);
        assert_chi_squared(&counts, &format!("variable {variable}"));
        assert_eq!(completions[0][0][1], bits(0.5), "what is observed stays");
    }
    let again = compiled(&circuit, &values).complete(Purpose::Sample, &[row], 1, sampling);
    assert_eq!(completions, again.1, "equal seeds draw equal numbers");
}

fn number(value: Option<usize>) -> f64 {
    f64::from(f32::from_bits(value.expect("it was completed") as u32))
}

// COVERS: queries.mpe.real
#[test]
fn the_most_likely_completion_has_means() {
    let text = "circuit c {
        var x[2]: real
        param @a: gaussian[2; 0.0001] given [1.0, 0.25, -2.0, 4.0]
        param @b: gaussian[2; 0.0001] given [5.0, 1.0, -5.0, 1.0]
        param @r: weight[1, 2] given [0.3, 0.7]
        %0 = input (x[0] @a) : 2
        %1 = input (x[1] @b) : 2
        %2 = hadamard %0, %1 : 2
        %3 = sum dense %2 @r : 1
        root %3
    }";
    let circuit = read(text).expect("it is a circuit").circuits.remove(0);
    let rows: Vec<Row> = vec![vec![None, None], vec![None, bits(-5.5)], vec![bits(0.0), None]];
    let compiled = compiled(&circuit, &ParameterValues::new());
    let (values, completions) = compiled.complete(Purpose::Mpe, &rows, 3, Sampling::GREATEST);
    let log_density = |x: f64, mean: f64, variance: f64| {
        -0.5 * ((x - mean).powi(2) / variance + (std::f64::consts::TAU * variance).ln())
    };
    // The first unit is 4 times as high at its mean as the second: 0.3 / 0.5 is more than 0.7 / 2.
    let expected = [
        (0.3f64.ln() + log_density(1.0, 1.0, 0.25) + log_density(5.0, 5.0, 1.0), [1.0, 5.0]),
        (0.7f64.ln() + log_density(-2.0, -2.0, 4.0) + log_density(-5.5, -5.0, 1.0), [-2.0, -5.5]),
        (0.7f64.ln() + log_density(0.0, -2.0, 4.0) + log_density(-5.0, -5.0, 1.0), [0.0, -5.0]),
    ];
    for (row, (log, numbers)) in expected.into_iter().enumerate() {
        assert!((values[row] - log).abs() < 1e-5, "{} {log}", values[row]);
        assert_eq!(completions[row][0].iter().map(|&value| number(value)).collect::<Vec<_>>(), numbers);
    }
}

/// Full-batch steps of every optimizer that takes them are the step of the reference; none lowers the likelihood.
// COVERS: training.gaussian
#[test]
fn steps_are_those_of_the_reference() {
    for (circuit, values) in circuits() {
        let data = rows(&circuit, 77, 60, 0.1);
        let mut values = values;
        let mut before = f64::NEG_INFINITY;
        for _ in 0..4 {
            let found = flows(&circuit, &values, &data).expect("it has its parameters");
            let total: f64 = found.log_likelihoods.iter().sum();
            assert!(total >= before - 1e-3, "{total} is below {before}");
            before = total;
            let expected = em_step(&circuit, &values, &found, 0.0).expect("it has its parameters");
            for algorithm in [
                Algorithm::Em { pseudocount: 0.0 },
                Algorithm::EmAverage { pseudocount: 0.0 },
                Algorithm::Anemone { pseudocount: 0.0, momentum: 0.0 },
                Algorithm::Anemone { pseudocount: 0.0, momentum: 0.9 },
            ] {
                let numbers = parameter_numbers(&circuit, &values).expect("they are there");
                let mut numbers: Vec<Vec<f32>> =
                    numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
                let flows = Flows::Sums(found.parameters.clone());
                let top_down = found.parameters.clone();
                let (parameters, rows) = (&circuit.parameters[..], data.len() as f64);
                let update = Update { parameters, flows: &flows, top_down: Some(&top_down), rows, step: 1.0 };
                create(algorithm).update(&update, &mut numbers).expect("flows are finite");
                for (parameter, numbers) in circuit.parameters.iter().zip(&numbers) {
                    let expected = expected.get(&parameter.name).expect("it is learnt");
                    let close =
                        |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() <= 2e-5 * b.abs().max(1.0) || *a == *b as f32;
                    assert!(numbers.iter().zip(expected).all(close), "{algorithm:?} {}", parameter.name);
                }
            }
            values = in_single_precision(&expected);
        }
        for parameter in &circuit.parameters {
            if let ParameterShape::Gaussian { floor, .. } = parameter.shape {
                let learnt = values.get(&parameter.name).expect("it is learnt");
                assert!(learnt.chunks(2).all(|unit| unit[1] >= floor.0 * (1.0 - 1e-6)), "{learnt:?}");
            }
        }
    }
}

/// Small steps of Adam climb.
// COVERS: training.gaussian.adam
#[test]
fn adam_climbs() {
    let (circuit, values) = circuits().remove(0);
    let data = rows(&circuit, 78, 50, 0.1);
    let mut adam = create(Algorithm::Adam { pseudocount: 0.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
    let mut values = values;
    let total = |values: &ParameterValues| value(&circuit, values, &data).iter().sum::<f64>();
    let start = total(&values);
    for _ in 0..30 {
        let found = flows(&circuit, &values, &data).expect("it has its parameters");
        let numbers = parameter_numbers(&circuit, &values).expect("they are there");
        let mut numbers: Vec<Vec<f32>> =
            numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
        let flows = Flows::Sums(found.parameters);
        let update = Update {
            parameters: &circuit.parameters,
            flows: &flows,
            top_down: None,
            rows: data.len() as f64,
            step: 0.02,
        };
        adam.update(&update, &mut numbers).expect("flows are finite");
        for (parameter, numbers) in circuit.parameters.iter().zip(&numbers) {
            values.insert(parameter.name.clone(), numbers.iter().map(|&number| number.into()).collect());
        }
    }
    assert!(total(&values) > start + 10.0, "{} {start}", total(&values));
}
