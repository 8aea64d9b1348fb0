//! Plans that must be refused, each a valid one with one thing wrong.

mod common;

use common::Random;
use common::build::{Builder, Chain, Transition, evidence};
use danaus_artifact::plan::{Kernel, Layout, Plan, Schedule, Step};
use danaus_artifact::signature::Domain;
use danaus_kernels::{KernelError, Program, validate};
use std::sync::Arc;

fn chain() -> Builder {
    let model = Chain::random(12, 5, 6, Transition::Monarch([3, 4]), &mut Random(1));
    model.plan(|outputs| Schedule::Panels { tile: 2, chunk: (outputs as u32).next_multiple_of(2), vectors: 2 }, 2)
}

fn body(plan: &mut Plan) -> &mut danaus_artifact::plan::Loop {
    let found = plan.steps.iter_mut().find_map(|step| match step {
        Step::Loop(body) => Some(body),
        Step::Launch(_) => None,
    });
    found.expect("a chain has a loop")
}

/// Where the record of the loop's first launch stands.
fn record(plan: &mut Plan) -> usize {
    body(plan).body[0].table[0] as usize
}

#[track_caller]
fn refused(change: impl Fn(&mut Plan), expected: &str) {
    let mut plan = chain().plan;
    validate(&plan).expect("it is valid before the change");
    change(&mut plan);
    let message = validate(&plan).expect_err("it is refused").to_string();
    assert!(message.contains(expected), "{message}");
    assert!(matches!(Program::new(Arc::new(plan), Vec::new()), Err(KernelError::Plan(_))));
}

#[test]
fn rows_beyond_the_arena() {
    refused(|plan| plan.root = plan.rows, "the root's row");
    refused(|plan| plan.rows = 0, "an arena of 0 rows");
    refused(|plan| plan.rows -= 2, "beyond the arena");
    refused(|plan| body(plan).carry[1] = u32::MAX, "beyond the arena");
    refused(
        |plan| {
            let at = record(plan);
            plan.tables[at] = u32::MAX;
        },
        "beyond the arena",
    );
}

#[test]
fn records_and_kernels_that_are_not_there() {
    refused(|plan| plan.tables.truncate(20), "beyond the tables");
    refused(|plan| body(plan).body[1].table[1] = u32::MAX, "beyond the tables");
    refused(|plan| body(plan).body[0].members = u32::MAX, "beyond the tables");
    refused(|plan| body(plan).body[0].kernel = 99, "no kernel 99");
}

#[test]
fn offsets_that_are_not_a_parameter_of_that_shape() {
    refused(
        |plan| {
            let at = record(plan);
            plan.tables[at + 1] += 1;
        },
        "no parameter of its shape",
    );
    refused(|plan| plan.packed_chunks -= 1, "goes beyond");
    refused(|plan| plan.packs[0].parameter = 77, "no parameter 77");
    refused(|plan| plan.packs[1].layout = Layout::Panels { tile: 3 }, "no parameter of its shape");
    refused(|plan| plan.packs[1].layout = Layout::Table, "is packed as");
}

#[test]
fn variables_that_are_not_there() {
    refused(|plan| body(plan).steps += 2, "variables");
    refused(|plan| plan.variables[0].shape = vec![5], "variables");
    refused(|plan| plan.variables[0].domain = Domain::Categorical(4), "values");
    refused(|plan| plan.variables[0].domain = Domain::Integer(5, -5), "values");
    refused(|plan| plan.variables[0].shape = vec![usize::MAX, usize::MAX], "too many");
}

#[test]
fn schedules_that_do_not_cut_the_shape() {
    let schedule = |schedule: Schedule| {
        move |plan: &mut Plan| {
            for kernel in &mut plan.kernels {
                if let Kernel::Stage(stage) = kernel {
                    stage.schedule = schedule;
                }
            }
        }
    };
    refused(schedule(Schedule::Panels { tile: 0, chunk: 2, vectors: 1 }), "do not cut");
    refused(schedule(Schedule::Panels { tile: 2, chunk: 3, vectors: 1 }), "do not cut");
    refused(schedule(Schedule::Panels { tile: 2, chunk: 2, vectors: 3 }), "not a possible register tile");
    refused(schedule(Schedule::Panels { tile: 60, chunk: 60, vectors: 16 }), "kernel 1");
    refused(|plan| plan.kernels[0] = Kernel::Product { width: 0, parts: 1, inputs: 0 }, "0 units");
    refused(|plan| plan.kernels[0] = Kernel::Kronecker { widths: vec![u32::MAX; 5] }, "units");
}

#[test]
fn launches_that_race_with_themselves() {
    refused(
        |plan| {
            let at = record(plan);
            plan.tables[at + 2] = plan.tables[at];
        },
        "read and written",
    );
}

#[test]
fn loops_that_are_not_one() {
    refused(|plan| body(plan).steps = 0, "without iterations");
    refused(|plan| body(plan).rescale = 0, "without iterations");
    refused(
        |plan| {
            let again = Step::Loop(body(plan).clone());
            plan.steps.push(again);
        },
        "the offsets of one loop",
    );
}

#[test]
fn evidence_that_does_not_fit() {
    let builder = chain();
    let packed = danaus_kernels::pack(&builder.plan, &builder.values);
    let mut program = Program::new(Arc::new(builder.plan), packed.clone()).expect("a valid plan");
    let good = evidence(&mut Random(2), 6, 5, 3, 0.5);
    assert!(program.forward(&good, 3).is_ok());
    assert!(program.forward(&[], 0).expect("nothing to do").is_empty());
    let mut bad = good.clone();
    bad[7] = 6;
    let message = program.forward(&bad, 3).expect_err("6 is no index").to_string();
    assert!(message.contains("5 values") && message.contains("6"), "{message}");
    assert!(program.forward(&good[1..], 3).is_err());
}

/// Damage anywhere must be refused or harmless: the plan is validated and, if it passes, run.
#[test]
fn random_damage_never_panics() {
    let random = &mut Random(3);
    let original = chain();
    let packed = danaus_kernels::pack(&original.plan, &original.values);
    let data = evidence(random, 6, 5, 4, 0.2);
    let mut passed = 0;
    for _ in 0..3000 {
        let mut plan = original.plan.clone();
        let word = random.below(plan.tables.len());
        plan.tables[word] = match random.below(3) {
            0 => random.next() as u32,
            1 => random.below(64) as u32,
            _ => plan.tables[word].wrapping_add(random.below(3) as u32).wrapping_sub(1),
        };
        if validate(&plan).is_ok() {
            passed += 1;
            if passed % 50 == 0 {
                let mut program = Program::new(Arc::new(plan), packed.clone()).expect("it is valid");
                assert_eq!(program.forward(&data, 4).expect("it runs").len(), 4);
            }
        }
    }
    assert!(passed > 0);
}
