//! Programs from `examples/` and `tests/errors/` through the pipeline in memory.

use super::*;
use crate::diagnostic::render;
use crate::{build, circuit, regions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Loads files of this repository, or texts.
struct Files {
    folder: PathBuf,
    texts: BTreeMap<&'static str, &'static str>,
}

impl Loader for Files {
    fn load(&mut self, path: &str, _from: Option<&str>) -> Result<Source, LoadError> {
        if let Some(text) = self.texts.get(path) {
            return Ok(Source { name: path.to_owned(), text: (*text).to_owned() });
        }
        let bytes = std::fs::read(self.folder.join(path)).map_err(|_| LoadError::NotFound(path.to_owned()))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            LoadError::NotUtf8 { name: path.to_owned(), offset }
        })?;
        Ok(Source { name: path.to_owned(), text })
    }
}

fn repository(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)
}

fn check_file(folder: &str, path: &str, set: &[(&str, &str)]) -> Checked {
    let mut files = Files { folder: repository(folder), texts: BTreeMap::new() };
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    check(&mut files, path, &Options { set, ..Options::default() })
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
        let checked = check_file("examples", &name, &[]);
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
    for name in programs("tests/errors") {
        let text = std::fs::read_to_string(repository("tests/errors").join(&name)).unwrap_or_default();
        let Some(rule) = text.lines().find_map(|line| line.strip_prefix("// RULE: ")) else { continue };
        let checked = check_file("tests/errors", &name, &[]);
        let text = rendered(&checked);
        if std::env::var_os("SHOW").is_some() {
            println!("=== {name}\n{text}");
        }
        assert!(checked.diagnostics.iter().any(|d| d.rule == rule.trim()), "{name} should break {rule}:\n{text}");
    }
}
