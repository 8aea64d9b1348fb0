//! Random parameter values for tests: the same for the same seed and name, whatever circuit the name stands in.

use super::families::member;
use super::parameters::{ParameterValues, size};
use crate::circuit::{Circuit, Init, ParameterShape};

/// How values are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RandomOptions {
    /// The probability that a value is zero (`-inf` in a table). At least one value of each row is not.
    pub zeros: f64,
}

/// Values for all parameters that are not given or computed, and for all sources of those that are computed.
/// Rows are uniform on the simplex.
pub fn random_values(circuit: &Circuit, seed: u64) -> ParameterValues {
    random_values_with(circuit, seed, RandomOptions::default())
}

/// [`random_values`] with options.
pub fn random_values_with(circuit: &Circuit, seed: u64, options: RandomOptions) -> ParameterValues {
    let mut values = ParameterValues::new();
    let mut draw = |name: &str, rows: usize, columns: usize, table: bool| {
        if values.get(name).is_none() {
            values.insert(name, random_rows(name, rows, columns, table, seed, options));
        }
    };
    let named = |name: &str| circuit.parameters.iter().any(|parameter| parameter.name == name);
    for parameter in &circuit.parameters {
        match &parameter.init {
            Init::Random => {
                let (columns, table) = match parameter.shape {
                    ParameterShape::Table { values, .. } => (values, true),
                    ParameterShape::Weight { inputs, .. } | ParameterShape::Mixing { inputs, .. } => (inputs, false),
                    ParameterShape::Gaussian { .. } => continue,
                };
                draw(&parameter.name, size(&parameter.shape) / columns, columns, table);
            }
            Init::CopyOf { source, blocks, outputs, inputs } if !named(source) => {
                draw(source, blocks * outputs, *inputs, false)
            }
            Init::TableProduct { sources, .. } => {
                let &ParameterShape::Table { values, .. } = &parameter.shape else {
                    panic!("a product of tables is a table")
                };
                for (source, width) in sources.iter().filter(|(source, _)| !named(source)) {
                    draw(source, *width, values, true);
                }
            }
            Init::WeightProduct { sources } => {
                for (source, outputs, inputs) in sources.iter().filter(|(source, ..)| !named(source)) {
                    draw(source, *outputs, *inputs, false);
                }
            }
            Init::CopyOf { .. } | Init::Given(_) | Init::Indicator { .. } | Init::Identity => {}
            Init::Member(_) => {}
        }
    }
    for parameter in &circuit.parameters {
        if let (Init::Random, ParameterShape::Gaussian { width, .. }) = (&parameter.init, &parameter.shape) {
            let mut uniform = uniform_numbers(&parameter.name, seed);
            let units = (0..*width).flat_map(|_| [4.0 * uniform() - 2.0, 0.25 + 2.0 * uniform()]);
            values.insert(&parameter.name, units.collect());
        }
        if let (Init::Member(family), ParameterShape::Table { width, values: columns }) =
            (&parameter.init, &parameter.shape)
        {
            let mut uniform = uniform_numbers(&parameter.name, seed);
            let members = (0..*width).flat_map(|_| member(*family, uniform(), *columns));
            values.insert(&parameter.name, members.map(f64::ln).collect());
        }
    }
    values
}

/// Rows uniform on the simplex: normalized exponential variates.
fn random_rows(name: &str, rows: usize, columns: usize, table: bool, seed: u64, options: RandomOptions) -> Vec<f64> {
    let mut uniform = uniform_numbers(name, seed);
    let mut values = Vec::with_capacity(rows * columns);
    for _ in 0..rows {
        let kept = (uniform() * columns as f64) as usize;
        let row: Vec<f64> = (0..columns)
            .map(|column| {
                let (zero, variate) = (uniform() < options.zeros, -(1.0 - uniform()).ln());
                if zero && column != kept { 0.0 } else { variate.max(f64::MIN_POSITIVE) }
            })
            .collect();
        let total: f64 = row.iter().sum();
        values.extend(row.iter().map(|value| if table { (value / total).ln() } else { value / total }));
    }
    values
}

/// Numbers in `[0, 1)` from the seed and a name.
fn uniform_numbers(name: &str, seed: u64) -> impl FnMut() -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut reader = hasher.finalize_xof();
    move || {
        let mut bytes = [0; 8];
        reader.fill(&mut bytes);
        (u64::from_le_bytes(bytes) >> 11) as f64 / (1u64 << 53) as f64
    }
}
