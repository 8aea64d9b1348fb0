//! One of several operands, whose contributions (logarithms) stand in scratch memory: drawn in proportion to them by inverse
//! transform, or the greatest, the first of equals. The lanes are draws.
//!
//! **Exactness.** The greatest contribution is subtracted before `exp`, so at least one term is 1 whatever the size of the others. A
//! contribution of `-inf` is left out: the running sum does not move there, so it is never picked.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::random::uniform;
use crate::math::{exp_nonpositive, greater, shift_of};
use cubecl::prelude::*;

/// The run-time values of a launch that chooses.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Descent {
    /// Where the records start in the tables.
    pub table: u32,
    /// How many members are computed.
    pub members: u32,
    /// Draws in a row of choices: whole vectors.
    pub draws: u32,
    /// Draws that share a row of evidence.
    pub shared: u32,
    /// Samples in a row of the arena.
    pub samples: u32,
    /// The number of the first draw.
    pub first: u32,
    /// How far apart the first draws of two rows of evidence are numbered.
    pub stride: u32,
    /// The seed.
    pub seed_low: u32,
    /// The upper half of the seed.
    pub seed_high: u32,
    /// What differences of contributions are multiplied by before they are drawn from.
    pub sharpness: f32,
}

/// The numbers of the draws from `d` on.
#[cube]
pub fn numbers<N: Size>(descent: &Descent, d: usize) -> Vector<u32, N> {
    let n = N::value();
    let mut all = Vector::<u32, N>::empty();
    #[unroll]
    for lane in 0..n {
        let draw = d as u32 + lane as u32;
        all.insert(lane, descent.first + draw / descent.shared * descent.stride + draw % descent.shared);
    }
    all
}

/// The sample of the arena that holds the values of a draw. Draws beyond the last use the last.
#[cube]
pub fn sample_of(descent: &Descent, d: usize) -> usize {
    min(d as u32 / descent.shared, descent.samples - 1) as usize
}

/// The index of what is picked among `count` contributions from `slot` on, or `count` if none is possible. `salt` is where the record
/// holds place and iteration.
#[cube]
pub fn pick<N: Size>(
    scratch: &mut [Vector<f32, N>],
    tables: &[u32],
    descent: &Descent,
    slot: usize,
    salt: usize,
    d: usize,
    #[comptime] count: usize,
    #[comptime] draws: bool,
) -> Vector<u32, N> {
    if comptime!(draws) {
        drawn::<N>(scratch, tables, descent, slot, salt, d, count)
    } else {
        greatest::<N>(&*scratch, slot, count)
    }
}

#[cube]
fn greatest<N: Size>(scratch: &[Vector<f32, N>], slot: usize, #[comptime] count: usize) -> Vector<u32, N> {
    let mut high = scratch[slot];
    let mut index = Vector::<u32, N>::new(0u32);
    for i in 1..count {
        let x = scratch[slot + i];
        let better = x.greater_than(&high);
        index = select_many(better, Vector::new(i as u32), index);
        high = select_many(better, x, high);
    }
    let alive = high.greater_than(&Vector::new(f32::NEG_INFINITY));
    select_many(alive, index, Vector::new(count as u32))
}

#[cube]
fn drawn<N: Size>(
    scratch: &mut [Vector<f32, N>],
    tables: &[u32],
    descent: &Descent,
    slot: usize,
    salt: usize,
    d: usize,
    #[comptime] count: usize,
) -> Vector<u32, N> {
    let mut high = Vector::<f32, N>::new(f32::NEG_INFINITY);
    for i in 0..count {
        high = greater::<N>(high, scratch[slot + i]);
    }
    let shift = shift_of::<N>(high);
    let mut total = Vector::<f32, N>::new(0.0);
    for i in 0..count {
        let x = scratch[slot + i];
        let term = exp_nonpositive::<N>((x - shift) * Vector::new(descent.sharpness));
        let alive = x.greater_than(&Vector::new(f32::NEG_INFINITY));
        let term = select_many(alive, term, Vector::new(0.0));
        scratch[slot + i] = term;
        total += term;
    }
    let key = (descent.seed_low, descent.seed_high);
    let random = uniform::<N>(key, numbers::<N>(descent, d), tables[salt], tables[salt + 1]);
    // The running sum ends at the total itself, which is greater.
    let threshold = random * total;
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut index = Vector::<u32, N>::new(0u32);
    for i in 0..count {
        // One past the last term at which the sum had not got there.
        sum += scratch[slot + i];
        let before = threshold.less_than(&sum);
        index = select_many(before, index, Vector::new(i as u32 + 1));
    }
    index
}
