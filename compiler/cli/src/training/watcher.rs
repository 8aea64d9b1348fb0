//! Progress: a bar where stderr is a terminal, and a line per epoch everywhere.

use super::metrics::{self, Metrics};
use crate::failure::Failure;
use crate::output::say;
use danaus_runtime::training::Task;
use danaus_runtime::training::observer::{Observer, Position};
use danaus_runtime::training::record::{Event, FLOPS_OF_FORWARD, Measure, Record};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Watches a run for its user.
pub struct Watcher {
    bar: ProgressBar,
    path: Option<PathBuf>,
    metrics: Option<Metrics>,
    stop: Arc<AtomicBool>,
    flops_per_row: f64,
    /// When this part of the run began, and the rows that were done then.
    began: (Instant, u64),
    position: Position,
    latest: Option<Measure>,
    best: Option<f64>,
    train: Option<Measure>,
    /// Whether likelihoods are densities, which have no bits per dimension.
    is_density: bool,
}

impl Watcher {
    /// For a run that has not begun.
    pub fn new(
        task: &Task<'_>,
        is_density: bool,
        path: Option<&Path>,
        stop: Arc<AtomicBool>,
    ) -> Result<Watcher, Failure> {
        path.map_or(Ok(()), metrics::check)?;
        let rows = task.train.len() as u64 * task.config.epochs;
        // Four times a second; the target is hidden where stderr is no terminal.
        let bar = ProgressBar::with_draw_target(Some(rows), ProgressDrawTarget::stderr_with_hz(4));
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {percent:>3}%  {msg}");
        bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
        let position = Position { epoch: 1, epochs: task.config.epochs, row: 0, rows: task.train.len(), update: 0 };
        Ok(Watcher {
            bar,
            path: path.map(Path::to_path_buf),
            metrics: None,
            stop,
            flops_per_row: FLOPS_OF_FORWARD * task.flops_per_row,
            began: (Instant::now(), 0),
            position,
            latest: None,
            best: None,
            train: None,
            is_density,
        })
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn done(&self) -> u64 {
        (self.position.epoch - 1) * self.position.rows as u64 + self.position.row as u64
    }

    /// Speed and what is left: `at 1234 rows/s and 5.6 GFLOP/s, left 12 min`.
    fn speed(&self) -> String {
        let done = self.done();
        let seconds = self.began.0.elapsed().as_secs_f64();
        let rate = done.saturating_sub(self.began.1) as f64 / seconds.max(1e-9);
        let left = (self.position.epochs * self.position.rows as u64).saturating_sub(done);
        let left = if rate > 0.0 { format!(", left {}", span(left as f64 / rate)) } else { String::new() };
        format!("at {rate:.0} rows/s and {:.1} GFLOP/s{left}", rate * self.flops_per_row / 1e9)
    }

    /// `train 2.1034 bits, valid 2.0134 bits (best 2.0100)`; of densities nats of a row.
    fn bits(&self) -> String {
        let mut parts = Vec::new();
        if let Some(train) = &self.train {
            parts.push(format!("train {}", self.shown(train)));
        }
        if let Some(valid) = &self.latest {
            let best = self.best.map_or_else(String::new, |best| format!(" (best {best:.4})"));
            parts.push(format!("valid {}{best}", self.shown(valid)));
        }
        parts.join(", ")
    }

    fn shown(&self, measure: &Measure) -> String {
        match self.is_density {
            true => format!("{:.4} nats", measure.log_likelihood),
            false => format!("{:.4} bits", measure.bits_per_dimension),
        }
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| say(format_args!("{line}")));
    }

    fn note(&mut self, record: &Record) {
        self.train = record.train.or(self.train);
        self.latest = record.valid.or(self.latest);
        self.best = match self.is_density {
            true => record.valid.map(|valid| valid.log_likelihood).into_iter().chain(self.best).reduce(f64::max),
            false => record.best.or(self.best),
        };
    }
}

impl Observer for Watcher {
    fn started(&mut self, position: Position, records: &[Record]) {
        self.position = position;
        self.began = (Instant::now(), self.done());
        records.iter().for_each(|record| self.note(record));
        if !records.is_empty() {
            let (epoch, epochs) = (position.epoch, position.epochs);
            self.say(&format!("taken up in epoch {epoch} of {epochs}, after {} updates", position.update));
        }
        match self.path.as_deref().map(|path| Metrics::open(path, records)).transpose() {
            Ok(metrics) => self.metrics = metrics,
            Err(Failure::Usage(problem) | Failure::Wrong(problem) | Failure::Stopped(problem)) => self.notice(&problem),
            Err(Failure::Reported | Failure::Closed) => {}
        }
    }

    fn gathered(&mut self, position: Position) {
        self.position = position;
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_prefix(format!("epoch {}/{}", position.epoch, position.epochs));
        let bits = self.bits();
        let message = if bits.is_empty() { self.speed() } else { format!("{}, {bits}", self.speed()) };
        self.bar.set_message(message);
        self.bar.set_position(self.done());
        self.bar.tick();
    }

    fn recorded(&mut self, record: &Record) {
        self.note(record);
        if let Some(Err(problem)) = self.metrics.as_mut().map(|metrics| metrics.add(record)) {
            self.metrics = None;
            self.notice(&format!("{problem}; the run goes on without"));
        }
        if record.event == Event::Epoch {
            let epochs = self.position.epochs;
            self.say(&format!("epoch {}/{epochs}: {}, {}", record.epoch, self.bits(), self.speed()));
        }
    }

    fn notice(&mut self, message: &str) {
        self.say(&format!("warning: {message}"));
    }

    fn stop(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// A time for people: `45 s`, `12 min`, `3 h 20 min`.
fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).map_or(u64::MAX, |time| time.as_secs());
    match seconds {
        0..=89 => format!("{seconds} s"),
        90..=5399 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let spans = [0.4, 89.0, 90.0, 5399.0, 5400.0, 90_000.0].map(span);
        assert_eq!(spans, ["0 s", "89 s", "2 min", "90 min", "1 h 30 min", "25 h 0 min"]);
    }
}
