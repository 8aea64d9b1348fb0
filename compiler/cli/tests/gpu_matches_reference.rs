//! Code for GPUs, on the processor, against the reference: random circuits and hidden Markov models through the passes, the planner and
//! the walk of the CUDA runtime, with memory that is NaN where nothing has been written. A unit of a cube is a thread here, so cubes
//! have few units and circuits are small.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../../runtime/kernels/tests/common/device.rs"]
mod device;

use common::hmm::{Hmm, hmm};
use common::random_circuit::{random_chain, random_circuit, recipes, several_chains};
use common::{mismatch, parameters, random_rows, value};
use danaus_artifact::flow_plan::{FlowPlan, Word};
use danaus_artifact::gpu::Precision;
use danaus_artifact::pack::{pack, pack_all};
use danaus_artifact::plan::CHUNK;
use danaus_artifact::signature::ParameterShape;
use danaus_compiler::circuit::{Circuit, Module};
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_compiler::reference::{ParameterValues, Row, domains, flows, parameter_numbers, random_values};
use danaus_cuda::{Forward, GpuError, Training};
use danaus_kernels::gpu::{Emulator, Sizes};
use device::{Emulated, SMALL, WIDE, tensor};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::sync::Arc;

/// What the specification promises in single precision.
const TOLERANCE: f64 = 1e-5;

/// Much memory: loops keep all of their values.
const PLENTY: u64 = 1 << 40;

/// Rounds all numbers to single precision, so that both evaluators have the same parameters.
fn in_single_precision(values: &ParameterValues) -> ParameterValues {
    let mut rounded = ParameterValues::new();
    for (name, numbers) in values.iter() {
        rounded.insert(name, numbers.iter().map(|&number| f64::from(number as f32)).collect());
    }
    rounded
}

fn evidence(circuit: &Circuit, rows: &[Row]) -> Vec<u32> {
    let column = |(variable, &size): (usize, &usize)| -> Vec<u32> {
        rows.iter().map(|row| row[variable].unwrap_or(size) as u32).collect()
    };
    domains(circuit).iter().enumerate().flat_map(column).collect()
}

/// The largest error of the logarithm of a value, and of a flow beside the largest of its row, where `sums` sums lie between the root and an
/// input. A sum of products of two numbers that are rounded to `p` bits is off by at most `2^(1-p)` of itself; a flow has the errors of the
/// values, and as many more on its way down.
fn tolerances(precision: Precision, sums: usize) -> [f64; 2] {
    let of_a_sum = match precision {
        Precision::F32 => return [TOLERANCE; 2],
        Precision::Tf32 => 2f64.powi(1 - 11),
        Precision::Bf16 => 2f64.powi(1 - 8),
    };
    [sums as f64 * of_a_sum, 2.0 * sums as f64 * of_a_sum]
}

fn assert_flows(circuit: &Circuit, found: &[Vec<f64>], expected: &[Vec<f64>], tolerance: f64, what: &str) {
    for ((parameter, found), expected) in circuit.parameters.iter().zip(found).zip(expected) {
        if !parameter.is_stored() {
            continue;
        }
        let columns = match parameter.shape {
            ParameterShape::Table { values, .. } => values,
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => inputs,
            ParameterShape::Gaussian { .. } => panic!("GPUs have no Gaussian units"),
        };
        assert_eq!(found.len(), expected.len(), "{what}: `{}`", parameter.name);
        for (row, (found, expected)) in found.chunks(columns).zip(expected.chunks(columns)).enumerate() {
            // A small flow beside a large one is a difference of rounding errors of the large one.
            let largest = expected.iter().fold(1e-6f64, |largest, &flow| largest.max(flow));
            for (column, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                let name = &parameter.name;
                let close = (found - expected).abs() <= tolerance * largest;
                assert!(close, "{what}: `{name}` row {row} column {column}: found {found}, expected {expected}");
            }
        }
    }
}

/// Likelihoods by the plan of the forward pass, and flows by the flow plan, in one batch and in two.
fn assert_matches(circuit: &Circuit, values: &ParameterValues, seed: u64, batch: usize, sizes: Sizes, limit: u64) {
    assert_close(circuit, values, seed, batch, sizes, limit, [TOLERANCE; 2]);
}

/// The same, to these errors of log-likelihoods and flows. The largest error of a log-likelihood.
fn assert_close(
    circuit: &Circuit,
    values: &ParameterValues,
    seed: u64,
    batch: usize,
    sizes: Sizes,
    limit: u64,
    [tolerance, of_flows]: [f64; 2],
) -> f64 {
    let values = in_single_precision(values);
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let optimized = outcome.module.circuits.remove(0);
    let plan = Arc::new(lower(&optimized, &PlanOptions::default()));
    let flow_plan = Arc::new(flow::lower(&optimized, &PlanOptions::default()));
    let numbers = parameter_numbers(&optimized, &values).expect("all parameters have values");
    let numbers: Vec<Vec<f32>> =
        numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
    let rows = random_rows(circuit, seed, batch, 0.2);

    let device = Emulated(Emulator::new(&plan, None, sizes).expect("there is a processor"));
    let code = device.0.code();
    let mut forward = Forward::new(device, plan.clone(), &code, &pack(&plan, &numbers)).expect("the plan is in order");
    let found = forward.forward(&evidence(circuit, &rows), batch).expect("the kernels run");
    let reference = value(circuit, &values, &rows);
    assert_eq!(mismatch(&found, &reference, tolerance), None, "likelihoods, batch {batch}");
    let errors = found.iter().zip(&reference).filter(|(a, b)| a != b).map(|(a, b)| (a - b).abs());
    let worst = errors.fold(0.0, f64::max);

    let device = Emulated(Emulator::new(&plan, Some(&flow_plan), sizes).expect("there is a processor"));
    let code = device.0.code();
    let packed = pack_all(&flow_plan.packs, flow_plan.packed_chunks as usize * CHUNK, &optimized.parameters, &numbers);
    let mut training = Training::new(device, flow_plan, plan, &code, limit).expect("the plan is in order");
    training.set_packed(&packed).expect("the parameters fit");
    let expected = flows(&optimized, &values, &rows).expect("the circuit has all of its parameters");
    let found = training.gather(&evidence(circuit, &rows), batch, batch).expect("the kernels run");
    assert_eq!(mismatch(&found, &expected.log_likelihoods, tolerance), None, "with flows, batch {batch}");
    let taken = training.take(&numbers).expect("there are flows");
    assert_flows(&optimized, &taken, &expected.parameters, of_flows, "in one batch");
    let (first, second) = rows.split_at(batch / 2);
    for half in [first, second] {
        training.gather(&evidence(circuit, half), half.len(), batch).expect("the kernels run");
    }
    let taken = training.take(&numbers).expect("there are flows");
    assert_flows(&optimized, &taken, &expected.parameters, of_flows, "in two batches");
    worst
}

/// Calls `act` with `count` values of a strategy, the same on every run.
fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(79), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

// COVERS: targets.kernels, targets.flows
#[test]
fn random_circuits() {
    for_each_case(6, recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let sizes = if recipe.seed.is_multiple_of(2) { SMALL } else { WIDE };
        assert_matches(&circuit, &values, recipe.seed, 5, sizes, PLENTY);
    });
}

#[test]
fn random_chains() {
    for_each_case(3, (recipes(), 3..20usize, 1..3usize), |(recipe, steps, per_step)| {
        let circuit = random_chain(&recipe, steps, per_step);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        assert_matches(&circuit, &values, recipe.seed, 3, SMALL, PLENTY);
    });
    for_each_case(2, (recipes(), 3..20usize, 2..4usize), |(recipe, steps, count)| {
        let circuit = several_chains(&recipe, steps, count);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        assert_matches(&circuit, &values, recipe.seed, 3, SMALL, PLENTY);
    });
}

#[test]
fn hidden_markov_models() {
    for (states, steps, values, monarch, sizes) in
        [(9, 12, 7, vec![], WIDE), (24, 9, 3, vec![2, 3, 4], SMALL), (20, 20, 40, vec![4, 5], SMALL)]
    {
        let circuit = hmm(&Hmm { steps, states, values, monarch });
        assert_matches(&circuit, &random_values(&circuit, 6), 6, 9, sizes, PLENTY);
    }
}

/// Little memory: the values of a chain are computed again, segment by segment, with carries that are rescaled.
#[test]
fn segments_change_nothing() {
    let circuit = hmm(&Hmm { steps: 40, states: 6, values: 3, monarch: vec![2, 3] });
    // Room for 16 iterations of the 39.
    let limit = 6 * 100 * 4 * 8;
    assert_matches(&circuit, &random_values(&circuit, 8), 8, 3, SMALL, limit);
}

/// The schedules for tensor cores with operands that are not rounded: all that differs from GPUs is the instruction that multiplies.
// COVERS: targets.precision
#[test]
fn schedules_for_tensor_cores() {
    let sizes = |is_wide| tensor(Precision::F32, is_wide);
    for_each_case(4, recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        assert_matches(&circuit, &values, recipe.seed, 5, sizes(recipe.seed.is_multiple_of(2)), PLENTY);
    });
    for (states, steps, monarch, is_wide) in
        [(70, 4, vec![], true), (37, 5, vec![], false), (18 * 19, 3, vec![18, 19], false), (60, 6, vec![3, 4, 5], true)]
    {
        let circuit = hmm(&Hmm { steps, states, values: 7, monarch });
        assert_matches(&circuit, &random_values(&circuit, 6), 6, 37, sizes(is_wide), PLENTY);
    }
    let circuit = hmm(&Hmm { steps: 40, states: 6, values: 3, monarch: vec![2, 3] });
    assert_matches(&circuit, &random_values(&circuit, 8), 8, 3, sizes(false), 6 * 100 * 4 * 16);
}

/// Operands of fewer bits: errors within what is promised, and larger than without.
// COVERS: targets.precision
#[test]
fn operands_are_rounded_to_the_precision() {
    for precision in [Precision::Tf32, Precision::Bf16] {
        for (states, steps, monarch) in [(40, 6, vec![]), (6 * 7, 4, vec![6, 7])] {
            let sums = (steps - 1) * monarch.len().max(1) + 1;
            let circuit = hmm(&Hmm { steps, states, values: 5, monarch });
            let (values, sizes) = (random_values(&circuit, 4), tensor(precision, steps == 6));
            let worst = assert_close(&circuit, &values, 4, 21, sizes, PLENTY, tolerances(precision, sums));
            assert!(worst > 1e-5, "{precision:?} is not rounded: {worst}");
        }
    }
}

/// Weights that are tiny where the inputs are large: ratios would overflow, so flows and counts are computed one weight at a time.
#[test]
fn underflow_is_computed_one_weight_at_a_time() {
    for sizes in [SMALL, tensor(Precision::F32, false), tensor(Precision::Tf32, true), tensor(Precision::Bf16, false)] {
        underflow(sizes);
    }
}

fn underflow(sizes: Sizes) {
    let circuit = hmm(&Hmm { steps: 6, states: 6, values: 5, monarch: vec![] });
    let mut values = random_values(&circuit, 3);
    let mut table = values.get("emission").expect("there are emissions").to_vec();
    table.iter_mut().enumerate().for_each(|(index, number)| *number -= 120.0 * (index / 5) as f64);
    values.insert("emission", table);
    let mut weights = values.get("transition").expect("there is a transition").to_vec();
    for row in weights.chunks_mut(6).skip(3) {
        row[0] = 0.0;
        row[1] = 1e-35;
    }
    values.insert("transition", weights);
    assert_close(&circuit, &values, 4, 3, sizes, PLENTY, tolerances(sizes.precision(), 6));
}

/// A row or an offset beyond the buffers is found before anything runs, in whichever launch it stands.
// COVERS: targets.walk
#[test]
fn damaged_flow_plans_are_refused() {
    let circuit = hmm(&Hmm { steps: 5, states: 6, values: 3, monarch: vec![2, 3] });
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let optimized = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let optimized = &optimized.module.circuits[0];
    let signature = Arc::new(lower(optimized, &PlanOptions::default()));
    let whole = flow::lower(optimized, &PlanOptions::default());
    let refused = |change: &dyn Fn(&mut FlowPlan)| {
        let mut plan = whole.clone();
        change(&mut plan);
        let emulator = Emulator::new(&signature, Some(&plan), SMALL).expect("there is a processor");
        let code = emulator.code();
        let mut training = Training::new(Emulated(emulator), Arc::new(plan), signature.clone(), &code, PLENTY)?;
        training.gather(&[0; 5], 1, 1).map(|_| ())
    };
    let launches = whole.loops[0].forward.len() + whole.loops[0].backward.len();
    let mut changed = 0;
    for launch in 0..launches {
        let body = &whole.loops[0];
        let words = &body.forward.iter().chain(&body.backward).nth(launch).expect("there are so many").words;
        for (at, &word) in words.iter().enumerate() {
            let far = match word {
                Word::Value(_) => continue,
                Word::Fixed(_) => Word::Fixed(1 << 30),
                Word::Frame(_) => Word::Frame(1 << 30),
                Word::Carry(_) => Word::Carry(1 << 30),
                Word::RootFlow(_) => Word::RootFlow(1 << 30),
                Word::CarryFlow(_) => Word::CarryFlow(1 << 30),
                Word::Variable(_, stride) => Word::Variable(1 << 30, stride),
            };
            let error = refused(&|plan| {
                let body = &mut plan.loops[0];
                let all = body.forward.iter_mut().chain(&mut body.backward);
                all.into_iter().nth(launch).expect("there are so many").words[at] = far;
            });
            assert!(matches!(error, Err(GpuError::Plan(_))), "launch {launch}, word {at}: {error:?}");
            changed += 1;
        }
    }
    assert!(changed > 10, "{changed}");
    let error = refused(&|plan| plan.root = 1 << 30).unwrap_err().to_string();
    assert!(error.starts_with("the flow plan is not valid: 1 rows from row"), "{error}");
}
