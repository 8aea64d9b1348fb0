//! Whole hidden Markov models against the forward algorithm in double precision.

mod common;

use common::build::{Chain, Transition, evidence};
use common::{Random, assert_close, check};
use danaus_artifact::plan::Schedule;
use std::sync::Arc;

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

/// The chain in linear space and where that fails, against the forward algorithm, and what the statistics say.
#[test]
fn chains_in_linear_space() {
    let random = &mut Random(5);
    for transition in [Transition::Dense, Transition::Monarch([5, 6])] {
        let plain = || Chain::random(30, 6, 50, copy(&transition), &mut Random(9));
        let mut zero = plain();
        // Symbol 2 is impossible but in one state; others have none.
        zero.emission.chunks_mut(6).skip(1).for_each(|row| row[2] = f32::NEG_INFINITY);
        let mut impossible = plain();
        impossible.emission.chunks_mut(6).for_each(|row| row[2] = f32::NEG_INFINITY);
        let mut rare = plain();
        // The first unit of a block comes from the first alone, and falls behind the others by more than single precision can hold.
        let sizes = match transition {
            Transition::Dense => [30, 30],
            Transition::Monarch(factors) => factors,
        };
        for (weights, size) in rare.weights.iter_mut().zip(sizes) {
            for block in weights.chunks_mut(size * size) {
                block[..size].fill(0.0);
                block[0] = 1e-11;
            }
        }
        let mut tiny = plain();
        tiny.weights[0][3] = 1e-30;
        for (model, relapses) in [(plain(), 0), (zero, 0), (impossible, 0), (rare, 1), (tiny, 1)] {
            let data = evidence(random, 50, 6, 21, 0.1);
            let builder = model.plan(panels(4, 2), 16);
            let packed = danaus_kernels::pack(&builder.plan, &builder.values);
            let mut program =
                danaus_kernels::Program::new(Arc::new(builder.plan), packed.clone()).expect("it is in order");
            program.poison(21).expect("there is memory");
            let found = program.forward(&data, 21).expect("it runs");
            let column = |sample: usize| (0..50).map(|t| data[t * 21 + sample]).collect::<Vec<u32>>();
            let expected: Vec<f64> = (0..21).map(|sample| likelihood(&model, &column(sample))).collect();
            assert_close(&found, &expected, "linear space");
            let stats = program.stats();
            assert_eq!((stats.in_linear_space, stats.relapses), (1 - relapses, relapses));
            // Other parameters, other fate.
            let packed = vec![0.0; packed.len()];
            program.set_parameters(packed.clone()).expect("they fit");
            assert!(program.forward(&data, 21).expect("it runs").iter().all(|&value| value == f64::NEG_INFINITY));
        }
    }
}

fn copy(transition: &Transition) -> Transition {
    match transition {
        Transition::Dense => Transition::Dense,
        Transition::Monarch(factors) => Transition::Monarch(*factors),
    }
}

/// The forward algorithm; `-inf` where it divides zero by zero.
fn likelihood(model: &Chain, observed: &[u32]) -> f64 {
    let value = model.log_likelihood(observed);
    if value.is_nan() { f64::NEG_INFINITY } else { value }
}

/// Sequences shorter, as long and longer than the plan's, in windows of all sizes.
#[test]
fn streams_of_any_length() {
    let random = &mut Random(4);
    for transition in [Transition::Dense, Transition::Monarch([3, 5])] {
        let model = Chain::random(15, 6, 8, transition, random);
        let builder = model.plan(panels(4, 2), 3);
        let packed = danaus_kernels::pack(&builder.plan, &builder.values);
        let mut program = danaus_kernels::Program::new(Arc::new(builder.plan), packed.clone()).expect("a valid plan");
        for (length, window, batch) in [(1, 4, 1), (2, 1, 1), (5, 3, 2), (8, 100, 1), (9, 4, 3), (200, 7, 1)] {
            let data = evidence(random, length, 6, batch, 0.1);
            let mut asked = vec![0; length];
            let found = program
                .stream(length as u64, window, batch, &mut |range| {
                    assert!(range.end - range.start <= u64::from(window) && !range.is_empty());
                    range.clone().for_each(|position| asked[position as usize] += 1);
                    Ok(data[range.start as usize * batch..range.end as usize * batch].to_vec())
                })
                .expect("a chain");
            assert!(asked.iter().all(|&count| count == 1), "every position is read once");
            let expected: Vec<f64> = (0..batch)
                .map(|sample| {
                    let column: Vec<u32> = (0..length).map(|t| data[t * batch + sample]).collect();
                    model.log_likelihood(&column)
                })
                .collect();
            assert_close(&found, &expected, &format!("a stream of {length} in windows of {window}"));
        }
        let refused = program.stream(3, 2, 1, &mut |_| Err("disk on fire".to_string()));
        assert_eq!(refused.unwrap_err().to_string(), "the evidence could not be read: disk on fire");
        assert!(program.stream(0, 2, 1, &mut |_| Ok(vec![])).is_err());
        assert!(program.stream(2, 2, 1, &mut |_| Ok(vec![7, 7])).is_err());
    }
}
