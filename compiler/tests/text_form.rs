//! The text form: what is printed reads back, and no text makes the reader panic.

mod common;

use common::config;
use common::hmm::{Hmm, hmm, rolled_hmm};
use common::random_circuit::{random_circuit, recipes};
use danaus_compiler::circuit::print::print;
use danaus_compiler::circuit::read::read;
use danaus_compiler::circuit::verify::verify;
use danaus_compiler::circuit::{Circuit, Init, Module};
use danaus_compiler::passes::{DumpRequest, PASSES, PassContext, run_passes};
use proptest::prelude::*;

fn module(circuit: Circuit) -> Module {
    Module { circuits: vec![circuit], product: None }
}

fn round_trip(module: &Module) -> Result<(), TestCaseError> {
    let text = print(module);
    let again = read(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
    prop_assert_eq!(&again, module);
    prop_assert_eq!(print(&again), text);
    Ok(())
}

/// The module after each pass.
fn stages(circuit: Circuit) -> Vec<Module> {
    let mut modules = vec![module(circuit)];
    for pass in PASSES {
        let last = modules.last().expect("there is one").clone();
        let outcome = run_passes(std::slice::from_ref(pass), last, &PassContext::default(), &DumpRequest::default());
        modules.push(outcome.expect("passes run").module);
    }
    modules
}

/// Texts near the text form: pieces of it, cut, doubled, swapped or replaced.
fn mutated() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("%9999999999".to_string()),
        Just("%0.7".to_string()),
        Just("99999999999999999999".to_string()),
        Just("kronecker(".repeat(3000)),
        Just("[4294967295, 4294967295, 4294967295]".to_string()),
        Just("\"\\u{110000}\"".to_string()),
        Just("-".to_string()),
        Just("..".to_string()),
        Just("scan 3 from %0 : 2 {".to_string()),
        "\\PC{0,8}",
    ];
    let edit = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), prop::option::of(pieces));
    (recipes(), any::<bool>(), prop::collection::vec(edit, 1..6)).prop_map(|(recipe, rolled, edits)| {
        let model = Hmm { steps: 6, states: 4, values: 3, monarch: vec![2, 2] };
        let all = stages(if rolled { hmm(&model) } else { random_circuit(&recipe) });
        let mut text: Vec<char> = print(&all[recipe.seed as usize % all.len()]).chars().collect();
        for (from, to, piece) in edits {
            let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
            let range = if to > from && to - from < 30 { from..to } else { from..from };
            let piece = piece.unwrap_or_else(|| text[to.min(from)..to.max(from)].iter().take(200).collect());
            text.splice(range, piece.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(config(200))]

    // COVERS: circuit.text.round-trip
    #[test]
    fn random_circuits_read_back_after_every_pass(recipe in recipes()) {
        for module in stages(random_circuit(&recipe)) {
            round_trip(&module)?;
        }
    }

    // COVERS: circuit.text.error
    #[test]
    fn any_text_is_a_module_or_an_error(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn names_and_numbers_read_back(name in "\\PC{1,12}", numbers in prop::collection::vec(any::<f64>(), 2)) {
        let mut circuit = hmm(&Hmm { steps: 2, states: 1, values: 2, monarch: Vec::new() });
        circuit.name = name.clone();
        circuit.variables[0].name = name.clone();
        circuit.parameters[0].name = name;
        circuit.parameters[0].init = Init::Given(numbers.iter().map(|n| if n.is_nan() { 0.5 } else { *n }).collect());
        prop_assume!(circuit.parameters[0].init != Init::Given(vec![f64::INFINITY; 2]));
        round_trip(&module(circuit))?;
    }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn damaged_texts_are_modules_or_errors(text in mutated()) {
        if let Ok(module) = read(&text)
            && verify(&module).is_ok()
        {
            round_trip(&module)?;
        }
    }
}

#[test]
fn chains_read_back_after_every_pass() {
    for monarch in [vec![], vec![2, 3], vec![2, 3, 2]] {
        let states = if monarch.is_empty() { 5 } else { monarch.iter().product() };
        let model = Hmm { steps: 7, states, values: 3, monarch };
        for module in stages(hmm(&model)).into_iter().chain([module(rolled_hmm(&model))]) {
            round_trip(&module).expect("it reads back");
        }
    }
}
