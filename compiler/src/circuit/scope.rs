//! Scopes: the variables a layer is about.
//!
//! A scope is a sorted list of disjoint intervals of variable indices. The scopes of a chain are one interval
//! each, those of a binary tree over n variables n * log2(n) intervals at most in all, so that scopes of
//! circuits with many thousands of layers cost milliseconds. Layers with one operand share its scope.

use super::*;
use std::sync::Arc;

/// Stands for the value carried into an iteration, in the scopes of the body of a scan.
pub const CARRY: u32 = u32::MAX - 1;

/// A set of variables.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Arc<[(u32, u32)]>);

/// Why the operands of a layer do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A product's operands share a variable.
    Shared(u32),
    /// A sum's operand has, or lacks, a variable that another lacks, or has.
    Differs {
        /// Position of the operand that differs from the first.
        operand: usize,
        /// The variable.
        variable: u32,
    },
}

impl Scope {
    /// No variables.
    pub fn empty() -> Scope {
        Scope(Arc::new([]))
    }

    /// One variable.
    pub fn of(variable: u32) -> Scope {
        Scope(Arc::new([(variable, variable + 1)]))
    }

    /// The variables of a use in all of `steps` iterations. The caller knows that they exist.
    pub fn of_use(var: VarUse, steps: usize) -> Scope {
        let last = i64::from(var.index) + i64::from(var.stride) * (steps as i64 - 1);
        let (low, high) = (i64::from(var.index).min(last), i64::from(var.index).max(last));
        if var.stride.unsigned_abs() <= 1 {
            return Scope(Arc::new([(low as u32, high as u32 + 1)]));
        }
        let by = var.stride.unsigned_abs() as usize;
        Scope((low..=high).step_by(by).map(|v| (v as u32, v as u32 + 1)).collect())
    }

    /// The union, and a variable that is in more than one of the scopes, if there is one.
    pub fn union(scopes: &[Scope]) -> (Scope, Option<u32>) {
        if let [one] = scopes {
            return (one.clone(), None);
        }
        let mut all: Vec<(u32, u32)> = scopes.iter().flat_map(|s| s.0.iter().copied()).collect();
        all.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(all.len());
        let mut shared = None;
        for (start, end) in all {
            match merged.last_mut() {
                Some(last) if start <= last.1 => {
                    if start < last.1 && shared.is_none() {
                        shared = Some(start);
                    }
                    last.1 = last.1.max(end);
                }
                _ => merged.push((start, end)),
            }
        }
        (Scope(merged.into()), shared)
    }

    /// A variable that is in one of the two scopes only.
    pub fn difference(&self, other: &Scope) -> Option<u32> {
        if self == other {
            return None;
        }
        let lacks = |a: &Scope, b: &Scope| a.iter().find(|v| !b.contains(*v));
        lacks(self, other).or_else(|| lacks(other, self))
    }

    /// Whether the variable is in the scope.
    pub fn contains(&self, variable: u32) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= variable);
        after > 0 && variable < self.0[after - 1].1
    }

    /// The intervals: first variable, one past the last.
    pub fn intervals(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// The variables in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(start, end)| *start..*end)
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(start, end)| (end - start) as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The scopes of all members of all layers of a circuit's graph. References and ranges must be in order.
pub fn scopes(graph: &LayerGraph) -> Vec<Vec<Scope>> {
    scopes_with(graph, 1, |_, _, _| ())
}

/// The scopes of the body of a scan over all its iterations; [`CARRY`] stands for the carry.
pub fn body_scopes(scan: &Scan) -> Vec<Vec<Scope>> {
    scopes_with(&scan.body, scan.steps, |_, _, _| ())
}

/// As [`scopes`], in a graph that is evaluated `steps` times; `report` is called with the layer and part of
/// each misfit.
pub fn scopes_with(
    graph: &LayerGraph,
    steps: usize,
    mut report: impl FnMut(LayerId, usize, Misfit),
) -> Vec<Vec<Scope>> {
    let mut all: Vec<Vec<Scope>> = Vec::with_capacity(graph.len());
    for (id, layer) in graph.layers() {
        let mut scopes = Vec::with_capacity(layer.members.len());
        for (part, member) in layer.members.iter().enumerate() {
            let operands: Vec<Scope> = member
                .operands
                .iter()
                .map(|operand| match operand {
                    Operand::Part(p) => all[p.layer.0 as usize][p.part as usize].clone(),
                    Operand::Input(var) => Scope::of_use(*var, steps),
                })
                .collect();
            let (scope, misfit) = member_scope(&layer.op, operands);
            if let Some(misfit) = misfit {
                report(id, part, misfit);
            }
            scopes.push(scope);
        }
        all.push(scopes);
    }
    all
}

fn member_scope(op: &Op, mut operands: Vec<Scope>) -> (Scope, Option<Misfit>) {
    match op {
        Op::Input | Op::Permute { .. } => (operands.swap_remove(0), None),
        Op::Sum(_) | Op::Concat => equal(operands),
        Op::Hadamard | Op::Kronecker | Op::Stage(_) => disjoint(&operands),
        Op::Carry => (Scope::of(CARRY), None),
        Op::Scan(scan) => {
            operands.extend(scan_uses(scan).into_iter().map(|var| Scope::of_use(var, scan.steps)));
            disjoint(&operands)
        }
    }
}

fn equal(mut operands: Vec<Scope>) -> (Scope, Option<Misfit>) {
    let first = operands[0].clone();
    let differs = operands
        .iter()
        .enumerate()
        .find_map(|(operand, scope)| first.difference(scope).map(|variable| Misfit::Differs { operand, variable }));
    if differs.is_some() {
        return (Scope::union(&operands).0, differs);
    }
    (operands.swap_remove(0), None)
}

fn disjoint(operands: &[Scope]) -> (Scope, Option<Misfit>) {
    let (scope, shared) = Scope::union(operands);
    (scope, shared.map(Misfit::Shared))
}

/// The distinct uses of variables in the body of a scan, tables aside, in order.
pub fn scan_uses(scan: &Scan) -> Vec<VarUse> {
    let mut uses: Vec<VarUse> = Vec::new();
    for (_, layer) in scan.body.layers() {
        for operand in layer.members.iter().flat_map(|m| &m.operands) {
            if let Operand::Input(var) = operand {
                uses.push(VarUse { table: ParamId(0), ..*var });
            }
        }
    }
    uses.sort_unstable_by_key(|var| (var.index, var.stride));
    uses.dedup();
    uses
}
