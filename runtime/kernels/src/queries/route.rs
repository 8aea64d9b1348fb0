//! Choices that nothing decides about: products, moves, and what several layers read.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::kronecker::KroneckerConfig;
use crate::operand::{leave, share};
use crate::permute::{ConcatConfig, PermuteConfig};
use cubecl::prelude::*;

/// Where a launch stands: its records, its members, and the draws in a row of choices.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Route {
    /// Where the records start in the tables.
    pub table: u32,
    /// How many members are computed.
    pub members: u32,
    /// Draws in a row of choices.
    pub draws: u32,
}

/// The root and the draws.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Root {
    /// Row of the root's value.
    pub value: u32,
    /// Row of the root's choice.
    pub choice: u32,
    /// Draws in a row of choices.
    pub draws: u32,
    /// Draws that are wanted.
    pub wanted: u32,
    /// Draws that share a row of evidence.
    pub shared: u32,
    /// Samples in a row of the arena.
    pub samples: u32,
}

/// Chooses the root for the draws of possible rows. A work item is a draw.
#[cube(launch_unchecked)]
pub fn choose_root_kernel(arena: &[f32], choices: &mut [u32], root: Root) {
    let (first, end) = share(root.draws as usize);
    for d in first..end {
        let mut choice = 0u32.runtime();
        if d < root.wanted as usize {
            let sample = d / root.shared as usize;
            if arena[root.value as usize * root.samples as usize + sample] > f32::NEG_INFINITY {
                choice = 1u32.runtime();
            }
        }
        choices[root.choice as usize * root.draws as usize + d] = choice;
    }
    leave(root.draws);
}

/// The one choice among several. A work item is (member, draw), as in all of these kernels.
#[cube(launch_unchecked)]
pub fn merge_kernel(choices: &mut [u32], tables: &[u32], route: Route, #[comptime] inputs: usize) {
    let draws = route.draws as usize;
    let (first, end) = share(route.members as usize * draws);
    for item in first..end {
        let record = route.table as usize + item / draws * comptime!(1 + inputs);
        let d = item % draws;
        let mut choice = 0u32.runtime();
        for k in 0..inputs {
            choice = max(choice, choices[tables[record + 1 + k] as usize * draws + d]);
        }
        choices[tables[record] as usize * draws + d] = choice;
    }
    leave(route.draws);
}

/// The unit of each part of a Kronecker product.
#[cube(launch_unchecked)]
pub fn choose_kronecker_kernel(choices: &mut [u32], tables: &[u32], route: Route, #[comptime] c: KroneckerConfig) {
    let draws = route.draws as usize;
    let (first, end) = share(route.members as usize * draws);
    for item in first..end {
        let record = route.table as usize + item / draws * comptime!(1 + c.widths.len());
        let d = item % draws;
        let choice = choices[tables[record] as usize * draws + d];
        #[unroll]
        for part in 0..comptime!(c.widths.len()) {
            let mut next = 0u32.runtime();
            if choice > 0 {
                next = (choice - 1) / comptime!(c.stride(part) as u32) % comptime!(c.widths[part] as u32) + 1;
            }
            choices[tables[record + comptime!(1 + part)] as usize * draws + d] = next;
        }
    }
    leave(route.draws);
}

/// The unit before a permutation.
#[cube(launch_unchecked)]
pub fn choose_permute_kernel(choices: &mut [u32], tables: &[u32], route: Route, #[comptime] c: PermuteConfig) {
    let draws = route.draws as usize;
    let plane = comptime!((c.rows * c.columns) as u32);
    let (first, end) = share(route.members as usize * draws);
    for item in first..end {
        let record = route.table as usize + item / draws * 2;
        let d = item % draws;
        let choice = choices[tables[record] as usize * draws + d];
        let mut next = 0u32.runtime();
        if choice > 0 {
            let h = choice - 1;
            let row = h % comptime!(c.rows as u32);
            let column = h % plane / comptime!(c.rows as u32);
            next = h / plane * plane + row * comptime!(c.columns as u32) + column + 1;
        }
        choices[tables[record + 1] as usize * draws + d] = next;
    }
    leave(route.draws);
}

/// The one part of a concatenation.
#[cube(launch_unchecked)]
pub fn choose_concat_kernel(choices: &mut [u32], tables: &[u32], route: Route, #[comptime] c: ConcatConfig) {
    let draws = route.draws as usize;
    let (first, end) = share(route.members as usize * draws);
    for item in first..end {
        let record = route.table as usize + item / draws * comptime!(1 + c.widths.len());
        let d = item % draws;
        let choice = choices[tables[record] as usize * draws + d];
        #[unroll]
        for part in 0..comptime!(c.widths.len()) {
            let start = comptime!(c.start(part) as u32);
            let mut next = 0u32.runtime();
            if choice > start && choice <= comptime!((c.start(part) + c.widths[part]) as u32) {
                next = choice - start;
            }
            choices[tables[record + comptime!(1 + part)] as usize * draws + d] = next;
        }
    }
    leave(route.draws);
}
