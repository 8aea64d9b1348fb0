//! The tests in `tests/passes` and `tests/circuit`, run without the command. The conformance tests run them through
//! `danaus opt`; this is the same in less than a second.
//!
//! `BLESS=1` makes what is found expected.

// A test program reads files and prints.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

use danaus_compiler::circuit::print::print;
use danaus_compiler::circuit::read::read;
use danaus_compiler::passes::{DumpRequest, Pass, PassContext, by_name, run_passes};
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "pcir") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What `danaus opt` prints, for a file with one `RUN` line of that verb.
fn printed(name: &str, text: &str) -> Option<String> {
    let run = text.lines().next()?.strip_prefix("// RUN: danaus opt ")?;
    let single = text.lines().filter(|line| line.starts_with("// RUN")).count() == 1;
    let fails = text.lines().any(|line| line.starts_with("// FAIL"));
    single.then(|| match opt(name, run, text) {
        Ok(found) if !fails => found,
        Err(error) if fails => format!("error: {}\n", error.trim_end_matches('\n')),
        Ok(found) => panic!("{name} should fail, but gives\n{found}"),
        Err(error) => panic!("{name} should not fail, but says\n{error}"),
    })
}

fn opt(name: &str, run: &str, text: &str) -> Result<String, String> {
    let words: Vec<&str> = run.split(' ').filter(|word| !word.is_empty()).collect();
    let option = |name| words.iter().position(|word| *word == name).map(|i| words[i + 1]);
    let passes: Result<Vec<Pass>, String> = option("--pass")
        .into_iter()
        .flat_map(|names| names.split(','))
        .map(|name| by_name(name).copied().ok_or(format!("there is no pass {name}")))
        .collect();
    let monarch = option("--monarch").map(|b| b.split('x').map(|b| b.parse().expect("a number")).collect());
    let ctx = PassContext { monarch, ..PassContext::default() };
    let module = read(text).map_err(|error| format!("{name}:{error}"))?;
    let outcome = run_passes(&passes?, module, &ctx, &DumpRequest::default()).map_err(|error| error.to_string())?;
    let mut found = print(&outcome.module);
    if read(&found).as_ref() != Ok(&outcome.module) {
        return Err(format!("the result does not read back:\n{found}"));
    }
    if !outcome.notes.is_empty() {
        found.push_str("-- stderr --\n");
        outcome.notes.iter().for_each(|note| found.push_str(&format!("note: {note}\n")));
    }
    Ok(found)
}

#[test]
fn files_give_what_is_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests");
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = Vec::new();
    for path in files(&root.join("passes")).into_iter().chain(files(&root.join("circuit"))) {
        let text = fs::read_to_string(&path).expect("the test reads");
        let out = PathBuf::from(format!("{}.out", path.display()));
        let name = format!("tests/{}", path.strip_prefix(&root).expect("the test is there").display());
        match printed(&name, &text) {
            None => {}
            Some(found) if bless => fs::write(&out, found).expect("the file is written"),
            Some(found) if fs::read_to_string(&out).unwrap_or_default() == found => {}
            Some(found) => failures.push(format!("{}: found (BLESS=1 accepts it)\n{found}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
