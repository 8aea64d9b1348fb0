//! The counts of a flow plan: kept on the device from batch to batch, and read where they are.
//!
//! # Design
//!
//! Counts are gathered in single precision during a batch. When a second batch follows, they are first moved to sums in double precision, so
//! that the counts of a million batches are as exact as those of one. What is read may be the buffer itself, so it is cleared only when
//! the next rows come.

use super::pass;
use super::program::{FlowProgram, zeros};
use crate::error::KernelError;
use crate::launch::argument;
use cubecl::prelude::*;
use danaus_artifact::counts::{Counts, Numbers};
use danaus_artifact::plan::CHUNK;

impl FlowProgram {
    /// The counts of all rows gathered so far; the next rows start afresh.
    pub fn take(&mut self) -> Result<Counts<'_>, KernelError> {
        self.start_afresh()?;
        let is_double = self.sums.is_some();
        if is_double {
            self.drain()?;
        }
        let handle = self.sums.take().unwrap_or_else(|| self.counts.clone());
        let read = self.client.read_one(handle).map_err(|error| KernelError::Device(format!("{error:?}")))?;
        let bytes = self.read.insert(read);
        let numbers = match is_double {
            true => Numbers::Double(f64::from_bytes(bytes)),
            false => Numbers::Single(f32::from_bytes(bytes)),
        };
        Ok(Counts::new(&self.plan, &self.signature.parameters, numbers))
    }

    /// Lets go of what was taken.
    pub(super) fn start_afresh(&mut self) -> Result<(), KernelError> {
        if self.read.take().is_none() || !std::mem::take(&mut self.is_counted) {
            return Ok(());
        }
        let dim = CubeDim::new_1d(self.units as u32);
        // SAFETY: the counts are whole vectors.
        unsafe {
            pass::clear_kernel::launch_unchecked(
                &self.client,
                CubeCount::new_single(),
                dim,
                CHUNK,
                argument(&self.counts),
                self.plan.count_chunks,
            );
        }
        self.queued()
    }

    /// Moves the counts of the last batch to the sums in double precision.
    pub(super) fn drain(&mut self) -> Result<(), KernelError> {
        if !self.is_counted {
            return Ok(());
        }
        let length = self.plan.count_chunks as usize * CHUNK;
        let sums = self.sums.get_or_insert_with(|| zeros::<f64>(&self.client, length)).clone();
        let dim = CubeDim::new_1d(self.units as u32);
        // SAFETY: both buffers have `length` numbers, whole vectors.
        unsafe {
            pass::drain_kernel::launch_unchecked(
                &self.client,
                CubeCount::new_single(),
                dim,
                CHUNK,
                argument(&self.counts),
                argument(&sums),
                (length / CHUNK) as u32,
            );
        }
        self.is_counted = false;
        self.queued()
    }
}
