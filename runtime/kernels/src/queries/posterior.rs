//! Posterior probabilities of variables: unit `h` of flow `F` adds `F[h] * p[h, k]` to value `k` of the variable that it reads, where
//! `p[h]` is the row of its table, normalized. That is right where the variable is missing; where it is observed, its posterior is
//! known, and what is computed here is not looked at. In chains in linear space `F` stands where the values were, see
//! [`crate::chain::backward`].

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::operand::{Place, leave, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of [`posterior_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct PosteriorConfig {
    /// Units.
    pub width: usize,
    /// Values of the variables.
    pub values: usize,
    /// Values in a register tile.
    pub tile: usize,
    /// Vectors of samples in a register tile.
    pub vectors: usize,
}

/// Units that are read once for each tile of values before the next ones are: they stay in the first-level cache.
const RUN: usize = 64;

/// See the module's documentation. A work item is (variable, some tiles of values, tile of samples); it adds what all readers of the
/// variable give, one after the other. `starts` has the first row of each variable's posterior.
#[cube(launch_unchecked)]
pub fn posterior_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    starts: &[u32],
    posteriors: &mut [Vector<f32, N>],
    place: Place,
    groups: u32,
    #[comptime] c: PosteriorConfig,
) {
    let vectors = place.vectors as usize;
    let panels = comptime!(c.values.div_ceil(c.tile));
    let tiles = vectors / c.vectors;
    // Where there are enough variables for all units an item has all tiles of values.
    let mut shares = panels.runtime();
    if groups as usize * tiles >= 2 * CUBE_DIM as usize {
        shares = 1usize.runtime();
    }
    let (first, end) = share(groups as usize * shares * tiles);
    for item in first..end {
        let v0 = item % tiles * c.vectors;
        let part = item / tiles % shares;
        let group = place.table as usize + place.members as usize * 3 + item / (tiles * shares) * 2;
        let variable = tables[place.table as usize + tables[group] as usize * 3 + 1] as usize;
        for reader in tables[group] as usize..tables[group + 1] as usize {
            let record = place.table as usize + reader * 3;
            let flow = tables[record] as usize * vectors + v0;
            let table = tables[record + 2] as usize * CHUNK;
            for run in 0..comptime!(c.width.div_ceil(RUN)) {
                for panel in part * panels / shares..(part + 1) * panels / shares {
                    let to = (starts[variable] as usize + panel * c.tile) * vectors + v0;
                    spread::<N>(arena, packed, posteriors, flow, table, run, panel, to, vectors, c);
                }
            }
        }
    }
    leave(place.vectors);
}

/// Adds what one run of units gives a tile of values.
#[cube]
#[allow(clippy::too_many_arguments)]
fn spread<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    posteriors: &mut [Vector<f32, N>],
    flow: usize,
    table: usize,
    run: usize,
    panel: usize,
    to: usize,
    vectors: usize,
    #[comptime] c: PosteriorConfig,
) {
    let mut sums = Array::<Vector<f32, N>>::new(comptime!(c.tile * c.vectors));
    #[unroll]
    for k in 0..comptime!(c.tile * c.vectors) {
        sums[k] = Vector::new(0.0);
    }
    let table = table + panel * comptime!(c.width * c.tile);
    for h in run * RUN..min((run + 1) * RUN, comptime!(c.width).runtime()) {
        #[unroll]
        for k in 0..c.tile {
            let probability = Vector::<f32, N>::new(packed[table + h * c.tile + k]);
            #[unroll]
            for v in 0..c.vectors {
                let at = comptime!(k * c.vectors + v);
                sums[at] = fma(probability, arena[flow + h * vectors + v], sums[at]);
            }
        }
    }
    #[unroll]
    for k in 0..c.tile {
        if panel * c.tile + k < c.values {
            #[unroll]
            for v in 0..c.vectors {
                posteriors[to + k * vectors + v] += sums[comptime!(k * c.vectors + v)];
            }
        }
    }
}
