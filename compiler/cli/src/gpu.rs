//! Likelihoods on a GPU, if there is one and the circuit was compiled for it.

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::model::Model;
use crate::output::say;
use danaus_artifact::pack::pack;
use danaus_cuda::score::{self, ScoreError};
use danaus_cuda::{Choice, Forward, Gpu, choose, gpus};
use danaus_runtime::data::Rows;
use danaus_runtime::parameters::Parameters;
use std::ops::ControlFlow;
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

/// Evaluates rows on a GPU. `false` if that cannot be, after a note that says why.
pub fn log_likelihoods(
    number: u32,
    model: &Model,
    parameters: &Parameters,
    (rows, batch): (&dyn Rows, usize),
    on_batch: &mut dyn FnMut(usize, &[f64]) -> ControlFlow<()>,
) -> Result<bool, Failure> {
    let devices = gpus().map_err(Failure::usage)?;
    let Some(info) = devices.iter().find(|info| info.ordinal == number) else {
        let count = devices.len();
        say(format_args!("note: there is no GPU {number} (found {count}): the circuit runs on the processor"));
        return Ok(false);
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
            return Ok(false);
        }
    };
    let plan = Arc::new(model.plan.clone());
    let packed = pack(&plan, parameters.values());
    let device = Gpu::open(number).map_err(Failure::usage)?;
    let mut forward = Forward::new(device, plan, code, &packed).map_err(Failure::usage)?;
    match score::log_likelihoods(&mut forward, rows, batch, on_batch) {
        Ok(()) => Ok(true),
        Err(ScoreError::Data(error)) => Err(data_failure(error)),
        Err(ScoreError::Gpu(error)) => Err(Failure::usage(error)),
    }
}
