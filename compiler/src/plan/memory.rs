//! `plan-memory`: rows of the arena by lifetime.
//!
//! # Design
//!
//! Launches are numbered in order; the launches of a loop's body are numbered once, since nothing but the carry
//! survives an iteration. A value is written at `first` and read for the last time at `last`. Intervals are
//! placed in the order of `first` (linear scan), each in the smallest free range that holds it (best fit); the
//! arena grows only when none does. Rows read by a launch are given back after the rows it writes are placed,
//! so that no launch writes what it reads.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// A value that needs rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// How many rows.
    pub rows: u32,
    /// The launch that writes it first.
    pub first: usize,
    /// The launch that reads or writes it last.
    pub last: usize,
}

/// Where the values stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// First row of each interval, in the order given.
    pub offsets: Vec<u32>,
    /// Rows of the arena.
    pub rows: u32,
}

/// Gives every interval rows that no interval alive at the same time has.
///
/// # Panics
/// If the arena needs 2^32 rows or more.
pub fn assign(intervals: &[Interval]) -> Assignment {
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|&i| (intervals[i].first, Reverse(intervals[i].rows), i));
    let mut free = FreeRanges::default();
    let mut active: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let mut offsets = vec![0; intervals.len()];
    for i in order {
        while let Some(&Reverse((last, index))) = active.peek() {
            if last >= intervals[i].first {
                break;
            }
            active.pop();
            free.release(offsets[index], intervals[index].rows);
        }
        offsets[i] = free.take(intervals[i].rows);
        active.push(Reverse((intervals[i].last, i)));
    }
    Assignment { offsets, rows: free.end }
}

/// The free ranges below `end`, never adjacent to each other.
#[derive(Default)]
struct FreeRanges {
    by_start: BTreeMap<u32, u32>,
    by_rows: BTreeSet<(u32, u32)>,
    end: u32,
}

impl FreeRanges {
    fn insert(&mut self, start: u32, rows: u32) {
        self.by_start.insert(start, rows);
        self.by_rows.insert((rows, start));
    }

    fn remove(&mut self, start: u32, rows: u32) {
        self.by_start.remove(&start);
        self.by_rows.remove(&(rows, start));
    }

    fn take(&mut self, rows: u32) -> u32 {
        if let Some(&(have, start)) = self.by_rows.range((rows, 0)..).next() {
            self.remove(start, have);
            if have > rows {
                self.insert(start + rows, have - rows);
            }
            return start;
        }
        let tail = self.by_start.last_key_value().map(|(&s, &r)| (s, r)).filter(|&(s, r)| s + r == self.end);
        let start = tail.map_or(self.end, |(start, have)| {
            self.remove(start, have);
            start
        });
        self.end = start.checked_add(rows).expect("an arena has fewer than 2^32 rows");
        start
    }

    fn release(&mut self, mut start: u32, mut rows: u32) {
        if rows == 0 {
            return;
        }
        if let Some((&before, &have)) = self.by_start.range(..start).next_back()
            && before + have == start
        {
            self.remove(before, have);
            start = before;
            rows += have;
        }
        if let Some(&have) = self.by_start.get(&(start + rows)) {
            self.remove(start + rows, have);
            rows += have;
        }
        self.insert(start, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval(rows: u32, first: usize, last: usize) -> Interval {
        Interval { rows, first, last }
    }

    #[test]
    fn a_chain_needs_two_buffers() {
        let chain: Vec<Interval> = (0..100).map(|i| interval(8, i, i + 1)).collect();
        assert_eq!(assign(&chain).rows, 16);
    }

    #[test]
    fn operands_and_results_of_a_launch_are_apart() {
        let found = assign(&[interval(4, 0, 1), interval(4, 1, 2)]);
        assert_ne!(found.offsets[0], found.offsets[1]);
    }

    #[test]
    fn the_smallest_hole_that_fits_is_taken() {
        let found = assign(&[
            interval(8, 0, 1),
            interval(1, 0, 9),
            interval(4, 0, 1),
            interval(1, 0, 9),
            interval(3, 2, 9),
            interval(8, 3, 9),
        ]);
        assert_eq!(found.rows, 14);
    }

    proptest! {
        #[test]
        fn living_intervals_never_overlap(raw in proptest::collection::vec((1u32..20, 0usize..40, 0usize..12), 1..60)) {
            let intervals: Vec<Interval> = raw.iter().map(|&(r, f, n)| interval(r, f, f + n)).collect();
            let found = assign(&intervals);
            for (i, a) in intervals.iter().enumerate() {
                prop_assert!(found.offsets[i] + a.rows <= found.rows);
                for (j, b) in intervals.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let (x, y) = (found.offsets[i], found.offsets[j]);
                    prop_assert!(!together || x + a.rows <= y || y + b.rows <= x);
                }
            }
        }
    }
}
