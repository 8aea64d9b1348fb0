//! Cross entropy and divergence of two circuits against brute force: every row with its likelihood.

mod common;

use common::builder::Builder;
use common::constrained::{random_pattern, under};
use common::hmm::{Hmm, hmm};
use common::random_circuit::{Recipe, compatible_circuits, recipes};
use common::{config, parameters, value};
use danaus_compiler::circuit::{Circuit, Domain, Init, ParameterShape, SumKind};
use danaus_compiler::information::{InformationError, cross_entropy, divergence};
use danaus_compiler::reference::{ParameterValues, completions, domains, log_sum_exp, random_values};
use proptest::prelude::*;

/// The logarithms of the probabilities of all rows.
fn normalized(circuit: &Circuit, values: &ParameterValues) -> Vec<f64> {
    let rows = completions(circuit, &vec![None; domains(circuit).len()]);
    let all = value(circuit, values, &rows);
    let total = log_sum_exp(all.iter().copied());
    all.into_iter().map(|log| log - total).collect()
}

/// The mean under `p` of the second minus the first; what `p` excludes does not count.
fn mean_difference(p: &[f64], first: &[f64], second: &[f64]) -> f64 {
    let used = (0..p.len()).filter(|&row| p[row] > f64::NEG_INFINITY);
    used.map(|row| p[row].exp() * (second[row] - first[row])).sum()
}

fn assert_same(found: f64, expected: f64) -> Result<(), TestCaseError> {
    prop_assert!(
        found == expected || (found - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{found}, {expected}"
    );
    Ok(())
}

/// Seen states: `q(x) = first[x[0]] * product of next[x[t], x[t+1]]`, a Markov chain, which is deterministic.
fn markov(steps: usize, values: usize) -> Circuit {
    let mut builder = Builder::default();
    builder.variables("x", &[steps], Domain::Categorical(values));
    let table = builder.parameter("see", ParameterShape::Table { width: values, values }, Init::Identity);
    let weight = builder.weight("next", None, values, values);
    let mut z = builder.input(steps as u32 - 1, table);
    for t in (0..steps as u32 - 1).rev() {
        let beyond = builder.sum(SumKind::Dense, values, &[z], vec![weight]);
        let see = builder.input(t, table);
        z = builder.hadamard(&[see, beyond]);
    }
    let first = builder.weight("first", None, 1, values);
    let root = builder.sum(SumKind::Dense, 1, &[z], vec![first]);
    builder.finish("markov", root)
}

proptest! {
    #![proptest_config(config(40))]

    // COVERS: queries.cross_entropy
    /// A hidden Markov model, which is not deterministic, and a Markov chain, which is; with and without zeros in the chain.
    #[test]
    fn hidden_and_seen_states(steps in 2usize..6, states in 1usize..5, values in 2usize..4, zeros in any::<bool>(), seed in any::<u32>()) {
        let monarch = if states == 4 { vec![2, 2] } else { Vec::new() };
        let (p, q) = (hmm(&Hmm { steps, states, values, monarch }), markov(steps, values));
        let p = under(&p, ".*").expect("every row satisfies it");
        let (own, other) = (random_values(&p, seed.into()), parameters(&q, u64::from(seed) + 1, zeros));
        let (log_p, log_q) = (normalized(&p, &own), normalized(&q, &other));
        let expected = mean_difference(&log_p, &log_q, &vec![0.0; log_q.len()]);
        let found = cross_entropy((&p, &own), (&q, &other)).expect("q is deterministic");
        assert_same(found, expected)?;
        let refused = divergence((&p, &own), (&q, &other));
        if states > 1 {
            prop_assert_eq!(refused, Err(InformationError::NotDeterministic { circuit: p.name.clone() }));
        }
    }

    // COVERS: queries.divergence queries.deterministic
    /// A Markov chain under a constraint, which is deterministic because of the zeros of the automaton, and another without one.
    #[test]
    fn deterministic_circuits(steps in 2usize..6, values in 2usize..4, seed in any::<u32>()) {
        let q = markov(steps, values);
        let Some(p) = under(&q, &random_pattern(values, seed.into())) else { return Ok(()) };
        let (own, other) = (random_values(&p, seed.into()), random_values(&q, u64::from(seed) + 1));
        let (log_p, log_q) = (normalized(&p, &own), normalized(&q, &other));
        let found = divergence((&p, &own), (&q, &other)).expect("both are deterministic");
        assert_same(found, mean_difference(&log_p, &log_q, &log_p))?;
        let found = divergence((&p, &own), (&p, &own)).expect("it is deterministic");
        prop_assert!(found.abs() < 1e-9, "{found}");
    }

    /// Two Markov chains, one of which excludes what the other may allow.
    #[test]
    fn what_is_excluded(steps in 2usize..6, values in 2usize..4, seed in any::<u32>()) {
        let circuit = markov(steps, values);
        let [own, other] = [0, 1].map(|add| parameters(&circuit, u64::from(seed) + add, true));
        let (log_p, log_q) = (normalized(&circuit, &own), normalized(&circuit, &other));
        let found = divergence((&circuit, &own), (&circuit, &other));
        let Ok(found) = found else {
            prop_assert!(log_p.iter().chain(&log_q).any(|log| log.is_nan()), "{:?}", found);
            return Ok(());
        };
        assert_same(found, mean_difference(&log_p, &log_q, &log_p))?;
    }

    /// Whatever `p` is, as long as it splits the variables as `q` does.
    #[test]
    fn refusals(recipe in recipes()) {
        let small = Recipe { variables: recipe.variables.clamp(3, 5), width: recipe.width.clamp(2, 3), ..recipe };
        let [p, q] = &compatible_circuits(&small, 2)[..] else { panic!("there are two") };
        let (own, other) = (random_values(p, 1), random_values(q, 2));
        match cross_entropy((p, &own), (q, &other)) {
            Ok(found) => {
                let (log_p, log_q) = (normalized(p, &own), normalized(q, &other));
                assert_same(found, mean_difference(&log_p, &log_q, &vec![0.0; log_q.len()]))?;
            }
            Err(error) => prop_assert!(matches!(error, InformationError::NotDeterministic { .. }), "{error}"),
        }
    }
}

#[test]
fn circuits_that_split_differently_are_not_compatible() {
    let chain = markov(4, 2);
    let mut builder = Builder::default();
    builder.variables("x", &[4], Domain::Categorical(2));
    let table = builder.parameter("t", ParameterShape::Table { width: 1, values: 2 }, Init::Random);
    let inputs: Vec<_> = (0..4).map(|variable| builder.input(variable, table)).collect();
    let left = builder.hadamard(&inputs[..2]);
    let right = builder.hadamard(&inputs[2..]);
    let both = builder.hadamard(&[left, right]);
    let pairs = builder.finish("pairs", both);
    let (own, other) = (random_values(&chain, 1), random_values(&pairs, 2));
    let found = cross_entropy((&chain, &own), (&pairs, &other));
    assert!(matches!(found, Err(InformationError::NotCompatible { .. })), "{found:?}");
}
