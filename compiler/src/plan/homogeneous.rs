//! How often a value counts in a layer: where a loop may be rescaled.
//!
//! Adding a constant to all units of a source adds `degree` times the constant to all units of a layer that is
//! *homogeneous* of that degree in it. Sums keep the degree, products add the degrees of their operands, and
//! layers that put several vectors together (mixtures, concatenations) are homogeneous only if all have the same.

use crate::circuit::{Layer, LayerGraph, LayerId, Member, Op, Operand, SumKind};

/// The degree of the root in `source`; none if it is not homogeneous.
pub fn degree(graph: &LayerGraph, source: LayerId) -> Option<u32> {
    let mut degrees: Vec<Vec<Option<u32>>> = Vec::with_capacity(graph.len());
    for (id, layer) in graph.layers() {
        let of = |operand: &Operand| match operand {
            Operand::Part(part) => degrees[part.layer.0 as usize][part.part as usize],
            Operand::Input(_) => Some(0),
        };
        let found = layer.members.iter().map(|m| if id == source { Some(1) } else { of_member(layer, m, &of) });
        let found = found.collect();
        degrees.push(found);
    }
    degrees[graph.root().0 as usize][0]
}

fn of_member(layer: &Layer, member: &Member, of: &dyn Fn(&Operand) -> Option<u32>) -> Option<u32> {
    let mut all = member.operands.iter().map(of);
    match &layer.op {
        Op::Input | Op::Carry => Some(0),
        Op::Hadamard | Op::Kronecker | Op::Stage(_) | Op::Permute { .. } => {
            all.try_fold(0u32, |sum, degree| sum.checked_add(degree?))
        }
        Op::Sum(SumKind::Mixing) | Op::Concat => {
            let first = all.next()??;
            all.all(|degree| degree == Some(first)).then_some(first)
        }
        Op::Sum(SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Monarch { .. } | SumKind::Kronecker(_)) => {
            all.next()?
        }
        Op::Scan(scan) => {
            let inner = carry(&scan.body).map_or(Some(0), |id| degree(&scan.body, id))?;
            let steps = u32::try_from(scan.steps).ok()?;
            inner.checked_pow(steps)?.checked_mul(all.next()??)
        }
    }
}

/// The carry of a scan's body.
pub fn carry(body: &LayerGraph) -> Option<LayerId> {
    body.layers().find(|(_, layer)| matches!(layer.op, Op::Carry)).map(|(id, _)| id)
}
