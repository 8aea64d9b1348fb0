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
fn block_diagonal(x: &[f64], blocks: usize, weight: &Tensor) -> Vec<f64> {
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
    let mut widths: Vec<usize> = factors.iter().map(|factor| factor.inputs).collect();
    assert_eq!(widths.iter().product::<usize>(), x.len(), "the factors' inputs multiply to the operand's width");
    let mut value = x.to_vec();
    for (axis, factor) in factors.iter().enumerate() {
        let Some(kind) = &factor.kind else { continue };
        let tensors: Vec<&Tensor> = (0..weight_count(kind))
            .map(|_| weights.next().expect("a Kronecker sum has the weights of all factors"))
            .collect();
        let outer: usize = widths[..axis].iter().product();
        let inner: usize = widths[axis + 1..].iter().product();
        let mut out = vec![f64::NEG_INFINITY; outer * factor.outputs * inner];
        for before in 0..outer {
            for after in 0..inner {
                let fiber: Vec<f64> =
                    (0..factor.inputs).map(|i| value[(before * factor.inputs + i) * inner + after]).collect();
                let image = linear(kind, &fiber, &mut tensors.iter().copied());
                assert_eq!(image.len(), factor.outputs, "a factor has the outputs it states");
                for (o, unit) in image.into_iter().enumerate() {
                    out[(before * factor.outputs + o) * inner + after] = unit;
                }
            }
        }
        value = out;
        widths[axis] = factor.outputs;
    }
    value
}

/// The number of weight tensors of a sum.
fn weight_count(kind: &SumKind) -> usize {
    match kind {
        SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Mixing => 1,
        SumKind::Monarch { factors } => factors.len(),
        SumKind::Kronecker(factors) => factors.iter().filter_map(|f| f.kind.as_ref()).map(weight_count).sum(),
    }
}

/// `out[h] = lse_k(log W[h, k] + x_k[h])`
fn mixing(operands: &[Vec<f64>], weight: &Tensor) -> Vec<f64> {
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
    for g in 0..stage.blocks {
        for o in 0..stage.outputs {
            let p = ((g / stage.rows) * stage.outputs + o) * stage.rows + g % stage.rows;
            out[p] = t[g * stage.outputs + o];
        }
    }
    for operand in epilogue {
        out = hadamard(&[out, operand.clone()]);
    }
    out
}
