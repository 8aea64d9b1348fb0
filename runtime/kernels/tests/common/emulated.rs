//! The walk for GPUs over kernels for GPUs on the processor.

use super::build::Builder;
pub use super::device::{Emulated, SMALL, WIDE};
use super::{Random, assert_close, reference};
use danaus_cuda::Forward;
use danaus_kernels::gpu::{Emulator, Sizes};
use std::sync::Arc;

/// Runs a plan's kernels for GPUs twice and compares with the reference.
pub fn check(builder: Builder, evidence: &[u32], batch: usize, sizes: Sizes, what: &str) -> Vec<f64> {
    let expected = reference::evaluate(&builder.plan, &builder.values, evidence, batch);
    let packed = danaus_kernels::pack(&builder.plan, &builder.values);
    danaus_kernels::validate(&builder.plan).expect(what);
    let device = Emulated(Emulator::new(&builder.plan, None, sizes).expect(what));
    let code = device.0.code();
    let mut forward = Forward::new(device, Arc::new(builder.plan), &code, &packed).expect(what);
    let found = forward.forward(evidence, batch).expect(what);
    assert_close(&found, &expected, what);
    assert_eq!(forward.forward(evidence, batch).expect(what), found, "{what}: the same again");
    found
}

/// Checks a layer that `build` adds, through a sum over all its units.
pub fn check_layer(seed: u64, batch: usize, what: &str, build: impl Fn(&mut Builder, &mut Random) -> (u32, usize)) {
    use super::layers::{VALUES, VARIABLES};
    let random = &mut Random(seed);
    let mut builder = Builder::new(VARIABLES, VALUES);
    let (row, width) = build(&mut builder, random);
    builder.finish(row, width, random);
    let data = super::build::evidence(random, VARIABLES, VALUES, batch, 0.2);
    let sizes = if seed.is_multiple_of(3) { WIDE } else { SMALL };
    check(builder, &data, batch, sizes, &format!("{what}, batch {batch}"));
}
