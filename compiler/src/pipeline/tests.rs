//! The pipeline on the examples.

use super::*;
use crate::circuit::Circuit;
use crate::model::LoadError;
use crate::plan::interpret::interpret;
use crate::reference::{evaluate, parameter_numbers, random_values};
use danaus_artifact::plan::Step;

/// The examples, by name.
struct Examples;

impl Loader for Examples {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Source, LoadError> {
        let text = match path {
            "hmm.pc" => include_str!("../../../examples/hmm.pc"),
            "monarch_hmm.pc" => include_str!("../../../examples/monarch_hmm.pc"),
            "product_hmm.pc" => include_str!("../../../examples/product_hmm.pc"),
            "weather.pc" => include_str!("../../../examples/weather.pc"),
            "mixture.pc" => include_str!("../../../examples/mixture.pc"),
            "tucker.pc" => include_str!("../../../examples/tucker.pc"),
            "quad_tree.pc" => include_str!("../../../examples/quad_tree.pc"),
            "naive_bayes.pc" => include_str!("../../../examples/naive_bayes.pc"),
            _ => return Err(LoadError::NotFound(path.into())),
        };
        Ok(Source { name: path.into(), text: text.into() })
    }
}

fn options(set: &[(&str, &str)]) -> CompileOptions {
    let set = set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    CompileOptions { model: model::Options { set, ..model::Options::default() }, ..CompileOptions::default() }
}

fn compiled(path: &str, options: &CompileOptions) -> Compiled {
    let compiled = compile(&mut Examples, path, options).unwrap_or_else(|error| panic!("{error}"));
    let messages = crate::diagnostic::render(&compiled.sources, &compiled.diagnostics);
    assert!(!compiled.has_errors(), "{messages}");
    compiled
}

fn plan_of(path: &str, set: &[(&str, &str)]) -> Plan {
    compiled(path, &options(set)).plan.expect("a plan")
}

#[test]
fn plans_of_examples_compute_their_circuits() {
    let small: &[(&str, &[(&str, &str)])] = &[
        ("hmm.pc", &[("T", "9"), ("H", "6")]),
        ("product_hmm.pc", &[("T", "7"), ("A", "3"), ("B", "2")]),
        ("weather.pc", &[]),
        ("mixture.pc", &[]),
        ("tucker.pc", &[]),
        ("quad_tree.pc", &[]),
        ("naive_bayes.pc", &[]),
    ];
    for (path, set) in small {
        let unrolled = CompileOptions { stop_after: Some("multiply-circuits".into()), ..options(set) };
        let circuit = compiled(path, &unrolled).module.expect("a circuit").circuits.remove(0);
        let plan = plan_of(path, set);
        let values = random_values(&circuit, 3);
        let variables = circuit.variable_count();
        let observed = |row: usize, v: usize| row == 0 || !(row + v).is_multiple_of(3);
        let size = |v: usize| circuit.domain(v).expect("a variable").size();
        let row = |row: usize| (0..variables).map(|v| observed(row, v).then(|| (7 * row + 3 * v) % size(v))).collect();
        let rows: Vec<Vec<Option<usize>>> = (0..4).map(row).collect();
        let expected = evaluate(&circuit, &values, &rows).expect("values for all parameters");
        let lowered = Circuit { parameters: plan.parameters.clone(), ..circuit };
        let numbers = parameter_numbers(&lowered, &values).expect("values for all parameters");
        for (a, b) in interpret(&plan, &numbers, &rows).iter().zip(&expected) {
            assert!(a == b || (a - b).abs() <= 1e-9 * b.abs().max(1.0), "{path}: found {a}, expected {b}");
        }
    }
}

#[test]
fn a_monarch_hmm_has_one_plan_for_all_lengths() {
    let (short, long) = (plan_of("monarch_hmm.pc", &[("T", "256")]), plan_of("monarch_hmm.pc", &[("T", "4096")]));
    assert_eq!(short.kernels, long.kernels);
    assert_eq!(short.rows, long.rows);
    assert_eq!(short.steps.len(), long.steps.len());
    assert_ne!(short.fingerprint, long.fingerprint);
    let Some(Step::Loop(chain)) = long.steps.iter().find(|step| matches!(step, Step::Loop(_))) else {
        panic!("a loop")
    };
    assert_eq!((chain.steps, chain.body.len()), (4095, 2));
    assert!(long.root_offset);
}

#[test]
fn every_stage_can_be_dumped() {
    let names =
        ["tokens", "ast", "model", "regions", "regions.dot", "circuit", "plan", "kernels", "stats", "stats.json"];
    let emits: Vec<Emit> = names.iter().map(|name| name.parse().expect("a dump")).collect();
    let dumps = compiled("weather.pc", &CompileOptions { emits, ..options(&[]) }).dumps;
    let found: Vec<String> = dumps.iter().map(|dump| dump.emit.to_string()).collect();
    assert_eq!(found, names);
    assert!(dumps.iter().all(|dump| !dump.text.is_empty() && dump.text.ends_with('\n')));
}

#[test]
fn dumps_that_do_not_exist_are_explained() {
    let error = |text: &str| text.parse::<Emit>().expect_err("no such dump");
    assert_eq!(
        error("tree"),
        "`tree` cannot be emitted; what can be is tokens, ast, model, regions, circuit, plan, kernels, stats"
    );
    assert_eq!(error("circuit.png"), "`.png` is no form of a dump; the forms are .dot, .svg and .json");
    assert_eq!(error("plan.dot"), "plan has no .dot form; regions and circuit have .dot and .svg, stats has .json");
}

#[test]
fn the_compiler_stops_where_it_is_told_to() {
    let stop = |name: &str| {
        let emits = vec!["circuit".parse().expect("a dump")];
        compiled("hmm.pc", &CompileOptions { stop_after: Some(name.into()), emits, ..options(&[("T", "6")]) })
    };
    for name in ["check", "regions"] {
        assert!(stop(name).module.is_none() && stop(name).model.is_some());
    }
    let layers = |name: &str| stop(name).module.expect("a circuit").circuits[0].graph.total_len();
    assert_eq!(["circuit", "prune", "roll", "fuse-layers"].map(layers), [17, 17, 7, 5]);
    for name in ["circuit", "prune", "roll", "fuse-layers"] {
        assert!(stop(name).plan.is_none());
        assert_eq!(stop(name).dumps.len(), 1);
    }
}

#[test]
fn unknown_stages_are_refused() {
    let options = CompileOptions { stop_after: Some("unroll".into()), ..options(&[]) };
    let error = compile(&mut Examples, "hmm.pc", &options).expect_err("no such stage");
    assert!(
        error.to_string().starts_with("there is no stage or pass `unroll`; the stages are check, regions, circuit")
    );
}

#[test]
fn passes_print_what_they_change() {
    let options = CompileOptions { print_after_all: true, ..options(&[("T", "6")]) };
    let printed = compiled("hmm.pc", &options).printed;
    let names: Vec<&str> = printed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, PASSES.iter().map(|pass| pass.name).collect::<Vec<_>>());
    assert!(printed.iter().any(|(name, text)| name == "roll" && text.starts_with("// after roll: 17 -> 7 layers")));
}

#[test]
fn programs_with_errors_have_no_plan() {
    let compiled = compile(&mut Examples, "none.pc", &options(&[])).expect("the compiler itself works");
    assert!(compiled.has_errors() && compiled.plan.is_none());
}

#[test]
fn circuit_text_compiles_to_the_plan_of_its_program() {
    let stopped = CompileOptions {
        stop_after: Some("circuit".into()),
        emits: vec!["circuit".parse().expect("a dump")],
        ..options(&[("T", "6")])
    };
    let text = compiled("hmm.pc", &stopped).dumps.remove(0).text;
    let from_text = compile_ir(&text, &options(&[])).expect("the text is a circuit").plan;
    assert_eq!(from_text, Some(plan_of("hmm.pc", &[("T", "6")])));
}
