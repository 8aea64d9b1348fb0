//! Code for GPUs: what is compiled, what is said where it cannot be, and what is shown of it.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Runs the command; `toolkit` is what CUDA_PATH is set to.
fn danaus(arguments: &[&str], toolkit: Option<&Path>) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_danaus"));
    command.args(arguments).current_dir(root);
    match toolkit {
        Some(toolkit) => command.env("CUDA_PATH", toolkit),
        None => &mut command,
    };
    command.output().expect("the command starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small Monarch model, compiled.
fn compiled(folder: &TempDir, name: &str, target: &str, toolkit: Option<&Path>) -> PathBuf {
    compiled_as(folder, name, &["--target", target, "--set", "A=6", "--set", "B=9"], toolkit)
}

fn compiled_as(folder: &TempDir, name: &str, how: &[&str], toolkit: Option<&Path>) -> PathBuf {
    let path = folder.path().join(name);
    let output = path.to_str().expect("a temporary path is text");
    let arguments = [&["compile", "examples/monarch_hmm.pc", "--set", "T=40", "-o", output][..], how].concat();
    let output = danaus(&arguments, toolkit);
    assert!(output.status.success(), "{}", text(&output.stderr));
    path
}

fn inspected(path: &Path) -> Value {
    let output = danaus(&["inspect", "--json", path.to_str().expect("a temporary path is text")], None);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

// COVERS: targets.ptx, targets.deterministic
#[test]
fn text_needs_no_toolkit_and_is_the_same_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let nothing = folder.path().join("nothing");
    let paths = ["a.pcb", "b.pcb"].map(|name| compiled(&folder, name, "cuda:ptx", Some(&nothing)));
    let [first, second] = paths.each_ref().map(|path| std::fs::read(path).unwrap());
    assert!(first == second, "equal input gives equal bytes");
    let summary = inspected(&paths[0]);
    assert_eq!(summary["artifact"]["manifest"]["targets"], serde_json::json!(["cpu", "cuda:ptx"]));
    let kernels = summary["gpu"][0]["kernels"].as_array().unwrap();
    assert!(kernels.len() >= 5 && kernels.iter().all(|kernel| kernel["registers"].is_null()), "{kernels:?}");
    assert!(text(&first).contains(".target sm_80"));
}

// COVERS: targets.assembler
#[test]
fn without_an_assembler_the_message_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("x.pcb");
    let arguments = ["compile", "examples/hmm.pc", "--target", "cpu,cuda:sm_90", "-o", output.to_str().unwrap()];
    let output = danaus(&arguments, Some(folder.path()));
    assert_eq!(output.status.code(), Some(2));
    let message = text(&output.stderr);
    assert!(message.contains("`ptxas`, which makes machine code for GPUs, was not found in"), "{message}");
    assert!(
        message.contains("pip install nvidia-cuda-nvcc-cu12==12.9.86") && message.contains("CUDA_PATH"),
        "{message}"
    );
    assert!(!folder.path().join("x.pcb").exists());
}

// COVERS: targets.names
#[test]
fn unknown_targets_are_refused() {
    for (target, expected) in [
        ("tpu", "expected cpu, cuda:ptx, or cuda:sm_ and a number, as in cuda:sm_90"),
        ("cuda:sm_x", "expected cpu, cuda:ptx, or cuda:sm_ and a number, as in cuda:sm_90"),
        ("cpu,cuda:sm_70", "kernels need sm_80 or newer, not sm_70"),
    ] {
        let output = danaus(&["compile", "examples/hmm.pc", "--target", target, "-o", "unused.pcb"], None);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
    }
}

/// Where there is an assembler: CUDA_PATH names it, or it is on the PATH.
fn has_assembler() -> bool {
    let below = |folder: PathBuf| folder.join("ptxas").is_file();
    match std::env::var_os("CUDA_PATH") {
        Some(toolkit) => below(PathBuf::from(toolkit).join("bin")),
        None => std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(below),
    }
}

// COVERS: targets.machine
#[test]
fn machine_code_does_not_spill() {
    if !has_assembler() {
        eprintln!("skipped: there is no ptxas on this machine, so no machine code was made");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.pcb", "b.pcb"].map(|name| compiled(&folder, name, "cpu,cuda:sm_80,cuda:sm_90", None));
    let [first, second] = paths.each_ref().map(|path| std::fs::read(path).unwrap());
    assert!(first == second, "equal input gives equal bytes");
    let summary = inspected(&paths[0]);
    let targets = summary["gpu"].as_array().unwrap();
    let names: Vec<&str> = targets.iter().filter_map(|target| target["target"].as_str()).collect();
    assert_eq!(names, ["cuda:ptx", "cuda:sm_80", "cuda:sm_90"]);
    assert_no_spills(&targets[1..]);
}

fn assert_no_spills(targets: &[Value]) {
    for kernel in targets.iter().flat_map(|target| target["kernels"].as_array().unwrap()) {
        assert!(kernel["registers"].as_u64().is_some_and(|registers| registers > 0 && registers <= 255), "{kernel}");
        assert_eq!((kernel["spill_stores"].as_u64(), kernel["spill_loads"].as_u64()), (Some(0), Some(0)), "{kernel}");
        assert!(kernel["occupancy"].as_f64().is_some_and(|part| part > 0.0 && part <= 1.0), "{kernel}");
    }
}

/// Sums, flows and counts of both factors of a Monarch sum have an instruction for tensor cores, and no kernel has one in single precision.
// COVERS: targets.precision
#[test]
fn tensor_cores_multiply() {
    let folder = tempfile::tempdir().unwrap();
    for (precision, expected) in [("f32", 0), ("tf32", 8), ("bf16", 8)] {
        let how = ["--target", "cuda:ptx", "--precision", precision, "--set", "A=24", "--set", "B=40"];
        let path = compiled_as(&folder, precision, &how, None);
        let code = std::fs::read(&path).unwrap();
        let instruction = format!(".f32.{precision}.{precision}.f32");
        let kernels = inspected(&path)["gpu"][0]["kernels"].as_array().unwrap().clone();
        let named = kernels.iter().filter(|kernel| kernel["precision"] == precision && precision != "f32").count();
        assert_eq!(named, expected, "{kernels:?}");
        let found = text(&code).matches(&instruction).count();
        assert!(if expected == 0 { !text(&code).contains("wmma") } else { found >= expected }, "{precision}: {found}");
    }
    let wrong = danaus(&["compile", "examples/hmm.pc", "--precision", "f16", "-o", "unused.pcb"], None);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("expected f32, tf32 or bf16"), "{}", text(&wrong.stderr));
}

// COVERS: targets.machine
#[test]
fn machine_code_for_tensor_cores_does_not_spill() {
    if !has_assembler() {
        eprintln!("skipped: there is no ptxas on this machine, so no machine code was made");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let sizes = [["A=128", "B=128"], ["A=64", "B=64"], ["A=24", "B=40"], ["A=256", "B=13"]];
    for (precision, [a, b]) in ["bf16", "tf32"].into_iter().flat_map(|precision| sizes.map(|sizes| (precision, sizes)))
    {
        let how = ["--target", "cuda:sm_80,cuda:sm_90", "--precision", precision, "--set", a, "--set", b];
        let summary = inspected(&compiled_as(&folder, "x.pcb", &how, None));
        assert_no_spills(&summary["gpu"].as_array().unwrap()[1..]);
    }
}

/// Where there is no GPU the processor computes the same, and a note says so.
// COVERS: targets.fallback
#[test]
fn without_a_gpu_the_processor_computes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weather.pcb");
    let path = path.to_str().unwrap();
    assert!(danaus(&["compile", "examples/weather.pc", "-o", path], None).status.success());
    let query = ["query", "ll", path, "--data", "examples/weather.csv", "--device"];
    let expected = danaus(&[&query[..], &["cpu"]].concat(), None);
    let found = danaus(&[&query[..], &["cuda:63"]].concat(), None);
    assert!(found.status.success() && found.stdout == expected.stdout);
    assert!(text(&found.stderr).contains("there is no GPU 63"), "{}", text(&found.stderr));
    let output = folder.path().join("trained.safetensors");
    let train = ["train", path, "--epochs", "1", "--json", "-o", output.to_str().unwrap()];
    for verb in [&["eval", path, "--json"][..], &train] {
        let found = danaus(&[verb, &["--data", "examples/weather.csv", "--device", "cuda:63"]].concat(), None);
        assert!(found.status.success(), "{}", text(&found.stderr));
        assert!(text(&found.stderr).contains("there is no GPU 63 (found"), "{}", text(&found.stderr));
        let found: Value = serde_json::from_slice(&found.stdout).expect("it is JSON");
        let evaluated = found.get("train").unwrap_or(&found);
        assert_eq!(evaluated["rows"], 5, "{found}");
    }
    let wrong = danaus(&[&query[..], &["cuda:x"]].concat(), None);
    assert_eq!(wrong.status.code(), Some(2));
}

// COVERS: targets.devices
#[test]
fn devices_are_listed() {
    let output = danaus(&["devices", "--json"], None);
    let devices: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(devices[0]["name"], "cpu");
    let gpus = devices.as_array().unwrap().len() - 1;
    let shown = text(&danaus(&["devices"], None).stdout);
    assert_eq!(shown.contains("No GPU"), gpus == 0, "{shown}");
}
