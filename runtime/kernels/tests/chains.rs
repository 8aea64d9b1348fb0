//! Whole hidden Markov models against the forward algorithm in double precision.

mod common;

use common::build::{Chain, Transition, evidence};
use common::{Random, assert_close, check};
use danaus_artifact::plan::Schedule;

fn panels(tile: u32, vectors: u32) -> impl Fn(usize) -> Schedule {
    move |outputs| Schedule::Panels { tile, chunk: (outputs as u32).next_multiple_of(tile), vectors }
}

fn chain(chain: Chain, tile: u32, vectors: u32, rescale: u32, batch: usize, missing: f64, random: &mut Random) {
    let data = evidence(random, chain.length, chain.values, batch, missing);
    let what = format!("{} states, {} steps, batch {batch}, tile {tile} by {vectors}", chain.states, chain.length);
    let found = check(chain.plan(panels(tile, vectors), rescale), &data, batch, &what);
    let expected: Vec<f64> = (0..batch)
        .map(|sample| {
            let column: Vec<u32> = (0..chain.length).map(|t| data[t * batch + sample]).collect();
            chain.log_likelihood(&column)
        })
        .collect();
    assert_close(&found, &expected, &what);
}

#[test]
fn dense_chains_of_all_lengths_and_batches() {
    let random = &mut Random(1);
    for (states, length, batch) in [(3, 1, 1), (5, 2, 5), (17, 7, 16), (33, 8, 17), (65, 5, 64), (100, 20, 100)] {
        let model = Chain::random(states, 7, length, Transition::Dense, random);
        chain(model, 4, 2, 3, batch, 0.2, random);
    }
}

#[test]
fn monarch_chains_replace_their_carry() {
    let random = &mut Random(2);
    for (factors, length, batch) in [([2, 3], 4, 3), ([4, 4], 9, 16), ([8, 5], 6, 33), ([16, 16], 30, 64)] {
        let model = Chain::random(factors[0] * factors[1], 27, length, Transition::Monarch(factors), random);
        chain(model, 8, 4, 4, batch, 0.1, random);
    }
}

#[test]
fn long_chains_keep_their_precision() {
    let random = &mut Random(3);
    let model = Chain::random(32, 27, 4096, Transition::Dense, random);
    chain(model, 8, 2, 16, 3, 0.0, random);
    let model = Chain::random(64, 27, 4096, Transition::Monarch([8, 8]), random);
    chain(model, 8, 2, 16, 3, 0.0, random);
}
