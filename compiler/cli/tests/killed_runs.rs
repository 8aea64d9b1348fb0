//! A training run whose process is killed again and again, whatever it is doing, and started by the same command, ends with
//! the bytes of a run that was left alone.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a run is killed.
const KILLS: u32 = 20;

/// A start of the run; it writes `out` into the folder.
fn start(folder: &Path, settings: &[&str]) -> Child {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Command::new(env!("CARGO_BIN_EXE_danaus"))
        .current_dir(root)
        .args(["train", "examples/hmm.pc", "--set", "T=16", "--set", "H=8", "--text", "lower", "--data", "README.md"])
        .args(["--valid", "CONTRIBUTING.md", "--epochs", "200", "--seed", "5", "--every", "1u"])
        .args(settings)
        .arg("--checkpoint")
        .arg(folder.join("run"))
        .arg("-o")
        .arg(folder.join("out.safetensors"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Whether the process ended by itself.
fn finish(child: Child) -> bool {
    let output = child.wait_with_output().expect("the process can be awaited");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("passed over a checkpoint"), "no checkpoint is ever unreadable: {said}");
    match output.status.code() {
        Some(code) => assert_eq!(code, 0, "{said}"),
        None => return false,
    }
    true
}

fn result(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("out.safetensors")).expect("the run has written its parameters")
}

/// Kills at twenty moments, from before the first update to many updates later, then lets the run come to its end. The lives that end so take less than
/// half of the time that the run takes, however fast the machine is.
fn assert_survives(settings: &[&str]) {
    let whole = tempfile::tempdir().expect("a folder");
    let began = Instant::now();
    assert!(finish(start(whole.path(), settings)));
    let length = began.elapsed();
    let killed = tempfile::tempdir().expect("a folder");
    for attempt in 0..KILLS {
        let mut child = start(killed.path(), settings);
        // In steps that are not those of the run.
        std::thread::sleep(Duration::from_millis(50) + length * (attempt * 397 % 200) / 10_000);
        child.kill().expect("the process can be killed");
        assert!(!finish(child), "the run ended before it was killed {KILLS} times");
    }
    assert!(finish(start(killed.path(), settings)));
    assert_eq!(result(killed.path()), result(whole.path()), "{settings:?}");
}

#[test]
fn batches() {
    // COVERS: training.checkpoint, training.checkpoint.every
    assert_survives(&["--batch", "32", "--optimizer", "anemone"]);
}

#[test]
fn full_batch() {
    // COVERS: training.checkpoint
    assert_survives(&["--device-batch", "32"]);
}
