//! What is measured, as JSON lines: an object for each update and each epoch.
//!
//! A run that goes on writes the file anew with all that its checkpoint knows, so that the file has each update once, whenever the
//! run before was ended.

use crate::failure::Failure;
use danaus_runtime::files;
use danaus_runtime::training::record::{Event, Measure, Record};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file of a run.
pub struct Metrics {
    path: PathBuf,
    out: Box<dyn Write>,
}

impl Metrics {
    /// Writes all entries so far, and stays open for more. `-` is stdout.
    pub fn open(path: &Path, records: &[Record]) -> Result<Metrics, Failure> {
        let lines: String = records.iter().map(line).collect();
        let out: Box<dyn Write> = if path == Path::new("-") {
            let mut out = io::stdout();
            out.write_all(lines.as_bytes()).map_err(|error| failed(path, &error))?;
            Box::new(out)
        } else {
            files::write(path, |out| out.write_all(lines.as_bytes())).map_err(Failure::usage)?;
            let append = OpenOptions::new().append(true).open(path).map_err(|error| failed(path, &error))?;
            Box::new(append) as Box<dyn Write>
        };
        Ok(Metrics { path: path.to_path_buf(), out })
    }

    /// Adds an entry. What went wrong is told, and no reason to end the run.
    pub fn add(&mut self, record: &Record) -> Result<(), String> {
        let written = self.out.write_all(line(record).as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|error| format!("cannot write to `{}`: {}", self.path.display(), files::reason(&error)))
    }
}

/// Whether a file can be written, asked before the training begins.
pub fn check(path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") || path.exists() {
        return Ok(());
    }
    File::create(path).map(|_| ()).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot write `{}`: {}", path.display(), files::reason(error)))
}

/// An entry as a line.
pub fn line(record: &Record) -> String {
    let Record { event, epoch, update, rows, seconds, flops, step, train, valid, best } = record;
    let event = match event {
        Event::Update => "update",
        Event::Epoch => "epoch",
    };
    let object = json!({
        "event": event, "epoch": epoch, "update": update, "rows": rows, "seconds": seconds, "flops": flops, "step": step,
        "train": measure(train.as_ref()), "valid": measure(valid.as_ref()), "best": best,
    });
    format!("{object}\n")
}

fn measure(measure: Option<&Measure>) -> Value {
    let Some(Measure { log_likelihood, bits_per_dimension, impossible }) = measure else { return Value::Null };
    json!({ "log_likelihood": log_likelihood, "bits_per_dimension": bits_per_dimension, "impossible": impossible })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(update: u64) -> Record {
        let measure = Measure { log_likelihood: -1.5, bits_per_dimension: 2.25, impossible: 0 };
        Record {
            event: Event::Update,
            epoch: 1,
            update,
            rows: 128,
            seconds: 0.5,
            flops: 1e9,
            step: 0.25,
            train: Some(measure),
            valid: None,
            best: None,
        }
    }

    #[test]
    fn a_run_that_goes_on_has_each_update_once() {
        // COVERS: training.metrics
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.jsonl");
        let mut metrics = Metrics::open(&path, &[]).unwrap();
        (1..4).for_each(|update| metrics.add(&record(update)).unwrap());
        // The checkpoint is of after the first update, and the line of the fourth is half there.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"ev").unwrap();
        let mut metrics = Metrics::open(&path, &[record(1)]).unwrap();
        (2..5).for_each(|update| metrics.add(&record(update)).unwrap());
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let updates: Vec<u64> = lines.iter().map(|line| line["update"].as_u64().unwrap()).collect();
        assert_eq!(updates, [1, 2, 3, 4]);
        assert_eq!(
            text.lines().next().unwrap(),
            "{\"best\":null,\"epoch\":1,\"event\":\"update\",\"flops\":1000000000.0,\"rows\":128,\"seconds\":0.5,\"step\":0.25,\
             \"train\":{\"bits_per_dimension\":2.25,\"impossible\":0,\"log_likelihood\":-1.5},\"update\":1,\"valid\":null}"
        );
    }
}
