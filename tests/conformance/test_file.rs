//! Test files: their header, and what is expected of them.

use crate::Runner;
use crate::command::{self, Output};
use crate::diff::diff;
use crate::normalize;
use std::path::Path;

/// What a file name must end with to be a test.
const SUFFIXES: [&str; 3] = [".pc", ".pcir", ".test"];

/// Folders of files that tests use and that are no tests themselves.
const SUPPORT: [&str; 2] = ["files", "conformance"];

/// The lines at the top of a test file that say how it is run.
#[derive(Debug, Default)]
pub struct Header {
    /// The command lines.
    pub runs: Vec<String>,
    /// The exit code of the last of them; the others end with 0.
    pub code: i32,
    /// Clauses of the specification this is a test of.
    pub covers: Vec<String>,
    /// Words before numbers that differ from run to run.
    pub masks: Vec<String>,
    /// Significant digits of numbers, if they are rounded.
    pub digits: Option<usize>,
}

/// The paths of all test files, relative to the root, sorted.
pub fn find(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    visit(&root.join("tests"), "tests", &mut |path| {
        if SUFFIXES.iter().any(|suffix| path.ends_with(suffix)) {
            found.push(path.to_string());
        }
    });
    found.sort();
    found
}

/// Calls `act` with the path of every file under a folder that is no support folder.
pub fn visit(folder: &Path, name: &str, act: &mut dyn FnMut(&str)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{name}/{file}");
        if !entry.path().is_dir() {
            act(&path);
        } else if !SUPPORT.contains(&file.as_str()) {
            visit(&entry.path(), &path, act);
        }
    }
}

/// Reads the header of a test file.
pub fn header(text: &str) -> Result<Header, String> {
    let mut header = Header::default();
    let mut lines = text.lines().peekable();
    while let Some((word, rest)) = lines.peek().and_then(|line| header_line(line)) {
        match word {
            "RUN" => header.runs.push(rest.to_string()),
            "FAIL" if rest.is_empty() => header.code = 1,
            "FAIL" => header.code = rest.parse().map_err(|_| format!("`FAIL {rest}`: an exit code is a number"))?,
            "COVERS" => header.covers.extend(rest.split([',', ' ']).filter(|c| !c.is_empty()).map(str::to_string)),
            "MASK" => header.masks.extend(rest.split([',', ' ']).filter(|c| !c.is_empty()).map(str::to_string)),
            _ => header.digits = Some(rest.parse().map_err(|_| format!("`DIGITS {rest}`: it needs a number"))?),
        }
        lines.next();
    }
    if header.runs.is_empty() {
        return Err("the file begins with no `// RUN: danaus ..` line; files that are no tests of their own stand in \
                    a folder named `files`"
            .to_string());
    }
    let reason = lines.find(|line| !line.trim().is_empty()).and_then(|line| line.trim().strip_prefix("//"));
    if reason.is_none_or(|reason| reason.trim().is_empty()) {
        return Err("the first line after the header is no comment that says why the test exists".to_string());
    }
    Ok(header)
}

/// `// RUN: danaus ..` is `("RUN", "danaus ..")`.
fn header_line(line: &str) -> Option<(&str, &str)> {
    let comment = line.strip_prefix("//")?.trim();
    let end = comment.find([':', ' ']).unwrap_or(comment.len());
    let (word, rest) = comment.split_at(end);
    ["RUN", "FAIL", "COVERS", "MASK", "DIGITS"].contains(&word).then(|| (word, rest.trim_start_matches(':').trim()))
}

/// Runs a test file and compares what it prints with what is expected.
pub fn run(runner: &Runner, path: &str) -> Result<(), String> {
    let text = std::fs::read(runner.root.join(path)).map_err(|error| error.to_string())?;
    let header = header(&String::from_utf8_lossy(&text))?;
    let found = printed(runner, path, &header)?;
    let expected_path = runner.root.join(format!("{path}.out"));
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    if runner.bless {
        let written = match found.is_empty() {
            true => std::fs::remove_file(&expected_path),
            false => std::fs::write(&expected_path, &found),
        };
        return written.map_err(|error| format!("{}: {error}", expected_path.display()));
    }
    Err(format!(
        "what it prints is not {path}.out (- expected, + found; BLESS=1 makes what is found expected):\n{}",
        diff(&expected, &found)
    ))
}

/// What all commands of a test print.
fn printed(runner: &Runner, path: &str, header: &Header) -> Result<String, String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let scratch_name = scratch.path().to_string_lossy().into_owned();
    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    let mut text = String::new();
    for (index, line) in header.runs.iter().enumerate() {
        let words: Vec<String> = command::split(line)?
            .iter()
            .map(|word| word.replace("%s", path).replace("%d", folder).replace("%t", &scratch_name))
            .collect();
        let output = command::run(&runner.danaus, &runner.root, scratch.path(), &words)?;
        if header.runs.len() > 1 {
            text.push_str(&format!("$ {line}\n"));
        }
        let expected = if index + 1 == header.runs.len() { header.code } else { 0 };
        if output.code != expected {
            return Err(format!(
                "`{line}` ended with {}, not {expected}; it printed:\n{}{}",
                output.code, output.stdout, output.stderr
            ));
        }
        text.push_str(&both(&output));
    }
    let text = normalize::mask(&text.replace(&scratch_name, "%t"), &header.masks);
    Ok(header.digits.map_or_else(|| text.clone(), |digits| normalize::round(&text, digits)))
}

/// Both outputs in one text: the product, then the messages.
fn both(output: &Output) -> String {
    if output.stdout.is_empty() || output.stderr.is_empty() {
        return format!("{}{}", output.stdout, output.stderr);
    }
    let end = if output.stdout.ends_with('\n') { "" } else { "\n" };
    format!("{}{end}-- stderr --\n{}", output.stdout, output.stderr)
}
