//! The float64 reference of training: the flows of a circuit, computed slowly and obviously.
//!
//! It is written like the clauses `training.flow.*` of `spec/training.md` and judges every other computation of
//! flows: on circuits after passes, by plans, by kernels.
//!
//! # Design
//!
//! * One row after the other: the evaluator gives the values of all units, then one walk from the last layer to the
//!   first sends the flow of the root back (reverse-mode differentiation; Dang et al., "Juice", AAAI 2021).
//! * Flows are linear numbers, values are logarithms. The share of an operand in a sum is `exp(log w + x - out)`,
//!   which is at most 1 but for rounding, so nothing overflows. Units without flow are left out: among them are all
//!   impossible ones, so that `-inf` is never subtracted from `-inf`.
//! * Intermediate values (between the factors of a sum, of the iterations of a scan) are computed again where they
//!   are needed; nothing is kept from the forward walk but the values of layers.
//! * Invariant: nothing here depends on the passes or on the plan.
//!
//! Reading order: [`flows`], `row_flows`, `graph_flows`, `operand_flows`, then `sums`.

mod sums;

use super::layers::{Context, Units, carries, evaluate_graph, iteration_context, observed, operand_values, permute};
use super::parameters::{Tensor, real, resolve, size};
use super::{ParameterValues, ReferenceError, Row, check_row, domains};
use crate::circuit::{Circuit, LayerGraph, Member, Op, Operand, ParameterShape, Scan, VarUse};

/// What a circuit expects of rows of data.
#[derive(Clone, Debug, PartialEq)]
pub struct Flows {
    /// The log-likelihood of each row; `-inf` for a row without flows.
    pub log_likelihoods: Vec<f64>,
    /// For each parameter of the circuit, in order, the flow of each of its numbers, row-major; of a Gaussian unit the sums of its flow `F`,
    /// of `F z` and of `F z^2`, where `z` is the distance from the mean in standard deviations.
    pub parameters: Vec<Vec<f64>>,
}

/// The flows of rows of data: for each number of each parameter the sum over the rows of `d log p(row) / d log w`. For
/// a table, which holds logarithms, this is the derivative with respect to the entry.
///
/// Parameters that are computed (indicators, exact products of tables) have flows like any other, with respect to
/// their numbers as they stand. These do not reach the parameters they are computed from.
///
/// # Panics
/// If the circuit breaks the contract of the verifier, or its root is not of width 1.
pub fn flows(circuit: &Circuit, values: &ParameterValues, rows: &[Row]) -> Result<Flows, ReferenceError> {
    let parameters = resolve(circuit, values)?;
    let domains = domains(circuit);
    let none = circuit.parameters.iter().map(|parameter| vec![0.0; flow_size(&parameter.shape)]).collect();
    let mut gathered = Gathered { parameters: &parameters, flows: none };
    let mut log_likelihoods = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        check_row(&domains, index, row)?;
        log_likelihoods.push(row_flows(circuit, row, &mut gathered));
    }
    Ok(Flows { log_likelihoods, parameters: gathered.flows })
}

/// The parameters and the flows that they have got so far.
struct Gathered<'a> {
    parameters: &'a [Tensor],
    flows: Vec<Vec<f64>>,
}

/// Adds the flows of one row, and gives its log-likelihood.
fn row_flows(circuit: &Circuit, row: &[Option<usize>], gathered: &mut Gathered<'_>) -> f64 {
    let ctx = Context { parameters: gathered.parameters, row, iteration: 0, carry: None };
    let values = evaluate_graph(&circuit.graph, &ctx);
    let root = &values[circuit.graph.root().0 as usize][0];
    assert_eq!(root.len(), 1, "the root of a circuit has width 1");
    if root[0] > f64::NEG_INFINITY {
        graph_flows(&circuit.graph, &values, vec![1.0], &ctx, gathered);
    }
    root[0]
}

/// Sends the flow of the root of a graph back through all of its layers. Gives the flow of the carry, which is empty
/// outside of a scan.
fn graph_flows(
    graph: &LayerGraph,
    values: &Units,
    root: Vec<f64>,
    ctx: &Context<'_>,
    gathered: &mut Gathered<'_>,
) -> Vec<f64> {
    let mut flows: Units = graph.layers().map(|(_, layer)| vec![vec![0.0; layer.width]; layer.members.len()]).collect();
    flows[graph.root().0 as usize][0] = root;
    let mut carry = Vec::new();
    for (id, layer) in graph.layers().rev() {
        for (part, member) in layer.members.iter().enumerate() {
            let flow = std::mem::take(&mut flows[id.0 as usize][part]);
            let operands = operand_values(member, values, ctx);
            let sent = operand_flows(&layer.op, member, &operands, &flow, ctx, gathered);
            for (operand, sent) in member.operands.iter().zip(sent) {
                match operand {
                    Operand::Part(to) => add(&mut flows[to.layer.0 as usize][to.part as usize], &sent),
                    Operand::Input(input) => input_flows(input, &sent, ctx, gathered),
                }
            }
            if layer.op == Op::Carry {
                carry = flow;
            }
        }
    }
    carry
}

/// The flow that a member sends to each of its operands. The flows of its weights are added to those gathered.
fn operand_flows(
    op: &Op,
    member: &Member,
    operands: &[Vec<f64>],
    flow: &[f64],
    ctx: &Context<'_>,
    gathered: &mut Gathered<'_>,
) -> Vec<Vec<f64>> {
    match op {
        Op::Input => vec![flow.to_vec()],
        Op::Hadamard => vec![flow.to_vec(); operands.len()],
        Op::Kronecker => kronecker_flows(operands, flow),
        Op::Sum(kind) => sums::sum_flows(kind, operands, flow, &member.parameters, gathered),
        Op::Permute { outer, rows, columns } => vec![permute(flow, *outer, *columns, *rows)],
        Op::Concat => concat_flows(operands, flow),
        Op::Stage(stage) => sums::stage_flows(stage, operands, flow, member.parameters[0], gathered),
        Op::Carry => Vec::new(),
        Op::Scan(scan) => vec![scan_flows(scan, &operands[0], flow, ctx, gathered)],
    }
}

/// The observed entry of a unit's row has the flow of the unit. If the variable is missing, the flow is spread over
/// the row in proportion to the probabilities.
fn input_flows(input: &VarUse, flow: &[f64], ctx: &Context<'_>, gathered: &mut Gathered<'_>) {
    let table = input.table.0 as usize;
    if let Tensor::Gaussian { units } = &gathered.parameters[table] {
        let found = observed(input, ctx).map(real);
        return gaussian_flows(units, found, flow, &mut gathered.flows[table]);
    }
    let Tensor::Table { values, log, missing } = &gathered.parameters[table] else {
        panic!("an input has a table, not weights")
    };
    for (h, &unit) in flow.iter().enumerate().filter(|(_, unit)| **unit > 0.0) {
        let row = &mut gathered.flows[table][h * values..][..*values];
        match observed(input, ctx) {
            Some(value) => row[value] += unit,
            None => {
                for (entry, log) in row.iter_mut().zip(&log[h * values..]) {
                    *entry += unit * (log - missing[h]).exp();
                }
            }
        }
    }
}

/// Adds `F`, `F z` and `F z^2`. If the variable is missing, what is expected: 0 for `z` and 1 for its square.
fn gaussian_flows(units: &[[f64; 2]], found: Option<f64>, flow: &[f64], sums: &mut [f64]) {
    for (h, (&[mean, variance], &unit)) in units.iter().zip(flow).enumerate() {
        let (z, square) = found.map_or((0.0, 1.0), |x| {
            let z = (x - mean) / variance.sqrt();
            (z, z * z)
        });
        [1.0, z, square].iter().zip(&mut sums[3 * h..]).for_each(|(power, sum)| *sum += unit * power);
    }
}

/// How many flows a parameter has.
pub(super) fn flow_size(shape: &ParameterShape) -> usize {
    match shape {
        ParameterShape::Gaussian { width, .. } => 3 * width,
        other => size(other),
    }
}

/// The flow of a unit of an operand is the sum of those of all combinations that it is in.
fn kronecker_flows(operands: &[Vec<f64>], flow: &[f64]) -> Vec<Vec<f64>> {
    let widths: Vec<usize> = operands.iter().map(Vec::len).collect();
    let mut sent: Vec<Vec<f64>> = widths.iter().map(|&width| vec![0.0; width]).collect();
    for (combination, unit) in flow.iter().enumerate() {
        let mut rest = combination;
        for (operand, width) in sent.iter_mut().zip(&widths).rev() {
            operand[rest % width] += unit;
            rest /= width;
        }
    }
    sent
}

/// The parts of the flow, one after the other.
fn concat_flows(operands: &[Vec<f64>], flow: &[f64]) -> Vec<Vec<f64>> {
    let mut rest = flow;
    let mut part = |operand: &Vec<f64>| {
        let (first, others) = rest.split_at(operand.len());
        rest = others;
        first.to_vec()
    };
    operands.iter().map(&mut part).collect()
}

/// The flow goes back through the iterations, from the last to the first; what is left is that of the first carry.
fn scan_flows(scan: &Scan, first: &[f64], flow: &[f64], ctx: &Context<'_>, gathered: &mut Gathered<'_>) -> Vec<f64> {
    let mut flow = flow.to_vec();
    for (iteration, carry) in carries(scan, first, ctx).iter().enumerate().rev() {
        let ctx = iteration_context(ctx, iteration, carry);
        let values = evaluate_graph(&scan.body, &ctx);
        flow = graph_flows(&scan.body, &values, flow, &ctx, gathered);
    }
    flow
}

fn add(to: &mut [f64], flow: &[f64]) {
    assert_eq!(to.len(), flow.len(), "an operand is sent a flow for each of its units");
    to.iter_mut().zip(flow).for_each(|(sum, unit)| *sum += unit);
}

#[cfg(test)]
mod tests;
