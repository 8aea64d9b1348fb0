//! Launches before their values have rows, and how their records are encoded when they do.

use danaus_artifact::plan::{Launch, Loop, Step};

/// Rows to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Index into the intervals given to `plan-memory`.
    pub interval: usize,
    /// The first row within the interval.
    pub offset: u32,
}

/// Where a value stands in even and in odd iterations.
pub type Place = [Slot; 2];

/// A word of a record.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// The first row of a place.
    Row(Place),
    /// A number.
    Value(u32),
}

/// A launch whose records still name slots.
pub struct PendingLaunch {
    /// Index of the kernel.
    pub kernel: u32,
    /// How many members it computes.
    pub members: usize,
    /// Their records, one after the other.
    pub words: Vec<Word>,
    /// The layer it computes.
    pub label: String,
}

/// A step of the plan to be.
pub enum PendingStep {
    /// One launch.
    Launch(PendingLaunch),
    /// A loop.
    Loop {
        /// Iterations.
        steps: u32,
        /// One iteration.
        body: Vec<PendingLaunch>,
        /// Where the carry stands before even and odd iterations.
        carry: Place,
        /// Units of the carry.
        width: u32,
        /// Iterations between two rescalings.
        rescale: u32,
    },
}

/// Writes records with the rows that `plan-memory` has found.
pub struct Encoder<'a> {
    /// First row of each interval.
    pub offsets: &'a [u32],
    /// The tables so far.
    pub tables: Vec<u32>,
}

impl Encoder<'_> {
    /// The first row of a slot.
    pub fn row(&self, slot: Slot) -> u32 {
        self.offsets[slot.interval] + slot.offset
    }

    /// Encodes a step.
    pub fn step(&mut self, step: PendingStep) -> Step {
        match step {
            PendingStep::Launch(launch) => Step::Launch(self.launch(launch)),
            PendingStep::Loop { steps, body, carry, width, rescale } => Step::Loop(Loop {
                steps,
                body: body.into_iter().map(|launch| self.launch(launch)).collect(),
                carry: carry.map(|slot| self.row(slot)),
                width,
                rescale,
            }),
        }
    }

    /// Encodes a launch: one table if even and odd iterations read and write the same rows, else two.
    fn launch(&mut self, launch: PendingLaunch) -> Launch {
        let even = self.table(&launch.words, 0);
        let differs = launch.words.iter().any(|word| matches!(word, Word::Row([a, b]) if a != b));
        let odd = if differs { self.table(&launch.words, 1) } else { even };
        Launch { kernel: launch.kernel, table: [even, odd], members: launch.members as u32, label: launch.label }
    }

    fn table(&mut self, words: &[Word], parity: usize) -> u32 {
        let start = u32::try_from(self.tables.len()).expect("tables have fewer than 2^32 words");
        let number = |word: &Word| match *word {
            Word::Row(place) => self.row(place[parity]),
            Word::Value(value) => value,
        };
        let numbers: Vec<u32> = words.iter().map(number).collect();
        self.tables.extend(numbers);
        start
    }
}
