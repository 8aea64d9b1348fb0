//! What is asked under a constraint the whole way down, against brute force: hidden Markov models multiplied with automata, through the
//! passes, the planner and the kernels on the CPU. The judges are the float64 evaluator, asked for every completion, and a matcher that
//! is no automaton. `DANAUS_CASES` asks for more models.

#[path = "../../tests/common/mod.rs"]
mod common;

mod asked;

use asked::{assert_chi_squared, cases, compiled, in_single_precision};
use common::constrained::{random_pattern, satisfies, under};
use common::hmm::{Hmm, hmm};
use common::{random_rows, value};
use danaus_compiler::circuit::Circuit;
use danaus_compiler::plan::flow::Purpose;
use danaus_compiler::reference::{ParameterValues, Row, completions, log_sum_exp, random_values};
use danaus_runtime::queries::{Marginals, QuerySession, Sampling};
use std::ops::ControlFlow;

struct Case {
    circuit: Circuit,
    product: Circuit,
    values: ParameterValues,
    pattern: String,
    seed: u64,
}

/// Models with constraints that some row satisfies.
fn for_each_constraint<T>(count: usize, act: impl Fn(&Case) -> T) {
    let mut done = 0;
    for seed in 0.. {
        let (steps, states, size) = (2 + seed as usize % 5, 1 + seed as usize % 4, 2 + seed as usize % 2);
        let monarch = if states == 4 { vec![2, 2] } else { Vec::new() };
        let circuit = hmm(&Hmm { steps, states, values: size, monarch });
        let pattern = random_pattern(size, seed);
        let Some(product) = under(&circuit, &pattern) else { continue };
        let values = in_single_precision(&random_values(&circuit, seed));
        act(&Case { circuit, product, values, pattern, seed });
        done += 1;
        if done == count {
            break;
        }
    }
}

impl Case {
    /// The completions of a row that satisfy the constraint, with their log-likelihoods.
    fn satisfying(&self, row: &Row) -> Vec<(Row, f64)> {
        let all: Vec<Row> =
            completions(&self.circuit, row).into_iter().filter(|row| satisfies(&self.pattern, row)).collect();
        let likelihoods = value(&self.circuit, &self.values, &all);
        all.into_iter().zip(likelihoods).collect()
    }

    /// The posterior of a variable under the constraint; none if no completion satisfies it.
    fn posterior(&self, row: &Row, variable: usize) -> Option<Vec<f64>> {
        let all = self.satisfying(row);
        let total = log_sum_exp(all.iter().map(|(_, log)| *log));
        let size = danaus_compiler::reference::domains(&self.circuit)[variable];
        let of = |v: usize| {
            let with = all.iter().filter(|(row, _)| row[variable] == Some(v));
            with.map(|(_, log)| (log - total).exp()).sum::<f64>()
        };
        (total > f64::NEG_INFINITY).then(|| (0..size).map(of).collect())
    }
}

#[track_caller]
fn assert_close(found: &[f32], expected: Option<Vec<f64>>, what: &str) {
    let Some(expected) = expected else {
        assert!(found.iter().all(|p| p.is_nan()), "{what} is impossible: {found:?}");
        return;
    };
    for (&found, expected) in found.iter().zip(&expected) {
        assert!((f64::from(found) - expected).abs() <= 1e-6, "{what}: {found}, {expected}");
    }
}

// COVERS: queries.constraint queries.satisfy
#[test]
fn posteriors() {
    for_each_constraint(cases(8), |case| {
        let mut rows = random_rows(&case.circuit, case.seed, 7, 0.6);
        rows.push(vec![None; rows[0].len()]);
        let found = compiled(&case.product, &case.values).marginals(&rows, rows.len()).remove(0);
        for (index, row) in rows.iter().enumerate() {
            let expected = log_sum_exp(case.satisfying(row).iter().map(|(_, log)| *log));
            let likelihood = found.log_likelihoods[index];
            let close = (likelihood - expected).abs() <= 1e-6 * expected.abs().max(1.0);
            assert!(close || likelihood == expected, "{}, {row:?}: {likelihood}, {expected}", case.pattern);
            for variable in 0..row.len() {
                let what = format!("{}, {row:?}, variable {variable}", case.pattern);
                assert_close(found.variable(index, variable), case.posterior(row, variable), &what);
            }
        }
    });
}

/// What follows each prefix, if the whole is to satisfy the constraint: of a chain that was rolled up all of them in one walk.
#[test]
fn next_values() {
    for_each_constraint(cases(5), assert_next);
    let circuit = hmm(&Hmm { steps: 9, states: 4, values: 2, monarch: vec![2, 2] });
    let pattern = ".*0110.*".to_string();
    let product = under(&circuit, &pattern).expect("it is satisfiable");
    let values = in_single_precision(&random_values(&circuit, 7));
    assert!(assert_next(&Case { circuit, product, values, pattern, seed: 7 }), "it is rolled up");
}

/// Whether the circuit is a chain that was rolled up.
fn assert_next(case: &Case) -> bool {
    let rows = random_rows(&case.circuit, case.seed, 6, 0.0);
    let compiled = compiled(&case.product, &case.values);
    let plan = compiled.queries.marginal.clone().expect("it was made");
    let is_chain = danaus_kernels::is_chain(&plan);
    let mut session = QuerySession::open(compiled.signature.clone(), plan, &compiled.parameters).expect("it opens");
    let mut check = |first: usize, found: &Marginals| {
        for (index, row) in rows[first..][..found.log_likelihoods.len()].iter().enumerate() {
            for variable in 0..row.len() {
                let mut prefix = row.clone();
                prefix[variable..].fill(None);
                let what = format!("{}, {prefix:?}, variable {variable}", case.pattern);
                assert_close(found.variable(index, variable), case.posterior(&prefix, variable), &what);
            }
        }
        ControlFlow::Continue(())
    };
    session.next(&compiled.rows(&rows), rows.len(), &mut check).expect("the kernels run");
    is_chain
}

#[test]
fn samples_always_satisfy() {
    for_each_constraint(cases(5), |case| {
        let mut rows = random_rows(&case.circuit, case.seed, 3, 0.7);
        rows.push(vec![None; rows[0].len()]);
        let sampling = Sampling { per_row: 2000, seed: case.seed, temperature: 1.0 };
        let (_, found) = compiled(&case.product, &case.values).complete(Purpose::Sample, &rows, rows.len(), sampling);
        for (row, samples) in rows.iter().zip(&found) {
            let all = case.satisfying(row);
            let total = log_sum_exp(all.iter().map(|(_, log)| *log));
            if total == f64::NEG_INFINITY {
                assert!(samples.iter().all(|sample| sample == row), "an impossible row stays as it is");
                continue;
            }
            assert!(samples.iter().all(|sample| satisfies(&case.pattern, sample)), "{}: {samples:?}", case.pattern);
            let count = |row: &Row| samples.iter().filter(|sample| *sample == row).count() as f64;
            let bins: Vec<(f64, f64)> =
                all.iter().map(|(row, log)| ((log - total).exp() * samples.len() as f64, count(row))).collect();
            assert_chi_squared(&bins, &case.pattern);
        }
    });
}
