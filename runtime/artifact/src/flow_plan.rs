//! The flow plan: how likelihoods and the flows of all parameters are computed, for training; and queries that walk a circuit
//! up and down again in the same way (see [`queries`](crate::queries)).
//!
//! # Design
//!
//! The flow plan has the buffers of the kernel [`plan`](crate::plan) and one more, the counts. Nothing is written twice
//! before flows have been computed from it, so values that the backward pass needs are still there.
//!
//! **Arena.** The first [`FlowPlan::rows`] rows are *fixed*: values outside of loops, and flows. Flows are linear
//! numbers, values are logarithms; both stand in the same arena, so that the kernels that add, permute and copy values
//! also add, permute and copy flows. Each loop has rows of its own besides, whose number depends on how much memory
//! there is (see [`Segments`]): *frames*, one for each iteration of a segment, hold the values of the body; *carries*
//! hold the carry wherever it is rescaled or a segment begins; a pair of vectors holds the flow of the body's root.
//!
//! **Segments.** A loop of `n` iterations is cut into segments of `s`. The forward pass keeps the carry at the beginning of
//! each segment. The backward pass computes the values of a segment again, unless it is the last one, and walks it
//! backwards. With `s = n` nothing is computed twice.
//!
//! **Records** are lists of [`Word`]s; a runtime makes numbers of them, for each iteration of a loop.
//!
//! **Sums** have no epilogues here: the value of the sum itself is needed again, and what is added to it is a product of its own.
//!
//! **Counts.** A weight's count is its flow divided by the weight, `sum of F[o] * exp(s[i] - t[o])`, so that weights of zero
//! are no special case while counting; a table's and a mixing weight's count is the flow itself. The column
//! `values` of a table counts units whose variable is missing.

use crate::plan::{CHUNK, Kernel, Pack};
use crate::queries::{ChoiceKernel, MaxKernel};
use serde::{Deserialize, Serialize};

/// Everything a runtime needs to compute flows but the parameters' values and device code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowPlan {
    /// How parameters are laid out for the kernels.
    pub packs: Vec<Pack>,
    /// Length of the packed parameters in chunks.
    pub packed_chunks: u32,
    /// The counts of parameters: at most one tensor each.
    pub counts: Vec<Count>,
    /// Length of the counts in chunks.
    pub count_chunks: u32,
    /// Rows of the choices, where the backward pass chooses units instead of computing flows; else 0. Rows of flows are then
    /// rows of choices, one for a vector of any width.
    pub choices: u32,
    /// The distinct kernels.
    pub kernels: Vec<FlowKernel>,
    /// Fixed rows of the arena.
    pub rows: u32,
    /// The loops.
    pub loops: Vec<FlowLoop>,
    /// The forward pass.
    pub forward: Vec<FlowStep>,
    /// The backward pass, after the flow of the root is there.
    pub backward: Vec<FlowStep>,
    /// Row of the root's value.
    pub root: u32,
    /// Row of the root's flow.
    pub root_flow: u32,
    /// Whether the offsets of the (one) loop are added to the root's value at the end. Otherwise the loop's offsets
    /// are added back to its result.
    pub root_offset: bool,
}

/// Where the flows of a parameter are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Where the tensor starts in the counts, in chunks.
    pub offset: u32,
    /// Index of the parameter. Its shape says how the counts are laid out: a table `[width][values + 1]`, weights
    /// `[blocks][outputs][`[`pitch`]`(inputs)]`, mixing weights `[width][inputs]`, Gaussian units `[width][`[`GAUSSIAN_COUNTS`]`]`.
    pub parameter: u32,
}

/// Counts of a Gaussian unit of flow `F`, with `z` the distance of the observed number from the mean in standard deviations: the sums of
/// `F`, `F z` and `F z^2`. Where the variable is missing, `z` is 0 and `z^2` is 1.
pub const GAUSSIAN_COUNTS: usize = 3;

/// Numbers in a row of counts of `inputs` weights.
pub fn pitch(inputs: usize) -> usize {
    inputs.next_multiple_of(CHUNK)
}

/// An entry of a pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FlowStep {
    /// One launch.
    Launch(FlowLaunch),
    /// All iterations of a loop; the index is that of the loop.
    Loop(u32),
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowLaunch {
    /// Index of the kernel.
    pub kernel: u32,
    /// How many members it computes; for counts of tables how many readers there are.
    pub members: u32,
    /// How many groups of members share a parameter; 0 for kernels without counts.
    pub groups: u32,
    /// The records of the members, then those of the groups.
    pub words: Vec<Word>,
    /// The layer of the circuit it belongs to, for people: `%12`.
    pub label: String,
}

/// A rolled chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowLoop {
    /// Iterations.
    pub steps: u32,
    /// Units of the carry.
    pub width: u32,
    /// How many iterations pass between two rescalings; `u32::MAX` for none.
    pub rescale: u32,
    /// What one iteration does.
    pub forward: Vec<FlowLaunch>,
    /// What one iteration of the backward pass does.
    pub backward: Vec<FlowLaunch>,
    /// Rows of a frame.
    pub frame_rows: u32,
    /// First row, in a frame, of the body's root: the carry of the next iteration.
    pub root: u32,
    /// First fixed row of the carry into the first iteration.
    pub first: u32,
    /// First fixed row of the last carry, with its offsets if the root does not have them.
    pub result: u32,
    /// First fixed row of the flow of the result.
    pub result_flow: u32,
    /// First fixed row of the flow of the first carry: written by the backward pass.
    pub first_flow: u32,
}

/// A word of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// A number.
    Value(u32),
    /// A fixed row.
    Fixed(u32),
    /// A row of the iteration's frame.
    Frame(u32),
    /// A row of the carry into the iteration.
    Carry(u32),
    /// A row of the flow of the body's root.
    RootFlow(u32),
    /// A row of the flow of the carry into the iteration, which is the flow of the previous iteration's root.
    CarryFlow(u32),
    /// An observed variable: its index at iteration 0 and what is added at each iteration.
    Variable(u32, i32),
}

/// A kernel and its compile-time values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlowKernel {
    /// A kernel of the kernel plan, on values or on flows.
    Layer(Kernel),
    /// Flows of a block-diagonal sum: of its prologue's operands, and of its weights.
    /// Record: value's row, weights, counts, flow's row, row of the prologue's flow, then the prologue's operands as in the kernel
    /// plan. The sum has no epilogue.
    /// Group: first member, end of members.
    Stage(StageFlow),
    /// Flows of a mixture. Record: value's row, weights, counts, flow's row, then for each part its row and the row of its flow.
    /// Group: first member, end of members.
    Mixing {
        /// Units.
        width: u32,
        /// Number of parts.
        inputs: u32,
        /// Whether the flows of the weights are counted.
        counted: bool,
    },
    /// Flows of the parts of a Kronecker product: sums over the units of the others. Record: flow's row, then the row of each
    /// part's flow.
    Kronecker {
        /// Widths of the parts.
        widths: Vec<u32>,
    },
    /// Counts of tables. Record of a reader: flow's row, variable. Group: counts, distance between the rows of the
    /// counts, first reader, end of readers.
    Table {
        /// Units.
        width: u32,
    },
    /// Counts of Gaussian units, see [`GAUSSIAN_COUNTS`]. Record of a reader: flow's row, variable, units. Group: counts, first reader, end
    /// of readers.
    Gaussian {
        /// Units.
        width: u32,
    },
    /// Posteriors of real variables, from the flows of the Gaussian units that read them: their sum, the mean, and the sum of squared
    /// distances from the mean. Record and group as those of posterior probabilities, with the units in the place of probabilities.
    GaussianPosterior {
        /// Units.
        width: u32,
    },
    /// Posterior probabilities of variables, from the flows of the units that read them: unit `h` of flow `F` adds
    /// `F * exp(table[h, k] - lse(table[h]))` to value `k`. Record of a reader: flow's row, variable, probabilities. Group, for each
    /// variable: first reader, end of readers.
    Posterior {
        /// Units.
        width: u32,
        /// Values of the variables.
        values: u32,
        /// Values in a panel of the probabilities.
        tile: u32,
    },
    /// Values of the most likely completion.
    Max(MaxKernel),
    /// Chooses units from the root down.
    Choice(ChoiceKernel),
}

/// Compile-time values of the flows of a block-diagonal sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageFlow {
    /// Number of blocks.
    pub blocks: u32,
    /// Number of distinct weight blocks; block `g` uses `g % distinct`.
    pub distinct: u32,
    /// Outputs of a block.
    pub outputs: u32,
    /// Inputs of a block.
    pub inputs: u32,
    /// Permutation of the store.
    pub rows: u32,
    /// Operands added before the sum: arena parts.
    pub prologue_parts: u32,
    /// Operands added before the sum: table columns.
    pub prologue_inputs: u32,
    /// Inputs in a register tile: the tile of the transposed panels.
    pub tile: u32,
    /// Inputs per work item, a multiple of the tile and of [`CHUNK`] unless it is all of them.
    pub chunk: u32,
    /// Most vectors of samples per work item (a power of two).
    pub vectors: u32,
    /// Whether the flows of the weights are counted. If not, every member is a group.
    pub counted: bool,
}

impl FlowKernel {
    /// Words in the record of one member, and of one group.
    pub fn record_len(&self) -> (usize, usize) {
        match self {
            FlowKernel::Layer(kernel) => (kernel.record_len(), 0),
            FlowKernel::Stage(stage) => (5 + stage.prologue_parts as usize + 4 * stage.prologue_inputs as usize, 2),
            FlowKernel::Mixing { inputs, .. } => (4 + 2 * *inputs as usize, 2),
            FlowKernel::Kronecker { widths } => (1 + widths.len(), 0),
            FlowKernel::Table { .. } => (2, 4),
            FlowKernel::Gaussian { .. } => (3, 3),
            FlowKernel::Posterior { .. } | FlowKernel::GaussianPosterior { .. } => (3, 2),
            FlowKernel::Max(kernel) => (kernel.record_len(), 0),
            FlowKernel::Choice(kernel) => (kernel.record_len(), 0),
        }
    }
}

/// How many iterations of each loop have frames: the smallest lengths, and so the least memory, that make the fewest
/// iterations be computed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments(pub Vec<u32>);

/// Iterations that a segment is a multiple of, unless it is the whole loop: those between two rescalings.
pub const SEGMENT: u32 = 16;

impl FlowLoop {
    /// Rows of the arena that the loop needs with segments of so many iterations: frames, carries, root flows.
    pub fn arena_rows(&self, segment: u32) -> u64 {
        let width = u64::from(self.width);
        let segments = u64::from(self.steps.div_ceil(segment));
        let carries = segments - 1 + self.rescalings(segment);
        u64::from(segment) * u64::from(self.frame_rows) + carries * width + 2 * width
    }

    /// Carries within a segment that are rescaled.
    pub fn rescalings(&self, segment: u32) -> u64 {
        if self.rescale == u32::MAX { 0 } else { u64::from((segment - 1) / self.rescale) }
    }

    /// Legal lengths of segments, the longest first.
    fn segments(&self) -> impl Iterator<Item = u32> + '_ {
        let parts = 1..=self.steps.div_ceil(SEGMENT).max(1);
        let mut last = 0;
        parts
            .map(|count| self.steps.div_ceil(count))
            .map(|length| if length == self.steps { length } else { length.next_multiple_of(SEGMENT).min(self.steps) })
            .filter(move |&length| std::mem::replace(&mut last, length) != length)
    }
}

impl FlowPlan {
    /// Rows of the arena with these segments.
    pub fn arena_rows(&self, segments: &Segments) -> u64 {
        let loops = self.loops.iter().zip(&segments.0).map(|(body, &segment)| body.arena_rows(segment));
        u64::from(self.rows) + loops.sum::<u64>()
    }

    /// Segments that fit `rows` rows of the arena; the fewest rows that would do if there are none. The loop with the
    /// most rows is shortened first.
    pub fn segments(&self, rows: u64) -> Result<Segments, u64> {
        let mut lengths: Vec<_> = self.loops.iter().map(|body| body.segments().peekable()).collect();
        let mut segments = Segments(lengths.iter_mut().map(|all| all.next().expect("a loop has a length")).collect());
        let mut least = self.arena_rows(&segments);
        loop {
            let needed = self.arena_rows(&segments);
            least = least.min(needed);
            if needed <= rows {
                return Ok(segments);
            }
            let shorter = (0..self.loops.len())
                .filter(|&index| lengths[index].peek().is_some())
                .max_by_key(|&index| self.loops[index].arena_rows(segments.0[index]));
            let Some(index) = shorter else { return Err(least) };
            segments.0[index] = lengths[index].next().expect("it was seen");
        }
    }
}
