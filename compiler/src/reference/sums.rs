//! The kinds of sum, each as [`SumKind`] and [`Stage`] define it.

use super::layers::{hadamard, permute};
use super::log_sum_exp;
use super::parameters::Tensor;
use crate::circuit::{KroneckerFactor, Stage, SumKind};

/// The value of a sum.
pub(super) fn evaluate_sum(kind: &SumKind, operands: &[Vec<f64>], weights: &[&Tensor]) -> Vec<f64> {
    match kind {
        SumKind::Mixing => mixing(operands, weights[0]),
        SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Monarch { .. } | SumKind::Kronecker(_) => {
            linear(kind, &operands[0], &mut weights.iter().copied())
        }
    }
}

/// A sum of one operand. Takes the weights it needs from the front of `weights`.
fn linear(kind: &SumKind, x: &[f64], weights: &mut dyn Iterator<Item = &Tensor>) -> Vec<f64> {
    let mut next = || weights.next().expect("a sum has all of its weights");
    match kind {
        SumKind::Dense => block_diagonal(x, 1, next()),
        SumKind::BlockDiagonal { blocks } => block_diagonal(x, *blocks, next()),
        SumKind::Monarch { factors } => {
            let tensors: Vec<&Tensor> = factors.iter().map(|_| next()).collect();
            monarch(x, factors, &tensors)
        }
        SumKind::Kronecker(factors) => kronecker(x, factors, weights),
        SumKind::Mixing => panic!("a mixture is no factor of a Kronecker product"),
    }
}

/// `out[g, o] = lse_i(log W[g % distinct, o, i] + x[g, i])`
pub(super) fn block_diagonal(x: &[f64], blocks: usize, weight: &Tensor) -> Vec<f64> {
    let Tensor::Weights { distinct, outputs, inputs, log } = weight else { panic!("a sum has weights, not a table") };
    assert_eq!(x.len(), blocks * inputs, "the blocks cover the operand");
    let mut out = Vec::with_capacity(blocks * outputs);
    for g in 0..blocks {
        let x = &x[g * inputs..][..*inputs];
        for o in 0..*outputs {
            let row = &log[((g % distinct) * outputs + o) * inputs..][..*inputs];
            out.push(log_sum_exp(row.iter().zip(x).map(|(w, x)| w + x)));
        }
    }
    out
}

/// For `k = d` down to 1: view as `[H/b_k, b_k]`, multiply each row by its block, transpose the axes, flatten.
fn monarch(x: &[f64], factors: &[usize], weights: &[&Tensor]) -> Vec<f64> {
    let width = x.len();
    assert_eq!(factors.iter().product::<usize>(), width, "the factors multiply to the width");
    let mut value = x.to_vec();
    for (&b, weight) in factors.iter().zip(weights).rev() {
        value = permute(&block_diagonal(&value, width / b, weight), 1, width / b, b);
    }
    value
}

/// The Kronecker product of the factors' matrices: each factor acts on its own axis of the operand.
fn kronecker(x: &[f64], factors: &[KroneckerFactor], weights: &mut dyn Iterator<Item = &Tensor>) -> Vec<f64> {
    let mut value = x.to_vec();
    for (axis, factor) in factors.iter().enumerate() {
        let Some(kind) = &factor.kind else { continue };
        let tensors: Vec<&Tensor> = (0..weight_count(kind))
            .map(|_| weights.next().expect("a Kronecker sum has the weights of all factors"))
            .collect();
        value = apply_factor(kind, &Axis::of(factors, axis), factor, &value, &tensors);
    }
    value
}

/// One factor of a Kronecker product, applied to its axis.
pub(super) fn apply_factor(
    kind: &SumKind,
    axis: &Axis,
    factor: &KroneckerFactor,
    x: &[f64],
    tensors: &[&Tensor],
) -> Vec<f64> {
    let images =
        axis.fibers(x, factor.inputs).into_iter().map(|fiber| linear(kind, &fiber, &mut tensors.iter().copied()));
    axis.assemble(&images.collect::<Vec<_>>(), factor.outputs)
}

/// The axis of a vector viewed as `[outer, length, inner]` that a factor of a Kronecker product acts on.
pub(super) struct Axis {
    outer: usize,
    inner: usize,
}

impl Axis {
    /// The axis of factor `axis`, when all factors before it have been applied.
    pub(super) fn of(factors: &[KroneckerFactor], axis: usize) -> Axis {
        let outer = factors[..axis].iter().map(|factor| factor.outputs).product();
        let inner = factors[axis + 1..].iter().map(|factor| factor.inputs).product();
        Axis { outer, inner }
    }

    /// The vectors along the axis, which has this length.
    pub(super) fn fibers(&self, x: &[f64], length: usize) -> Vec<Vec<f64>> {
        let &Axis { outer, inner } = self;
        assert_eq!(x.len(), outer * length * inner, "the factors' sizes multiply to the operand's width");
        let fiber = |n: usize| (0..length).map(|i| x[(n / inner * length + i) * inner + n % inner]).collect();
        (0..outer * inner).map(fiber).collect()
    }

    /// The inverse of [`Axis::fibers`].
    pub(super) fn assemble(&self, fibers: &[Vec<f64>], length: usize) -> Vec<f64> {
        let &Axis { outer, inner } = self;
        let mut x = vec![0.0; outer * length * inner];
        for (n, fiber) in fibers.iter().enumerate() {
            assert_eq!(fiber.len(), length, "a factor has the size it states");
            for (i, unit) in fiber.iter().enumerate() {
                x[(n / inner * length + i) * inner + n % inner] = *unit;
            }
        }
        x
    }
}

/// The number of weight tensors of a sum.
pub(super) fn weight_count(kind: &SumKind) -> usize {
    match kind {
        SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Mixing => 1,
        SumKind::Monarch { factors } => factors.len(),
        SumKind::Kronecker(factors) => factors.iter().filter_map(|f| f.kind.as_ref()).map(weight_count).sum(),
    }
}

/// `out[h] = lse_k(log W[h, k] + x_k[h])`
pub(super) fn mixing(operands: &[Vec<f64>], weight: &Tensor) -> Vec<f64> {
    let Tensor::Weights { outputs, inputs, log, .. } = weight else { panic!("a mixture has weights, not a table") };
    assert_eq!(operands.len(), *inputs, "a mixture has one weight per operand and unit");
    (0..*outputs)
        .map(|h| log_sum_exp(operands.iter().enumerate().map(move |(k, x)| log[h * inputs + k] + x[h])))
        .collect()
}

/// A fused block-diagonal sum: prologue, sum, permuted store, epilogue.
pub(super) fn evaluate_stage(stage: &Stage, operands: &[Vec<f64>], weight: &Tensor) -> Vec<f64> {
    let (prologue, epilogue) = operands.split_at(stage.prologue);
    let t = block_diagonal(&hadamard(prologue), stage.blocks, weight);
    let mut out = vec![f64::NEG_INFINITY; t.len()];
    for (unit, value) in t.into_iter().enumerate() {
        out[stored_at(stage, unit)] = value;
    }
    for operand in epilogue {
        out = hadamard(&[out, operand.clone()]);
    }
    out
}

/// Where a stage stores the unit `g * outputs + o` of its sum.
pub(super) fn stored_at(stage: &Stage, unit: usize) -> usize {
    let (g, o) = (unit / stage.outputs, unit % stage.outputs);
    ((g / stage.rows) * stage.outputs + o) * stage.rows + g % stage.rows
}
