//! A float64 evaluator of kernel plans, written like the documentation of the plan.

use danaus_artifact::plan::{Kernel, Launch, Plan, StageKernel, Step};

struct State<'a> {
    plan: &'a Plan,
    values: &'a [Vec<f32>],
    evidence: &'a [u32],
    batch: usize,
    /// `[row][sample]`
    arena: Vec<Vec<f64>>,
}

/// Log-likelihoods; rescaling does not exist in double precision.
pub fn evaluate(plan: &Plan, values: &[Vec<f32>], evidence: &[u32], batch: usize) -> Vec<f64> {
    let arena = vec![vec![f64::NAN; batch]; plan.rows as usize];
    let mut state = State { plan, values, evidence, batch, arena };
    let mut parity = 0;
    for step in &plan.steps {
        match step {
            Step::Launch(launch) => state.launch(launch, parity, 0),
            Step::Loop(body) => {
                for iteration in 0..body.steps {
                    for launch in &body.body {
                        state.launch(launch, iteration as usize % 2, iteration);
                    }
                }
                parity = body.steps as usize % 2;
            }
        }
    }
    state.arena[plan.root as usize].clone()
}

pub fn log_sum_exp(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let high = terms.clone().fold(f64::NEG_INFINITY, f64::max);
    if high == f64::NEG_INFINITY { high } else { high + terms.map(|x| (x - high).exp()).sum::<f64>().ln() }
}

impl State<'_> {
    fn parameter(&self, offset: u32, width: Option<usize>) -> &[f32] {
        let pack = self.plan.packs.iter().find(|pack| pack.offset == offset).expect("a pack starts there");
        let values = &self.values[pack.parameter as usize];
        assert!(width.is_none_or(|width| values.len().is_multiple_of(width)));
        values
    }

    fn launch(&mut self, launch: &Launch, parity: usize, iteration: u32) {
        let kernel = &self.plan.kernels[launch.kernel as usize];
        let mut written = Vec::new();
        for member in 0..launch.members as usize {
            let at = launch.table[parity] as usize + member * kernel.record_len();
            let record = &self.plan.tables[at..at + kernel.record_len()];
            for sample in 0..self.batch {
                written.push((record[0] as usize, sample, self.member(kernel, record, iteration, sample)));
            }
        }
        for (row, sample, result) in written {
            for (h, value) in result.into_iter().enumerate() {
                self.arena[row + h][sample] = value;
            }
        }
    }

    fn part(&self, row: u32, h: usize, sample: usize) -> f64 {
        self.arena[row as usize + h][sample]
    }

    fn sum(&self, parts: &[u32], inputs: &[u32], iteration: u32, h: usize, sample: usize) -> f64 {
        let parts: f64 = parts.iter().map(|&row| self.part(row, h, sample)).sum();
        let inputs = inputs.chunks(4).map(|input| {
            let variable = input[0].wrapping_add(iteration.wrapping_mul(input[1])) as usize;
            let values = input[3] as usize - 1;
            let row = &self.parameter(input[2], Some(values))[h * values..][..values];
            let observed = self.evidence[variable * self.batch + sample] as usize;
            row.get(observed).map_or_else(|| log_sum_exp(row.iter().map(|&x| f64::from(x))), |&x| f64::from(x))
        });
        parts + inputs.sum::<f64>()
    }

    fn member(&self, kernel: &Kernel, record: &[u32], iteration: u32, sample: usize) -> Vec<f64> {
        let operands = &record[2..];
        match kernel {
            Kernel::Product { width, parts, .. } => {
                let (parts, inputs) = operands.split_at(*parts as usize);
                (0..*width as usize).map(|h| self.sum(parts, inputs, iteration, h, sample)).collect()
            }
            Kernel::Gaussian { .. } => panic!("plans of these tests have no Gaussian units"),
            Kernel::Kronecker { widths } => operands.iter().zip(widths).fold(vec![0.0], |all, (&row, &width)| {
                all.iter().flat_map(|x| (0..width as usize).map(move |h| x + self.part(row, h, sample))).collect()
            }),
            Kernel::Concat { widths } => operands
                .iter()
                .zip(widths)
                .flat_map(|(&row, &width)| (0..width as usize).map(move |h| self.part(row, h, sample)))
                .collect(),
            Kernel::Mixing { width, inputs } => (0..*width as usize)
                .map(|h| {
                    let weights = &self.parameter(record[1], None)[h * *inputs as usize..];
                    log_sum_exp(
                        operands.iter().zip(weights).map(|(&row, &w)| f64::from(w).ln() + self.part(row, h, sample)),
                    )
                })
                .collect(),
            Kernel::Permute { outer, rows, columns } => {
                let [outer, rows, columns] = [outer, rows, columns].map(|&size| size as usize);
                let mut result = Vec::new();
                for o in 0..outer {
                    for c in 0..columns {
                        for r in 0..rows {
                            result.push(self.part(operands[0], (o * rows + r) * columns + c, sample));
                        }
                    }
                }
                result
            }
            Kernel::Stage(stage) => self.stage(stage, record, iteration, sample),
        }
    }

    fn stage(&self, stage: &StageKernel, record: &[u32], iteration: u32, sample: usize) -> Vec<f64> {
        let [blocks, distinct, outputs, inputs, rows] =
            [stage.blocks, stage.distinct, stage.outputs, stage.inputs, stage.rows].map(|size| size as usize);
        let weights = self.parameter(record[1], None);
        let (before_parts, rest) = record[2..].split_at(stage.prologue_parts as usize);
        let (before_inputs, rest) = rest.split_at(4 * stage.prologue_inputs as usize);
        let (after_parts, after_inputs) = rest.split_at(stage.epilogue_parts as usize);
        let mut result = vec![f64::NAN; blocks * outputs];
        for g in 0..blocks {
            let s: Vec<f64> =
                (0..inputs).map(|i| self.sum(before_parts, before_inputs, iteration, g * inputs + i, sample)).collect();
            for o in 0..outputs {
                let weights = &weights[((g % distinct) * outputs + o) * inputs..][..inputs];
                let t = log_sum_exp(weights.iter().zip(&s).map(|(&w, &s)| f64::from(w).ln() + s));
                let p = ((g / rows) * outputs + o) * rows + g % rows;
                result[p] = t + self.sum(after_parts, after_inputs, iteration, p, sample);
            }
        }
        result
    }
}
