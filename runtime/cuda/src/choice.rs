//! Which code of an artifact a device can use.

use danaus_artifact::gpu::{CUDA, GpuCode, PTX};

/// The code to use, and why not better code, if there is some.
#[derive(Clone, Debug, PartialEq)]
pub enum Choice<'c> {
    /// Machine code for this device.
    Machine(&'c GpuCode),
    /// Text that the driver compiles.
    Text(&'c GpuCode, String),
    /// None: the circuit can only be run on the processor.
    Processor(String),
}

/// Chooses among an artifact's [codes](danaus_artifact::gpu::codes) for a device of compute capability `major.minor`: machine code
/// runs on devices of its major version that are not older; text on all that are not older.
pub fn choose(codes: &[(String, GpuCode)], [major, minor]: [u32; 2]) -> Choice<'_> {
    let device = 10 * major + minor;
    let machine = codes.iter().filter_map(|(name, code)| {
        let architecture: u32 = name.strip_prefix(CUDA)?.strip_prefix("sm_")?.parse().ok()?;
        (architecture / 10 == major && architecture <= device).then_some((architecture, code))
    });
    if let Some((_, code)) = machine.max_by_key(|(architecture, _)| *architecture) {
        return Choice::Machine(code);
    }
    let names: Vec<&str> = codes.iter().map(|(name, _)| name.as_str()).collect();
    let has = if names.is_empty() { "none for any GPU".to_string() } else { names.join(", ") };
    let why =
        format!("the artifact has no machine code for a GPU of compute capability {major}.{minor} (it has {has})");
    if let Some((_, code)) = codes.iter().find(|(name, _)| name == PTX && device >= 80) {
        return Choice::Text(code, format!("{why}: the driver compiles its PTX"));
    }
    let advice = format!("compile the circuit with `--target cpu,cuda:sm_{major}{minor}`");
    Choice::Processor(format!("{why}: the circuit runs on the processor; {advice}"))
}
