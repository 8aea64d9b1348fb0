//! A device of the CUDA runtime that is a processor, for tests of this crate and others.
#![allow(dead_code)]

use danaus_artifact::gpu::{Buffer, GpuKernel, Precision, Scalar};
use danaus_cuda::{Device, GpuError};
use danaus_kernels::gpu::emulate::Handle;
use danaus_kernels::gpu::flow_counts::CountShape;
use danaus_kernels::gpu::spot::Shape;
use danaus_kernels::gpu::{Emulator, Sizes, TensorSizes};

/// Cubes so small that every size of a layer leaves some of them part empty. Two threads, because the units of a cube wait for each
/// other by spinning.
pub const SMALL: Sizes = Sizes {
    lanes: 4,
    samples: 8,
    rows: Shape { units: 4, vectors: 2 },
    narrow: Shape { units: 2, vectors: 1 },
    stage: Shape { units: 2, vectors: 1 },
    tile: 4,
    depth: 4,
    counts: CountShape { outputs: 8, inputs: 4, vectors: 1 },
    tensor: None,
};

/// The schedules for tensor cores, in this precision; a plane is one unit. Two units share the rows, or have different samples.
pub fn tensor(precision: Precision, is_wide: bool) -> Sizes {
    let vectors = if is_wide { 2 } else { 1 };
    let (shape, samples) = (Shape { units: 2, vectors }, 16 * vectors);
    let tensor = TensorSizes { precision, units: 2, plane: 1, vectors, counted: vectors, depth: 32, least: 1 };
    Sizes {
        lanes: 16,
        samples: samples as u32,
        rows: shape,
        narrow: shape,
        stage: shape,
        counts: CountShape { outputs: 4, inputs: 8, vectors },
        tensor: Some(tensor),
        ..SMALL
    }
}

/// The same, where the units of a cube have different samples.
pub const WIDE: Sizes = Sizes {
    narrow: Shape { units: 2, vectors: 2 },
    stage: Shape { units: 2, vectors: 2 },
    counts: CountShape { outputs: 4, inputs: 8, vectors: 2 },
    ..SMALL
};

/// Gives buffers full of NaN, so that a test sees it when a kernel reads what nothing has written.
pub struct Emulated(pub Emulator);

impl Device for Emulated {
    type Buffer = Handle;
    type Kernel = GpuKernel;
    type Recording = ();

    fn load(&mut self, kernel: &GpuKernel) -> Result<GpuKernel, GpuError> {
        Ok(kernel.clone())
    }

    fn allocate(&mut self, bytes: u64, _what: &'static str) -> Result<Handle, GpuError> {
        Ok(self.0.buffer(&vec![0xff; bytes as usize]))
    }

    fn clear(&mut self, buffer: &mut Handle) -> Result<(), GpuError> {
        *buffer = self.0.buffer(&vec![0; buffer.size_in_used() as usize]);
        Ok(())
    }

    fn memory(&self) -> Result<Option<[u64; 2]>, GpuError> {
        Ok(None)
    }

    fn upload(&mut self, to: &mut Handle, bytes: &[u8]) -> Result<(), GpuError> {
        assert!(bytes.len() as u64 <= to.size_in_used(), "no more is written than was taken");
        *to = self.0.buffer(&[bytes, &vec![0xff; to.size_in_used() as usize - bytes.len()]].concat());
        Ok(())
    }

    fn download(&mut self, from: &Handle, bytes: &mut [u8]) -> Result<(), GpuError> {
        bytes.copy_from_slice(&self.0.read(from).expect("the processor can be read"));
        Ok(())
    }

    unsafe fn launch(
        &mut self,
        kernel: &GpuKernel,
        cubes: u32,
        scalars: &[u32],
        buffers: &[(&Handle, u32)],
    ) -> Result<(), GpuError> {
        let place = |name: Scalar| kernel.scalars.iter().position(|&scalar| scalar == name).expect("it is listed");
        let number = |name: Scalar| scalars[place(name)];
        let buffer = |name: Buffer| {
            let index = kernel.buffers.iter().position(|&buffer| buffer == name).expect("it is listed");
            buffers[index].0.clone()
        };
        // SAFETY: the caller's promise.
        unsafe { self.0.launch(kernel.role, cubes, &number, &buffer) }.expect("the processor can be used");
        Ok(())
    }

    fn begin_recording(&mut self) -> Result<bool, GpuError> {
        Ok(false)
    }

    fn end_recording(&mut self) -> Result<(), GpuError> {
        panic!("nothing was begun")
    }

    fn replay(&mut self, (): &()) -> Result<(), GpuError> {
        panic!("nothing was recorded")
    }
}
