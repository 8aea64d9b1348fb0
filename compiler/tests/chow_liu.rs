//! A Chow-Liu tree with indicators, after one step of expectation-maximization, is the Chow-Liu tree of the data:
//! parameters and likelihoods are those of a direct computation from counts.

use danaus_compiler::circuit::VariableArray;
use danaus_compiler::diagnostic::Source;
use danaus_compiler::model::{LoadError, Loader, Observations, Options, check};
use danaus_compiler::reference::{Row, em_step, evaluate, flows, random_values};
use danaus_compiler::{build, regions};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A program and the rows that it learns from.
struct Learning {
    text: String,
    rows: Vec<Vec<u32>>,
}

impl Loader for Learning {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Source, LoadError> {
        Ok(Source { name: path.to_string(), text: self.text.clone() })
    }

    fn observations(
        &mut self,
        _: &str,
        _: &str,
        variables: &[VariableArray],
        most: Option<usize>,
    ) -> Result<Observations, String> {
        assert_eq!((variables.len(), most), (1, None));
        let values = (0..variables[0].len()).flat_map(|column| self.rows.iter().map(move |row| row[column])).collect();
        Ok(Observations { rows: self.rows.len(), values })
    }
}

/// Rows in which each variable is a noisy function of an earlier one.
fn rows(variables: usize, values: u32, count: usize, seed: u64) -> Vec<Vec<u32>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let parents: Vec<usize> = (0..variables).map(|v| if v == 0 { 0 } else { random.random_range(0..v) }).collect();
    let row = |random: &mut ChaCha8Rng| {
        let mut row: Vec<u32> = Vec::new();
        for variable in 0..variables {
            let any = random.random_range(0..values);
            let copied = row.get(parents[variable]).copied().unwrap_or(any);
            row.push(if random.random_bool(0.3) { any } else { (copied + variable as u32) % values });
        }
        row
    };
    (0..count).map(|_| row(&mut random)).collect()
}

/// How often two variables have each pair of values.
fn joint(rows: &[Vec<u32>], a: usize, b: usize, values: usize) -> Vec<Vec<f64>> {
    let mut counts = vec![vec![0.0; values]; values];
    rows.iter().for_each(|row| counts[row[a] as usize][row[b] as usize] += 1.0);
    counts
}

fn information(rows: &[Vec<u32>], a: usize, b: usize, values: usize) -> f64 {
    let counts = joint(rows, a, b, values);
    let total: f64 = counts.iter().flatten().map(|count| count + 1.0).sum();
    let first = |i: usize| counts[i].iter().map(|count| count + 1.0).sum::<f64>() / total;
    let second = |j: usize| counts.iter().map(|row| row[j] + 1.0).sum::<f64>() / total;
    let cells = (0..values).flat_map(|i| (0..values).map(move |j| (i, j)));
    cells
        .map(|(i, j)| (counts[i][j] + 1.0) / total * ((counts[i][j] + 1.0) / total / (first(i) * second(j))).ln())
        .sum()
}

/// The parent of each variable in the tree with the most mutual information, by Prim's algorithm from variable 0.
fn parents(rows: &[Vec<u32>], variables: usize, values: usize) -> Vec<Option<usize>> {
    let mut parents = vec![None; variables];
    let mut inside = vec![0];
    while inside.len() < variables {
        let edges =
            inside.iter().flat_map(|a| (0..variables).map(move |b| (*a, b))).filter(|(_, b)| !inside.contains(b));
        let (a, b) = edges
            .max_by(|x, y| information(rows, x.0, x.1, values).total_cmp(&information(rows, y.0, y.1, values)))
            .expect("a variable is outside");
        parents[b] = Some(a);
        inside.push(b);
    }
    parents
}

/// The log-likelihood of a row under the tree with relative frequencies; `c` is added to each row of a conditional table.
fn log_likelihood(rows: &[Vec<u32>], row: &[u32], parents: &[Option<usize>], values: usize, c: f64) -> f64 {
    let term = |variable: usize| {
        let value = row[variable] as usize;
        match parents[variable] {
            None => {
                let count = rows.iter().filter(|other| other[variable] == row[variable]).count() as f64;
                ((count + c / values as f64) / (rows.len() as f64 + c)).ln()
            }
            Some(parent) => {
                let counts = joint(rows, parent, variable, values);
                let given = &counts[row[parent] as usize];
                ((given[value] + c / values as f64) / (given.iter().sum::<f64>() + c)).ln()
            }
        }
    };
    (0..row.len()).map(term).sum()
}

fn compare(variables: usize, values: u32, seed: u64, pseudocount: f64) {
    let data = rows(variables, values, 400, seed);
    let domain = if values == 2 { "binary".to_string() } else { format!("categorical({values})") };
    let text = format!(
        "circuit c {{ var x[{variables}]: {domain} regions chow_liu(x, data = \"d\", center = 0) {{ input indicator sum }} }}"
    );
    let checked = check(&mut Learning { text, rows: data.clone() }, "c.pc", &Options::default());
    let model = checked.model.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
    let circuit = build::circuit(&model, &regions::from_model(&model)).circuits.swap_remove(0);
    let observed: Vec<Row> = data.iter().map(|row| row.iter().map(|value| Some(*value as usize)).collect()).collect();
    let start = random_values(&circuit, seed);
    let flows = flows(&circuit, &start, &observed).expect("the circuit has its parameters");
    let learned = em_step(&circuit, &start, &flows, pseudocount).expect("the circuit has its parameters");
    let found = evaluate(&circuit, &learned, &observed).expect("the circuit has its parameters");
    let parents = parents(&data, variables, values as usize);
    for (row, found) in data.iter().zip(found).take(50) {
        let expected = log_likelihood(&data, row, &parents, values as usize, pseudocount);
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }
}

#[test]
fn one_step_gives_the_tree_of_the_data() {
    for seed in 0..4 {
        compare(7, 2, seed, 0.0);
        compare(9, 3, seed, 2.0);
    }
    compare(1, 2, 5, 1.0);
    compare(2, 4, 5, 0.5);
}
