//! Every kernel against the float64 evaluator: odd sizes, odd batches, missing values, `-inf`, several members.

mod common;

use common::build::{Builder, evidence, rows_of, stage};
use common::layers::{VALUES, VARIABLES, add_stage, impossible, input, layer, panels, underflow};
use common::{Random, check};
use danaus_artifact::plan::{Kernel, Schedule, StageKernel};

const SIZES: [usize; 8] = [1, 3, 5, 7, 17, 33, 65, 100];
const BATCHES: [usize; 6] = [1, 5, 16, 17, 64, 100];
/// Checks a layer that `build` adds, unit by unit of every member: the root is one of its rows in turn.
fn check_layer(seed: u64, what: &str, build: impl Fn(&mut Builder, &mut Random) -> (u32, usize)) {
    // Each layer with two of the batches, because every layout of a batch compiles kernels of its own.
    for case in 0..2 {
        let batch = BATCHES[(seed as usize * 2 + case) % BATCHES.len()];
        let random = &mut Random(seed * 100 + case as u64);
        let mut builder = Builder::new(VARIABLES, VALUES);
        let (row, width) = build(&mut builder, random);
        if case == 0 {
            builder.plan.root = row + random.below(width) as u32;
        } else {
            builder.finish(row, width, random);
        }
        let data = evidence(random, VARIABLES, VALUES, batch, 0.2);
        check(builder, &data, batch, &format!("{what}, batch {batch}"));
    }
}

#[test]
fn products_add_parts_and_table_columns() {
    for (index, width) in SIZES.into_iter().enumerate() {
        for (parts, inputs) in [(0, 1), (0, 3), (2, 0), (1, 2), (3, 1)] {
            check_layer(index as u64, &format!("product {width} of {parts} and {inputs}"), |builder, random| {
                let members = 3;
                let records = (0..members)
                    .map(|_| {
                        let parts: Vec<u32> = (0..parts).map(|_| layer(builder, random, width)).collect();
                        let inputs: Vec<u32> = (0..inputs).flat_map(|_| input(builder, random, width)).collect();
                        (parts, inputs)
                    })
                    .collect::<Vec<_>>();
                let out = builder.rows(members * width);
                let records: Vec<Vec<u32>> = records
                    .into_iter()
                    .enumerate()
                    .map(|(m, (parts, inputs))| [vec![out + (m * width) as u32, 0], parts, inputs].concat())
                    .collect();
                let kernel = Kernel::Product { width: width as u32, parts: parts as u32, inputs: inputs as u32 };
                builder.step(kernel, &records);
                (out, members * width)
            });
        }
    }
}

#[test]
fn products_may_replace_a_part() {
    check_layer(50, "product in place", |builder, random| {
        let (first, second) = (layer(builder, random, 33), layer(builder, random, 33));
        builder.step(Kernel::Product { width: 33, parts: 2, inputs: 0 }, &[vec![second, 0, first, second]]);
        (second, 33)
    });
}

#[test]
fn kronecker_products_combine_all_units() {
    for (index, widths) in [vec![1, 1], vec![3, 5], vec![7, 2, 3], vec![17, 4], vec![10, 10]].into_iter().enumerate() {
        check_layer(60 + index as u64, &format!("kronecker {widths:?}"), |builder, random| {
            let width: usize = widths.iter().product();
            let parts: Vec<Vec<u32>> =
                (0..2).map(|_| widths.iter().map(|&w| layer(builder, random, w)).collect()).collect();
            let out = builder.rows(2 * width);
            let records: Vec<Vec<u32>> =
                parts.into_iter().enumerate().map(|(m, p)| [vec![out + (m * width) as u32, 0], p].concat()).collect();
            let widths = widths.iter().map(|&w| w as u32).collect();
            builder.step(Kernel::Kronecker { widths }, &records);
            (out, 2 * width)
        });
    }
}

#[test]
fn concatenation_and_permutation_move_rows() {
    check_layer(70, "concat", |builder, random| {
        let parts: Vec<u32> = [3, 1, 17].map(|w| layer(builder, random, w)).to_vec();
        let out = builder.rows(21);
        builder.step(Kernel::Concat { widths: vec![3, 1, 17] }, &[[vec![out, 0], parts].concat()]);
        (out, 21)
    });
    for (index, [outer, rows, columns]) in [[1, 3, 5], [2, 7, 3], [5, 1, 4], [3, 8, 8]].into_iter().enumerate() {
        check_layer(80 + index as u64, "permute", |builder, random| {
            let width = outer * rows * columns;
            let parts = [layer(builder, random, width), layer(builder, random, width)];
            let out = builder.rows(2 * width);
            let records = [vec![out, 0, parts[0]], vec![out + width as u32, 0, parts[1]]];
            let [outer, rows, columns] = [outer, rows, columns].map(|size| size as u32);
            builder.step(Kernel::Permute { outer, rows, columns }, &records);
            (out, 2 * width)
        });
    }
}

#[test]
fn mixing_weighs_unit_by_unit() {
    for (index, (width, inputs)) in [(1, 1), (3, 2), (17, 5), (65, 3)].into_iter().enumerate() {
        check_layer(90 + index as u64, &format!("mixing {width} by {inputs}"), |builder, random| {
            let records: Vec<(u32, Vec<u32>)> = (0..2)
                .map(|_| {
                    let data = rows_of(random, width, inputs, 0.3);
                    let weights = builder.mixing(width, inputs, data);
                    (weights, (0..inputs).map(|_| layer(builder, random, width)).collect())
                })
                .collect();
            let out = builder.rows(2 * width);
            let records: Vec<Vec<u32>> = records
                .into_iter()
                .enumerate()
                .map(|(m, (weights, parts))| [vec![out + (m * width) as u32, weights], parts].concat())
                .collect();
            builder.step(Kernel::Mixing { width: width as u32, inputs: inputs as u32 }, &records);
            (out, 2 * width)
        });
    }
}

#[test]
fn stages_of_all_sizes() {
    for (index, &inputs) in SIZES.iter().enumerate() {
        for (outputs, schedule) in [
            (1, panels(4, 4, 2)),
            (7, panels(4, 8, 1)),
            (17, panels(8, 8, 4)),
            (33, panels(6, 36, 2)),
            (3, Schedule::Narrow),
            (17, Schedule::Narrow),
        ] {
            let stage = stage([2, 2, outputs, inputs], 1, schedule);
            check_layer(200 + index as u64, &format!("{stage:?}"), |builder, random| {
                add_stage(builder, random, stage.clone(), 0.2)
            });
        }
    }
}

#[test]
fn stages_permute_their_store_and_share_blocks() {
    let shapes = [([6, 6, 5, 4], 6), ([6, 3, 5, 4], 2), ([6, 2, 3, 7], 3), ([4, 1, 8, 8], 4), ([6, 4, 1, 3], 1)];
    for (index, (shape, rows)) in shapes.into_iter().enumerate() {
        for schedule in [panels(4, 4, 2), Schedule::Narrow] {
            let stage = stage(shape, rows, schedule);
            check_layer(300 + index as u64, &format!("{stage:?}"), |builder, random| {
                add_stage(builder, random, stage.clone(), 0.0)
            });
        }
    }
}

#[test]
fn stages_fuse_operands_before_and_after() {
    for (index, [pp, pi, ep, ei]) in
        [[1, 1, 0, 0], [0, 1, 0, 1], [0, 2, 1, 0], [2, 0, 1, 2], [3, 1, 2, 1]].into_iter().enumerate()
    {
        for schedule in [panels(4, 8, 2), Schedule::Narrow] {
            let stage = StageKernel {
                prologue_parts: pp,
                prologue_inputs: pi,
                epilogue_parts: ep,
                epilogue_inputs: ei,
                ..stage([3, 3, 9, 5], 3, schedule)
            };
            check_layer(400 + index as u64, &format!("{stage:?}"), |builder, random| {
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
            for batch in [5, 64] {
                let random = &mut Random(500);
                let builder = underflow(random, schedule, tiny);
                let data = evidence(random, 1, 3, batch, 0.2);
                check(builder, &data, batch, &format!("zeros of {tiny} in {schedule:?}, batch {batch}"));
            }
        }
    }
}

/// Evidence that is impossible gives `-inf`, and only there.
#[test]
fn impossible_samples_do_not_touch_the_others() {
    for schedule in [panels(4, 8, 2), Schedule::Narrow] {
        let builder = impossible(&mut Random(600), schedule);
        let data: Vec<u32> = (0..37).map(|sample| sample % 3).collect();
        let found = check(builder, &data, 37, "impossible samples");
        assert!(found.iter().enumerate().all(|(sample, x)| (*x == f64::NEG_INFINITY) == (sample % 3 == 1)));
    }
}

#[test]
fn kernels_can_be_read() {
    for kernel in [
        Kernel::Stage(stage([2, 2, 5, 4], 2, panels(4, 8, 2))),
        Kernel::Stage(stage([1, 1, 1, 4], 1, Schedule::Narrow)),
        Kernel::Product { width: 3, parts: 1, inputs: 1 },
        Kernel::Kronecker { widths: vec![2, 3] },
        Kernel::Concat { widths: vec![2, 3] },
        Kernel::Mixing { width: 3, inputs: 2 },
        Kernel::Permute { outer: 1, rows: 2, columns: 3 },
    ] {
        let text = danaus_kernels::source(&kernel);
        assert!(text.lines().count() > 10, "{kernel:?}: {text}");
        assert_eq!(text, danaus_kernels::source(&kernel), "the text is the same every time");
    }
}
