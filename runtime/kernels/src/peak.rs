//! What the machine can do at most: a kernel of nothing but fused multiply-adds in registers, the floor that the
//! speed of everything else is measured against.

#![allow(missing_docs)] // The `cube` macro makes public items without documentation.

use crate::error::KernelError;
use crate::launch::argument;
use crate::operand::leave;
use crate::processor;
use cubecl::prelude::*;
use rayon::prelude::*;
use std::time::Instant;

/// Sums a unit keeps in registers; more than the latency of a multiply-add times its throughput.
const SUMS: usize = 16;

#[cube(launch_unchecked)]
fn peak_kernel<N: Size>(result: &mut [Vector<f32, N>], rounds: u32) {
    let factor = result[ABSOLUTE_POS];
    let mut sums = Array::<Vector<f32, N>>::new(SUMS);
    #[unroll]
    for q in 0..SUMS {
        sums[q] = factor;
    }
    for _ in 0..rounds {
        #[unroll]
        for q in 0..SUMS {
            sums[q] = fma(sums[q], factor, factor);
        }
    }
    let mut sum = factor;
    #[unroll]
    for q in 0..SUMS {
        sum += sums[q];
    }
    result[ABSOLUTE_POS] = sum;
    leave(rounds);
}

/// Bytes of a run over memory: more than caches hold.
const FAR: usize = 256 << 20;

/// Bytes per second that all cores together read from memory: the best of `runs` measurements of about 20 ms.
pub fn bandwidth(runs: usize) -> f64 {
    let numbers = vec![1u64; FAR / size_of::<u64>()];
    let part = numbers.len().div_ceil(rayon::current_num_threads());
    let seconds = (0..runs.max(1)).map(|_| {
        let start = Instant::now();
        std::hint::black_box(numbers.par_chunks(part).map(|part| part.iter().sum::<u64>()).sum::<u64>());
        start.elapsed().as_secs_f64()
    });
    FAR as f64 / seconds.fold(f64::INFINITY, f64::min)
}

/// Bytes of the last cache before memory, if the system says so.
pub fn cache_bytes() -> Option<u64> {
    cubecl_cpu::compute::affinity::llc_cache_size().map(|bytes| bytes as u64)
}

/// Single-precision operations per second of all cores together, a multiply-add counting as two: the best of
/// `runs` measurements of about 20 ms.
pub fn peak(runs: usize) -> Result<f64, KernelError> {
    let client = processor::client();
    let units = client.properties().hardware.max_units_per_cube.max(1);
    let lanes = 16;
    let rounds = 5_000_000u32 / 4;
    let mut best = 0f64;
    for _ in 0..=runs {
        let buffer = client.create_from_slice(&vec![0; units as usize * lanes * 4]);
        let start = Instant::now();
        // SAFETY: every unit has one vector in the buffer.
        unsafe {
            let (count, dim) = (CubeCount::new_single(), CubeDim::new_1d(units));
            peak_kernel::launch_unchecked(&client, count, dim, lanes, argument(&buffer), rounds);
        }
        client.read_one(buffer).map_err(|error| KernelError::Device(format!("{error:?}")))?;
        let operations = 2.0 * f64::from(rounds) * (SUMS * lanes) as f64 * f64::from(units);
        best = best.max(operations / start.elapsed().as_secs_f64());
    }
    Ok(best)
}
