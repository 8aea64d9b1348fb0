//! Where values and flows stand, and how records are encoded when that is known.

use danaus_artifact::flow_plan::{FlowLaunch, FlowStep, Word};
use std::collections::BTreeMap;

/// Rows to be. `Slot` counts from the start of an interval given to `plan-memory`; for the others see [`Word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Fixed rows.
    Slot {
        /// Index of the interval.
        interval: usize,
        /// The first row within it.
        offset: u32,
    },
    /// A row of choices; counts from the start of an interval too.
    Choice(usize),
    /// Rows of the iteration's frame.
    Frame(u32),
    /// Rows of the carry into the iteration.
    Carry(u32),
    /// Rows of the flow of the body's root.
    RootFlow(u32),
    /// Rows of the flow of the carry.
    CarryFlow(u32),
}

impl Rows {
    /// The rows that begin so many rows later.
    pub fn after(self, rows: u32) -> Rows {
        match self {
            Rows::Slot { interval, offset } => Rows::Slot { interval, offset: offset + rows },
            Rows::Choice(interval) => panic!("choice {interval} has one row"),
            Rows::Frame(row) => Rows::Frame(row + rows),
            Rows::Carry(row) => Rows::Carry(row + rows),
            Rows::RootFlow(row) => Rows::RootFlow(row + rows),
            Rows::CarryFlow(row) => Rows::CarryFlow(row + rows),
        }
    }
}

/// A word of a record.
#[derive(Clone, Copy, Debug)]
pub enum PendingWord {
    /// The first of some rows.
    Rows(Rows),
    /// A number.
    Value(u32),
    /// A variable: index and stride.
    Variable(u32, i32),
}

/// A launch whose records still name slots.
pub struct PendingLaunch {
    /// Index of the kernel.
    pub kernel: u32,
    /// How many members it computes.
    pub members: usize,
    /// How many groups they form.
    pub groups: usize,
    /// The records of members, then those of groups.
    pub words: Vec<PendingWord>,
    /// The layer it belongs to.
    pub label: String,
}

/// A step of the plan to be.
pub enum PendingStep {
    /// One launch.
    Launch(PendingLaunch),
    /// A loop, by its index.
    Loop(usize),
}

/// Writes records with the rows that `plan-memory` has found.
pub struct Encoder<'a> {
    /// First row of each interval.
    pub offsets: &'a [u32],
    /// The row of each choice.
    pub choices: &'a [u32],
    /// Intervals that stand somewhere else.
    pub carried: &'a BTreeMap<usize, Rows>,
}

impl Encoder<'_> {
    /// The first row of fixed rows.
    ///
    /// # Panics
    /// If the rows depend on the iteration.
    pub fn fixed(&self, rows: Rows) -> u32 {
        match self.word(rows) {
            Word::Fixed(row) => row,
            other => panic!("{other:?} is not the same at every iteration"),
        }
    }

    fn word(&self, rows: Rows) -> Word {
        match rows {
            Rows::Slot { interval, offset } => match self.carried.get(&interval) {
                Some(&place) => self.word(place.after(offset)),
                None => Word::Fixed(self.offsets[interval] + offset),
            },
            Rows::Choice(interval) => Word::Fixed(self.choices[interval]),
            Rows::Frame(row) => Word::Frame(row),
            Rows::Carry(row) => Word::Carry(row),
            Rows::RootFlow(row) => Word::RootFlow(row),
            Rows::CarryFlow(row) => Word::CarryFlow(row),
        }
    }

    /// Encodes a step.
    pub fn step(&self, step: PendingStep) -> FlowStep {
        match step {
            PendingStep::Launch(launch) => FlowStep::Launch(self.launch(launch)),
            PendingStep::Loop(index) => FlowStep::Loop(index as u32),
        }
    }

    /// Encodes a launch.
    pub fn launch(&self, launch: PendingLaunch) -> FlowLaunch {
        let word = |word: &PendingWord| match *word {
            PendingWord::Rows(rows) => self.word(rows),
            PendingWord::Value(value) => Word::Value(value),
            PendingWord::Variable(index, stride) => Word::Variable(index, stride),
        };
        FlowLaunch {
            kernel: launch.kernel,
            members: launch.members as u32,
            groups: launch.groups as u32,
            words: launch.words.iter().map(word).collect(),
            label: launch.label,
        }
    }
}
