//! Philox4x32-10 on the device against a plain one, which is checked with the known answers of its authors.

use cubecl::prelude::*;
use danaus_kernels::queries::random::philox;

#[cube(launch_unchecked)]
fn apply<N: Size>(draws: &[Vector<u32, N>], out: &mut [Vector<u32, N>], k0: u32, k1: u32, place: u32, iteration: u32) {
    for v in 0..draws.len() {
        out[v] = philox::<N>((k0, k1), draws[v], place, iteration);
    }
}

/// J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
fn plain(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [a, b, c, d] = counter;
        let (first, second) = (u64::from(a) * 0xD251_1F53, u64::from(c) * 0xCD9E_8D57);
        counter = [(second >> 32) as u32 ^ b ^ key[0], second as u32, (first >> 32) as u32 ^ d ^ key[1], first as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[test]
fn the_plain_one_gives_the_known_answers() {
    assert_eq!(plain([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
    assert_eq!(plain([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
    let pi = plain([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
    assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
}

#[test]
fn the_device_gives_the_same() {
    let draws: Vec<u32> = (0..4096u32).map(|draw| draw.wrapping_mul(1_048_583)).collect();
    let client = danaus_kernels::processor::client();
    let (input, output) = (client.create_from_slice(u32::as_bytes(&draws)), client.empty(draws.len() * 4));
    let (key, place, iteration) = ([0x89ab_cdef, 0xffff_fffe], 77, 4_000_000_000);
    // SAFETY: both buffers have the length of `draws`, whole vectors.
    unsafe {
        apply::launch_unchecked(
            &client,
            CubeCount::new_single(),
            CubeDim::new_single(),
            16,
            BufferArg::from_raw_parts(input, draws.len()),
            BufferArg::from_raw_parts(output.clone(), draws.len()),
            key[0],
            key[1],
            place,
            iteration,
        );
    }
    let found = client.read_one(output).expect("it runs");
    for (&draw, &found) in draws.iter().zip(u32::from_bytes(&found)) {
        assert_eq!(found, plain([draw, place, iteration, 0], key)[0], "draw {draw}");
    }
}
