//! Which loops are *linear chains*: loops whose body is a row of block-diagonal sums, the last one times inputs, as the
//! transitions and emissions of hidden Markov models are.
//!
//! A runtime may compute such a loop in linear space, with one scale for each sample, instead of taking exponentials and
//! logarithms around every sum; the values in between are of no interest to anybody else. Whether a loop is a chain can be read off
//! the plan, so the plan does not say it.

use crate::flow_plan::{FlowKernel, FlowLaunch, FlowLoop, FlowPlan, StageFlow, Word};
use crate::plan::{Kernel, Launch, Layout, Loop, Plan, Schedule, StageKernel};

/// A loop that can be computed in linear space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Iterations.
    pub steps: u32,
    /// Units of the carry.
    pub width: u32,
    /// The sums of one iteration.
    pub stages: Vec<ChainStage>,
    /// What the last sum is multiplied by.
    pub inputs: Vec<ChainInput>,
}

/// One sum of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainStage {
    /// Its sizes and its schedule.
    pub kernel: StageKernel,
    /// Where its weights stand, as panels, in chunks.
    pub weights: u32,
    /// How its flows are computed, in a flow plan.
    pub flow: Option<ChainFlow>,
}

/// The flows of one sum of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFlow {
    /// Sizes and schedule.
    pub kernel: StageFlow,
    /// Where its transposed weights stand, in chunks.
    pub weights: u32,
    /// Where its counts stand, in chunks.
    pub counts: u32,
}

/// One input of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainInput {
    /// Index of its variable at iteration 0.
    pub variable: u32,
    /// What is added to it at each iteration, modulo `2^32`.
    pub stride: u32,
    /// Where its table stands, in chunks.
    pub table: u32,
    /// Distance between rows of the table and of its counts.
    pub pitch: u32,
    /// Where its counts stand, in chunks, in a flow plan, if it is learned.
    pub counts: Option<u32>,
}

impl Chain {
    /// The chain that a loop of a kernel plan is.
    pub fn of_loop(plan: &Plan, body: &Loop) -> Option<Chain> {
        let count = body.body.len();
        let mut stages = Vec::with_capacity(count);
        let mut inputs = Vec::new();
        for (index, launch) in body.body.iter().enumerate() {
            let kernel = panels(plan.kernels.get(launch.kernel as usize)?)?;
            if launch.members != 1 || (index + 1 < count && kernel.epilogue_inputs > 0) {
                return None;
            }
            let even = record(plan, launch, 0)?;
            let odd = record(plan, launch, 1)?;
            for (parity, words) in [even, odd].into_iter().enumerate() {
                let from = match index {
                    0 => body.carry[parity],
                    _ => record(plan, &body.body[index - 1], parity)?[0],
                };
                let to = if index + 1 == count { body.carry[1 - parity] } else { words[0] };
                if words[2] != from || words[0] != to || words[1] != even[1] || words[3..] != even[3..] {
                    return None;
                }
            }
            inputs.extend(even[3..].chunks_exact(4).map(|words| ChainInput {
                variable: words[0],
                stride: words[1],
                table: words[2],
                pitch: words[3],
                counts: None,
            }));
            stages.push(ChainStage { kernel: kernel.clone(), weights: even[1], flow: None });
        }
        Chain { steps: body.steps, width: body.width, stages, inputs }.checked(body.rescale)
    }

    /// The chain that a loop of a flow plan is. All its values must be kept: its segment is all of it.
    pub fn of_flow_loop(plan: &FlowPlan, body: &FlowLoop) -> Option<Chain> {
        let mut stages: Vec<ChainStage> = Vec::new();
        let mut inputs = Vec::new();
        let mut last = Word::Carry(0);
        let mut products = 0;
        for launch in &body.forward {
            let words = &launch.words;
            if launch.members != 1 || launch.groups != 0 || products > 0 {
                return None;
            }
            let &[Word::Frame(to), Word::Value(weights), from, ref operands @ ..] = words.as_slice() else {
                return None;
            };
            if from != last {
                return None;
            }
            match plan.kernels.get(launch.kernel as usize)? {
                FlowKernel::Layer(Kernel::Product { width, parts: 1, .. }) if *width == body.width => {
                    products += 1;
                    inputs = operands.chunks(4).map(|words| flow_input(plan, words)).collect::<Option<_>>()?;
                }
                FlowKernel::Layer(kernel) => {
                    let kernel = panels(kernel).filter(|_| operands.is_empty())?.clone();
                    let flow = flow(plan, body, to, stages.is_empty())?;
                    stages.push(ChainStage { kernel, weights, flow: Some(flow) });
                }
                _ => return None,
            }
            last = Word::Frame(to);
        }
        let counted = inputs.iter().filter(|input: &&ChainInput| input.counts.is_some()).count();
        let is_table =
            |launch: &&FlowLaunch| matches!(plan.kernels.get(launch.kernel as usize), Some(FlowKernel::Table { .. }));
        let tables: u32 = body.backward.iter().filter(is_table).map(|launch| launch.members).sum();
        let is_other = |launch: &&FlowLaunch| !is_table(launch) && !is_posterior(plan, launch);
        let others = body.backward.iter().filter(is_other).count();
        if last != Word::Frame(body.root) || others != stages.len() || tables as usize != counted {
            return None;
        }
        Chain { steps: body.steps, width: body.width, stages, inputs }.checked(body.rescale)
    }

    /// The chain if its sums fit together.
    fn checked(self, rescale: u32) -> Option<Chain> {
        let mut width = self.width;
        for ChainStage { kernel, flow, .. } in &self.stages {
            if kernel.blocks.checked_mul(kernel.inputs) != Some(width) {
                return None;
            }
            width = kernel.blocks.checked_mul(kernel.outputs)?;
            let sizes = |blocks, distinct, outputs, inputs, rows| [blocks, distinct, outputs, inputs, rows];
            let of_values = sizes(kernel.blocks, kernel.distinct, kernel.outputs, kernel.inputs, kernel.rows);
            let fits = |ChainFlow { kernel, .. }: &ChainFlow| {
                sizes(kernel.blocks, kernel.distinct, kernel.outputs, kernel.inputs, kernel.rows) == of_values
            };
            if flow.as_ref().is_some_and(|flow| !fits(flow)) {
                return None;
            }
        }
        let sums = u64::from(self.steps) * self.stages.len() as u64;
        let is_small = sums < u64::from(u32::MAX / 2) && self.widest() < u32::MAX / 2;
        (rescale != u32::MAX && sums > 0 && is_small && width == self.width).then_some(self)
    }

    /// Units of the widest layer.
    pub fn widest(&self) -> u32 {
        self.stages.iter().map(|stage| stage.kernel.blocks * stage.kernel.outputs).max().unwrap_or(self.width)
    }
}

impl ChainStage {
    /// Length of its packed weights.
    pub fn packed_len(&self) -> usize {
        let StageKernel { distinct, outputs, inputs, .. } = self.kernel;
        let Schedule::Panels { tile, .. } = self.kernel.schedule else { return 0 };
        distinct as usize * outputs.next_multiple_of(tile) as usize * inputs as usize
    }
}

/// Whether a launch computes posteriors from the flow of the body's root, and from nothing else.
pub fn is_posterior(plan: &FlowPlan, launch: &FlowLaunch) -> bool {
    let is_posterior = matches!(plan.kernels.get(launch.kernel as usize), Some(FlowKernel::Posterior { .. }));
    let mut readers = launch.words.chunks(3).take(launch.members as usize);
    is_posterior && readers.all(|words| words[0] == Word::RootFlow(0))
}

/// The kernel if it is a sum of one part, with register tiles.
fn panels(kernel: &Kernel) -> Option<&StageKernel> {
    let Kernel::Stage(stage) = kernel else { return None };
    let is_plain = stage.prologue_parts == 1 && stage.prologue_inputs == 0 && stage.epilogue_parts == 0;
    (is_plain && matches!(stage.schedule, Schedule::Panels { .. })).then_some(stage)
}

/// The record of a launch of one member.
fn record<'a>(plan: &'a Plan, launch: &Launch, parity: usize) -> Option<&'a [u32]> {
    let start = launch.table[parity] as usize;
    plan.tables.get(start..start + plan.kernels.get(launch.kernel as usize)?.record_len())
}

fn flow_input(plan: &FlowPlan, words: &[Word]) -> Option<ChainInput> {
    let &[Word::Variable(variable, stride), Word::Value(0), Word::Value(table), Word::Value(pitch)] = words else {
        return None;
    };
    let pack = plan.packs.iter().find(|pack| pack.offset == table && pack.layout == Layout::Table)?;
    let counts = plan.counts.iter().find(|count| count.parameter == pack.parameter).map(|count| count.offset);
    Some(ChainInput { variable, stride: stride as u32, table, pitch, counts })
}

/// The flows of the sum whose value stands at row `value` of a frame.
fn flow(plan: &FlowPlan, body: &FlowLoop, value: u32, is_first: bool) -> Option<ChainFlow> {
    let launch = body.backward.iter().find(|launch| launch.words.first() == Some(&Word::Frame(value)))?;
    let FlowKernel::Stage(kernel) = plan.kernels.get(launch.kernel as usize)? else { return None };
    let &[_, Word::Value(weights), Word::Value(counts), _, below, ..] = launch.words.as_slice() else { return None };
    let hands_on = (below == Word::CarryFlow(0)) == is_first;
    (launch.members == 1 && launch.groups == 1 && hands_on).then(|| ChainFlow {
        kernel: kernel.clone(),
        weights,
        counts,
    })
}
