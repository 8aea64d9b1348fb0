//! Vectors as tensors with named axes: reordering, and products of tensors that have some axes in common.

use crate::circuit::*;
use crate::passes::rebuild::Chain;

/// An axis of a vector seen as a tensor in row-major order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Which: equal axes of two tensors are the same index.
    pub(super) name: (Side, usize),
    /// Its extent.
    pub(super) size: usize,
}

/// Which factor an axis comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

fn size(axes: &[Axis]) -> usize {
    axes.iter().map(|axis| axis.size).product()
}

/// Appends permutations that bring the axes into the wanted order.
pub(super) fn transpose(graph: &mut LayerGraph, end: PartRef, axes: &[Axis], wanted: &[Axis]) -> PartRef {
    let mut now: Vec<Axis> = axes.to_vec();
    let mut chain = Chain { graph, ends: vec![end.into()], width: size(axes) };
    let mut done = 0;
    while done < wanted.len() {
        let at = now.iter().position(|axis| *axis == wanted[done]).expect("the wanted axes are the axes");
        let run = now[at..].iter().zip(&wanted[done..]).take_while(|(have, want)| have == want).count();
        let (before, moved, after) = (&now[done..at], &now[at..at + run], &now[at + run..]);
        chain.permute_inner(size(&now[..done]), size(before), size(moved), size(after));
        now = [&wanted[..done + run], before, after].concat();
        done += run;
    }
    part(&chain.ends)
}

/// The product of tensors, over the wanted axes: each entry is the sum (of logarithms) of the tensors' entries at
/// the same indices. Every wanted axis is one of at least one tensor.
pub(super) fn product(graph: &mut LayerGraph, tensors: &[(PartRef, Vec<Axis>)], wanted: &[Axis]) -> PartRef {
    let all: Vec<Axis> = tensors.iter().flat_map(|(_, axes)| axes.iter().copied()).collect();
    let parts: Vec<Operand> = tensors.iter().map(|(part, _)| (*part).into()).collect();
    if all.len() == wanted.len() {
        let end = graph.add_single(Op::Kronecker, size(wanted), parts, Vec::new());
        return transpose(graph, end, &all, wanted);
    }
    let spread = tensors.iter().map(|(part, axes)| spread(graph, *part, axes, wanted).into()).collect();
    graph.add_single(Op::Hadamard, size(wanted), spread, Vec::new())
}

/// The tensor repeated along the axes it lacks: a concatenation of the same vector, transposed.
fn spread(graph: &mut LayerGraph, end: PartRef, axes: &[Axis], wanted: &[Axis]) -> PartRef {
    let mut all: Vec<Axis> = wanted.iter().copied().filter(|axis| !axes.contains(axis)).collect();
    let copies = size(&all);
    let repeated = match copies {
        1 => end,
        _ => graph.add_single(Op::Concat, size(wanted), vec![end.into(); copies], Vec::new()),
    };
    all.extend_from_slice(axes);
    transpose(graph, repeated, &all, wanted)
}

fn part(ends: &[Operand]) -> PartRef {
    match ends {
        [Operand::Part(part)] => *part,
        _ => unreachable!("the chain has one member, a layer"),
    }
}
