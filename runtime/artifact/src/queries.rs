//! Plans of queries: posterior probabilities, samples, and most likely completions.
//!
//! # Design
//!
//! A query walks the circuit as training does, up with all values kept and down again, segment by segment through long
//! chains. So its plan is a [`FlowPlan`] with other kernels on the way down.
//!
//! **Marginals.** The way down computes the flows of units without counting those of weights. A unit's flow is the probability
//! that it is used, and so the flows of the units that read a variable, each spread over its row of the table, are the
//! posterior of the variable.
//!
//! **Choices.** A sample of a circuit is a tree of units: a sum passes on to one of its operands, a product to all of them.
//! Since the operands of a product share no variables, at most one unit of a vector is in the tree. So a choice is one number for
//! each vector and sample: 0 for none, or 1 more than the unit. Choices are a buffer of their own, `[row][draws]`; several draws
//! may share the values of one row of evidence.
//!
//! **Most likely completions** have maxima on the way up in the place of sums, and choose the greatest on the way down.

use crate::flow_plan::FlowPlan;
use serde::{Deserialize, Serialize};

/// The queries that a circuit was compiled for, besides likelihoods.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Queries {
    /// Posterior probabilities of all variables.
    pub marginal: Option<FlowPlan>,
    /// Samples.
    pub sample: Option<FlowPlan>,
    /// Most likely completions.
    pub mpe: Option<FlowPlan>,
    /// Whether every sum is known to have at most one possible operand for any complete row; most likely completions are then
    /// exact.
    pub deterministic: bool,
}

impl Queries {
    /// The names of those that are there.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [("marginal", &self.marginal), ("sample", &self.sample), ("mpe", &self.mpe)];
        all.into_iter().filter(|(_, plan)| plan.is_some()).map(|(name, _)| name).collect()
    }
}

/// Kernels of values in which a sum is a maximum.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MaxKernel {
    /// `t[g, o] = max_i(log W[g % distinct, o, i] + s[g, i])`; for the rest see [`StageKernel`](crate::plan::StageKernel). Record: as
    /// that of a stage without epilogue; the weights are logarithms.
    Stage(ChoiceStage),
    /// `out[h] = max_k(log W[h, k] + part_k[h])`. Record: as that of a mixture.
    Mixing {
        /// Units.
        width: u32,
        /// Number of parts.
        inputs: u32,
    },
}

/// The sizes of a block-diagonal sum without epilogue.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChoiceStage {
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
}

/// Kernels that pass choices on from a vector to its operands. `salt` is what makes the random numbers of a launch its own: a number
/// and the iteration. Where `draws` holds an operand is drawn in proportion to what it contributes, else the one that contributes
/// most is taken, the first of equals.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChoiceKernel {
    /// The one choice among several. Record: choice, then the choices.
    Merge {
        /// How many.
        inputs: u32,
    },
    /// An input of a block-diagonal sum. Record: choice, choice of the operand, salt (2), weights, then the operands as in the kernel
    /// plan.
    Stage {
        /// Its sizes.
        stage: ChoiceStage,
        /// Draws, or takes the greatest.
        draws: bool,
    },
    /// A part of a mixture. Record: choice, salt (2), weights, then for each part its row and its choice.
    Mixing {
        /// Units.
        width: u32,
        /// Number of parts.
        inputs: u32,
        /// Draws, or takes the greatest.
        draws: bool,
    },
    /// The unit of each part of a Kronecker product. Record: choice, then those of the parts.
    Kronecker {
        /// Widths of the parts.
        widths: Vec<u32>,
    },
    /// The unit before a permutation. Record: choice, choice of the part.
    Permute {
        /// Leading axis.
        outer: u32,
        /// Middle axis, of the part.
        rows: u32,
        /// Last axis, of the part.
        columns: u32,
    },
    /// The one part of a concatenation. Record: choice, then those of the parts.
    Concat {
        /// Widths of the parts.
        widths: Vec<u32>,
    },
    /// The value of a variable: the observed one, or a value of the chosen unit's row. Record: choice, salt (2), variable, table.
    Input {
        /// Units.
        width: u32,
        /// Values of the variable.
        values: u32,
        /// Draws, or takes the greatest.
        draws: bool,
    },
    /// The number of a real variable: the observed one, or one of the chosen Gaussian unit. Record as that of an input.
    Gaussian {
        /// Units.
        width: u32,
        /// Draws, or takes the mean.
        draws: bool,
    },
}

impl MaxKernel {
    /// Words in the record of one member.
    pub fn record_len(&self) -> usize {
        match self {
            MaxKernel::Stage(stage) => 2 + stage.prologue_len(),
            MaxKernel::Mixing { inputs, .. } => 2 + *inputs as usize,
        }
    }
}

impl ChoiceStage {
    /// Words of the operands before the sum.
    pub fn prologue_len(&self) -> usize {
        self.prologue_parts as usize + 4 * self.prologue_inputs as usize
    }
}

impl ChoiceKernel {
    /// Words in the record of one member.
    pub fn record_len(&self) -> usize {
        match self {
            ChoiceKernel::Merge { inputs } => 1 + *inputs as usize,
            ChoiceKernel::Stage { stage, .. } => 5 + stage.prologue_len(),
            ChoiceKernel::Mixing { inputs, .. } => 4 + 2 * *inputs as usize,
            ChoiceKernel::Kronecker { widths } | ChoiceKernel::Concat { widths } => 1 + widths.len(),
            ChoiceKernel::Permute { .. } => 2,
            ChoiceKernel::Input { .. } | ChoiceKernel::Gaussian { .. } => 5,
        }
    }
}
