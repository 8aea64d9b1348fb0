//! The block-diagonal sum on tensor cores: as [`stage`](crate::gpu::stage), with both slabs in the precision of the kernel. A cube computes a
//! tile of the outputs of one block for a tile of samples.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::gpu::maximum::{greatest_of, group_maximum};
use crate::gpu::spot::{Spot, spot};
use crate::gpu::stage::matrix;
use crate::gpu::tensor::{EDGE, TensorShape, begin, corner, fetch_matrix, multiply, rounded, stage};
use crate::math::{exp_nonpositive, least_lane, lesser, ln_positive, shift_of};
use crate::operand::{Place, operands, rounds};
use crate::stage::{StageConfig, UNDERFLOW, exact, stored_row};
use cubecl::cmma;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// A vector of samples of an output, within the cube's tile.
#[derive(CubeType, Clone, Copy)]
pub struct Cell {
    /// The row.
    pub row: usize,
    /// The vector.
    pub column: usize,
    /// Where the vector stands in the staging memory, in vectors.
    pub staged: usize,
}

/// The `item`-th vector of a fragment of the unit's plane that is the unit's own.
#[cube]
pub fn cell(item: usize, fragment: usize, #[comptime] s: TensorShape) -> Cell {
    let vectors = comptime!(EDGE / s.lanes);
    let (row, column) = corner(s);
    let at = item * s.plane + UNIT_POS as usize % s.plane;
    let first = UNIT_POS as usize / s.plane * comptime!(EDGE * EDGE / s.lanes);
    Cell {
        row: row + fragment / s.across * EDGE + at / vectors,
        column: (column + fragment % s.across * EDGE) / s.lanes + at % vectors,
        staged: first + at,
    }
}

/// How many vectors of a fragment a unit has.
pub fn items(s: &TensorShape) -> usize {
    EDGE * EDGE / s.lanes / s.plane
}

/// Stores the outputs of the plane; what underflows is computed again.
#[cube]
#[allow(clippy::too_many_arguments)]
fn store<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    g: usize,
    o0: usize,
    highs: &[Vector<f32, N>],
    staging: &mut [f32],
    fragments: &Sequence<cmma::Matrix<f32>>,
    numbers: &Array<f32>,
    spot: &Spot,
    #[comptime] c: StageConfig,
    #[comptime] s: TensorShape,
) {
    let v0 = spot.v - spot.column;
    let (out, vectors) = (tables[record] as usize, place.vectors as usize);
    let mut least = Vector::<f32, N>::new(1.0);
    #[unroll]
    for fragment in 0..comptime!(s.fragments()) {
        stage(fragments, numbers, staging, fragment, s);
        for item in 0..rounds(place.vectors, comptime!(items(&s))) {
            let cell = cell(item, fragment, s);
            let o = o0 + cell.row;
            if o < c.outputs {
                let sum = staging.as_vectorized().with_vector_size::<N>()[cell.staged];
                let high = highs[cell.column];
                let dead = high.equal(&Vector::new(f32::NEG_INFINITY));
                least = lesser::<N>(least, select_many(dead, Vector::new(1.0), sum));
                let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
                let v = v0 + cell.column;
                let after = operands::<N>(&*arena, packed, tables, evidence, place, record, p, v, c.epilogue);
                arena[(out + p) * vectors + v] = ln_positive::<N>(sum) + high + after;
            }
        }
    }
    if least_lane::<N>(least) < UNDERFLOW {
        for fragment in 0..rounds(place.vectors, comptime!(s.fragments())) {
            for item in 0..rounds(place.vectors, comptime!(items(&s))) {
                let cell = cell(item, fragment, s);
                let (o, v) = (o0 + cell.row, v0 + cell.column);
                if o < c.outputs {
                    let p = stored_row(g, o, comptime!(c.outputs), comptime!(c.rows));
                    let sum = exact::<N>(&*arena, packed, tables, evidence, place, record, g, o, v, c);
                    let after = operands::<N>(&*arena, packed, tables, evidence, place, record, p, v, c.epilogue);
                    arena[(out + p) * vectors + v] = sum + after;
                }
            }
        }
    }
}

/// See the module's documentation.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn gpu_tensor_sums<N: Size, E: Float, F: Float>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    matrices: &[E],
    tables: &[u32],
    evidence: &[u32],
    table: u32,
    members: u32,
    iteration: u32,
    vectors: u32,
    #[comptime] c: StageConfig,
    #[comptime] s: TensorShape,
) {
    let place = Place { table, members, iteration, base: 0, vectors };
    let m = comptime!(matrix(&c));
    let chunks = comptime!(s.chunks(c.outputs));
    let spot = spot(vectors, comptime!(c.blocks * s.chunks(c.outputs)), comptime!(s.shape));
    let (groups, width) = comptime!((s.shape.groups(), s.shape.vectors));
    let g = spot.run / chunks;
    let o0 = spot.run % chunks * comptime!(s.rows());
    let record = table as usize + spot.member * c.record;
    let weights = tables[record + 1] as usize * CHUNK + g % c.distinct * comptime!(m.length());
    let mut maxima = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.units));
    let mut highs = Shared::<[Vector<f32, N>]>::new_slice(comptime!(s.shape.vectors));
    let mut slab = Shared::<[E]>::new_aligned_slice(comptime!(s.depth * s.weights().pitch), 128usize);
    let mut exponentials = Shared::<[E]>::new_aligned_slice(comptime!(s.depth * s.values().pitch), 128usize);
    let mut staging = Shared::<[f32]>::new_aligned_slice(comptime!(s.planes() * EDGE * EDGE), 128usize);

    let own = group_maximum::<N>(
        &*arena, packed, tables, evidence, &place, record, g, spot.group, spot.v, groups, c.inputs, c.prologue,
    );
    let high = greatest_of::<N>(&mut maxima, own, spot.column, groups, width);
    let shift = shift_of::<N>(high);
    if spot.group == 0 {
        highs[spot.column] = high;
    }
    let (mut fragments, mut numbers) = begin(s);
    for round in 0..rounds(vectors, comptime!(c.inputs.div_ceil(s.depth))) {
        let i0 = round * s.depth;
        fetch_matrix::<E>(matrices, &mut slab, weights, o0, i0, m, s);
        for step in 0..comptime!(s.depth / s.shape.groups()) {
            let i = step * groups + spot.group;
            let mut e = Vector::<f32, N>::new(0.0);
            if i0 + i < c.inputs {
                let h = g * c.inputs + i0 + i;
                let value = operands::<N>(&*arena, packed, tables, evidence, &place, record, h, spot.v, c.prologue);
                e = exp_nonpositive::<N>(value - shift);
            }
            let at = i * comptime!(s.values().pitch / s.lanes) + spot.column;
            exponentials.as_vectorized_mut().with_vector_size_mut::<N>()[at] = rounded::<N, E>(e, s.precision);
        }
        sync_cube();
        let (lefts, rights) = comptime!((s.weights(), s.values()));
        multiply::<E, F>(&slab, &exponentials, &mut fragments, &mut numbers, s.depth, lefts, rights, s);
        sync_cube();
    }
    store::<N>(
        arena,
        packed,
        tables,
        evidence,
        &place,
        record,
        g,
        o0,
        &highs,
        &mut staging,
        &fragments,
        &numbers,
        &spot,
        c,
        s,
    );
}
