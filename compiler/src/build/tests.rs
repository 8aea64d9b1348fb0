//! Circuits from programs.

use crate::circuit::{self, Module};
use crate::diagnostic::{Source, render};
use crate::model::{self, LoadError, Loader, Options};
use crate::regions;

struct Text(String);

impl Loader for Text {
    fn load(&mut self, path: &str, _from: Option<&str>) -> Result<Source, LoadError> {
        Ok(Source { name: path.to_owned(), text: self.0.clone() })
    }
}

fn module(text: &str) -> Module {
    let checked = model::check(&mut Text(text.to_owned()), "test.pc", &Options::default());
    let model = checked.model.unwrap_or_else(|| panic!("{}", render(&checked.sources, &checked.diagnostics)));
    let module = super::circuit(&model, &regions::from_model(&model));
    circuit::verify::verify(&module).unwrap_or_else(|error| panic!("{error}"));
    module
}

const CHAIN: &str = "circuit hmm(T = 20000, H = 1024) {
    var x[T]: categorical(27)
    input emit[t in 0..T] = categorical(x[t]) width H tie emission
    region z[T-1] = emit[T-1]
    region z[t in 0..T-1 reversed] = emit[t] * sum(z[t+1]) width H dense tie transition
    root sum(z[0]) tie initial
}";

#[test]
fn a_long_chain_is_built() {
    let module = module(CHAIN);
    assert_eq!(module.circuits[0].graph.len(), 20000 + 19999 + 20000);
    assert_eq!(module.circuits[0].parameters.len(), 3);
}

#[test]
fn the_picture_of_a_long_chain_is_short() {
    let checked = model::check(&mut Text(CHAIN.to_owned()), "test.pc", &Options::default());
    let dot = regions::dot(&regions::from_model(&checked.model.expect("the chain is a program")));
    assert!(dot.contains("x 19995 more"), "{dot}");
    assert!(dot.lines().count() < 60, "{dot}");
}
