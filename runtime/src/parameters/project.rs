//! The Monarch matrix that is closest to a dense one in Kullback-Leibler divergence, in closed form.
//!
//! A Monarch matrix with factors `b_1, .., b_d` over `H = b_1 * .. * b_d` units is, for outputs `o = (o_1, .., o_d)` and inputs
//! `i = (i_1, .., i_d)`, the first index most significant (`semantics.sum.monarch`, with the stages written out),
//!
//! ```text
//! M[o, i] = product over k of W_k[(o_k+1, .., o_d, i_1, .., i_k-1), o_k, i_k]        (block, output, input)
//! ```
//!
//! # The projection
//!
//! Of a matrix `D` without negative numbers take the sums `N_k(o_k, .., o_d, i_1, .., i_k)` of all its entries that have
//! these indices. Then
//!
//! ```text
//! W_1 = N_1,    W_k[(..), o_k, i_k] = N_k / (sum of N_k over i_k)    for k > 1
//! ```
//!
//! and `1 / b_k` where that sum is zero: nothing reaches such a row, so it may be anything. For two factors this replaces each
//! slice `D[(., o_2), (i_1, .)]` by `(row sums) (column sums) / total`.
//!
//! # What it keeps, and why it is closest
//!
//! * Rows of `M` sum to what the rows of `D` do. Rows of `W_k`, `k > 1`, sum to one, so the sum of `M[o, i]` over `i_d`, then
//!   over `i_d-1`, .., leaves `W_1`, whose row sums are those of `D`. A stochastic matrix stays one, and so do its factors.
//! * The *loss*, the sum over rows of `KL(D[o, ..] || M[o, ..])`, is the least there is among all Monarch matrices of these
//!   factor sizes that have stochastic rows. Take outputs as equally likely; then the loss is, but for what depends on `D`
//!   alone, minus the sum over `k` of the sum of `N_k log W_k`, for `log M` is a sum over `k` whose terms depend
//!   only on the indices that `N_k` has. Each row of each `W_k` stands in one term and is bound by nothing but that
//!   it sums to one, so by Gibbs' inequality its best value is the normalized `N_k`. (It is the maximum-likelihood estimate of a
//!   Bayesian network, in which the parents of `i_k` are `i_1, .., i_k-1, o_k, .., o_d`; see Koller and
//!   Friedman, *Probabilistic Graphical Models*, 2009, section 17.2.) Nothing is greedy about it, for any number of factors.
//! * Factors whose rows do not sum to one do no better: the sums of the rows of `W_k` depend on indices that `W_k-1` has
//!   too, and can be moved there, down to `W_1`; so such a matrix is a stochastic Monarch matrix with scaled rows, and of
//!   these the one with the row sums of `D` has the least generalized divergence `sum of D log(D/M) - D + M`.
//! * Where the loss is zero `M` is `D`. So a Monarch matrix comes back, up to rounding, and so do Kronecker products, which are
//!   Monarch matrices with equal blocks.
//!
//! All is computed in double precision, in time proportional to the numbers of `D`.

use crate::numbers::ln;
use std::ops::Range;

/// A dense matrix, projected.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    /// Tensors `[H/b_k, b_k, b_k]` (block, output, input), row-major.
    pub factors: Vec<Vec<f64>>,
    /// `KL(D[o, ..] || M[o, ..])` of each row, in nats.
    pub losses: Vec<f64>,
}

impl Projection {
    /// The loss of a row on average.
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }

    /// The row that loses most, and how much; the first of equal ones.
    pub fn worst_row(&self) -> (usize, f64) {
        let worse = |worst: (usize, f64), row: (usize, f64)| if row.1 > worst.1 { row } else { worst };
        self.losses.iter().copied().enumerate().fold((0, 0.0), worse)
    }
}

/// Projects the dense weights `[H, H]` (output, input; no negative numbers) to Monarch factors of these sizes.
///
/// # Panics
/// If the sizes do not multiply to the width of the weights.
pub fn project(dense: &[f32], sizes: &[usize]) -> Projection {
    let width: usize = sizes.iter().product();
    assert_eq!(dense.len(), width * width, "the factors {sizes:?} are those of a width, the matrix has another");
    let factors = factors(dense, sizes, width);
    let losses =
        dense.chunks_exact(width).enumerate().map(|(output, row)| loss(row, &dense_row(&factors, sizes, output)));
    Projection { losses: losses.collect(), factors }
}

/// A row of the dense matrix that Monarch factors stand for.
pub fn dense_row(factors: &[Vec<f64>], sizes: &[usize], output: usize) -> Vec<f64> {
    let mut row = vec![1.0];
    for (k, (factor, &size)) in factors.iter().zip(sizes).enumerate() {
        let after: usize = sizes[k + 1..].iter().product();
        let (own, later) = (output / after % size, output % after);
        let prefixes = row.len();
        let mut next = Vec::with_capacity(prefixes * size);
        for (prefix, mass) in row.into_iter().enumerate() {
            let block = later * prefixes + prefix;
            let weights = &factor[(block * size + own) * size..][..size];
            next.extend(weights.iter().map(|weight| mass * weight));
        }
        row = next;
    }
    row
}

fn factors(dense: &[f32], sizes: &[usize], width: usize) -> Vec<Vec<f64>> {
    let mut factors = Vec::with_capacity(sizes.len());
    // The entries, summed over o_1, .., o_k-1; before the first step they are those of the matrix itself.
    let mut rest: Option<Vec<f64>> = None;
    for (k, &size) in sizes.iter().enumerate() {
        let inner = sizes[k + 1..].iter().product();
        let (sums, next) = match &rest {
            None => (sums_of_runs(dense, inner), sum_of_parts(dense, size)),
            Some(rest) => (sums_of_runs(rest, inner), sum_of_parts(rest, size)),
        };
        let mut factor = blocks_first(&sums, size, inner, width / size / inner);
        if k > 0 {
            factor.chunks_exact_mut(size).for_each(normalize);
        }
        factors.push(factor);
        rest = Some(next);
    }
    factors
}

/// Sums of `length` numbers at a time.
fn sums_of_runs<T: Copy + Into<f64>>(values: &[T], length: usize) -> Vec<f64> {
    values.chunks_exact(length).map(|run| run.iter().map(|value| (*value).into()).sum()).collect()
}

/// Cuts the numbers into `count` parts and adds the parts.
fn sum_of_parts<T: Copy + Into<f64>>(values: &[T], count: usize) -> Vec<f64> {
    let length = values.len() / count;
    let mut sum = vec![0.0; length];
    for part in values.chunks_exact(length) {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += (*value).into());
    }
    sum
}

/// From `[o_k, later outputs, earlier inputs, i_k]` to `[later outputs, earlier inputs, o_k, i_k]`.
fn blocks_first(sums: &[f64], size: usize, later: usize, earlier: usize) -> Vec<f64> {
    let blocks = later * earlier;
    let row = |block: usize, output: usize| run((output * blocks + block) * size, size);
    (0..blocks).flat_map(|block| (0..size).flat_map(move |output| &sums[row(block, output)])).copied().collect()
}

fn run(first: usize, length: usize) -> Range<usize> {
    first..first + length
}

/// Divides by the sum; a row that nothing reaches becomes uniform.
fn normalize(row: &mut [f64]) {
    let total: f64 = row.iter().sum();
    let uniform = 1.0 / row.len() as f64;
    row.iter_mut().for_each(|value| *value = if total > 0.0 { *value / total } else { uniform });
}

/// The divergence of rows with equal sums. It is not negative; what rounding leaves below zero is zero.
fn loss(dense: &[f32], monarch: &[f64]) -> f64 {
    let term = |(&d, &m): (&f32, &f64)| if d > 0.0 { f64::from(d) * ln(f64::from(d) / m) } else { 0.0 };
    dense.iter().zip(monarch).map(term).sum::<f64>().max(0.0)
}

#[cfg(test)]
mod tests;
