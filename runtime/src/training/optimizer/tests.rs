//! Each optimizer against numbers by hand, and what all of them guarantee.

use super::{Algorithm, Optimizer, State, Update, create};
use crate::training::flows::Flows;
use danaus_artifact::signature::{Init, Parameter, ParameterShape};
use proptest::prelude::*;

const ALL: [Algorithm; 6] = [
    Algorithm::Em { pseudocount: 0.0 },
    Algorithm::Em { pseudocount: 0.3 },
    Algorithm::EmAverage { pseudocount: 0.0 },
    Algorithm::Anemone { pseudocount: 0.0, momentum: 0.0 },
    Algorithm::Anemone { pseudocount: 0.1, momentum: 0.9 },
    Algorithm::Adam { pseudocount: 0.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
];

/// A weight of two rows of two, a table of one row of three, and an indicator.
fn parameters() -> Vec<Parameter> {
    let parameter = |name: &str, shape, init| Parameter { name: name.to_string(), shape, init };
    vec![
        parameter("w", ParameterShape::Weight { blocks: 1, outputs: 2, inputs: 2, dense: true }, Init::Random),
        parameter("t", ParameterShape::Table { width: 1, values: 3 }, Init::Random),
        parameter("i", ParameterShape::Table { width: 1, values: 2 }, Init::Indicator { value: 0 }),
    ]
}

fn values() -> Vec<Vec<f32>> {
    let table = [0.5f32, 0.25, 0.25].map(f32::ln).to_vec();
    vec![vec![0.75, 0.25, 0.5, 0.5], table, vec![0.0, f32::NEG_INFINITY]]
}

/// One update with flows of the weights and the table.
fn apply(
    optimizer: &mut dyn Optimizer,
    values: &mut [Vec<f32>],
    weights: [f64; 4],
    table: [f64; 3],
    rows: f64,
    step: f64,
) {
    let parameters = parameters();
    let flows = Flows::Sums(vec![weights.to_vec(), table.to_vec(), vec![]]);
    // The first row of the weights and the table are at the root; the second row is used half of the time.
    let top_down = [vec![0.75, 0.25, 0.25, 0.25], vec![0.5, 0.25, 0.25], vec![]];
    let update = Update { parameters: &parameters, flows: &flows, top_down: Some(&top_down), rows, step };
    optimizer.update(&update, values).unwrap();
}

fn close(found: &[f32], expected: &[f64]) {
    let near = |(a, b): (&f32, &f64)| f64::from(*a) == *b || (f64::from(*a) - b).abs() < 1e-6;
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?} instead of {expected:?}");
}

#[test]
fn full_batch_em_takes_the_shares_of_the_flows() {
    // COVERS: training.optimizer.em
    let (mut em, mut values) = (create(Algorithm::Em { pseudocount: 1.0 }), values());
    apply(&mut *em, &mut values, [3.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0], 4.0, 1.0);
    close(&values[0], &[3.5 / 5.0, 1.5 / 5.0, 0.5, 0.5]);
    let third = 1.0 / 3.0;
    close(&values[1], &[(2.0 + third) / 3.0, third / 3.0, third / 3.0].map(f64::ln));
    close(&values[2], &[0.0, f64::NEG_INFINITY]);
}

#[test]
fn stepwise_em_remembers_node_flows() {
    // COVERS: training.optimizer.em
    let (mut em, mut values) = (create(Algorithm::Em { pseudocount: 0.0 }), values());
    apply(&mut *em, &mut values, [3.0, 1.0, 0.0, 0.0], [2.0, 0.0, 0.0], 4.0, 0.5);
    // Nothing was remembered: the shares of the flows, whatever the step. N = 0.5 * 4.
    close(&values[0], &[0.75, 0.25, 0.5, 0.5]);
    assert_eq!(em.state().buffers[0], [vec![2.0, 0.0], vec![1.0], vec![]]);
    apply(&mut *em, &mut values, [0.0, 8.0, 1.0, 0.0], [0.0, 0.0, 0.0], 8.0, 0.25);
    // 0.75 * 2 * (0.75, 0.25) + 0.25 * (0, 8) = (1.125, 2.375)
    close(&values[0], &[1.125 / 3.5, 2.375 / 3.5, 1.0, 0.0]);
    close(&values[1], &[0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]);
    assert_eq!(em.state().buffers[0], [vec![3.5, 0.25], vec![0.75], vec![]]);
}

#[test]
fn averaging_em_moves_by_the_step() {
    // COVERS: training.optimizer.em-average
    let (mut em, mut values) = (create(Algorithm::EmAverage { pseudocount: 2.0 }), values());
    apply(&mut *em, &mut values, [1.0, 3.0, 0.0, 0.0], [4.0, 0.0, 0.0], 4.0, 0.5);
    close(&values[0], &[0.5 * 0.75 + 0.5 * 2.0 / 6.0, 0.5 * 0.25 + 0.5 * 4.0 / 6.0, 0.5, 0.5]);
}

#[test]
fn anemone_scales_by_the_top_down_probability() {
    // COVERS: training.anemone
    let (mut anemone, mut values) = (create(Algorithm::Anemone { pseudocount: 0.0, momentum: 0.0 }), values());
    apply(&mut *anemone, &mut values, [1.0, 3.0, 1.0, 0.0], [4.0, 0.0, 0.0], 4.0, 0.5);
    // Root row: 0.5 * (1/4, 3/4) + 0.5 * 1 * (0.75, 0.25), already normalized.
    // Second row, T = 0.5: 0.5 * (1/4, 0) + 0.5 * 0.5 * (0.5, 0.5) = (0.25, 0.125).
    close(&values[0], &[0.5, 0.5, 2.0 / 3.0, 1.0 / 3.0]);
    close(&values[1], &[0.75, 0.125, 0.125].map(f64::ln));
}

#[test]
fn anemone_averages_flows_with_momentum() {
    // COVERS: training.anemone.momentum
    let (mut anemone, mut values) = (create(Algorithm::Anemone { pseudocount: 0.0, momentum: 0.5 }), values());
    apply(&mut *anemone, &mut values, [4.0, 0.0, 0.0, 0.0], [4.0, 0.0, 0.0], 4.0, 1.0);
    // buffer = 0.5 (1, 0), corrected by 1 - 0.5: (1, 0).
    close(&values[0], &[1.0, 0.0, 0.5, 0.5]);
    apply(&mut *anemone, &mut values, [0.0, 2.0, 0.0, 0.0], [4.0, 0.0, 0.0], 2.0, 1.0);
    // buffer = 0.5 (0.5, 0) + 0.5 (0, 1), corrected by 1 - 0.25.
    close(&values[0], &[0.25 / 0.75, 0.5 / 0.75, 0.5, 0.5]);
}

#[test]
fn the_first_step_of_adam_is_the_sign_of_the_gradient() {
    // COVERS: training.adam
    let algorithm = Algorithm::Adam { pseudocount: 0.0, beta1: 0.9, beta2: 0.999, epsilon: 1e-12 };
    let (mut adam, mut values) = (create(algorithm), values());
    apply(&mut *adam, &mut values, [2.0, 2.0, 0.0, 0.0], [1.0, 0.0, 3.0], 4.0, 0.1);
    // Gradient of the first row: (2 - 0.75 * 4) / 4 = -0.25 and (2 - 0.25 * 4) / 4 = 0.25; both logits move by 0.1.
    let masses = [0.75 * (-0.1f64).exp(), 0.25 * 0.1f64.exp()];
    let total = masses[0] + masses[1];
    close(&values[0], &[masses[0] / total, masses[1] / total, 0.5, 0.5]);
    // Table: (1 - 0.5 * 4, 0 - 0.25 * 4, 3 - 0.25 * 4) / 4: down, down, up.
    let masses = [0.5 * (-0.1f64).exp(), 0.25 * (-0.1f64).exp(), 0.25 * 0.1f64.exp()];
    let total: f64 = masses.iter().sum();
    close(&values[1], &masses.map(|mass| (mass / total).ln()));
    let state = adam.state();
    assert_eq!(state.updates, 1);
    assert!((state.buffers[0][0][0] + 0.025).abs() < 1e-12 && (state.buffers[1][0][0] - 0.0000625).abs() < 1e-12);
}

#[test]
fn a_step_of_zero_changes_nothing_in_em() {
    for algorithm in &ALL[..5] {
        let (mut optimizer, mut found) = (create(*algorithm), values());
        apply(&mut *optimizer, &mut found, [1.0, 3.0, 1.0, 0.0], [4.0, 0.0, 0.0], 4.0, 0.0);
        assert_eq!(found, values(), "{algorithm:?}");
    }
}

#[test]
fn rows_without_flow_keep_their_bits() {
    // COVERS: training.optimizer
    for algorithm in ALL {
        let (mut optimizer, mut found) = (create(algorithm), values());
        found[0] = vec![0.3, 0.1, 0.2, 0.2];
        apply(&mut *optimizer, &mut found, [1.0, 1.0, 0.0, 0.0], [0.0; 3], 1.0, 0.5);
        assert_eq!((&found[0][2..], &found[1]), (&[0.2, 0.2][..], &values()[1]), "{algorithm:?}");
        assert!((found[0][0] + found[0][1] - 1.0).abs() < 1e-6, "{algorithm:?}");
    }
}

fn flow() -> impl Strategy<Value = f64> {
    prop_oneof![3 => Just(0.0), 4 => 0.0..100.0f64, 1 => 1e-300..1e-290f64, 1 => 1e12..1e15f64, 1 => Just(5e-324)]
}

fn start() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let weight = prop_oneof![2 => Just(0.0f32), 4 => 0.0..1.0f32, 1 => Just(1e-40f32), 1 => Just(3e38f32)];
    let log = prop_oneof![2 => Just(f32::NEG_INFINITY), 4 => -20.0..0.0f32, 1 => Just(-3e38f32), 1 => Just(80.0f32)];
    (prop::array::uniform4(weight), prop::array::uniform3(log))
        .prop_map(|(w, t)| vec![w.to_vec(), t.to_vec(), vec![0.0, f32::NEG_INFINITY]])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_flows_make_nan(
        start in start(),
        updates in prop::collection::vec((prop::array::uniform4(flow()), prop::array::uniform3(flow()), 0.0..=1.0f64), 1..6),
    ) {
        for algorithm in ALL {
            let (mut optimizer, mut values) = (create(algorithm), start.clone());
            for (weights, table, step) in &updates {
                let before = values.clone();
                apply(&mut *optimizer, &mut values, *weights, *table, 10.0, *step);
                prop_assert!(values.iter().flatten().all(|value| !value.is_nan()), "{algorithm:?} {values:?}");
                prop_assert!(values[0].iter().all(|value| (0.0..f32::INFINITY).contains(value)), "{algorithm:?} {values:?}");
                for row in 0..2 {
                    let changed = values[0][row * 2..][..2] != before[0][row * 2..][..2];
                    let sum: f64 = values[0][row * 2..][..2].iter().map(|value| f64::from(*value)).sum();
                    prop_assert!(!changed || (sum - 1.0).abs() < 1e-6, "{algorithm:?} {values:?}");
                }
                let sum: f64 = values[1].iter().map(|log| f64::from(*log).exp()).sum();
                prop_assert!(values[1] == before[1] || (sum - 1.0).abs() < 1e-5, "{algorithm:?} {values:?}");
                prop_assert_eq!(&values[2], &start[2]);
            }
        }
    }

    #[test]
    fn a_restored_optimizer_goes_on_to_the_bit(
        updates in prop::collection::vec((prop::array::uniform4(0.0..9.0f64), prop::array::uniform3(0.0..9.0f64)), 2..6),
        cut in 0usize..6,
    ) {
        for algorithm in ALL {
            let (mut whole, mut expected) = (create(algorithm), values());
            let (mut parts, mut found) = (create(algorithm), values());
            for (number, (weights, table)) in updates.iter().enumerate() {
                if number == cut {
                    let bytes = postcard::to_stdvec(parts.state()).unwrap();
                    parts = create(algorithm);
                    parts.restore(postcard::from_bytes::<State>(&bytes).unwrap());
                }
                apply(&mut *whole, &mut expected, *weights, *table, 5.0, 0.3);
                apply(&mut *parts, &mut found, *weights, *table, 5.0, 0.3);
            }
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(whole.state(), parts.state());
        }
    }
}
