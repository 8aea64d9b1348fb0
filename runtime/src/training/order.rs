//! The order of the rows in an epoch: a function of the seed and the epoch alone.
//!
//! The stream is ChaCha8 keyed with `BLAKE3("danaus shuffle" || seed || epoch)` (8 bytes each, little-endian), nonce 0. Rows are exchanged
//! from the last to the second (Fisher and Yates; Durstenfeld, 1964): row `i` with row `floor(n (i + 1) / 2^64)`, where `n` is the next
//! 64-bit number of the stream.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The numbers of `rows` rows in the order in which an epoch reads them.
pub fn order(rows: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let key = blake3::Hasher::new()
        .update(b"danaus shuffle")
        .update(&seed.to_le_bytes())
        .update(&epoch.to_le_bytes())
        .finalize();
    let mut stream = ChaCha8Rng::from_seed(*key.as_bytes());
    let mut order: Vec<usize> = (0..rows).collect();
    for i in (1..rows).rev() {
        let j = (u128::from(stream.next_u64()) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_of_its_own() {
        // COVERS: training.order
        let mut first = order(1000, 1, 0);
        assert_eq!(first, order(1000, 1, 0));
        assert_ne!(first, order(1000, 2, 0));
        assert_ne!(first, order(1000, 1, 1));
        first.sort_unstable();
        assert!(first.iter().copied().eq(0..1000));
        assert_eq!((order(0, 1, 0), order(1, 1, 0)), (vec![], vec![0]));
    }

    #[test]
    fn all_orders_are_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for seed in 0..6000 {
            *counts.entry(order(3, seed, 0)).or_insert(0) += 1;
        }
        assert!(counts.len() == 6 && counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_bits_are_fixed() {
        assert_eq!(order(8, 7, 3), [0, 5, 1, 3, 2, 7, 6, 4]);
    }
}
