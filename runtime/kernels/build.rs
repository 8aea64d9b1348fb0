//! Says what the code of kernels was made from, so that code kept by other versions is not taken for it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Kernels are in this crate and are laid out as the crate of compiled circuits says; the last is the list of all versions.
const PLACES: [&str; 3] = ["src", "../artifact/src", "../../Cargo.lock"];

fn main() {
    let mut hasher = DefaultHasher::new();
    for place in PLACES {
        println!("cargo::rerun-if-changed={place}");
        hash(Path::new(place), &mut hasher);
    }
    println!("cargo::rustc-env=KERNELS_MADE_FROM={:016x}", hasher.finish());
}

/// Folders in the order of names; what is not there has no part.
fn hash(path: &Path, hasher: &mut DefaultHasher) {
    if let Ok(entries) = std::fs::read_dir(path) {
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        paths.iter().for_each(|path| hash(path, hasher));
    } else if let Ok(bytes) = std::fs::read(path) {
        bytes.hash(hasher);
    }
}
