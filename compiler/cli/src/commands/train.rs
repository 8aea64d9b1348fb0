//! `danaus train`

mod arguments;

pub use arguments::Train;

use crate::evidence::{self, ParameterArguments, data_failure};
use crate::failure::Failure;
use crate::gpu;
use crate::model::{self, Model, has_real};
use crate::output::{self, say, say_text};
use crate::session;
use crate::training::{curve, report, signal, watcher::Watcher};
use danaus_artifact::plan::Plan;
use danaus_compiler::plan::flow::Purpose;
use danaus_cuda::{GpuFlows, GpuLikelihood};
use danaus_runtime::data::Rows;
use danaus_runtime::files;
use danaus_runtime::parameters::{self, Parameters};
use danaus_runtime::training::checkpoint::CheckpointError;
use danaus_runtime::training::config::Batch;
use danaus_runtime::training::engine::Engine;
use danaus_runtime::training::likelihood::SessionLikelihood;
use danaus_runtime::training::run::check_trainable;
use danaus_runtime::training::standardize::standardize;
use danaus_runtime::training::{self, Config, FlowSource, Likelihood, Outcome, Settings, Task, TrainError};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The data of a run.
struct Data {
    train: Box<dyn Rows>,
    valid: Option<Box<dyn Rows>>,
    test: Option<Box<dyn Rows>>,
}

/// Trains a model.
pub fn run(arguments: &Train) -> Result<(), Failure> {
    arguments.model.compile.refuse_constraint("danaus train")?;
    curve::check(arguments.curve.as_deref())?;
    let config = config(arguments)?;
    let mut model = model::open_for(&arguments.model, &[Purpose::Training])?;
    check_trainable(&model.plan).map_err(Failure::wrong)?;
    let start = start(arguments, &model.plan, &config)?;
    let data = data(arguments, &model.plan)?;
    let start = match arguments.params {
        Some(_) => start,
        None => standardize(&model.plan, start, &*data.train).map_err(data_failure)?,
    };
    let chunk = chunk(&config, &model, data.train.len());
    let batch = session::usual_batch(&model.plan);
    let plan = Arc::new(model.plan.clone());
    let flows = Arc::new(model.flows.take().expect("the model was opened with its flows"));
    let asked = Asked { arguments, config: &config, model: &model, start: &start, data: &data, chunk };
    if let Some(gpu) = gpu::find(arguments.device, &model)? {
        // First what says how likely data are, which takes what it takes; flows make do with what is left.
        let judge = GpuLikelihood::open(gpu.open()?, plan.clone(), gpu.code, start.values(), batch);
        let mut judge = judge.map_err(Failure::usage)?;
        let limit = config.memory_limit.unwrap_or(u64::MAX);
        let source = GpuFlows::open(gpu.open()?, plan, flows, gpu.code, chunk, limit);
        return train(&asked, &mut source.map_err(Failure::usage)?, &mut judge, gpu::failure);
    }
    let mut source = Engine::open(plan.clone(), flows, chunk, config.memory_limit).map_err(session::failure)?;
    let mut judge = SessionLikelihood { session: session::open(plan, &start)?, batch };
    train(&asked, &mut source, &mut judge, session::failure)
}

/// Everything but where it is computed.
struct Asked<'a> {
    arguments: &'a Train,
    config: &'a Config,
    model: &'a Model,
    start: &'a Parameters,
    data: &'a Data,
    /// Rows that are on the device at a time.
    chunk: usize,
}

fn train<S: FlowSource, L: Likelihood>(
    asked: &Asked<'_>,
    source: &mut S,
    judge: &mut L,
    of_judge: fn(L::Error) -> Failure,
) -> Result<(), Failure> {
    let Asked { arguments, config, model, data, .. } = asked;
    let task = Task {
        config,
        train: &*data.train,
        valid: data.valid.as_deref(),
        start: asked.start.values(),
        chunk: asked.chunk,
        flops_per_row: model.stats.total.flops as f64,
        fresh: arguments.fresh,
    };
    let stop = signal::on_interrupt()?;
    let mut watcher = Watcher::new(&task, has_real(&model.plan), arguments.metrics.as_deref(), stop)?;
    let outcome = training::run(task, source, Some(judge), &mut watcher);
    watcher.finish();
    let outcome = outcome.map_err(|error| failure(error, of_judge))?;
    if let Some(path) = &arguments.curve {
        curve::draw(path, &model.stats.name, arguments.curve_axis, &outcome.state)?;
    }
    if outcome.ending.is_none() {
        return stopped(arguments, config, &model.plan, &outcome);
    }
    let written = save(&arguments.output, &model.plan, &outcome)?;
    let named = [("train", Some(&data.train)), ("valid", data.valid.as_ref()), ("test", data.test.as_ref())];
    let named: Vec<(&str, &dyn Rows)> = named.into_iter().filter_map(|(name, rows)| Some((name, &**rows?))).collect();
    let found = report::evaluate(judge, of_judge, outcome.state.chosen(), &named)?;
    if arguments.timings {
        say_text(&session::timings());
    }
    written.iter().for_each(|path| say(format_args!("wrote {}", path.display())));
    output::print(&if arguments.json {
        report::json(&outcome, &found)
    } else {
        report::text(&outcome, &found, has_real(&model.plan))
    })
}

/// What the command line says, and beyond it the file.
fn config(arguments: &Train) -> Result<Config, Failure> {
    let file = match &arguments.config {
        None => Settings::default(),
        Some(path) => {
            let bytes = files::read(path).map_err(Failure::usage)?;
            let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("`{}`: {error}", path.display()));
            let text = std::str::from_utf8(&bytes).map_err(|error| wrong(&error))?;
            Settings::parse(text).map_err(|error| wrong(&error.to_string().trim_end()))?
        }
    };
    let settings = arguments.settings().or(file);
    settings.resolve(!arguments.valid.is_empty()).map_err(Failure::usage)
}

/// The parameters at the start: from a file, or random.
fn start(arguments: &Train, plan: &Plan, config: &Config) -> Result<Parameters, Failure> {
    let params = arguments.params.clone();
    let seed = params.is_none().then_some(config.seed);
    evidence::parameters(&ParameterArguments { params, seed, ..Default::default() }, plan)
}

fn data(arguments: &Train, plan: &Plan) -> Result<Data, Failure> {
    let rows = |paths: &[PathBuf]| {
        let others = evidence::DataArguments { data: paths.to_vec(), ..arguments.data.0.clone() };
        (!paths.is_empty()).then(|| others.rows(&plan.variables)).transpose()
    };
    let train = arguments.data.0.rows(&plan.variables)?;
    Ok(Data { train, valid: rows(&arguments.valid)?, test: rows(&arguments.test)? })
}

/// Rows that are on the device at a time: no more than a batch has, or than there are.
fn chunk(config: &Config, model: &Model, rows: usize) -> usize {
    let most = config.device_batch.unwrap_or(session::usual_batch(&model.plan));
    let batch = match config.batch {
        Batch::Full => rows,
        Batch::Rows(batch) => batch.min(rows),
    };
    most.min(batch).max(1)
}

/// Writes the parameters, and beside them the last ones if they are others.
fn save(path: &Path, plan: &Plan, outcome: &Outcome) -> Result<Vec<PathBuf>, Failure> {
    let state = &outcome.state;
    let mut written = vec![path.to_path_buf()];
    parameters::save(path, plan, &Parameters::new(state.chosen().to_vec())).map_err(Failure::usage)?;
    if state.chosen() != state.values {
        let last = path.with_extension("last.safetensors");
        parameters::save(&last, plan, &Parameters::new(state.values.clone())).map_err(Failure::usage)?;
        written.push(last);
    }
    Ok(written)
}

/// The end of a run that was stopped: it can be taken up again, or what it has is written.
fn stopped(arguments: &Train, config: &Config, plan: &Plan, outcome: &Outcome) -> Result<(), Failure> {
    if let Some(checkpoints) = config.checkpoints.as_ref().filter(|_| outcome.saved) {
        let folder = checkpoints.folder.display();
        return Err(Failure::Stopped(format!(
            "stopped; the run is saved in `{folder}`: the same command goes on from here, with --fresh it starts over"
        )));
    }
    let written: Vec<String> =
        save(&arguments.output, plan, outcome)?.iter().map(|path| path.display().to_string()).collect();
    Err(Failure::Stopped(format!(
        "stopped; wrote the parameters so far to {}. The run cannot be taken up again: that needs --checkpoint DIR",
        written.join(" and ")
    )))
}

/// Whose fault it is.
fn failure<S: Error, L: Error>(error: TrainError<S, L>, of_judge: fn(L) -> Failure) -> Failure {
    match error {
        TrainError::Data(error) => data_failure(error),
        TrainError::Likelihood(error) => of_judge(error),
        TrainError::Checkpoint(CheckpointError::Other { .. }) => Failure::usage(error),
        TrainError::Flows(_) | TrainError::Checkpoint(_) => Failure::usage(error),
        TrainError::Circuit(_) | TrainError::NoRows | TrainError::Impossible { .. } => Failure::wrong(error),
        TrainError::Number { .. } => panic!("{error}"),
    }
}
