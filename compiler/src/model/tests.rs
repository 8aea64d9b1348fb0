//! Programs from `examples/` and `tests/errors/` through the pipeline in memory.

use super::*;
use crate::diagnostic::render;
use crate::{build, circuit, regions};
use std::path::{Path, PathBuf};

/// Loads files of a folder of this repository. Names are relative to that folder.
struct Files(PathBuf);

impl Loader for Files {
    fn load(&mut self, path: &str, from: Option<&str>) -> Result<Source, LoadError> {
        let folder =
            from.and_then(|from| from.rsplit_once('/')).map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let name = format!("{folder}{path}");
        let bytes = std::fs::read(self.0.join(&name)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LoadError::NotFound(name.clone()),
            _ => LoadError::Unreadable { name: name.clone(), reason: error.to_string() },
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            LoadError::NotUtf8 { name: name.clone(), offset }
        })?;
        Ok(Source { name, text })
    }
}

fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

fn check_file(folder: &str, path: &str, options: &Options) -> Checked {
    check(&mut Files(repository(folder)), path, options)
}

/// The options of a line `// RUN: danaus check %s --set K=2 --circuit c`.
fn options(text: &str) -> Options {
    let mut options = Options::default();
    let run = text.lines().find_map(|line| line.strip_prefix("// RUN: danaus check %s")).unwrap_or_default();
    let mut words = run.split_whitespace();
    while let (Some(option), Some(value)) = (words.next(), words.next()) {
        match (option, value.split_once('=')) {
            ("--set", Some((name, value))) => options.set.push((name.to_owned(), value.to_owned())),
            ("--circuit", _) => options.circuit = Some(value.to_owned()),
            _ => panic!("{option} is not known here"),
        }
    }
    options
}

fn programs(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(repository(folder)).expect("the folder exists");
    let names = entries.map(|entry| entry.expect("the folder can be read").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(".pc"));
    names.sort();
    names
}

fn rendered(checked: &Checked) -> String {
    render(&checked.sources, &checked.diagnostics)
}

#[test]
fn examples_become_circuits() {
    for name in programs("examples") {
        let checked = check_file("examples", &name, &Options::default());
        assert_eq!(rendered(&checked), "", "{name}");
        let model = checked.model.expect("no error, so there is a model");
        let graph = regions::from_model(&model);
        let module = build::circuit(&model, &graph);
        if let Err(error) = circuit::verify::verify(&module) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn each_error_test_breaks_its_rule() {
    let mut wrong = Vec::new();
    for name in programs("tests/errors") {
        let text = std::fs::read_to_string(repository("tests/errors").join(&name)).expect("the test can be read");
        let rule = text.lines().find_map(|line| line.strip_prefix("// COVERS: ")).expect("the test names its rule");
        let checked = check_file("tests/errors", &name, &options(&text));
        let shown = rendered(&checked);
        if std::env::var_os("SHOW").is_some() {
            println!("=== {name}\n{shown}");
        }
        let is_broken = checked.diagnostics.iter().any(|d| d.rule == rule.trim());
        if !is_broken || checked.model.is_none() != text.contains("// FAIL") {
            wrong.push(format!("{name} should break {rule}:\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
