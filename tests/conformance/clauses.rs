//! Clauses of the specification and tests know each other.
//!
//! A clause is a line `r[the.rule]` in a chapter. Every clause of the chapters below must be pinned by a test:
//! by an expected message `error[the.rule]` or `warning[the.rule]`, or, where no program can break it, by a test file or
//! a Rust test that says `// COVERS: the.rule`. Every rule in an expected message must be a clause of some chapter.

use crate::Runner;
use crate::spec_blocks::{chapters, rules};
use crate::test_file::{self, visit};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The chapters whose clauses must all have tests.
const COVERED: [&str; 10] = [
    "spec/builders.md",
    "spec/circuit.md",
    "spec/data.md",
    "spec/parameters.md",
    "spec/queries.md",
    "spec/semantics.md",
    "spec/static.md",
    "spec/syntax.md",
    "spec/targets.md",
    "spec/training.md",
];

/// The chapters whose clauses are the rules of messages about programs.
const PRINTED: [&str; 3] = ["spec/builders.md", "spec/static.md", "spec/syntax.md"];

/// Compares the specification with the tests.
pub fn run(runner: &Runner) -> Result<(), String> {
    let mut problems = Vec::new();
    let mut clauses: BTreeMap<String, String> = BTreeMap::new();
    for (chapter, text) in chapters(&runner.root) {
        for clause in clauses_of(&text) {
            if let Some(other) = clauses.insert(clause.clone(), chapter.clone()) {
                problems.push(format!("the clause {clause} of {chapter} is one of {other} too"));
            }
        }
    }
    let mut tested = BTreeSet::new();
    for path in test_file::find(&runner.root) {
        let read = |path: String| std::fs::read(runner.root.join(path)).unwrap_or_default();
        let text = |path| String::from_utf8_lossy(&read(path)).into_owned();
        let header = test_file::header(&text(path.clone())).unwrap_or_default();
        let printed = rules(&text(format!("{path}.out")));
        let printed = printed.iter().filter_map(|rule| rule.split_once('[')).map(|(_, id)| id.replace(']', ""));
        let printed: BTreeSet<String> = printed.collect();
        for rule in header.covers.iter().chain(&printed) {
            if !clauses.contains_key(rule) {
                problems.push(format!("{path} is a test of {rule}, which is no clause of any chapter"));
            }
            let is_message = clauses.get(rule).is_some_and(|chapter| PRINTED.contains(&chapter.as_str()));
            if is_message && header.code != 0 && !printed.contains(rule) {
                problems.push(format!("{path} says that it is a test of {rule}, which is not in what it prints"));
            }
            tested.insert(rule.clone());
        }
    }
    visit(&runner.root.join("tests"), "tests", &mut |path| {
        if path.strip_suffix(".out").is_some_and(|test| !runner.root.join(test).exists()) {
            problems.push(format!("{path} is what a test is to print that is not there"));
        }
    });
    for (path, rule) in covered_by_rust(&runner.root) {
        if !clauses.contains_key(&rule) {
            problems.push(format!("{path} is a test of {rule}, which is no clause of any chapter"));
        }
        tested.insert(rule);
    }
    for (clause, chapter) in &clauses {
        if COVERED.contains(&chapter.as_str()) && !tested.contains(clause) {
            problems.push(format!("the clause {clause} of {chapter} has no test"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The ids of the lines `r[id]` outside of code blocks.
fn clauses_of(text: &str) -> Vec<String> {
    let mut within_code = false;
    let mut ids = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            within_code = !within_code;
        } else if !within_code && let Some((id, _)) = line.strip_prefix("r[").and_then(|rest| rest.split_once(']')) {
            ids.push(id.to_string());
        }
    }
    ids
}

/// The `// COVERS:` lines of the Rust sources: the path of the file and each rule.
fn covered_by_rust(root: &Path) -> Vec<(String, String)> {
    let mut covered = Vec::new();
    for folder in ["compiler", "runtime"] {
        visit(&root.join(folder), folder, &mut |path| {
            if !path.ends_with(".rs") {
                return;
            }
            let text = std::fs::read_to_string(root.join(path)).unwrap_or_default();
            for line in text.lines().filter_map(|line| line.trim().strip_prefix("// COVERS:")) {
                covered.extend(
                    line.split([',', ' ']).filter(|r| !r.is_empty()).map(|r| (path.to_string(), r.to_string())),
                );
            }
        });
    }
    covered
}
