//! Choices at sums, mixtures and inputs: one of the operands of the chosen unit. A work item is (member, vector of draws).

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use super::max::SumConfig;
use super::pick::{Descent, pick, sample_of};
use crate::operand::{Operands, leave, share};
use cubecl::prelude::*;
use danaus_artifact::plan::CHUNK;

/// Compile-time values of [`choose_stage_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct ChooseSumConfig {
    /// Its sizes.
    pub sum: SumConfig,
    /// Draws, or takes the greatest.
    pub draws: bool,
}

/// Compile-time values of [`choose_mixing_kernel()`] and [`choose_input_kernel()`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub struct ChooseConfig {
    /// Units.
    pub width: usize,
    /// Number of parts of a mixture, or of values of a variable.
    pub count: usize,
    /// Draws, or takes the greatest.
    pub draws: bool,
}

/// The choices of a vector of draws; those beyond `width` become 0.
#[cube]
pub fn chosen<N: Size>(
    choices: &[u32],
    row: usize,
    descent: &Descent,
    d: usize,
    #[comptime] width: usize,
) -> Vector<u32, N> {
    let n = N::value();
    let at = row * descent.draws as usize + d;
    let mut all = Vector::<u32, N>::empty();
    #[unroll]
    for lane in 0..n {
        let choice = choices[at + lane];
        all.insert(lane, select(choice > comptime!(width as u32).runtime(), 0u32, choice));
    }
    all
}

/// Whether there is a choice.
#[cube]
pub fn any<N: Size>(choice: Vector<u32, N>) -> bool {
    let n = N::value();
    let mut all = choice.extract(0usize);
    #[unroll]
    for lane in 1..n {
        all |= choice.extract(lane);
    }
    all > 0
}

/// Writes the choices of a vector of draws.
#[cube]
fn write<N: Size>(choices: &mut [u32], row: usize, descent: &Descent, d: usize, choice: Vector<u32, N>) {
    let n = N::value();
    let at = row * descent.draws as usize + d;
    #[unroll]
    for lane in 0..n {
        choices[at + lane] = choice.extract(lane);
    }
}

/// Unit `h` of the operands of a sum, for one sample.
#[cube]
#[allow(clippy::too_many_arguments)]
fn operand_sum(
    arena: &[f32],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    descent: &Descent,
    record: usize,
    h: usize,
    sample: usize,
    #[comptime] list: Operands,
) -> f32 {
    let samples = descent.samples as usize;
    let mut sum = 0.0f32.runtime();
    #[unroll]
    for part in 0..comptime!(list.parts) {
        sum += arena[(tables[record + comptime!(list.parts_at + part)] as usize + h) * samples + sample];
    }
    #[unroll]
    for input in 0..comptime!(list.inputs) {
        let quadruple = record + comptime!(list.inputs_at + 4 * input);
        let value = evidence[tables[quadruple] as usize * samples + sample] as usize;
        let row = tables[quadruple + 2] as usize * CHUNK + h * tables[quadruple + 3] as usize;
        sum += packed[row + value];
    }
    sum
}

/// An input of a block-diagonal sum, in proportion to `W[g % distinct, o, i] * exp(s[g, i])`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn choose_stage_kernel<N: Size>(
    arena: &[f32],
    choices: &mut [u32],
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    descent: Descent,
    #[comptime] c: ChooseSumConfig,
) {
    let n = N::value();
    let sum = comptime!(c.sum);
    let tiles = descent.draws as usize / n;
    let (first, end) = share(descent.members as usize * tiles);
    let slot = ABSOLUTE_POS * sum.inputs;
    for item in first..end {
        let record = descent.table as usize + item / tiles * sum.record;
        let d = item % tiles * n;
        let choice = chosen::<N>(&*choices, tables[record] as usize, &descent, d, comptime!(sum.blocks * sum.outputs));
        let mut below = Vector::<u32, N>::new(0u32);
        if any::<N>(choice) {
            let weights = tables[record + 4] as usize * CHUNK;
            let mut rows = Vector::<u32, N>::empty();
            let mut units = Vector::<u32, N>::empty();
            let mut samples = Vector::<u32, N>::empty();
            #[unroll]
            for lane in 0..n {
                // Where there is no choice, that of the first unit is computed and thrown away.
                let p = max(choice.extract(lane), 1u32) as usize - 1;
                let o = p / sum.rows % sum.outputs;
                let g = p / comptime!(sum.rows * sum.outputs) * sum.rows + p % sum.rows;
                let row = (g % sum.distinct * sum.outputs + o) * sum.inputs;
                rows.insert(lane, (weights + row) as u32);
                units.insert(lane, (g * sum.inputs) as u32);
                samples.insert(lane, sample_of(&descent, d + lane) as u32);
            }
            for i in 0..sum.inputs {
                let mut x = Vector::<f32, N>::empty();
                #[unroll]
                for lane in 0..n {
                    let (h, sample) = (units.extract(lane) as usize + i, samples.extract(lane) as usize);
                    let s = operand_sum(
                        arena,
                        packed,
                        tables,
                        evidence,
                        &descent,
                        record,
                        h,
                        sample,
                        comptime!(sum.prologue),
                    );
                    x.insert(lane, packed[rows.extract(lane) as usize + i] + s);
                }
                scratch[slot + i] = x;
            }
            let index =
                pick::<N>(scratch, tables, &descent, slot, record + 2, d, comptime!(sum.inputs), comptime!(c.draws));
            let there = index.less_than(&Vector::new(comptime!(sum.inputs as u32)));
            let next = select_many(there, units + index + Vector::new(1u32), Vector::new(0u32));
            below = select_many(choice.greater_than(&Vector::new(0u32)), next, below);
        }
        write::<N>(choices, tables[record + 1] as usize, &descent, d, below);
    }
    leave(descent.draws);
}

/// A part of a mixture, in proportion to `W[h, k] * exp(part_k[h])`.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn choose_mixing_kernel<N: Size>(
    arena: &[f32],
    choices: &mut [u32],
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    descent: Descent,
    #[comptime] c: ChooseConfig,
) {
    let n = N::value();
    let tiles = descent.draws as usize / n;
    let (first, end) = share(descent.members as usize * tiles);
    let slot = ABSOLUTE_POS * c.count;
    for item in first..end {
        let record = descent.table as usize + item / tiles * comptime!(4 + 2 * c.count);
        let d = item % tiles * n;
        let choice = chosen::<N>(&*choices, tables[record] as usize, &descent, d, c.width);
        let mut index = Vector::<u32, N>::new(comptime!(c.count as u32));
        if any::<N>(choice) {
            let weights = tables[record + 3] as usize * CHUNK;
            for k in 0..c.count {
                let part = tables[record + 4 + 2 * k] as usize;
                let mut weight = Vector::<f32, N>::empty();
                let mut value = Vector::<f32, N>::empty();
                #[unroll]
                for lane in 0..n {
                    let h = max(choice.extract(lane), 1u32) as usize - 1;
                    weight.insert(lane, packed[weights + h * c.count + k]);
                    let sample = sample_of(&descent, d + lane);
                    value.insert(lane, arena[(part + h) * descent.samples as usize + sample]);
                }
                scratch[slot + k] = weight.ln() + value;
            }
            index = pick::<N>(scratch, tables, &descent, slot, record + 1, d, c.count, comptime!(c.draws));
        }
        for k in 0..c.count {
            let taken = index.equal(&Vector::new(k as u32));
            let next = select_many(taken, choice, Vector::new(0u32));
            write::<N>(choices, tables[record + 5 + 2 * k] as usize, &descent, d, next);
        }
    }
    leave(descent.draws);
}

/// The value of a variable: the observed one, or a value of the chosen unit's row in proportion to the probabilities. Only draws that
/// have a choice write.
#[cube(launch_unchecked)]
#[allow(clippy::too_many_arguments)]
pub fn choose_input_kernel<N: Size>(
    choices: &[u32],
    completions: &mut [u32],
    scratch: &mut [Vector<f32, N>],
    packed: &[f32],
    tables: &[u32],
    evidence: &[u32],
    descent: Descent,
    #[comptime] c: ChooseConfig,
) {
    let n = N::value();
    let tiles = descent.draws as usize / n;
    let (first, end) = share(descent.members as usize * tiles);
    let slot = ABSOLUTE_POS * c.count;
    for item in first..end {
        let record = descent.table as usize + item / tiles * 5;
        let d = item % tiles * n;
        let choice = chosen::<N>(choices, tables[record] as usize, &descent, d, c.width);
        if any::<N>(choice) {
            let variable = tables[record + 3] as usize;
            let table = tables[record + 4] as usize * CHUNK;
            for k in 0..c.count {
                let mut x = Vector::<f32, N>::empty();
                #[unroll]
                for lane in 0..n {
                    let h = max(choice.extract(lane), 1u32) as usize - 1;
                    x.insert(lane, packed[table + h * comptime!(c.count + 1) + k]);
                }
                scratch[slot + k] = x;
            }
            let index = pick::<N>(scratch, tables, &descent, slot, record + 1, d, c.count, comptime!(c.draws));
            #[unroll]
            for lane in 0..n {
                if choice.extract(lane) > 0 {
                    let observed = evidence[variable * descent.samples as usize + sample_of(&descent, d + lane)];
                    let is_missing = observed == comptime!(c.count as u32).runtime();
                    let value = select(is_missing, index.extract(lane), observed);
                    completions[variable * descent.draws as usize + d + lane] = value;
                }
            }
        }
    }
    leave(descent.draws);
}
