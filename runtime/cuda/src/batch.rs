//! What likelihoods and training share: the buffers of a batch, its launches, recorded once, and its results.

use crate::device::Device;
use crate::error::GpuError;
use crate::kernels::{Sized, sized, taken};
use danaus_artifact::gpu::{Buffer, Scalar};
use danaus_artifact::signature::VariableArray;

/// The buffers for one size of batch.
pub struct Batch<D: Device> {
    /// Rows of data that there is room for.
    pub rows: usize,
    /// Vectors of samples in a row of the arena.
    pub vectors: usize,
    /// Samples in a row of the arena.
    pub samples: usize,
    arena: (D::Buffer, u32),
    evidence: (D::Buffer, u32),
    offsets: (D::Buffer, u32),
    result: (D::Buffer, u32),
}

impl<D: Device> Batch<D> {
    /// Makes the buffers for `rows` rows of data, whose samples fill whole tiles of `[samples in a vector, samples in a tile]`, and an arena of
    /// so many rows.
    pub fn new(
        device: &mut D,
        rows: usize,
        [lanes, tile]: [usize; 2],
        arena: u32,
        variables: usize,
    ) -> Result<Batch<D>, GpuError> {
        let samples = rows.next_multiple_of(tile);
        let vectors = (samples / lanes) as u64;
        let lanes = lanes as u64;
        Ok(Batch {
            rows,
            vectors: vectors as usize,
            samples,
            arena: taken(device, u64::from(arena) * vectors, 4 * lanes, "the activations")?,
            evidence: taken(device, variables as u64 * samples as u64, 4, "the evidence")?,
            offsets: taken(device, vectors, 8 * lanes, "the offsets")?,
            result: taken(device, vectors, 8 * lanes, "the results")?,
        })
    }

    /// A buffer, if it is one of these.
    pub fn buffer(&self, buffer: Buffer) -> Option<Sized<'_, D>> {
        match buffer {
            Buffer::Arena => Some(sized(&self.arena)),
            Buffer::Evidence => Some(sized(&self.evidence)),
            Buffer::Offsets => Some(sized(&self.offsets)),
            Buffer::Result => Some(sized(&self.result)),
            Buffer::Packed | Buffer::Matrices | Buffer::Tables | Buffer::Counts | Buffer::Weights => None,
        }
    }

    /// Puts evidence `[variables][count]` on the device, and clears the offsets. Samples that fill a row up miss every value.
    pub fn start(&mut self, device: &mut D, evidence: &[u32], count: usize, values: &[u32]) -> Result<(), GpuError> {
        let mut padded = Vec::with_capacity(4 * values.len() * self.samples);
        for (indices, &values) in evidence.chunks_exact(count.max(1)).zip(values) {
            let row = indices.iter().copied().chain(std::iter::repeat_n(values, self.samples - count));
            padded.extend(row.flat_map(u32::to_le_bytes));
        }
        device.upload(&mut self.evidence.0, &padded)?;
        device.clear(&mut self.offsets.0)
    }

    /// The first `count` results.
    pub fn results(&self, device: &mut D, count: usize) -> Result<Vec<f64>, GpuError> {
        let mut bytes = vec![0; 8 * self.samples];
        device.download(&self.result.0, &mut bytes)?;
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("8 bytes were taken"));
        Ok(bytes.chunks_exact(8).take(count).map(number).collect())
    }
}

/// The launches of a batch, recorded when they are queued for the first time, if the device can.
pub struct Recorded<D: Device>(Option<D::Recording>);

impl<D: Device> Default for Recorded<D> {
    fn default() -> Recorded<D> {
        Recorded(None)
    }
}

impl<D: Device> Recorded<D> {
    /// Forgets what is recorded.
    pub fn forget(&mut self) {
        self.0 = None;
    }

    /// Queues all launches: what `walk` queues on the device that `device` finds in `of`, or a replay of it.
    pub fn run<T>(
        &mut self,
        of: &mut T,
        device: impl Fn(&mut T) -> &mut D,
        walk: impl FnOnce(&mut T) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        if let Some(recording) = &self.0 {
            return device(of).replay(recording);
        }
        if !device(of).begin_recording()? {
            return walk(of);
        }
        let walked = walk(of);
        // A recording that was begun is ended whatever happened.
        let recording = device(of).end_recording();
        walked?;
        let recording = recording?;
        device(of).replay(&recording)?;
        self.0 = Some(recording);
        Ok(())
    }
}

/// Number of values of every variable.
pub fn values_of(variables: &[VariableArray]) -> Vec<u32> {
    variables.iter().flat_map(|array| vec![array.domain.size() as u32; array.len()]).collect()
}

/// A launch that names rows: where they are read, where they are written, how many.
pub fn rows([row, target, width]: [u32; 3]) -> impl Fn(Scalar) -> u32 {
    move |scalar| match scalar {
        Scalar::Row => row,
        Scalar::Target => target,
        Scalar::Width => width,
        _ => 0,
    }
}
