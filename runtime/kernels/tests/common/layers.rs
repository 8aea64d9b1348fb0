//! Layers of random parameters for plans written by hand.

use super::Random;
use super::build::{Builder, log_rows_of, rows_of, stage, tile_of};
use danaus_artifact::plan::{Kernel, Schedule, StageKernel};

/// Values of every variable.
pub const VALUES: usize = 5;
/// Variables of every plan.
pub const VARIABLES: usize = 6;

/// A layer to read from, with some units at `-inf`.
pub fn layer(builder: &mut Builder, random: &mut Random, width: usize) -> u32 {
    let variable = random.below(VARIABLES);
    let data = log_rows_of(random, width, VALUES, 0.3);
    builder.input(variable, width, VALUES, data)
}

/// The words of an input of random table and variable.
pub fn input(builder: &mut Builder, random: &mut Random, width: usize) -> Vec<u32> {
    let data = log_rows_of(random, width, VALUES, 0.2);
    let table = builder.table(width, VALUES, data);
    vec![random.below(VARIABLES) as u32, 0, table, VALUES as u32 + 1]
}

/// Adds a stage of two members with the operands its kernel lists.
pub fn add_stage(builder: &mut Builder, random: &mut Random, stage: StageKernel, zeros: f64) -> (u32, usize) {
    let [blocks, distinct, outputs, inputs] =
        [stage.blocks, stage.distinct, stage.outputs, stage.inputs].map(|size| size as usize);
    let (before, after) = (blocks * inputs, blocks * outputs);
    let mut records = Vec::new();
    for _ in 0..2 {
        let data = rows_of(random, distinct * outputs, inputs, zeros);
        let mut record = vec![0, builder.weight([distinct, outputs, inputs], tile_of(stage.schedule), data)];
        (0..stage.prologue_parts).for_each(|_| record.push(layer(builder, random, before)));
        (0..stage.prologue_inputs).for_each(|_| record.extend(input(builder, random, before)));
        (0..stage.epilogue_parts).for_each(|_| record.push(layer(builder, random, after)));
        (0..stage.epilogue_inputs).for_each(|_| record.extend(input(builder, random, after)));
        records.push(record);
    }
    let out = builder.rows(2 * after);
    for (member, record) in records.iter_mut().enumerate() {
        record[0] = out + (member * after) as u32;
    }
    builder.step(Kernel::Stage(stage), &records);
    (out, 2 * after)
}

pub fn panels(tile: usize, chunk: usize, vectors: u32) -> Schedule {
    Schedule::Panels { tile: tile as u32, chunk: chunk as u32, vectors }
}

/// A sum of inputs hundreds of nats apart, with weights of `tiny` exactly at the largest of them.
pub fn underflow(random: &mut Random, schedule: Schedule, tiny: f32) -> Builder {
    let inputs = 9;
    let mut builder = Builder::new(1, 3);
    let spread: Vec<f32> = (0..inputs * 3).map(|k| -200.0 * ((k / 3) as f32) - (k % 3) as f32).collect();
    let row = builder.input(0, inputs, 3, spread);
    let mut weights = rows_of(random, 7, inputs, 0.0);
    for (output, row) in weights.chunks_mut(inputs).enumerate() {
        row[..output].fill(tiny);
    }
    let weight = builder.weight([1, 7, inputs], tile_of(schedule), weights);
    let out = builder.rows(7);
    builder.step(Kernel::Stage(stage([1, 1, 7, inputs], 1, schedule)), &[vec![out, weight, row]]);
    builder.plan.root = out + 6;
    builder
}

/// A sum over a variable whose value 1 is impossible.
pub fn impossible(random: &mut Random, schedule: Schedule) -> Builder {
    let mut builder = Builder::new(1, 3);
    let table: Vec<f32> = (0..6 * 3).map(|k| if k % 3 == 1 { f32::NEG_INFINITY } else { -1.0 }).collect();
    let row = builder.input(0, 6, 3, table);
    let data = rows_of(random, 5, 6, 0.0);
    let weight = builder.weight([1, 5, 6], tile_of(schedule), data);
    let out = builder.rows(5);
    builder.step(Kernel::Stage(stage([1, 1, 5, 6], 1, schedule)), &[vec![out, weight, row]]);
    builder.plan.root = out + 4;
    builder
}
