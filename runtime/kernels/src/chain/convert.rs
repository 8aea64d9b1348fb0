//! Into linear space and back: parameters, and the carry of a chain before and after it.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::inputs::Runs;
use super::{LEAST_PARAMETER, LEAST_VALUE, MOST_PARAMETER};
use crate::math::{exp_bounded, exp_nonpositive, greater, lesser, ln_positive, shift_of};
use crate::operand::{leave, share};
use crate::quads::QUAD;
use crate::stage::stored_row;
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// 1 where a parameter that is not zero is too small or too large for a chain, else what was there before.
#[cube]
fn unfit<N: Size>(before: Vector<f32, N>, parameter: Vector<f32, N>) -> Vector<f32, N> {
    let positive = parameter.greater_than(&Vector::new(0.0));
    let small = parameter.less_than(&Vector::new(LEAST_PARAMETER));
    let large = parameter.greater_than(&Vector::new(MOST_PARAMETER));
    let found = select_many(small, Vector::new(1.0), select_many(large, Vector::new(1.0), before));
    select_many(positive, found, before)
}

/// A linear table of `count` quads of units, `[quad][value][unit]`, from the logarithms of a packed one, `[unit][value]`, and whether any is
/// unfit. Quads that a run does not fill are filled with 0. A work item is a quad.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn table_kernel(
    packed: &[f32],
    linear: &mut [Vector<f32, Const<4>>],
    unfits: &mut [f32],
    from: u32,
    to: u32,
    pitch: u32,
    #[comptime] runs: Runs,
) {
    let (quads, pitch) = (comptime!(runs.quads()), pitch as usize);
    let (first, end) = share(comptime!(runs.len(1)).runtime());
    let mut found = Vector::<f32, Const<4>>::new(0.0);
    for index in first..end {
        let run = index / quads;
        let start = index % quads * QUAD;
        let o = run % comptime!(runs.count()) * runs.tile + start;
        for value in 0..pitch {
            let mut logs = Vector::<f32, Const<4>>::new(f32::NEG_INFINITY);
            #[unroll]
            for k in 0..QUAD {
                if start + k < runs.tile && o + k < runs.units {
                    let h =
                        stored_row(run / comptime!(runs.count()), o + k, comptime!(runs.units), comptime!(runs.rows));
                    logs.insert(k, packed[from as usize * CHUNK + h * pitch + value]);
                }
            }
            let alive = logs.greater_than(&Vector::new(f32::NEG_INFINITY));
            let values = select_many(alive, exp_bounded::<Const<4>>(logs), Vector::new(0.0));
            found = unfit::<Const<4>>(found, values);
            linear[to as usize * comptime!(CHUNK / QUAD) + index * pitch + value] = values;
        }
    }
    #[unroll]
    for k in 0..QUAD {
        unfits[ABSOLUTE_POS * CHUNK] = max(unfits[ABSOLUTE_POS * CHUNK], found.extract(k));
    }
    leave(pitch as u32);
}

/// Whether any of `count` vectors of weights is unfit. A work item is a vector.
#[cube(launch_unchecked)]
pub fn weight_kernel<N: Size>(packed: &[Vector<f32, N>], unfits: &mut [Vector<f32, N>], from: u32, count: u32) {
    let (first, end) = share(count as usize);
    let mut found = unfits[ABSOLUTE_POS];
    for index in first..end {
        found = unfit::<N>(found, packed[from as usize + index]);
    }
    unfits[ABSOLUTE_POS] = found;
    leave(count);
}

/// The carry before a chain, less its maximum, which goes to the offsets, to row `to` of the states. `maxima` get 1, or infinity where a value is too
/// small. A work item is a row.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn enter_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    states: &mut [Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    maxima: &mut [Vector<f32, N>],
    shifts: &mut [Vector<f32, N>],
    row: u32,
    to: u32,
    width: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let row = row as usize;
    let own = ABSOLUTE_POS * samples;
    let (first, end) = share(width as usize);
    for v in 0..samples {
        maxima[own + v] = Vector::new(f32::NEG_INFINITY);
    }
    for h in first..end {
        for v in 0..samples {
            maxima[own + v] = greater::<N>(maxima[own + v], arena[(row + h) * samples + v]);
        }
    }
    sync_cube();
    // The greatest of all units; whether a value is too small goes to the second half of the maxima.
    let flags = CUBE_DIM as usize * samples;
    for v in 0..samples {
        let mut high = maxima[v];
        for unit in 1..CUBE_DIM as usize {
            high = greater::<N>(high, maxima[unit * samples + v]);
        }
        let shift = shift_of::<N>(high);
        let mut least = Vector::<f32, N>::new(1.0);
        for h in first..end {
            let log = arena[(row + h) * samples + v];
            let alive = log.greater_than(&Vector::new(f32::NEG_INFINITY));
            let value = exp_nonpositive::<N>(log - shift);
            least = select_many(alive, lesser::<N>(least, value), least);
            states[(to as usize + h) * samples + v] = select_many(alive, value, Vector::new(0.0));
        }
        let small = least.less_than(&Vector::new(LEAST_VALUE));
        maxima[flags + own + v] = select_many(small, Vector::new(f32::INFINITY), Vector::new(1.0));
        if ABSOLUTE_POS == 0 {
            offsets[v] += Vector::<f64, N>::cast_from(shift);
            shifts[v] = Vector::new(0.0);
        }
    }
    sync_cube();
    for v in 0..samples {
        maxima[own + v] = maxima[flags + own + v];
    }
}

/// The carry after a chain, from region `from` of the states. The exponents that were taken out go to the
/// offsets.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn exit_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    states: &[Vector<f32, N>],
    offsets: &mut [Vector<f64, N>],
    shifts: &[Vector<f32, N>],
    from: u32,
    row: u32,
    width: u32,
    vectors: u32,
) {
    let samples = vectors as usize;
    let (first, end) = share(width as usize);
    for h in first..end {
        for v in 0..samples {
            let value = states[(from as usize + h) * samples + v];
            let alive = value.greater_than(&Vector::new(0.0));
            arena[(row as usize + h) * samples + v] =
                select_many(alive, ln_positive::<N>(value), Vector::new(f32::NEG_INFINITY));
        }
    }
    let (first, end) = share(samples);
    for v in first..end {
        offsets[v] += Vector::<f64, N>::cast_from(shifts[v]) * Vector::new(std::f64::consts::LN_2);
    }
    leave(vectors);
}
