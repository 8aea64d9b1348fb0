//! `exp` and `ln` against double precision, over their whole domains.

use cubecl::prelude::*;
use danaus_kernels::math::{exp_nonpositive, ln_positive};

#[cube(launch_unchecked)]
fn apply<N: Size>(x: &[Vector<f32, N>], out: &mut [Vector<f32, N>], #[comptime] exp: bool) {
    for v in 0..x.len() {
        out[v] = if comptime!(exp) { exp_nonpositive::<N>(x[v]) } else { ln_positive::<N>(x[v]) };
    }
}

fn run(x: &[f32], exp: bool) -> Vec<f32> {
    let client = danaus_kernels::processor::client();
    let (input, output) = (client.create_from_slice(f32::as_bytes(x)), client.empty(x.len() * 4));
    // SAFETY: both buffers have the length of `x`, whole vectors.
    unsafe {
        apply::launch_unchecked(
            &client,
            CubeCount::new_single(),
            CubeDim::new_single(),
            16,
            BufferArg::from_raw_parts(input, x.len()),
            BufferArg::from_raw_parts(output.clone(), x.len()),
            exp,
        );
    }
    f32::from_bytes(&client.read_one(output).expect("it runs")).to_vec()
}

#[test]
fn exp_is_good_to_single_precision() {
    let mut x: Vec<f32> = (0..1 << 16).map(|k| -87.0 * k as f32 / 65536.0).collect();
    x.extend([f32::NEG_INFINITY, -1e30, -88.0, -1e-30, -0.0, -1e-6, -0.346, -0.347].repeat(2));
    let found = run(&x, true);
    for (&x, &found) in x.iter().zip(&found) {
        let expected = f64::from(x.max(-87.0)).exp();
        let error = (f64::from(found) - expected).abs() / expected;
        // The step of the argument itself is worth up to 4e-6 at -87, where nothing depends on it.
        assert!(error < 2e-7 + 3e-9 * f64::from(-x.max(-87.0)), "exp({x}) = {found}, expected {expected}");
    }
}

#[test]
fn ln_is_good_to_single_precision() {
    let mut x: Vec<f32> = (0..1 << 16).map(|k| f32::from_bits(0x0080_0000 + k * 32_000)).collect();
    x.extend((0..1 << 12).map(|k| 1.0 + (k as f32 - 2048.0) / 8192.0));
    let found = run(&x, false);
    for (&x, &found) in x.iter().zip(&found) {
        let expected = f64::from(x).ln();
        let error = (f64::from(found) - expected).abs();
        assert!(error < 1e-7 + 1.5e-7 * expected.abs(), "ln({x}) = {found}, expected {expected}");
    }
}
