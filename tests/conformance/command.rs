//! `RUN` lines: words, substitutions, and how the command is run.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer is stopped: no test is meant to.
const LIMIT: Duration = Duration::from_secs(120);

/// What a command printed and how it ended.
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

/// Splits a line into words as a shell does: at spaces, but not in `'..'` or `".."`.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    for c in line.chars() {
        match quote {
            Some(q) if c == q => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed in `{line}`"));
    }
    words.extend(word);
    Ok(words)
}

/// Runs `words`, which begin with `danaus`, in `root`. `< FILE` at the end gives the command's input.
pub fn run(danaus: &Path, root: &Path, scratch: &Path, words: &[String]) -> Result<Output, String> {
    let (words, input) = match words {
        [words @ .., arrow, file] if arrow == "<" => (words, Some(file)),
        _ => (words, None),
    };
    let [program, arguments @ ..] = words else { return Err("a RUN line is empty".to_string()) };
    if program != "danaus" {
        return Err(format!("a RUN line runs `danaus`, not `{program}`"));
    }
    let open = |path: &Path| File::open(path).map_err(|error| format!("{}: {error}", path.display()));
    let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
    let (out, err) = (scratch.join(".stdout"), scratch.join(".stderr"));
    let mut command = Command::new(danaus);
    command.args(arguments).current_dir(root).env("NO_COLOR", "1").env_remove("RUST_BACKTRACE");
    command.stdout(create(&out)?).stderr(create(&err)?);
    match input {
        Some(file) => command.stdin(open(&root.join(file))?),
        None => command.stdin(Stdio::null()),
    };
    let status = wait(command)?;
    let read = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Output { stdout: text(read(&out)?), stderr: text(read(&err)?), code: exit_code(status)? })
}

/// Waits for the end of a command, or ends it after [`LIMIT`].
fn wait(mut command: Command) -> Result<ExitStatus, String> {
    let mut child = command.spawn().map_err(|error| format!("the command does not start: {error}"))?;
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            return Ok(status);
        }
        if start.elapsed() > LIMIT {
            child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
            return Err(format!("the command did not end within {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn exit_code(status: ExitStatus) -> Result<i32, String> {
    status.code().ok_or_else(|| format!("the command was ended by a signal: {status}"))
}
