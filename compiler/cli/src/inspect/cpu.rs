//! Kernels on a processor: how much each does for a batch, and how fast the processor that this runs on could be at most.
//!
//! The floor of a launch is the time that its arithmetic takes at the processor's peak, or the bytes that come from memory at the
//! memory's bandwidth, whichever is longer. Weights come from memory once for each launch unless all of them stay in the last cache, and
//! activations unless those of the batch do. Peak and bandwidth are measured ([`danaus_kernels::peak`]); the floors are not.

use super::Summary;
use crate::table::{Align, bytes, flops, grouped, seconds, table};
use danaus_compiler::plan::stats::LaunchStats;
use danaus_kernels::KernelError;
use danaus_kernels::peak::{bandwidth, cache_bytes, peak};
use serde_json::{Value, json};

/// How often peak and bandwidth are measured.
const RUNS: usize = 5;

/// What the processor can do.
#[derive(Clone, Copy, Debug)]
pub struct Processor {
    /// Single-precision operations in a second.
    flops: f64,
    /// Bytes from memory in a second.
    bandwidth: f64,
    /// Bytes of the last cache; 0 if that is not known.
    cache: u64,
}

impl Processor {
    /// Measures, for some tenths of a second.
    pub fn measure() -> Result<Processor, KernelError> {
        Ok(Processor { flops: peak(RUNS)?, bandwidth: bandwidth(RUNS), cache: cache_bytes().unwrap_or(0) })
    }
}

/// Operations of a launch for a batch.
fn work(launch: &LaunchStats, batch: u64) -> f64 {
    launch.work.flops as f64 * batch as f64
}

/// Bytes of activations that a launch reads and writes for a batch.
fn activations(launch: &LaunchStats, batch: u64) -> f64 {
    launch.work.bytes as f64 * batch as f64
}

/// Bytes of weights that all runs of a launch read.
fn weights(launch: &LaunchStats) -> f64 {
    launch.weight_bytes as f64 * f64::from(launch.runs)
}

/// What is said of a kernel.
struct Row {
    kernel: u32,
    launches: u64,
    flops: f64,
    bytes: f64,
    /// Seconds.
    floor: Option<f64>,
}

fn rows(summary: &Summary<'_>) -> Vec<Row> {
    let (stats, batch) = (&summary.stats, summary.batch);
    let floor = |launch: &LaunchStats, processor: Processor| {
        let far = |needed: u64, moved: f64| if needed > processor.cache { moved } else { 0.0 };
        let from_memory = far(stats.packed_bytes, weights(launch))
            + far(stats.arena_bytes_per_sample * batch, activations(launch, batch));
        (work(launch, batch) / processor.flops).max(from_memory / processor.bandwidth)
    };
    let row = |kernel: u32| {
        let launches = || stats.launches.iter().filter(move |launch| launch.kernel == kernel);
        Row {
            kernel,
            launches: launches().map(|launch| u64::from(launch.runs)).sum(),
            flops: launches().map(|launch| work(launch, batch)).sum(),
            bytes: launches().map(|launch| activations(launch, batch) + weights(launch)).sum(),
            floor: summary.processor.map(|processor| launches().map(|launch| floor(launch, processor)).sum()),
        }
    };
    (0..stats.kernels as u32).map(row).collect()
}

/// A table of the kernels.
pub fn text(summary: &Summary<'_>) -> String {
    let rows = rows(summary);
    let mut head = format!("Kernels of cpu, for a batch of {}", grouped(summary.batch));
    if let Some(Processor { flops, bandwidth, cache }) = summary.processor {
        let total = seconds(rows.iter().filter_map(|row| row.floor).sum());
        let (rate, speed, cache) = (flops / 1e9, bandwidth / 1e9, bytes(cache));
        head += &format!("; floors for {rate:.0} GFLOP/s, {speed:.1} GB/s, a cache of {cache}: {total} in all");
    }
    let mut lines = vec![["kernel", "launches", "FLOPs", "bytes", "FLOP/byte", "floor"].map(str::to_string).to_vec()];
    lines.extend(rows.iter().map(|row| {
        vec![
            format!("k{}", row.kernel),
            grouped(row.launches),
            flops(row.flops),
            bytes(row.bytes as u64),
            format!("{:.1}", row.flops / row.bytes.max(1.0)),
            row.floor.map_or_else(|| "-".to_string(), seconds),
        ]
    }));
    let mut align = [Align::Right; 6];
    align[0] = Align::Left;
    format!("{head}\n{}", table("  ", &align, &lines))
}

/// The same as an object.
pub fn json(summary: &Summary<'_>) -> Value {
    let object = |row: &Row| {
        json!({
            "kernel": format!("k{}", row.kernel), "launches": row.launches, "flops": row.flops, "bytes": row.bytes,
            "floor_seconds": row.floor,
        })
    };
    let processor = summary.processor.map(|processor| {
        json!({
            "flops_per_second": processor.flops, "bytes_per_second": processor.bandwidth, "cache_bytes": processor.cache,
        })
    });
    let kernels: Vec<Value> = rows(summary).iter().map(object).collect();
    json!({ "batch": summary.batch, "processor": processor, "kernels": kernels })
}
