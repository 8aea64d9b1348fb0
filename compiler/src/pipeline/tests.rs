//! The pipeline on the examples.

use super::*;
use crate::model::LoadError;
use crate::plan::interpret::interpret;
use crate::reference::{evaluate, random_values};
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
fn examples_compile() {
    for path in [
        "hmm.pc",
        "monarch_hmm.pc",
        "product_hmm.pc",
        "weather.pc",
        "mixture.pc",
        "tucker.pc",
        "quad_tree.pc",
        "naive_bayes.pc",
    ] {
        let start = Instant::now();
        let compiled = compiled(path, &options(&[]));
        let plan = compiled.plan.expect("a plan");
        eprintln!(
            "{path}: {:?}, {} steps, {} kernels, {} rows",
            start.elapsed(),
            plan.steps.len(),
            plan.kernels.len(),
            plan.rows
        );
        for timing in &compiled.timings {
            eprintln!("   {timing:?}");
        }
        for timing in &compiled.passes {
            eprintln!("   {timing:?}");
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
