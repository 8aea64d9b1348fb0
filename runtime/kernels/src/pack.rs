//! Lays parameters out the way the kernels read them; the layouts are defined in [`danaus_artifact::plan`].
//!
//! Padding is zero: the rows of a panel beyond its outputs and the gaps between tensors.

use danaus_artifact::flow_plan::{FlowPlan, pitch};
use danaus_artifact::plan::{CHUNK, Layout, Pack, Plan};
use danaus_artifact::signature::{Parameter, ParameterShape};

/// Floats of the packed parameters.
pub fn pack_len(plan: &Plan) -> usize {
    plan.packed_chunks as usize * CHUNK
}

/// Packs the parameters. `values[p]` belongs to `plan.parameters[p]`: tables hold logarithms `[width, values]`,
/// weights are linear. Parameters without a pack are not looked at.
///
/// # Panics
/// If the plan has not passed [`validate`](crate::validate::validate), or a tensor does not have the length its
/// shape demands.
pub fn pack(plan: &Plan, values: &[Vec<f32>]) -> Vec<f32> {
    pack_all(&plan.packs, pack_len(plan), &plan.parameters, values)
}

/// Like [`pack()`], for the packs of a flow plan: `length` numbers in all.
pub fn pack_all(packs: &[Pack], length: usize, parameters: &[Parameter], values: &[Vec<f32>]) -> Vec<f32> {
    let mut packed = vec![0.0; length];
    for pack in packs {
        let parameter = &parameters[pack.parameter as usize];
        let source = &values[pack.parameter as usize];
        let target = &mut packed[pack.offset as usize * CHUNK..];
        match (pack.layout, &parameter.shape) {
            (Layout::Table, ParameterShape::Table { width, values }) => {
                check(&parameter.name, source, width * values);
                pack_table(source, *values, target);
            }
            (Layout::Panels { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
                check(&parameter.name, source, blocks * outputs * inputs);
                pack_panels(source, [*blocks, *outputs, *inputs], tile as usize, target);
            }
            (Layout::Transposed { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) => {
                check(&parameter.name, source, blocks * outputs * inputs);
                pack_transposed(source, [*blocks, *outputs, *inputs], tile as usize, target);
            }
            (Layout::Mixing, ParameterShape::Mixing { width, inputs }) => {
                check(&parameter.name, source, width * inputs);
                target[..source.len()].copy_from_slice(source);
            }
            (layout, shape) => panic!("`{}` of shape {shape:?} cannot be packed as {layout:?}", parameter.name),
        }
    }
    packed
}

fn check(name: &str, source: &[f32], expected: usize) {
    assert_eq!(source.len(), expected, "the parameter `{name}` has the wrong length");
}

fn pack_table(source: &[f32], values: usize, target: &mut [f32]) {
    for (row, to) in source.chunks_exact(values).zip(target.chunks_exact_mut(values + 1)) {
        to[..values].copy_from_slice(row);
        to[values] = log_sum(row);
    }
}

fn pack_panels(source: &[f32], [blocks, outputs, inputs]: [usize; 3], tile: usize, target: &mut [f32]) {
    let panels = outputs.div_ceil(tile);
    for block in 0..blocks {
        for output in 0..outputs {
            let row = &source[(block * outputs + output) * inputs..][..inputs];
            let panel = &mut target[(block * panels + output / tile) * inputs * tile..][..inputs * tile];
            for (input, &weight) in row.iter().enumerate() {
                panel[input * tile + output % tile] = weight;
            }
        }
    }
}

fn pack_transposed(source: &[f32], [blocks, outputs, inputs]: [usize; 3], tile: usize, target: &mut [f32]) {
    let panels = inputs.div_ceil(tile);
    for block in 0..blocks {
        for (panel, to) in target[block * panels * outputs * tile..][..panels * outputs * tile]
            .chunks_exact_mut(outputs * tile)
            .enumerate()
        {
            let first = panel * tile;
            let count = tile.min(inputs - first);
            for (output, to) in to.chunks_exact_mut(tile).enumerate() {
                to[..count].copy_from_slice(&source[(block * outputs + output) * inputs + first..][..count]);
            }
        }
    }
}

/// `ln(sum(exp(row)))` in double precision; `-inf` for a row of `-inf`.
fn log_sum(row: &[f32]) -> f32 {
    let high = row.iter().fold(f64::NEG_INFINITY, |high, &x| high.max(f64::from(x)));
    if high == f64::NEG_INFINITY {
        return f32::NEG_INFINITY;
    }
    (high + row.iter().map(|&x| (f64::from(x) - high).exp()).sum::<f64>().ln()) as f32
}

/// The flows of the parameters from the counts of a flow plan: for each parameter of `values`, in the order of its
/// numbers. The flow of a missing variable is spread over the unit's row in proportion to its probabilities. Parameters that
/// are not stored have none.
pub fn unpack_counts(plan: &FlowPlan, parameters: &[Parameter], values: &[Vec<f32>], counts: &[f64]) -> Vec<Vec<f64>> {
    let zeros =
        |(parameter, values): (&Parameter, &Vec<f32>)| vec![0.0; if parameter.is_stored() { values.len() } else { 0 }];
    let mut flows: Vec<Vec<f64>> = parameters.iter().zip(values).map(zeros).collect();
    for count in &plan.counts {
        let index = count.parameter as usize;
        let source = &counts[count.offset as usize * CHUNK..];
        flows[index] = match parameters[index].shape {
            ParameterShape::Table { values: size, .. } => table_flows(&values[index], size, source),
            ParameterShape::Weight { inputs, .. } => weight_flows(&values[index], inputs, source),
            ParameterShape::Mixing { .. } => source[..values[index].len()].to_vec(),
        };
    }
    flows
}

fn table_flows(values: &[f32], size: usize, counts: &[f64]) -> Vec<f64> {
    let mut flows = Vec::with_capacity(values.len());
    for (row, counts) in values.chunks_exact(size).zip(counts.chunks_exact(size + 1)) {
        flows.extend_from_slice(&counts[..size]);
        let total = log_sum(row);
        if counts[size] > 0.0 && total > f32::NEG_INFINITY {
            let spread = flows.iter_mut().rev().take(size).rev().zip(row);
            spread.for_each(|(flow, &log)| *flow += counts[size] * f64::from(log - total).exp());
        }
    }
    flows
}

/// A weight's count is its flow without the weight.
fn weight_flows(values: &[f32], inputs: usize, counts: &[f64]) -> Vec<f64> {
    let rows = values.chunks_exact(inputs).zip(counts.chunks_exact(pitch(inputs)));
    let flow = |(&weight, &count): (&f32, &f64)| if weight > 0.0 { f64::from(weight) * count } else { 0.0 };
    rows.flat_map(|(row, counts)| row.iter().zip(counts).map(flow)).collect()
}
