//! What the command says about compiled circuits that are cut short, damaged, foreign or from another version.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn danaus(arguments: &[&str]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_danaus"));
    command.args(arguments).current_dir(root).output().expect("the command starts")
}

/// A folder with a compiled circuit in it.
fn compiled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let path = folder.path().join("weather.pcb");
    let output = danaus(&["compile", "examples/weather.pc", "-o", path.to_str().expect("a temporary path is text")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (folder, path)
}

/// The message about a compiled circuit whose bytes were changed.
fn message(change: impl FnOnce(&mut Vec<u8>)) -> String {
    let (_folder, path) = compiled();
    let mut bytes = std::fs::read(&path).expect("it was just written");
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("the folder is writable");
    let path = path.to_str().expect("a temporary path is text");
    let output = danaus(&["inspect", path]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).replace(path, "weather.pcb")
}

#[test]
fn a_whole_file_is_read() {
    let (_folder, path) = compiled();
    let output = danaus(&["inspect", path.to_str().expect("a temporary path is text")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn compiling_twice_gives_the_same_bytes() {
    let (_first_folder, first) = compiled();
    let (_second_folder, second) = compiled();
    assert!(std::fs::read(first).expect("written") == std::fs::read(second).expect("written"));
}

#[test]
fn every_prefix_is_refused() {
    let (_folder, path) = compiled();
    let whole = std::fs::read(&path).expect("it was just written");
    for length in [1, 7, 8, 9, 20, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).expect("the folder is writable");
        let output = danaus(&["inspect", path.to_str().expect("a temporary path is text")]);
        assert_eq!(output.status.code(), Some(1), "{length} bytes: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_flipped_bit_is_found() {
    let message = message(|bytes| {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    assert!(message.contains("damaged"), "{message}");
}

#[test]
fn a_longer_file_is_refused() {
    let message = message(|bytes| bytes.extend(b"more"));
    assert!(message.contains("4 bytes after its end"), "{message}");
}

#[test]
fn a_future_version_is_named() {
    let message = message(|bytes| bytes[8] += 1);
    assert!(message.contains("format version 3, this program reads version 2"), "{message}");
}
