//! Training through the walk of the CUDA runtime, on a device that is the processor, beside training on the processor.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../../runtime/kernels/tests/common/device.rs"]
mod device;

use common::hmm::{Hmm, hmm};
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::Plan;
use danaus_compiler::circuit::Module;
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_cuda::{GpuFlows, GpuLikelihood};
use danaus_kernels::gpu::Emulator;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters;
use danaus_runtime::training::engine::Engine;
use danaus_runtime::training::likelihood::SessionLikelihood;
use danaus_runtime::training::observer::{Nobody, Observer};
use danaus_runtime::training::record::Record;
use danaus_runtime::training::{self, FlowSource, Likelihood, Outcome, Settings, Task};
use device::{Emulated, SMALL};
use std::sync::Arc;

const STEPS: usize = 24;
const VALUES: usize = 5;
/// Rows on the device at a time.
const CHUNK: usize = 6;

/// A hidden Markov model, its plans, and where training starts.
fn model() -> (Arc<Plan>, Arc<FlowPlan>, Vec<Vec<f32>>) {
    let circuit = hmm(&Hmm { steps: STEPS, states: 6, values: VALUES, monarch: vec![2, 3] });
    let module = Module { circuits: vec![circuit], product: None };
    let circuit = run(module, &PassContext::default(), &DumpRequest::default())
        .expect("the passes run")
        .module
        .circuits
        .remove(0);
    let plan = lower(&circuit, &PlanOptions::default());
    let start = parameters::init(&plan, 7, None).expect("they are random").parameters.values().to_vec();
    (Arc::new(plan), Arc::new(flow::lower(&circuit, &PlanOptions::default())), start)
}

fn rows(plan: &Plan, count: usize, seed: usize) -> MemoryRows {
    let value = |row: usize, column: usize| {
        let mixed = (row + seed) * 31 + column * 17 + row * column;
        (!mixed.is_multiple_of(7)).then_some((mixed / 3 % VALUES) as i64)
    };
    let rows: Vec<Vec<Option<i64>>> =
        (0..count).map(|row| (0..STEPS).map(|column| value(row, column)).collect()).collect();
    MemoryRows::new(&plan.variables, &rows).expect("they fit")
}

fn device(plan: &Plan, flows: Option<&FlowPlan>) -> Emulated {
    Emulated(Emulator::new(plan, flows, SMALL).expect("there is a processor"))
}

fn train<S: FlowSource, L: Likelihood>(
    (plan, start): (&Plan, &[Vec<f32>]),
    source: &mut S,
    judge: &mut L,
    observer: &mut dyn Observer,
) -> Outcome {
    let settings = "batch = 12\nepochs = 3\nevaluate = '1u'\nshuffle = true\npseudocount = 0.01";
    let config = Settings::parse(settings).unwrap().resolve(true).unwrap();
    let (rows, valid) = (rows(plan, 40, 1), rows(plan, 15, 2));
    let task =
        Task { config: &config, train: &rows, valid: Some(&valid), chunk: CHUNK, flops_per_row: 1.0, fresh: false };
    training::run(task, start.to_vec(), source, Some(judge), observer).expect("the run comes to its end")
}

// COVERS: targets.training
#[test]
fn a_run_on_a_device_is_that_of_the_processor() {
    let (plan, flows, start) = model();
    let of_plan = (&*plan, &start[..]);
    let mut engine = Engine::open(plan.clone(), flows.clone(), CHUNK, None).unwrap();
    let mut judge = SessionLikelihood::new(plan.clone(), 4);
    let expected = train(of_plan, &mut engine, &mut judge, &mut Nobody);

    // Little memory: the values of most iterations are computed again.
    let rows = flows.segments(0).expect_err("nothing is too little");
    let segments = flows.segments(rows).expect("it is enough").0;
    assert!(flows.loops.iter().zip(&segments).any(|(body, &segment)| segment < body.steps), "{segments:?}");
    let limit = 4 * rows * (CHUNK as u64).next_multiple_of(SMALL.samples.into());
    let on_device = device(&plan, Some(&flows));
    let code = on_device.0.code();
    let mut source = GpuFlows::open(on_device, plan.clone(), flows, &code, CHUNK, limit).unwrap();
    let on_device = device(&plan, None);
    let code = on_device.0.code();
    let mut judge = GpuLikelihood::open(on_device, plan.clone(), &code, &start, 4).unwrap();
    let found = train(of_plan, &mut source, &mut judge, &mut Nobody);

    assert_eq!((found.ending, found.state.records.len()), (expected.ending, expected.state.records.len()));
    let bits = |record: &Record| [record.train, record.valid].map(|measure| measure.map(|of| of.bits_per_dimension));
    for (found, expected) in found.state.records.iter().zip(&expected.state.records) {
        for (found, expected) in bits(found).into_iter().zip(bits(expected)) {
            assert_eq!(found.is_some(), expected.is_some());
            let difference = found.zip(expected).map_or(0.0, |(found, expected)| found - expected);
            // Single precision on both sides, and a few updates on from one another's rounding.
            assert!(difference.abs() < 1e-5, "{found:?} bits, expected {expected:?}");
        }
    }
    let best = [&found, &expected].map(|outcome| outcome.state.best.as_ref().map(|best| best.update));
    assert_eq!(best[0], best[1]);
    for (found, expected) in found.state.values.iter().flatten().zip(expected.state.values.iter().flatten()) {
        assert!((found - expected).abs() <= 1e-4 * expected.abs().max(0.1), "found {found}, expected {expected}");
    }
}

/// Stops when it is asked for the second time after the run has begun.
#[derive(Default)]
struct Impatient(usize);

impl Observer for Impatient {
    fn stop(&mut self) -> bool {
        self.0 += 1;
        self.0 > 1
    }
}

#[test]
fn validation_on_a_device_can_be_stopped() {
    let (plan, flows, start) = model();
    let on_device = device(&plan, Some(&flows));
    let code = on_device.0.code();
    let mut source = GpuFlows::open(on_device, plan.clone(), flows, &code, CHUNK, u64::MAX).unwrap();
    let on_device = device(&plan, None);
    let code = on_device.0.code();
    let mut judge = GpuLikelihood::open(on_device, plan.clone(), &code, &start, 4).unwrap();
    let mut asked = Impatient::default();
    let found = train((&plan, &start), &mut source, &mut judge, &mut asked);
    assert_eq!((found.ending, found.state.progress.updates, found.state.records.len()), (None, 1, 0));
    assert_eq!(asked.0, 3, "before the first segment, after the first batch of validation, and where the run is left");
}

#[test]
fn too_little_memory_is_said_with_its_sizes() {
    let (plan, flows, start) = model();
    let on_device = device(&plan, Some(&flows));
    let code = on_device.0.code();
    let mut source = GpuFlows::open(on_device, plan, flows, &code, CHUNK, 1000).unwrap();
    source.set_parameters(&start).unwrap();
    let message = source.gather(&[0; STEPS * CHUNK], CHUNK).unwrap_err().to_string();
    assert!(message.starts_with("the activations would need ") && message.contains("1000 bytes are free"), "{message}");
}
