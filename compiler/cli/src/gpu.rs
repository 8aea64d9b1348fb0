//! The GPU that a command computes on, if there is one and the circuit was compiled for it.

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::model::Model;
use crate::output::say;
use clap::Args;
use danaus_artifact::gpu::GpuCode;
use danaus_artifact::pack::pack;
use danaus_cuda::score::ScoreError;
use danaus_cuda::{Choice, Forward, Gpu, choose, gpus};
use danaus_runtime::parameters::Parameters;
use std::str::FromStr;
use std::sync::Arc;

/// Where to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// On the processor.
    Cpu,
    /// On the GPU of this number.
    Gpu(u32),
}

/// The argument that says where to compute.
#[derive(Args, Clone, Copy, Debug)]
pub struct DeviceArguments {
    /// Where to compute: cpu, or cuda or cuda:N for a GPU, if the circuit was compiled for it; else on the processor, with a note
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected cpu, cuda, or cuda: and the number of a GPU".to_string();
        match text {
            "cpu" => Ok(Device::Cpu),
            "cuda" => Ok(Device::Gpu(0)),
            _ => {
                let number = text.strip_prefix("cuda:").ok_or_else(expected)?;
                Ok(Device::Gpu(number.parse().map_err(|_| expected())?))
            }
        }
    }
}

/// A GPU, and the code of a circuit for it.
pub struct Found<'m> {
    number: u32,
    model: &'m Model,
    /// The code.
    pub code: &'m GpuCode,
}

/// The GPU to compute on. None is the processor: it was asked for, or a note says why it has to be.
pub fn find(arguments: DeviceArguments, model: &Model) -> Result<Option<Found<'_>>, Failure> {
    let Device::Gpu(number) = arguments.device else { return Ok(None) };
    let devices = gpus().map_err(Failure::usage)?;
    let Some(info) = devices.iter().find(|info| info.ordinal == number) else {
        let count = devices.len();
        say(format_args!("note: there is no GPU {number} (found {count}): the circuit runs on the processor"));
        return Ok(None);
    };
    let codes = model.origin.as_ref().map_or(&[][..], |origin| &origin.gpus);
    let code = match choose(codes, info.capability) {
        Choice::Machine(code) => code,
        Choice::Text(code, why) => {
            say(format_args!("note: {why}"));
            code
        }
        Choice::Processor(why) => {
            say(format_args!("note: {why}"));
            return Ok(None);
        }
    };
    Ok(Some(Found { number, model, code }))
}

impl Found<'_> {
    /// Opens the GPU.
    pub fn open(&self) -> Result<Gpu, Failure> {
        Gpu::open(self.number).map_err(Failure::usage)
    }

    /// Puts the circuit and its parameters on the GPU.
    pub fn forward(&self, parameters: &Parameters) -> Result<Forward<Gpu>, Failure> {
        let plan = Arc::new(self.model.plan.clone());
        let packed = pack(&plan, parameters.values());
        Forward::new(self.open()?, plan, self.code, &packed).map_err(Failure::usage)
    }
}

/// Whose fault it is.
pub fn failure(error: ScoreError) -> Failure {
    match error {
        ScoreError::Data(error) => data_failure(error),
        ScoreError::Gpu(error) => Failure::usage(error),
    }
}
