//! Code for GPUs: what each kernel uses, how much it does, and how fast a device could be at most.
//!
//! The floor of a launch is the time that its arithmetic takes at the device's peak for what the kernel multiplies, or its bytes at the device's
//! bandwidth, whichever is longer, by the data sheets of the devices. Nothing here is measured. Multiplications are counted by the
//! plan ([`work`](super::work)); bytes are the values that are read and written for each row, the weights that are read for each batch, and the counts that are
//! added to.

use super::Summary;
use super::work::{LaunchWork, all_work};
use crate::table::{Align, bytes, flops, grouped, table};
use danaus_artifact::gpu::{Format, GpuCode, GpuKernel, Precision, Role};
use serde_json::{Value, json};

/// A device that stands for its architecture.
struct Device {
    architecture: &'static str,
    name: &'static str,
    /// Operations in a second: in single precision without tensor cores, on tf32 and on bf16.
    flops: [f64; 3],
    /// Bytes in a second.
    bandwidth: f64,
    /// Bytes of shared memory of a multiprocessor.
    shared: u32,
}

/// Registers, units and cubes that a multiprocessor has room for, of the architectures below.
const REGISTERS: u32 = 65_536;
const UNITS: u32 = 2048;
const CUBES: u32 = 32;
/// Bytes of shared memory that a cube takes beside its own.
const RESERVED: u32 = 1024;

const A100: [f64; 3] = [19.5e12, 156e12, 312e12];
const H100: [f64; 3] = [66.9e12, 494.7e12, 989.4e12];

/// From NVIDIA's data sheets and programming guide.
const DEVICES: [Device; 2] = [
    Device { architecture: "sm_80", name: "A100 SXM 80 GB", flops: A100, bandwidth: 2.039e12, shared: 167_936 },
    Device { architecture: "sm_90", name: "H100 SXM", flops: H100, bandwidth: 3.35e12, shared: 233_472 },
];

/// What is said of a kernel.
struct Row<'c> {
    kernel: &'c GpuKernel,
    name: String,
    launches: u64,
    flops: f64,
    bytes: f64,
    occupancy: Option<f64>,
    /// Seconds.
    floor: Option<f64>,
}

fn device(code: &GpuCode) -> Option<&'static Device> {
    DEVICES.iter().find(|device| device.architecture == code.architecture && code.format == Format::Cubin)
}

/// The part of a multiprocessor's units that can be at work.
fn occupancy(kernel: &GpuKernel, device: &Device) -> Option<f64> {
    let registers = kernel.resources?.registers.next_multiple_of(8) * kernel.units.next_multiple_of(32);
    let cubes = (REGISTERS / registers.max(1))
        .min(device.shared / (kernel.shared_bytes + RESERVED))
        .min(UNITS / kernel.units)
        .min(CUBES);
    Some(f64::from(cubes * kernel.units) / f64::from(UNITS))
}

impl Device {
    fn peak(&self, precision: Precision) -> f64 {
        self.flops[precision as usize]
    }
}

fn rows<'c>(code: &'c GpuCode, all: &[LaunchWork], batch: u64) -> Vec<Row<'c>> {
    let device = device(code);
    let row = |kernel: &'c GpuKernel| {
        let launches: Vec<&LaunchWork> = all.iter().filter(|launch| launch.role == kernel.role).collect();
        let sum = |of: &dyn Fn(&LaunchWork) -> f64| launches.iter().fold(0.0, |sum, &launch| sum + of(launch));
        let work = |launch: &LaunchWork| launch.work.flops as f64 * batch as f64;
        let moved = |launch: &LaunchWork| {
            let weights = launch.weights * kernel.precision.bytes() + launch.count_bytes;
            launch.work.bytes as f64 * batch as f64 + weights as f64 * f64::from(launch.runs)
        };
        let seconds = |launch: &LaunchWork, device: &Device| {
            (work(launch) / device.peak(kernel.precision)).max(moved(launch) / device.bandwidth)
        };
        Row {
            kernel,
            name: name(kernel.role),
            launches: launches.iter().map(|launch| u64::from(launch.runs)).sum(),
            flops: sum(&work),
            bytes: sum(&moved),
            occupancy: device.and_then(|device| occupancy(kernel, device)),
            floor: device.filter(|_| !launches.is_empty()).map(|device| sum(&|launch| seconds(launch, device))),
        }
    };
    code.kernels.iter().map(row).collect()
}

fn name(role: Role) -> String {
    match role {
        Role::Layer(index) => format!("k{index}"),
        Role::Result | Role::ResultWithOffsets => "result".to_string(),
        Role::Flow(index) => format!("flow {index}"),
        Role::Counts(index) => format!("counts {index}"),
        Role::Seed => "root flow".to_string(),
        Role::Carry { rescales: false, .. } => "carry".to_string(),
        Role::Carry { wanted: false, .. } => "carry again, rescaled".to_string(),
        Role::Carry { .. } => "carry, rescaled".to_string(),
        Role::Leave { .. } => "last carry".to_string(),
    }
}

/// A table for each target.
pub fn texts(summary: &Summary<'_>) -> Vec<String> {
    let gpus = summary.origin.iter().flat_map(|origin| &origin.gpus);
    gpus.map(|(target, code)| text(target, code, summary)).collect()
}

fn text(target: &str, code: &GpuCode, summary: &Summary<'_>) -> String {
    let rows = rows(code, &all_work(summary), summary.batch);
    let mut head = format!("Kernels of {target}, for a batch of {}", grouped(summary.batch));
    if let Some(device) = device(code) {
        let [forward, training] = totals(&rows).map(time);
        let (name, precision, bandwidth) = (device.name, code.precision, device.bandwidth / 1e12);
        let rate = format!("{} TFLOP/s in {}", device.peak(precision) / 1e12, precision.name());
        head += &format!("; floors for {name} ({rate}, {bandwidth} TB/s): {forward} forward");
        if summary.flows.is_some() {
            head += &format!(", {training} a step of training");
        }
    }
    let names = [
        "kernel",
        "operands",
        "units",
        "registers",
        "spilled",
        "shared",
        "occupancy",
        "launches",
        "FLOPs",
        "bytes",
        "FLOP/byte",
        "floor",
    ];
    let mut lines = vec![names.map(str::to_string).to_vec()];
    lines.extend(rows.iter().map(line));
    let mut align = [Align::Right; 12];
    align[0] = Align::Left;
    format!("{head}\n{}", table("  ", &align, &lines))
}

/// The floors of a forward pass and of a step of training.
fn totals(rows: &[Row<'_>]) -> [f64; 2] {
    let is_forward = |row: &&Row<'_>| matches!(row.kernel.role, Role::Layer(_));
    let all: f64 = rows.iter().filter_map(|row| row.floor).sum();
    let forward = rows.iter().filter(is_forward).filter_map(|row| row.floor).sum();
    [forward, all - forward]
}

fn line(row: &Row<'_>) -> Vec<String> {
    let unknown = || "-".to_string();
    let resources = row.kernel.resources;
    let counted = |text: String| if row.launches == 0 { unknown() } else { text };
    vec![
        row.name.clone(),
        row.kernel.precision.name().to_string(),
        row.kernel.units.to_string(),
        resources.map_or_else(unknown, |resources| resources.registers.to_string()),
        resources.map_or_else(unknown, |resources| {
            bytes(u64::from(resources.spill_stores) + u64::from(resources.spill_loads))
        }),
        bytes(row.kernel.shared_bytes.into()),
        row.occupancy.map_or_else(unknown, |part| format!("{:.0} %", 100.0 * part)),
        counted(grouped(row.launches)),
        counted(flops(row.flops)),
        counted(bytes(row.bytes as u64)),
        counted(format!("{:.1}", row.flops / row.bytes.max(1.0))),
        row.floor.map_or_else(unknown, time),
    ]
}

fn time(seconds: f64) -> String {
    format!("{:.1} us", 1e6 * seconds)
}

/// An object for each target.
pub fn json(summary: &Summary<'_>) -> Value {
    let all = all_work(summary);
    let target = |(target, code): &(String, GpuCode)| {
        let kernels: Vec<Value> = rows(code, &all, summary.batch).iter().map(object).collect();
        let device = device(code).map(|device| device.name);
        json!({
            "target": target,
            "precision": code.precision.name(),
            "batch": summary.batch,
            "floor_device": device,
            "kernels": kernels,
        })
    };
    summary.origin.iter().flat_map(|origin| &origin.gpus).map(target).collect()
}

fn object(row: &Row<'_>) -> Value {
    let resources = row.kernel.resources;
    json!({
        "kernel": row.name,
        "entry": row.kernel.entry,
        "precision": row.kernel.precision.name(),
        "units": row.kernel.units,
        "shared_bytes": row.kernel.shared_bytes,
        "registers": resources.map(|resources| resources.registers),
        "spill_stores": resources.map(|resources| resources.spill_stores),
        "spill_loads": resources.map(|resources| resources.spill_loads),
        "occupancy": row.occupancy,
        "launches": row.launches,
        "flops": row.flops,
        "bytes": row.bytes,
        "floor_seconds": row.floor,
        "code_bytes": row.kernel.image.len(),
    })
}
