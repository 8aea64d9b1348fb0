//! Measures the likelihood of hidden Markov models on the CPU.
//!
//! ```text
//! forward [--case 128x128]... [--batch 64] [--length 64] [--runs 11] [--seconds 60] [--json]
//!         [--parameters FILE.safetensors --evidence FILE]
//! ```
//! A case is `H` (dense) or `AxB` (Monarch). With `--parameters` and `--evidence` (value indices, 32-bit little-endian,
//! `[positions][batch]`) one case is measured on given numbers, so that its mean log-likelihood can be compared.

use danaus_benches::arguments::Arguments;
use danaus_benches::chain::{Case, schedules};
use danaus_benches::measure::{Timing, machine, measure};
use danaus_kernels::{Program, pack, peak};
use danaus_runtime::parameters;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

fn main() -> ExitCode {
    match Arguments::read(&["parameters", "evidence"]).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("forward: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let peak = peak::peak(10).map_err(|error| error.to_string())?;
    if !arguments.json {
        println!("{}; multiply-adds in registers: {:.0} GFLOP/s", machine(), peak / 1e9);
        println!("batch {}, {} positions, single precision", arguments.batch, arguments.length);
        println!("case               median ms   best ms   GFLOP/s   of peak   compile s   runs   mean log-likelihood");
    }
    for text in &arguments.cases {
        let case = Case::parse(text, arguments.length).ok_or_else(|| format!("`{text}` is not a case"))?;
        measure_case(&case, arguments, peak)?;
    }
    Ok(())
}

fn measure_case(case: &Case, arguments: &Arguments, peak: f64) -> Result<(), String> {
    let plan = Arc::new(case.plan()?);
    let loaded = match arguments.others.get("parameters") {
        Some(path) => parameters::load(Path::new(path), &plan),
        None => parameters::init(&plan, 1, None),
    };
    let loaded = loaded.map_err(|error| error.to_string())?;
    let packed = pack(&plan, loaded.parameters.values());
    let mut program = Program::new(plan.clone(), packed.clone()).map_err(|error| error.to_string())?;
    let evidence = evidence(arguments)?;
    let mut result = program.forward(&evidence, arguments.batch).map_err(|error| error.to_string())?;
    let budget = Duration::from_secs(arguments.seconds);
    let timing = measure(arguments.runs, budget, || {
        result = program.forward(&evidence, arguments.batch)?;
        Ok::<(), danaus_kernels::KernelError>(())
    });
    let timing = timing.map_err(|error| error.to_string())?;
    let mean = result.iter().sum::<f64>() / result.len() as f64;
    report(case, arguments, peak, &timing, mean, &program);
    Ok(())
}

fn report(case: &Case, arguments: &Arguments, peak: f64, timing: &Timing, mean: f64, program: &Program) {
    let operations = case.operations() * arguments.batch as f64;
    let speed = operations / timing.median();
    let stats = program.stats();
    if arguments.json {
        let line = json!({
            "case": case.name, "batch": arguments.batch, "length": arguments.length,
            "median_s": timing.median(), "best_s": timing.best(), "runs": timing.seconds.len(),
            "disturbed": timing.disturbed, "noisy": timing.noisy,
            "gflops": speed / 1e9, "gflops_best": operations / timing.best() / 1e9, "peak_gflops": peak / 1e9,
            "compile_s": stats.compile_seconds, "kernels": stats.kernels, "bytes": stats.bytes,
            "mean_ll": mean, "schedules": schedules(program.plan()), "machine": machine(),
        });
        println!("{line}");
        return;
    }
    println!(
        "{:<18} {:>9.1} {:>9.1} {:>9.1} {:>8.0} % {:>11.2} {:>6} {:>20.6}{}",
        case.name,
        timing.median() * 1e3,
        timing.best() * 1e3,
        speed / 1e9,
        100.0 * speed / peak,
        stats.compile_seconds,
        timing.seconds.len(),
        mean,
        if timing.noisy { "   (machine in use)" } else { "" },
    );
}

/// Given indices, or pseudo-random ones.
fn evidence(arguments: &Arguments) -> Result<Vec<u32>, String> {
    let count = arguments.length * arguments.batch;
    let Some(path) = arguments.others.get("evidence") else { return Ok(arguments.evidence()) };
    let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    let indices: Vec<u32> =
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
    if indices.len() != count {
        return Err(format!("{path} holds {} indices, not {count}", indices.len()));
    }
    Ok(indices)
}
