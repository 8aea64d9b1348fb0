//! How units share the work between two barriers: each has a run of items, and takes over those of others when it has none left.
//!
//! A number for each unit says how many items of its run are taken. There are three sets of numbers, used in turns, so that one can be
//! made zero while another is in use.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Sets of numbers.
pub const SETS: usize = 3;

/// Makes all numbers of a queue zero; there must be a barrier before it is used.
#[cube]
pub fn clear_queue(queue: &mut [Atomic<u32>]) {
    for turn in 0..SETS {
        queue[(turn * CUBE_DIM as usize + ABSOLUTE_POS) * CHUNK].store(0u32);
    }
}

/// The next work item of the run of unit `of`, or one that is not in it, if there is none left: `k` counts barriers.
#[cube]
pub fn take(queue: &mut [Atomic<u32>], k: u32, of: usize) -> usize {
    queue[(k as usize % SETS * CUBE_DIM as usize + of) * CHUNK].fetch_add(1u32) as usize
}

/// Makes this unit's number zero for the next but one use. Nobody looks at it before then.
#[cube]
pub fn clear_next(queue: &mut [Atomic<u32>], k: u32) {
    queue[((k as usize + 1) % SETS * CUBE_DIM as usize + ABSOLUTE_POS) * CHUNK].store(0u32);
}
