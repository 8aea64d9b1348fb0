//! `danaus query sample`

use super::answers;
use crate::arguments::ModelArguments;
use crate::evidence::{DataArguments, OptionalData, ParameterArguments, data_failure, parameters, positive};
use crate::failure::Failure;
use crate::output::{self, say};
use crate::{model, session};
use clap::Args;
use danaus_compiler::plan::flow::Purpose;
use danaus_runtime::data::memory::MemoryRows;
use danaus_runtime::data::tokenizer::Tokenizer;
use danaus_runtime::data::{Alphabet, Columns, Rows};
use danaus_runtime::queries::{Completed, QuerySession, Sampling};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The arguments of `danaus query sample`.
#[derive(Args, Debug)]
#[command(override_usage = "danaus query sample <MODEL> [-n <N>] [--seed <N>] [--data <FILE>...] [OPTIONS]")]
#[command(after_help = "\
Without data it draws from the whole distribution. With data it completes each row N times, given what the row observes; the \
samples of a row come one after the other. Samples are printed as a table that can be read as data, with --json as one object each, \
or with --text or --tokenizer as text.

Examples:
  danaus query sample examples/weather.pc -n 10
  danaus query sample hmm.pcb --params hmm.safetensors -n 100 --seed 5 --text text8
  danaus query sample image.pcb --params image.safetensors --data half.npy -n 8 -o completed.npy")]
pub struct Sample {
    /// How many samples, of each row if there is data
    #[arg(short = 'n', long = "samples", value_name = "N", default_value = "1", value_parser = positive)]
    count: usize,

    /// The seed: equal seeds give equal samples
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,

    /// Less than 1 prefers what is likely, more than 1 what is not; 1 draws from the circuit
    #[arg(long, value_name = "T", default_value = "1", value_parser = temperature)]
    temperature: f32,

    /// Print one JSON object for each sample
    #[arg(long, conflicts_with_all = ["output"])]
    json: bool,

    /// Write the samples to a file: .npy (samples, variables), .npz (an array for each array of variables), .csv, or .png, a grid of images
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    model: ModelArguments,

    /// Take the parameters from this .safetensors file
    #[arg(long, value_name = "FILE", conflicts_with = "params_seed", help_heading = "Parameters")]
    params: Option<PathBuf>,

    /// Take random parameters, the same for the same seed on every machine
    #[arg(long, value_name = "N", help_heading = "Parameters")]
    params_seed: Option<u64>,

    #[command(flatten)]
    data: OptionalData,
}

fn temperature(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(number) if number > 0.0 && number.is_finite() && (1.0 / number).is_finite() => Ok(number),
        _ => Err("expected a number greater than 0".to_string()),
    }
}

/// Draws samples.
pub fn run(arguments: &Sample) -> Result<(), Failure> {
    let form = arguments.output.as_deref().map(answers::form).transpose()?;
    let model = model::open_for(&arguments.model, &[Purpose::Sample])?;
    let numbers = ParameterArguments {
        params: arguments.params.clone(),
        seed: arguments.params_seed,
        seed_option: "--params-seed",
    };
    let parameters = parameters(&numbers, &model.plan)?;
    let data = &arguments.data.0;
    let rows: Box<dyn Rows> = match data.data.is_empty() {
        true => Box::new(MemoryRows::unknown(&model.plan.variables)),
        false => data.rows(&model.plan.variables)?,
    };
    let text = text(data, rows.columns())?;
    let batch = data.batch.unwrap_or(session::usual_batch(&model.plan));
    let plan = model.queries.sample.expect("the model was opened with it");
    let mut query = QuerySession::open(model.plan, plan, &parameters).map_err(session::failure)?;
    let sampling = Sampling { per_row: arguments.count, seed: arguments.seed, temperature: arguments.temperature };
    let mut shown = Shown { arguments, columns: rows.columns(), text, drawn: 0, impossible: 0, kept: Vec::new() };
    let mut printed = Ok(());
    let mut on_batch = |_: usize, found: &Completed| {
        printed = shown.batch(found);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    query.complete(&*rows, batch, sampling, &mut on_batch).map_err(session::failure)?;
    printed?;
    if shown.impossible > 0 {
        say(format_args!("warning: rows of probability 0 have no samples: {} of {}", shown.impossible, rows.len()));
    }
    match (&arguments.output, form) {
        (Some(path), Some(form)) => {
            let given = (!data.data.is_empty()).then_some(&*rows);
            answers::write_values(path, form, data.images, given, rows.columns(), &shown.kept)
        }
        _ => Ok(()),
    }
}

/// How samples are written as text.
enum Text<'a> {
    Characters(&'a Alphabet),
    Tokens(Box<Tokenizer>),
}

/// The alphabet or the tokenizer that data are read with, if the variables can hold it.
fn text<'a>(data: &'a DataArguments, columns: &Columns) -> Result<Option<Text<'a>>, Failure> {
    if let Some(alphabet) = &data.text {
        return Ok(Some(Text::Characters(alphabet.checked(columns).map_err(Failure::wrong)?)));
    }
    let Some(path) = &data.tokenizer else { return Ok(None) };
    let tokenizer = Tokenizer::open(path).map_err(data_failure)?;
    tokenizer.checked(columns).map_err(Failure::wrong)?;
    Ok(Some(Text::Tokens(Box::new(tokenizer))))
}

/// Samples as they come.
struct Shown<'a> {
    arguments: &'a Sample,
    columns: &'a Columns,
    text: Option<Text<'a>>,
    drawn: usize,
    impossible: usize,
    kept: Vec<u32>,
}

impl Shown<'_> {
    fn batch(&mut self, found: &Completed) -> Result<(), Failure> {
        let width = self.columns.len().max(1);
        let per_row = found.completions.len() / width / found.values.len();
        let starts_row = self.drawn.is_multiple_of(self.arguments.count);
        let impossible = found.values.iter().filter(|value| **value == f64::NEG_INFINITY).count();
        self.impossible += if starts_row { impossible } else { 0 };
        if self.arguments.output.is_some() {
            self.kept.extend_from_slice(&found.completions);
        } else if self.arguments.json {
            output::print(&self.json(found, per_row))?;
        } else if let Some(text) = &self.text {
            let rows = found.completions.chunks_exact(width);
            output::print_bytes(&match text {
                Text::Characters(alphabet) => alphabet.write(rows),
                Text::Tokens(tokenizer) => tokenizer.write(rows).map_err(data_failure)?,
            })?;
        } else {
            output::print(&answers::values_as_csv(self.columns, &found.completions, self.drawn == 0))?;
        }
        self.drawn += found.values.len() * per_row;
        Ok(())
    }

    fn json(&self, found: &Completed, per_row: usize) -> String {
        let mut text = String::new();
        for (index, sample) in found.completions.chunks_exact(self.columns.len().max(1)).enumerate() {
            let number = self.drawn + index;
            let (row, draw) = (number / self.arguments.count, number % self.arguments.count);
            let _ = match found.values[index / per_row] == f64::NEG_INFINITY {
                true => {
                    writeln!(text, "{{\"row\": {row}, \"sample\": {draw}, \"values\": null, \"impossible\": true}}")
                }
                false => {
                    let values = answers::values_as_json(self.columns, sample);
                    writeln!(text, "{{\"row\": {row}, \"sample\": {draw}, \"values\": {values}}}")
                }
            };
        }
        text
    }
}
