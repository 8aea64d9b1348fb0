//! What all kernels share: where a launch stands ([`Place`]), how its work is dealt out ([`share()`]) and how
//! operands are read ([`operands()`]).

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// The run-time values of a launch.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub struct Place {
    /// Where the records start in the tables.
    pub table: u32,
    /// How many members are computed.
    pub members: u32,
    /// The iteration of the loop; 0 outside.
    pub iteration: u32,
    /// The variable that stands first in the evidence buffer, modulo `2^32`.
    pub base: u32,
    /// Vectors of samples in a row of the arena.
    pub vectors: u32,
}

/// A list of operands within a record, known at compile time.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Operands {
    /// Where the list starts, in words from the start of the record: rows of parts first.
    pub parts_at: usize,
    /// How many parts.
    pub parts: usize,
    /// Where the quadruples of the inputs start.
    pub inputs_at: usize,
    /// How many inputs.
    pub inputs: usize,
}

/// The first and the last-but-one of the work items of this unit: items are dealt out in runs of equal length.
#[cube]
pub fn share(items: usize) -> (usize, usize) {
    let units = CUBE_COUNT * CUBE_DIM as usize;
    let unit = ABSOLUTE_POS;
    (unit * items / units, (unit + 1) * items / units)
}

/// Ends a kernel. The barrier is never reached, for there are no launches without samples; but a kernel that has one
/// is given a core for each unit by the CPU runtime, where others may find both units on the same core.
#[cube]
pub fn leave(vectors: u32) {
    if vectors == 0 {
        sync_cube();
    }
}

/// `rounds`, as a number that the compiler does not know: a loop of so many rounds is not unrolled as a whole, which would take more
/// registers than there are. A row has fewer than `2^31` vectors.
#[cube]
pub fn rounds(vectors: u32, #[comptime] rounds: usize) -> usize {
    comptime!(rounds).runtime() + (vectors >> 31) as usize
}

/// The sum of the operands at unit `h` for the samples of vector `v`.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn operands<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    record: usize,
    h: usize,
    v: usize,
    #[comptime] list: Operands,
) -> Vector<f32, N> {
    let vectors = place.vectors as usize;
    let mut sum = Vector::<f32, N>::new(0.0);
    #[unroll]
    for part in 0..comptime!(list.parts) {
        let row = tables[record + comptime!(list.parts_at + part)] as usize + h;
        sum += arena[row * vectors + v];
    }
    #[unroll]
    for input in 0..comptime!(list.inputs) {
        sum += column::<N>(packed, tables, evidence, place, record + comptime!(list.inputs_at + 4 * input), h, v);
    }
    sum
}

/// Row `h` of a table at the values observed by the samples of vector `v`. `quadruple` is where the record
/// holds variable, stride, table offset and pitch.
#[cube]
pub fn column<N: Size>(
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: &Place,
    quadruple: usize,
    h: usize,
    v: usize,
) -> Vector<f32, N> {
    let n = N::value();
    let variable = tables[quadruple] + place.iteration * tables[quadruple + 1] - place.base;
    let row = tables[quadruple + 2] as usize * CHUNK + h * tables[quadruple + 3] as usize;
    let observed = (variable as usize * place.vectors as usize + v) * n;
    let mut values = Vector::<f32, N>::empty();
    #[unroll]
    for lane in 0..n {
        values.insert(lane, packed[row + evidence[observed + lane] as usize]);
    }
    values
}
