//! The program `danaus-gpu`: likelihoods and training on a GPU with a compiled circuit, where there is nothing but a driver.

use clap::{Args, Parser, Subcommand};
use danaus_artifact::file::Artifact;
use danaus_artifact::gpu::{GpuCode, codes};
use danaus_artifact::pack::pack;
use danaus_artifact::plan::Plan;
use danaus_cuda::flows::NoJudge;
use danaus_cuda::{Choice, Forward, Gpu, GpuFlows, choose, gpus, score};
use danaus_runtime::data::{self, Kind, Rows};
use danaus_runtime::parameters::{self, Parameters};
use danaus_runtime::training::observer::Nobody;
use danaus_runtime::training::{FlowSource, Settings, Task, run as train};
use danaus_runtime::{artifact, files};
use std::fmt::{Display, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

/// Runs circuits that were compiled for GPUs (`danaus compile --target cpu,cuda:sm_90`), where there is nothing but a driver.
#[derive(Parser, Debug)]
#[command(name = "danaus-gpu", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Print the log-likelihood of each row: its number, a tab, and the natural logarithm of its probability
    Ll(Common),
    /// Train on all rows, and write the parameters
    Train {
        #[command(flatten)]
        common: Common,

        /// What a run is asked for, with the keys of `danaus train --config` (TOML)
        #[arg(long, value_name = "FILE")]
        config: PathBuf,

        /// Where to write the parameters (.safetensors)
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Time a batch of the first rows, in milliseconds: the least and the median of a forward pass and, if the circuit was compiled for
    /// training, of a forward and backward pass with counts
    Time {
        #[command(flatten)]
        common: Common,

        /// How often each is timed
        #[arg(long, value_name = "N", default_value = "20")]
        times: usize,
    },
}

#[derive(Args, Debug)]
struct Common {
    /// The circuit (.pcb)
    model: PathBuf,

    /// Rows of data: .npy, .npz, idx or CSV
    #[arg(long, value_name = "FILE")]
    data: PathBuf,

    /// The parameters (.safetensors)
    #[arg(long, value_name = "FILE", required_unless_present = "seed")]
    params: Option<PathBuf>,

    /// Make random parameters from this seed; a file that is given too is where they start
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Rows that are computed at a time
    #[arg(long, value_name = "N", default_value = "256")]
    batch: usize,

    /// The number of the GPU
    #[arg(long, value_name = "N", default_value = "0")]
    device: u32,

    /// The most memory for activations of training, in bytes [default: most of what is free]
    #[arg(long, value_name = "BYTES")]
    memory_limit: Option<u64>,

    /// Fill the memory of the GPU with NaN first, to find kernels that read what nothing has written
    #[arg(long)]
    poison: bool,
}

/// Everything that has been read.
struct Opened {
    compiled: Artifact,
    code: GpuCode,
    plan: Arc<Plan>,
    parameters: Parameters,
    rows: Box<dyn Rows>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn run(arguments: &Arguments) -> Result<(), String> {
    match &arguments.verb {
        Verb::Ll(common) => log_likelihoods(common),
        Verb::Train { common, config, output } => train_on(common, config, output),
        Verb::Time { common, times } => time(common, *times),
    }
}

/// The code for the device, with a note where it is not machine code.
fn code_for(compiled: &Artifact, device: u32) -> Result<GpuCode, String> {
    let devices = gpus().map_err(text)?;
    let Some(info) = devices.iter().find(|info| info.ordinal == device) else {
        let count = devices.len();
        return Err(format!("there is no GPU {device} on this machine (found {count}); `danaus` uses the processor"));
    };
    let all = codes(compiled).map_err(text)?;
    match choose(&all, info.capability) {
        Choice::Machine(code) => Ok(code.clone()),
        Choice::Text(code, why) => {
            eprintln!("note: {why}");
            Ok(code.clone())
        }
        Choice::Processor(why) => Err(format!("{why} (with `danaus`)")),
    }
}

fn open(common: &Common) -> Result<Opened, String> {
    let compiled = artifact::open(&common.model).map_err(text)?;
    let code = code_for(&compiled, common.device)?;
    let plan = Arc::new(compiled.plan().clone());
    let loaded = match (&common.params, common.seed) {
        (Some(file), None) => parameters::load(file, &plan),
        (start, seed) => parameters::init(&plan, seed.unwrap_or(0), start.as_deref()),
    };
    let loaded = loaded.map_err(text)?;
    loaded.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    let found = data::rows(&common.data, &Kind::Table { array: None }, &plan.variables).map_err(text)?;
    Ok(Opened { compiled, code, plan, parameters: loaded.parameters, rows: found.rows })
}

fn device(common: &Common) -> Result<Gpu, String> {
    let mut device = Gpu::open(common.device).map_err(text)?;
    if common.poison {
        device.poison();
    }
    Ok(device)
}

fn forward(common: &Common, opened: &Opened) -> Result<Forward<Gpu>, String> {
    let packed = pack(&opened.plan, opened.parameters.values());
    Forward::new(device(common)?, opened.plan.clone(), &opened.code, &packed).map_err(text)
}

fn flows(common: &Common, batch: usize, opened: &Opened) -> Result<GpuFlows<Gpu>, String> {
    let missing = "the circuit was compiled without what training needs; compile it again with train among --queries";
    let plan = Arc::new(opened.compiled.flows().ok_or(missing)?.clone());
    let limit = common.memory_limit.unwrap_or(u64::MAX);
    GpuFlows::open(device(common)?, opened.plan.clone(), plan, &opened.code, batch, limit).map_err(text)
}

fn log_likelihoods(common: &Common) -> Result<(), String> {
    let opened = open(common)?;
    let mut forward = forward(common, &opened)?;
    score::log_likelihoods(&mut forward, &*opened.rows, common.batch, &mut |first, values| {
        let mut lines = String::new();
        for (row, value) in values.iter().enumerate() {
            let _ = writeln!(lines, "{}\t{value}", first + row);
        }
        print!("{lines}");
        ControlFlow::Continue(())
    })
    .map_err(text)
}

fn train_on(common: &Common, config: &Path, output: &Path) -> Result<(), String> {
    let opened = open(common)?;
    let settings = files::read(config).map_err(text)?;
    let settings = String::from_utf8(settings.to_vec()).map_err(text)?;
    let config = Settings::parse(&settings).map_err(text)?.resolve(false).map_err(text)?;
    let mut source = flows(common, common.batch, &opened)?;
    let task = Task {
        config: &config,
        train: &*opened.rows,
        valid: None,
        chunk: common.batch,
        flops_per_row: opened.plan.flops() as f64,
        fresh: false,
    };
    let outcome = train(task, opened.parameters.values().to_vec(), &mut source, None::<&mut NoJudge>, &mut Nobody)
        .map_err(text)?;
    parameters::save(output, &opened.plan, outcome.state.chosen()).map_err(text)
}

fn time(common: &Common, times: usize) -> Result<(), String> {
    let opened = open(common)?;
    let rows = &*opened.rows;
    let batch = common.batch.clamp(1, rows.len().max(1));
    let mut evidence = vec![0; rows.columns().len() * batch];
    rows.fill(0..batch, &mut evidence).map_err(text)?;
    let mut walk = forward(common, &opened)?;
    report("forward", times, || walk.forward(&evidence, batch).map(|_| ()).map_err(text))?;
    drop(walk);
    if opened.compiled.flows().is_none() {
        return Ok(());
    }
    let mut source = flows(common, batch, &opened)?;
    source.set_parameters(opened.parameters.values()).map_err(text)?;
    report("step", times, || source.gather(&evidence, batch).map(|_| ()).map_err(text))
}

/// The least and the median of several runs, evidence and results included; the first, which is recorded, is not counted.
fn report(what: &str, times: usize, mut work: impl FnMut() -> Result<(), String>) -> Result<(), String> {
    let mut seconds = Vec::with_capacity(times);
    for round in 0..=times.max(1) {
        let start = Instant::now();
        work()?;
        if round > 0 {
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    println!("{what}\t{:.4}\t{:.4}", 1e3 * seconds[0], 1e3 * seconds[seconds.len() / 2]);
    Ok(())
}
