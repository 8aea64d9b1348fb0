//! Repeated timing on a machine that others may use too.
//!
//! A run during which other processes took more than a tenth of a core is not counted, as long as enough
//! undisturbed runs are to be had in the given time.

use std::fs;
use std::time::{Duration, Instant};

/// Share of a core that others may take during a run that counts.
const DISTURBED: f64 = 0.1;

/// Seconds of the runs that count.
#[derive(Clone, Debug)]
pub struct Timing {
    /// Sorted.
    pub seconds: Vec<f64>,
    /// Runs that did not count because others used the machine.
    pub disturbed: usize,
    /// Whether no undisturbed run was to be had, so that disturbed ones are reported.
    pub noisy: bool,
}

impl Timing {
    /// The shortest.
    pub fn best(&self) -> f64 {
        self.seconds[0]
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }
}

/// Repeats `run` until `wanted` undisturbed runs are there or `budget` is used up; at least three times.
pub fn measure<E>(wanted: usize, budget: Duration, mut run: impl FnMut() -> Result<(), E>) -> Result<Timing, E> {
    let start = Instant::now();
    let (mut quiet, mut noisy) = (Vec::new(), Vec::new());
    while quiet.len() < wanted && (quiet.len() + noisy.len() < 3 || start.elapsed() < budget) {
        let before = Usage::now();
        let begin = Instant::now();
        run()?;
        let seconds = begin.elapsed().as_secs_f64();
        let others = before.zip(Usage::now()).map_or(0.0, |(before, after)| after.others_since(before));
        // The clock of the kernel counts in hundredths of a second.
        if others > DISTURBED * seconds + 0.011 { noisy.push(seconds) } else { quiet.push(seconds) }
    }
    let disturbed = noisy.len();
    let is_noisy = quiet.is_empty();
    let mut seconds = if is_noisy { noisy } else { quiet };
    seconds.sort_by(f64::total_cmp);
    Ok(Timing { seconds, disturbed, noisy: is_noisy })
}

/// Processor time used so far, in seconds.
#[derive(Clone, Copy)]
struct Usage {
    all: f64,
    own: f64,
}

impl Usage {
    /// None where the kernel does not tell.
    fn now() -> Option<Usage> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> = stat.lines().next()?.split_whitespace().skip(1).filter_map(|x| x.parse().ok()).collect();
        // user, nice, system, (idle, waiting,) interrupts, soft interrupts, stolen
        let all: f64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|&field| fields.get(field)).sum();
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        let after_name: Vec<&str> = own.rsplit(')').next()?.split_whitespace().collect();
        let time = |field: usize| after_name.get(field).and_then(|x| x.parse::<f64>().ok());
        Some(Usage { all: all / 100.0, own: (time(11)? + time(12)?) / 100.0 })
    }

    fn others_since(self, before: Usage) -> f64 {
        (self.all - before.all) - (self.own - before.own)
    }
}

/// The name of the processor and how many cores there are.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        line.split(':').nth(1).map(|value| value.trim().to_string())
    };
    let model = field("model name").unwrap_or_else(|| "unknown processor".to_string());
    let family = [field("cpu family"), field("model\t")].map(Option::unwrap_or_default);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model} (family {} model {}), {cores} cores", family[0], family[1])
}
