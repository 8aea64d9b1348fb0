//! Measures queries of hidden Markov models on the CPU: posteriors beside likelihoods of the same rows, and samples.
//!
//! ```text
//! queries [--case 64x64]... [--batch 64] [--length 64] [--samples 10000] [--runs 11] [--seconds 60] [--json]
//! ```
//! A case is `H` (dense) or `AxB` (Monarch). Times are those of the sessions that the command `danaus query` uses: from rows in memory
//! to answers in memory, without compiling and loading the circuit.

use danaus_benches::arguments::Arguments;
use danaus_benches::chain::Case;
use danaus_benches::measure::{machine, measure};
use danaus_runtime::data::Columns;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::parameters;
use danaus_runtime::queries::{QuerySession, Sampling};
use danaus_runtime::session::{Session, SessionError};
use serde_json::json;
use std::ops::ControlFlow::Continue;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// As in the command `danaus`: large buffers are kept rather than given back to the system and taken again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::read(&["samples"]).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("queries: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let samples = match arguments.others.get("samples") {
        Some(text) => text.parse().map_err(|_| format!("`--samples` wants a number, not `{text}`"))?,
        None => 10_000,
    };
    if !arguments.json {
        println!("{}", machine());
        println!("batch {}, {} positions, {samples} samples", arguments.batch, arguments.length);
        println!("case               likelihoods ms   marginals ms   ratio   samples s");
    }
    for text in &arguments.cases {
        let case = Case::parse(text, arguments.length).ok_or_else(|| format!("`{text}` is not a case"))?;
        measure_case(&case, arguments, samples).map_err(|error| format!("{}: {error}", case.name))?;
    }
    Ok(())
}

fn measure_case(case: &Case, arguments: &Arguments, samples: usize) -> Result<(), String> {
    let (plan, queries) = case.queries()?;
    let plan = Arc::new(plan);
    let start = parameters::init(&plan, 1, None).map_err(|error| error.to_string())?.parameters;
    let columns = Columns::new(&plan.variables);
    let (rows, unknown) =
        (MemoryRows::from_indices(columns, arguments.evidence()), MemoryRows::unknown(&plan.variables));
    let (batch, budget) = (arguments.batch, Duration::from_secs(arguments.seconds));
    let text = |error: SessionError| error.to_string();

    let mut session = Session::open(plan.clone(), &start).map_err(text)?;
    let mut likelihoods = || session.log_likelihoods(&rows, batch, &mut |_, _| Continue(()));
    likelihoods().map_err(text)?;
    let likelihoods = measure(arguments.runs, budget, likelihoods).map_err(text)?;
    drop(session);

    let marginal = queries.marginal.expect("it was compiled for them");
    let mut session = QuerySession::open(plan.clone(), marginal, &start).map_err(text)?;
    let mut marginals = || session.marginals(&rows, batch, &mut |_, _| Continue(()));
    marginals().map_err(text)?;
    let marginals = measure(arguments.runs, budget, marginals).map_err(text)?;
    drop(session);

    let sample = queries.sample.expect("it was compiled for them");
    let mut session = QuerySession::open(plan, sample, &start).map_err(text)?;
    let sampling = Sampling { per_row: samples, seed: 5, temperature: 1.0 };
    let mut draw = || session.complete(&unknown, 1, sampling, &mut |_, _| Continue(()));
    draw().map_err(text)?;
    let drawn = measure(arguments.runs, budget, draw).map_err(text)?;

    let ratio = marginals.median() / likelihoods.median();
    let noisy = likelihoods.noisy || marginals.noisy || drawn.noisy;
    if arguments.json {
        let line = json!({
            "case": case.name, "batch": batch, "length": arguments.length, "samples": samples,
            "likelihoods_s": likelihoods.median(), "marginals_s": marginals.median(), "ratio": ratio,
            "samples_s": drawn.median(), "noisy": noisy, "machine": machine(),
        });
        println!("{line}");
        return Ok(());
    }
    println!(
        "{:<18} {:>14.1} {:>14.1} {:>7.2} {:>11.2}{}",
        case.name,
        likelihoods.median() * 1e3,
        marginals.median() * 1e3,
        ratio,
        drawn.median(),
        if noisy { "   (machine in use)" } else { "" },
    );
    Ok(())
}
