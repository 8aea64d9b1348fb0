//! The kernel plan: buffers, launches and loops. The compiler writes it, a runtime walks it.
//!
//! # Design
//!
//! **Arena.** All activations live in one buffer of `rows` rows; a row holds one unit's log-value for each
//! sample of the batch (batch innermost, padded to whole vectors). A layer of width `w` owns `w` consecutive rows.
//!
//! **Evidence** is a buffer `[variables][padded batch]` of value indices; a missing value is the index
//! `values` of its variable's domain (one past the last). Of a real variable it is the bits of numbers, see
//! [`REAL_MISSING`](crate::signature::REAL_MISSING).
//!
//! **Packed parameters** are one buffer of `f32`; offsets into it count chunks of [`CHUNK`] floats.
//! * table: `[width][values + 1]`, logarithms; the last column is the log-sum of its row, for missing values
//! * panels: `[distinct][ceil(outputs / tile)][inputs][tile]`, linear, rows beyond `outputs` are zero
//! * mixing: `[width][inputs]`, linear
//! * gaussian: `[width][4]`, see [`Layout::Gaussian`]
//! * transposed: `[distinct][ceil(inputs / tile)][outputs][tile]`, linear, for flows
//!
//! **Tables.** A launch computes `members` members. The record of each, [`Kernel::record_len`] words long, stands
//! in [`Plan::tables`], one after the other from `Launch::table`:
//! `[out row, weights offset, part rows.., (variable, stride, table offset, pitch) per input..]`, for a stage the
//! prologue's parts and inputs, then the epilogue's parts and inputs. A part row is the first row of that
//! operand. An input's variable at iteration `i` of a loop is `variable + i * stride` (wrapping).
//!
//! **Loops.** Iteration `i` uses the tables `table[i % 2]`: the carry stands at row `carry[i % 2]` before it
//! and at `carry[(i + 1) % 2]` after it. Launches after a loop of `n` iterations use `table[n % 2]`; launches
//! before any loop `table[0]`. After every `rescale` iterations (and after none else) the maximum over the carry's
//! rows is subtracted from them, sample by sample, and added in float64 to the sample's offset, so that single
//! precision does not lose the small differences between states when the log-likelihood is large.

use crate::signature::{Parameter, VariableArray};
use serde::{Deserialize, Serialize};

/// Floats per unit of an offset into the packed parameters; also the alignment of every packed tensor.
pub const CHUNK: usize = 16;

/// Everything a runtime needs but the parameters' values and device code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The circuit's name.
    pub name: String,
    /// Hash of the variables, parameters and layers: equal for equal circuits. Hexadecimal.
    pub fingerprint: String,
    /// The columns of the data, array after array.
    pub variables: Vec<VariableArray>,
    /// The parameters.
    pub parameters: Vec<Parameter>,
    /// How parameters are laid out for the kernels.
    pub packs: Vec<Pack>,
    /// Length of the packed parameters in chunks.
    pub packed_chunks: u32,
    /// Rows of the arena.
    pub rows: u32,
    /// The distinct kernels.
    pub kernels: Vec<Kernel>,
    /// Records of members and what else launches read.
    pub tables: Vec<u32>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// Row of the root's value.
    pub root: u32,
    /// Whether the offsets of the (one) loop are added to the root's value at the end. Otherwise the loop's
    /// offsets are added back to the carry when the loop ends.
    pub root_offset: bool,
}

/// One tensor of the packed parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// Where it starts, in chunks.
    pub offset: u32,
    /// Index of its parameter.
    pub parameter: u32,
    /// How it is laid out.
    pub layout: Layout,
}

/// Layouts of packed tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Layout {
    /// `[width][values + 1]`
    Table,
    /// `[distinct][ceil(outputs / tile)][inputs][tile]`
    Panels {
        /// Outputs per panel.
        tile: u32,
    },
    /// `[width][inputs]`
    Mixing,
    /// `[distinct][ceil(inputs / tile)][outputs][tile]`: what the flows of a sum's operands are computed from.
    Transposed {
        /// Inputs per panel.
        tile: u32,
    },
    /// Of a weight, `[distinct][outputs][inputs]`: logarithms, for the most likely completion and for choices.
    Logarithms,
    /// As [`Layout::Table`], but the last column is the greatest of its row.
    Greatest,
    /// Of a table, `[ceil(values / tile)][width][tile]`, linear: the rows normalized, values beyond the last are zero.
    Probabilities {
        /// Values per panel.
        tile: u32,
    },
    /// Of Gaussian units, `[width][4]`: the mean, one over the standard deviation, the logarithm of the density at the mean, and the value
    /// where the variable is missing, 0.
    Gaussian,
    /// As [`Layout::Gaussian`], but the value where the variable is missing is that at the mean.
    GaussianGreatest,
}

/// Numbers of a unit in [`Layout::Gaussian`].
pub const GAUSSIAN_PITCH: u32 = 4;

/// An entry of the plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// One launch.
    Launch(Launch),
    /// A loop.
    Loop(Loop),
}

/// One launch of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Index of the kernel.
    pub kernel: u32,
    /// Where its records start in [`Plan::tables`], for even and odd iterations.
    pub table: [u32; 2],
    /// How many members it computes.
    pub members: u32,
    /// The layer of the circuit it computes, for people: `%12`.
    pub label: String,
}

/// A rolled chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Loop {
    /// Iterations.
    pub steps: u32,
    /// What one iteration does.
    pub body: Vec<Launch>,
    /// First row of the carry before even and odd iterations.
    pub carry: [u32; 2],
    /// Units of the carry.
    pub width: u32,
    /// How many iterations pass between two rescalings.
    pub rescale: u32,
}

/// A kernel and its compile-time values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kernel {
    /// `out[h] = sum of parts and inputs at h`: inputs and Hadamard products.
    Product {
        /// Units.
        width: u32,
        /// Number of operands in the arena.
        parts: u32,
        /// Number of table columns.
        inputs: u32,
    },
    /// The logarithms of the densities of Gaussian units. The record is that of a product of one input, whose pitch is
    /// [`GAUSSIAN_PITCH`].
    Gaussian {
        /// Units.
        width: u32,
    },
    /// All combinations of units of the parts, the first most significant.
    Kronecker {
        /// Widths of the parts.
        widths: Vec<u32>,
    },
    /// Block-diagonal sum.
    Stage(StageKernel),
    /// `out[h] = lse_k(log W[h, k] + part_k[h])`.
    Mixing {
        /// Units.
        width: u32,
        /// Number of parts.
        inputs: u32,
    },
    /// `[outer, rows, columns]` becomes `[outer, columns, rows]`. One part.
    Permute {
        /// Leading axis.
        outer: u32,
        /// Middle axis.
        rows: u32,
        /// Last axis.
        columns: u32,
    },
    /// Parts one after the other.
    Concat {
        /// Widths of the parts.
        widths: Vec<u32>,
    },
}

/// Compile-time values of a block-diagonal sum: see the circuit's `Stage` for the formula.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageKernel {
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
    /// Operands added after the sum: arena parts.
    pub epilogue_parts: u32,
    /// Operands added after the sum: table columns.
    pub epilogue_inputs: u32,
    /// How the work is cut.
    pub schedule: Schedule,
}

/// How the work of a stage is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Schedule {
    /// Register-tiled matrix product; one work item is (block, `chunk` outputs, a tile of samples).
    Panels {
        /// Outputs in a register tile: the panels' tile.
        tile: u32,
        /// Outputs per work item, a multiple of `tile`.
        chunk: u32,
        /// Most vectors of samples per work item (a power of two); small batches use fewer.
        vectors: u32,
    },
    /// Few outputs, many inputs: streams over the inputs without scratch memory. Panels of tile 1.
    Narrow,
}

impl Plan {
    /// FLOPs of the sums for one row of data: two for each weight and use.
    pub fn flops(&self) -> u64 {
        let launch = |launch: &Launch| {
            let kernel = self.kernels.get(launch.kernel as usize);
            kernel.map_or(0, Kernel::flops).saturating_mul(u64::from(launch.members))
        };
        let step = |step: &Step| match step {
            Step::Launch(one) => launch(one),
            Step::Loop(body) => body.body.iter().map(launch).sum::<u64>().saturating_mul(u64::from(body.steps)),
        };
        self.steps.iter().map(step).fold(0, u64::saturating_add)
    }
}

impl Kernel {
    /// FLOPs of the sums of one member: two for each weight and use.
    pub fn flops(&self) -> u64 {
        match self {
            Kernel::Stage(stage) => 2 * u64::from(stage.blocks) * u64::from(stage.outputs) * u64::from(stage.inputs),
            Kernel::Mixing { width, inputs } => 2 * u64::from(*width) * u64::from(*inputs),
            Kernel::Product { .. }
            | Kernel::Gaussian { .. }
            | Kernel::Kronecker { .. }
            | Kernel::Permute { .. }
            | Kernel::Concat { .. } => 0,
        }
    }

    /// Words in the record of one member.
    pub fn record_len(&self) -> usize {
        let (parts, inputs) = match self {
            Kernel::Product { parts, inputs, .. } => (*parts, *inputs),
            Kernel::Gaussian { .. } => (0, 1),
            Kernel::Kronecker { widths } | Kernel::Concat { widths } => (widths.len() as u32, 0),
            Kernel::Stage(stage) => {
                (stage.prologue_parts + stage.epilogue_parts, stage.prologue_inputs + stage.epilogue_inputs)
            }
            Kernel::Mixing { inputs, .. } => (*inputs, 0),
            Kernel::Permute { .. } => (1, 0),
        };
        2 + parts as usize + 4 * inputs as usize
    }
}
