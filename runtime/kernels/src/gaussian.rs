//! Gaussian units of real variables: logarithms of densities, counts, posteriors, and numbers that are chosen.
//!
//! A unit has four numbers in the packed parameters ([`Layout::Gaussian`](danaus_artifact::plan::Layout::Gaussian)): its mean `m`, one over
//! its standard deviation `s`, the logarithm of its density at the mean, and its value where the variable is missing. With
//! `z = (x - m) / s` the value is `greatest - z^2 / 2`. Evidence is the bits of `x`.
//!
//! **Exactness.** Everything is relative to the mean and in units of the standard deviation, so nothing is lost where means are large and
//! variances small. `z` is cut off at [`FARTHEST`], whose square is still a number: no flow of 0 meets an infinity.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::math::{greater, lesser, ln_positive};
use crate::operand::{Place, leave, share};
use crate::queries::choose::{any, chosen};
use crate::queries::pick::{Descent, numbers, sample_of};
use crate::queries::random::uniform;
use cubecl::prelude::*;
use danaus_artifact::flow_plan::GAUSSIAN_COUNTS;
use danaus_artifact::plan::{CHUNK, GAUSSIAN_PITCH};
use danaus_artifact::signature::REAL_MISSING;

/// The greatest distance from a mean, in standard deviations.
const FARTHEST: f32 = 1e18;

/// Numbers of a unit in the packed parameters.
const PITCH: usize = GAUSSIAN_PITCH as usize;

/// Units of a work item.
const ROWS: usize = 32;

/// Tells the second random number of a draw from the first.
const SECOND: u32 = 1 << 31;

/// The bits of what the samples of vector `v` have of a variable.
#[cube]
fn observed<N: Size>(evidence: &[u32], variable: usize, vectors: usize, v: usize) -> Vector<u32, N> {
    let n = N::value();
    let at = (variable * vectors + v) * n;
    let mut bits = Vector::<u32, N>::empty();
    #[unroll]
    for lane in 0..n {
        bits.insert(lane, evidence[at + lane]);
    }
    bits
}

/// How far numbers are from the mean of the unit at `unit`, in standard deviations.
#[cube]
fn distance<N: Size>(packed: &[f32], unit: usize, x: Vector<f32, N>) -> Vector<f32, N> {
    let z = (x - Vector::new(packed[unit])) * Vector::new(packed[unit + 1]);
    greater::<N>(lesser::<N>(z, Vector::new(FARTHEST)), Vector::new(-FARTHEST))
}

/// The values of Gaussian units. A work item is (member, run of units).
#[cube(launch_unchecked)]
pub fn gaussian_kernel<N: Size>(
    arena: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    #[comptime] width: usize,
) {
    let vectors = place.vectors as usize;
    let runs = comptime!(width.div_ceil(ROWS));
    let (first, end) = share(place.members as usize * runs);
    for item in first..end {
        let record = place.table as usize + item / runs * 6;
        let out = tables[record] as usize;
        let variable = (tables[record + 2] + place.iteration * tables[record + 3] - place.base) as usize;
        let units = tables[record + 4] as usize * CHUNK;
        let h0 = item % runs * ROWS;
        let h_end = min(h0 + ROWS, comptime!(width).runtime());
        for v in 0..vectors {
            let bits = observed::<N>(evidence, variable, vectors, v);
            let missing = bits.equal(&Vector::new(REAL_MISSING));
            let x = Vector::<f32, N>::reinterpret(bits);
            for h in h0..h_end {
                let unit = units + h * PITCH;
                let z = distance::<N>(packed, unit, x);
                let value = fma(z * z, Vector::new(-0.5), Vector::new(packed[unit + 2]));
                arena[(out + h) * vectors + v] = select_many(missing, Vector::new(packed[unit + 3]), value);
            }
        }
    }
    leave(place.vectors);
}

/// Counts of Gaussian units: the sums of `F`, `F z` and `F z^2`. A work item is (group, run of units); it adds what all readers of the
/// group give, one after the other.
#[cube(launch_unchecked)]
pub fn gaussian_flow_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    counts: &mut [f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    place: Place,
    groups: u32,
    #[comptime] width: usize,
) {
    let vectors = place.vectors as usize;
    let runs = comptime!(width.div_ceil(ROWS));
    let (first, end) = share(groups as usize * runs);
    for item in first..end {
        let group = place.table as usize + place.members as usize * 3 + item / runs * 3;
        let count = tables[group] as usize * CHUNK;
        let h0 = item % runs * ROWS;
        let h_end = min(h0 + ROWS, comptime!(width).runtime());
        for reader in tables[group + 1] as usize..tables[group + 2] as usize {
            let record = place.table as usize + reader * 3;
            let flow = tables[record] as usize;
            let units = tables[record + 2] as usize * CHUNK;
            for h in h0..h_end {
                let mut all = Vector::<f32, N>::new(0.0);
                let mut linear = Vector::<f32, N>::new(0.0);
                let mut square = Vector::<f32, N>::new(0.0);
                for v in 0..vectors {
                    let bits = observed::<N>(evidence, tables[record + 1] as usize, vectors, v);
                    let missing = bits.equal(&Vector::new(REAL_MISSING));
                    let z = distance::<N>(packed, units + h * PITCH, Vector::<f32, N>::reinterpret(bits));
                    let z2 = select_many(missing, Vector::new(1.0), z * z);
                    let z = select_many(missing, Vector::new(0.0), z);
                    let above = arena[(flow + h) * vectors + v];
                    all += above;
                    linear = fma(above, z, linear);
                    square = fma(above, z2, square);
                }
                let at = count + h * GAUSSIAN_COUNTS;
                counts[at] += crate::math::total::<N>(all);
                counts[at + 1] += crate::math::total::<N>(linear);
                counts[at + 2] += crate::math::total::<N>(square);
            }
        }
    }
    leave(place.vectors);
}

/// Posteriors of real variables: each unit of flow `F` is a part `F` of a mixture. Weights, means and sums of squared distances from the mean are
/// added up unit by unit (T. Chan, G. Golub, R. LeVeque, "Algorithms for computing the sample variance", 1983): nothing is
/// subtracted that is much larger than the difference. A work item is (variable, vector of samples).
#[cube(launch_unchecked)]
pub fn gaussian_posterior_kernel<N: Size>(
    arena: &[Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    starts: &[u32],
    posteriors: &mut [Vector<f32, N>],
    place: Place,
    groups: u32,
    #[comptime] width: usize,
) {
    let vectors = place.vectors as usize;
    let (first, end) = share(groups as usize * vectors);
    for item in first..end {
        let v = item % vectors;
        let group = place.table as usize + place.members as usize * 3 + item / vectors * 2;
        let variable = tables[place.table as usize + tables[group] as usize * 3 + 1] as usize;
        let to = starts[variable] as usize * vectors + v;
        let mut all = posteriors[to];
        let mut mean = posteriors[to + vectors];
        let mut square = posteriors[to + 2 * vectors];
        for reader in tables[group] as usize..tables[group + 1] as usize {
            let record = place.table as usize + reader * 3;
            let flow = tables[record] as usize;
            let units = tables[record + 2] as usize * CHUNK;
            for h in 0..width {
                let unit = units + h * PITCH;
                let above = arena[(flow + h) * vectors + v];
                let deviation = 1.0 / packed[unit + 1];
                all += above;
                let part = above / greater::<N>(all, Vector::new(f32::MIN_POSITIVE));
                let before = Vector::<f32, N>::new(packed[unit]) - mean;
                mean = fma(before, part, mean);
                let after = Vector::<f32, N>::new(packed[unit]) - mean;
                square = fma(above, fma(before, after, Vector::new(deviation * deviation)), square);
            }
        }
        posteriors[to] = all;
        posteriors[to + vectors] = mean;
        posteriors[to + 2 * vectors] = square;
    }
    leave(place.vectors);
}

/// The number of a real variable: the observed one, or one of the chosen unit, drawn by the method of G. Box and M. Muller (1958) or its
/// mean. Numbers farther than 5.8 standard deviations from the mean are never drawn: the uniform numbers have 24 bits. Only draws that
/// have a choice write. A work item is (member, vector of draws).
#[cube(launch_unchecked)]
pub fn choose_gaussian_kernel<N: Size>(
    choices: &[u32],
    completions: &mut [u32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    descent: Descent,
    #[comptime] width: usize,
    #[comptime] draws: bool,
) {
    let n = N::value();
    let tiles = descent.draws as usize / n;
    let (first, end) = share(descent.members as usize * tiles);
    for item in first..end {
        let record = descent.table as usize + item / tiles * 5;
        let d = item % tiles * n;
        let choice = chosen::<N>(choices, tables[record] as usize, &descent, d, width);
        if any::<N>(choice) {
            let mut normal = Vector::<f32, N>::new(0.0);
            if comptime!(draws) {
                let (place, iteration) = (tables[record + 1], tables[record + 2]);
                normal = standard_normal::<N>(&descent, d, place, iteration) / Vector::new(descent.sharpness).sqrt();
            }
            let variable = tables[record + 3] as usize;
            let units = tables[record + 4] as usize * CHUNK;
            #[unroll]
            for lane in 0..n {
                if choice.extract(lane) > 0 {
                    let unit = units + (choice.extract(lane) as usize - 1) * PITCH;
                    let found = evidence[variable * descent.samples as usize + sample_of(&descent, d + lane)];
                    let number = packed[unit] + normal.extract(lane) / packed[unit + 1];
                    let value = select(found == REAL_MISSING, u32::reinterpret(number), found);
                    completions[variable * descent.draws as usize + d + lane] = value;
                }
            }
        }
    }
    leave(descent.draws);
}

/// Standard normal numbers of the draws from `d` on.
#[cube]
fn standard_normal<N: Size>(descent: &Descent, d: usize, place: u32, iteration: u32) -> Vector<f32, N> {
    let key = (descent.seed_low, descent.seed_high);
    let radius = uniform::<N>(key, numbers::<N>(descent, d), place, iteration);
    let angle = uniform::<N>(key, numbers::<N>(descent, d), place + SECOND, iteration);
    let square = ln_positive::<N>(Vector::new(1.0) - radius) * Vector::new(-2.0);
    // The polynomial of the logarithm may be a little above 0 at 1.
    let length = greater::<N>(square, Vector::new(0.0)).sqrt();
    length * (angle * Vector::new(std::f32::consts::TAU)).cos()
}
