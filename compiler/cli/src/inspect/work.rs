//! What each kernel for GPUs does, launch by launch, in a forward pass and in a step of training that keeps all values.

use super::Summary;
use danaus_artifact::flow_plan::{FlowKernel, FlowLaunch, FlowPlan, FlowStep, StageFlow, pitch};
use danaus_artifact::gpu::Role;
use danaus_artifact::plan::Kernel;
use danaus_compiler::plan::stats::{LaunchStats, Work, of_member};

/// All runs of one launch.
pub struct LaunchWork {
    /// The kernel.
    pub role: Role,
    /// How often it runs.
    pub runs: u32,
    /// What all runs do for one row.
    pub work: Work,
    /// Weights that one run reads.
    pub weights: u64,
    /// Bytes of counts that one run reads and writes.
    pub count_bytes: u64,
}

/// The launches of the forward pass, and those of training if the circuit was compiled for it.
pub fn all_work(summary: &Summary<'_>) -> Vec<LaunchWork> {
    let layer = |launch: &LaunchStats| LaunchWork {
        role: Role::Layer(launch.kernel),
        runs: launch.runs,
        work: launch.work,
        weights: launch.weight_bytes / 4,
        count_bytes: 0,
    };
    let mut all: Vec<LaunchWork> = summary.stats.launches.iter().map(layer).collect();
    if let Some(plan) = summary.flows {
        for steps in [&plan.forward, &plan.backward] {
            steps.iter().for_each(|step| of_step(plan, step, std::ptr::eq(steps, &plan.forward), &mut all));
        }
    }
    all
}

fn of_step(plan: &FlowPlan, step: &FlowStep, is_forward: bool, all: &mut Vec<LaunchWork>) {
    match step {
        FlowStep::Launch(launch) => of_launch(plan, launch, 1, all),
        FlowStep::Loop(index) => {
            let body = &plan.loops[*index as usize];
            let launches = if is_forward { &body.forward } else { &body.backward };
            launches.iter().for_each(|launch| of_launch(plan, launch, body.steps, all));
        }
    }
}

fn of_launch(plan: &FlowPlan, launch: &FlowLaunch, runs: u32, all: &mut Vec<LaunchWork>) {
    let kernel = &plan.kernels[launch.kernel as usize];
    let (flow, counts) = (Role::Flow(launch.kernel), Role::Counts(launch.kernel));
    // Members that share a weight are a group; where nothing is counted there are no groups.
    let tensors = u64::from(launch.groups.max(1));
    let mut add = |role: Role, one: Work, weights: u64, count_bytes: u64| {
        let times = u64::from(launch.members) * u64::from(runs);
        let work = Work { flops: one.flops * times, exponentials: one.exponentials * times, bytes: one.bytes * times };
        all.push(LaunchWork { role, runs, work, weights: weights * tensors, count_bytes: count_bytes * tensors });
    };
    let moved = |rows: u64| Work { bytes: 4 * rows, ..Work::default() };
    match kernel {
        FlowKernel::Layer(kernel) => {
            let weights = match kernel {
                Kernel::Stage(stage) => product([stage.distinct, stage.outputs, stage.inputs]),
                _ => 0,
            };
            add(flow, of_member(kernel), weights, 0);
        }
        FlowKernel::Stage(stage) => {
            let [of_flow, of_counts] = of_stage(stage);
            add(flow, of_flow, product([stage.distinct, stage.outputs, stage.inputs]), 0);
            if stage.counted {
                let counted = product([stage.distinct, stage.outputs, pitch(stage.inputs as usize) as u32]);
                add(counts, of_counts, 0, 8 * counted);
            }
        }
        FlowKernel::Mixing { width, inputs, counted } => {
            let (width, inputs) = (u64::from(*width), u64::from(*inputs));
            let flops = 2 * width * inputs;
            add(flow, Work { flops, ..moved(width * (2 + 2 * inputs)) }, width * inputs, 0);
            if *counted {
                add(counts, Work { flops, ..moved(width * (2 + inputs)) }, width * inputs, 8 * width * inputs);
            }
        }
        FlowKernel::Kronecker { widths } => {
            let [all, one] = [product(widths.iter().copied()), widths.iter().map(|&width| u64::from(width)).sum()];
            add(flow, moved(all + one), 0, 0);
        }
        FlowKernel::Table { width } | FlowKernel::Gaussian { width } => add(counts, moved(u64::from(*width)), 0, 0),
        FlowKernel::Posterior { .. }
        | FlowKernel::GaussianPosterior { .. }
        | FlowKernel::Max(_)
        | FlowKernel::Choice(_) => {}
    }
}

fn product(sizes: impl IntoIterator<Item = u32>) -> u64 {
    sizes.into_iter().map(u64::from).product()
}

/// What the flows of a sum, and its counts, do for a member: both read the operands, the outputs and their flows.
fn of_stage(stage: &StageFlow) -> [Work; 2] {
    let [before, after] = [product([stage.blocks, stage.inputs]), product([stage.blocks, stage.outputs])];
    let flops = 2 * after * u64::from(stage.inputs);
    let read = u64::from(stage.prologue_parts + stage.prologue_inputs) * before + 2 * after;
    let exponentials = before + after;
    [read + before, read].map(|rows| Work { flops, exponentials, bytes: 4 * rows })
}
