//! The block-diagonal sum with many outputs: a cube computes a tile of the outputs of one block for a tile of samples.
//!
//! # Design
//!
//! 1. All units together find the maximum of the block's inputs, sample by sample: each group of units looks at every so many
//!    inputs, and the groups' maxima meet in shared memory.
//! 2. Slab by slab of [`StageShape::depth`] inputs, the exponentials `exp(s - max)` and the weights are brought to shared memory
//!    and multiplied: a unit adds up [`StageShape::tile`] outputs for one vector of samples in registers.
//! 3. Each unit takes logarithms and stores its outputs at the permuted rows, with the epilogue's operands.
//!
//! Weights are copied panel by panel, the way they stand in memory, so that neighboring units read neighboring numbers; a row of
//! them in shared memory is longer than it need be by one panel's width, so that the copies of a warp fall into different banks.
//!
//! The exponentials of an input are computed once for every tile of outputs: with tiles of 64 that is one for 64 multiply-adds.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::spot::{Shape, Spot, spot};
use crate::math::{exp_nonpositive, least_lane, lesser, ln_positive, shift_of};
use crate::operand::{Place, operands, rounds};
use crate::stage::{StageConfig, UNDERFLOW, exact, stored_row};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// The weights of a block as panels: `[ceil(columns / tile)][summed][tile]`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Matrix {
    /// What a cube computes some of.
    pub columns: usize,
    /// What is summed over.
    pub summed: usize,
    /// Columns in a panel.
    pub tile: usize,
}

impl Matrix {
    /// Numbers of a block.
    pub fn length(&self) -> usize {
        self.columns.div_ceil(self.tile) * self.summed * self.tile
    }
}

/// The weights of a block in the forward pass.
pub(crate) fn matrix(c: &StageConfig) -> Matrix {
    Matrix { columns: c.outputs, summed: c.inputs, tile: c.tile }
}

/// The sizes of a cube's work.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct StageShape {
    /// Units and vectors of samples.
    pub shape: Shape,
    /// Outputs of a unit, a multiple of 4.
    pub tile: usize,
    /// Inputs of a slab, a multiple of the groups of units.
    pub depth: usize,
}

impl StageShape {
    /// Outputs of a cube.
    pub fn outputs(&self) -> usize {
        self.shape.groups() * self.tile
    }

    /// Cubes of a block, for every tile of samples.
    pub fn chunks(&self, m: &Matrix) -> usize {
        m.columns.div_ceil(self.outputs())
    }

    /// Numbers in a row of weights in shared memory.
    pub fn pitch(&self, m: &Matrix) -> usize {
        self.outputs() + m.tile.next_multiple_of(4)
    }

    /// Bytes of shared memory of a cube.
    pub fn shared_bytes(&self, m: &Matrix, lanes: u32) -> usize {
        let vectors = self.shape.units + self.depth * self.shape.vectors;
        4 * (vectors * lanes as usize + self.depth * self.pitch(m))
    }

    /// Most panels that the outputs of a cube lie in.
    fn panels(&self, m: &Matrix) -> usize {
        self.outputs().div_ceil(m.tile) + usize::from(!self.outputs().is_multiple_of(m.tile))
    }
}

/// Copies the weights of `depth` inputs from `i0` on and the cube's outputs from `o0` on to shared memory; what is beyond the
/// block is 0. `weights` is where those of the block begin.
#[cube]
pub fn fetch_weights(
    packed: &[f32],
    slab: &mut [f32],
    weights: usize,
    o0: usize,
    i0: usize,
    #[comptime] m: Matrix,
    #[comptime] s: StageShape,
) {
    let units = comptime!(s.shape.units);
    let panel = comptime!(s.depth * m.tile);
    let all = comptime!(s.panels(&m) * s.depth * m.tile);
    for step in 0..comptime!((s.panels(&m) * s.depth * m.tile).div_ceil(s.shape.units)) {
        let at = step * units + UNIT_POS as usize;
        let within = at % panel;
        let i = within / m.tile;
        let o = (o0 / m.tile + at / panel) * m.tile + within % m.tile;
        if at < all && o >= o0 && o < o0 + comptime!(s.outputs()) {
            let mut weight = 0.0f32.runtime();
            if i0 + i < m.summed && o < m.columns {
                weight = packed[weights + (o / m.tile * m.summed + i0 + i) * m.tile + within % m.tile];
            }
            slab[i * comptime!(s.pitch(&m)) + o - o0] = weight;
        }
    }
}

/// Adds to the sums what the inputs of a slab contribute; several inputs at a time, so that loads need not be waited for one by one.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn multiply<N: Size>(
    exponentials: &[Vector<f32, N>],
    slab: &[f32],
    sums: &mut Array<Vector<f32, N>>,
    spot: &Spot,
    vectors: u32,
    #[comptime] m: Matrix,
    #[comptime] s: StageShape,
) {
    let slab = slab.as_vectorized().with_vector_size::<Const<4>>();
    let together = comptime!(if s.depth.is_multiple_of(4) { 4 } else { 1 });
    for step in 0..rounds(vectors, comptime!(s.depth / together)) {
        #[unroll]
        for j in 0..together {
            let i = step * together + j;
            let e = exponentials[i * comptime!(s.shape.vectors) + spot.column];
            let row = (i * comptime!(s.pitch(&m)) + spot.group * s.tile) / 4;
            #[unroll]
            for k in 0..s.tile {
                let weight = slab[row + comptime!(k / 4)].extract(comptime!(k % 4));
                sums[k] = fma(Vector::new(weight), e, sums[k]);
            }
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_stage<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    iteration: u32,
    vectors: u32,
    #[comptime] c: StageConfig,
    #[comptime] s: StageShape,
) {
    let place = Place { table, members, iteration, base: 0, vectors };
    let m = comptime!(matrix(&c));
    let chunks = comptime!(s.chunks(&m));
    let spot = spot(vectors, comptime!(c.blocks * s.chunks(&m)), comptime!(s.shape));
    let (groups, width) = comptime!((s.shape.groups(), s.shape.vectors));
    let g = spot.run / chunks;
    let o0 = spot.run % chunks * comptime!(s.outputs());
    let record = table as usize + spot.member * c.record;
    let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(m.length());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.units));
    let mut exponentials = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.depth * s.shape.vectors));
    let mut slab = Shared::<[f32]>::new_aligned_slice(comptime!(s.depth * s.pitch(&m)), 16usize);

    let own = group_maximum::<N>(
        &*arena, packed, tables, evidence, &place, record, g, spot.group, spot.v, groups, c.inputs, c.prologue,
    );
    let high = greatest_of::<N>(&mut maxima, own, spot.column, groups, width);
    let shift = shift_of::<N>(high);

    let mut sums = Array::<Vector<f32, N>>::new(s.tile);
    #[unroll]
    for k in 0..s.tile {
        sums[k] = Vector::new(0.0);
    }
    for round in 0..rounds(vectors, comptime!(c.inputs.div_ceil(s.depth))) {
        let i0 = round * s.depth;
        fetch_weights(packed, &mut slab, weights, o0, i0, m, s);
        for step in 0..comptime!(s.depth / s.shape.groups()) {
            let i = step * groups + spot.group;
            let mut e = Vector::<f32, N>::new(0.0);
            if i0 + i < c.inputs {
                let h = g * c.inputs + i0 + i;
                let value = operands::<N>(&*arena, packed, tables, evidence, &place, record, h, spot.v, c.prologue);
                e = exp_nonpositive::<N>(value - shift);
            }
            exponentials[i * width + spot.column] = e;
        }
        sync_cube();
        multiply::<N>(&exponentials, &slab, &mut sums, &spot, vectors, m, s);
        sync_cube();
    }

    let out = tables[record] as usize;
    let first = o0 + spot.group * s.tile;
    let dead = high.equal(&Vector::new(f32::NEG_INFINITY));
    let mut least = Vector::<f32, N>::new(1.0);
    #[unroll]
    for k in 0..s.tile {
        if first + k < c.outputs {
            least = lesser::<N>(least, select_many(dead, Vector::new(1.0), sums[k]));
            let p = stored_row(g, first + k, comptime!(c.outputs), comptime!(c.rows));
            let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, spot.v, c.epilogue);
            arena[(out + p) * vectors as usize + spot.v] = ln_positive::<N>(sums[k]) + high + after;
        }
    }
    if least_lane::<N>(least) < UNDERFLOW {
        for o in first..min(first + s.tile, comptime!(c.outputs).runtime()) {
            let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
            let sum = exact::<N>(&*arena, packed, tables, evidence, &place, record, g, o, spot.v, c);
            let after = operands::<N>(&*arena, packed, tables, evidence, &place, record, p, spot.v, c.epilogue);
            arena[(out + p) * vectors as usize + spot.v] = sum + after;
        }
    }
}
