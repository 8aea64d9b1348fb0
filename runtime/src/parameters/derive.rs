//! Values that are computed: given numbers, indicators, copies and products. Formulas stand at
//! [`Init`](danaus_artifact::signature::Init).

use crate::numbers::{ln, log_sum_exp};
use danaus_artifact::signature::ParameterShape;

/// Numbers from the source text; tables are given as probabilities.
pub(super) fn given(shape: &ParameterShape, numbers: &[f64]) -> Vec<f32> {
    let is_table = matches!(shape, ParameterShape::Table { .. });
    numbers.iter().map(|number| (if is_table { ln(*number) } else { *number }) as f32).collect()
}

/// The logarithm of one at `value`, of zero elsewhere.
pub(super) fn indicator(width: usize, values: usize, value: usize) -> Vec<f32> {
    let row: Vec<f32> = (0..values).map(|v| if v == value { 0.0 } else { f32::NEG_INFINITY }).collect();
    row.repeat(width)
}

/// The logarithm of one at value `u` of unit `u`, of zero elsewhere: as many units as values.
pub(super) fn identity(values: usize) -> Vec<f32> {
    (0..values * values).map(|at| if at / values == at % values { 0.0 } else { f32::NEG_INFINITY }).collect()
}

/// Sums of rows of log tables, all combinations, the first table most significant. A row that is `-inf` throughout
/// cannot be normalized and stays.
pub(super) fn table_product(tables: &[Vec<f32>], values: usize, normalize: bool) -> Vec<f32> {
    let height = |table: &Vec<f32>| table.len() / values;
    let mut product = Vec::with_capacity(tables.iter().map(height).product::<usize>() * values);
    let mut row = vec![0.0f64; values];
    for unit in 0..tables.iter().map(height).product() {
        row.fill(0.0);
        let mut rest: usize = unit;
        for table in tables.iter().rev() {
            let part = &table[rest % height(table) * values..][..values];
            rest /= height(table);
            row.iter_mut().zip(part).for_each(|(sum, log)| *sum += f64::from(*log));
        }
        let total = if normalize { log_sum_exp(row.iter().copied()) } else { 0.0 };
        let total = if total == f64::NEG_INFINITY { 0.0 } else { total };
        product.extend(row.iter().map(|log| (log - total) as f32));
    }
    product
}

/// The Kronecker product of dense weights `[outputs, inputs]`, the first most significant.
pub(super) fn weight_product(weights: &[(Vec<f32>, usize, usize)]) -> Vec<f32> {
    let mut product = (vec![1.0f64], 1, 1);
    for (weight, outputs, inputs) in weights {
        let mut next = Vec::with_capacity(product.0.len() * weight.len());
        for row in product.0.chunks_exact(product.2) {
            for other in weight.chunks_exact(*inputs) {
                next.extend(row.iter().flat_map(|a| other.iter().map(move |b| a * f64::from(*b))));
            }
        }
        product = (next, product.1 * outputs, product.2 * inputs);
    }
    product.0.into_iter().map(|value| value as f32).collect()
}
