use super::*;
use crate::parameters::random;
use proptest::prelude::*;

/// Sizes of factors, trivial ones among them.
const SIZES: [&[usize]; 9] =
    [&[2, 2], &[2, 3], &[4, 3], &[1, 5], &[5, 1], &[2, 3, 2], &[3, 2, 4], &[2, 1, 3], &[2, 2, 2, 2]];

fn width(sizes: &[usize]) -> usize {
    sizes.iter().product()
}

fn single(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// A random stochastic matrix of so many columns; about `zeros` of its entries are zero.
fn stochastic(seed: u64, rows: usize, columns: usize, zeros: f64) -> Vec<f64> {
    let values = random::rows(seed, "values", rows, columns, |p| p);
    let kept = random::rows(seed, "kept", rows * columns, 2, |p| p);
    let kept = kept.chunks_exact(2).map(|pair| f64::from(pair[0]) >= zeros);
    let mut values: Vec<f64> =
        values.iter().zip(kept).map(|(value, kept)| if kept { f64::from(*value) } else { 0.0 }).collect();
    values.chunks_exact_mut(columns).for_each(normalize);
    values
}

fn monarch(seed: u64, sizes: &[usize], zeros: f64) -> Vec<Vec<f64>> {
    let factor = |(k, size): (usize, &usize)| stochastic(seed + 1000 * k as u64, width(sizes), *size, zeros);
    sizes.iter().enumerate().map(factor).collect()
}

/// The definition (`semantics.sum.monarch`): for `k = d` down to 1 view as `[H/b_k, b_k]`, multiply each row by its
/// block, transpose, flatten.
fn apply(factors: &[Vec<f64>], sizes: &[usize], mut vector: Vec<f64>) -> Vec<f64> {
    for (factor, &size) in factors.iter().zip(sizes).rev() {
        let blocks = vector.len() / size;
        let mut next = vec![0.0; vector.len()];
        for block in 0..blocks {
            for output in 0..size {
                let weights = &factor[(block * size + output) * size..][..size];
                let inputs = &vector[block * size..][..size];
                next[output * blocks + block] = weights.iter().zip(inputs).map(|(w, x)| w * x).sum();
            }
        }
        vector = next;
    }
    vector
}

/// The dense matrix, column by column.
fn expanded(factors: &[Vec<f64>], sizes: &[usize]) -> Vec<f64> {
    let width = width(sizes);
    let mut matrix = vec![0.0; width * width];
    for input in 0..width {
        let unit = (0..width).map(|i| f64::from(u8::from(i == input))).collect();
        for (output, value) in apply(factors, sizes, unit).into_iter().enumerate() {
            matrix[output * width + input] = value;
        }
    }
    matrix
}

fn divergence(dense: &[f64], monarch: &[f64]) -> f64 {
    let term = |(d, m): (&f64, &f64)| if *d > 0.0 { d * (d / m).ln() } else { 0.0 };
    dense.iter().zip(monarch).map(term).sum()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let far = found.iter().zip(expected).position(|(a, b)| !((a - b).abs() <= tolerance));
    assert_eq!(far, None, "{found:?}\n{expected:?}");
}

fn assert_stochastic(values: &[f64], columns: usize) {
    let sums: Vec<f64> = values.chunks_exact(columns).map(|row| row.iter().sum()).collect();
    assert_close(&sums, &vec![1.0; sums.len()], 1e-6);
}

proptest! {
    #[test]
    fn rows_are_those_of_the_definition(seed in 0u64..1000, at in 0..SIZES.len()) {
        let (sizes, factors) = (SIZES[at], monarch(seed, SIZES[at], 0.1));
        let rows: Vec<f64> = (0..width(sizes)).flat_map(|output| dense_row(&factors, sizes, output)).collect();
        assert_close(&rows, &expanded(&factors, sizes), 1e-12);
    }

    // COVERS: parameters.project
    #[test]
    fn stochastic_matrices_stay_stochastic(seed in 0u64..1000, at in 0..SIZES.len(), zeros in 0.0f64..0.95) {
        let sizes = SIZES[at];
        let dense = stochastic(seed, width(sizes), width(sizes), zeros);
        let found = project(&single(&dense), sizes);
        for (factor, size) in found.factors.iter().zip(sizes) {
            prop_assert!(factor.iter().all(|value| (0.0..1.0 + 1e-6).contains(value)));
            assert_stochastic(factor, *size);
        }
        let matrix = expanded(&found.factors, sizes);
        assert_stochastic(&matrix, width(sizes));
        let each = dense.chunks_exact(width(sizes)).zip(matrix.chunks_exact(width(sizes)));
        let losses: Vec<f64> = each.map(|(dense, monarch)| divergence(dense, monarch)).collect();
        assert_close(&found.losses, &losses, 1e-5);
        prop_assert!((found.mean_loss() - losses.iter().sum::<f64>() / losses.len() as f64).abs() < 1e-5);
    }

    // COVERS: parameters.project
    #[test]
    fn nothing_is_closer(seed in 0u64..1000, at in 0..SIZES.len(), zeros in 0.0f64..0.8, step in 0.001f64..1.0) {
        let sizes = SIZES[at];
        let dense: Vec<f64> = single(&stochastic(seed, width(sizes), width(sizes), zeros)).into_iter().map(f64::from).collect();
        let found = project(&single(&dense), sizes);
        let least = divergence(&dense, &expanded(&found.factors, sizes));
        for other in 0..4 {
            let mut moved = found.factors.clone();
            let others = monarch(seed + 7 + other, sizes, 0.0);
            moved.iter_mut().flatten().zip(others.iter().flatten()).for_each(|(a, b)| *a += step * (b - *a));
            prop_assert!(divergence(&dense, &expanded(&moved, sizes)) >= least - 1e-9);
        }
    }

    // COVERS: parameters.project
    #[test]
    fn two_factors_are_the_closed_form(seed in 0u64..1000, a in 1usize..5, b in 1usize..5, zeros in 0.0f64..0.9) {
        let dense = stochastic(seed, a * b, a * b, zeros);
        let matrix = expanded(&project(&single(&dense), &[a, b]).factors, &[a, b]);
        let entry = |p: usize, o: usize, g: usize, i: usize| dense[(p * b + o) * a * b + g * b + i];
        for (o, g) in (0..b).flat_map(|o| (0..a).map(move |g| (o, g))) {
            let row = |p: usize| (0..b).map(|i| entry(p, o, g, i)).sum::<f64>();
            let column = |i: usize| (0..a).map(|p| entry(p, o, g, i)).sum::<f64>();
            let total: f64 = (0..a).map(row).sum();
            for (p, i) in (0..a).flat_map(|p| (0..b).map(move |i| (p, i))) {
                let expected = if total > 0.0 { row(p) * column(i) / total } else { 0.0 };
                prop_assert!((matrix[(p * b + o) * a * b + g * b + i] - expected).abs() < 1e-6);
            }
        }
    }

    // COVERS: parameters.project
    #[test]
    fn monarch_matrices_come_back(seed in 0u64..1000, at in 0..SIZES.len()) {
        let (sizes, factors) = (SIZES[at], monarch(seed, SIZES[at], 0.0));
        let found = project(&single(&expanded(&factors, sizes)), sizes);
        for (found, expected) in found.factors.iter().zip(&factors) {
            assert_close(found, expected, 1e-5);
        }
        prop_assert!(found.worst_row().1 < 1e-6, "{:?}", found.losses);
    }

    #[test]
    fn sparse_monarch_matrices_come_back_as_matrices(seed in 0u64..1000, at in 0..SIZES.len()) {
        let sizes = SIZES[at];
        let dense = expanded(&monarch(seed, sizes, 0.5), sizes);
        let found = project(&single(&dense), sizes);
        assert_close(&expanded(&found.factors, sizes), &dense, 1e-6);
    }

    // COVERS: parameters.project
    #[test]
    fn kronecker_products_come_back(seed in 0u64..1000, a in 1usize..5, b in 1usize..5) {
        let (left, right) = (stochastic(seed, a, a, 0.0), stochastic(seed + 1, b, b, 0.0));
        let entry = |o: usize, i: usize| left[o / b * a + i / b] * right[o % b * b + i % b];
        let dense: Vec<f64> = (0..a * b).flat_map(|o| (0..a * b).map(move |i| entry(o, i))).collect();
        let found = project(&single(&dense), &[a, b]);
        assert_close(&found.factors[0], &left.repeat(b), 1e-6);
        assert_close(&found.factors[1], &right.repeat(a), 1e-6);
        prop_assert!(found.mean_loss() < 1e-6);
    }
}

#[test]
fn a_projection_by_hand() {
    // Outputs and inputs 00, 01, 10, 11. The slice of o_2 = 0 and i_1 = 0 is rows 00 and 10, columns 00 and 01:
    // [1/2 0; 0 1/2] becomes [1/4 1/4; 1/4 1/4]. The slice of o_2 = 0, i_1 = 1 is [1/2 0; 1/2 0], of rank one. The rows of
    // o_2 = 1 reach nothing with i_1 = 1: that block of W_2 is uniform.
    #[rustfmt::skip]
    let dense = [
        0.5, 0.0, 0.5, 0.0,
        1.0, 0.0, 0.0, 0.0,
        0.0, 0.5, 0.5, 0.0,
        0.0, 1.0, 0.0, 0.0,
    ];
    let found = project(&dense, &[2, 2]);
    assert_eq!(found.factors[0], [0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 1.0, 0.0]);
    assert_eq!(found.factors[1], [0.5, 0.5, 0.5, 0.5, 1.0, 0.0, 0.5, 0.5]);
    let bit = 2f64.ln();
    assert_close(&found.losses, &[0.5 * bit, bit, 0.5 * bit, bit], 1e-15);
    assert_eq!(found.worst_row(), (1, found.losses[1]));
    assert!((found.mean_loss() - 0.75 * bit).abs() < 1e-15);
}

#[test]
fn rows_that_do_not_sum_to_one_keep_their_sums() {
    let dense = [2.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.25, 3.0, 0.0, 0.0, 0.0];
    let found = project(&dense, &[2, 2]);
    let matrix = expanded(&found.factors, &[2, 2]);
    let sums: Vec<f64> = matrix.chunks_exact(4).map(|row| row.iter().sum()).collect();
    assert_close(&sums, &[4.0, 0.0, 1.0, 3.0], 1e-12);
    assert_eq!(found.losses[1], 0.0);
}
