//! `select-kernels`: how the work of each block-diagonal sum is cut.
//!
//! # Design
//!
//! The kernel works on a block, `chunk` of its outputs and a tile of samples at a time. It writes
//! `exp(input - maximum)` of the block's inputs to scratch memory once, then multiplies register tiles of `tile`
//! outputs by `vectors` vectors of samples. Three things cost:
//!
//! * a register tile loads `tile` weights and `vectors` vectors for `tile * vectors` multiplications: large
//!   tiles are better, as long as the accumulators fit the registers; padding the outputs to whole tiles is lost
//! * scratch memory that does not fit the cache: fewer vectors per work item
//! * every chunk computes the exponentials of all inputs again: few chunks, but enough work items for all units
//!
//! All numbers are in [`Target`] and [`schedule`].

use danaus_artifact::plan::Schedule;

/// What the cost model knows about a device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// Samples in a vector.
    pub lanes: usize,
    /// Accumulators of a register tile, in vectors.
    pub accumulators: usize,
    /// Bytes of scratch memory a work item should stay within.
    pub scratch: usize,
    /// Work items below which not every unit is busy.
    pub items: usize,
    /// Outputs per work item below which the exponentials cost more than the sharing of work gains.
    pub least_chunk: usize,
    /// Sums with at most this many outputs stream over their inputs.
    pub narrow: usize,
}

impl Target {
    /// Processors with vectors of 16 floats and 32 vector registers.
    pub const CPU: Target =
        Target { lanes: 16, accumulators: 24, scratch: 256 << 10, items: 8, least_chunk: 256, narrow: 4 };
}

/// The shape of a block-diagonal sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumShape {
    /// Blocks of all members together.
    pub blocks: usize,
    /// Outputs of a block.
    pub outputs: usize,
    /// Inputs of a block.
    pub inputs: usize,
}

/// Chooses the schedule of a sum.
pub fn schedule(shape: SumShape, target: &Target) -> Schedule {
    let SumShape { blocks, outputs, inputs } = shape;
    if outputs <= target.narrow || (outputs < 4 * target.narrow && inputs >= 16 * outputs) {
        return Schedule::Narrow;
    }
    let vectors = vectors(inputs, target);
    let tile = tile(outputs, vectors, target);
    let parts = target.items.div_ceil(blocks).min(outputs.div_ceil(target.least_chunk)).max(1);
    let chunk = outputs.div_ceil(parts).next_multiple_of(tile);
    Schedule::Panels { tile: tile as u32, chunk: chunk as u32, vectors: vectors as u32 }
}

/// The most vectors, up to four, whose exponentials fit the scratch memory.
fn vectors(inputs: usize, target: &Target) -> usize {
    let fits = |vectors: usize| inputs * vectors * target.lanes * size_of::<f32>() <= target.scratch;
    if fits(4) {
        4
    } else if fits(2) {
        2
    } else {
        1
    }
}

/// The tile with the fewest loads and padded multiplications per output. Inputs give what they give to four outputs at once, so a tile of
/// whole quads wastes nothing of that.
fn tile(outputs: usize, vectors: usize, target: &Target) -> usize {
    let cost = |tile: usize| {
        let padded = (outputs.div_ceil(tile) * tile) as f64 / outputs as f64;
        let loads = (tile + vectors) as f64 / (tile * vectors) as f64;
        let quads = tile.next_multiple_of(4) as f64 / tile as f64;
        padded * (1.0 + loads / 2.0) + 0.05 * quads
    };
    let most = (target.accumulators / vectors).clamp(1, 12);
    (1..=most).min_by(|&a, &b| cost(a).total_cmp(&cost(b)).then(b.cmp(&a))).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(blocks: usize, outputs: usize, inputs: usize) -> Schedule {
        schedule(SumShape { blocks, outputs, inputs }, &Target::CPU)
    }

    #[test]
    fn few_outputs_stream() {
        assert_eq!(cpu(1, 1, 16384), Schedule::Narrow);
        assert_eq!(cpu(1, 10, 1024), Schedule::Narrow);
    }

    #[test]
    fn many_blocks_are_not_cut() {
        let Schedule::Panels { tile, chunk, vectors } = cpu(128, 128, 128) else { panic!("panels") };
        assert!(chunk >= 128 && chunk % tile == 0);
        assert_eq!(vectors, 4);
        assert!(tile * vectors <= 24);
    }

    #[test]
    fn one_large_block_is_cut() {
        let Schedule::Panels { tile, chunk, .. } = cpu(1, 1024, 1024) else { panic!("panels") };
        assert!((256..=512).contains(&chunk) && chunk % tile == 0, "{chunk}");
    }

    #[test]
    fn scratch_stays_small() {
        for inputs in [2048, 4096, 65536] {
            let Schedule::Panels { vectors, .. } = cpu(1, inputs, inputs) else { panic!("panels") };
            assert!(vectors == 1 || inputs * vectors as usize * 64 <= Target::CPU.scratch);
        }
    }
}
