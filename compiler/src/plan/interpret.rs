//! Walks a plan in float64, one row of data at a time: what a runtime has to do, said as plainly as possible.
//!
//! It judges the planner: a plan that gives the reference evaluator's numbers here is right, whatever kernels
//! do with it later. It never rescales, since float64 does not need it.

use crate::plan::packs::floats;
use crate::reference::log_sum_exp;
use danaus_artifact::plan::{CHUNK, GAUSSIAN_PITCH, Kernel, Launch, Layout, Plan, Schedule, StageKernel, Step};
use danaus_artifact::signature::{ParameterShape, REAL_MISSING, VariableArray};

/// The log-likelihoods of rows of data. `values` holds each parameter row-major: tables as logarithms, weights
/// linear; each row of data has an entry per variable, none where it is missing.
pub fn interpret(plan: &Plan, values: &[Vec<f64>], data: &[Vec<Option<usize>>]) -> Vec<f64> {
    let packed = pack(plan, values);
    let sizes = domain_sizes(plan);
    let row = |row: &Vec<Option<usize>>| {
        let observed = row.iter().zip(&sizes).map(|(value, &size)| value.unwrap_or(size)).collect();
        Machine { plan, packed: &packed, observed, arena: vec![f64::NAN; plan.rows as usize] }.run()
    };
    data.iter().map(row).collect()
}

/// The number of values of each variable.
fn domain_sizes(plan: &Plan) -> Vec<usize> {
    let of = |array: &VariableArray| std::iter::repeat_n(array.domain.size(), array.shape.iter().product());
    plan.variables.iter().flat_map(of).collect()
}

/// Lays parameters out as [`Layout`] says.
pub fn pack(plan: &Plan, values: &[Vec<f64>]) -> Vec<f64> {
    let mut packed = vec![0.0; plan.packed_chunks as usize * CHUNK];
    for pack in &plan.packs {
        let shape = &plan.parameters[pack.parameter as usize].shape;
        let source = &values[pack.parameter as usize];
        let start = pack.offset as usize * CHUNK;
        let target = &mut packed[start..start + floats(shape, pack.layout)];
        match (shape, pack.layout) {
            (&ParameterShape::Table { width, values }, Layout::Table) => pack_table(source, width, values, target),
            (&ParameterShape::Weight { blocks, outputs, inputs, dense: _ }, Layout::Panels { tile }) => {
                pack_panels(source, [blocks, outputs, inputs], tile as usize, target);
            }
            (ParameterShape::Gaussian { .. }, Layout::Gaussian) => pack_gaussian(source, target),
            (ParameterShape::Mixing { .. }, Layout::Mixing) => target.copy_from_slice(source),
            (shape, layout) => panic!("a parameter of shape {shape:?} has no layout {layout:?}"),
        }
    }
    packed
}

fn pack_gaussian(source: &[f64], target: &mut [f64]) {
    for (unit, to) in source.chunks_exact(2).zip(target.chunks_exact_mut(GAUSSIAN_PITCH as usize)) {
        to.copy_from_slice(&[unit[0], unit[1].powf(-0.5), -0.5 * (std::f64::consts::TAU * unit[1]).ln(), 0.0]);
    }
}

fn pack_table(source: &[f64], width: usize, values: usize, target: &mut [f64]) {
    for h in 0..width {
        let row = &source[h * values..(h + 1) * values];
        target[h * (values + 1)..][..values].copy_from_slice(row);
        target[h * (values + 1) + values] = log_sum_exp(row.iter().copied());
    }
}

fn pack_panels(source: &[f64], [blocks, outputs, inputs]: [usize; 3], tile: usize, target: &mut [f64]) {
    let panels = outputs.div_ceil(tile);
    for g in 0..blocks {
        for o in 0..outputs {
            for i in 0..inputs {
                let panel = ((g * panels + o / tile) * inputs + i) * tile;
                target[panel + o % tile] = source[(g * outputs + o) * inputs + i];
            }
        }
    }
}

struct Machine<'a> {
    plan: &'a Plan,
    packed: &'a [f64],
    observed: Vec<usize>,
    arena: Vec<f64>,
}

impl Machine<'_> {
    fn run(mut self) -> f64 {
        let mut parity = 0;
        for step in &self.plan.steps {
            match step {
                Step::Launch(launch) => self.launch(launch, parity, 0),
                Step::Loop(chain) => {
                    for i in 0..chain.steps {
                        for launch in &chain.body {
                            self.launch(launch, i as usize % 2, i);
                        }
                    }
                    parity = chain.steps as usize % 2;
                }
            }
        }
        self.arena[self.plan.root as usize]
    }

    fn launch(&mut self, launch: &Launch, parity: usize, iteration: u32) {
        let kernel = &self.plan.kernels[launch.kernel as usize];
        let length = kernel.record_len();
        for member in 0..launch.members as usize {
            let start = launch.table[parity] as usize + member * length;
            let record = &self.plan.tables[start..start + length];
            let result = self.member(kernel, record, iteration);
            self.arena[record[0] as usize..][..result.len()].copy_from_slice(&result);
        }
    }

    fn member(&self, kernel: &Kernel, record: &[u32], iteration: u32) -> Vec<f64> {
        let operands = &record[2..];
        let weights = &self.packed[record[1] as usize * CHUNK..];
        match kernel {
            &Kernel::Product { width, parts, inputs } => {
                (0..width as usize).map(|h| self.product(operands, parts, inputs, h, iteration)).collect()
            }
            &Kernel::Gaussian { width } => (0..width as usize).map(|h| self.gaussian(operands, h, iteration)).collect(),
            Kernel::Kronecker { widths } => self.kronecker(widths, operands),
            Kernel::Stage(stage) => self.stage(stage, weights, operands, iteration),
            &Kernel::Mixing { width, inputs } => {
                (0..width as usize).map(|h| self.mixing(&weights[h * inputs as usize..], operands, h)).collect()
            }
            &Kernel::Permute { outer, rows, columns } => {
                let at = |o, c, r| self.arena[(operands[0] + (o * rows + r) * columns + c) as usize];
                let index = |o| (0..columns).flat_map(move |c| (0..rows).map(move |r| (o, c, r)));
                (0..outer).flat_map(index).map(|(o, c, r)| at(o, c, r)).collect()
            }
            Kernel::Concat { widths } => {
                let part = |(&start, &width): (&u32, &u32)| start..start + width;
                operands.iter().zip(widths).flat_map(part).map(|row| self.arena[row as usize]).collect()
            }
        }
    }

    /// The sum of `parts` rows of the arena and `inputs` table entries at unit `h`.
    fn product(&self, operands: &[u32], parts: u32, inputs: u32, h: usize, iteration: u32) -> f64 {
        let (rows, columns) = operands.split_at(parts as usize);
        let from_arena: f64 = rows.iter().map(|&row| self.arena[row as usize + h]).sum();
        let gather = |input: &[u32]| {
            let variable = input[0].wrapping_add(iteration.wrapping_mul(input[1])) as usize;
            self.packed[input[2] as usize * CHUNK + h * input[3] as usize + self.observed[variable]]
        };
        from_arena + columns.chunks_exact(4).take(inputs as usize).map(gather).sum::<f64>()
    }

    fn gaussian(&self, input: &[u32], h: usize, iteration: u32) -> f64 {
        let variable = input[0].wrapping_add(iteration.wrapping_mul(input[1])) as usize;
        let unit = &self.packed[input[2] as usize * CHUNK + h * input[3] as usize..];
        match self.observed[variable] as u32 {
            REAL_MISSING => unit[3],
            bits => unit[2] - 0.5 * ((f64::from(f32::from_bits(bits)) - unit[0]) * unit[1]).powi(2),
        }
    }

    fn kronecker(&self, widths: &[u32], operands: &[u32]) -> Vec<f64> {
        let mut result = vec![0.0];
        for (&start, &width) in operands.iter().zip(widths) {
            let part = &self.arena[start as usize..(start + width) as usize];
            result = result.iter().flat_map(|&before| part.iter().map(move |&x| before + x)).collect();
        }
        result
    }

    fn stage(&self, stage: &StageKernel, weights: &[f64], operands: &[u32], iteration: u32) -> Vec<f64> {
        let [blocks, distinct, outputs, inputs, rows] =
            [stage.blocks, stage.distinct, stage.outputs, stage.inputs, stage.rows].map(|n| n as usize);
        let tile = match stage.schedule {
            Schedule::Panels { tile, .. } => tile as usize,
            Schedule::Narrow => 1,
        };
        let (before, after) = operands.split_at((stage.prologue_parts + 4 * stage.prologue_inputs) as usize);
        let mut result = vec![f64::NAN; blocks * outputs];
        for g in 0..blocks {
            let read = |i| self.product(before, stage.prologue_parts, stage.prologue_inputs, g * inputs + i, iteration);
            let x: Vec<f64> = (0..inputs).map(read).collect();
            for o in 0..outputs {
                let panel = ((g % distinct) * outputs.div_ceil(tile) + o / tile) * inputs * tile;
                let weight = |i: usize| weights[panel + i * tile + o % tile];
                let sum = log_sum_exp((0..inputs).map(|i| weight(i).ln() + x[i]));
                let p = ((g / rows) * outputs + o) * rows + g % rows;
                result[p] = sum + self.product(after, stage.epilogue_parts, stage.epilogue_inputs, p, iteration);
            }
        }
        result
    }

    fn mixing(&self, weights: &[f64], operands: &[u32], h: usize) -> f64 {
        log_sum_exp(operands.iter().zip(weights).map(|(&row, w)| w.ln() + self.arena[row as usize + h]))
    }
}
