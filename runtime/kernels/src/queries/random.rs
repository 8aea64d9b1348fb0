//! Random numbers that are a function of a key and a counter: Philox4x32-10.
//!
//! J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. The key is the seed; the counter is
//! the number of the draw, the place in the circuit and the iteration. So every choice has a number of its own, whoever computes it.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use cubecl::prelude::*;

/// Multipliers of the rounds.
const M0: u64 = 0xD251_1F53;
const M1: u64 = 0xCD9E_8D57;
/// What is added to the key between two rounds.
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// The upper and the lower half of a product.
#[cube]
fn halves<N: Size>(a: Vector<u32, N>, #[comptime] m: u64) -> (Vector<u32, N>, Vector<u32, N>) {
    let product = Vector::<u64, N>::cast_from(a) * Vector::<u64, N>::new(m);
    let high = Vector::<u32, N>::cast_from(product >> Vector::<u64, N>::new(32u64));
    let low = Vector::<u32, N>::cast_from(product & Vector::<u64, N>::new(0xffff_ffffu64));
    (high, low)
}

/// The first word of Philox4x32-10 for a key of two words and a counter of four, the last of which is 0.
#[cube]
pub fn philox<N: Size>(key: (u32, u32), draw: Vector<u32, N>, place: u32, iteration: u32) -> Vector<u32, N> {
    let mut a = draw;
    let mut b = Vector::<u32, N>::new(place);
    let mut c = Vector::<u32, N>::new(iteration);
    let mut d = Vector::<u32, N>::new(0u32);
    let mut k0 = Vector::<u32, N>::new(key.0);
    let mut k1 = Vector::<u32, N>::new(key.1);
    for _ in 0..10usize {
        let (high0, low0) = halves::<N>(a, M0);
        let (high1, low1) = halves::<N>(c, M1);
        let b_next = low1;
        a = high1 ^ b ^ k0;
        c = high0 ^ d ^ k1;
        b = b_next;
        d = low0;
        k0 += Vector::new(W0);
        k1 += Vector::new(W1);
    }
    a
}

/// Multiples of `2^-24` in `[0, 1)`.
#[cube]
pub fn uniform<N: Size>(key: (u32, u32), draw: Vector<u32, N>, place: u32, iteration: u32) -> Vector<f32, N> {
    let bits = philox::<N>(key, draw, place, iteration) >> Vector::new(8u32);
    Vector::<f32, N>::cast_from(bits) * Vector::new(1.0 / 16_777_216.0f32)
}
