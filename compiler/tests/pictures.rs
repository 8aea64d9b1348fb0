//! Pictures of random circuits are drawn, are the same every time, and stay small.

mod common;

use common::config;
use common::hmm::{Hmm, hmm};
use common::random_circuit::{random_circuit, recipes};
use danaus_compiler::circuit::Module;
use danaus_compiler::passes::{DumpRequest, PassContext, run};
use danaus_compiler::picture::{dot, svg};
use proptest::prelude::*;

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn random_circuits_are_drawn(recipe in recipes()) {
        let circuit = random_circuit(&recipe);
        let module = Module { circuits: vec![circuit.clone()], product: None };
        let outcome = run(module, &PassContext::default(), &DumpRequest::default()).expect("the passes run");
        for circuit in [&circuit, &outcome.module.circuits[0]] {
            let text = dot(circuit);
            let picture = svg(&text).expect("it is drawn");
            prop_assert_eq!(&svg(&text).expect("it is drawn"), &picture);
            prop_assert!(picture.starts_with("<svg") && !picture.contains("NaN"));
        }
    }
}

#[test]
fn a_long_chain_is_drawn_once_and_counted() {
    let circuit = hmm(&Hmm { steps: 1000, states: 3, values: 2, monarch: Vec::new() });
    let text = dot(&circuit);
    assert!(text.contains("the same 997 times more\\n(2991 layers)"), "{text}");
    assert!(text.lines().count() < 40, "{text}");
    assert!(svg(&text).expect("it is drawn").contains("the same 997 times more"));
}

#[test]
fn what_is_no_graph_is_an_error() {
    assert!(svg("digraph { a -> }").is_err());
    assert!(svg("").is_err());
}
