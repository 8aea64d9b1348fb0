//! Where a cube and its units stand in the work of a launch.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;

/// The units of a cube: `vectors` vectors of samples, and the rest are groups that share the rows.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct Shape {
    /// Units of a cube, a multiple of `vectors`.
    pub units: usize,
    /// Vectors of samples of a cube.
    pub vectors: usize,
}

impl Shape {
    /// Groups of units.
    pub fn groups(&self) -> usize {
        self.units / self.vectors
    }
}

/// Where a unit works.
#[derive(CubeType, Clone, Copy)]
pub struct Spot {
    /// The member.
    pub member: usize,
    /// Which of the member's runs.
    pub run: usize,
    /// Vector of samples, within the row.
    pub v: usize,
    /// Vector of samples, within the tile.
    pub column: usize,
    /// Group of the unit.
    pub group: usize,
}

/// The spot of this unit, where each member has `runs` cubes for every tile of samples. Tiles of a run are neighbors, so that
/// the cubes at work at the same time share weights.
#[cube]
pub fn spot(vectors: u32, #[comptime] runs: usize, #[comptime] shape: Shape) -> Spot {
    let unit = UNIT_POS as usize;
    let tiles = vectors as usize / shape.vectors;
    let cube = CUBE_POS;
    let column = unit % shape.vectors;
    let run = cube / tiles;
    Spot {
        member: run / runs,
        run: run % runs,
        v: cube % tiles * shape.vectors + column,
        column,
        group: unit / shape.vectors,
    }
}
