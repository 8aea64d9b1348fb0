//! Lays parameters out the way the kernels read them; the layouts are defined in [`plan`](crate::plan).
//!
//! Padding is zero: the rows of a panel beyond its outputs and the gaps between tensors.

use crate::gpu::Precision;
use crate::plan::{CHUNK, GAUSSIAN_PITCH, Layout, Pack, Plan};
use crate::signature::{Parameter, ParameterShape};
use multiversion::multiversion;
use rayon::prelude::*;

/// `1.5 * 2^23`: adding it rounds to the nearest integer and leaves that integer in the low bits.
pub const ROUND: f32 = 12_582_912.0;

/// Arguments of `exp` below it are taken for it: the result would not be a normal number.
pub const EXP_LEAST: f32 = -87.0;

/// Numbers that are worth a thread.
const GRAIN: usize = 1 << 14;

/// Floats of the packed parameters.
pub fn pack_len(plan: &Plan) -> usize {
    plan.packed_chunks as usize * CHUNK
}

/// Packs the parameters. `values[p]` belongs to `plan.parameters[p]`: tables hold logarithms `[width, values]`,
/// weights are linear. Parameters without a pack are not looked at.
///
/// # Panics
/// If the plan has not been checked by what runs it, or a tensor does not have the length its
/// shape demands.
pub fn pack(plan: &Plan, values: &[Vec<f32>]) -> Vec<f32> {
    pack_all(&plan.packs, pack_len(plan), &plan.parameters, values)
}

/// Like [`pack()`], for the packs of a flow plan: `length` numbers in all.
pub fn pack_all(packs: &[Pack], length: usize, parameters: &[Parameter], values: &[Vec<f32>]) -> Vec<f32> {
    let mut packed = vec![0.0; length];
    for run in runs(packs, parameters, usize::MAX) {
        pack_run_into(run, parameters, values, &mut packed[run[0].offset as usize * CHUNK..]);
    }
    packed
}

/// Cuts packs into runs of tensors that stand one after the other, of about `most` numbers.
pub fn runs<'a>(packs: &'a [Pack], parameters: &'a [Parameter], most: usize) -> impl Iterator<Item = &'a [Pack]> {
    let mut numbers = 0;
    packs.chunk_by(move |pack, next| {
        numbers += length(pack, parameters);
        let follows = pack.offset as usize * CHUNK + length(pack, parameters) == next.offset as usize * CHUNK;
        let goes_on = follows && numbers < most;
        numbers = if goes_on { numbers } else { 0 };
        goes_on
    })
}

/// The packed numbers of one of the [`runs`], on all cores.
///
/// # Panics
/// As [`pack()`].
pub fn pack_run(run: &[Pack], parameters: &[Parameter], values: &[Vec<f32>]) -> Vec<f32> {
    let mut packed = vec![0.0; run.iter().map(|pack| length(pack, parameters)).sum()];
    pack_run_into(run, parameters, values, &mut packed);
    packed
}

/// Packs a run into a buffer of zeros.
fn pack_run_into(run: &[Pack], parameters: &[Parameter], values: &[Vec<f32>], mut rest: &mut [f32]) {
    let mut parts = Vec::with_capacity(run.len());
    for pack in run {
        let (part, others) = rest.split_at_mut(length(pack, parameters));
        parts.push((pack, part));
        rest = others;
    }
    parts.into_par_iter().for_each(|(pack, part)| pack_into(pack, parameters, values, part));
}

/// Numbers of a packed tensor, and of the gap after it.
fn length(pack: &Pack, parameters: &[Parameter]) -> usize {
    let sizes = pack_sizes(pack.layout, &parameters[pack.parameter as usize].shape);
    sizes.expect("the plan has passed validation").iter().product::<usize>().next_multiple_of(CHUNK)
}

/// The packed weights of block-diagonal sums once more, as kernels for tensor cores read them: what a cube computes side by side stands side by
/// side. Panels `[block][columns / tile][summed][tile]` become `[block][summed][columns]`, in the same place, of the same length; all else is 0.
/// Numbers have `precision.bytes()` bytes and are rounded to the nearest.
///
/// # Panics
/// As [`pack()`].
pub fn matrices(packs: &[Pack], parameters: &[Parameter], packed: &[f32], precision: Precision) -> Vec<u8> {
    let bytes = precision.bytes() as usize;
    let mut all = vec![0; packed.len() * bytes];
    for pack in packs {
        let shape = &parameters[pack.parameter as usize].shape;
        let (ParameterShape::Weight { outputs, inputs, .. }, Layout::Panels { tile } | Layout::Transposed { tile }) =
            (shape, pack.layout)
        else {
            continue;
        };
        let is_forward = matches!(pack.layout, Layout::Panels { .. });
        let (columns, summed) = if is_forward { (*outputs, *inputs) } else { (*inputs, *outputs) };
        let tile = tile as usize;
        let length = columns.next_multiple_of(tile) * summed;
        let blocks = pack_sizes(pack.layout, shape).expect("the plan has passed validation")[0];
        let range = pack.offset as usize * CHUNK..pack.offset as usize * CHUNK + blocks * length;
        let from = packed[range.clone()].par_chunks_exact(length);
        let to = all[range.start * bytes..range.end * bytes].par_chunks_exact_mut(length * bytes);
        from.zip(to).for_each(|(from, to)| {
            for (place, to) in to.chunks_exact_mut(bytes).take(summed * columns).enumerate() {
                let (k, column) = (place / columns, place % columns);
                let weight = from[(column / tile * summed + k) * tile + column % tile];
                // The low bytes of what is rounded are 0 or stay behind.
                to.copy_from_slice(&rounded(weight, precision).to_le_bytes()[4 - bytes..]);
            }
        });
    }
    all
}

/// The bits of a number in single precision whose significand is rounded to the nearest, a tie to the even one.
fn rounded(number: f32, precision: Precision) -> u32 {
    let dropped = match precision {
        Precision::F32 => return number.to_bits(),
        Precision::Tf32 => 13,
        Precision::Bf16 => 16,
    };
    let bits = number.to_bits();
    let half = (1 << (dropped - 1)) - 1 + (bits >> dropped & 1);
    (bits + half) >> dropped << dropped
}

/// The sizes of a packed tensor, if a parameter of this shape can be packed so.
pub fn pack_sizes(layout: Layout, shape: &ParameterShape) -> Option<[usize; 3]> {
    let whole = |size: usize, tile: u32| size.checked_next_multiple_of(tile as usize).unwrap_or(usize::MAX);
    match (layout, shape) {
        (Layout::Table | Layout::Greatest, ParameterShape::Table { width, values }) => {
            Some([*width, values.saturating_add(1), 1])
        }
        (Layout::Panels { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) if tile > 0 => {
            Some([*blocks, whole(*outputs, tile), *inputs])
        }
        (Layout::Transposed { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) if tile > 0 => {
            Some([*blocks, whole(*inputs, tile), *outputs])
        }
        (Layout::Logarithms, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
            Some([*blocks, *outputs, *inputs])
        }
        (Layout::Probabilities { tile }, ParameterShape::Table { width, values }) if tile > 0 => {
            Some([*width, whole(*values, tile), 1])
        }
        (Layout::Mixing, ParameterShape::Mixing { width, inputs }) => Some([*width, *inputs, 1]),
        (Layout::Gaussian | Layout::GaussianGreatest, ParameterShape::Gaussian { width, .. }) => {
            Some([*width, GAUSSIAN_PITCH as usize, 1])
        }
        _ => None,
    }
}

/// Packs one tensor into a buffer of zeros.
fn pack_into(pack: &Pack, parameters: &[Parameter], values: &[Vec<f32>], target: &mut [f32]) {
    let parameter = &parameters[pack.parameter as usize];
    let source = &values[pack.parameter as usize];
    match (pack.layout, &parameter.shape) {
        (Layout::Table, ParameterShape::Table { width, values }) => {
            check(&parameter.name, source, width * values);
            pack_table(source, *values, target);
        }
        (Layout::Panels { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
            check(&parameter.name, source, blocks * outputs * inputs);
            pack_panels(source, [*blocks, *outputs, *inputs], tile as usize, target);
        }
        (Layout::Transposed { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
            check(&parameter.name, source, blocks * outputs * inputs);
            pack_transposed(source, [*blocks, *outputs, *inputs], tile as usize, target);
        }
        (Layout::Logarithms, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
            check(&parameter.name, source, blocks * outputs * inputs);
            target.iter_mut().zip(source).for_each(|(to, weight)| *to = weight.ln());
        }
        (Layout::Greatest, ParameterShape::Table { width, values }) => {
            check(&parameter.name, source, width * values);
            pack_greatest(source, *values, target);
        }
        (Layout::Probabilities { tile }, ParameterShape::Table { width, values }) => {
            check(&parameter.name, source, width * values);
            pack_probabilities(source, [*width, *values], tile as usize, target);
        }
        (Layout::Mixing, ParameterShape::Mixing { width, inputs }) => {
            check(&parameter.name, source, width * inputs);
            target[..source.len()].copy_from_slice(source);
        }
        (Layout::Gaussian | Layout::GaussianGreatest, ParameterShape::Gaussian { width, .. }) => {
            check(&parameter.name, source, 2 * width);
            pack_gaussian(source, pack.layout == Layout::GaussianGreatest, target);
        }
        (layout, shape) => panic!("`{}` of shape {shape:?} cannot be packed as {layout:?}", parameter.name),
    }
}

fn check(name: &str, source: &[f32], expected: usize) {
    assert_eq!(source.len(), expected, "the parameter `{name}` has the wrong length");
}

/// The numbers of Gaussian units from their means and variances, which are positive.
fn pack_gaussian(source: &[f32], is_greatest: bool, target: &mut [f32]) {
    for (unit, to) in source.chunks_exact(2).zip(target.chunks_exact_mut(GAUSSIAN_PITCH as usize)) {
        let variance = f64::from(unit[1]);
        let greatest = (-0.5 * (std::f64::consts::TAU * variance).ln()) as f32;
        to.copy_from_slice(&[
            unit[0],
            (1.0 / variance.sqrt()) as f32,
            greatest,
            if is_greatest { greatest } else { 0.0 },
        ]);
    }
}

fn pack_table(source: &[f32], values: usize, target: &mut [f32]) {
    let rows = source.par_chunks_exact(values).zip(target.par_chunks_exact_mut(values + 1));
    rows.with_min_len(GRAIN / values + 1).for_each(|(row, to)| {
        to[..values].copy_from_slice(row);
        to[values] = log_sum(row);
    });
}

/// As [`pack_table()`], with the greatest of each row after it.
fn pack_greatest(source: &[f32], values: usize, target: &mut [f32]) {
    let rows = source.par_chunks_exact(values).zip(target.par_chunks_exact_mut(values + 1));
    rows.with_min_len(GRAIN / values + 1).for_each(|(row, to)| {
        to[..values].copy_from_slice(row);
        to[values] = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    });
}

/// Panels of some values of all units; a row of `-inf` gives zeros.
fn pack_probabilities(source: &[f32], [width, values]: [usize; 2], tile: usize, target: &mut [f32]) {
    let grain = GRAIN / values + 1;
    let totals: Vec<f64> =
        source.par_chunks_exact(values).with_min_len(grain).map(|row| f64::from(log_sum(row))).collect();
    for (panel, target) in target[..width * values.next_multiple_of(tile)].chunks_exact_mut(width * tile).enumerate() {
        let within = panel * tile..values.min((panel + 1) * tile);
        let rows = source.par_chunks_exact(values).zip(&totals).zip(target.par_chunks_exact_mut(tile));
        rows.with_min_len(grain).filter(|((_, total), _)| **total > f64::NEG_INFINITY).for_each(
            |((row, total), to)| {
                to.iter_mut()
                    .zip(&row[within.clone()])
                    .for_each(|(to, &log)| *to = (f64::from(log) - total).exp() as f32);
            },
        );
    }
}

/// Panel after panel; what a panel has beyond the last output stays as it is.
fn pack_panels(source: &[f32], [blocks, outputs, inputs]: [usize; 3], tile: usize, target: &mut [f32]) {
    let count = outputs.div_ceil(tile);
    let panels = target[..blocks * count * inputs * tile].par_chunks_exact_mut(inputs * tile);
    panels.with_min_len(GRAIN / (tile * inputs) + 1).enumerate().for_each(|(index, panel)| {
        let first = index % count * tile;
        let rows = &source[(index / count * outputs + first) * inputs..][..tile.min(outputs - first) * inputs];
        for (output, row) in rows.chunks_exact(inputs).enumerate() {
            for (input, &weight) in row.iter().enumerate() {
                panel[input * tile + output] = weight;
            }
        }
    });
}

/// Panels of some inputs of all outputs.
fn pack_transposed(source: &[f32], [blocks, outputs, inputs]: [usize; 3], tile: usize, target: &mut [f32]) {
    let count = inputs.div_ceil(tile);
    let panels = target[..blocks * count * outputs * tile].par_chunks_exact_mut(outputs * tile);
    panels.with_min_len(GRAIN / (outputs * tile) + 1).enumerate().for_each(|(index, panel)| {
        let first = index % count * tile;
        let width = tile.min(inputs - first);
        let rows = source[index / count * outputs * inputs..][..outputs * inputs].chunks_exact(inputs);
        for (row, to) in rows.zip(panel.chunks_exact_mut(tile)) {
            to[..width].copy_from_slice(&row[first..first + width]);
        }
    });
}

/// `ln(sum(exp(row)))`, good to `2e-7`; `-inf` for a row of `-inf`.
#[multiversion(targets = "simd")]
pub(crate) fn log_sum(row: &[f32]) -> f32 {
    let greater = |high: f32, x: f32| if x > high { x } else { high };
    // Several at a time, so that they need not wait for each other.
    let (mut highs, mut sums) = ([f32::NEG_INFINITY; 16], [0.0f64; 16]);
    let chunks = row.chunks_exact(highs.len());
    chunks.clone().for_each(|chunk| highs.iter_mut().zip(chunk).for_each(|(high, &x)| *high = greater(*high, x)));
    let high = highs.iter().chain(chunks.remainder()).fold(f32::NEG_INFINITY, |high, &x| greater(high, x));
    if high == f32::NEG_INFINITY {
        return high;
    }
    let rest: f64 = chunks.remainder().iter().map(|&x| f64::from(exp_nonpositive(x - high))).sum();
    for chunk in chunks {
        for (sum, &x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(exp_nonpositive(x - high));
        }
    }
    (f64::from(high) + (sums.iter().sum::<f64>() + rest).ln()) as f32
}

/// `exp(x)` for `x <= 0`, 0 below -87: the polynomial of the kernels, in a form that compilers turn into vectors.
#[inline(always)]
fn exp_nonpositive(x: f32) -> f32 {
    let bounded = if x > EXP_LEAST { x } else { EXP_LEAST };
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let r = bounded - (shifted - ROUND) * std::f32::consts::LN_2;
    let p = (((0.008_290_142 * r + 0.041_898_854) * r + 0.166_676_44) * r + 0.499_991_43) * r + 0.999_999_7;
    let power = f32::from_bits((p * r + 1.0).to_bits().wrapping_add(shifted.to_bits() << 23));
    if x > EXP_LEAST { power } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Init;

    #[test]
    fn weights_are_rounded_to_the_nearest() {
        for (number, precision, expected) in [
            (1.0 + 1.0 / 256.0, Precision::Bf16, 1.0),
            (1.0 + 3.0 / 256.0, Precision::Bf16, 1.0 + 4.0 / 256.0),
            (1.0 + 1.1 / 256.0, Precision::Bf16, 1.0 + 2.0 / 256.0),
            (1.0 - 1.0 / 1024.0, Precision::Bf16, 1.0),
            (1.0 + 1.1 / 2048.0, Precision::Tf32, 1.0 + 2.0 / 2048.0),
            (0.3, Precision::F32, 0.3),
        ] {
            assert_eq!(f32::from_bits(rounded(number, precision)), expected, "{number} as {precision:?}");
        }
    }

    // COVERS: targets.matrices
    /// Both orders of panels, with a tile that does not divide the columns, in a buffer that begins with something else.
    #[test]
    fn matrices_stand_in_the_order_of_what_is_summed() {
        let source: Vec<f32> = (0..2 * 5 * 3).map(|number| number as f32).collect();
        let shape = ParameterShape::Weight { blocks: 2, outputs: 5, inputs: 3, dense: false };
        let parameters = [Parameter { name: "w".into(), shape, init: Init::Random }];
        for (layout, columns, summed) in [(Layout::Panels { tile: 4 }, 5, 3), (Layout::Transposed { tile: 2 }, 3, 5)] {
            let packs = [Pack { offset: 1, parameter: 0, layout }];
            let packed = pack_all(&packs, 80, &parameters, std::slice::from_ref(&source));
            let found = matrices(&packs, &parameters, &packed, Precision::F32);
            let found: Vec<f32> =
                found.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("4 bytes"))).collect();
            let length = columns * summed + if columns == 5 { 9 } else { 5 };
            for (block, k, column) in
                (0..2).flat_map(|b| (0..summed).flat_map(move |k| (0..columns).map(move |c| (b, k, c))))
            {
                let (output, input) = if columns == 5 { (column, k) } else { (k, column) };
                let place = CHUNK + block * length + k * columns + column;
                assert_eq!(found[place], source[(block * 5 + output) * 3 + input], "{layout:?} {block} {k} {column}");
            }
        }
    }

    #[test]
    fn sums_of_rows_are_exact() {
        for length in [1, 2, 7, 8, 9, 64, 257, 1000] {
            let row: Vec<f32> = (0..length).map(|i| -((i * i * 37 % 1009) as f32) / 9.0).collect();
            let expected = row.iter().map(|&x| f64::from(x).exp()).sum::<f64>().ln();
            assert!((f64::from(log_sum(&row)) - expected).abs() < 4e-7, "{length}: {} {expected}", log_sum(&row));
        }
        assert_eq!(log_sum(&[f32::NEG_INFINITY, -3.0, f32::NEG_INFINITY]), -3.0);
        assert_eq!(log_sum(&[f32::NEG_INFINITY; 3]), f32::NEG_INFINITY);
        assert_eq!(log_sum(&[]), f32::NEG_INFINITY);
    }
}
