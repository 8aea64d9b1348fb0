//! Circuits under constraints against brute force: every completion of a row is matched by itself.

mod common;

use common::builder::Builder;
use common::constrained::{matches, random_pattern, satisfies, under, under_symbols};
use common::hmm::{Hmm, hmm};
use common::random_circuit::{random_chain, recipes};
use common::{config, mismatch, parameters, random_rows, value};
use danaus_compiler::circuit::Init;
use danaus_compiler::circuit::{Circuit, Domain, Module, ParameterShape, SumKind};
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::reference::{ParameterValues, completions, domains, log_sum_exp, random_values};
use proptest::prelude::*;

/// The value under a constraint is the sum over the completions that satisfy it.
fn assert_constrained(
    circuit: &Circuit,
    values: &ParameterValues,
    pattern: &str,
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut rows = random_rows(circuit, seed, 4, 0.7);
    rows.extend(random_rows(circuit, seed + 1, 2, 0.2));
    rows.push(vec![None; domains(circuit).len()]);
    let expected: Vec<f64> = rows
        .iter()
        .map(|row| {
            let all = completions(circuit, row).into_iter().filter(|row| satisfies(pattern, row)).collect::<Vec<_>>();
            log_sum_exp(value(circuit, values, &all).into_iter())
        })
        .collect();
    let Some(product) = under(circuit, pattern) else {
        let none = completions(circuit, &rows[rows.len() - 1]).iter().all(|row| !satisfies(pattern, row));
        prop_assert!(none, "{pattern} is satisfiable");
        return Ok(());
    };
    prop_assert_eq!(mismatch(&value(&product, values, &rows), &expected, 1e-9), None, "{}", pattern);
    let module = Module { circuits: vec![product], product: None };
    let rolled = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run").module;
    prop_assert_eq!(mismatch(&value(&rolled.circuits[0], values, &rows), &expected, 1e-9), None, "{}", pattern);
    Ok(())
}

/// `z[t] = x[t] * sum(z[t-1])`: the last variable is split off first.
fn backwards(steps: usize, states: usize, values: usize) -> Circuit {
    let mut builder = Builder::default();
    builder.variables("x", &[steps], Domain::Categorical(values));
    let shape = ParameterShape::Table { width: states, values };
    let table = builder.parameter("emission", shape, Init::Random);
    let weight = builder.weight("transition", None, states, states);
    let mut z = builder.input(0, table);
    for t in 1..steps as u32 {
        let before = builder.sum(SumKind::Dense, states, &[z], vec![weight]);
        let emit = builder.input(t, table);
        z = builder.hadamard(&[before, emit]);
    }
    let initial = builder.weight("initial", None, 1, states);
    let root = builder.sum(SumKind::Dense, 1, &[z], vec![initial]);
    builder.finish("backwards", root)
}

proptest! {
    #![proptest_config(config(60))]

    // COVERS: queries.constraint queries.constraint.match
    #[test]
    fn hidden_markov_models(steps in 1usize..8, states in 1usize..5, values in 2usize..4, seed in any::<u32>()) {
        let monarch = if states == 4 { vec![2, 2] } else { Vec::new() };
        let circuit = hmm(&Hmm { steps, states, values, monarch });
        assert_constrained(&circuit, &random_values(&circuit, seed.into()), &random_pattern(values, seed.into()), seed.into())?;
    }

    #[test]
    fn chains_from_the_last_variable(steps in 1usize..8, states in 1usize..5, values in 2usize..4, seed in any::<u32>()) {
        let circuit = backwards(steps, states, values);
        assert_constrained(&circuit, &random_values(&circuit, seed.into()), &random_pattern(values, seed.into()), seed.into())?;
    }

    // COVERS: queries.constraint.tokens
    /// Symbols of several bytes, some of them parts of characters, and a value that has none.
    #[test]
    fn tokens(steps in 1usize..5, states in 1usize..4, seed in any::<u32>()) {
        let spellings = ["", "0", "01", "110", "\u{e9}", "2"].map(|text| text.as_bytes().to_vec());
        let mut symbols = spellings.to_vec();
        // The two bytes of a character, each a token.
        symbols.extend(["\u{e9}".as_bytes()[..1].to_vec(), "\u{e9}".as_bytes()[1..].to_vec()]);
        let circuit = hmm(&Hmm { steps, states, values: symbols.len(), monarch: Vec::new() });
        let values = random_values(&circuit, seed.into());
        let other = ["\u{e9}.*", ".*1{2,3}0?", ".+", "(?s-u:.)*1"][seed as usize % 4];
        for pattern in [&random_pattern(3, seed.into()), other] {
            let rows = [random_rows(&circuit, seed.into(), 3, 0.6), vec![vec![None; steps]]].concat();
            let satisfies = |row: &Vec<Option<usize>>| {
                let spelled: Vec<&[u8]> = row.iter().map(|value| &*symbols[value.expect("it is complete")]).collect();
                spelled.iter().all(|symbol| !symbol.is_empty()) && matches(pattern, &spelled.concat())
            };
            let expected = rows.iter().map(|row| {
                let all = completions(&circuit, row).into_iter().filter(satisfies).collect::<Vec<_>>();
                log_sum_exp(value(&circuit, &values, &all).into_iter())
            });
            let expected: Vec<f64> = expected.collect();
            let Some(product) = under_symbols(&circuit, pattern, Some(symbols.clone())) else {
                prop_assert_eq!(expected[rows.len() - 1], f64::NEG_INFINITY, "{} is satisfiable", pattern);
                continue;
            };
            prop_assert_eq!(mismatch(&value(&product, &values, &rows), &expected, 1e-9), None, "{}", pattern);
        }
    }

    /// With products of several inputs, mixtures, and parameters that differ from place to place.
    #[test]
    fn random_chains(recipe in recipes(), steps in 2usize..6, pattern in any::<u32>()) {
        let circuit = random_chain(&recipe, steps, 1);
        let values = parameters(&circuit, recipe.seed, recipe.zeros);
        let size = domains(&circuit)[0];
        assert_constrained(&circuit, &values, &random_pattern(size, pattern.into()), recipe.seed >> 1)?;
    }
}

/// One keyword in a long chain: what is rolled up stays rolled up.
#[test]
fn a_constrained_chain_is_one_scan() {
    let circuit = hmm(&Hmm { steps: 200, states: 3, values: 3, monarch: Vec::new() });
    let product = under(&circuit, ".*012.*").expect("it is satisfiable");
    let module = Module { circuits: vec![product], product: None };
    let rolled = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run").module;
    assert!(rolled.circuits[0].graph.total_len() < 10);
}
