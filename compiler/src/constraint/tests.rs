//! Automata by hand.

use super::automaton::{Automaton, Step};
use super::{Constraint, ConstraintError, constrained};
use crate::circuit::read::read;

fn letters(text: &str) -> Vec<Vec<u8>> {
    text.bytes().map(|byte| vec![byte]).collect()
}

fn step(from: usize, to: usize, values: &[usize]) -> Step {
    Step { from, to, values: values.to_vec() }
}

#[test]
fn a_keyword() {
    let found = Automaton::new(".*ab.*", &letters("abc"), 5).expect("it is satisfiable");
    // Nothing yet, an `a` just now, found.
    let steps = vec![
        step(0, 0, &[1, 2]),
        step(0, 1, &[0]),
        step(1, 0, &[2]),
        step(1, 1, &[0]),
        step(1, 2, &[1]),
        step(2, 2, &[0, 1, 2]),
    ];
    assert_eq!(found, Automaton { accepting: vec![false, false, true], steps });
}

/// The first alternative does not hide the second, which is longer.
#[test]
fn every_alternative_counts() {
    let found = Automaton::new("a|ab", &letters("ab"), 2).expect("it is satisfiable");
    assert_eq!(found.accepting, [false, true, true]);
}

#[test]
fn symbols_of_several_bytes() {
    let symbols = ["the ", "cat", "é"].map(|symbol| symbol.as_bytes().to_vec());
    let found = Automaton::new("the .at.?", &symbols, 3).expect("it is satisfiable");
    assert_eq!(found.steps, [step(0, 1, &[0]), step(1, 2, &[1]), step(2, 3, &[2])]);
}

#[test]
fn what_no_row_satisfies() {
    let found = Automaton::new("a{3}", &letters("ab"), 2);
    assert_eq!(found, Err(ConstraintError::Unsatisfiable { pattern: "a{3}".to_string(), length: 2 }));
    let found = Automaton::new("(a", &letters("ab"), 2);
    assert!(matches!(found, Err(ConstraintError::Pattern { .. })), "{found:?}");
}

#[test]
fn circuits_that_are_no_chains() {
    let text = "circuit pairs {
  var x[4]: binary
  param @t: table[1, 2] random
  %0 = input (x[0] @t) : 1
  %1 = input (x[1] @t) : 1
  %2 = input (x[2] @t) : 1
  %3 = input (x[3] @t) : 1
  %4 = hadamard %0, %1 : 1
  %5 = hadamard %2, %3 : 1
  %6 = hadamard %4, %5 : 1
  root %6
}
";
    let circuit = &read(text).unwrap_or_else(|error| panic!("{error}")).circuits[0];
    let found = constrained(circuit, &Constraint { pattern: "[01]*1".to_string(), symbols: None });
    assert_eq!(found, Err(ConstraintError::NoChain { circuit: "pairs".to_string() }));
}
