//! Random regular expressions, a judge of them that is no automaton, and circuits under them.

use danaus_compiler::circuit::{Circuit, Module};
use danaus_compiler::constraint::{Constraint, ConstraintError, constrained};
use danaus_compiler::passes::{DumpRequest, PassContext, by_name, run_passes};
use danaus_compiler::reference::Row;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// A random expression over the first `values` digits.
pub fn random_pattern(values: usize, seed: u64) -> String {
    expression(&mut ChaCha8Rng::seed_from_u64(seed), values, 3)
}

fn expression(rng: &mut ChaCha8Rng, values: usize, depth: usize) -> String {
    let digit = |rng: &mut ChaCha8Rng| rng.random_range(0..values).to_string();
    if depth == 0 {
        return digit(rng);
    }
    let below = |rng: &mut ChaCha8Rng| expression(rng, values, depth - 1);
    match rng.random_range(0..8) {
        0 => format!("(?:{}|{})", below(rng), below(rng)),
        1 => format!("(?:{})*", below(rng)),
        2 => format!("(?:{}){{0,{}}}{}", below(rng), rng.random_range(1..4), below(rng)),
        3 => format!(".*{}.*", below(rng)),
        4 => format!("[^{}]*{}", digit(rng), below(rng)),
        5 => format!("{}.?.*", below(rng)),
        _ => format!("{}{}", below(rng), below(rng)),
    }
}

/// Whether a complete row satisfies an expression, by simulating all of its threads (R. Thompson's algorithm).
pub fn satisfies(pattern: &str, row: &Row) -> bool {
    let text: String = row.iter().map(|value| value.expect("the row is complete").to_string()).collect();
    matches(pattern, text.as_bytes())
}

/// Whether a text as a whole matches an expression.
pub fn matches(pattern: &str, text: &[u8]) -> bool {
    let mut builder = PikeVM::builder();
    builder.syntax(syntax::Config::new().utf8(false)).thompson(thompson::Config::new().utf8(false));
    let vm = builder.build(&format!("^(?:{pattern})$")).expect("it is an expression");
    vm.is_match(&mut vm.create_cache(), Input::new(text).anchored(Anchored::Yes))
}

/// The circuit under a constraint over digits, if some row satisfies it.
pub fn under(circuit: &Circuit, pattern: &str) -> Option<Circuit> {
    under_symbols(circuit, pattern, None)
}

/// The circuit under a constraint over symbols, if some row satisfies it.
pub fn under_symbols(circuit: &Circuit, pattern: &str, symbols: Option<Vec<Vec<u8>>>) -> Option<Circuit> {
    let names = ["multiply-circuits", "lower-monarch", "share", "prune"];
    let passes: Vec<_> = names.iter().map(|name| *by_name(name).expect("a pass")).collect();
    let simple = |circuit: &Circuit| {
        let module = Module { circuits: vec![circuit.clone()], product: None };
        let outcome = run_passes(&passes, module, &PassContext::default(), &DumpRequest::default());
        outcome.expect("the passes run").module.circuits.remove(0)
    };
    match constrained(&simple(circuit), &Constraint { pattern: pattern.to_string(), symbols }) {
        Ok(circuit) => Some(simple(&circuit)),
        Err(ConstraintError::Unsatisfiable { .. }) => None,
        Err(error) => panic!("{pattern}: {error}"),
    }
}
