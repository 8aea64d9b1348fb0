//! The parameters of a flow plan: packed on the host, and put on the device.

use super::program::FlowProgram;
use crate::chain::parameters::ChainParameters;
use crate::error::KernelError;
use crate::pack::{pack_all, pack_run, runs};
use crate::processor::upload;
use crate::program::check_memory;
use cubecl::bytes::Bytes;
use danaus_artifact::plan::CHUNK;

/// Packed numbers that are worth a copy of their own.
const RUN: usize = 1 << 18;

impl FlowProgram {
    /// Replaces the packed parameters.
    pub fn set_packed(&mut self, packed: Vec<f32>) -> Result<(), KernelError> {
        let expected = self.plan.packed_chunks as usize * CHUNK;
        if packed.len() != expected {
            return Err(KernelError::Parameters { expected, found: packed.len() });
        }
        check_memory(&self.client, packed.len() as u64 * 4, "the parameters")?;
        let handle = upload(&self.client, packed);
        self.sessions.iter_mut().for_each(|session| session.memory.packed = handle.clone());
        self.packed = Some(handle);
        self.chains.iter_mut().flatten().for_each(ChainParameters::outdate);
        Ok(())
    }

    /// Replaces the parameters, by numbers as [`pack()`](crate::pack()) takes them. The device copies a part while the next one is packed.
    ///
    /// # Panics
    /// If a tensor does not have the length its shape demands.
    pub fn set_parameters(&mut self, values: &[Vec<f32>]) -> Result<(), KernelError> {
        let (parameters, length) = (&self.signature.parameters, self.plan.packed_chunks as usize * CHUNK);
        let Some(handle) = self.packed.clone() else {
            return self.set_packed(pack_all(&self.plan.packs, length, parameters, values));
        };
        for run in runs(&self.plan.packs, parameters, RUN) {
            let packed = pack_run(run, parameters, values);
            let first = run[0].offset as usize * CHUNK;
            let [before, after] = [first, length - first - packed.len()].map(|count| (count * size_of::<f32>()) as u64);
            if !packed.is_empty() {
                self.client.write(&handle.clone().offset_start(before).offset_end(after), Bytes::from_elems(packed));
            }
        }
        self.chains.iter_mut().flatten().for_each(ChainParameters::outdate);
        Ok(())
    }
}
