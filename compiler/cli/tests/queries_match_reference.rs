//! Marginals, samples and most likely completions the whole way down, against brute force: random circuits, deterministic circuits
//! and hidden Markov models through the passes, the planner and the kernels on the CPU.
//!
//! The judge is the float64 evaluator, asked for the likelihood of every value or every completion, and textbook algorithms for hidden
//! Markov models. `DANAUS_CASES` asks for more random circuits.

#[path = "../../tests/common/mod.rs"]
mod common;

use common::deterministic::deterministic_circuit;
use common::hmm::{Hmm, hmm};
use common::random_circuit::{Recipe, compatible_circuits, random_chain, random_circuit, recipes, several_chains};
use common::textbook::{forward_backward, viterbi};
use common::{parameters, random_rows, value};
use danaus_artifact::plan::Plan;
use danaus_artifact::queries::Queries;
use danaus_compiler::circuit::{Circuit, Module, Product};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run, run_passes};
use danaus_compiler::plan::deterministic::is_deterministic;
use danaus_compiler::plan::flow::{Purpose, lower_for};
use danaus_compiler::plan::{PlanOptions, lower};
use danaus_compiler::reference::{
    ParameterValues, Row, completions, domains, evaluate, log_sum_exp, parameter_numbers, random_values,
};
use danaus_runtime::data::Columns;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters::Parameters;
use danaus_runtime::queries::{Completed, Marginals, Pair, QuerySession, Sampling, information};
use proptest::prelude::Strategy;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What the specification promises of probabilities (`queries.precision`).
const TOLERANCE: f64 = 1e-5;

fn cases(usual: usize) -> usize {
    std::env::var("DANAUS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

fn for_each_case<T>(count: usize, strategy: impl Strategy<Value = T>, act: impl Fn(T)) {
    let config = proptest::test_runner::Config { rng_seed: RngSeed::Fixed(79), ..Default::default() };
    let mut runner = TestRunner::new(config);
    for _ in 0..count {
        act(strategy.new_tree(&mut runner).expect("a case is made").current());
    }
}

fn in_single_precision(values: &ParameterValues) -> ParameterValues {
    let mut rounded = ParameterValues::new();
    for (name, numbers) in values.iter() {
        rounded.insert(name, numbers.iter().map(|&number| f64::from(number as f32)).collect());
    }
    rounded
}

/// A circuit after all passes, with all of its queries.
struct Compiled {
    signature: Plan,
    queries: Queries,
    parameters: Parameters,
}

fn compiled(circuit: &Circuit, values: &ParameterValues) -> Compiled {
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
    let circuit = &outcome.module.circuits[0];
    let numbers = parameter_numbers(circuit, values).expect("all parameters have values");
    let single = |numbers: &Vec<f64>| numbers.iter().map(|&number| number as f32).collect();
    let options = PlanOptions::default();
    let plan = |purpose| Some(lower_for(circuit, &options, purpose));
    Compiled {
        signature: lower(circuit, &options),
        queries: Queries {
            marginal: plan(Purpose::Marginal),
            sample: plan(Purpose::Sample),
            mpe: plan(Purpose::Mpe),
            deterministic: false,
        },
        parameters: Parameters::new(numbers.iter().map(single).collect()),
    }
}

impl Compiled {
    fn rows(&self, rows: &[Row]) -> MemoryRows {
        let columns = Columns::new(&self.signature.variables);
        let index = |column: usize, value: &Option<usize>| value.map_or(columns.missing(column), |value| value as u32);
        let indices = rows.iter().flat_map(|row| row.iter().enumerate().map(|(column, value)| index(column, value)));
        let indices = indices.collect();
        MemoryRows::from_indices(columns, indices)
    }

    fn marginals(&self, rows: &[Row], batch: usize) -> Vec<Marginals> {
        let plan = self.queries.marginal.clone().expect("it was made");
        let mut session = QuerySession::open(self.signature.clone(), plan, &self.parameters).expect("it opens");
        let mut all = Vec::new();
        let mut keep = |_: usize, found: &Marginals| {
            all.push(found.clone());
            ControlFlow::Continue(())
        };
        session.marginals(&self.rows(rows), batch, &mut keep).expect("the kernels run");
        all
    }

    /// Values of the root for each row, and the completions of each.
    fn complete(&self, plan: Purpose, rows: &[Row], batch: usize, sampling: Sampling) -> (Vec<f64>, Vec<Vec<Row>>) {
        let plan = if plan == Purpose::Mpe { self.queries.mpe.clone() } else { self.queries.sample.clone() };
        let plan = plan.expect("it was made");
        let mut session = QuerySession::open(self.signature.clone(), plan, &self.parameters).expect("it opens");
        let columns = Columns::new(&self.signature.variables);
        let mut values = vec![0.0; rows.len()];
        let mut all = vec![Vec::new(); rows.len()];
        let mut keep = |first: usize, found: &Completed| {
            let per_row = found.completions.len() / columns.len() / found.values.len();
            for (index, completion) in found.completions.chunks_exact(columns.len()).enumerate() {
                let value =
                    |(column, &index): (usize, &u32)| (index < columns.missing(column)).then_some(index as usize);
                values[first + index / per_row] = found.values[index / per_row];
                all[first + index / per_row].push(completion.iter().enumerate().map(value).collect());
            }
            ControlFlow::Continue(())
        };
        session.complete(&self.rows(rows), batch, sampling, &mut keep).expect("the kernels run");
        (values, all)
    }
}

/// The posterior of a variable: the likelihood of each of its values beside the others.
fn posterior(circuit: &Circuit, values: &ParameterValues, row: &Row, variable: usize) -> Vec<f64> {
    let size = domains(circuit)[variable];
    let with = |value: usize| {
        let mut row = row.clone();
        row[variable] = Some(value);
        row
    };
    if let Some(observed) = row[variable] {
        return (0..size).map(|value| f64::from(u8::from(value == observed))).collect();
    }
    let all = value(circuit, values, &(0..size).map(with).collect::<Vec<Row>>());
    let total = log_sum_exp(all.iter().copied());
    all.iter().map(|value| (value - total).exp()).collect()
}

#[track_caller]
fn assert_marginals(circuit: &Circuit, values: &ParameterValues, rows: &[Row], batch: usize, tolerance: f64) {
    let values = in_single_precision(values);
    let likelihoods = value(circuit, &values, rows);
    let mut row = 0;
    for found in compiled(circuit, &values).marginals(rows, batch) {
        for index in 0..found.log_likelihoods.len() {
            if likelihoods[row] == f64::NEG_INFINITY {
                assert!(found.is_impossible(index), "row {row} is impossible");
                assert!(found.row(index).iter().all(|p| p.is_nan()));
            } else {
                assert!(!found.is_impossible(index), "row {row} is possible");
                for variable in 0..rows[row].len() {
                    let expected = posterior(circuit, &values, &rows[row], variable);
                    let probabilities = found.variable(index, variable);
                    for (&found, expected) in probabilities.iter().zip(&expected) {
                        let difference = (f64::from(found) - expected).abs();
                        assert!(
                            difference <= tolerance,
                            "row {row} variable {variable}: {probabilities:?}, {expected:?}"
                        );
                    }
                }
            }
            row += 1;
        }
    }
    assert_eq!(row, rows.len());
}

// COVERS: queries.marginal queries.precision queries.impossible
#[test]
fn marginals_of_random_circuits() {
    for_each_case(cases(10), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let rows = random_rows(&circuit, recipe.seed, 9, 0.6);
        assert_marginals(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, 4, 1e-6);
    });
}

/// Circuits that are too large to enumerate quickly.
#[test]
fn marginals_of_larger_circuits() {
    let larger = (recipes(), 8..=16usize).prop_map(|(recipe, variables)| Recipe { variables, ..recipe });
    for_each_case(cases(3), larger, |recipe| {
        let circuit = random_circuit(&recipe);
        let rows = random_rows(&circuit, recipe.seed, 9, 0.6);
        assert_marginals(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, 9, 1e-6);
    });
}

#[test]
fn marginals_of_chains() {
    for_each_case(cases(3), (recipes(), 3..24usize, 1..3usize), |(recipe, steps, per_step)| {
        let circuit = random_chain(&recipe, steps, per_step);
        let rows = random_rows(&circuit, recipe.seed, 5, 0.6);
        assert_marginals(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, 5, TOLERANCE);
        let circuit = several_chains(&recipe, steps, 2);
        let rows = random_rows(&circuit, recipe.seed, 5, 0.6);
        assert_marginals(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, 5, TOLERANCE);
    });
}

// COVERS: queries.pair
#[test]
fn pairs_of_random_circuits() {
    for_each_case(cases(4), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = in_single_precision(&parameters(&circuit, recipe.seed, recipe.zeros));
        let rows = random_rows(&circuit, recipe.seed, 4, 0.6);
        let compiled = compiled(&circuit, &values);
        let plan = compiled.queries.marginal.clone().expect("it was made");
        let mut session = QuerySession::open(compiled.signature.clone(), plan, &compiled.parameters).expect("it opens");
        let (first, second) = (0, domains(&circuit).len() - 1);
        let mut keep = |row: usize, pair: &Pair| {
            let both: Vec<Row> = completions(&circuit, &vec![None; second + 1])
                .into_iter()
                .filter(|all| all[1..second].iter().all(|value| *value == Some(0)))
                .map(|all| {
                    let mut row = rows[row].clone();
                    [first, second].iter().for_each(|&at| row[at] = row[at].or(all[at]));
                    row
                })
                .collect();
            let likelihood = value(&circuit, &values, &rows[row..row + 1])[0];
            let Some(found) = &pair.probabilities else {
                assert_eq!(likelihood, f64::NEG_INFINITY);
                return ControlFlow::Continue(());
            };
            let sizes = domains(&circuit);
            for (index, assignment) in both.iter().enumerate() {
                let (a, b) = (index / sizes[second], index % sizes[second]);
                let agrees = assignment[first] == Some(a) && assignment[second] == Some(b);
                let expected = value(&circuit, &values, std::slice::from_ref(assignment))[0] - likelihood;
                let expected = if agrees { expected.exp() } else { 0.0 };
                assert!(
                    (found[index] - expected).abs() <= 1e-5,
                    "row {row}, {a} and {b}: {}, {expected}",
                    found[index]
                );
            }
            ControlFlow::Continue(())
        };
        session.pairs(&compiled.rows(&rows), [first, second], 16, &mut keep).expect("the kernels run");
    });
}

/// The product of circuits is not normalized.
fn product(recipe: &Recipe) -> Circuit {
    let product = Some(Product { name: "product".into(), untied: false });
    let module = Module { circuits: compatible_circuits(recipe, 2), product };
    let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
    let outcome = run_passes(&multiply, module, &PassContext::default(), &DumpRequest::default());
    outcome.expect("the factors are compatible").module.circuits.remove(0)
}

#[test]
fn queries_of_products_of_circuits() {
    for_each_case(cases(3), recipes(), |recipe| {
        let circuit = product(&recipe);
        let values = random_values(&circuit, recipe.seed);
        let rows = random_rows(&circuit, recipe.seed, 5, 0.7);
        assert_marginals(&circuit, &values, &rows, 5, 1e-6);
        assert_samples(&circuit, &values, &rows[..2], recipe.seed);
    });
}

#[test]
fn marginals_of_hidden_markov_models_are_those_of_forward_backward() {
    for (states, steps, monarch) in [(20, 100, vec![]), (24, 300, vec![2, 3, 4])] {
        let model = Hmm { steps, states, values: 7, monarch };
        let circuit = hmm(&model);
        let values = in_single_precision(&random_values(&circuit, 3));
        let rows = random_rows(&circuit, 4, 17, 0.4);
        let found = compiled(&circuit, &values).marginals(&rows, 17).remove(0);
        for (index, row) in rows.iter().enumerate() {
            for (variable, expected) in forward_backward(&model, &values, row).iter().enumerate() {
                for (&found, expected) in found.variable(index, variable).iter().zip(expected) {
                    assert!((f64::from(found) - expected).abs() <= TOLERANCE, "row {index} variable {variable}");
                }
            }
        }
    }
}

// COVERS: queries.next
/// The distribution of the next value is the ratio of two likelihoods: on chains, where one walk gives all, and elsewhere.
#[test]
fn next_values_are_ratios_of_likelihoods() {
    let chain = |steps, states, monarch: &[usize]| hmm(&Hmm { steps, states, values: 3, monarch: monarch.to_vec() });
    let recipe = Recipe { variables: 6, width: 4, zeros: true, seed: 5 };
    let circuits = [(chain(40, 12, &[3, 4]), true), (chain(70, 7, &[]), true), (random_circuit(&recipe), false)];
    for (circuit, is_one_walk) in circuits {
        let values = in_single_precision(&parameters(&circuit, 4, true));
        let mut rows = random_rows(&circuit, 5, 9, 0.0);
        rows[3][2] = None;
        let compiled = compiled(&circuit, &values);
        let plan = compiled.queries.marginal.clone().expect("it was made");
        assert_eq!(danaus_kernels::is_chain(&plan), is_one_walk);
        let mut session = QuerySession::open(compiled.signature.clone(), plan, &compiled.parameters).expect("it opens");
        let mut found: Vec<(Vec<f32>, f64)> = Vec::new();
        let mut keep = |_: usize, batch: &Marginals| {
            let all = (0..batch.log_likelihoods.len()).map(|row| (batch.row(row).to_vec(), batch.log_likelihoods[row]));
            found.extend(all);
            ControlFlow::Continue(())
        };
        session.next(&compiled.rows(&rows), 4, &mut keep).expect("the kernels run");
        let likelihoods = value(&circuit, &values, &rows);
        for ((row, (found, total)), likelihood) in rows.iter().zip(found).zip(likelihoods) {
            let close = (total - likelihood).abs() <= 1e-4 * likelihood.abs().max(1.0);
            assert!(close || total == likelihood, "{total}, {likelihood}");
            let mut start = 0;
            for (variable, size) in domains(&circuit).into_iter().enumerate() {
                let mut prefix: Row = row[..variable].to_vec();
                prefix.resize(row.len(), None);
                let found = &found[start..start + size];
                start += size;
                if value(&circuit, &values, &[prefix.clone()])[0] == f64::NEG_INFINITY {
                    assert!(found.iter().all(|p| p.is_nan()));
                    continue;
                }
                for (&found, expected) in found.iter().zip(posterior(&circuit, &values, &prefix, variable)) {
                    assert!((f64::from(found) - expected).abs() <= TOLERANCE, "{variable}: {found}, {expected}");
                }
            }
        }
    }
}

/// The chance that a chi-squared statistic is greater is less than a millionth of a percent (E. Wilson and M. Hilferty, 1931).
fn assert_chi_squared(counts: &[(f64, f64)], what: &str) {
    let mut bins = Vec::new();
    let (mut rare_expected, mut rare_found) = (0.0, 0.0);
    for &(expected, found) in counts {
        if expected >= 5.0 {
            bins.push((expected, found));
        } else {
            rare_expected += expected;
            rare_found += found;
        }
    }
    if rare_expected >= 5.0 {
        bins.push((rare_expected, rare_found));
    }
    let statistic: f64 = bins.iter().map(|(expected, found)| (found - expected).powi(2) / expected).sum();
    let freedom = (bins.len().max(2) - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    let limit = freedom * (1.0 - spread + 5.6 * spread.sqrt()).powi(3);
    assert!(statistic <= limit, "{what}: chi-squared {statistic} of {freedom} degrees of freedom, limit {limit}");
}

/// Samples have the frequencies of the exact distribution, and agree with the evidence.
#[track_caller]
fn assert_samples(circuit: &Circuit, values: &ParameterValues, rows: &[Row], seed: u64) {
    let values = in_single_precision(values);
    let per_row = 3000;
    let sampling = Sampling { per_row, seed, temperature: 1.0 };
    let (likelihoods, found) = compiled(circuit, &values).complete(Purpose::Sample, rows, rows.len(), sampling);
    for ((row, samples), likelihood) in rows.iter().zip(&found).zip(likelihoods) {
        assert_eq!(samples.len(), per_row);
        if likelihood == f64::NEG_INFINITY {
            assert!(samples.iter().all(|sample| sample == row), "an impossible row stays as it is");
            continue;
        }
        let mut counts: BTreeMap<&Row, usize> = BTreeMap::new();
        samples.iter().for_each(|sample| *counts.entry(sample).or_default() += 1);
        let all = completions(circuit, row);
        let exact = evaluate(circuit, &values, &all).expect("the circuit is in order");
        let total = log_sum_exp(exact.iter().copied());
        let mut bins = Vec::with_capacity(all.len());
        for (completion, log) in all.iter().zip(&exact) {
            let found = counts.remove(completion).unwrap_or(0);
            assert!(found == 0 || *log > f64::NEG_INFINITY, "an impossible completion was drawn: {completion:?}");
            bins.push(((log - total).exp() * per_row as f64, found as f64));
        }
        assert!(counts.is_empty(), "samples that are no completions of {row:?}");
        assert_chi_squared(&bins, &format!("{row:?}"));
    }
}

// COVERS: queries.sample
#[test]
fn samples_of_random_circuits() {
    for_each_case(cases(10), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let mut rows = random_rows(&circuit, recipe.seed, 3, 0.6);
        rows.push(vec![None; domains(&circuit).len()]);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
    });
}

#[test]
fn samples_of_chains() {
    for_each_case(cases(3), (recipes(), 3..7usize), |(recipe, steps)| {
        let circuit = random_chain(&recipe, steps, 1);
        let mut rows = random_rows(&circuit, recipe.seed, 2, 0.6);
        rows.push(vec![None; steps]);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
        let circuit = several_chains(&recipe, steps, 3);
        assert_samples(&circuit, &parameters(&circuit, recipe.seed, recipe.zeros), &rows, recipe.seed);
    });
}

// COVERS: queries.sample.seed
/// What is drawn depends on the seed and the number of the sample, and on nothing else.
#[test]
fn samples_are_the_same_in_any_batch() {
    let circuit = hmm(&Hmm { steps: 40, states: 12, values: 5, monarch: vec![3, 4] });
    let values = random_values(&circuit, 5);
    let compiled = compiled(&circuit, &values);
    let rows = random_rows(&circuit, 6, 21, 0.5);
    let sampling = Sampling { per_row: 7, seed: 11, temperature: 1.0 };
    let (_, found) = compiled.complete(Purpose::Sample, &rows, 21, sampling);
    for batch in [1, 4, 64] {
        let (_, again) = compiled.complete(Purpose::Sample, &rows, batch, sampling);
        assert_eq!(found, again, "batches of {batch}");
    }
    let (_, others) = compiled.complete(Purpose::Sample, &rows, 21, Sampling { seed: 12, ..sampling });
    assert_ne!(found, others);
    // More samples than are drawn at a time.
    let unknown = vec![vec![None; 40]];
    let sampling = Sampling { per_row: 20_000, ..sampling };
    let (_, many) = compiled.complete(Purpose::Sample, &unknown, 1, sampling);
    let (_, few) = compiled.complete(Purpose::Sample, &unknown, 1, Sampling { per_row: 9000, ..sampling });
    assert_eq!(many[0][..9000], few[0]);
    assert_ne!(many[0][..9000], many[0][9000..18000]);
}

// COVERS: queries.sample.temperature
#[test]
fn cold_samples_are_likely() {
    let circuit = hmm(&Hmm { steps: 20, states: 6, values: 5, monarch: vec![] });
    let values = in_single_precision(&random_values(&circuit, 5));
    let compiled = compiled(&circuit, &values);
    let mean = |temperature: f32| {
        let sampling = Sampling { per_row: 500, seed: 2, temperature };
        let (_, found) = compiled.complete(Purpose::Sample, &[vec![None; 20]], 1, sampling);
        value(&circuit, &values, &found[0]).iter().sum::<f64>() / 500.0
    };
    let [cold, usual, hot] = [0.3, 1.0, 3.0].map(mean);
    assert!(cold > usual + 1.0 && usual > hot + 1.0, "{cold} {usual} {hot}");
}

// COVERS: queries.mpe queries.mpe.exact
#[test]
fn completions_of_deterministic_circuits_are_the_most_likely() {
    for (variables, values, seed) in (0..cases(20)).map(|case| (2 + case % 5, 2 + case % 2, case as u64)) {
        let circuit = deterministic_circuit(variables, values, seed);
        assert!(is_deterministic(&circuit));
        let numbers = in_single_precision(&random_values(&circuit, seed));
        let rows = random_rows(&circuit, seed, 9, 0.7);
        let (found, completed) = compiled(&circuit, &numbers).complete(Purpose::Mpe, &rows, 4, Sampling::GREATEST);
        for ((row, found), completed) in rows.iter().zip(found).zip(completed) {
            let all = value(&circuit, &numbers, &completions(&circuit, row));
            let greatest = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!((found - greatest).abs() <= 1e-5 * greatest.abs().max(1.0), "{row:?}: {found}, {greatest}");
            let own = value(&circuit, &numbers, &completed)[0];
            assert!((own - greatest).abs() <= 1e-5 * greatest.abs().max(1.0), "{row:?}: {completed:?}");
            assert!(row.iter().zip(&completed[0]).all(|(row, value)| row.is_none() || row == value));
        }
    }
}

// COVERS: queries.entropy queries.divergence
#[test]
fn entropies_and_divergences_of_deterministic_circuits() {
    for (variables, values, seed) in (0..cases(8)).map(|case| (2 + case % 5, 2 + case % 2, case as u64)) {
        let circuit = deterministic_circuit(variables, values, seed);
        let [p, q] = [seed, seed + 1000].map(|seed| in_single_precision(&random_values(&circuit, seed)));
        let all = completions(&circuit, &vec![None; variables]);
        let [log_p, log_q] = [&p, &q].map(|values| {
            let all = value(&circuit, values, &all);
            let total = log_sum_exp(all.iter().copied());
            all.into_iter().map(|value| value - total).collect::<Vec<f64>>()
        });
        let mean = |of: &dyn Fn(usize) -> f64| (0..all.len()).map(|row| log_p[row].exp() * of(row)).sum::<f64>();
        let (entropy, divergence) = (-mean(&|row| log_p[row]), mean(&|row| log_p[row] - log_q[row]));
        let [compiled_p, compiled_q] = [&p, &q].map(|values| compiled(&circuit, values));
        let module = Module { circuits: vec![circuit.clone()], product: None };
        let outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
        let flows = lower_for(&outcome.module.circuits[0], &PlanOptions::default(), Purpose::Training);
        let (plan, flows) = (Arc::new(compiled_p.signature), Arc::new(flows));
        let found = information::entropy(&plan, &flows, &compiled_p.parameters).expect("the kernels run");
        assert!((found - entropy).abs() <= 1e-5 * entropy.max(1.0), "{found}, {entropy}");
        let found = information::divergence(&plan, &flows, &compiled_p.parameters, &compiled_q.parameters);
        let found = found.expect("the kernels run");
        assert!((found - divergence).abs() <= 1e-5 * divergence.max(1.0), "{found}, {divergence}");
    }
}

/// Where a circuit is not deterministic, the completion is at least as likely as what was found on the way up.
#[test]
fn completions_of_random_circuits_are_bounds() {
    for_each_case(cases(10), recipes(), |recipe| {
        let circuit = random_circuit(&recipe);
        let values = in_single_precision(&parameters(&circuit, recipe.seed, recipe.zeros));
        let rows = random_rows(&circuit, recipe.seed, 9, 0.6);
        let (found, completed) = compiled(&circuit, &values).complete(Purpose::Mpe, &rows, 9, Sampling::GREATEST);
        let likelihoods = value(&circuit, &values, &rows);
        for (index, row) in rows.iter().enumerate() {
            assert_eq!(found[index] == f64::NEG_INFINITY, likelihoods[index] == f64::NEG_INFINITY);
            if found[index] == f64::NEG_INFINITY {
                assert_eq!(completed[index][0], *row);
                continue;
            }
            let own = value(&circuit, &values, &completed[index])[0];
            assert!(own >= found[index] - 1e-5 * found[index].abs().max(1.0), "{row:?}: {own}, {}", found[index]);
            assert!(row.iter().zip(&completed[index][0]).all(|(row, value)| row.is_none() || row == value));
        }
    });
}

#[test]
fn completions_of_hidden_markov_models_are_those_of_viterbi() {
    for (states, steps, monarch) in [(20, 60, vec![]), (12, 40, vec![3, 4])] {
        let model = Hmm { steps, states, values: 5, monarch };
        let circuit = hmm(&model);
        let values = in_single_precision(&random_values(&circuit, 8));
        let rows = random_rows(&circuit, 9, 17, 0.5);
        let (found, _) = compiled(&circuit, &values).complete(Purpose::Mpe, &rows, 17, Sampling::GREATEST);
        // Each entry of a Monarch matrix of two factors is one product, so its paths are those of the dense matrix.
        for (row, found) in rows.iter().zip(found) {
            let expected = viterbi(&model, &values, row);
            assert!((found - expected).abs() <= 1e-5 * expected.abs(), "{found}, {expected}");
        }
    }
}

/// Impossible rows beside possible ones.
#[test]
fn impossible_rows_leave_the_others_alone() {
    let model = Hmm { steps: 30, states: 12, values: 4, monarch: vec![3, 4] };
    let circuit = hmm(&model);
    let mut values = random_values(&circuit, 8);
    let mut emission = values.get("emission").expect("it was drawn").to_vec();
    // No state emits the value 3.
    emission.chunks_mut(4).for_each(|row| row[3] = f64::NEG_INFINITY);
    values.insert("emission", emission);
    let rows = random_rows(&circuit, 9, 40, 0.9);
    let impossible = value(&circuit, &in_single_precision(&values), &rows);
    let impossible = impossible.iter().filter(|value| **value == f64::NEG_INFINITY).count();
    assert!((10..35).contains(&impossible), "{impossible} of 40 rows are impossible");
    assert_marginals(&circuit, &values, &rows, 40, TOLERANCE);
    let compiled = compiled(&circuit, &in_single_precision(&values));
    let sampling = Sampling { per_row: 3, seed: 1, temperature: 1.0 };
    let (likelihoods, found) = compiled.complete(Purpose::Sample, &rows, 40, sampling);
    for ((row, samples), likelihood) in rows.iter().zip(&found).zip(likelihoods) {
        for sample in samples {
            let complete = sample.iter().all(|value| value.is_some_and(|value| value < 3));
            assert!(if likelihood == f64::NEG_INFINITY { sample == row } else { complete }, "{row:?}: {sample:?}");
        }
    }
}
