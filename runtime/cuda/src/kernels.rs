//! The kernels of a code, loaded on a device, and how they are launched.

use crate::device::Device;
use crate::error::GpuError;
use danaus_artifact::gpu::{Buffer, GpuCode, GpuKernel, Role, Scalar};

/// A buffer and how many elements it has.
pub type Sized<'b, D> = (&'b <D as Device>::Buffer, u32);

/// A buffer and its length, as launches take them.
pub fn sized<B>((buffer, length): &(B, u32)) -> (&B, u32) {
    (buffer, *length)
}

/// Kernels on a device.
pub struct Kernels<D: Device> {
    loaded: Vec<(GpuKernel, D::Kernel)>,
}

/// One launch.
pub struct Ask<'a, D: Device> {
    /// The kernel.
    pub role: Role,
    /// Members, or groups of members, that are computed.
    pub items: u32,
    /// Vectors of samples in a row.
    pub vectors: u32,
    /// The numbers it is handed, but the vectors.
    pub number: &'a dyn Fn(Scalar) -> u32,
    /// The buffers, if there are such.
    pub buffer: &'a dyn Fn(Buffer) -> Option<Sized<'a, D>>,
}

impl<D: Device> Kernels<D> {
    /// Loads all kernels whose role is `wanted`.
    pub fn load(device: &mut D, code: &GpuCode, wanted: impl Fn(Role) -> bool) -> Result<Kernels<D>, GpuError> {
        let mut loaded = Vec::with_capacity(code.kernels.len());
        for kernel in code.kernels.iter().filter(|kernel| wanted(kernel.role)) {
            let on_device = device.load(kernel)?;
            // The image has done its duty.
            loaded.push((GpuKernel { image: Vec::new(), ..kernel.clone() }, on_device));
        }
        Ok(Kernels { loaded })
    }

    /// Whether there is a kernel for a role.
    pub fn has(&self, role: Role) -> bool {
        self.loaded.iter().any(|(kernel, _)| kernel.role == role)
    }

    /// Every one of these roles must have a kernel.
    pub fn require(&self, mut roles: impl Iterator<Item = Role>) -> Result<(), GpuError> {
        roles.find(|role| !self.has(*role)).map_or(Ok(()), |role| Err(GpuError::MissingKernel(role)))
    }

    /// Queues one launch.
    ///
    /// # Safety
    /// The numbers and buffers must be those of a plan that has been checked.
    pub unsafe fn launch(&self, device: &mut D, ask: &Ask<'_, D>) -> Result<(), GpuError> {
        let missing = || GpuError::MissingKernel(ask.role);
        let (kernel, loaded) = self.loaded.iter().find(|(kernel, _)| kernel.role == ask.role).ok_or_else(missing)?;
        let cubes = kernel.grid.cubes(ask.items.into(), ask.vectors.into());
        let most = i32::MAX as u64;
        if cubes > most {
            return Err(GpuError::TooLarge { what: "the grid of a launch", found: cubes, most });
        }
        let number = |&scalar: &Scalar| if scalar == Scalar::Vectors { ask.vectors } else { (ask.number)(scalar) };
        let scalars: Vec<u32> = kernel.scalars.iter().map(number).collect();
        let buffer = |&buffer: &Buffer| (ask.buffer)(buffer).ok_or_else(missing);
        let buffers = kernel.buffers.iter().map(buffer).collect::<Result<Vec<Sized<'_, D>>, GpuError>>()?;
        // SAFETY: the caller's promise.
        unsafe { device.launch(loaded, cubes as u32, &scalars, &buffers) }
    }
}

/// A number of elements as kernels count them.
pub fn length(elements: u64, what: &'static str) -> Result<u32, GpuError> {
    u32::try_from(elements).map_err(|_| GpuError::TooLarge { what, found: elements, most: u32::MAX.into() })
}

/// A buffer of so many elements of `size` bytes.
pub fn taken<D: Device>(
    device: &mut D,
    elements: u64,
    size: u64,
    what: &'static str,
) -> Result<(D::Buffer, u32), GpuError> {
    let length = length(elements, what)?;
    // A device gives no empty buffers.
    Ok((device.allocate((elements * size).max(size), what)?, length))
}

/// A buffer for the weights of `numbers` packed parameters in the precision of a code, if its kernels read such.
pub fn matrices<D: Device>(device: &mut D, code: &GpuCode, numbers: u64) -> Result<Option<(D::Buffer, u32)>, GpuError> {
    if !code.kernels.iter().any(|kernel| kernel.buffers.contains(&Buffer::Matrices)) {
        return Ok(None);
    }
    Ok(Some(taken(device, numbers, code.precision.bytes(), "the weights that are multiplied")?))
}

/// A buffer that holds words of 4 bytes.
pub fn uploaded<D: Device>(
    device: &mut D,
    words: impl Iterator<Item = [u8; 4]>,
    what: &'static str,
) -> Result<(D::Buffer, u32), GpuError> {
    let bytes: Vec<u8> = words.flatten().collect();
    let mut buffer = taken(device, bytes.len() as u64 / 4, 4, what)?;
    device.upload(&mut buffer.0, &bytes)?;
    Ok(buffer)
}

/// Refuses evidence of another size, or with indices that are not of values.
pub fn check_evidence(evidence: &[u32], batch: usize, values: &[u32]) -> Result<(), GpuError> {
    if evidence.len() != values.len() * batch {
        let (variables, found) = (values.len(), evidence.len());
        let message = format!("expected {variables} variables by {batch} samples, found {found} numbers");
        return Err(GpuError::Evidence(message));
    }
    for (row, (indices, &values)) in evidence.chunks_exact(batch.max(1)).zip(values).enumerate() {
        if let Some(index) = indices.iter().find(|&&index| index > values) {
            return Err(GpuError::Evidence(format!(
                "row {row} is of a variable of {values} values, but one of its indices is {index}"
            )));
        }
    }
    Ok(())
}
