//! Random binary trees: Peharz et al., "Random Sum-Product Networks", UAI 2019.
//!
//! Each repetition puts the variables into a random order and cuts them in halves `depth` times. The repetitions are
//! the partitions of the region of all variables.
//!
//! The order of a repetition is a function of the seed and its number alone: the stream is ChaCha8 keyed with
//! `BLAKE3("danaus random regions" || seed || repetition)` (8 bytes each, little-endian); variables are exchanged from
//! the last to the second (Fisher and Yates): variable `i` with variable `floor(n (i + 1) / 2^64)`, where `n` is the
//! next 64-bit number of the stream.

use super::trees::{halves, split};
use super::{Assembly, Part, Structure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The trees of all repetitions. With less than two variables, or depth 0, the structure is one leaf.
pub fn random(count: u32, depth: u32, repetitions: u32, seed: u64) -> Structure {
    let mut assembly = Assembly::default();
    let mut partitions = Vec::new();
    for repetition in 0..repetitions {
        let order = order(count, seed, u64::from(repetition));
        let Some((first, second)) = split(&order, depth) else {
            assembly.leaf((0..count).collect());
            return assembly.finish();
        };
        partitions.push([first, second].map(|half| Part::mixed(halves(&mut assembly, half, depth - 1))).to_vec());
    }
    assembly.split(partitions);
    assembly.finish()
}

fn order(count: u32, seed: u64, repetition: u64) -> Vec<u32> {
    let key = blake3::Hasher::new()
        .update(b"danaus random regions")
        .update(&seed.to_le_bytes())
        .update(&repetition.to_le_bytes())
        .finalize();
    let mut stream = ChaCha8Rng::from_seed(*key.as_bytes());
    let mut order: Vec<u32> = (0..count).collect();
    for i in (1..count as usize).rev() {
        let j = (u128::from(stream.next_u64()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}
