//! The runtime depends on nothing of the front end: a program that only answers queries carries no compiler.

use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// What only a compiler needs.
const FRONT_END: [&str; 8] =
    ["danaus-compiler", "danaus", "codespan-reporting", "lalrpop", "lalrpop-util", "layout-rs", "logos", "petgraph"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs the tests, so it can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// The packages of the workspace that the runtime is made of, and what they name as dependencies (not for tests).
fn named_dependencies() -> BTreeSet<(String, String)> {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--no-deps", "--format-version", "1"])).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let (mut open, mut named) = (vec!["danaus-runtime".to_string()], BTreeSet::new());
    while let Some(name) = open.pop() {
        let Some(package) = packages.iter().find(|package| package["name"] == name.as_str()) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let dependency_name = dependency["name"].as_str().unwrap().to_string();
            if dependency["kind"] != "dev" && named.insert((name.clone(), dependency_name.clone())) {
                open.push(dependency_name);
            }
        }
    }
    named
}

#[test]
fn no_package_of_the_runtime_names_the_front_end() {
    let named = named_dependencies();
    assert!(named.contains(&("danaus-runtime".to_string(), "danaus-artifact".to_string())), "{named:?}");
    let wrong: Vec<_> = named.iter().filter(|(_, dependency)| FRONT_END.contains(&dependency.as_str())).collect();
    assert_eq!(wrong, Vec::<&(String, String)>::new());
}

#[test]
fn without_kernels_nothing_brings_the_front_end_in() {
    let tree =
        cargo(&["tree", "-p", "danaus-runtime", "--no-default-features", "-e", "normal,build", "--prefix", "none"]);
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("danaus-artifact") && !names.contains("danaus-kernels"), "{names:?}");
    assert!(FRONT_END.iter().all(|name| !names.contains(name)), "{names:?}");
}
