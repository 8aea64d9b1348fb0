//! Which part of a product a cube of the kernels for tensor cores computes: the sizes that are predicted to take least time.
//!
//! # Design
//!
//! The prediction counts the cycles of a multiprocessor for one cube: what its tensor cores multiply, what is read from shared memory for that,
//! and the instructions that make operands and results. Cubes that do not fill the last round of multiprocessors count as if they did.
//! The rates are those of an H100 by its data sheet; only their proportions matter.

use crate::gpu::flow_sums::FlowSum;
use crate::gpu::schedule::SHARED;
use crate::gpu::spot::Shape;
use crate::gpu::tensor::{EDGE, TensorShape};
use crate::gpu::tensor_counts;
use danaus_artifact::gpu::Precision;

/// What kernels for tensor cores may be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorSizes {
    /// What is multiplied.
    pub precision: Precision,
    /// Most units of a cube.
    pub units: usize,
    /// Units that hold a fragment together.
    pub plane: usize,
    /// Samples of a cube, in vectors.
    pub vectors: usize,
    /// Samples at a time of counts, in vectors.
    pub counted: usize,
    /// Inputs of a slab.
    pub depth: usize,
    /// The least outputs and inputs of a block that are worth it.
    pub least: usize,
}

impl TensorSizes {
    /// For GPUs.
    pub fn gpu(precision: Precision) -> Option<TensorSizes> {
        let sizes = TensorSizes { precision, units: 256, plane: 32, vectors: 16, counted: 8, depth: 32, least: 8 };
        (precision != Precision::F32).then_some(sizes)
    }
}

/// Multiprocessors that cubes are dealt out to.
const MULTIPROCESSORS: usize = 132;
/// Samples of a batch.
const BATCH: usize = 256;
/// Instructions of a multiprocessor in a cycle, one for each unit.
const INSTRUCTIONS: f64 = 128.0;
/// Bytes of shared memory that a multiprocessor reads in a cycle.
const READ: f64 = 128.0;
/// Instructions that make an operand of a value.
const OPERAND: f64 = 30.0;
/// Instructions that make a result of a sum.
const RESULT: f64 = 30.0;
/// Instructions that copy a weight, of which several are copied at once.
const COPY: f64 = 1.0;

/// Multiply-adds of a multiprocessor in a cycle.
fn rate(precision: Precision) -> f64 {
    match precision {
        Precision::Bf16 => 2048.0,
        Precision::Tf32 => 1024.0,
        Precision::F32 => 128.0,
    }
}

/// All sizes with `width` fragments side by side and `vectors` vectors of samples.
fn candidates(sizes: &TensorSizes, lanes: usize, width: usize, vectors: usize) -> Vec<TensorShape> {
    let mut all = Vec::new();
    for units in [sizes.units / 2, sizes.units] {
        for (down, across) in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (4, 1), (2, 4), (4, 2)] {
            let shape = Shape { units, vectors };
            let TensorSizes { precision, plane, depth, .. } = *sizes;
            let s = TensorShape { precision, shape, lanes, plane, down, across, width, depth };
            let is_whole = units >= vectors && units.is_multiple_of(plane) && width.is_multiple_of(across);
            if is_whole && s.planes().is_multiple_of(s.abreast()) && s.planes() > 0 {
                all.push(s);
            }
        }
    }
    all
}

/// Cycles of the products of a cube that sums over `summed`.
fn product(s: &TensorShape, summed: usize) -> f64 {
    let fragments = s.planes() * (s.down + s.across) * EDGE * summed.next_multiple_of(s.step());
    let read = fragments as f64 * s.precision.bytes() as f64 / READ;
    let multiplied = (s.rows() * s.columns() * summed.next_multiple_of(s.depth)) as f64 / rate(s.precision);
    read.max(multiplied)
}

/// Cycles of a launch of so many cubes.
fn launch(cubes: usize, cycles: f64) -> f64 {
    cubes.div_ceil(MULTIPROCESSORS) as f64 * cycles
}

fn fewest(all: Vec<(f64, usize, TensorShape)>) -> Option<TensorShape> {
    let fitting = all.into_iter().filter(|(_, bytes, _)| *bytes <= SHARED);
    fitting.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, _, shape)| shape)
}

/// The sizes for `blocks` products of `[rows, summed]` weights with samples, if they are worth it.
pub fn of_sums(sizes: &TensorSizes, lanes: usize, [blocks, rows, summed]: [usize; 3]) -> Option<TensorShape> {
    if rows.min(summed) < sizes.least {
        return None;
    }
    let samples = sizes.vectors * lanes;
    let predicted = |s: TensorShape| {
        let copied = (s.rows() * summed) as f64 * COPY;
        let made = (2 * summed * samples) as f64 * OPERAND / 2.0 + (s.rows() * samples) as f64 * RESULT;
        let cycles = product(&s, summed) + (copied + made) / INSTRUCTIONS;
        let cubes = blocks * s.chunks(rows) * BATCH.div_ceil(samples);
        let slabs = s.depth * (s.weights().pitch + s.values().pitch) * s.precision.bytes() as usize;
        (launch(cubes, cycles), slabs + shared(&s, 2), s)
    };
    fewest(candidates(sizes, lanes, samples / EDGE, sizes.vectors).into_iter().map(predicted).collect())
}

/// The sizes for the counts of a sum, if they are worth it.
pub fn of_counts(sizes: &TensorSizes, lanes: usize, c: &FlowSum) -> Option<TensorShape> {
    if c.outputs.min(c.inputs) < sizes.least {
        return None;
    }
    let samples = sizes.counted * lanes;
    let predicted = |s: TensorShape| {
        let made = ((s.rows() + s.columns() + c.inputs / 2) * samples) as f64 * OPERAND;
        let cycles = product(&s, samples) + made / INSTRUCTIONS;
        let slabs = (s.rows() + s.columns()) * s.sampled().pitch * s.precision.bytes() as usize;
        (launch(tensor_counts::cubes(&s, c), cycles), slabs + shared(&s, 1), s)
    };
    let all = [1, 2, 4, 8].into_iter().flat_map(|width| candidates(sizes, lanes, width, sizes.counted));
    fewest(all.map(predicted).collect())
}

/// Bytes of shared memory beside the slabs, where each of `vectors` vectors of samples has a number for itself.
fn shared(s: &TensorShape, vectors: usize) -> usize {
    let alignment = 3 * 128;
    4 * (s.lanes * (s.shape.units + vectors * s.shape.vectors) + s.planes() * EDGE * EDGE) + alignment
}

#[cfg(test)]
mod tests {
    use super::*;

    // COVERS: targets.tiles
    #[test]
    fn tiles_fit_the_blocks() {
        let sizes = TensorSizes::gpu(Precision::Bf16).expect("it has tensor cores");
        let rows = |blocks, rows, summed| of_sums(&sizes, 4, [blocks, rows, summed]).map(|s| (s.rows(), s.shape.units));
        // A block of few outputs is not padded to a large tile.
        assert_eq!(rows(64, 16, 16).map(|(rows, _)| rows), Some(16));
        assert_eq!(rows(128, 128, 128).map(|(rows, _)| rows), Some(128));
        // What has too little work for tensor cores has none.
        assert_eq!(rows(64, 4, 4), None);
    }
}
