//! Builders: what is frozen compiles to the same circuit, and the pictures of the specification are those of its
//! programs.

// The library does no IO; its tests read files.
#![allow(clippy::disallowed_methods)]

use danaus_compiler::circuit::VariableArray;
use danaus_compiler::diagnostic::Source;
use danaus_compiler::explain::{Part, clauses};
use danaus_compiler::model::{self, LoadError, Loader, Observations, Options, check, freeze};
use danaus_compiler::pipeline::{CompileOptions, compile};
use danaus_compiler::{build, circuit, regions};
use std::path::PathBuf;

/// A program in memory.
struct Text(String);

impl Loader for Text {
    fn load(&mut self, path: &str, from: Option<&str>) -> Result<Source, LoadError> {
        match from {
            None => Ok(Source { name: path.to_string(), text: self.0.clone() }),
            Some(_) => Err(LoadError::NotFound(path.to_string())),
        }
    }

    /// A table of the examples in which 2 stands for what is missing.
    fn observations(
        &mut self,
        path: &str,
        _: &str,
        variables: &[VariableArray],
        _: Option<usize>,
    ) -> Result<Observations, String> {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path);
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
        let rows: Vec<Vec<u32>> =
            text.lines().skip(1).map(|row| row.split(',').map(|value| value.parse().unwrap_or(2)).collect()).collect();
        let columns = variables.iter().map(VariableArray::len).sum();
        let values = (0..columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
        Ok(Observations { rows: rows.len(), values })
    }
}

fn checked(text: &str, options: &Options) -> model::Checked {
    check(&mut Text(text.to_string()), "block.pc", options)
}

/// The circuit IR of a program without errors, and whatever is said about the program.
fn circuit_text(text: &str, options: &Options) -> (String, usize) {
    let checked = checked(text, options);
    let said = checked.diagnostics.len();
    let model = checked.model.unwrap_or_else(|| panic!("{text}\n{:?}", checked.diagnostics));
    (circuit::print::print(&build::circuit(&model, &regions::from_model(&model))), said)
}

/// The correct programs of the chapter on builders, with the clauses they belong to.
fn programs() -> Vec<(String, String)> {
    let mut programs = Vec::new();
    for clause in clauses().into_iter().filter(|clause| clause.rule.starts_with("builder.")) {
        for part in &clause.parts {
            if let Part::Code { tag, text, .. } = part
                && tag == "pc"
            {
                programs.push((clause.rule.clone(), text.clone()));
            }
        }
    }
    programs
}

fn freezes(name: &str, text: &str, options: &Options) {
    let frozen = freeze(&checked(text, options)).unwrap_or_else(|| panic!("{name} is frozen"));
    assert!(!frozen.contains("regions"), "{name}: a builder is left\n{frozen}");
    let (expected, _) = circuit_text(text, options);
    let (found, said) = circuit_text(&frozen, &Options::default());
    assert_eq!(expected, found, "{name}");
    assert_eq!(said, 0, "{name}: messages about\n{frozen}");
    assert_eq!(freeze(&checked(&frozen, &Options::default())).as_ref(), Some(&frozen), "{name}");
}

#[test]
fn what_is_frozen_is_the_same_circuit() {
    // COVERS: builder.items
    let programs = programs();
    assert!(programs.len() > 10);
    for (rule, text) in programs {
        freezes(&rule, &text, &Options::default());
    }
}

#[test]
fn settings_are_frozen_too() {
    let text = "circuit c(N = 2, K = 3, B = 2) {
        var p[N, N]: categorical(B) // a comment
        regions top = quad_graph(p, splits = B) { input categorical width K   sum width N + K at depth 0..1, 4 below   mixing }
        root sum(top)
    }";
    let set = vec![("N".to_string(), "4".to_string()), ("K".to_string(), "2".to_string())];
    freezes("settings", text, &Options { set, ..Options::default() });
    let frozen = freeze(&checked(text, &Options::default())).expect("it has no errors");
    assert!(
        frozen.starts_with("circuit c(N = 2, K = 3, B = 2) {\n    var p[N, N]: categorical(B) // a comment\n"),
        "{frozen}"
    );
}

#[test]
fn parameters_that_only_builders_use_are_gone() {
    let text = "/// Random.\ncircuit c(D = 2) { var x[4]: binary regions random(x, depth = D) { input bernoulli width 2 sum width 2 } }";
    let frozen = freeze(&checked(text, &Options::default())).expect("it has no errors");
    assert!(frozen.starts_with("/// Random.\ncircuit c {\n"), "{frozen}");
}

#[test]
fn a_product_is_not_frozen() {
    let text = "circuit a { var x: binary input l = bernoulli(x) width 2 root sum(l) } circuit b = a * a";
    assert_eq!(freeze(&checked(text, &Options::default())), None);
}

/// With `BLESS=1` the pictures are drawn anew.
#[test]
fn pictures_of_the_specification_are_of_its_programs() {
    // COVERS: builder.chain, builder.linear, builder.balanced, builder.random, builder.quad_tree, builder.quad_graph
    // COVERS: builder.poon_domingos, builder.chow_liu
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../spec/pictures");
    let kinds = ["chain", "linear", "balanced", "random", "quad_tree", "quad_graph", "poon_domingos", "chow_liu"];
    for kind in kinds {
        let rule = format!("builder.{kind}");
        let (_, text) = programs().into_iter().find(|(known, _)| *known == rule).expect("the clause has a program");
        let emits = vec!["regions.svg".parse().expect("it can be emitted")];
        let options = CompileOptions { emits, stop_after: Some("regions".to_string()), ..CompileOptions::default() };
        let compiled = compile(&mut Text(text), "block.pc", &options).expect("it compiles");
        let drawn = &compiled.dumps[0].text;
        let file = folder.join(format!("{kind}.svg"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, drawn).expect("the picture is written");
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(kept == *drawn, "{} is out of date; BLESS=1 draws it anew", file.display());
    }
}
