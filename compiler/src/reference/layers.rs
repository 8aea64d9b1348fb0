//! Every operation but the sums, as [`Op`] defines it.

use super::parameters::Tensor;
use super::sums;
use crate::circuit::{Circuit, LayerGraph, Member, Op, Operand, Scan, VarUse};

/// What the value of a layer depends on besides its operands.
pub(super) struct Context<'a> {
    pub(super) parameters: &'a [Tensor],
    pub(super) row: &'a [Option<usize>],
    /// The iteration of the scan whose body is evaluated; 0 outside.
    pub(super) iteration: usize,
    /// The value carried into this iteration; none outside of a scan.
    pub(super) carry: Option<&'a [f64]>,
}

/// Numbers of all units of a graph: `[layer][part]` is the vector of one member.
pub(super) type Units = Vec<Vec<Vec<f64>>>;

/// The vector of the circuit's root for one row of data.
pub(super) fn evaluate_row(circuit: &Circuit, parameters: &[Tensor], row: &[Option<usize>]) -> Vec<f64> {
    let values = evaluate_graph(&circuit.graph, &Context { parameters, row, iteration: 0, carry: None });
    root_of(&circuit.graph, values)
}

/// The vector of the root, out of those of all layers.
fn root_of(graph: &LayerGraph, mut values: Units) -> Vec<f64> {
    values.swap_remove(graph.root().0 as usize).swap_remove(0)
}

/// The vectors of all layers of a graph.
pub(super) fn evaluate_graph(graph: &LayerGraph, ctx: &Context<'_>) -> Units {
    let mut values = Units::with_capacity(graph.len());
    for (id, layer) in graph.layers() {
        let mut parts = Vec::with_capacity(layer.members.len());
        for member in &layer.members {
            let part = evaluate_member(&layer.op, member, &operand_values(member, &values, ctx), ctx);
            assert_eq!(part.len(), layer.width, "layer {id} has the width it states");
            parts.push(part);
        }
        values.push(parts);
    }
    values
}

/// The vectors that a member reads.
pub(super) fn operand_values(member: &Member, values: &Units, ctx: &Context<'_>) -> Vec<Vec<f64>> {
    let value = |operand: &Operand| match operand {
        Operand::Part(part) => values[part.layer.0 as usize][part.part as usize].clone(),
        Operand::Input(input) => ctx.parameters[input.table.0 as usize].column(observed(input, ctx)),
    };
    member.operands.iter().map(value).collect()
}

fn evaluate_member(op: &Op, member: &Member, operands: &[Vec<f64>], ctx: &Context<'_>) -> Vec<f64> {
    let weights: Vec<&Tensor> = member.parameters.iter().map(|id| &ctx.parameters[id.0 as usize]).collect();
    match op {
        Op::Input => operands[0].clone(),
        Op::Hadamard => hadamard(operands),
        Op::Kronecker => kronecker(operands),
        Op::Sum(kind) => sums::evaluate_sum(kind, operands, &weights),
        Op::Permute { outer, rows, columns } => permute(&operands[0], *outer, *rows, *columns),
        Op::Concat => operands.concat(),
        Op::Stage(stage) => sums::evaluate_stage(stage, operands, weights[0]),
        Op::Carry => ctx.carry.expect("a carry stands in the body of a scan only").to_vec(),
        Op::Scan(scan) => evaluate_scan(scan, &operands[0], ctx),
    }
}

/// What is observed of the variable that an input reads in this iteration.
pub(super) fn observed(input: &VarUse, ctx: &Context<'_>) -> Option<usize> {
    let variable = i64::from(input.index) + ctx.iteration as i64 * i64::from(input.stride);
    ctx.row[usize::try_from(variable).expect("a scan reads variables of the circuit only")]
}

/// `out[h] = x1[h] + .. + xn[h]`
pub(super) fn hadamard(operands: &[Vec<f64>]) -> Vec<f64> {
    let mut out = operands[0].clone();
    for operand in &operands[1..] {
        assert_eq!(operand.len(), out.len(), "operands of a Hadamard product have one width");
        for (sum, value) in out.iter_mut().zip(operand) {
            *sum += value;
        }
    }
    out
}

/// `out[(h1, .., hn)] = x1[h1] + .. + xn[hn]`, `h1` most significant.
fn kronecker(operands: &[Vec<f64>]) -> Vec<f64> {
    let mut out = vec![0.0];
    for operand in operands {
        out = out.iter().flat_map(|left| operand.iter().map(move |right| left + right)).collect();
    }
    out
}

/// `[outer, rows, columns]` becomes `[outer, columns, rows]`.
pub(super) fn permute(x: &[f64], outer: usize, rows: usize, columns: usize) -> Vec<f64> {
    assert_eq!(x.len(), outer * rows * columns, "a permutation keeps the width");
    let mut out = Vec::with_capacity(x.len());
    for o in 0..outer {
        for c in 0..columns {
            for r in 0..rows {
                out.push(x[(o * rows + r) * columns + c]);
            }
        }
    }
    out
}

/// The body applied `steps` times to the carry.
fn evaluate_scan(scan: &Scan, first: &[f64], ctx: &Context<'_>) -> Vec<f64> {
    assert!(ctx.carry.is_none(), "the body of a scan holds no scan");
    let mut carry = first.to_vec();
    for iteration in 0..scan.steps {
        let values = evaluate_graph(&scan.body, &iteration_context(ctx, iteration, &carry));
        carry = root_of(&scan.body, values);
    }
    carry
}

/// The carry into each iteration of a scan.
pub(super) fn carries(scan: &Scan, first: &[f64], ctx: &Context<'_>) -> Vec<Vec<f64>> {
    let mut carries = vec![first.to_vec()];
    for iteration in 0..scan.steps - 1 {
        let values = evaluate_graph(&scan.body, &iteration_context(ctx, iteration, &carries[iteration]));
        carries.push(root_of(&scan.body, values));
    }
    carries
}

/// What the body of a scan depends on in one iteration.
pub(super) fn iteration_context<'a>(ctx: &Context<'a>, iteration: usize, carry: &'a [f64]) -> Context<'a> {
    Context { parameters: ctx.parameters, row: ctx.row, iteration, carry: Some(carry) }
}
