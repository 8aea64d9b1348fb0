//! The likelihoods of all assignments, as the command computes them, sum to one: for the programs written by hand with
//! numbers, and for small ones with random parameters.

use std::process::Command;

/// How far single precision may be off.
const TOLERANCE: f64 = 1e-6;

/// All assignments of variables with these numbers of values, as CSV.
fn all_assignments(sizes: &[usize]) -> String {
    let mut rows = vec![String::new()];
    for (variable, &size) in sizes.iter().enumerate() {
        let comma = if variable == 0 { "" } else { "," };
        rows = rows.iter().flat_map(|row| (0..size).map(move |value| format!("{row}{comma}{value}"))).collect();
    }
    rows.join("\n") + "\n"
}

/// The sum of the likelihoods that `danaus query ll` prints.
fn total(arguments: &[&str], sizes: &[usize]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder for the data");
    let data = folder.path().join("all.csv");
    std::fs::write(&data, all_assignments(sizes)).expect("the data are written");
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let output = Command::new(env!("CARGO_BIN_EXE_danaus"))
        .current_dir(root)
        .args(["query", "ll"])
        .args(arguments)
        .arg("--data")
        .arg(&data)
        .output()
        .expect("the command starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("it prints text");
    let value = |line: &str| line.split('\t').nth(1).expect("a number").parse::<f64>().expect("a log-likelihood").exp();
    assert_eq!(text.lines().count(), sizes.iter().product::<usize>());
    text.lines().map(value).sum()
}

fn assert_sums_to_one(arguments: &[&str], sizes: &[usize]) {
    let total = total(arguments, sizes);
    assert!((total - 1.0).abs() <= TOLERANCE, "the likelihoods of {arguments:?} sum to {total}");
}

#[test]
fn programs_with_numbers() {
    assert_sums_to_one(&["examples/weather.pc"], &[2; 3]);
    assert_sums_to_one(&["examples/naive_bayes.pc"], &[2; 4]);
    for name in ["noisy_or", "partitions", "tiny_hmm", "exactly_one", "compiled"] {
        assert_sums_to_one(&[&format!("tests/run/{name}.pc")], &[2; 3]);
    }
    for name in ["kronecker", "block_diagonal", "concatenation", "untied"] {
        assert_sums_to_one(&[&format!("tests/run/{name}.pc")], &[2; 2]);
    }
    assert_sums_to_one(&["tests/run/chain.pc"], &[2; 6]);
}

#[test]
fn programs_with_random_parameters() {
    assert_sums_to_one(&["examples/tucker.pc", "--seed", "1"], &[3; 4]);
    assert_sums_to_one(&["examples/mixture.pc", "--set", "F=8", "--seed", "2"], &[2; 8]);
    assert_sums_to_one(&["examples/hmm.pc", "--set", "T=5", "--set", "V=4", "--set", "H=40", "--seed", "3"], &[4; 5]);
    let small = ["--set", "T=5", "--set", "V=4", "--set", "A=6", "--set", "B=8", "--seed", "4"];
    assert_sums_to_one(&[&["examples/monarch_hmm.pc"][..], &small].concat(), &[4; 5]);
    assert_sums_to_one(&[&["examples/product_hmm.pc"][..], &small].concat(), &[4; 5]);
    assert_sums_to_one(&["examples/quad_tree.pc", "--seed", "5"], &[2; 16]);
}
