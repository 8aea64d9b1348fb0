//! The conformance runner: one file is one test.
//!
//! `spec/testing.md` says what a test file looks like. Besides the test files this target checks the specification
//! itself: its code blocks are run, and each of its clauses must have a test.
//!
//! ```text
//! cargo test --release -p danaus --test conformance             all tests
//! cargo test --release -p danaus --test conformance -- errors   those with `errors` in their name
//! BLESS=1 cargo test ...                                        writes what is printed as what is expected
//! ```

// A test program reads files and prints.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

#[path = "conformance/clauses.rs"]
mod clauses;
#[path = "conformance/command.rs"]
mod command;
#[path = "conformance/diff.rs"]
mod diff;
#[path = "conformance/normalize.rs"]
mod normalize;
#[path = "conformance/spec_blocks.rs"]
mod spec_blocks;
#[path = "conformance/test_file.rs"]
mod test_file;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Tests slower than this are listed.
const SLOW: Duration = Duration::from_secs(2);

/// What all tests share.
struct Runner {
    /// The root of the repository: tests run there, so that they print the same paths everywhere.
    root: PathBuf,
    /// The command under test.
    danaus: PathBuf,
    /// Whether what is found becomes what is expected.
    bless: bool,
}

/// One thing to check.
enum Test {
    /// A test file, by its path relative to the root.
    File(String),
    /// A code block of the specification.
    Block(spec_blocks::Block),
    /// Clauses and tests know each other.
    Clauses,
}

impl Test {
    fn name(&self) -> String {
        match self {
            Test::File(path) => path.clone(),
            Test::Block(block) => format!("{}:{}", block.chapter, block.line),
            Test::Clauses => "spec/clauses".to_string(),
        }
    }

    fn run(&self, runner: &Runner) -> Result<(), String> {
        match self {
            Test::File(path) => test_file::run(runner, path),
            Test::Block(block) => spec_blocks::run(runner, block),
            Test::Clauses => clauses::run(runner),
        }
    }
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there");
    let danaus = PathBuf::from(env!("CARGO_BIN_EXE_danaus"));
    let bless = std::env::var_os("BLESS").is_some_and(|value| value != "0" && !value.is_empty());
    let runner = Runner { root, danaus, bless };
    // Options are those of other test programs (`--nocapture`, ..), which `cargo test` passes to every target.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let mut tests = all_tests(&runner.root);
    tests.retain(|test| filters.is_empty() || filters.iter().any(|filter| test.name().contains(filter.as_str())));
    if words.iter().any(|word| word == "--list") {
        tests.iter().for_each(|test| println!("{}: test", test.name()));
        return ExitCode::SUCCESS;
    }
    // The clauses are compared with the expected outputs of all tests, which blessing writes first.
    let (last, first): (Vec<Test>, Vec<Test>) = tests.into_iter().partition(|test| matches!(test, Test::Clauses));
    let mut results = run_all(&runner, first);
    results.extend(run_all(&runner, last));
    report(&results)
}

fn all_tests(root: &Path) -> Vec<Test> {
    let mut tests: Vec<Test> = test_file::find(root).into_iter().map(Test::File).collect();
    tests.extend(spec_blocks::find(root).into_iter().map(Test::Block));
    tests.push(Test::Clauses);
    tests
}

struct Outcome {
    name: String,
    time: Duration,
    result: Result<(), String>,
}

/// Runs the tests on all cores; the outcomes stand in the order of the tests.
fn run_all(runner: &Runner, tests: Vec<Test>) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let work = || {
        while let Some((index, test)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, tests.get(i)?)))
        {
            let start = Instant::now();
            let result = test.run(runner);
            let outcome = Outcome { name: test.name(), time: start.elapsed(), result };
            outcomes.lock().expect("no test panics").push((index, outcome));
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let mut outcomes = outcomes.into_inner().expect("no test panics");
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn report(outcomes: &[Outcome]) -> ExitCode {
    let mut failed = 0;
    for outcome in outcomes {
        if let Err(message) = &outcome.result {
            failed += 1;
            println!("FAILED {}\n{}\n", outcome.name, message.trim_end());
        }
    }
    for outcome in outcomes.iter().filter(|outcome| outcome.time > SLOW) {
        println!("slow: {} took {:.1} s", outcome.name, outcome.time.as_secs_f64());
    }
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
