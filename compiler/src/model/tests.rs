//! Programs from `examples/` and `tests/errors/` through the pipeline in memory.

use super::*;
use crate::circuit::VariableArray;
use crate::diagnostic::render;
use crate::{build, circuit, reference, regions};
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

    fn observations(
        &mut self,
        path: &str,
        _: &str,
        variables: &[VariableArray],
        _: Option<usize>,
    ) -> Result<Observations, String> {
        let text = std::fs::read_to_string(self.0.join(path)).map_err(|error| format!("{path}: {error}"))?;
        let rows: Vec<Vec<u32>> =
            text.lines().skip(1).map(|row| row.split(',').map(|value| value.parse().unwrap_or(2)).collect()).collect();
        let columns = variables.iter().map(VariableArray::len).sum();
        let values = (0..columns).flat_map(|column| rows.iter().map(move |row| row[column])).collect();
        Ok(Observations { rows: rows.len(), values })
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
        check_circuit(&model, &name);
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

#[test]
fn blocks_of_the_specification_break_the_rule_they_name() {
    let mut wrong = Vec::new();
    for clause in crate::explain::clauses() {
        for part in &clause.parts {
            let crate::explain::Part::Code { tag, text, line } = part else { continue };
            let Some(expected) = tag.strip_prefix("pc") else { continue };
            let mut files = Block { files: Files(repository("examples")), text: text.clone() };
            let checked = check(&mut files, "block.pc", &Options::default());
            let mut found: Vec<&str> = checked.diagnostics.iter().map(|d| d.rule).collect();
            found.dedup();
            let expected = expected.split_once('=').map_or(vec![], |(_, rule)| vec![rule]);
            if found != expected || checked.model.is_some() == tag.contains("error") {
                wrong.push(format!("{} line {line}: {tag}\n{}", clause.chapter, rendered(&checked)));
            }
            if let Some(model) = checked.model {
                check_circuit(&model, &format!("{} line {line}", clause.chapter));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Builds the circuits. They keep the contract, and with nothing observed their likelihood is 1.
fn check_circuit(model: &Model, name: &str) {
    let module = build::circuit(model, &regions::from_model(model));
    circuit::verify::verify(&module).unwrap_or_else(|error| panic!("{name}: {error}"));
    for circuit in &module.circuits {
        let weights: u64 = model.circuits.iter().flat_map(|c| &c.weights).filter_map(|w| w.shape.size()).sum();
        if weights < 1 << 16 {
            let nothing = vec![None; circuit.variable_count()];
            let values = reference::random_values(circuit, 7);
            let likelihood = reference::evaluate(circuit, &values, &[nothing]).expect("the values are complete")[0];
            assert!(likelihood.abs() < 1e-9, "{name}: the logarithm of 1 is {likelihood}");
        }
    }
}

/// A program that may use the examples.
struct Block {
    files: Files,
    text: String,
}

impl Loader for Block {
    fn load(&mut self, path: &str, from: Option<&str>) -> Result<Source, LoadError> {
        match from {
            None => Ok(Source { name: path.to_owned(), text: self.text.clone() }),
            Some(_) => self.files.load(path, from),
        }
    }

    fn observations(
        &mut self,
        path: &str,
        from: &str,
        variables: &[VariableArray],
        most: Option<usize>,
    ) -> Result<Observations, String> {
        self.files.observations(path, from, variables, most)
    }
}

#[test]
fn every_rule_of_the_model_is_a_clause_with_a_test() {
    let rules = crate::explain::rules();
    let folder = repository("compiler/src/model");
    let mut known = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder exists") {
        let path = entry.expect("the folder can be read").path();
        if path.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        known.extend(text.split('"').filter(|word| is_rule(word)).map(str::to_owned));
    }
    known.sort();
    known.dedup();
    known.retain(|rule| !rule.starts_with("files."));
    let unknown: Vec<&String> = known.iter().filter(|rule| !rules.contains(rule)).collect();
    assert!(unknown.is_empty(), "no clauses: {unknown:?}");
    let tested: Vec<String> = programs("tests/errors");
    let is_tested = |rule: &String| tested.iter().any(|name| name.starts_with(rule.as_str()));
    let untested: Vec<&String> = known.iter().filter(|rule| !is_tested(rule)).collect();
    assert!(untested.is_empty(), "no tests: {untested:?}");
}

/// Two words of small letters with a point between.
fn is_rule(word: &str) -> bool {
    let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    word.split_once('.').is_some_and(|(first, second)| is_word(first) && is_word(second))
}

/// Words, numbers and single signs.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut was_word = false;
    for c in text.chars() {
        let is_word = c.is_ascii_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(token) if is_word && was_word => token.push(c),
            _ => tokens.push(c.to_string()),
        }
        was_word = is_word;
    }
    tokens
}

/// A program with some tokens left out, doubled, or replaced by others of it or by numbers.
fn edited(text: &str, random: &mut rand_chacha::ChaCha8Rng) -> String {
    use rand::RngExt;
    let numbers = ["0", "1", "2", "3", "7", "-1", "0.5", "9000000000000", "t", "* 2", "+ 1", "sum(z[0])", "| a[0]"];
    let mut tokens = tokens(text);
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..tokens.len());
        let other = tokens[random.random_range(0..tokens.len())].clone();
        match random.random_range(0..4) {
            0 => tokens[at].clear(),
            1 => tokens[at] = other,
            2 => tokens[at] = numbers[random.random_range(0..numbers.len())].to_owned(),
            _ => tokens.insert(at, other),
        }
    }
    tokens.concat()
}

#[test]
fn scopes_are_written_in_short() {
    let variable = |name: &str, shape: &[usize], first| Variable {
        array: VariableArray { name: name.into(), shape: shape.into(), domain: circuit::Domain::Binary },
        first,
        doc: Vec::new(),
        span: Span { file: 0, start: 0, end: 0 },
    };
    let variables = [variable("a", &[], 0), variable("x", &[5], 1), variable("p", &[3, 4], 6), variable("b", &[], 18)];
    let text = |members: &[u32]| {
        let scope = members.iter().fold(Scope::empty(), |scope, v| scope.union(&Scope::single(*v)));
        scope_text(&variables, &scope)
    };
    assert_eq!(text(&[0]), "a");
    assert_eq!(text(&[0, 1, 2, 3]), "a, x[0..3]");
    assert_eq!(text(&[2, 4, 5, 18]), "x[1], x[3..5], b");
    assert_eq!(text(&[7, 8, 11, 12]), "p[0..2, 1..3]");
    assert_eq!(text(&[7, 11, 15]), "p[0..3, 1]");
    assert_eq!(text(&[5, 6, 7, 8, 9, 10]), "x[4], p[0, 0] to p[1, 0]");
    assert_eq!(text(&(6..18).collect::<Vec<_>>()), "p[0..3, 0..4]");
}

#[test]
fn edited_programs_are_accepted_or_refused() {
    use rand::SeedableRng;
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let (mut accepted, mut refused) = (0, 0);
    for folder in ["examples", "tests/errors"] {
        for name in programs(folder) {
            let text = std::fs::read_to_string(repository(folder).join(&name)).expect("the program can be read");
            let text = text.replace("256", "6").replace("1100000", "5");
            for _ in 0..EDITS {
                let text = edited(&text, &mut random);
                let mut files = Block { files: Files(repository(folder)), text };
                let checked = check(&mut files, "edited.pc", &Options::default());
                assert_eq!(checked.model.is_none(), rendered(&checked).contains("error["), "{}", files.text);
                let Some(model) = checked.model else {
                    refused += 1;
                    continue;
                };
                accepted += 1;
                let module = build::circuit(&model, &regions::from_model(&model));
                circuit::verify::verify(&module).unwrap_or_else(|error| panic!("{}\n{error}", files.text));
                assert!(!dump(&model).is_empty());
            }
        }
    }
    assert!(accepted > 100 && refused > 100, "{accepted} accepted, {refused} refused");
}

/// How many times each program is edited.
const EDITS: usize = 25;
