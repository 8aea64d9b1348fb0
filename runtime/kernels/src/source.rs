//! The intermediate text of specialised kernels, for people who want to see what a plan becomes.

use crate::gaussian::gaussian_kernel::GaussianKernel;
use crate::kronecker::kronecker_kernel::KroneckerKernel;
use crate::launch::{Config, Layout};
use crate::mixing::mixing_kernel::MixingKernel;
use crate::narrow::narrow_kernel::NarrowKernel;
use crate::operand::PlaceCompilationArg;
use crate::permute::concat_kernel::ConcatKernel;
use crate::permute::permute_kernel::PermuteKernel;
use crate::processor;
use crate::product::product_kernel::ProductKernel;
use crate::stage::stage_kernel;
use cubecl::ir::AddressType;
use cubecl::ir::pliron::op::Op;
use cubecl::ir::pliron::printable::Printable;
use cubecl::prelude::*;
use danaus_artifact::plan::Kernel;

/// The batch that kernels are specialised for.
const BATCH: usize = 64;

/// The text of a kernel in CubeCL's intermediate representation, specialised for one member and a batch of 64 on this machine.
pub fn source(kernel: &Kernel) -> String {
    let client = processor::client();
    let layout = Layout::new(BATCH, client.properties().hardware.max_units_per_cube.max(1) as usize);
    let settings =
        || KernelSettings::new(*CubeDim::new_1d(layout.units as u32), ExecutionMode::Unchecked, AddressType::U32);
    let buffer = || BufferCompilationArg { inplace: None };
    let place = || PlaceCompilationArg { table: (), members: (), iteration: (), base: (), vectors: () };
    let (properties, target, lanes) = (client.properties_shared(), client.target_properties_shared(), layout.lanes);
    let kernel: Box<dyn CubeKernel> = match Config::new(kernel, 1, layout) {
        Config::Product(c) => Box::new(ProductKernel::new(
            settings(),
            properties,
            target,
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            place(),
            lanes,
            c,
        )),
        Config::Gaussian(width) => Box::new(GaussianKernel::new(
            settings(),
            properties,
            target,
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            place(),
            lanes,
            width,
        )),
        Config::Kronecker(c) => {
            Box::new(KroneckerKernel::new(settings(), properties, target, buffer(), buffer(), place(), lanes, c))
        }
        Config::Panels(c) => Box::new(stage_kernel::StageKernel::new(
            settings(),
            properties,
            target,
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            place(),
            lanes,
            c,
        )),
        Config::Narrow(c) => Box::new(NarrowKernel::new(
            settings(),
            properties,
            target,
            buffer(),
            buffer(),
            buffer(),
            buffer(),
            place(),
            lanes,
            c,
        )),
        Config::Mixing(c) => {
            Box::new(MixingKernel::new(settings(), properties, target, buffer(), buffer(), buffer(), place(), lanes, c))
        }
        Config::Permute(c) => {
            Box::new(PermuteKernel::new(settings(), properties, target, buffer(), buffer(), place(), lanes, c))
        }
        Config::Concat(c) => {
            Box::new(ConcatKernel::new(settings(), properties, target, buffer(), buffer(), place(), lanes, c))
        }
    };
    let definition = kernel.define();
    let module = definition.body.state().module.get_operation();
    format!("{}\n", module.disp(definition.body.ctx()))
}
