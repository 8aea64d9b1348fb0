//! Kernels for processors are compiled once and kept in a folder; what is computed does not depend on what is in it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Likelihoods of a circuit with a chain, and what `--timings` of a run of training says.
struct Said {
    likelihoods: Vec<u8>,
    parameters: Vec<u8>,
    timings: String,
}

fn danaus(cache: &OsStr, arguments: &[&str]) -> std::process::Output {
    let output = Command::new(env!("CARGO_BIN_EXE_danaus"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .env("DANAUS_CACHE", cache)
        .args(arguments)
        .output()
        .expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn run(cache: &OsStr) -> Said {
    let chain = ["examples/hmm.pc", "--set", "T=16", "--set", "H=40", "--seed", "3", "--text", "lower", "--data"];
    let likelihoods = danaus(cache, &[&["query", "ll"], &chain[..], &["README.md"]].concat()).stdout;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trained.safetensors");
    let image = ["examples/quad_graph.pc", "--set", "N=2", "--set", "V=2", "--set", "K=5", "--seed", "3"];
    let rows = folder.path().join("rows.csv");
    std::fs::write(&rows, "0,1,1,0\n1,1,0,0\n0,0,0,1\n").unwrap();
    let to = ["--data", rows.to_str().unwrap(), "--epochs", "2", "--timings", "-o", path.to_str().unwrap()];
    let output = danaus(cache, &[&["train"], &image[..], &to].concat());
    let timings = String::from_utf8(output.stderr).unwrap();
    Said { likelihoods, parameters: std::fs::read(path).unwrap(), timings }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Lines of `--timings` that end with this word.
fn count(timings: &str, word: &str) -> usize {
    timings.lines().filter(|line| line.ends_with(word)).count()
}

// COVERS: targets.kept
#[test]
fn kernels_are_compiled_once_and_compute_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let without = run("off".as_ref());
    assert!(!cache.exists() && count(&without.timings, "compiled") > 5, "{}", without.timings);
    assert_eq!(count(&without.timings, "kept"), 0);

    let first = run(cache.as_os_str());
    let kept = files(&cache);
    assert!(kept.len() >= count(&first.timings, "compiled") && count(&first.timings, "compiled") > 5);
    let second = run(cache.as_os_str());
    assert_eq!(
        (count(&second.timings, "compiled"), count(&second.timings, "kept")),
        (0, count(&first.timings, "compiled"))
    );
    assert_eq!(files(&cache), kept, "nothing was compiled");

    for path in kept.keys() {
        std::fs::write(path, b"no code").unwrap();
    }
    let third = run(cache.as_os_str());
    assert_eq!(count(&third.timings, "kept"), 0, "what is damaged is as if it were not there");
    assert!(files(&cache).keys().eq(kept.keys()));

    let file = tempfile::NamedTempFile::new().unwrap();
    let nowhere = run(file.path().join("below").as_os_str());
    for (said, what) in [(first, "first"), (second, "kept"), (third, "damaged"), (nowhere, "nowhere to write")] {
        assert!(said.likelihoods == without.likelihoods && said.parameters == without.parameters, "{what}");
    }
}
