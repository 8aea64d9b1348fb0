//! The flows of the kinds of sum. Each function gives the flow of its operand and adds the flows of its weights.
//!
//! A sum of several stages is walked twice: forward, to have the value before each stage, and back.

use super::Gathered;
use crate::circuit::{KroneckerFactor, ParamId, Stage, SumKind};
use crate::reference::layers::{hadamard, permute};
use crate::reference::parameters::Tensor;
use crate::reference::sums::{self, Axis, stored_at, weight_count};

/// The flow of each operand of a sum.
pub(super) fn sum_flows(
    kind: &SumKind,
    operands: &[Vec<f64>],
    flow: &[f64],
    weights: &[ParamId],
    gathered: &mut Gathered<'_>,
) -> Vec<Vec<f64>> {
    match kind {
        SumKind::Mixing => mixing(operands, flow, weights[0], gathered),
        SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Monarch { .. } | SumKind::Kronecker(_) => {
            vec![linear(kind, &operands[0], flow, weights, gathered)]
        }
    }
}

/// A sum of one operand, with the weights of exactly this sum.
fn linear(kind: &SumKind, x: &[f64], flow: &[f64], weights: &[ParamId], gathered: &mut Gathered<'_>) -> Vec<f64> {
    match kind {
        SumKind::Dense => block_diagonal(x, 1, flow, weights[0], gathered),
        SumKind::BlockDiagonal { blocks } => block_diagonal(x, *blocks, flow, weights[0], gathered),
        SumKind::Monarch { factors } => monarch(x, factors, flow, weights, gathered),
        SumKind::Kronecker(factors) => kronecker(x, factors, flow, weights, gathered),
        SumKind::Mixing => panic!("a mixture is no factor of a Kronecker product"),
    }
}

/// The weight `W[g % distinct, o, i]` has the flow `flow[g, o] * exp(log W[g % distinct, o, i] + x[g, i] - out[g, o])`,
/// and so has the unit `x[g, i]`, summed over `o`.
fn block_diagonal(x: &[f64], blocks: usize, flow: &[f64], weight: ParamId, gathered: &mut Gathered<'_>) -> Vec<f64> {
    let tensor = &gathered.parameters[weight.0 as usize];
    let Tensor::Weights { distinct, outputs, inputs, log } = tensor else { panic!("a sum has weights, not a table") };
    let out = sums::block_diagonal(x, blocks, tensor);
    let weight_flows = &mut gathered.flows[weight.0 as usize];
    let mut sent = vec![0.0; x.len()];
    for unit in (0..out.len()).filter(|&unit| flow[unit] > 0.0) {
        let (g, o) = (unit / outputs, unit % outputs);
        for i in 0..*inputs {
            let (w, input) = (((g % distinct) * outputs + o) * inputs + i, g * inputs + i);
            let share = flow[unit] * (log[w] + x[input] - out[unit]).exp();
            weight_flows[w] += share;
            sent[input] += share;
        }
    }
    sent
}

/// The stages run for `k = d` down to 1, so the flow goes back for `k = 1` up to `d`; transposing is undone first.
fn monarch(x: &[f64], factors: &[usize], flow: &[f64], weights: &[ParamId], gathered: &mut Gathered<'_>) -> Vec<f64> {
    let width = x.len();
    let stages: Vec<(usize, ParamId)> = factors.iter().copied().zip(weights.iter().copied()).rev().collect();
    let mut before = Vec::with_capacity(stages.len());
    let mut value = x.to_vec();
    for &(b, weight) in &stages {
        let out = sums::block_diagonal(&value, width / b, &gathered.parameters[weight.0 as usize]);
        before.push(std::mem::replace(&mut value, permute(&out, 1, width / b, b)));
    }
    let mut flow = flow.to_vec();
    for (&(b, weight), value) in stages.iter().zip(&before).rev() {
        flow = block_diagonal(value, width / b, &permute(&flow, 1, b, width / b), weight, gathered);
    }
    flow
}

/// The factors act on their axes from the first to the last, so the flow goes back from the last to the first.
fn kronecker(
    x: &[f64],
    factors: &[KroneckerFactor],
    flow: &[f64],
    weights: &[ParamId],
    gathered: &mut Gathered<'_>,
) -> Vec<f64> {
    let mut before = Vec::with_capacity(factors.len());
    let (mut value, mut rest) = (x.to_vec(), weights);
    for (index, factor) in factors.iter().enumerate() {
        let Some(kind) = &factor.kind else { continue };
        let axis = Axis::of(factors, index);
        let (own, others) = rest.split_at(weight_count(kind));
        let tensors: Vec<&Tensor> = own.iter().map(|id| &gathered.parameters[id.0 as usize]).collect();
        let next = sums::apply_factor(kind, &axis, factor, &value, &tensors);
        before.push((kind, factor, axis, own, std::mem::replace(&mut value, next)));
        rest = others;
    }
    let mut flow = flow.to_vec();
    for (kind, factor, axis, own, value) in before.iter().rev() {
        let (values, flows) = (axis.fibers(value, factor.inputs), axis.fibers(&flow, factor.outputs));
        let sent = values.iter().zip(&flows).map(|(value, flow)| linear(kind, value, flow, own, gathered));
        flow = axis.assemble(&sent.collect::<Vec<_>>(), factor.inputs);
    }
    flow
}

/// The weight `W[h, k]` has the flow `flow[h] * exp(log W[h, k] + x_k[h] - out[h])`, and so has the unit `x_k[h]`.
fn mixing(operands: &[Vec<f64>], flow: &[f64], weight: ParamId, gathered: &mut Gathered<'_>) -> Vec<Vec<f64>> {
    let tensor = &gathered.parameters[weight.0 as usize];
    let Tensor::Weights { inputs, log, .. } = tensor else { panic!("a mixture has weights, not a table") };
    let out = sums::mixing(operands, tensor);
    let weight_flows = &mut gathered.flows[weight.0 as usize];
    let mut sent = vec![vec![0.0; flow.len()]; operands.len()];
    for h in (0..out.len()).filter(|&h| flow[h] > 0.0) {
        for (k, x) in operands.iter().enumerate() {
            let share = flow[h] * (log[h * inputs + k] + x[h] - out[h]).exp();
            weight_flows[h * inputs + k] += share;
            sent[k][h] = share;
        }
    }
    sent
}

/// What is added after the sum has the flow of the result; the sum has it where it is stored; what is added before
/// the sum has the flow of the sum's operand.
pub(super) fn stage_flows(
    stage: &Stage,
    operands: &[Vec<f64>],
    flow: &[f64],
    weight: ParamId,
    gathered: &mut Gathered<'_>,
) -> Vec<Vec<f64>> {
    let (prologue, epilogue) = operands.split_at(stage.prologue);
    let sum: Vec<f64> = (0..flow.len()).map(|unit| flow[stored_at(stage, unit)]).collect();
    let before = block_diagonal(&hadamard(prologue), stage.blocks, &sum, weight, gathered);
    let mut sent = vec![before; prologue.len()];
    sent.extend(vec![flow.to_vec(); epilogue.len()]);
    sent
}
