//! How the operands of two products over the same variables belong together.

use crate::circuit::scope::Scope;

/// Operands of both products that are about the same variables, by position, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// Operands of the first product.
    pub(super) a: Vec<usize>,
    /// Operands of the second.
    pub(super) b: Vec<usize>,
}

/// The finest grouping in which the operands of each group of `a` have together the variables of those of `b`:
/// the connected components of "has a variable in common". In the order of the first operands of `a`.
pub(super) fn groups(a: &[Scope], b: &[Scope]) -> Vec<Group> {
    let mut parent: Vec<usize> = (0..a.len() + b.len()).collect();
    for (i, j) in overlaps(a, b) {
        let (i, j) = (find(&mut parent, i), find(&mut parent, a.len() + j));
        parent[i.max(j)] = i.min(j);
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut of_root = vec![usize::MAX; parent.len()];
    for i in 0..parent.len() {
        let root = find(&mut parent, i);
        if of_root[root] == usize::MAX {
            of_root[root] = groups.len();
            groups.push(Group { a: Vec::new(), b: Vec::new() });
        }
        let group = &mut groups[of_root[root]];
        if i < a.len() { group.a.push(i) } else { group.b.push(i - a.len()) }
    }
    groups
}

fn find(parent: &mut [usize], mut i: usize) -> usize {
    while parent[i] != i {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    i
}

/// Pairs of operands with a variable in common: a sweep over the intervals of both sides.
fn overlaps(a: &[Scope], b: &[Scope]) -> Vec<(usize, usize)> {
    let intervals = |scopes: &[Scope]| {
        let all = scopes
            .iter()
            .enumerate()
            .flat_map(|(i, s)| s.intervals().iter().map(move |(start, end)| (*start, *end, i)));
        let mut all: Vec<(u32, u32, usize)> = all.collect();
        all.sort_unstable();
        all
    };
    let (a, b) = (intervals(a), intervals(b));
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i].0.max(b[j].0) < a[i].1.min(b[j].1) {
            pairs.push((a[i].2, b[j].2));
        }
        if a[i].1 <= b[j].1 { i += 1 } else { j += 1 }
    }
    pairs
}
