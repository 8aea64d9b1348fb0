//! The list of all kernels for GPUs: what they are handed, how they are launched through CubeCL, and how they are compiled.

use crate::gpu::flow_counts::{CountShape, gpu_flow_counts};
use crate::gpu::flow_layers::{
    FlowMixture, gpu_flow_kronecker, gpu_flow_mixing, gpu_flow_mixing_counts, gpu_flow_table, gpu_seed,
};
use crate::gpu::flow_sums::{FlowSum, gpu_flow_sums};
use crate::gpu::layers::{gpu_concat, gpu_kronecker, gpu_mixing, gpu_permute, gpu_product};
use crate::gpu::narrow::gpu_narrow;
use crate::gpu::offsets::{gpu_carry, gpu_leave, gpu_result};
use crate::gpu::spot::Shape;
use crate::gpu::stage::{StageShape, gpu_stage};
use crate::gpu::tensor::TensorShape;
use crate::gpu::tensor_counts::gpu_tensor_counts;
use crate::gpu::tensor_flows::gpu_tensor_flows;
use crate::gpu::tensor_sums::gpu_tensor_sums;
use crate::kronecker::KroneckerConfig;
use crate::mixing::MixingConfig;
use crate::permute::{ConcatConfig, PermuteConfig};
use crate::product::ProductConfig;
use crate::stage::StageConfig;
use cubecl::client::Client;
use cubecl::ir::{AddressType, DeviceProperties, TargetProperties};
use cubecl::prelude::*;
use cubecl_core::tf32;
use danaus_artifact::gpu::{Buffer, Precision, Scalar};
use half::bf16;
use std::sync::Arc;

/// Makes the list: `Name { compile-time values } = module::Kernel <types> (buffers) [scalars]`.
macro_rules! device_kernels {
    ($($(#[$doc:meta])* $name:ident { $($value:ident: $type:ty),* } =
        $module:ident::$kernel:ident $(<$($element:ty),*>)? ($($buffer:ident),*) [$($scalar:ident),*];)*) => {
        /// A kernel for GPUs with all that its code is specialized by, but the number of lanes and of units.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // The fields are the compile-time values of the kernels, described there.
        pub enum DeviceKernel {
            $($(#[$doc])* $name { $($value: $type),* },)*
        }

        impl DeviceKernel {
            /// The buffers it is handed.
            pub fn buffers(&self) -> Vec<Buffer> {
                match self { $(Self::$name { .. } => vec![$(Buffer::$buffer),*],)* }
            }

            /// The numbers it is handed.
            pub fn scalars(&self) -> Vec<Scalar> {
                match self { $(Self::$name { .. } => vec![$(Scalar::$scalar),*],)* }
            }

            /// Queues a launch on a device of CubeCL.
            ///
            /// # Safety
            /// The buffers and numbers must be those of a plan that has been checked.
            pub unsafe fn launch(
                &self,
                client: &Client,
                [cubes, units, lanes]: [u32; 3],
                buffer: &dyn Fn(Buffer) -> BufferArg,
                scalar: &dyn Fn(Scalar) -> u32,
            ) {
                let (count, dim) = (CubeCount::new_1d(cubes), CubeDim::new_1d(units));
                // SAFETY: the caller's promise.
                unsafe {
                    match self {
                        $(Self::$name { $($value),* } => $module::launch_unchecked$(::<$($element),*>)?(
                            client,
                            count,
                            dim,
                            lanes as usize,
                            $(buffer(Buffer::$buffer),)*
                            $(scalar(Scalar::$scalar),)*
                            $($value.clone(),)*
                        ),)*
                    }
                }
            }

            /// The kernel in CubeCL's intermediate representation.
            #[allow(clippy::unit_arg)] // What CubeCL knows of a scalar when it compiles is nothing.
            pub fn define(
                &self,
                [units, lanes]: [u32; 2],
                properties: Arc<DeviceProperties>,
                target: Arc<TargetProperties>,
            ) -> KernelDefinition {
                let dim = *CubeDim::new_1d(units);
                let settings = KernelSettings::new(dim, ExecutionMode::Unchecked, AddressType::U32);
                match self {
                    $(Self::$name { $($value),* } => $module::$kernel$(::<$($element),*>)?::new(
                        settings,
                        properties,
                        target,
                        $(unknown_buffer(Buffer::$buffer),)*
                        $(unknown_number(Scalar::$scalar),)*
                        lanes as usize,
                        $($value.clone(),)*
                    ).define(),)*
                }
            }
        }
    };
}

device_kernels! {
    /// See [`crate::gpu::layers::gpu_product()`].
    Product { c: ProductConfig, shape: Shape } =
        gpu_product::GpuProduct (Arena, Packed, Tables, Evidence) [Table, Members, Iteration, Vectors];
    /// See [`crate::gpu::layers::gpu_kronecker()`].
    Kronecker { c: KroneckerConfig, shape: Shape } = gpu_kronecker::GpuKronecker (Arena, Tables) [Table, Vectors];
    /// See [`crate::gpu::layers::gpu_permute()`].
    Permute { c: PermuteConfig, shape: Shape } = gpu_permute::GpuPermute (Arena, Tables) [Table, Vectors];
    /// See [`crate::gpu::layers::gpu_concat()`].
    Concat { c: ConcatConfig, shape: Shape } = gpu_concat::GpuConcat (Arena, Tables) [Table, Vectors];
    /// See [`crate::gpu::layers::gpu_mixing()`].
    Mixing { c: MixingConfig, shape: Shape } = gpu_mixing::GpuMixing (Arena, Packed, Tables) [Table, Vectors];
    /// See [`crate::gpu::stage`].
    Stage { c: StageConfig, shape: StageShape } =
        gpu_stage::GpuStage (Arena, Packed, Tables, Evidence) [Table, Members, Iteration, Vectors];
    /// See [`crate::gpu::narrow`].
    Narrow { c: StageConfig, shape: Shape } =
        gpu_narrow::GpuNarrow (Arena, Packed, Tables, Evidence) [Table, Members, Iteration, Vectors];
    /// See [`crate::gpu::tensor_sums`]; operands of 2 bytes.
    TensorSumsHalf { c: StageConfig, shape: TensorShape } = gpu_tensor_sums::GpuTensorSums<bf16, bf16>
        (Arena, Packed, Matrices, Tables, Evidence) [Table, Members, Iteration, Vectors];
    /// The same, of 4 bytes.
    TensorSums { c: StageConfig, shape: TensorShape } = gpu_tensor_sums::GpuTensorSums<f32, tf32>
        (Arena, Packed, Matrices, Tables, Evidence) [Table, Members, Iteration, Vectors];
    /// See [`crate::gpu::offsets::gpu_result()`].
    Result { with_offsets: bool, shape: Shape } = gpu_result::GpuResult (Arena, Offsets, Result) [Row, Vectors];
    /// See [`crate::gpu::flow_sums`].
    FlowSums { c: FlowSum, shape: StageShape } =
        gpu_flow_sums::GpuFlowSums (Arena, Packed, Tables, Evidence) [Table, Members, Vectors];
    /// See [`crate::gpu::flow_counts`].
    FlowCounts { c: FlowSum, shape: CountShape } =
        gpu_flow_counts::GpuFlowCounts (Arena, Counts, Packed, Tables, Evidence) [Table, Members, Vectors];
    /// See [`crate::gpu::tensor_flows`]; operands of 2 bytes.
    TensorFlowsHalf { c: FlowSum, shape: TensorShape } = gpu_tensor_flows::GpuTensorFlows<bf16, bf16>
        (Arena, Packed, Matrices, Tables, Evidence) [Table, Members, Vectors];
    /// The same, of 4 bytes.
    TensorFlows { c: FlowSum, shape: TensorShape } = gpu_tensor_flows::GpuTensorFlows<f32, tf32>
        (Arena, Packed, Matrices, Tables, Evidence) [Table, Members, Vectors];
    /// See [`crate::gpu::tensor_counts`]; operands of 2 bytes.
    TensorCountsHalf { c: FlowSum, shape: TensorShape } = gpu_tensor_counts::GpuTensorCounts<bf16, bf16>
        (Arena, Counts, Packed, Tables, Evidence) [Table, Members, Vectors];
    /// The same, of 4 bytes.
    TensorCounts { c: FlowSum, shape: TensorShape } = gpu_tensor_counts::GpuTensorCounts<f32, tf32>
        (Arena, Counts, Packed, Tables, Evidence) [Table, Members, Vectors];
    /// See [`crate::gpu::flow_layers::gpu_flow_mixing()`].
    FlowMixing { c: FlowMixture, shape: Shape } = gpu_flow_mixing::GpuFlowMixing (Arena, Packed, Tables) [Table, Vectors];
    /// See [`crate::gpu::flow_layers::gpu_flow_mixing_counts()`].
    FlowMixingCounts { c: FlowMixture, units: usize } =
        gpu_flow_mixing_counts::GpuFlowMixingCounts (Arena, Counts, Packed, Tables) [Table, Members, Vectors];
    /// See [`crate::gpu::flow_layers::gpu_flow_kronecker()`].
    FlowKronecker { c: KroneckerConfig, shape: Shape } = gpu_flow_kronecker::GpuFlowKronecker (Arena, Tables) [Table, Vectors];
    /// See [`crate::gpu::flow_layers::gpu_flow_table()`].
    FlowTable { width: usize, rows: usize, abreast: usize } =
        gpu_flow_table::GpuFlowTable (Arena, Counts, Tables, Evidence) [Table, Members, Vectors];
    /// See [`crate::gpu::flow_layers::gpu_seed()`].
    Seed { shape: Shape } = gpu_seed::GpuSeed (Arena, Weights) [Row, Target, Vectors];
    /// See [`crate::gpu::offsets::gpu_carry()`].
    Carry { rescales: bool, wanted: bool, shape: Shape } =
        gpu_carry::GpuCarry (Arena, Offsets) [Row, Target, Width, Vectors];
    /// See [`crate::gpu::offsets::gpu_leave()`].
    Leave { with_offsets: bool, shape: Shape } = gpu_leave::GpuLeave (Arena, Offsets) [Row, Target, Width, Vectors];
}

impl DeviceKernel {
    /// What it multiplies.
    pub fn precision(&self) -> Precision {
        match self {
            Self::TensorSumsHalf { shape, .. } | Self::TensorSums { shape, .. } => shape.precision,
            Self::TensorFlowsHalf { shape, .. } | Self::TensorFlows { shape, .. } => shape.precision,
            Self::TensorCountsHalf { shape, .. } | Self::TensorCounts { shape, .. } => shape.precision,
            _ => Precision::F32,
        }
    }
}

fn unknown_buffer(_: Buffer) -> BufferCompilationArg {
    BufferCompilationArg { inplace: None }
}

fn unknown_number(_: Scalar) {}
