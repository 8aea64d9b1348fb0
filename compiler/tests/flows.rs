//! The reference flows against central differences of the reference likelihood, and the laws of their conservation.

mod common;

use common::hmm::{Hmm, hmm, hmms, rolled_hmm};
use common::random_circuit::{Recipe, compatible_circuits, random_chain, random_circuit, recipes};
use common::{config, mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::{
    Circuit, Init, LayerGraph, LayerId, Member, Module, Op, Operand, ParamId, Parameter, ParameterShape, PartRef,
    Product, SumKind,
};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run_passes};
use danaus_compiler::reference::{
    Flows, ParameterValues, RandomOptions, Row, flows, parameter_numbers, random_values, random_values_with,
};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn flows_of(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> Flows {
    flows(circuit, values, rows).expect("the circuit has all of its parameters")
}

/// The circuit with all numbers stored under the names of its parameters, so that each can be changed alone.
fn all_stored(circuit: &Circuit, values: &ParameterValues) -> (Circuit, ParameterValues) {
    let mut stored = circuit.clone();
    let mut numbers = ParameterValues::new();
    let all = parameter_numbers(circuit, values).expect("the circuit has all of its parameters");
    for (parameter, own) in stored.parameters.iter_mut().zip(all) {
        parameter.init = Init::Random;
        numbers.insert(parameter.name.clone(), own);
    }
    (stored, numbers)
}

/// The total of the finite log-likelihoods.
fn total(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> f64 {
    value(circuit, values, rows).iter().filter(|value| value.is_finite()).sum()
}

const STEP: f64 = 1e-5;

/// A central difference with steps of `h = 1e-5` is off by `h^2 / 6` times the third derivative and by rounding. The
/// derivative is a mean number of uses of the parameter; a third central moment of some tens of uses is below 10^3, so
/// the first is below `2e-8`. The second is an ulp or two of a total of some tens, `1e-14 / h = 1e-9`.
const TOLERANCE: f64 = 1e-7;

/// Up to 40 numbers of the circuit: their flows against central differences. Zeros have no flow.
fn flows_are_differences(circuit: &Circuit, values: &ParameterValues, rows: &[Row], seed: u64) -> Result<(), String> {
    let (circuit, values) = all_stored(circuit, values);
    let found = flows_of(&circuit, &values, rows);
    assert_eq!(mismatch(&found.log_likelihoods, &value(&circuit, &values, rows), 0.0), None);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for _ in 0..40 {
        let parameter = rng.random_range(0..circuit.parameters.len());
        let Parameter { name, shape, .. } = &circuit.parameters[parameter];
        let table = matches!(shape, ParameterShape::Table { .. });
        let numbers = values.get(name).expect("it is stored");
        let position = rng.random_range(0..numbers.len());
        let moved = |step: f64| {
            let mut moved = numbers.to_vec();
            moved[position] = if table { moved[position] + step } else { moved[position] * step.exp() };
            let mut all = values.clone();
            all.insert(name.clone(), moved);
            total(&circuit, &all, rows)
        };
        let flow = found.parameters[parameter][position];
        if numbers[position] == if table { f64::NEG_INFINITY } else { 0.0 } {
            if flow != 0.0 {
                return Err(format!("{name}[{position}] is impossible and has the flow {flow}"));
            }
            continue;
        }
        let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
        if !((flow - difference).abs() <= TOLERANCE * flow.abs().max(1.0)) {
            return Err(format!("{name}[{position}] has the flow {flow} and the difference {difference}"));
        }
    }
    Ok(())
}

/// The circuit with weights of its own for each dense, block-diagonal and mixing sum, and after each such sum a mixture
/// of it alone: the weight of that mixture has the flow of the sum's unit. Gives the pairs of parameters.
fn with_probes(circuit: &Circuit) -> (Circuit, Vec<(ParamId, ParamId)>) {
    let mut probed = circuit.clone();
    probed.graph = LayerGraph::new();
    let mut pairs = Vec::new();
    let mut places: Vec<LayerId> = Vec::new();
    for (_, layer) in circuit.graph.layers() {
        let mut layer = layer.clone();
        for operand in layer.members.iter_mut().flat_map(|member| &mut member.operands) {
            if let Operand::Part(part) = operand {
                part.layer = places[part.layer.0 as usize];
            }
        }
        let is_simple = |kind: &SumKind| !matches!(kind, SumKind::Monarch { .. } | SumKind::Kronecker(_));
        let Op::Sum(kind) = &layer.op else {
            places.push(probed.graph.add(layer));
            continue;
        };
        if !is_simple(kind) {
            places.push(probed.graph.add(layer));
            continue;
        }
        let own = copy_of(&mut probed, layer.members[0].parameters[0]);
        let ones = Init::Given(vec![1.0; layer.width]);
        let shape = ParameterShape::Mixing { width: layer.width, inputs: 1 };
        let probe = add(&mut probed, Parameter { name: String::new(), shape, init: ones });
        layer.members[0].parameters = vec![own];
        let width = layer.width;
        let sum = PartRef { layer: probed.graph.add(layer), part: 0 };
        let mixture = Member { operands: vec![sum.into()], parameters: vec![probe] };
        let op = Op::Sum(SumKind::Mixing);
        places.push(probed.graph.add(danaus_compiler::circuit::Layer { op, width, members: vec![mixture] }));
        pairs.push((own, probe));
    }
    probed.graph.set_root(places[circuit.graph.root().0 as usize]);
    (probed, pairs)
}

/// Adds a parameter under a name of its own.
fn add(circuit: &mut Circuit, mut parameter: Parameter) -> ParamId {
    parameter.name = format!("{}#{}", parameter.name, circuit.parameters.len());
    circuit.parameters.push(parameter);
    ParamId(circuit.parameters.len() as u32 - 1)
}

fn copy_of(circuit: &mut Circuit, id: ParamId) -> ParamId {
    let parameter = circuit.parameter(id).clone();
    add(circuit, parameter)
}

/// The flows of the rows of weights against the flows of the units that they belong to.
fn rows_have_the_flow_of_their_units(circuit: &Circuit, seed: u64, zeros: bool) -> Result<(), String> {
    let (probed, pairs) = with_probes(circuit);
    let values = parameters(&probed, seed, zeros);
    let found = flows_of(&probed, &values, &random_rows(circuit, seed, 1, 0.3));
    for (weights, probe) in pairs {
        let name = &probed.parameter(weights).name;
        let (outputs, inputs) = match probed.parameter(weights).shape {
            ParameterShape::Weight { outputs, inputs, .. } | ParameterShape::Mixing { width: outputs, inputs } => {
                (outputs, inputs)
            }
            ParameterShape::Table { .. } | ParameterShape::Gaussian { .. } => panic!("a sum has weights"),
        };
        let weight_flows = &found.parameters[weights.0 as usize];
        let sums: Vec<f64> = weight_flows.chunks(inputs).map(|row| row.iter().sum()).collect();
        let mut units = vec![0.0; sums.len()];
        let distinct = sums.len() / outputs;
        for (unit, flow) in found.parameters[probe.0 as usize].iter().enumerate() {
            units[unit / outputs % distinct * outputs + unit % outputs] += flow;
        }
        if let Some(difference) = mismatch(&sums, &units, 1e-12) {
            return Err(format!("{name}: {difference}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(150))]

    // COVERS: training.flow, training.flow.sum, training.flow.product, training.flow.input, training.flow.missing
    #[test]
    fn flows_of_random_circuits_are_derivatives(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 4, 0.3);
        prop_assert_eq!(flows_are_differences(&circuit, &values, &rows, recipe.seed), Ok(()));
    }

    // COVERS: training.flow.tied, training.flow.layers
    #[test]
    fn flows_of_random_chains_are_derivatives(recipe in recipes(), steps in 2..10usize, per_step in 1..3usize) {
        let circuit = random_chain(&recipe, steps, per_step);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let rows = random_rows(&circuit, recipe.seed, 2, 0.2);
        prop_assert_eq!(flows_are_differences(&circuit, &values, &rows, recipe.seed), Ok(()));
    }

    // COVERS: training.flow.computed
    #[test]
    fn flows_of_products_are_derivatives(recipe in recipes(), untied in any::<bool>()) {
        let recipe = Recipe { variables: recipe.variables.min(4), width: recipe.width.min(3), ..recipe };
        let circuits = compatible_circuits(&recipe, 2);
        let module = Module { circuits, product: Some(Product { name: "product".into(), untied }) };
        let pass = *by_name("multiply-circuits").expect("a pass");
        let outcome = run_passes(&[pass], module, &PassContext::default(), &DumpRequest::default());
        let circuit = outcome.expect("the pass runs").module.circuits.remove(0);
        let zeros = if recipe.zeros { 0.3 } else { 0.0 };
        let values = random_values_with(&circuit, recipe.seed, RandomOptions { zeros });
        let rows = random_rows(&circuit, recipe.seed, 2, 0.3);
        // The tables that are computed have the flows that they would have if they were stored.
        let (stored, numbers) = all_stored(&circuit, &values);
        prop_assert_eq!(flows_of(&circuit, &values, &rows), flows_of(&stored, &numbers, &rows));
        prop_assert_eq!(flows_are_differences(&circuit, &values, &rows, recipe.seed), Ok(()));
    }

    // COVERS: training.flow.sum
    #[test]
    fn the_weights_of_a_unit_share_its_flow(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        prop_assert_eq!(rows_have_the_flow_of_their_units(&circuit, recipe.seed, recipe.zeros), Ok(()));
    }

    /// Each way through a circuit uses one weight of the root and one entry of a table for each variable.
    // COVERS: training.flow.root
    #[test]
    fn every_possible_row_has_a_flow_of_one(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let (circuit, _) = with_probes(&circuit);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let found = flows_of(&circuit, &values, &random_rows(&circuit, recipe.seed, 6, 0.3));
        let possible = found.log_likelihoods.iter().filter(|value| value.is_finite()).count() as f64;
        let root = circuit.graph.layer(circuit.graph.root()).members[0].parameters[0];
        let of = |index: usize| found.parameters[index].iter().sum::<f64>();
        let tables = |index: &usize| matches!(circuit.parameters[*index].shape, ParameterShape::Table { .. });
        let inputs: f64 = (0..circuit.parameters.len()).filter(tables).map(of).sum();
        prop_assert!((of(root.0 as usize) - possible).abs() <= 1e-11);
        prop_assert!((inputs - possible * recipe.variables as f64).abs() <= 1e-11);
    }

    // COVERS: training.flow.impossible
    #[test]
    fn impossible_rows_do_not_touch_the_others(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, true);
        let rows = random_rows(&circuit, recipe.seed, 8, 0.1);
        let all = flows_of(&circuit, &values, &rows);
        let is_possible = |(row, value): (Row, &f64)| value.is_finite().then_some(row);
        let possible: Vec<Row> = rows.into_iter().zip(&all.log_likelihoods).filter_map(is_possible).collect();
        prop_assert_eq!(flows_of(&circuit, &values, &possible).parameters, all.parameters);
    }

    // COVERS: training.flow.layers
    #[test]
    fn a_scan_has_the_flows_of_its_unrolled_chain((model, seed) in hmms()) {
        let (circuit, rolled) = (hmm(&model), rolled_hmm(&model));
        let values = random_values(&circuit, seed);
        let rows = random_rows(&circuit, seed, 4, 0.2);
        let (found, expected) = (flows_of(&rolled, &values, &rows), flows_of(&circuit, &values, &rows));
        prop_assert_eq!(mismatch(&found.parameters.concat(), &expected.parameters.concat(), 1e-12), None);
    }
}

/// A long chain whose likelihoods underflow in linear space: its flows add up to the numbers of uses all the same.
#[test]
fn flows_of_long_chains_add_up() {
    let model = Hmm { steps: 4096, states: 3, values: 40, monarch: vec![] };
    let circuit = hmm(&model);
    let values = random_values(&circuit, 3);
    let found = flows_of(&circuit, &values, &random_rows(&circuit, 4, 2, 0.0));
    let sums: Vec<f64> = found.parameters.iter().map(|flows| flows.iter().sum()).collect();
    assert_eq!(mismatch(&sums, &[2.0 * 4096.0, 2.0 * 4095.0, 2.0], 1e-9), None);
}
