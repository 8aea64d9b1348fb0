//! The kernels for GPUs, on the processor, against the float64 evaluator: odd sizes, odd batches, missing values, `-inf`.

mod common;

use common::Random;
use common::build::{Builder, Chain, Transition, evidence, rows_of, stage, tile_of};
use common::device::tensor;
use common::emulated::{SMALL, check, check_layer};
use common::layers::{VALUES, VARIABLES, add_stage, impossible, input, layer, panels, underflow};
use danaus_artifact::gpu::Precision;
use danaus_artifact::plan::{Kernel, Schedule, StageKernel};
use danaus_kernels::gpu::Sizes;
use danaus_kernels::gpu::spot::Shape;

#[test]
fn products_add_parts_and_table_columns() {
    for (seed, (width, parts, inputs, batch)) in [(1, 0, 1, 1), (33, 2, 0, 9), (70, 1, 2, 5)].into_iter().enumerate() {
        check_layer(seed as u64, batch, &format!("product {width}"), |builder, random| {
            let records: Vec<Vec<u32>> = (0..3)
                .map(|_| {
                    let parts: Vec<u32> = (0..parts).map(|_| layer(builder, random, width)).collect();
                    let inputs: Vec<u32> = (0..inputs).flat_map(|_| input(builder, random, width)).collect();
                    [parts, inputs].concat()
                })
                .collect();
            let out = builder.rows(3 * width);
            let record = |(member, rest): (usize, Vec<u32>)| [vec![out + (member * width) as u32, 0], rest].concat();
            let records: Vec<Vec<u32>> = records.into_iter().enumerate().map(record).collect();
            let kernel = Kernel::Product { width: width as u32, parts: parts as u32, inputs: inputs as u32 };
            builder.step(kernel, &records);
            (out, 3 * width)
        });
    }
}

#[test]
fn layers_move_and_combine_rows() {
    check_layer(10, 9, "kronecker", |builder, random| {
        let parts: Vec<u32> = [7, 2, 3].map(|width| layer(builder, random, width)).to_vec();
        let out = builder.rows(42);
        builder.step(Kernel::Kronecker { widths: vec![7, 2, 3] }, &[[vec![out, 0], parts].concat()]);
        (out, 42)
    });
    check_layer(11, 3, "concat", |builder, random| {
        let parts: Vec<u32> = [3, 1, 37].map(|width| layer(builder, random, width)).to_vec();
        let out = builder.rows(41);
        builder.step(Kernel::Concat { widths: vec![3, 1, 37] }, &[[vec![out, 0], parts].concat()]);
        (out, 41)
    });
    check_layer(12, 17, "permute", |builder, random| {
        let parts = [layer(builder, random, 42), layer(builder, random, 42)];
        let out = builder.rows(84);
        let records = [vec![out, 0, parts[0]], vec![out + 42, 0, parts[1]]];
        builder.step(Kernel::Permute { outer: 2, rows: 7, columns: 3 }, &records);
        (out, 84)
    });
    check_layer(13, 5, "mixing", |builder, random| {
        let data = rows_of(random, 35, 3, 0.3);
        let weights = builder.mixing(35, 3, data);
        let parts: Vec<u32> = (0..3).map(|_| layer(builder, random, 35)).collect();
        let out = builder.rows(35);
        builder.step(Kernel::Mixing { width: 35, inputs: 3 }, &[[vec![out, weights], parts].concat()]);
        (out, 35)
    });
}

// COVERS: targets.kernels, targets.grid
#[test]
fn stages_of_odd_sizes() {
    let cases = [
        ([2, 2, 7, 5], 1, panels(4, 8, 1)),
        ([3, 1, 17, 33], 3, panels(6, 18, 2)),
        ([4, 2, 9, 1], 2, panels(12, 12, 4)),
        ([2, 2, 8, 8], 2, panels(1, 1, 1)),
        ([1, 1, 3, 65], 1, Schedule::Narrow),
        ([6, 3, 10, 7], 3, Schedule::Narrow),
    ];
    for (seed, (shape, rows, schedule)) in cases.into_iter().enumerate() {
        let stage = stage(shape, rows, schedule);
        check_layer(20 + seed as u64, [5, 9, 16][seed % 3], &format!("{stage:?}"), |builder, random| {
            add_stage(builder, random, stage.clone(), 0.2)
        });
    }
}

#[test]
fn stages_fuse_operands_before_and_after() {
    for (seed, [pp, pi, ep, ei]) in [[1, 1, 0, 0], [0, 2, 1, 2], [2, 0, 2, 1]].into_iter().enumerate() {
        for schedule in [panels(4, 8, 2), Schedule::Narrow] {
            let stage = StageKernel {
                prologue_parts: pp,
                prologue_inputs: pi,
                epilogue_parts: ep,
                epilogue_inputs: ei,
                ..stage([3, 3, 9, 5], 3, schedule)
            };
            check_layer(40 + seed as u64, 7, &format!("{stage:?}"), |builder, random| {
                add_stage(builder, random, stage.clone(), 0.2)
            });
        }
    }
}

/// Inputs hundreds of nats apart, with weights of zero (or hardly more) exactly at the largest of them.
#[test]
fn underflow_is_computed_again_in_log_space() {
    for tiny in [0.0, 1e-40, 1e-30] {
        for schedule in [panels(4, 8, 2), Schedule::Narrow] {
            let random = &mut Random(500);
            let builder = underflow(random, schedule, tiny);
            let data = evidence(random, 1, 3, 5, 0.2);
            check(builder, &data, 5, SMALL, &format!("zeros of {tiny} in {schedule:?}"));
        }
    }
}

/// The schedule for tensor cores: tiles that overhang, weights that cannot be copied two at a time, distinct blocks.
#[test]
fn stages_for_tensor_cores() {
    let cases = [
        ([2, 2, 40, 37], 1, [0, 0, 0, 0]),
        ([3, 1, 70, 33], 3, [1, 1, 1, 1]),
        ([4, 2, 9, 70], 2, [2, 0, 0, 2]),
        ([1, 1, 8, 16], 1, [0, 1, 1, 0]),
    ];
    for (seed, (shape, rows, [pp, pi, ep, ei])) in cases.into_iter().enumerate() {
        for is_wide in [false, true] {
            let stage = StageKernel {
                prologue_parts: pp.max(u32::from(pi == 0)),
                prologue_inputs: pi,
                epilogue_parts: ep,
                epilogue_inputs: ei,
                ..stage(shape, rows, panels(6, shape[2].next_multiple_of(6), 4))
            };
            let random = &mut Random(900 + seed as u64);
            let mut builder = Builder::new(VARIABLES, VALUES);
            let (row, width) = add_stage(&mut builder, random, stage.clone(), 0.2);
            builder.finish(row, width, random);
            let data = evidence(random, VARIABLES, VALUES, 37, 0.2);
            check(builder, &data, 37, tensor(Precision::F32, is_wide), &format!("{stage:?}"));
        }
    }
}

// COVERS: targets.scaling
/// Where the weights of the largest inputs are zero or tiny the sum is computed again, in every precision: what is left is one term, whose
/// weight is not rounded then.
#[test]
fn underflow_on_tensor_cores_is_computed_again() {
    for tiny in [0.0, 1e-40] {
        for precision in Precision::ALL {
            let random = &mut Random(500);
            let builder = underflow(random, panels(4, 8, 2), tiny);
            let data = evidence(random, 1, 3, 5, 0.2);
            check(builder, &data, 5, tensor(precision, false), &format!("zeros of {tiny} in {precision:?}"));
        }
    }
}

/// Evidence that is impossible gives `-inf`, and only there.
#[test]
fn impossible_samples_do_not_touch_the_others() {
    let sizes = [SMALL, SMALL, tensor(Precision::F32, true)];
    for (schedule, sizes) in [panels(4, 8, 2), Schedule::Narrow, panels(4, 8, 2)].into_iter().zip(sizes) {
        let builder = impossible(&mut Random(600), schedule);
        let data: Vec<u32> = (0..37).map(|sample| sample % 3).collect();
        let found = check(builder, &data, 37, sizes, "impossible samples");
        assert!(found.iter().enumerate().all(|(sample, x)| (*x == f64::NEG_INFINITY) == (sample % 3 == 1)));
    }
}

/// Loops alternate between two carries, or replace one, and are rescaled; the last window is shorter.
#[test]
fn chains_are_walked() {
    for (seed, (states, transition)) in
        [(11, Transition::Dense), (12, Transition::Monarch([3, 4]))].into_iter().enumerate()
    {
        let random = &mut Random(700 + seed as u64);
        let chain = Chain::random(states, 3, 12, transition, random);
        let data = evidence(random, 12, 3, 5, 0.2);
        let schedule = |_| panels(4, 4, 2);
        let mut builder = chain.plan(schedule, 5);
        check(chain.plan(schedule, 5), &data, 5, SMALL, "a chain whose root has the offsets");
        builder.plan.root_offset = false;
        check(builder, &data, 5, SMALL, "a chain whose carry gets the offsets back");
    }
}

/// Tiles and slabs as large as those of GPUs, but cubes of fewer threads.
#[test]
fn tiles_of_gpus_are_right_too() {
    let shape = Shape { units: 8, vectors: 4 };
    let sizes = Sizes { samples: 32, rows: shape, narrow: shape, stage: shape, ..Sizes::GPU };
    for (sizes_of_sum, schedule) in [([1, 1, 70, 13], panels(6, 72, 4)), ([1, 1, 3, 70], Schedule::Narrow)] {
        let (random, stage) = (&mut Random(800), stage(sizes_of_sum, 1, schedule));
        let mut builder = Builder::new(VARIABLES, VALUES);
        let row = layer(&mut builder, random, sizes_of_sum[3]);
        let data = rows_of(random, sizes_of_sum[2], sizes_of_sum[3], 0.2);
        let weight = builder.weight([1, sizes_of_sum[2], sizes_of_sum[3]], tile_of(schedule), data);
        let out = builder.rows(sizes_of_sum[2]);
        builder.step(Kernel::Stage(stage), &[vec![out, weight, row]]);
        builder.plan.root = out + sizes_of_sum[2] as u32 - 1;
        let data = evidence(random, VARIABLES, VALUES, 30, 0.2);
        check(builder, &data, 30, sizes, &format!("{sizes_of_sum:?}"));
    }
}
