//! Random rows. Row `r` of a tensor of `n` columns is `e / sum(e)` with `e` standard exponentials: uniform on the simplex
//! (Devroye, Non-Uniform Random Variate Generation, 1986, section V.2).
//!
//! The bits are fixed by this definition, on every machine and for any number of threads: the stream is ChaCha8
//! keyed with `BLAKE3("danaus parameter" || seed as 8 bytes, little-endian || name)`, nonce 0. The 64-bit number `k`
//! (words `2k`, low, and `2k + 1`, high, of the stream) gives the `k`-th entry, row-major: `u = ((number >> 11) + 1) * 2^-53`,
//! `e = -ln u`. A row is summed from its first entry to its last in double precision; the quotient is rounded to single precision.

use crate::families;
use crate::numbers::ln;
use danaus_artifact::signature::Family;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Entries that are worth a thread.
const GRAIN: usize = 1 << 16;

/// `rows` rows of `columns` entries, as `entry` makes them from a probability.
pub fn rows(seed: u64, name: &str, rows: usize, columns: usize, entry: fn(f64) -> f64) -> Vec<f32> {
    let key = blake3::Hasher::new()
        .update(b"danaus parameter")
        .update(&seed.to_le_bytes())
        .update(name.as_bytes())
        .finalize();
    let mut values = vec![0.0; rows * columns];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows_each = rows.div_ceil(threads).max(GRAIN.div_ceil(columns));
    std::thread::scope(|scope| {
        for (part, values) in values.chunks_mut(rows_each * columns).enumerate() {
            let first = part * rows_each * columns;
            let mut fill = move || fill(*key.as_bytes(), first, values, columns, entry);
            if first == 0 && rows <= rows_each {
                fill();
            } else {
                scope.spawn(fill);
            }
        }
    });
    values
}

/// Rows that are members of a family: row `r` is the one of the first numbers of the rows `2 r` and `2 r + 1`, of two entries
/// each, that [`rows`] would give.
pub fn members(seed: u64, name: &str, family: Family, width: usize, values: usize) -> Vec<f32> {
    let numbers = rows(seed, name, 2 * width, 2, |probability| probability);
    let mut row = vec![0.0; values];
    let mut members = Vec::with_capacity(width * values);
    for pair in numbers.chunks_exact(4) {
        families::member(family, f64::from(pair[0]), f64::from(pair[2]), &mut row);
        members.extend(row.iter().map(|log| *log as f32));
    }
    members
}

/// Gaussian units with standard normal means and the variance 1, or the floor under it: the means of units `2 k` and `2 k + 1` are
/// `sqrt(-2 ln u) cos(2 pi w)` and `sqrt(-2 ln u) sin(2 pi w)` (G. Box, M. Muller, 1958), where `u` and `w` are the first numbers of the rows
/// `2 k` and `2 k + 1`, of two entries each, that [`rows`] would give.
pub fn gaussians(seed: u64, name: &str, width: usize, floor: f64) -> Vec<f32> {
    let numbers = rows(seed, name, 2 * width.div_ceil(2), 2, |probability| probability);
    let means = numbers.chunks_exact(4).flat_map(|pair| {
        let [u, w] = [pair[0], pair[2]].map(f64::from);
        let length = (-2.0 * ln(u.max(f64::MIN_POSITIVE))).max(0.0).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * w).sin_cos();
        [length * cosine, length * sine]
    });
    means.take(width).flat_map(|mean| [mean as f32, floor.max(1.0) as f32]).collect()
}

fn fill(key: [u8; 32], first: usize, values: &mut [f32], columns: usize, entry: fn(f64) -> f64) {
    let mut stream = ChaCha8Rng::from_seed(key);
    stream.set_word_pos(2 * first as u128);
    let mut row = vec![0.0; columns];
    for out in values.chunks_exact_mut(columns) {
        for e in &mut row {
            *e = -ln(((stream.next_u64() >> 11) + 1) as f64 * 2f64.powi(-53));
        }
        // The sum is zero only if every number of the row is the largest there is: a row of one, once in 2^53.
        let sum = row.iter().sum::<f64>();
        for (out, e) in out.iter_mut().zip(&row) {
            *out = entry(if sum > 0.0 { e / sum } else { 1.0 / columns as f64 }) as f32;
        }
    }
}
