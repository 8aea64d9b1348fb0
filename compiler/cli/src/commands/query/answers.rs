//! Answers in files: arrays and tables of probabilities, and of values.

use super::pictures::{self, View};
use crate::failure::Failure;
use crate::output;
use danaus_runtime::data::{Colors, Columns, Rows};
use danaus_runtime::queries::Marginals;
use danaus_runtime::results::{self, Format};
use std::io::Write;
use std::path::Path;

/// What is in a file of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Numbers.
    Data(Format),
    /// A picture.
    Picture,
}

/// How a file is written, by the end of its name.
pub fn form(path: &Path) -> Result<Form, Failure> {
    if path.extension().is_some_and(|ending| ending == "png") {
        return Ok(Form::Picture);
    }
    Format::of(path).map(Form::Data).ok_or_else(|| {
        Failure::usage(format!(
            "`{}`: its name must end with .npy, .npz, .csv or .png, which says how it is written",
            path.display()
        ))
    })
}

/// Posterior probabilities of some variables, kept until all are there.
pub struct Probabilities<'a> {
    columns: &'a Columns,
    variables: &'a [usize],
    /// Most values of a variable.
    values: usize,
    log_likelihoods: Vec<f64>,
    /// `[rows][variables][values]`, of a real variable mean and variance; what a variable does not have is 0, what an impossible row does
    /// not have is NaN.
    probabilities: Vec<f32>,
}

impl<'a> Probabilities<'a> {
    /// Nothing yet.
    pub fn new(columns: &'a Columns, variables: &'a [usize]) -> Self {
        let values = variables.iter().map(|&variable| columns.beliefs(variable)).max().unwrap_or(0);
        Probabilities { columns, variables, values, log_likelihoods: Vec::new(), probabilities: Vec::new() }
    }

    /// Adds a batch.
    pub fn add(&mut self, found: &Marginals) {
        self.log_likelihoods.extend(&found.log_likelihoods);
        for row in 0..found.log_likelihoods.len() {
            for &variable in self.variables {
                let end = self.probabilities.len() + self.values;
                self.probabilities.extend_from_slice(found.variable(row, variable));
                self.probabilities.resize(end, 0.0);
            }
        }
    }

    /// Writes all of it; a picture has these colors.
    pub fn write(&self, path: &Path, form: Form, colors: Option<Colors>) -> Result<(), Failure> {
        let Form::Data(format) = form else { return self.picture(path, colors) };
        let shape = [self.log_likelihoods.len(), self.variables.len(), self.values];
        output::write_with(path, |out| match format {
            Format::Npy => results::array(out, &shape, &self.probabilities),
            Format::Npz => {
                let mut archive = results::Archive::new();
                archive.add("marginals", &shape, &self.probabilities)?;
                archive.add("log_likelihoods", &shape[..1], &self.log_likelihoods)?;
                archive.write(out)
            }
            Format::Csv => self.table(out),
        })
    }

    /// The mean of each variable.
    fn picture(&self, path: &Path, colors: Option<Colors>) -> Result<(), Failure> {
        let view = View::of(self.columns, colors)?;
        if self.variables.len() != self.columns.len() {
            return Err(Failure::usage("a picture shows all variables: leave out --of"));
        }
        let mean = |all: &[f32]| all.iter().enumerate().map(|(index, probability)| index as f32 * probability).sum();
        let means: Vec<f32> = self.probabilities.chunks_exact(self.values.max(1)).map(mean).collect();
        pictures::write(path, view, &view.means(self.columns, &means), 1)
    }

    fn table(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "row,variable,value,probability")?;
        let rows = self.probabilities.chunks_exact((self.variables.len() * self.values).max(1));
        for (row, all) in rows.enumerate() {
            for (&variable, probabilities) in self.variables.iter().zip(all.chunks_exact(self.values.max(1))) {
                let name = quoted(&self.columns.name(variable));
                if self.columns.is_real(variable) {
                    writeln!(
                        out,
                        "{row},{name},mean,{}\n{row},{name},variance,{}",
                        probabilities[0], probabilities[1]
                    )?;
                    continue;
                }
                for index in 0..self.columns.missing(variable) {
                    let value = self.columns.value(variable, index).expect("it is a value");
                    writeln!(out, "{row},{name},{value},{}", probabilities[index as usize])?;
                }
            }
        }
        Ok(())
    }
}

/// A field of a table; commas are quoted.
pub fn quoted(text: &str) -> String {
    if text.contains(',') { format!("\"{text}\"") } else { text.to_string() }
}

/// Rows of values as a table that can be read as data. A missing value is empty.
pub fn values_as_csv(columns: &Columns, rows: &[u32], with_header: bool) -> String {
    let mut text = String::new();
    if with_header {
        let names: Vec<String> = (0..columns.len()).map(|column| quoted(&columns.name(column))).collect();
        text += &names.join(",");
        text.push('\n');
    }
    for row in rows.chunks_exact(columns.len().max(1)) {
        let cell = |(column, &index): (usize, &u32)| columns.show(column, index).unwrap_or_default();
        let cells: Vec<String> = row.iter().enumerate().map(cell).collect();
        text += &cells.join(",");
        text.push('\n');
    }
    text
}

/// Writes completed rows: an array `[rows, variables]`, an array for each array of variables, or a table. A missing value is -1, NaN in an
/// array with a real variable, or empty. Or draws them in these colors, beside the data that they complete.
pub fn write_values(
    path: &Path,
    form: Form,
    colors: Option<Colors>,
    given: Option<&dyn Rows>,
    columns: &Columns,
    rows: &[u32],
) -> Result<(), Failure> {
    let Form::Data(format) = form else { return pictures::completions(path, colors, given, columns, rows) };
    let width = columns.len().max(1);
    let value = |(at, &index): (usize, &u32)| columns.value(at % width, index).unwrap_or(-1) as i32;
    let number = |(at, &index): (usize, &u32)| {
        let value = columns.value(at % width, index).map(|value| value as f32);
        columns.real(at % width, index).or(value).unwrap_or(f32::NAN)
    };
    let count = rows.len() / width;
    output::write_with(path, |out| match format {
        Format::Npy => {
            let shape = [count, columns.len()];
            if (0..columns.len()).any(|column| columns.is_real(column)) {
                return results::array(out, &shape, &rows.iter().enumerate().map(number).collect::<Vec<f32>>());
            }
            results::array(out, &shape, &rows.iter().enumerate().map(value).collect::<Vec<i32>>())
        }
        Format::Npz => {
            let mut archive = results::Archive::new();
            let mut first = 0;
            for array in columns.arrays() {
                let here = first..first + array.len();
                let own = rows.iter().enumerate().filter(|(at, _)| here.contains(&(at % width)));
                let shape: Vec<usize> = std::iter::once(count).chain(array.shape.iter().copied()).collect();
                match columns.is_real(first) {
                    true => archive.add(&array.name, &shape, &own.map(number).collect::<Vec<f32>>())?,
                    false => archive.add(&array.name, &shape, &own.map(value).collect::<Vec<i32>>())?,
                }
                first = here.end;
            }
            archive.write(out)
        }
        Format::Csv => out.write_all(values_as_csv(columns, rows, true).as_bytes()),
    })
}

/// The values of a row as a JSON object.
pub fn values_as_json(columns: &Columns, row: &[u32]) -> String {
    let entry = |(column, &index): (usize, &u32)| {
        let name = serde_json::to_string(&columns.name(column)).expect("a name is plain data");
        let value = columns.show(column, index).unwrap_or_else(|| "null".to_string());
        format!("{name}: {value}")
    };
    let entries: Vec<String> = row.iter().enumerate().map(entry).collect();
    format!("{{{}}}", entries.join(", "))
}
