//! Flow plans that must be refused before anything runs, each a valid one with one thing wrong.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::hmm::{Hmm, hmm};
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, FlowStep, Word};
use danaus_artifact::plan::Plan;
use danaus_compiler::circuit::Module;
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::{PlanOptions, flow, lower};
use danaus_kernels::{FlowProgram, KernelError};
use std::sync::Arc;

fn plans() -> (Plan, FlowPlan) {
    let circuit = hmm(&Hmm { steps: 20, states: 12, values: 5, monarch: vec![3, 4] });
    let module = Module { circuits: vec![circuit], product: None };
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = outcome.module.circuits.remove(0);
    (lower(&circuit, &PlanOptions::default()), flow::lower(&circuit, &PlanOptions::default()))
}

/// What a program says of a plan: when it is made, or when the first batch is laid out.
fn said(signature: Plan, plan: FlowPlan) -> Option<String> {
    let values = signature.variables.iter().map(|array| array.len()).sum::<usize>();
    let packed = vec![0.5; plan.packed_chunks as usize * 16];
    let tried = FlowProgram::new(Arc::new(plan), Arc::new(signature), 1 << 30).and_then(|mut program| {
        program.set_packed(packed.clone())?;
        program.gather(&vec![0; values], 1, 1)
    });
    match tried {
        Ok(_) => None,
        Err(KernelError::Plan(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn refused(change: impl Fn(&mut FlowPlan), expected: &str) {
    let (signature, mut plan) = plans();
    change(&mut plan);
    let what = said(signature, plan).expect("it is refused");
    assert!(what.contains(expected), "{what}");
}

/// The first launch of the backward body that has counts of weights.
fn stage(plan: &mut FlowPlan) -> &mut danaus_artifact::flow_plan::FlowLaunch {
    let kernels = plan.kernels.clone();
    let is_stage = |kernel: u32| matches!(kernels[kernel as usize], FlowKernel::Stage(_));
    plan.loops[0].backward.iter_mut().find(|launch| is_stage(launch.kernel)).expect("there is a sum")
}

#[test]
fn what_the_compiler_makes_is_accepted() {
    let (signature, plan) = plans();
    assert_eq!(said(signature, plan), None);
}

#[test]
fn rows_that_are_not_there() {
    refused(|plan| plan.root = plan.rows, "beyond the");
    refused(|plan| plan.loops[0].result_flow = plan.rows, "beyond the");
    refused(|plan| plan.loops[0].root = plan.loops[0].frame_rows, "outside of its frame");
    refused(|plan| stage(plan).words[0] = Word::Fixed(u32::MAX), "beyond the arena");
    refused(|plan| stage(plan).words[0] = Word::Frame(u32::MAX), "beyond the arena");
}

#[test]
fn records_that_do_not_fit_their_kernel() {
    refused(|plan| stage(plan).kernel = 99, "an unknown kernel");
    refused(|plan| stage(plan).words.truncate(1), "another length");
    refused(|plan| stage(plan).members = u32::MAX, "another length");
    refused(|plan| plan.backward.push(FlowStep::Loop(7)), "an unknown loop");
    refused(|plan| plan.loops[0].steps = 0, "a loop of no size");
    refused(|plan| plan.loops[0].rescale = 3, "rescaled every 3 iterations");
}

#[test]
fn weights_and_counts_of_another_parameter() {
    refused(|plan| stage(plan).words[1] = Word::Value(0), "is packed as");
    refused(|plan| stage(plan).words[2] = Word::Value(1 << 20), "is counted at chunk");
    refused(|plan| plan.count_chunks = 1, "go beyond the end");
    refused(|plan| plan.packed_chunks -= 1, "goes beyond");
}

#[test]
fn groups_that_do_not_cover_the_members() {
    for end in [0, 9] {
        refused(
            move |plan| *stage(plan).words.last_mut().expect("there is a group") = Word::Value(end),
            "groups overlap",
        );
    }
}

#[test]
fn a_launch_that_writes_what_it_reads() {
    refused(
        |plan| {
            let launch = stage(plan);
            launch.words[4] = launch.words[0];
        },
        "is read and written",
    );
}

#[test]
fn variables_that_are_not_there() {
    refused(
        |plan| {
            let launches = plan.loops[0].forward.iter_mut().flat_map(|launch| &mut launch.words);
            launches.filter(|word| matches!(word, Word::Variable(..))).for_each(|word| *word = Word::Variable(0, -1));
        },
        "are read, but there are",
    );
}

#[test]
fn more_iterations_than_anything_could_hold() {
    refused(|plan| plan.loops[0].steps = u32::MAX, "too large");
}

#[test]
fn schedules_that_are_not_possible() {
    let change = |act: fn(&mut danaus_artifact::flow_plan::StageFlow)| {
        move |plan: &mut FlowPlan| {
            for kernel in &mut plan.kernels {
                if let FlowKernel::Stage(stage) = kernel {
                    act(stage);
                }
            }
        }
    };
    refused(change(|stage| stage.tile = 3), "its schedule is not possible");
    refused(change(|stage| stage.chunk = 0), "its schedule is not possible");
    refused(change(|stage| stage.vectors = 3), "its schedule is not possible");
    refused(change(|stage| stage.distinct = 5), "do not go with 5 distinct ones");
}
