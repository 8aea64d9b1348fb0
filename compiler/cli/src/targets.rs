//! What circuits are compiled for: `cpu`, `cuda:ptx`, `cuda:sm_90`.

use crate::failure::Failure;
use danaus_artifact::file::{Artifact, CPU};
use danaus_artifact::gpu::{CUDA, PTX, Precision};
use danaus_kernels::gpu::compile::ARCHITECTURE;
use danaus_kernels::gpu::{Assembler, assemble, compile};
use std::str::FromStr;

/// One of the targets of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Processors; every artifact is for them.
    Cpu,
    /// All GPUs of NVIDIA whose driver is new enough, as text.
    Ptx,
    /// GPUs of one architecture: `sm_90`.
    Machine(String),
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == CPU {
            return Ok(Target::Cpu);
        }
        if text == PTX {
            return Ok(Target::Ptx);
        }
        let architecture = text.strip_prefix(CUDA).and_then(|name| name.strip_prefix("sm_"));
        match architecture.and_then(|digits| digits.parse::<u32>().ok().filter(|_| digits.len() < 4)) {
            Some(number) if number >= ARCHITECTURE => Ok(Target::Machine(format!("sm_{number}"))),
            Some(number) => Err(format!("kernels need sm_{ARCHITECTURE} or newer, not sm_{number}")),
            None => Err("expected cpu, cuda:ptx, or cuda:sm_ and a number, as in cuda:sm_90".to_string()),
        }
    }
}

/// Adds code for GPUs to an artifact. With machine code goes the text for GPUs that are newer.
pub fn add(artifact: Artifact, targets: &[Target], precision: Precision) -> Result<Artifact, Failure> {
    let machines: Vec<&String> = targets
        .iter()
        .filter_map(|target| match target {
            Target::Machine(architecture) => Some(architecture),
            Target::Cpu | Target::Ptx => None,
        })
        .collect();
    if machines.is_empty() && !targets.contains(&Target::Ptx) {
        return Ok(artifact);
    }
    // Before the work is done rather than after it.
    let assembler = if machines.is_empty() { None } else { Some(Assembler::of_environment().map_err(Failure::usage)?) };
    let text = compile(artifact.plan(), artifact.flows(), precision).map_err(Failure::wrong)?;
    let mut artifact = artifact.with_target(PTX, text.encode());
    for architecture in machines {
        let assembler = assembler.as_ref().expect("it was found, or this is not reached");
        let code = assemble(&text, architecture, assembler).map_err(Failure::usage)?;
        artifact = artifact.with_target(&format!("{CUDA}{architecture}"), code.encode());
    }
    Ok(artifact)
}
