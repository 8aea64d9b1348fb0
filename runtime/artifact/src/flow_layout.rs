//! From the words of a flow plan to rows of the arena: where frames, carries and root flows of loops stand when the
//! segments are known, and the records of every iteration.

use crate::flow_plan::{FlowLaunch, FlowLoop, FlowPlan, FlowStep, Segments, Word};
use thiserror::Error;

/// A flow plan that cannot be laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("its arena or its tables are too large")]
pub struct TooLarge;

/// Words of the tables: two gigabytes.
const MOST_WORDS: u64 = 1 << 29;

/// Where the rows of a loop stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopRows {
    /// Iterations of a segment.
    pub segment: u32,
    /// First row of the frames.
    pub frames: u32,
    /// First row of the carries into segments, but the first.
    pub carries: u32,
    /// First row of the carries that are rescaled within a segment.
    rescaled: u32,
    /// First row of the pair of root flows.
    root_flows: u32,
    /// Rows of a root flow: the width of the carry, or one if units are chosen.
    flow_rows: u32,
}

impl LoopRows {
    /// The row of the carry into an iteration.
    pub fn carry(&self, body: &FlowLoop, iteration: u32) -> u32 {
        let within = iteration % self.segment;
        if iteration == 0 {
            body.first
        } else if within == 0 {
            self.carries + (iteration / self.segment - 1) * body.width
        } else if body.rescale != u32::MAX && within.is_multiple_of(body.rescale) {
            self.rescaled + (within / body.rescale - 1) * body.width
        } else {
            self.root(body, iteration - 1)
        }
    }

    /// Whether the carry into an iteration is a copy of the previous root.
    pub fn is_copied(&self, body: &FlowLoop, iteration: u32) -> bool {
        iteration > 0 && self.carry(body, iteration) != self.root(body, iteration - 1)
    }

    /// The row of the body's root of an iteration.
    pub fn root(&self, body: &FlowLoop, iteration: u32) -> u32 {
        self.frame(body, iteration) + body.root
    }

    fn frame(&self, body: &FlowLoop, iteration: u32) -> u32 {
        self.frames + iteration % self.segment * body.frame_rows
    }

    /// The row of the flow of the body's root of an iteration.
    pub fn root_flow(&self, body: &FlowLoop, iteration: u32) -> u32 {
        if iteration + 1 == body.steps { body.result_flow } else { self.root_flows + iteration % 2 * self.flow_rows }
    }

    fn carry_flow(&self, body: &FlowLoop, iteration: u32) -> u32 {
        if iteration == 0 { body.first_flow } else { self.root_flow(body, iteration - 1) }
    }

    /// What a word stands for at an iteration.
    fn number(&self, body: &FlowLoop, word: Word, iteration: u32) -> u32 {
        match word {
            Word::Value(value) => value,
            Word::Fixed(row) => row,
            Word::Frame(row) => self.frame(body, iteration).saturating_add(row),
            Word::Carry(row) => self.carry(body, iteration).saturating_add(row),
            Word::RootFlow(row) => self.root_flow(body, iteration).saturating_add(row),
            Word::CarryFlow(row) => self.carry_flow(body, iteration).saturating_add(row),
            Word::Variable(index, stride) => index.wrapping_add((stride as u32).wrapping_mul(iteration)),
        }
    }
}

/// A launch whose records stand in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Index of the kernel.
    pub kernel: u32,
    /// Where its records start.
    pub table: u32,
    /// How many members.
    pub members: u32,
    /// How many groups.
    pub groups: u32,
}

/// A flow plan for one choice of segments.
#[derive(Clone, Debug)]
pub struct FlowLayout {
    /// Rows of the arena.
    pub rows: u32,
    /// Rows of the choices.
    pub choices: u32,
    /// The rows of loops.
    pub loops: Vec<LoopRows>,
    /// All records.
    pub tables: Vec<u32>,
    /// The forward pass outside of loops; loops have no entry.
    pub forward: Vec<Option<Placed>>,
    /// The backward pass outside of loops; loops have no entry.
    pub backward: Vec<Option<Placed>>,
    /// The launches of each loop's iterations, forward: `[loop][iteration][launch]`.
    pub loops_forward: Vec<Vec<Vec<Placed>>>,
    /// The same, backward.
    pub loops_backward: Vec<Vec<Vec<Placed>>>,
}

impl FlowLayout {
    /// Lays out the plan.
    pub fn new(plan: &FlowPlan, segments: &Segments) -> Result<FlowLayout, TooLarge> {
        let mut next = u64::from(plan.rows);
        let mut take = |rows: u64| {
            let first = next;
            next = next.saturating_add(rows);
            u32::try_from(first).unwrap_or(u32::MAX)
        };
        let mut choices = plan.choices;
        let mut loops = Vec::with_capacity(plan.loops.len());
        for (body, &segment) in plan.loops.iter().zip(&segments.0) {
            let width = u64::from(body.width);
            loops.push(LoopRows {
                segment,
                frames: take(u64::from(segment) * u64::from(body.frame_rows)),
                carries: take(u64::from(body.steps.div_ceil(segment) - 1) * width),
                rescaled: take(body.rescalings(segment) * width),
                root_flows: if plan.choices > 0 { choices } else { take(2 * width) },
                flow_rows: if plan.choices > 0 { 1 } else { body.width },
            });
            choices = if plan.choices > 0 { choices.saturating_add(2) } else { 0 };
        }
        let rows = u32::try_from(next).ok().filter(|&rows| rows < 1 << 31).ok_or(TooLarge)?;
        if words(plan) >= MOST_WORDS {
            return Err(TooLarge);
        }
        let mut tables = Vec::new();
        let [forward, backward] = [&plan.forward, &plan.backward].map(|steps| place_steps(steps, &mut tables));
        let mut place_loops = |launches: fn(&FlowLoop) -> &Vec<FlowLaunch>| -> Vec<Vec<Vec<Placed>>> {
            let all = plan.loops.iter().zip(&loops);
            all.map(|(body, rows)| place_loop(body, rows, launches(body), &mut tables)).collect()
        };
        let loops_forward = place_loops(|body| &body.forward);
        let loops_backward = place_loops(|body| &body.backward);
        Ok(FlowLayout { rows, choices, loops, tables, forward, backward, loops_forward, loops_backward })
    }

    /// All launches.
    pub fn launches(&self) -> impl Iterator<Item = &Placed> {
        let loops = self.loops_forward.iter().chain(&self.loops_backward);
        self.forward.iter().chain(&self.backward).flatten().chain(loops.flatten().flatten())
    }
}

/// Words of the tables for all iterations.
fn words(plan: &FlowPlan) -> u64 {
    let of = |launches: &[FlowLaunch]| launches.iter().map(|launch| launch.words.len() as u64).sum::<u64>();
    let loops = plan.loops.iter().map(|body| {
        let one = of(&body.forward).saturating_add(of(&body.backward));
        one.saturating_mul(u64::from(body.steps))
    });
    loops.fold(0, u64::saturating_add)
}

fn place_steps(steps: &[FlowStep], tables: &mut Vec<u32>) -> Vec<Option<Placed>> {
    let number = |word: &Word| match *word {
        Word::Value(number) | Word::Fixed(number) | Word::Variable(number, _) => number,
        // Nothing outside of a loop belongs to an iteration; such a row is refused when the launch is checked.
        Word::Frame(_) | Word::Carry(_) | Word::RootFlow(_) | Word::CarryFlow(_) => u32::MAX,
    };
    let mut place = |step: &FlowStep| match step {
        FlowStep::Launch(launch) => Some(placed(launch, launch.words.iter().map(number), tables)),
        FlowStep::Loop(_) => None,
    };
    steps.iter().map(&mut place).collect()
}

fn place_loop(body: &FlowLoop, rows: &LoopRows, launches: &[FlowLaunch], tables: &mut Vec<u32>) -> Vec<Vec<Placed>> {
    let mut at = |iteration: u32| -> Vec<Placed> {
        let number = |word: &Word| rows.number(body, *word, iteration);
        launches.iter().map(|launch| placed(launch, launch.words.iter().map(number), tables)).collect()
    };
    (0..body.steps).map(&mut at).collect()
}

fn placed(launch: &FlowLaunch, numbers: impl Iterator<Item = u32>, tables: &mut Vec<u32>) -> Placed {
    let table = u32::try_from(tables.len()).unwrap_or(u32::MAX);
    tables.extend(numbers);
    Placed { kernel: launch.kernel, table, members: launch.members, groups: launch.groups }
}
