//! What a circuit looks like from outside: its variables and its parameters.

use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

/// `x[256]: categorical(27)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VariableArray {
    /// Its name.
    pub name: String,
    /// Its extents; empty for a single variable.
    pub shape: Vec<usize>,
    /// The values of each variable.
    pub domain: Domain,
}

/// Evidence of a real variable that is missing: the bits of a NaN.
pub const REAL_MISSING: u32 = 0x7fc0_0000;

/// Variances that Gaussian units may have, and floors under them: beyond these bounds densities are no numbers in single precision.
pub const VARIANCES: RangeInclusive<f64> = 1e-30..=1e30;

/// Means that Gaussian units may have.
pub const MEANS: RangeInclusive<f64> = -1e30..=1e30;

/// The values a variable may take. Evidence is the index of a value, counted from 0; of a real variable it is the bits of a finite number
/// in single precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// `0..K`
    Categorical(usize),
    /// `0` and `1`
    Binary,
    /// `lo..hi`, without `hi`
    Integer(i64, i64),
    /// All finite numbers.
    Real,
}

impl Domain {
    /// The number of values: the evidence that stands for a missing value. For a real variable this is [`REAL_MISSING`], which is no number
    /// of values.
    pub fn size(self) -> usize {
        match self {
            Domain::Categorical(size) => size,
            Domain::Binary => 2,
            Domain::Integer(lo, hi) => (hi - lo) as usize,
            Domain::Real => REAL_MISSING as usize,
        }
    }
}

/// A tensor of parameters: `name` is the tensor's name in a parameter file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The tie name.
    pub name: String,
    /// What it holds.
    pub shape: ParameterShape,
    /// Where its first values come from.
    pub init: Init,
}

/// The shape and meaning of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParameterShape {
    /// Log-probabilities `[width, values]`.
    Table {
        /// Units.
        width: usize,
        /// Values of the variable.
        values: usize,
    },
    /// Linear weights. As a tensor `[outputs, inputs]` when `dense`, else `[blocks, outputs, inputs]`. Rows sum to 1.
    Weight {
        /// Number of distinct blocks.
        blocks: usize,
        /// Outputs of each block.
        outputs: usize,
        /// Inputs of each block.
        inputs: usize,
        /// Whether the tensor in a file has two axes; then `blocks` is 1.
        dense: bool,
    },
    /// Linear weights `[width, inputs]` that mix `inputs` vectors unit by unit. Rows sum to 1.
    Mixing {
        /// Units.
        width: usize,
        /// Number of vectors.
        inputs: usize,
    },
    /// Gaussian densities `[width, 2]`: the mean and the variance of each unit.
    Gaussian {
        /// Units.
        width: usize,
        /// What no variance is below when it is learnt.
        floor: Floor,
    },
}

impl ParameterShape {
    /// Numbers of a row: the table or the mean and variance of a unit, the weights of an output.
    pub fn columns(&self) -> usize {
        match self {
            ParameterShape::Table { values, .. } => *values,
            ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => *inputs,
            ParameterShape::Gaussian { .. } => 2,
        }
    }
}

/// A positive number that variances do not go below. Equal if the bits are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Floor(pub f64);

impl PartialEq for Floor {
    fn eq(&self, other: &Floor) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Floor {}

impl Hash for Floor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// How a parameter starts when no parameter file gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    /// Random rows, uniform on the simplex, from the seed and the parameter's name; of Gaussian units a standard normal mean and the
    /// variance 1.
    Random,
    /// Numbers from the source, row-major, linear (also for tables: probabilities).
    Given(Vec<f64>),
    /// Log table `0` at `value`, `-inf` elsewhere, for every unit. Never trained, not in parameter files.
    Indicator {
        /// The value the indicator is about.
        value: usize,
    },
    /// Block `g` is a copy of block `g % blocks` of the weights of a factor circuit (the tensor named here: a
    /// parameter of this list, or found in a parameter file, or else random by its name).
    CopyOf {
        /// The factor's tensor name.
        source: String,
        /// Its distinct blocks; 1 for a dense tensor.
        blocks: usize,
        /// Its outputs.
        outputs: usize,
        /// Its inputs.
        inputs: usize,
    },
    /// Table of a product: the factors' log tables added, all combinations of units, first factor most
    /// significant, then normalised per unit if `normalize`.
    TableProduct {
        /// The factors' tensor names and widths.
        sources: Vec<(String, usize)>,
        /// Whether each row is normalised: yes for a trained start of its own, no for an exact product.
        normalize: bool,
    },
    /// Dense weights of a product: the Kronecker product of the factors' dense weights.
    WeightProduct {
        /// The factors' tensor names and shapes (outputs, inputs).
        sources: Vec<(String, usize, usize)>,
    },
    /// Log table `0` at value `u` for unit `u`, `-inf` elsewhere: a unit for each value. Never trained, not in parameter
    /// files.
    Identity,
    /// A table whose rows are random members of a family, from the seed and the parameter's name; it stays in the family when it
    /// is trained.
    Member(Family),
}

/// Families of distributions over the values of a variable; formulas stand at `danaus_runtime::families`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Family {
    /// Binomial.
    Binomial,
    /// Logistic, made discrete.
    Logistic,
}

impl VariableArray {
    /// Number of variables: 1 for a single variable.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Parameter {
    /// Whether the parameter is a tensor of a parameter file. Indicators and exact tables of products are not:
    /// they are computed when parameters are loaded.
    pub fn is_stored(&self) -> bool {
        match &self.init {
            Init::Random | Init::Given(_) | Init::Member(_) | Init::CopyOf { .. } | Init::WeightProduct { .. } => true,
            Init::TableProduct { normalize, .. } => *normalize,
            Init::Indicator { .. } | Init::Identity => false,
        }
    }
}
