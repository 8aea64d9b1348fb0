//! The reference of expectation-maximization: what a step must do to the likelihood, and textbook algorithms.

mod common;

use common::baum_welch::{expected_counts, normalized_rows};
use common::hmm::{Hmm, hmm, hmms, transition_matrix};
use common::random_circuit::{random_chain, random_circuit, recipes};
use common::{config, mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::read::read;
use danaus_compiler::circuit::{Circuit, Parameter, ParameterShape};
use danaus_compiler::reference::{
    EmOptions, Flows, NodeFlows, ParameterValues, Row, em_step, flows, mini_batch_em_step, parameter_numbers,
    random_values,
};
use proptest::prelude::*;

fn flows_of(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> Flows {
    flows(circuit, values, rows).expect("the circuit has all of its parameters")
}

fn step(circuit: &Circuit, values: &ParameterValues, rows: &[Row], pseudocount: f64) -> ParameterValues {
    em_step(circuit, values, &flows_of(circuit, values, rows), pseudocount).expect("the circuit has its parameters")
}

/// The numbers in a row of a parameter.
fn columns(parameter: &Parameter) -> usize {
    match parameter.shape {
        ParameterShape::Table { values, .. } => values,
        ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => inputs,
        ParameterShape::Gaussian { .. } => 2,
    }
}

/// The linear numbers of all stored parameters, with the size of their rows.
fn linear_numbers(circuit: &Circuit, values: &ParameterValues) -> Vec<(usize, Vec<f64>)> {
    let numbers = parameter_numbers(circuit, values).expect("the circuit has all of its parameters");
    let stored = circuit.parameters.iter().zip(numbers).filter(|(parameter, _)| parameter.is_stored());
    let linear = |(parameter, numbers): (&Parameter, Vec<f64>)| match parameter.shape {
        ParameterShape::Table { .. } => (columns(parameter), numbers.iter().map(|number| number.exp()).collect()),
        ParameterShape::Weight { .. } | ParameterShape::Mixing { .. } | ParameterShape::Gaussian { .. } => {
            (columns(parameter), numbers)
        }
    };
    stored.map(linear).collect()
}

/// The log-likelihood of the rows that are possible at the start, plus, for each row of a parameter, the logarithm of a
/// Dirichlet density with the pseudocount: what a step with a pseudocount climbs.
fn objective(circuit: &Circuit, values: &ParameterValues, rows: &[Row], pseudocount: f64) -> f64 {
    let likelihood: f64 = value(circuit, values, rows).iter().sum();
    if pseudocount == 0.0 {
        return likelihood;
    }
    let prior = |(columns, numbers): &(usize, Vec<f64>)| {
        pseudocount / *columns as f64 * numbers.iter().map(|number| number.ln()).sum::<f64>()
    };
    likelihood + linear_numbers(circuit, values).iter().map(prior).sum::<f64>()
}

/// Twenty steps, none of which lowers the objective; all rows stay distributions.
fn steps_climb(circuit: &Circuit, mut values: ParameterValues, rows: &[Row], pseudocount: f64) -> Result<(), String> {
    let now = value(circuit, &values, rows);
    let rows: Vec<Row> =
        rows.iter().zip(now).filter(|(_, value)| value.is_finite()).map(|(row, _)| row.clone()).collect();
    let mut before = objective(circuit, &values, &rows, pseudocount);
    for number in 0..20 {
        values = step(circuit, &values, &rows, pseudocount);
        let after = objective(circuit, &values, &rows, pseudocount);
        if !(after >= before - 1e-11 * before.abs().max(1.0)) {
            return Err(format!("step {number} goes from {before} to {after}"));
        }
        before = after;
        for (columns, numbers) in linear_numbers(circuit, &values) {
            let off = |row: &[f64]| !((row.iter().sum::<f64>() - 1.0).abs() <= 1e-12);
            if let Some(row) = numbers.chunks(columns).find(|row| off(row)) {
                return Err(format!("after step {number} there is the row {row:?}"));
            }
        }
    }
    Ok(())
}

/// What each factor of a Monarch transition is used for, if `xi[h, i]` is the number of steps from state `h` to state
/// `i`: each pair uses one weight of each factor.
fn monarch_counts(factors: &[usize], xi: &[f64]) -> Vec<Vec<f64>> {
    let width: usize = factors.iter().product();
    let mut counts: Vec<Vec<f64>> = factors.iter().map(|b| vec![0.0; width * b]).collect();
    for (pair, count) in xi.iter().enumerate() {
        let (output, mut place) = (pair / width, pair % width);
        for (k, b) in factors.iter().enumerate().rev() {
            let digit = output / factors[k + 1..].iter().product::<usize>() % b;
            let (block, input) = (place / b, place % b);
            counts[k][(block * b + digit) * b + input] += count;
            place = digit * (width / b) + block;
        }
        assert_eq!(place, output, "the stages lead to the output");
    }
    counts
}

/// One step on a hidden Markov model, against the textbook.
fn is_baum_welch(model: &Hmm, seed: u64, missing: f64) -> Result<(), String> {
    let circuit = hmm(model);
    let values = random_values(&circuit, seed);
    let rows = random_rows(&circuit, seed, 6, missing);
    let counts = expected_counts(model, &values, &transition_matrix(model, &values), &rows);
    let learned = step(&circuit, &values, &rows, 0.0);
    let check = |name: &str, columns: usize, counts: &[f64], table: bool| {
        let found = learned.get(name).expect("it is learned");
        let found: Vec<f64> = found.iter().map(|number| if table { number.exp() } else { *number }).collect();
        mismatch(&found, &normalized_rows(counts, columns), 1e-10).map_or(Ok(()), |text| Err(format!("{name}: {text}")))
    };
    check("initial", model.states, &counts.initial, false)?;
    check("emission", model.values, &counts.emission, true)?;
    if model.monarch.is_empty() {
        return check("transition", model.states, &counts.transition, false);
    }
    let factors = monarch_counts(&model.monarch, &counts.transition);
    let mut numbered = factors.iter().zip(&model.monarch).enumerate();
    numbered.try_for_each(|(k, (counts, &b))| check(&format!("transition.{}", k + 1), b, counts, false))
}

proptest! {
    #![proptest_config(config(200))]

    // COVERS: training.em
    #[test]
    fn steps_never_lower_the_likelihood_of_random_circuits(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 12, 0.2);
        prop_assert_eq!(steps_climb(&circuit, values, &rows, 0.0), Ok(()));
    }

    // COVERS: training.em.pseudocount
    #[test]
    fn steps_with_a_pseudocount_climb_the_posterior(recipe in recipes(), pseudocount in 0.01..4.0f64) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, false);
        let rows = random_rows(&circuit, recipe.seed, 12, 0.2);
        prop_assert_eq!(steps_climb(&circuit, values, &rows, pseudocount), Ok(()));
    }
}

proptest! {
    #![proptest_config(config(100))]

    // COVERS: training.em
    #[test]
    fn steps_never_lower_the_likelihood_of_chains(recipe in recipes(), steps in 2..8usize, per_step in 1..3usize) {
        let circuit = random_chain(&recipe, steps, per_step);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 8, 0.2);
        prop_assert_eq!(steps_climb(&circuit, values, &rows, 0.0), Ok(()));
    }

    // COVERS: training.em
    #[test]
    fn a_step_on_a_hidden_markov_model_is_that_of_baum_and_welch((model, seed) in hmms()) {
        prop_assert_eq!(is_baum_welch(&model, seed, 0.0), Ok(()));
        prop_assert_eq!(is_baum_welch(&model, seed, 0.2), Ok(()));
    }

    // COVERS: training.em.minibatch
    #[test]
    fn a_mini_batch_of_everything_is_a_full_batch(recipe in recipes(), pseudocount in 0.0..2.0f64) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let batch = flows_of(&circuit, &values, &random_rows(&circuit, recipe.seed, 5, 0.2));
        let mut remembered = NodeFlows::none(&circuit);
        let options = EmOptions { step: 1.0, pseudocount };
        // What is remembered does not count when the step is 1.
        for _ in 0..2 {
            let found = mini_batch_em_step(&circuit, &values, &batch, options, &mut remembered).expect("it has parameters");
            prop_assert_eq!(found, em_step(&circuit, &values, &batch, pseudocount).expect("it has parameters"));
        }
    }

    // COVERS: training.em.minibatch, training.em.minibatch.node-flow
    #[test]
    fn mini_batches_average_flows(recipe in recipes(), step in 0.05..0.95f64, count in 1..6u64) {
        let circuit = random_circuit(&recipe);
        let mut values = parameters(&circuit, recipe.seed, recipe.zeros);
        let mut remembered = NodeFlows::none(&circuit);
        let mut average: Vec<Vec<f64>> = flows_of(&circuit, &values, &[]).parameters;
        for number in 0..count {
            let before = values.clone();
            let batch = flows_of(&circuit, &values, &random_rows(&circuit, number, 4, 0.2));
            let options = EmOptions { step, pseudocount: 0.0 };
            values = mini_batch_em_step(&circuit, &values, &batch, options, &mut remembered).expect("it has parameters");
            for (average, flows) in average.iter_mut().zip(&batch.parameters) {
                average.iter_mut().zip(flows).for_each(|(sum, flow)| *sum = (1.0 - step) * *sum + step * flow);
            }
            prop_assert_eq!(is_average(&circuit, &before, &values, &average, &remembered), Ok(()));
        }
    }

    // COVERS: training.em.minibatch
    #[test]
    fn a_mini_batch_moves_each_row_by_its_share_of_the_flow(recipe in recipes(), step in 0.05..0.95f64) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let batches = [1, 2].map(|seed| flows_of(&circuit, &values, &random_rows(&circuit, seed, 4, 0.2)));
        let options = EmOptions { step, pseudocount: 0.0 };
        let mut remembered = NodeFlows::none(&circuit);
        let update = |values: &_, batch, remembered: &mut _| {
            mini_batch_em_step(&circuit, values, batch, options, remembered).expect("it has parameters")
        };
        let first = update(&values, &batches[0], &mut remembered);
        let old_node_flows = remembered.clone();
        let second = update(&first, &batches[1], &mut remembered);
        let full = em_step(&circuit, &first, &batches[1], 0.0).expect("it has parameters");
        let [old, new, full] = [&first, &second, &full].map(|values| linear_numbers(&circuit, values));
        let stored = (0..circuit.parameters.len()).filter(|&index| circuit.parameters[index].is_stored());
        for (index, place) in stored.zip(0..) {
            let columns = old[place].0;
            for (row, kept) in old_node_flows.of_parameter(index).iter().enumerate() {
                let flow: f64 = batches[1].parameters[index][row * columns..][..columns].iter().sum();
                let share = if flow > 0.0 { step * flow / ((1.0 - step) * kept + step * flow) } else { 0.0 };
                let part = |numbers: &(usize, Vec<f64>)| numbers.1[row * columns..][..columns].to_vec();
                let (old, full) = (part(&old[place]), part(&full[place]));
                let expected: Vec<f64> = old.iter().zip(full).map(|(old, full)| old + share * (full - old)).collect();
                prop_assert_eq!(mismatch(&part(&new[place]), &expected, 1e-12), None);
            }
        }
    }
}

/// Every row with a remembered flow is its average flow, divided by the remembered one; the others have not changed.
fn is_average(
    circuit: &Circuit,
    before: &ParameterValues,
    after: &ParameterValues,
    average: &[Vec<f64>],
    remembered: &NodeFlows,
) -> Result<(), String> {
    let [before, after] = [before, after].map(|values| linear_numbers(circuit, values).into_iter());
    let stored = (0..circuit.parameters.len()).filter(|&index| circuit.parameters[index].is_stored());
    for ((index, (columns, before)), (_, after)) in stored.zip(before).zip(after) {
        for (row, average) in average[index].chunks(columns).enumerate() {
            let node_flow: f64 = average.iter().sum();
            let part = |numbers: &[f64]| numbers[row * columns..][..columns].to_vec();
            let expected =
                if node_flow > 0.0 { average.iter().map(|flow| flow / node_flow).collect() } else { part(&before) };
            let remembered = remembered.of_parameter(index)[row];
            let difference =
                mismatch(&part(&after), &expected, 1e-11).or_else(|| mismatch(&[remembered], &[node_flow], 1e-11));
            if let Some(difference) = difference {
                return Err(format!("{} row {row}: {difference}", circuit.parameters[index].name));
            }
        }
    }
    Ok(())
}

const MIXTURE: &str = "circuit c {
    var x: binary
    var y: binary
    param @t: table[2, 2] random
    param @is_1: table[1, 2] indicator 1
    param @w: weight[1, 2] random
    param @unused: weight[1, 2] random
    param @unread: weight[1, 2] random
    %0 = input (x @t) : 2
    %1 = sum dense %0 @w : 1
    %2 = input (y @is_1) : 1
    %3 = hadamard %1, %2 : 1
    %4 = sum dense %0 @unused : 1
    root %3
}";

fn mixture() -> (Circuit, ParameterValues) {
    let circuit = read(MIXTURE).unwrap_or_else(|error| panic!("{error}")).circuits.remove(0);
    let mut values = ParameterValues::new();
    values.insert("t", [0.5, 0.5, 0.0, 1.0].map(f64::ln).to_vec());
    values.insert("w", vec![0.4, 0.6]);
    values.insert("unused", vec![0.25, 0.75]);
    values.insert("unread", vec![0.25, 0.75]);
    (circuit, values)
}

#[track_caller]
fn assert_row(values: &ParameterValues, name: &str, expected: &[f64]) {
    let found = values.get(name).expect("it is learned");
    assert_eq!(mismatch(found, expected, 1e-14), None, "{name}: {found:?} is not {expected:?}");
}

// COVERS: training.em, training.em.pseudocount, training.em.unused, training.em.stored
#[test]
fn one_step_by_pencil() {
    let (circuit, values) = mixture();
    // x = 0 is component 0; x = 1 has 0.2 of component 0 and 0.6 of component 1; y = 0 is impossible.
    let row = |x, y| vec![Some(x), Some(y)];
    let rows = [row(0, 1), row(1, 1), row(1, 0), row(1, 1)];
    let learned = step(&circuit, &values, &rows, 0.0);
    assert_row(&learned, "w", &[0.5, 0.5]);
    assert_row(&learned, "t", &[(1.0f64 / 1.5).ln(), (0.5f64 / 1.5).ln(), f64::NEG_INFINITY, 0.0]);
    assert_row(&learned, "unused", &[0.25, 0.75]);
    assert_eq!(learned.get("is_1"), None);

    let learned = step(&circuit, &values, &rows, 1.0);
    assert_row(&learned, "w", &[0.5, 0.5]);
    assert_row(&learned, "t", &[0.6f64.ln(), 0.4f64.ln(), 0.2f64.ln(), 0.8f64.ln()]);
    assert_row(&learned, "unused", &[0.25, 0.75]);
    assert_row(&learned, "unread", &[0.25, 0.75]);
    assert_eq!(learned.get("is_1"), None);
}

// COVERS: training.em.minibatch, training.em.minibatch.node-flow
#[test]
fn mini_batches_by_pencil() {
    let (circuit, values) = mixture();
    let mut remembered = NodeFlows::none(&circuit);
    let w = circuit.parameters.iter().position(|parameter| parameter.name == "w").expect("it is there");
    let row = |x| vec![Some(x), Some(1)];
    let mut update = |values: &ParameterValues, rows: &[Row], pseudocount| {
        let batch = flows_of(&circuit, values, rows);
        let options = EmOptions { step: 0.25, pseudocount };
        let learned = mini_batch_em_step(&circuit, values, &batch, options, &mut remembered);
        (learned.expect("it has parameters"), remembered.of_parameter(w)[0])
    };
    // Nothing is remembered: the first mini-batch counts alone. w has the flow (1, 0) of x = 0, (0.25, 0.75) of x = 1.
    let (learned, node_flow) = update(&values, &[row(0), row(1), row(1)], 0.0);
    assert_row(&learned, "w", &[0.5, 0.5]);
    assert_eq!(node_flow, 0.75);
    // 0.75 of 0.75 is remembered, 0.25 of 4 is new, and so is 0.25 of the 0.5 that the pseudocount gives to either weight.
    let (learned, node_flow) = update(&learned, &[row(0), row(0), row(0), row(0)], 1.0);
    assert_row(&learned, "w", &[(0.28125 + 1.0 + 0.125) / 1.8125, (0.28125 + 0.125) / 1.8125]);
    assert_eq!(node_flow, 1.5625);
}

/// Numbers that the program gives are learned; a computed table is computed again from what its sources have become.
// COVERS: training.em.stored
#[test]
fn what_is_computed_follows_what_is_learned() {
    let text = "circuit c {
        var x[2]: binary
        param @a: table[2, 2] given [0.5, 0.5, 0.25, 0.75]
        param @b: table[1, 2] given [0.25, 0.75]
        param @ab: table[2, 2] tables @a[2] * @b[1]
        param @w: weight[1, 2] given [0.5, 0.5]
        %0 = input (x[0] @a) : 2
        %1 = input (x[1] @ab) : 2
        %2 = hadamard %0, %1 : 2
        %3 = sum dense %2 @w : 1
        root %3
    }";
    let circuit = read(text).unwrap_or_else(|error| panic!("{error}")).circuits.remove(0);
    // The products are 1/2 * 1/8 and 1/4 * 1/16: the first component has 4/5 of the likelihood.
    let rows = [vec![Some(0), Some(0)]];
    let learned = step(&circuit, &ParameterValues::new(), &rows, 1.0);
    assert_row(&learned, "w", &[(0.8 + 0.5) / 2.0, (0.2 + 0.5) / 2.0]);
    let a = [1.3 / 1.8, 0.5 / 1.8, 0.7 / 1.2, 0.5 / 1.2].map(f64::ln);
    assert_row(&learned, "a", &a);
    // Only the product is computed from it.
    assert_row(&learned, "b", &[0.25f64.ln(), 0.75f64.ln()]);
    assert_eq!(learned.get("ab"), None);
    let computed = &parameter_numbers(&circuit, &learned).expect("all are there")[2];
    let expected = [a[0] + 0.25f64.ln(), a[1] + 0.75f64.ln(), a[2] + 0.25f64.ln(), a[3] + 0.75f64.ln()];
    assert_eq!(mismatch(computed, &expected, 1e-14), None);
}

/// An impossible row does not change what is learned from the others, and no number becomes NaN.
// COVERS: training.flow.impossible
#[test]
fn impossible_rows_teach_nothing() {
    let (circuit, values) = mixture();
    let rows = [vec![Some(1), Some(0)], vec![None, Some(0)]];
    assert_eq!(step(&circuit, &values, &rows, 0.0), values);
    let mut remembered = NodeFlows::none(&circuit);
    let batch = flows_of(&circuit, &values, &rows);
    let options = EmOptions { step: 0.5, pseudocount: 0.0 };
    let learned = mini_batch_em_step(&circuit, &values, &batch, options, &mut remembered).expect("it has parameters");
    assert_eq!(learned, values);
    assert_eq!(remembered, NodeFlows::none(&circuit));
}
