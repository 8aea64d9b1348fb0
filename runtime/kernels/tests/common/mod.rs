//! Helpers of the tests: plans written by hand, random numbers, and a float64 evaluator of plans.
#![allow(dead_code)]

pub mod build;
pub mod device;
pub mod emulated;
pub mod layers;
pub mod reference;

use danaus_kernels::Program;
use std::sync::Arc;

/// Small, fast and the same everywhere (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// In `(0, 1)`.
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub fn coin(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// Single precision keeps about seven digits; a sum of thousands of terms and the polynomials for `exp` and `ln`
/// lose one or two of them, but never more than this, relative to the value or to one nat.
pub const TOLERANCE: f64 = 1e-5;

pub fn assert_close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (sample, (&f, &e)) in found.iter().zip(expected).enumerate() {
        let close = if e.is_infinite() { f == e } else { (f - e).abs() <= TOLERANCE * e.abs().max(1.0) };
        assert!(close, "{what}: sample {sample} is {f}, expected {e}");
    }
}

/// Runs the plan with every buffer full of NaN before, and compares with the reference.
pub fn check(builder: build::Builder, evidence: &[u32], batch: usize, what: &str) -> Vec<f64> {
    let expected = reference::evaluate(&builder.plan, &builder.values, evidence, batch);
    let packed = danaus_kernels::pack(&builder.plan, &builder.values);
    let mut program = Program::new(Arc::new(builder.plan), packed.clone()).expect(what);
    program.poison(batch).expect(what);
    let found = program.forward(evidence, batch).expect(what);
    assert_close(&found, &expected, what);
    found
}
