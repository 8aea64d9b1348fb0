//! Measures a training step of hidden Markov models on the CPU: likelihoods, flows, and a step of
//! expectation-maximization, beside the forward pass alone.
//!
//! ```text
//! train [--case 128x128]... [--batch 64] [--length 64] [--runs 7] [--seconds 60] [--memory-limit BYTES] [--json]
//! ```
//! A case is `H` (dense) or `AxB` (Monarch). Operations are counted three times: for the values, for the flows of the states
//! and for those of the weights.

use danaus_benches::arguments::Arguments;
use danaus_benches::chain::Case;
use danaus_benches::measure::{machine, measure};
use danaus_kernels::{KernelError, Program, pack, peak};
use danaus_runtime::parameters;
use danaus_runtime::session::SessionError;
use danaus_runtime::training::FlowSource;
use danaus_runtime::training::engine::Engine;
use danaus_runtime::training::optimizer::{Algorithm, Update, create};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// As in the command `danaus`: large buffers are kept rather than given back to the system and taken again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::read(&["memory-limit"]).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("train: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let peak = peak::peak(10).map_err(|error| error.to_string())?;
    if !arguments.json {
        println!("{}; multiply-adds in registers: {:.0} GFLOP/s", machine(), peak / 1e9);
        println!("batch {}, {} positions, single precision", arguments.batch, arguments.length);
        println!("case               forward ms   flows ms   step ms   step/forward   GFLOP/s   of peak   compile s");
    }
    for text in &arguments.cases {
        let case = Case::parse(text, arguments.length).ok_or_else(|| format!("`{text}` is not a case"))?;
        measure_case(&case, arguments, peak).map_err(|error| format!("{}: {error}", case.name))?;
    }
    Ok(())
}

fn measure_case(case: &Case, arguments: &Arguments, peak: f64) -> Result<(), String> {
    let (plan, flows) = case.plans()?;
    let plan = Arc::new(plan);
    let start = parameters::init(&plan, 1, None).map_err(|error| error.to_string())?.parameters;
    let evidence = arguments.evidence();
    let budget = Duration::from_secs(arguments.seconds);
    let text = |error: KernelError| error.to_string();

    let mut program = Program::new(plan.clone(), pack(&plan, start.values())).map_err(text)?;
    program.forward(&evidence, arguments.batch).map_err(text)?;
    let forward = measure(arguments.runs, budget, || program.forward(&evidence, arguments.batch).map(drop));
    let forward = forward.map_err(text)?;
    drop(program);

    let text = |error: SessionError| error.to_string();
    let mut engine = Engine::open(plan.clone(), Arc::new(flows), arguments.batch, limit(arguments)?).map_err(text)?;
    engine.set_parameters(start.values()).map_err(text)?;
    engine.gather(&evidence, arguments.batch).map_err(text)?;
    engine.take().map_err(text)?;
    let gathered = measure(arguments.runs, budget, || engine.gather(&evidence, arguments.batch).map(drop));
    let gathered = gathered.map_err(text)?;
    engine.take().map_err(text)?;
    let mut values = start.values().to_vec();
    let mut optimizer = create(Algorithm::Em { pseudocount: 0.0 });
    let step = measure(arguments.runs, budget, || {
        engine.gather(&evidence, arguments.batch)?;
        let flows = engine.take()?;
        let update = Update {
            parameters: &plan.parameters,
            flows: &flows,
            top_down: None,
            rows: arguments.batch as f64,
            step: 1.0,
        };
        optimizer.update(&update, &mut values).expect("flows are finite");
        engine.set_parameters(&values)
    });
    let step = step.map_err(text)?;

    let speed = 3.0 * case.operations() * arguments.batch as f64 / step.median();
    let compile = engine.stats().compile_seconds;
    if arguments.json {
        let line = json!({
            "case": case.name, "batch": arguments.batch, "length": arguments.length,
            "forward_s": forward.median(), "flows_s": gathered.median(), "step_s": step.median(),
            "step_best_s": step.best(), "noisy": step.noisy, "gflops": speed / 1e9, "peak_gflops": peak / 1e9,
            "compile_s": compile, "bytes": engine.stats().bytes, "segments": engine.segments(), "machine": machine(),
        });
        println!("{line}");
        return Ok(());
    }
    println!(
        "{:<18} {:>10.1} {:>10.1} {:>9.1} {:>14.2} {:>9.1} {:>8.0} % {:>11.2}{}",
        case.name,
        forward.median() * 1e3,
        gathered.median() * 1e3,
        step.median() * 1e3,
        step.median() / forward.median(),
        speed / 1e9,
        100.0 * speed / peak,
        compile,
        if step.noisy { "   (machine in use)" } else { "" },
    );
    Ok(())
}

/// The most bytes of activations.
fn limit(arguments: &Arguments) -> Result<Option<u64>, String> {
    let Some(text) = arguments.others.get("memory-limit") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("`--memory-limit` wants a number of bytes, not `{text}`"))
}
