//! Learning with compiled kernels: expectation-maximization never lowers the likelihood, and one step of the command on an
//! imported checkpoint is the textbook's.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::baum_welch::{expected_counts, normalized_rows};
use common::hmm::{Hmm, hmm, transition_matrix};
use common::random_circuit::{random_chain, random_circuit, recipes};
use common::{mismatch, parameters, random_rows};
use danaus_artifact::signature::ParameterShape;
use danaus_compiler::circuit::{Circuit, Module};
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_compiler::reference::{ParameterValues, Row, domains, em_step, flows, parameter_numbers};
use danaus_runtime::tensors::TensorFile;
use danaus_runtime::training::FlowSource;
use danaus_runtime::training::engine::Engine;
use danaus_runtime::training::optimizer::{Algorithm, Update, create};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Random circuits and chains; `DANAUS_CASES` asks for more.
const CASES: usize = 10;

/// Steps of each.
const STEPS: usize = 20;

fn cases() -> usize {
    std::env::var("DANAUS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

fn evidence(circuit: &Circuit, rows: &[Row]) -> Vec<u32> {
    let of = |(variable, size): (usize, usize)| rows.iter().map(move |row| row[variable].unwrap_or(size) as u32);
    domains(circuit).into_iter().enumerate().flat_map(of).collect()
}

/// Full-batch steps on rows of which some may be impossible: the others never become less likely, weights stay normalized.
fn assert_climbs(circuit: Circuit, values: &ParameterValues, rows: &[Row]) {
    let module = Module { circuits: vec![circuit], product: None };
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = outcome.module.circuits.remove(0);
    let numbers = parameter_numbers(&circuit, values).expect("all parameters have values");
    let mut numbers: Vec<Vec<f32>> =
        numbers.iter().map(|numbers| numbers.iter().map(|&number| number as f32).collect()).collect();
    let plan = Arc::new(lower(&circuit, &PlanOptions::default()));
    let flow_plan = Arc::new(flow::lower(&circuit, &PlanOptions::default()));
    let mut engine = Engine::open(plan, flow_plan, rows.len(), None).expect("the plan is in order");
    let mut optimizer = create(Algorithm::Em { pseudocount: 0.0 });
    let evidence = evidence(&circuit, rows);
    let mut before: Option<Vec<f64>> = None;
    for step in 0..=STEPS {
        engine.set_parameters(&numbers).expect("the parameters fit");
        let found = engine.gather(&evidence, rows.len()).expect("the kernels run");
        let flows = engine.take().expect("there are flows");
        assert!(found.iter().all(|value| !value.is_nan()), "step {step}: {found:?}");
        if let Some(before) = &before {
            let sum = |values: &[f64]| values.iter().filter(|value| value.is_finite()).sum::<f64>();
            let (now, then) = (sum(&found), sum(before));
            // Rounding of flows and parameters to single precision.
            assert!(now >= then - 1e-5 * then.abs().max(1.0), "step {step} goes from {then} to {now}");
            let impossible = |values: &[f64]| values.iter().filter(|value| value.is_infinite()).count();
            assert_eq!(impossible(&found), impossible(before), "step {step}");
        }
        before = Some(found);
        let update = Update {
            parameters: &circuit.parameters,
            flows: &flows,
            top_down: None,
            rows: rows.len() as f64,
            step: 1.0,
        };
        optimizer.update(&update, &mut numbers).expect("flows are finite");
        assert_normalized(&circuit, &numbers, step);
    }
}

fn assert_normalized(circuit: &Circuit, numbers: &[Vec<f32>], step: usize) {
    for (parameter, numbers) in circuit.parameters.iter().zip(numbers).filter(|(parameter, _)| parameter.is_stored()) {
        let (columns, is_table) = match parameter.shape {
            ParameterShape::Table { values, .. } => (values, true),
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => (inputs, false),
            ParameterShape::Gaussian { .. } => continue,
        };
        for row in numbers.chunks(columns) {
            let linear = |&number: &f32| if is_table { f64::from(number).exp() } else { f64::from(number) };
            let sum: f64 = row.iter().map(linear).sum();
            assert!((sum - 1.0).abs() < 1e-5, "after step {step} `{}` has a row of sum {sum}", parameter.name);
        }
    }
}

fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(79), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

#[test]
fn steps_never_lower_the_likelihood_of_random_circuits() {
    for_each_case(cases(), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let rows = random_rows(&circuit, recipe.seed, 12, 0.2);
        assert_climbs(circuit.clone(), &parameters(&circuit, recipe.seed, recipe.zeros), &rows);
    });
}

#[test]
fn steps_never_lower_the_likelihood_of_random_chains() {
    for_each_case(cases() / 4, (recipes(), 3..30usize), |(recipe, steps)| {
        let circuit = random_chain(&recipe, steps, 1);
        let rows = random_rows(&circuit, recipe.seed, 12, 0.2);
        assert_climbs(circuit.clone(), &parameters(&circuit, recipe.seed, recipe.zeros), &rows);
    });
}

fn danaus(arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_danaus")).args(arguments).output().expect("the command runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The parameters of a file, in double precision.
fn parameters_of(path: &Path, circuit: &Circuit) -> ParameterValues {
    let file = TensorFile::open(path).expect("the file was written");
    let mut values = ParameterValues::new();
    for parameter in &circuit.parameters {
        let numbers = file.values(&parameter.name).expect("the tensor was written");
        values.insert(&parameter.name, numbers.iter().map(|&number| f64::from(number)).collect());
    }
    values
}

/// Exports a random model as a checkpoint of the paper's code, imports it, makes one full-batch step without pseudocount, and
/// gives the numbers before and after.
fn one_step(model: &Hmm, architecture: &str, sets: &[String], rows: &[Row]) -> [ParameterValues; 2] {
    let folder = tempfile::tempdir().expect("there is room");
    let place = |name: &str| folder.path().join(name).to_str().expect("a path").to_string();
    let architecture = format!("{}/../../examples/{architecture}", env!("CARGO_MANIFEST_DIR"));
    let mut export = vec!["export", "hmm", &architecture, "--seed", "3"];
    sets.iter().for_each(|set| export.extend(["--set", set]));
    let (checkpoint, mine, learned) = (place("checkpoint"), place("mine"), place("learned.safetensors"));
    export.extend(["-o", &checkpoint]);
    danaus(&export);
    let length = model.steps.to_string();
    danaus(&["import", "hmm", &checkpoint, "-o", &mine, "--length", &length]);
    let word = |value: &Option<usize>| value.map_or("-1".to_string(), |value| value.to_string());
    let line = |row: &Row| row.iter().map(word).collect::<Vec<_>>().join(",");
    let data: Vec<String> = rows.iter().map(line).collect();
    std::fs::write(place("data.csv"), data.join("\n")).expect("there is room");
    let (architecture, start, data) = (format!("{mine}.pc"), format!("{mine}.safetensors"), place("data.csv"));
    let mut train = vec!["train", &architecture, "--params", &start, "--data", &data, "-o", &learned];
    train.extend(["--optimizer", "em", "--batch", "full", "--epochs", "1", "--pseudocount", "0"]);
    danaus(&train);
    let circuit = hmm(model);
    [parameters_of(Path::new(&start), &circuit), parameters_of(Path::new(&learned), &circuit)]
}

fn assert_table(found: &[f64], expected: &[f64], name: &str) {
    let found: Vec<f64> = found.iter().map(|number| number.exp()).collect();
    assert_eq!(mismatch(&found, expected, 1e-5), None, "{name}");
}

/// Rabiner's reestimation formulas.
#[test]
fn a_step_on_an_imported_checkpoint_is_baum_welch() {
    let model = Hmm { steps: 20, states: 12, values: 5, monarch: vec![] };
    let rows = random_rows(&hmm(&model), 4, 30, 0.1);
    let sets = ["T=20", "H=12", "V=5"].map(String::from);
    let [before, after] = one_step(&model, "hmm.pc", &sets, &rows);
    let counts = expected_counts(&model, &before, &transition_matrix(&model, &before), &rows);
    let get = |name: &str| after.get(name).expect("it was learned");
    assert_eq!(mismatch(get("initial"), &normalized_rows(&counts.initial, 12), 1e-5), None, "initial");
    assert_eq!(mismatch(get("transition"), &normalized_rows(&counts.transition, 12), 1e-5), None, "transition");
    assert_table(get("emission"), &normalized_rows(&counts.emission, 5), "emission");
}

/// For Monarch factors the flows, normalized.
#[test]
fn a_step_on_an_imported_monarch_checkpoint_normalizes_flows() {
    let model = Hmm { steps: 20, states: 12, values: 5, monarch: vec![3, 4] };
    let rows = random_rows(&hmm(&model), 5, 30, 0.1);
    let sets = ["T=20", "A=3", "B=4", "V=5"].map(String::from);
    let [before, after] = one_step(&model, "monarch_hmm.pc", &sets, &rows);
    let circuit = hmm(&model);
    let flows = flows(&circuit, &before, &rows).expect("the circuit has all of its parameters");
    let expected = em_step(&circuit, &before, &flows, 0.0).expect("the flows are its own");
    for name in ["initial", "transition.1", "transition.2"] {
        let [found, expected] = [&after, &expected].map(|values| values.get(name).expect("it was learned"));
        assert_eq!(mismatch(found, expected, 1e-5), None, "{name}");
    }
    let linear: Vec<f64> = expected.get("emission").expect("it was learned").iter().map(|log| log.exp()).collect();
    assert_table(after.get("emission").expect("it was learned"), &linear, "emission");
}
