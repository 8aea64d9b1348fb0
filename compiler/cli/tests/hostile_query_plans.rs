//! Plans of queries that must be refused before anything runs, each a valid one with one thing wrong; and plans computed in little memory.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::hmm::{Hmm, hmm};
use common::random_rows;
use danaus_artifact::flow_plan::{FlowKernel, FlowLaunch, FlowPlan, Word};
use danaus_artifact::plan::Plan;
use danaus_artifact::queries::ChoiceKernel;
use danaus_compiler::circuit::Module;
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::flow::{Purpose, lower_for};
use danaus_compiler::plan::{PlanOptions, lower};
use danaus_compiler::reference::domains;
use danaus_kernels::{Draws, FlowProgram, KernelError};
use std::sync::Arc;

const MODEL: Hmm = Hmm { steps: 100, states: 24, values: 5, monarch: Vec::new() };

fn plans(purpose: Purpose) -> (Plan, FlowPlan) {
    let module = Module { circuits: vec![hmm(&MODEL)], product: None };
    let mut outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = outcome.module.circuits.remove(0);
    (lower(&circuit, &PlanOptions::default()), lower_for(&circuit, &PlanOptions::default(), purpose))
}

const DRAWS: Draws = Draws { per_row: 3, first: 0, stride: 3, seed: 7, sharpness: 1.0 };

/// What a program says of a plan: when it is made, or when the first batch is laid out.
fn said(signature: Plan, plan: FlowPlan) -> Option<String> {
    let values = signature.variables.iter().map(|array| array.len()).sum::<usize>();
    let (packed, chooses) = (vec![0.5; plan.packed_chunks as usize * 16], plan.choices > 0);
    let tried = FlowProgram::new(Arc::new(plan), Arc::new(signature), 1 << 30).and_then(|mut program| {
        program.set_packed(packed.clone())?;
        let evidence = vec![0; values];
        if chooses {
            program.complete(&evidence, 1, 1, DRAWS).map(drop)
        } else {
            program.posteriors(&evidence, 1, 1).map(drop)
        }
    });
    match tried {
        Ok(()) => None,
        Err(KernelError::Plan(what)) => Some(what),
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn refused(purpose: Purpose, change: impl Fn(&mut FlowPlan), expected: &str) {
    let (signature, mut plan) = plans(purpose);
    change(&mut plan);
    let what = said(signature, plan).expect("it is refused");
    assert!(what.contains(expected), "{what}");
}

/// The first launch of the backward body of a kind.
fn launch(plan: &mut FlowPlan, is: impl Fn(&FlowKernel) -> bool) -> &mut FlowLaunch {
    let kernels = plan.kernels.clone();
    let found = plan.loops[0].backward.iter_mut().find(|launch| is(&kernels[launch.kernel as usize]));
    found.expect("there is a launch of this kind")
}

fn is_stage(kernel: &FlowKernel) -> bool {
    matches!(kernel, FlowKernel::Choice(ChoiceKernel::Stage { .. }))
}

fn is_input(kernel: &FlowKernel) -> bool {
    matches!(kernel, FlowKernel::Choice(ChoiceKernel::Input { .. }))
}

fn is_posterior(kernel: &FlowKernel) -> bool {
    matches!(kernel, FlowKernel::Posterior { .. })
}

#[test]
fn what_the_compiler_makes_is_accepted() {
    for purpose in [Purpose::Marginal, Purpose::Sample, Purpose::Mpe] {
        let (signature, plan) = plans(purpose);
        assert_eq!(said(signature, plan), None);
    }
}

#[test]
fn choices_that_are_not_there() {
    for purpose in [Purpose::Sample, Purpose::Mpe] {
        refused(purpose, |plan| plan.choices = 0, "choices without rows");
        refused(purpose, |plan| plan.root_flow = plan.choices, "of choices");
        refused(purpose, |plan| plan.loops[0].first_flow = plan.choices, "of choices");
        refused(purpose, |plan| launch(plan, is_stage).words[1] = Word::Fixed(1 << 30), "of choices");
        refused(purpose, |plan| launch(plan, is_input).words[0] = Word::Fixed(u32::MAX), "of choices");
        refused(purpose, |plan| launch(plan, is_stage).words[1] = launch(plan, is_stage).words[0], "read and written");
    }
}

#[test]
fn weights_tables_and_variables_of_others() {
    refused(Purpose::Sample, |plan| launch(plan, is_stage).words[4] = Word::Value(0), "is packed as");
    refused(Purpose::Mpe, |plan| launch(plan, is_input).words[4] = Word::Value(1), "is packed as");
    refused(Purpose::Sample, |plan| launch(plan, is_input).words[3] = Word::Variable(100, 1), "are read");
    refused(Purpose::Marginal, |plan| launch(plan, is_posterior).words[1] = Word::Variable(98, -2), "are read");
    refused(Purpose::Marginal, |plan| launch(plan, is_posterior).words[2] = Word::Value(0), "is packed as");
    refused(Purpose::Marginal, |plan| launch(plan, is_posterior).words[0] = Word::Fixed(u32::MAX), "beyond the arena");
}

#[test]
fn kernels_of_no_size() {
    let change = |plan: &mut FlowPlan, change: &dyn Fn(&mut FlowKernel)| plan.kernels.iter_mut().for_each(change);
    refused(
        Purpose::Marginal,
        |plan| {
            change(plan, &|kernel| {
                if let FlowKernel::Posterior { tile, .. } = kernel {
                    *tile = 0;
                }
            });
        },
        "tiles of 0 values",
    );
    refused(
        Purpose::Sample,
        |plan| {
            change(plan, &|kernel| {
                if let FlowKernel::Choice(ChoiceKernel::Stage { stage, .. }) = kernel {
                    stage.distinct = 0;
                }
            });
        },
        "size of the block-diagonal sum",
    );
}

// COVERS: queries.sample.seed
/// Little memory: the values of a chain are computed again, segment by segment.
#[test]
fn segments_change_nothing() {
    let circuit = hmm(&MODEL);
    let rows = random_rows(&circuit, 9, 17, 0.5);
    let evidence: Vec<u32> = domains(&circuit)
        .iter()
        .enumerate()
        .flat_map(|(variable, &size)| rows.iter().map(move |row| row[variable].unwrap_or(size) as u32))
        .collect();
    for purpose in [Purpose::Marginal, Purpose::Sample, Purpose::Mpe] {
        let mut found: Vec<(u32, Vec<f32>, Vec<u32>)> = Vec::new();
        for rows_of_memory in [1 << 20, 4200, 2600] {
            let (signature, plan) = plans(purpose);
            let packed = vec![0.25; plan.packed_chunks as usize * 16];
            let chooses = plan.choices > 0;
            let (plan, signature) = (Arc::new(plan), Arc::new(signature));
            let mut program = FlowProgram::new(plan, signature, rows_of_memory * 4 * 32).expect("it is in order");
            program.set_packed(packed.clone()).expect("the parameters fit");
            let (mut posteriors, mut completions) = (Vec::new(), Vec::new());
            if chooses {
                completions = program.complete(&evidence, 17, 17, DRAWS).expect("the kernels run").completions;
            } else {
                posteriors = program.posteriors(&evidence, 17, 17).expect("the kernels run").values;
                posteriors.extend(program.next(&evidence, 17, 17).expect("the kernels run").values);
            }
            let segment = program.segments().expect("a batch was computed").0[0];
            found.push((segment, posteriors, completions));
        }
        let lengths: Vec<u32> = found.iter().map(|(segment, ..)| *segment).collect();
        assert!(lengths.windows(2).all(|pair| pair[0] > pair[1]), "{lengths:?}");
        for (segment, posteriors, completions) in &found[1..] {
            assert!(*posteriors == found[0].1 && *completions == found[0].2, "segments of {segment}");
        }
    }
}
