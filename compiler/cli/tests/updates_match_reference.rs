//! The optimizers of the runtime against the definition of a step: one step, and what is remembered over several.

use danaus_compiler::circuit::Circuit;
use danaus_compiler::circuit::read::read;
use danaus_compiler::reference::{EmOptions, Flows, NodeFlows, ParameterValues, em_step, mini_batch_em_step};
use danaus_runtime::training::Flows::Sums;
use danaus_runtime::training::optimizer::{Algorithm, Optimizer, Update, create};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

const CIRCUIT: &str = "circuit c {
    var x[4]: categorical(3)
    param @t: table[4, 3] random
    param @is_1: table[4, 3] indicator 1
    param @b: table[4, 3] binomial
    param @l: table[4, 3] logistic
    param @w: weight[2; 2, 2] random
    param @m: mixing[4, 2] random
    param @r: weight[1, 4] random
    %0 = input (x[0] @t) : 4
    %1 = sum block_diagonal(2) %0 @w : 4
    %2 = sum mixing %0, %1 @m : 4
    %3 = input (x[1] @is_1) : 4
    %4 = input (x[2] @b) : 4
    %5 = input (x[3] @l) : 4
    %6 = hadamard %2, %3, %4, %5 : 4
    %7 = sum dense %6 @r : 1
    root %7
}";

/// Lengths of the parameters, and of their rows.
const LENGTHS: [(usize, usize); 7] = [(12, 3), (12, 3), (12, 3), (12, 3), (8, 2), (8, 2), (4, 4)];

fn circuit() -> Circuit {
    read(CIRCUIT).unwrap_or_else(|error| panic!("{error}")).circuits.remove(0)
}

/// Flows of every parameter; a third of the rows has none.
fn flows() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let flow = prop_oneof![1 => Just(0.0), 3 => 0.0..50.0f64];
    let row = move |columns| (prop::collection::vec(flow.clone(), columns), 0..3u8);
    let parameter = move |(length, columns): (usize, usize)| {
        prop::collection::vec(row(columns), length / columns).prop_map(|rows| {
            rows.into_iter()
                .flat_map(|(row, used)| if used > 0 { row } else { vec![0.0; row.len()] })
                .collect::<Vec<f64>>()
        })
    };
    LENGTHS.map(parameter).into_iter().collect::<Vec<_>>()
}

/// Normalized rows, tables as logarithms.
fn start(circuit: &Circuit, masses: &[Vec<f64>]) -> Vec<Vec<f32>> {
    let rows = circuit.parameters.iter().zip(masses).zip(LENGTHS);
    rows.map(|((parameter, masses), (_, columns))| {
        let is_table = ["t", "is_1", "b", "l"].contains(&parameter.name.as_str());
        let normalized = masses.chunks(columns).flat_map(|row| {
            let total: f64 = row.iter().sum();
            row.iter().map(move |mass| mass / total).collect::<Vec<f64>>()
        });
        normalized.map(|p| (if is_table { p.ln() } else { p }) as f32).collect()
    })
    .collect()
}

/// The same in double precision, by name.
fn values64(circuit: &Circuit, values: &[Vec<f32>]) -> ParameterValues {
    let mut found = ParameterValues::new();
    for (parameter, values) in circuit.parameters.iter().zip(values).filter(|(parameter, _)| parameter.is_stored()) {
        found.insert(parameter.name.clone(), values.iter().map(|value| f64::from(*value)).collect());
    }
    found
}

fn update(optimizer: &mut dyn Optimizer, circuit: &Circuit, flows: &[Vec<f64>], step: f64, values: &mut [Vec<f32>]) {
    let mut flows = flows.to_vec();
    flows[1].clear();
    let (top_down, flows) = (flows.clone(), Sums(flows));
    let update = Update { parameters: &circuit.parameters, flows: &flows, top_down: Some(&top_down), rows: 10.0, step };
    optimizer.update(&update, values).expect("flows are finite");
}

fn differs(circuit: &Circuit, found: &[Vec<f32>], expected: &ParameterValues) -> Option<String> {
    for (parameter, found) in circuit.parameters.iter().zip(found).filter(|(parameter, _)| parameter.is_stored()) {
        let expected = expected.get(&parameter.name).expect("it is learned");
        // The best member is found to about the root of the precision of its likelihood.
        let tolerance = if parameter.name == "l" { 2e-5 } else { 1e-6 };
        for (number, (a, b)) in found.iter().zip(expected).enumerate() {
            let a = f64::from(*a);
            if a != *b && !((a - b).abs() <= tolerance * b.abs().max(1.0)) {
                return Some(format!("{} {number}: {a} is not {b}", parameter.name));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(Config { cases: 200, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..Config::default() })]

    // COVERS: training.optimizer.em
    #[test]
    fn full_batches(
        masses in LENGTHS.map(|(length, _)| prop::collection::vec(0.01..1.0f64, length)).into_iter().collect::<Vec<_>>(),
        flows in flows(),
        pseudocount in prop_oneof![Just(0.0), 0.0..3.0f64],
    ) {
        let circuit = circuit();
        let values = start(&circuit, &masses);
        let given = Flows { log_likelihoods: vec![], parameters: flows.clone() };
        let expected = em_step(&circuit, &values64(&circuit, &values), &given, pseudocount).expect("it has parameters");
        // All algorithms that take a whole step are the same.
        for algorithm in [
            Algorithm::Em { pseudocount },
            Algorithm::EmAverage { pseudocount },
            Algorithm::Anemone { pseudocount, momentum: 0.0 },
        ] {
            let mut found = values.clone();
            update(&mut *create(algorithm), &circuit, &flows, 1.0, &mut found);
            prop_assert_eq!(differs(&circuit, &found, &expected), None, "{:?}", algorithm);
        }
    }

    // COVERS: training.optimizer.em
    #[test]
    fn mini_batches(
        masses in LENGTHS.map(|(length, _)| prop::collection::vec(0.01..1.0f64, length)).into_iter().collect::<Vec<_>>(),
        batches in prop::collection::vec((flows(), 0.0..=1.0f64), 1..6),
        pseudocount in prop_oneof![Just(0.0), 0.0..3.0f64],
    ) {
        let circuit = circuit();
        let mut values = start(&circuit, &masses);
        let (mut em, mut remembered) = (create(Algorithm::Em { pseudocount }), NodeFlows::none(&circuit));
        for (flows, step) in batches {
            let given = Flows { log_likelihoods: vec![], parameters: flows.clone() };
            let options = EmOptions { step, pseudocount };
            let before = values64(&circuit, &values);
            let expected = mini_batch_em_step(&circuit, &before, &given, options, &mut remembered);
            update(&mut *em, &circuit, &flows, step, &mut values);
            prop_assert_eq!(differs(&circuit, &values, &expected.expect("it has parameters")), None);
        }
    }
}
