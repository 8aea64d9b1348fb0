//! `danaus compile`

use crate::arguments::CompileArguments;
use crate::failure::Failure;
use crate::model::PURPOSES;
use crate::output::{self, say_text};
use crate::program;
use crate::table::{Align, seconds, table};
use crate::targets::{self, Target};
use clap::{Args, ValueEnum};
use danaus_artifact::file;
use danaus_artifact::gpu::Precision;
use danaus_compiler::pipeline::{CompileOptions, Compiled, Emit, EmitKind};
use danaus_compiler::plan::flow::Purpose;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The arguments of `danaus compile`.
#[derive(Args, Debug)]
#[command(after_help = "\
Stages: tokens, ast, model, regions, circuit, plan, kernels, stats. Graphs can be drawn (regions.dot, \
regions.svg, circuit.dot, circuit.svg), and the statistics are there for programs (stats.json).

Examples:
  danaus compile examples/hmm.pc -o hmm.pcb
  danaus compile examples/hmm.pc --set H=4096 --monarch 64x64 -o hmm.pcb --timings
  danaus compile examples/hmm.pc --queries ll,sample -o hmm.pcb
  danaus compile examples/hmm.pc --constraint '.*monarch.*' --symbols text8 -o monarch.pcb
  danaus compile examples/hmm.pc --target cpu,cuda:sm_90 -o hmm.pcb
  danaus compile examples/hmm.pc --target cpu,cuda:sm_90 --precision bf16 -o hmm.pcb
  danaus compile examples/hmm.pc --emit circuit
  danaus compile examples/quad_tree.pc --emit regions.svg=regions.svg --emit plan
  danaus compile examples/hmm.pc --stop-after fold --print-after all --emit circuit")]
pub struct Compile {
    /// The architecture to compile
    #[arg(value_name = "FILE")]
    path: PathBuf,

    /// Where to write the compiled circuit (.pcb)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// What the circuit will run on, besides cpu: cuda:ptx, cuda:sm_80, cuda:sm_90, ..
    #[arg(long, value_name = "TARGET", value_delimiter = ',', default_value = "cpu")]
    target: Vec<Target>,

    /// What sums on GPUs multiply: f32, or tf32 or bf16 on tensor cores; results are single precision
    #[arg(long, value_name = "PRECISION", default_value = "f32")]
    precision: Precision,

    /// What the compiled circuit can be asked, besides ll [default: all]
    #[arg(long, value_enum, value_name = "QUERY", value_delimiter = ',', requires = "output")]
    queries: Vec<Query>,

    /// Print a stage, or write it to a file; may be repeated
    #[arg(long, value_name = "STAGE[=FILE]")]
    emit: Vec<Request>,

    /// Print the circuit after this pass on stderr, or after all; may be repeated
    #[arg(long, value_name = "PASS|all")]
    print_after: Vec<String>,

    /// Make this pass (or check, regions, circuit) the last one
    #[arg(long, value_name = "PASS")]
    stop_after: Option<String>,

    /// Print how long each stage took on stderr
    #[arg(long)]
    timings: bool,

    #[command(flatten)]
    compile: CompileArguments,
}

/// What a compiled circuit can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Query {
    // No doc comments: the help would become a page long.
    Ll,
    Train,
    Marginal,
    Sample,
    Mpe,
}

/// What plans are made for, in the order of the artifact.
fn purposes(arguments: &Compile) -> Vec<Purpose> {
    if arguments.output.is_none() {
        return Vec::new();
    }
    let asked = |purpose: &Purpose| {
        let query = match purpose {
            Purpose::Training => Query::Train,
            Purpose::Marginal => Query::Marginal,
            Purpose::Sample => Query::Sample,
            Purpose::Mpe => Query::Mpe,
        };
        arguments.queries.is_empty() || arguments.queries.contains(&query)
    };
    PURPOSES.into_iter().filter(asked).collect()
}

/// A stage and where it goes: a file, or stdout.
#[derive(Clone, Debug)]
struct Request {
    emit: Emit,
    file: Option<PathBuf>,
}

impl FromStr for Request {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((_, "")) => Err("a file name is missing after `=`".to_string()),
            Some((stage, file)) => Ok(Request { emit: stage.parse()?, file: Some(PathBuf::from(file)) }),
            None => Ok(Request { emit: text.parse()?, file: None }),
        }
    }
}

impl Request {
    fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new("-"))
    }

    fn needs_plan(&self) -> bool {
        matches!(self.emit.kind, EmitKind::Plan | EmitKind::Kernels | EmitKind::Stats)
    }
}

/// Compiles a program as far as something is asked for.
pub fn run(arguments: &Compile) -> Result<(), Failure> {
    check(arguments)?;
    let compiled = program::compile(&arguments.path, &options(arguments)?)?;
    compiled.printed.iter().for_each(|(_, text)| say_text(text));
    for request in &arguments.emit {
        // A program with errors has no more than its first stages.
        if let Some(dump) = compiled.dumps.iter().find(|dump| dump.emit == request.emit) {
            output::write(request.path(), dump.text.as_bytes())?;
        }
    }
    program::refuse_errors(&compiled)?;
    let mut devices = Duration::ZERO;
    if let Some(path) = &arguments.output {
        let start = Instant::now();
        let artifact =
            targets::add(program::artifact(&compiled, &arguments.compile), &arguments.target, arguments.precision)?;
        devices = start.elapsed();
        output::write(path, &file::write(&artifact))?;
    }
    if arguments.timings {
        say_text(&timings(&compiled, devices));
    }
    Ok(())
}

fn options(arguments: &Compile) -> Result<CompileOptions, Failure> {
    Ok(CompileOptions {
        model: arguments.compile.options(),
        constraint: arguments.compile.constraint.constraint()?,
        emits: arguments.emit.iter().map(|request| request.emit).collect(),
        print_after: arguments.print_after.iter().filter(|name| *name != "all").cloned().collect(),
        print_after_all: arguments.print_after.iter().any(|name| name == "all"),
        stop_after: arguments.stop_after.clone(),
        purposes: purposes(arguments),
        ..CompileOptions::default()
    })
}

/// Refuses combinations that cannot do what they seem to ask for.
fn check(arguments: &Compile) -> Result<(), Failure> {
    let asked = !arguments.emit.is_empty() || !arguments.print_after.is_empty() || arguments.timings;
    if arguments.output.is_none() && !asked {
        return Err(Failure::usage("nothing is asked for: add -o FILE.pcb for a compiled circuit, or --emit STAGE"));
    }
    let printed = arguments.emit.iter().map(Request::path).chain(arguments.output.as_deref());
    if printed.filter(|path| *path == Path::new("-")).count() > 1 {
        return Err(Failure::usage(
            "only one thing can go to stdout: write the others to files, as in --emit plan=FILE",
        ));
    }
    let planned = arguments.output.is_some() || arguments.emit.iter().any(Request::needs_plan);
    if arguments.stop_after.is_some() && planned {
        let message = "after --stop-after there is no plan: leave out -o and the stages plan, kernels and stats";
        return Err(Failure::usage(message));
    }
    Ok(())
}

/// The stages, code for devices, and the passes with their times, and what the passes did to the number of layers.
fn timings(compiled: &Compiled, devices: Duration) -> String {
    let row = |name: &str, time: Duration, note: String| vec![name.to_string(), seconds(time.as_secs_f64()), note];
    let mut rows = Vec::new();
    for stage in &compiled.timings {
        rows.push(row(stage.stage, stage.duration, String::new()));
        for pass in compiled.passes.iter().filter(|_| stage.stage == "passes") {
            let change = match pass.layers_before == pass.layers_after {
                true => format!("{} layers", pass.layers_after),
                false => format!("{} -> {} layers", pass.layers_before, pass.layers_after),
            };
            rows.push(row(&format!("  {}", pass.pass), pass.duration, change));
        }
    }
    if devices > Duration::ZERO {
        rows.push(row("device code", devices, String::new()));
    }
    let total = compiled.timings.iter().map(|stage| stage.duration).sum::<Duration>() + devices;
    rows.push(row("total", total, String::new()));
    table("", &[Align::Left, Align::Right, Align::Left], &rows)
}
