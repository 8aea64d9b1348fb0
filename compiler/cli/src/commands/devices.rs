//! `danaus devices`

use crate::failure::Failure;
use crate::output;
use clap::Args;
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

/// Shows the devices.
pub fn run(arguments: &Devices) -> Result<(), Failure> {
    let devices = [cpu()];
    if arguments.json {
        let text = serde_json::to_string_pretty(&devices).expect("devices are plain data");
        return output::print(&format!("{text}\n"));
    }
    let mut text = String::from("device  threads  vectors\n");
    for device in &devices {
        text += &format!(
            "{:<6}  {:>7}  {} bits ({}, {} numbers of single precision)\n",
            device.name, device.threads, device.vector_bits, device.instructions, device.lanes
        );
    }
    output::print(&text)
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
