//! Sets of variables.
//!
//! # Design
//!
//! The scopes of a chain are intervals, those of scattered structures are not. A [`Scope`] is a list of runs
//! while that is smaller than a bit set, and a bit set otherwise. Which of the two depends on the contents
//! only, so that equality of scopes is equality of the representation.

/// A set of variables, by index.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope(Set);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Set {
    /// Sorted, disjoint, not adjacent: `start..end`.
    Runs(Vec<(u32, u32)>),
    /// One bit for each variable, without trailing zero words.
    Bits(Vec<u64>),
}

impl Scope {
    /// No variable.
    pub fn empty() -> Self {
        Scope(Set::Runs(Vec::new()))
    }

    /// One variable.
    pub fn single(variable: u32) -> Self {
        Scope(Set::Runs(vec![(variable, variable + 1)]))
    }

    /// The variables `0..count`.
    pub fn all(count: u32) -> Self {
        Scope(Set::Runs(if count == 0 { Vec::new() } else { vec![(0, count)] }))
    }

    /// The runs `start..end` of the set in ascending order.
    pub fn runs(&self) -> Vec<(u32, u32)> {
        match &self.0 {
            Set::Runs(runs) => runs.clone(),
            Set::Bits(words) => runs_of_bits(words),
        }
    }

    /// The number of variables.
    pub fn len(&self) -> usize {
        match &self.0 {
            Set::Runs(runs) => runs.iter().map(|(start, end)| (end - start) as usize).sum(),
            Set::Bits(words) => words.iter().map(|word| word.count_ones() as usize).sum(),
        }
    }

    /// Whether there is no variable.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The smallest variable.
    pub fn first(&self) -> Option<u32> {
        self.runs().first().map(|(start, _)| *start)
    }

    /// The variables of both.
    pub fn union(&self, other: &Scope) -> Scope {
        match (&self.0, &other.0) {
            (Set::Runs(a), Set::Runs(b)) => from_runs(merge_runs(a, b)),
            _ => {
                let (mut words, others) = (self.words(), other.words());
                words.resize(words.len().max(others.len()), 0);
                words.iter_mut().zip(&others).for_each(|(word, other)| *word |= other);
                from_bits(words)
            }
        }
    }

    /// The variables of both at once.
    pub fn intersection(&self, other: &Scope) -> Scope {
        match (&self.0, &other.0) {
            (Set::Runs(a), Set::Runs(b)) => from_runs(intersect_runs(a, b)),
            _ => from_bits(self.words().iter().zip(&other.words()).map(|(a, b)| a & b).collect()),
        }
    }

    /// The variables of `self` that are not in `other`.
    pub fn difference(&self, other: &Scope) -> Scope {
        let (mut words, others) = (self.words(), other.words());
        words.iter_mut().zip(&others).for_each(|(word, other)| *word &= !other);
        from_bits(words)
    }

    /// Whether the two share no variable.
    pub fn is_disjoint(&self, other: &Scope) -> bool {
        match (&self.0, &other.0) {
            (Set::Runs(a), Set::Runs(b)) => intersect_runs(a, b).is_empty(),
            (Set::Bits(a), Set::Bits(b)) => a.iter().zip(b).all(|(a, b)| a & b == 0),
            _ => self.intersection(other).is_empty(),
        }
    }

    /// How much memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Set::Runs(runs) => 8 * runs.len(),
            Set::Bits(words) => 8 * words.len(),
        }
    }

    fn words(&self) -> Vec<u64> {
        match &self.0 {
            Set::Runs(runs) => bits_of_runs(runs),
            Set::Bits(words) => words.clone(),
        }
    }
}

/// Puts the shorter of the two representations around sorted, disjoint runs.
fn from_runs(runs: Vec<(u32, u32)>) -> Scope {
    let words = runs.last().map_or(0, |(_, end)| end.div_ceil(64) as usize);
    if runs.len() <= words.max(1) { Scope(Set::Runs(runs)) } else { Scope(Set::Bits(bits_of_runs(&runs))) }
}

fn from_bits(mut words: Vec<u64>) -> Scope {
    while words.last() == Some(&0) {
        words.pop();
    }
    let starts = |(i, word): (usize, &u64)| {
        let before = if i == 0 { 0 } else { words[i - 1] >> 63 };
        (word & !((word << 1) | before)).count_ones() as usize
    };
    let runs: usize = words.iter().enumerate().map(starts).sum();
    if runs <= words.len().max(1) { Scope(Set::Runs(runs_of_bits(&words))) } else { Scope(Set::Bits(words)) }
}

fn bits_of_runs(runs: &[(u32, u32)]) -> Vec<u64> {
    let mut words = vec![0; runs.last().map_or(0, |(_, end)| end.div_ceil(64) as usize)];
    for &(start, end) in runs {
        let (first, last) = ((start / 64) as usize, ((end - 1) / 64) as usize);
        let (from, to) = (u64::MAX << (start % 64), u64::MAX >> (63 - (end - 1) % 64));
        if first == last {
            words[first] |= from & to;
        } else {
            words[first] |= from;
            words[first + 1..last].fill(u64::MAX);
            words[last] |= to;
        }
    }
    words
}

fn runs_of_bits(words: &[u64]) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let (mut rest, base) = (*word, i as u32 * 64);
        while rest != 0 {
            let start = rest.trailing_zeros();
            let length = (rest >> start).trailing_ones();
            push_run(&mut runs, (base + start, base + start + length));
            rest &= if start + length == 64 { 0 } else { u64::MAX << (start + length) };
        }
    }
    runs
}

/// Appends a run that starts at or after the start of the last one.
fn push_run(runs: &mut Vec<(u32, u32)>, run: (u32, u32)) {
    match runs.last_mut() {
        Some(last) if last.1 >= run.0 => last.1 = last.1.max(run.1),
        _ => runs.push(run),
    }
}

fn merge_runs(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut runs = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let take_a = j == b.len() || (i < a.len() && a[i].0 <= b[j].0);
        let run = if take_a { a[i] } else { b[j] };
        (i, j) = if take_a { (i + 1, j) } else { (i, j + 1) };
        push_run(&mut runs, run);
    }
    runs
}

fn intersect_runs(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut runs = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (start, end) = (a[i].0.max(b[j].0), a[i].1.min(b[j].1));
        if start < end {
            runs.push((start, end));
        }
        (i, j) = if a[i].1 <= b[j].1 { (i + 1, j) } else { (i, j + 1) };
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn scope(members: &BTreeSet<u32>) -> Scope {
        members.iter().fold(Scope::empty(), |scope, v| scope.union(&Scope::single(*v)))
    }

    fn members(scope: &Scope) -> BTreeSet<u32> {
        scope.runs().into_iter().flat_map(|(start, end)| start..end).collect()
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(
            a in proptest::collection::btree_set(0_u32..200, 0..120),
            b in proptest::collection::btree_set(0_u32..200, 0..120),
        ) {
            let (x, y) = (scope(&a), scope(&b));
            prop_assert_eq!(members(&x), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.union(&y), scope(&a.union(&b).copied().collect()));
            prop_assert_eq!(x.intersection(&y), scope(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(x.difference(&y), scope(&a.difference(&b).copied().collect()));
            prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
            prop_assert_eq!(x.first(), a.first().copied());
        }
    }

    #[test]
    fn intervals_stay_small() {
        let mut scope = Scope::empty();
        for variable in (0..20_000).rev() {
            scope = scope.union(&Scope::single(variable));
            assert_eq!(scope.bytes(), 8);
        }
        assert_eq!(scope, Scope::all(20_000));
    }
}
