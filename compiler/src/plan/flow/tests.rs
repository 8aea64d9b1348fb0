use super::lower;
use crate::circuit::read::read;
use crate::plan::PlanOptions;
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, FlowStep, Segments, Word};
use danaus_artifact::plan::{Kernel, Layout};

/// A hidden Markov model of four states, after all passes.
fn chain(steps: usize) -> FlowPlan {
    let text = format!(
        "circuit c {{
  var x[{}]: categorical(3)
  param @e: table[4, 3] random
  param @r: weight[1, 4] random
  param @t: weight[4, 4] random
  %0 = input (x[{steps}] @e) : 4
  %1 = scan {steps} from %0 : 4 {{
    %0 = carry : 4
    %1 = stage[1; 4, 4] %0 plus (x[{} - i] @e) @t : 4
    root %1
  }}
  %2 = sum dense %1 @r : 1
  root %2
}}
",
        steps + 1,
        steps - 1
    );
    let module = read(&text).unwrap_or_else(|error| panic!("{error}"));
    lower(&module.circuits[0], &PlanOptions::default())
}

/// What is read twice has a launch that adds its flows, and what is a table's has counts.
fn shared() -> FlowPlan {
    let text = "circuit c {
  var x[2]: binary
  param @a: table[4, 2] random
  param @is_1: table[4, 2] indicator 1
  param @w: weight[4, 4] random
  param @m: mixing[4, 2] random
  param @r: weight[1, 4] random
  %0 = input (x[0] @a) : 4
  %1 = sum dense %0 @w : 4
  %2 = sum mixing %0, %1 @m : 4
  %3 = input (x[1] @is_1) : 4
  %4 = hadamard %2, %3 : 4
  %5 = sum dense %4 @r : 1
  root %5
}
";
    let module = read(text).unwrap_or_else(|error| panic!("{error}"));
    lower(&module.circuits[0], &PlanOptions::default())
}

fn launches(plan: &FlowPlan) -> Vec<&FlowKernel> {
    let launch = |step: &FlowStep| match step {
        FlowStep::Launch(launch) => Some(launch.kernel as usize),
        FlowStep::Loop(_) => None,
    };
    plan.backward.iter().filter_map(launch).map(|kernel| &plan.kernels[kernel]).collect()
}

#[test]
fn a_plan_does_not_grow_with_the_length_of_a_chain() {
    let (short, long) = (chain(100), chain(5000));
    assert_eq!((short.rows, short.kernels.len()), (long.rows, long.kernels.len()));
    assert_eq!(short.loops[0].frame_rows, long.loops[0].frame_rows);
    let words = |plan: &FlowPlan| plan.loops[0].backward.iter().map(|launch| launch.words.len()).sum::<usize>();
    assert_eq!(words(&short), words(&long));
}

#[test]
fn a_step_keeps_the_sum_and_the_product_around_it() {
    let plan = chain(20);
    assert_eq!(plan.loops[0].frame_rows, 8);
    assert_eq!(plan.loops[0].forward.len(), 2);
}

#[test]
fn the_flow_of_a_carry_is_written_where_the_loop_expects_it() {
    let plan = chain(20);
    let stage = |kernel: u32| matches!(plan.kernels[kernel as usize], FlowKernel::Stage(_));
    let launch = plan.loops[0].backward.iter().find(|launch| stage(launch.kernel)).expect("the sum has a launch");
    assert_eq!((launch.words[3], launch.words[4]), (Word::RootFlow(0), Word::CarryFlow(0)));
}

#[test]
fn weights_stand_transposed_beside_those_of_the_forward_pass() {
    let plan = chain(20);
    let transposed = |layout: Layout| matches!(layout, Layout::Transposed { .. });
    assert_eq!(plan.packs.iter().filter(|pack| transposed(pack.layout)).count(), 2);
    assert_eq!(plan.counts.len(), 3);
}

#[test]
fn several_edges_are_added_and_indicators_are_not_counted() {
    let plan = shared();
    let sums = launches(&plan);
    let adds = |kernel: &&&FlowKernel| matches!(kernel, FlowKernel::Layer(Kernel::Product { parts: 2, inputs: 0, .. }));
    assert_eq!(sums.iter().filter(adds).count(), 1);
    let tables = sums.iter().filter(|kernel| matches!(kernel, FlowKernel::Table { .. })).count();
    assert_eq!(tables, 1, "the table of the first variable; the other is an indicator");
    let counted: Vec<u32> = plan.counts.iter().map(|count| count.parameter).collect();
    assert_eq!(counted, [0, 2, 3, 4]);
}

#[test]
fn segments_take_what_there_is() {
    let plan = chain(100);
    let all = plan.segments(u64::MAX).expect("everything fits");
    assert_eq!(all, Segments(vec![100]));
    let most = plan.arena_rows(&all);
    let fewer = plan.segments(most - 1).expect("parts fit");
    assert!(fewer.0[0] < 100 && fewer.0[0].is_multiple_of(16), "{fewer:?}");
    assert!(plan.arena_rows(&fewer) < most);
    let least = plan.segments(0).expect_err("nothing fits");
    let segments = plan.segments(least).expect("the least fits");
    assert_eq!(plan.arena_rows(&segments), least);
    assert!(plan.segments(least - 1).is_err());
}
