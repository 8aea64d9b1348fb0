//! Flows against numbers computed by hand.

use super::flows;
use crate::circuit::Circuit;
use crate::circuit::read::read;
use crate::reference::{ParameterValues, Row};

fn circuit(text: &str) -> Circuit {
    read(text).unwrap_or_else(|error| panic!("{error}")).circuits.remove(0)
}

/// The flows of a circuit whose numbers are given in its text.
fn flows_of(text: &str, rows: &[Row]) -> Vec<Vec<f64>> {
    flows(&circuit(text), &ParameterValues::new(), rows).expect("all numbers are given").parameters
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-14;
    let same = found.len() == expected.len() && found.iter().zip(expected).all(close);
    assert!(same, "{found:?} is not {expected:?}");
}

const MIXTURE: &str = "circuit c {
    var x: binary
    param @t: table[2, 2] given [0.5, 0.5, 0.25, 0.75]
    param @w: weight[1, 2] given [0.4, 0.6]
    %0 = input (x @t) : 2
    %1 = sum dense %0 @w : 1
    root %1
}";

// COVERS: training.flow, training.flow.root, training.flow.sum, training.flow.input
#[test]
fn a_mixture_has_the_flows_of_its_posterior() {
    // P(x = 0) = 0.4 * 0.5 + 0.6 * 0.25 = 0.35, of which component 0 has 0.2.
    let found = flows_of(MIXTURE, &[vec![Some(0)]]);
    assert_close(&found[1], &[0.2 / 0.35, 0.15 / 0.35]);
    assert_close(&found[0], &[0.2 / 0.35, 0.0, 0.15 / 0.35, 0.0]);
}

// COVERS: training.flow.missing
#[test]
fn a_missing_variable_spreads_the_flow_over_the_row() {
    let found = flows_of(MIXTURE, &[vec![None]]);
    assert_close(&found[1], &[0.4, 0.6]);
    assert_close(&found[0], &[0.2, 0.2, 0.15, 0.45]);
    let unnormalized = MIXTURE.replace("0.5, 0.5, 0.25, 0.75", "1.0, 3.0, 0.0, 2.0");
    // The units are 4 and 2, so the components have 1.6 and 1.2 of 2.8.
    let found = flows_of(&unnormalized, &[vec![None]]);
    assert_close(&found[0], &[0.4 / 2.8, 1.2 / 2.8, 0.0, 1.2 / 2.8]);
}

// COVERS: training.flow.impossible
#[test]
fn an_impossible_row_has_no_flows() {
    let text = MIXTURE.replace("0.5, 0.5, 0.25, 0.75", "1.0, 0.0, 1.0, 0.0");
    let rows = [vec![Some(1)], vec![Some(0)], vec![Some(1)]];
    let found = flows(&circuit(&text), &ParameterValues::new(), &rows).expect("all numbers are given");
    assert_eq!(found.log_likelihoods[0], f64::NEG_INFINITY);
    assert_close(&found.log_likelihoods[1..2], &[0.0]);
    assert_close(&found.parameters[1], &[0.4, 0.6]);
    assert_close(&found.parameters[0], &[0.4, 0.0, 0.6, 0.0]);
}

// COVERS: training.flow.tied
#[test]
fn flows_of_tied_parameters_add_up() {
    let found = flows_of(
        "circuit c {
            var x[2]: binary
            param @t: table[1, 2] given [0.25, 0.75]
            %0 = input (x[0] @t) : 1
            %1 = input (x[1] @t) : 1
            %2 = hadamard %0, %1 : 1
            root %2
        }",
        &[vec![Some(0), Some(1)], vec![Some(1), Some(1)], vec![Some(1), None]],
    );
    assert_close(&found[0], &[1.25, 4.75]);
}

// COVERS: training.flow.product
#[test]
fn a_kronecker_product_sends_the_sum_of_the_combinations() {
    let found = flows_of(
        "circuit c {
            var x[2]: binary
            param @a: table[2, 2] given [0.5, 0.5, 0.5, 0.5]
            param @b: table[3, 2] given [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
            param @w: weight[1, 6] given [0.05, 0.1, 0.15, 0.2, 0.2, 0.3]
            %0 = input (x[0] @a) : 2
            %1 = input (x[1] @b) : 3
            %2 = kronecker %0, %1 : 6
            %3 = sum dense %2 @w : 1
            root %3
        }",
        &[vec![Some(0), Some(1)]],
    );
    assert_close(&found[0], &[0.3, 0.0, 0.7, 0.0]);
    assert_close(&found[1], &[0.0, 0.25, 0.0, 0.3, 0.0, 0.45]);
    assert_close(&found[2], &[0.05, 0.1, 0.15, 0.2, 0.2, 0.3]);
}

// COVERS: training.flow.layers
#[test]
fn permutations_and_concatenations_move_flows() {
    let found = flows_of(
        "circuit c {
            var x: binary
            param @a: table[2, 2] given [0.5, 0.5, 0.5, 0.5]
            param @b: table[4, 2] given [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
            param @w: weight[1, 6] given [0.05, 0.1, 0.15, 0.2, 0.2, 0.3]
            %0 = input (x @a) : 2
            %1 = input (x @b) : 4
            %2 = concat %0, %1 : 6
            %3 = permute[1, 2, 3] %2 : 6
            %4 = sum dense %3 @w : 1
            root %4
        }",
        &[vec![Some(0)]],
    );
    // The permuted vector is (a0, b1, a1, b2, b0, b3).
    assert_close(&found[0], &[0.05, 0.0, 0.15, 0.0]);
    assert_close(&found[1], &[0.2, 0.0, 0.1, 0.0, 0.2, 0.0, 0.3, 0.0]);
}

// COVERS: training.flow.layers
#[test]
fn a_scan_sends_flows_back_through_its_iterations() {
    // Two states that never change; state 1 emits 0 with probability 1/4, state 0 with 1/2. The three bits are 0, 1, 0.
    let found = flows_of(
        "circuit c {
            var x[3]: binary
            param @e: table[2, 2] given [0.5, 0.5, 0.25, 0.75]
            param @t: weight[2, 2] given [1.0, 0.0, 0.0, 1.0]
            param @i: weight[1, 2] given [0.5, 0.5]
            %0 = input (x[2] @e) : 2
            %1 = scan 2 from %0 : 2 {
                %0 = carry : 2
                %1 = sum dense %0 @t : 2
                %2 = hadamard %1, (x[1 - 1*i] @e) : 2
                root %2
            }
            %2 = sum dense %1 @i : 1
            root %2
        }",
        &[vec![Some(0), Some(1), Some(0)]],
    );
    // 1/8 against 3/64: the posterior probabilities of the states are 8/11 and 3/11.
    let (first, second) = (8.0 / 11.0, 3.0 / 11.0);
    assert_close(&found[2], &[first, second]);
    assert_close(&found[1], &[2.0 * first, 0.0, 0.0, 2.0 * second]);
    assert_close(&found[0], &[2.0 * first, first, 2.0 * second, second]);
}

// COVERS: training.flow.layers
#[test]
fn a_stage_sends_flows_through_its_permuted_store() {
    let found = flows_of(
        "circuit c {
            var x[2]: binary
            param @a: table[4, 2] given [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
            param @b: table[4, 2] given [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
            param @s: weight[1; 2, 2] given [0.25, 0.75, 1.0, 0.0]
            param @w: weight[1, 4] given [0.1, 0.2, 0.3, 0.4]
            %0 = stage[2; 2, 2] rows 2 (x[0] @a) plus (x[1] @b) @s : 4
            %1 = sum dense %0 @w : 1
            root %1
        }",
        &[vec![Some(0), Some(1)]],
    );
    // Stored are block 0 output 0, block 1 output 0, block 0 output 1, block 1 output 1.
    assert_close(&found[1], &[0.0, 0.1, 0.0, 0.2, 0.0, 0.3, 0.0, 0.4]);
    assert_close(&found[2], &[0.3 * 0.25, 0.3 * 0.75, 0.7, 0.0]);
    assert_close(&found[0], &[0.325, 0.0, 0.075, 0.0, 0.45, 0.0, 0.15, 0.0]);
}

// COVERS: training.flow.sum
#[test]
fn monarch_factors_have_the_flows_of_their_path() {
    // Output (p, o) reads input (g, i) through factor.2[g; o, i] and factor.1[o; p, g] only.
    let found = flows_of(
        "circuit c {
            var x: binary
            param @t: table[4, 2] given [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]
            param @m.1: weight[2; 2, 2] given [0.5, 0.5, 0.25, 0.75, 0.5, 0.5, 0.5, 0.5]
            param @m.2: weight[2; 2, 2] given [0.5, 0.5, 0.25, 0.75, 0.5, 0.5, 0.5, 0.5]
            param @w: weight[1, 4] given [0.0, 1.0, 0.0, 0.0]
            %0 = input (x @t) : 4
            %1 = sum monarch(2, 2) %0 @m.1 @m.2 : 4
            %2 = sum dense %1 @w : 1
            root %2
        }",
        &[vec![Some(0)]],
    );
    // Only input (1, 0) is possible at 0, and only output (0, 1) is used.
    assert_close(&found[0], &[0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_close(&found[1], &[0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    assert_close(&found[2], &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
}
