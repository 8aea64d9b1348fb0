//! The inputs of a chain: what they give a unit, and how its flow is counted in their tables.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Words of an input in the chain's tables: variable, stride, table, pitch, counts.
pub const INPUT_WORDS: usize = 5;

/// The product of what all inputs give unit `h` for the samples of vector `v`.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn emissions<N: Size>(
    linear: &[f32],
    tables: &[u32],
    evidence: &[u32],
    words: usize,
    iteration: u32,
    vectors: usize,
    h: usize,
    v: usize,
    #[comptime] inputs: usize,
) -> Vector<f32, N> {
    let n = N::value();
    let mut product = Vector::<f32, N>::new(1.0);
    #[unroll]
    for input in 0..inputs {
        let words = words + comptime!(input * INPUT_WORDS);
        let variable = tables[words] + iteration * tables[words + 1];
        let observed = (variable as usize * vectors + v) * n;
        let row = tables[words + 2] as usize * CHUNK + h * tables[words + 3] as usize;
        let mut values = Vector::<f32, N>::empty();
        #[unroll]
        for lane in 0..n {
            values.insert(lane, linear[row + evidence[observed + lane] as usize]);
        }
        product = if comptime!(input == 0) { values } else { product * values };
    }
    product
}

/// Adds flows of `rows` units from `h` on, left in scratch memory from number `at` on, to the counts of the inputs of an
/// iteration.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn count_inputs(
    counts: &mut [f32],
    scratch: &[f32],
    tables: &[u32],
    evidence: &[u32],
    words: usize,
    iteration: u32,
    row: usize,
    v0: usize,
    h: usize,
    at: usize,
    #[comptime] rows: usize,
    #[comptime] samples: usize,
    #[comptime] counted: Vec<bool>,
) {
    #[unroll]
    for input in 0..comptime!(counted.len()) {
        if comptime!(counted[input]) {
            let words = words + comptime!(input * INPUT_WORDS);
            let variable = tables[words] + iteration * tables[words + 1];
            let observed = variable as usize * row + v0;
            let pitch = tables[words + 3] as usize;
            let to = tables[words + 4] as usize * CHUNK + h * pitch;
            for sample in 0..samples {
                let column = to + evidence[observed + sample] as usize;
                #[unroll]
                for k in 0..rows {
                    counts[column + k * pitch] += scratch[at + k * samples + sample];
                }
            }
        }
    }
}
