//! Marginals and what follows from them the whole way down, against brute force: random circuits, deterministic circuits and hidden Markov
//! models through the passes, the planner and the kernels on the CPU.
//!
//! The judge is the float64 evaluator, asked for the likelihood of every value, and the textbook's forward-backward algorithm.
//! `DANAUS_CASES` asks for more random circuits.

#[path = "../../tests/common/mod.rs"]
mod common;

mod asked;

use asked::{TOLERANCE, cases, compiled, for_each_case, in_single_precision, posterior, product};
use common::deterministic::deterministic_circuit;
use common::hmm::{Hmm, hmm};
use common::random_circuit::{Recipe, random_chain, random_circuit, recipes, several_chains};
use common::textbook::forward_backward;
use common::{parameters, random_rows, value};
use danaus_artifact::plan::CHUNK;
use danaus_compiler::circuit::{Circuit, Module};
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::plan::PlanOptions;
use danaus_compiler::plan::flow::{Purpose, lower_for};
use danaus_compiler::reference::{ParameterValues, Row, completions, domains, log_sum_exp, random_values};
use danaus_kernels::{FlowProgram, Prefix, pack_all};
use danaus_runtime::queries::{Marginals, Pair, QuerySession, information};
use proptest::prelude::Strategy;
use std::ops::ControlFlow;
use std::sync::Arc;

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

#[test]
fn marginals_of_products() {
    for_each_case(cases(2), recipes(), |recipe| {
        let circuit = product(&recipe);
        let rows = random_rows(&circuit, recipe.seed, 5, 0.7);
        assert_marginals(&circuit, &random_values(&circuit, recipe.seed), &rows, 5, 1e-6);
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

// COVERS: plan.linear
/// Chains in linear space, in segments of all lengths, and those that fail there: values that underflow, and parameters too small for it.
#[test]
fn marginals_of_chains_in_linear_space() {
    for (monarch, limits) in [(vec![6, 6], [1 << 20, 50, 30]), (vec![], [1 << 20, 30, 20])] {
        let circuit = hmm(&Hmm { steps: 70, states: 36, values: 5, monarch });
        let plain = random_values(&circuit, 3);
        let tables = |log: f64| {
            let mut values = plain.clone();
            let table = plain.get("emission").expect("there are emissions").iter().enumerate();
            values.insert("emission", table.map(|(at, &own)| if at % 5 == 1 && at > 9 { log } else { own }).collect());
            values
        };
        // The first unit of a block comes from the first alone, and falls behind the others by more than single precision can hold.
        let mut rare = plain.clone();
        for (name, numbers) in plain.iter().filter(|(name, _)| name.starts_with("transition")) {
            let size = if numbers.len() == 36 * 36 { 36 } else { 6 };
            let mut numbers = numbers.to_vec();
            for block in numbers.chunks_mut(size * size) {
                block[..size].fill(0.0);
                block[0] = 1e-11;
            }
            rare.insert(name, numbers);
        }
        for (values, relapses) in [(&plain, 0), (&tables(f64::NEG_INFINITY), 0), (&rare, 1), (&tables(-40.0), 1)] {
            let values = in_single_precision(values);
            let mut rows = random_rows(&circuit, 4, 5, 0.4);
            rows[2] = vec![None; 70];
            rows[3] = (0..70).map(|t| Some(if t % 9 < 4 { 1 } else { t % 5 })).collect();
            let asked = [0, 16, 33, 68, 69];
            let expected: Vec<Vec<Vec<f64>>> = rows
                .iter()
                .map(|row| asked.map(|variable| posterior(&circuit, &values, row, variable)).to_vec())
                .collect();
            let mut lengths = Vec::new();
            for limit in limits {
                let (found, program) = posteriors(&circuit, &values, &rows, limit * 36 * 4 * 32);
                let stats = program.stats();
                assert_eq!((stats.in_linear_space, stats.relapses), (1 - relapses, relapses));
                lengths.push(program.segments().expect("a batch was computed").0[0]);
                for ((row, expected), found) in rows.iter().zip(&expected).zip(&found) {
                    for (&variable, expected) in asked.iter().zip(expected).filter(|(at, _)| row[**at].is_none()) {
                        for (found, expected) in found[variable].iter().zip(expected) {
                            let what = format!("{stats:?}, segments {lengths:?}, variable {variable}");
                            assert!((found - expected).abs() <= TOLERANCE, "{what}: {found}, {expected}");
                        }
                    }
                }
            }
            assert!(lengths[0] > lengths[1] && lengths[1] > lengths[2], "{lengths:?}");
        }
    }
}

/// The posteriors of all variables of each row, normalized, where activations take at most so many bytes.
fn posteriors(
    circuit: &Circuit,
    values: &ParameterValues,
    rows: &[Row],
    limit: u64,
) -> (Vec<Vec<Vec<f64>>>, FlowProgram) {
    let (compiled, sizes) = (compiled(circuit, values), domains(circuit));
    let plan = Arc::new(compiled.queries.marginal.clone().expect("it was made"));
    let signature = Arc::new(compiled.signature.clone());
    let mut program = FlowProgram::new(plan, signature, limit).expect("it is in order");
    program.set_parameters(compiled.parameters.values()).expect("they fit");
    let index = |variable: usize, row: &Row| row[variable].unwrap_or(sizes[variable]) as u32;
    let evidence: Vec<u32> =
        (0..sizes.len()).flat_map(|variable| rows.iter().map(move |row| index(variable, row))).collect();
    let found = program.posteriors(&evidence, rows.len(), rows.len()).expect("the kernels run");
    let of_row = |row: usize| {
        let mut all = found.values.chunks_exact(found.pitch).map(|values| f64::from(values[row]));
        let mut variable = |&size: &usize| {
            let own: Vec<f64> = all.by_ref().take(size).collect();
            let total: f64 = own.iter().sum();
            own.iter().map(|probability| probability / total).collect()
        };
        sizes.iter().map(&mut variable).collect()
    };
    ((0..rows.len()).map(of_row).collect(), program)
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

// COVERS: queries.next.stream
/// One symbol at a time, also where memory holds a few iterations only: the same ratios.
#[test]
fn streams_know_what_follows() {
    for (steps, states, monarch, limit) in [(40, 12, vec![3, 4], u64::MAX / 2), (70, 7, vec![], 40_000)] {
        let circuit = hmm(&Hmm { steps, states, values: 3, monarch });
        let values = in_single_precision(&parameters(&circuit, 4, true));
        let mut rows = random_rows(&circuit, 5, 5, 0.0);
        rows[3][2] = None;
        let compiled = compiled(&circuit, &values);
        let plan = Arc::new(compiled.queries.marginal.clone().expect("it was made"));
        let packed = (plan.packs.clone(), plan.packed_chunks as usize * CHUNK);
        let packed = pack_all(&packed.0, packed.1, &compiled.signature.parameters, compiled.parameters.values());
        let segment = plan.segments((limit / 64).min(1 << 20)).expect("there is room").0[0] as usize;
        assert_eq!(segment < steps - 1, limit == 40_000, "the loop is cut: {segment}");
        let mut program = FlowProgram::new(plan, Arc::new(compiled.signature.clone()), limit).expect("it is in order");
        program.set_packed(packed.clone()).expect("they fit");
        let mut prefix = Prefix::new(program, rows.len()).expect("there is room");
        let sizes = domains(&circuit);
        for variable in 0..steps {
            assert!(prefix.variable() == variable && !prefix.is_complete());
            let found = prefix.next().expect("the kernels run");
            for (index, row) in rows.iter().enumerate() {
                let weights: Vec<f64> =
                    (0..sizes[variable]).map(|v| f64::from(found[v * rows.len() + index])).collect();
                let mut before: Row = row[..variable].to_vec();
                before.resize(row.len(), None);
                let total: f64 = weights.iter().sum();
                if value(&circuit, &values, &[before.clone()])[0] == f64::NEG_INFINITY {
                    assert_eq!(total, 0.0);
                    continue;
                }
                for (weight, expected) in weights.iter().zip(posterior(&circuit, &values, &before, variable)) {
                    assert!((weight / total - expected).abs() <= TOLERANCE, "{variable}: {weight}, {expected}");
                }
            }
            let seen = |row: &Row| row[variable].unwrap_or(sizes[variable]) as u32;
            prefix.push(&rows.iter().map(seen).collect::<Vec<u32>>()).expect("the kernels run");
        }
        assert!(prefix.is_complete());
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
