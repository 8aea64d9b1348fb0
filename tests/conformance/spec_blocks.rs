//! The specification's code blocks are run: a `pc` block must be accepted, a `pc,error=RULE` block must break
//! exactly that rule, a `pc,warning=RULE` block must be accepted with exactly that warning. A block may `use` the files of
//! `examples/`. Blocks with other words (`text`, `sh`, `console`) are left alone.

use crate::Runner;
use crate::command;
use std::collections::BTreeSet;
use std::path::Path;

/// A `pc` block of a chapter.
pub struct Block {
    /// The chapter's path relative to the root.
    pub chapter: String,
    /// The line of its first fence, from 1.
    pub line: usize,
    /// What it is to print: none, or an `error` or `warning` of a rule.
    pub expected: BTreeSet<String>,
    /// The program.
    pub text: String,
}

/// The chapters of the specification, relative to the root, sorted, with their texts.
pub fn chapters(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec!["spec".to_string()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(".md") {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// All `pc` blocks of the specification.
pub fn find(root: &Path) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (chapter, text) in chapters(root) {
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let Some(info) = line.trim_start().strip_prefix("```") else { continue };
            let body: Vec<&str> =
                lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
            let mut words = info.split(',').map(str::trim);
            if words.next() == Some("pc") {
                let expected = words.map(|word| word.replace('=', "[") + "]").collect();
                blocks.push(Block {
                    chapter: chapter.clone(),
                    line: number + 1,
                    expected,
                    text: body.join("\n") + "\n",
                });
            }
        }
    }
    blocks
}

/// Checks a block with `danaus check`.
pub fn run(runner: &Runner, block: &Block) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let examples = std::fs::read_dir(runner.root.join("examples")).map_err(|error| error.to_string())?;
    for example in examples.flatten() {
        let path = example.path();
        if path.extension().is_some_and(|extension| extension == "pc" || extension == "csv") {
            std::fs::copy(&path, scratch.path().join(example.file_name())).map_err(|error| error.to_string())?;
        }
    }
    let file = scratch.path().join("block.pc");
    std::fs::write(&file, &block.text).map_err(|error| error.to_string())?;
    let words = ["danaus".to_string(), "check".to_string(), file.to_string_lossy().into_owned()];
    let output = command::run(&runner.danaus, &runner.root, scratch.path(), &words)?;
    let found: BTreeSet<String> = rules(&output.stderr).union(&rules(&output.stdout)).cloned().collect();
    let refused = block.expected.iter().any(|rule| rule.starts_with("error["));
    if found != block.expected || output.code != i32::from(refused) {
        return Err(format!(
            "the block should give {:?}; it ended with {} and printed:\n{}{}",
            block.expected, output.code, output.stdout, output.stderr
        ));
    }
    Ok(())
}

/// The `error[rule]` and `warning[rule]` at the starts of lines.
pub fn rules(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with("error[") || line.starts_with("warning["))
        .filter_map(|line| line.split_once(']'))
        .map(|(rule, _)| format!("{rule}]"))
        .collect()
}
