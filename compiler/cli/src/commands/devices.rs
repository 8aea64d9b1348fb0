//! `danaus devices`

use crate::failure::Failure;
use crate::output;
use crate::table::{Align, bytes, table};
use clap::Args;
use danaus_cuda::{GpuInfo, gpus};
use serde::Serialize;

/// The arguments of `danaus devices`.
#[derive(Args, Debug)]
pub struct Devices {
    /// Print a JSON array instead of a table
    #[arg(long)]
    json: bool,
}

/// A device circuits can run on.
#[derive(Debug, Serialize)]
struct Device {
    /// The name that `--target` takes.
    name: &'static str,
    /// Threads that run at the same time.
    threads: usize,
    /// Bits of a vector register.
    vector_bits: usize,
    /// Single-precision numbers in a vector register.
    lanes: usize,
    /// The instruction set that has them.
    instructions: &'static str,
}

/// A GPU circuits can run on.
#[derive(Debug, Serialize)]
struct Gpu {
    /// The name that `--target` takes.
    name: String,
    /// Its number, as the driver counts.
    number: u32,
    /// What it is.
    model: String,
    /// Multiprocessors.
    multiprocessors: u32,
    /// Bytes of memory.
    memory: u64,
}

/// Shows the devices.
pub fn run(arguments: &Devices) -> Result<(), Failure> {
    let devices = [cpu()];
    let found = gpus();
    let gpus: Vec<Gpu> = found.as_deref().unwrap_or_default().iter().map(gpu).collect();
    if arguments.json {
        let mut all: Vec<serde_json::Value> = devices.iter().map(|device| serde_json::json!(device)).collect();
        all.extend(gpus.iter().map(|gpu| serde_json::json!(gpu)));
        let text = serde_json::to_string_pretty(&all).expect("devices are plain data");
        return output::print(&format!("{text}\n"));
    }
    let mut text = String::from("device  threads  vectors\n");
    for device in &devices {
        text += &format!(
            "{:<6}  {:>7}  {} bits ({}, {} numbers of single precision)\n",
            device.name, device.threads, device.vector_bits, device.instructions, device.lanes
        );
    }
    text += &match &found {
        Ok(_) if gpus.is_empty() => "\nNo GPU: no driver of CUDA with a device was found.\n".to_string(),
        Ok(_) => gpu_table(&gpus),
        Err(error) => format!("\nNo GPU can be used: {error}.\n"),
    };
    output::print(&text)
}

fn gpu(info: &GpuInfo) -> Gpu {
    let [major, minor] = info.capability;
    Gpu {
        name: format!("cuda:sm_{major}{minor}"),
        number: info.ordinal,
        model: info.name.clone(),
        multiprocessors: info.multiprocessors,
        memory: info.memory,
    }
}

fn gpu_table(gpus: &[Gpu]) -> String {
    let mut rows = vec![["device", "number", "model", "multiprocessors", "memory"].map(str::to_string).to_vec()];
    rows.extend(gpus.iter().map(|gpu| {
        let [number, count] = [gpu.number, gpu.multiprocessors].map(|number| number.to_string());
        vec![gpu.name.clone(), number, gpu.model.clone(), count, bytes(gpu.memory)]
    }));
    format!("\n{}", table("", &[Align::Left, Align::Right, Align::Left, Align::Right, Align::Right], &rows))
}

fn cpu() -> Device {
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
    let (instructions, vector_bits) = vectors();
    Device { name: "cpu", threads, vector_bits, lanes: vector_bits / 32, instructions }
}

#[cfg(target_arch = "x86_64")]
fn vectors() -> (&'static str, usize) {
    if std::arch::is_x86_feature_detected!("avx512f") {
        ("AVX-512", 512)
    } else if std::arch::is_x86_feature_detected!("avx2") {
        ("AVX2", 256)
    } else {
        ("SSE2", 128)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn vectors() -> (&'static str, usize) {
    ("128-bit vectors", 128)
}
