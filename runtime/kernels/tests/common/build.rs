//! Plans written by hand.

use super::Random;
use danaus_artifact::plan::{CHUNK, Kernel, Launch, Layout, Loop, Pack, Plan, Schedule, StageKernel, Step};
use danaus_artifact::signature::{Domain, Init, Parameter, ParameterShape, VariableArray};

pub struct Builder {
    pub plan: Plan,
    /// Of the parameters.
    pub values: Vec<Vec<f32>>,
}

impl Builder {
    pub fn new(variables: usize, values: usize) -> Self {
        let domain = Domain::Categorical(values);
        let plan = Plan {
            name: "test".into(),
            fingerprint: String::new(),
            variables: vec![VariableArray { name: "x".into(), shape: vec![variables], domain }],
            parameters: vec![],
            packs: vec![],
            packed_chunks: 0,
            rows: 0,
            kernels: vec![],
            tables: vec![],
            steps: vec![],
            root: 0,
            root_offset: false,
        };
        Builder { plan, values: vec![] }
    }

    pub fn rows(&mut self, count: usize) -> u32 {
        self.plan.rows += count as u32;
        self.plan.rows - count as u32
    }

    fn parameter(&mut self, shape: ParameterShape, layout: Layout, packed: usize, values: Vec<f32>) -> u32 {
        let offset = self.plan.packed_chunks;
        let parameter = self.plan.parameters.len() as u32;
        self.plan.parameters.push(Parameter { name: format!("p{parameter}"), shape, init: Init::Random });
        self.plan.packs.push(Pack { offset, parameter, layout });
        self.plan.packed_chunks += packed.div_ceil(CHUNK) as u32;
        self.values.push(values);
        offset
    }

    /// `[width, values]`, logarithms.
    pub fn table(&mut self, width: usize, values: usize, data: Vec<f32>) -> u32 {
        self.parameter(ParameterShape::Table { width, values }, Layout::Table, width * (values + 1), data)
    }

    /// `[blocks, outputs, inputs]`, linear.
    pub fn weight(&mut self, [blocks, outputs, inputs]: [usize; 3], tile: usize, data: Vec<f32>) -> u32 {
        let shape = ParameterShape::Weight { blocks, outputs, inputs, dense: blocks == 1 };
        let packed = blocks * outputs.next_multiple_of(tile) * inputs;
        self.parameter(shape, Layout::Panels { tile: tile as u32 }, packed, data)
    }

    /// `[width, inputs]`, linear.
    pub fn mixing(&mut self, width: usize, inputs: usize, data: Vec<f32>) -> u32 {
        self.parameter(ParameterShape::Mixing { width, inputs }, Layout::Mixing, width * inputs, data)
    }

    pub fn record(&mut self, words: &[u32]) {
        self.plan.tables.extend_from_slice(words);
    }

    /// A launch with equal records for both parities.
    pub fn launch(&mut self, kernel: Kernel, records: &[Vec<u32>]) -> Launch {
        self.launch_by_parity(kernel, [records, records])
    }

    pub fn launch_by_parity(&mut self, kernel: Kernel, records: [&[Vec<u32>]; 2]) -> Launch {
        let index = self.plan.kernels.iter().position(|known| *known == kernel).unwrap_or(self.plan.kernels.len());
        if index == self.plan.kernels.len() {
            self.plan.kernels.push(kernel);
        }
        let mut table = [0; 2];
        for (parity, records) in records.iter().enumerate() {
            table[parity] = self.plan.tables.len() as u32;
            records.iter().for_each(|record| self.record(record));
        }
        Launch { kernel: index as u32, table, members: records[0].len() as u32, label: format!("%{index}") }
    }

    pub fn step(&mut self, kernel: Kernel, records: &[Vec<u32>]) {
        let launch = self.launch(kernel, records);
        self.plan.steps.push(Step::Launch(launch));
    }

    /// Reads `width` units that are the log-probabilities of a variable with `values` values.
    pub fn input(&mut self, variable: usize, width: usize, values: usize, data: Vec<f32>) -> u32 {
        let table = self.table(width, values, data);
        let row = self.rows(width);
        let kernel = Kernel::Product { width: width as u32, parts: 0, inputs: 1 };
        self.step(kernel, &[vec![row, 0, variable as u32, 0, table, values as u32 + 1]]);
        row
    }

    /// Makes the value of a plan depend on every unit of a layer: a sum with random weights.
    pub fn finish(&mut self, row: u32, width: usize, random: &mut Random) {
        let weights = rows_of(random, 1, width, 0.0);
        let weight = self.weight([1, 1, width], 1, weights);
        let root = self.rows(1);
        self.step(Kernel::Stage(stage([1, 1, 1, width], 1, Schedule::Narrow)), &[vec![root, weight, row]]);
        self.plan.root = root;
    }
}

/// A stage with one part before the sum and nothing after it.
pub fn stage([blocks, distinct, outputs, inputs]: [usize; 4], rows: usize, schedule: Schedule) -> StageKernel {
    StageKernel {
        blocks: blocks as u32,
        distinct: distinct as u32,
        outputs: outputs as u32,
        inputs: inputs as u32,
        rows: rows as u32,
        prologue_parts: 1,
        prologue_inputs: 0,
        epilogue_parts: 0,
        epilogue_inputs: 0,
        schedule,
    }
}

/// Random rows that sum to 1, in single precision; some entries are 0.
pub fn rows_of(random: &mut Random, rows: usize, length: usize, zeros: f64) -> Vec<f32> {
    let mut all = Vec::with_capacity(rows * length);
    for _ in 0..rows {
        let keep = random.below(length);
        let row: Vec<f64> =
            (0..length).map(|i| if i != keep && random.coin(zeros) { 0.0 } else { -random.unit().ln() }).collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.iter().map(|x| (x / sum) as f32));
    }
    all
}

/// Logarithms of [`rows_of`].
pub fn log_rows_of(random: &mut Random, rows: usize, length: usize, zeros: f64) -> Vec<f32> {
    rows_of(random, rows, length, zeros).into_iter().map(f32::ln).collect()
}

/// Evidence `[variables][batch]`; some of it missing.
pub fn evidence(random: &mut Random, variables: usize, values: usize, batch: usize, missing: f64) -> Vec<u32> {
    (0..variables * batch)
        .map(|_| if random.coin(missing) { values as u32 } else { random.below(values) as u32 })
        .collect()
}

/// How a chain's transition is written.
pub enum Transition {
    /// `[states, states]`
    Dense,
    /// `b_1, b_2`: `[states / b_k, b_k, b_k]` each.
    Monarch([usize; 2]),
}

/// What a hidden Markov model is made of: linear probabilities.
pub struct Chain {
    pub states: usize,
    pub values: usize,
    pub length: usize,
    pub transition: Transition,
    /// Dense or factor 1, and factor 2.
    pub weights: Vec<Vec<f32>>,
    /// `[states, values]`, logarithms.
    pub emission: Vec<f32>,
    pub initial: Vec<f32>,
}

impl Chain {
    pub fn random(states: usize, values: usize, length: usize, transition: Transition, random: &mut Random) -> Self {
        let weights = match &transition {
            Transition::Dense => vec![rows_of(random, states, states, 0.0)],
            Transition::Monarch(factors) => factors.map(|b| rows_of(random, states, b, 0.0)).to_vec(),
        };
        let emission = log_rows_of(random, states, values, 0.0);
        let initial = rows_of(random, 1, states, 0.0);
        Chain { states, values, length, transition, weights, emission, initial }
    }

    /// The forward algorithm, from the end backwards, in double precision.
    pub fn log_likelihood(&self, observed: &[u32]) -> f64 {
        let emission = |t: usize, z: usize| {
            let row = &self.emission[z * self.values..][..self.values];
            match row.get(observed[t] as usize) {
                Some(&x) => f64::from(x).exp(),
                None => row.iter().map(|&x| f64::from(x).exp()).sum(),
            }
        };
        let last = observed.len() - 1;
        let mut beta: Vec<f64> = (0..self.states).map(|z| emission(last, z)).collect();
        let mut log = 0.0;
        for t in (0..last).rev() {
            beta = self.step(&beta);
            beta.iter_mut().enumerate().for_each(|(z, x)| *x *= emission(t, z));
            let sum: f64 = beta.iter().sum();
            beta.iter_mut().for_each(|x| *x /= sum);
            log += sum.ln();
        }
        log + beta.iter().zip(&self.initial).map(|(x, &w)| x * f64::from(w)).sum::<f64>().ln()
    }

    fn step(&self, beta: &[f64]) -> Vec<f64> {
        let rows = |weights: &[f32], b: usize, x: &[f64]| -> Vec<f64> {
            weights
                .chunks(b)
                .enumerate()
                .map(|(row, w)| w.iter().zip(&x[row / b * b..]).map(|(&w, x)| f64::from(w) * x).sum())
                .collect()
        };
        match self.transition {
            Transition::Dense => rows(&self.weights[0], self.states, beta),
            Transition::Monarch(factors) => {
                let mut x = beta.to_vec();
                for k in [1, 0] {
                    let b = factors[k];
                    let y = rows(&self.weights[k], b, &x);
                    x = (0..self.states).map(|p| y[p % (self.states / b) * b + p / (self.states / b)]).collect();
                }
                x
            }
        }
    }

    /// The plan of the chain, from the end backwards, with tiles of the given shape.
    pub fn plan(&self, schedule: impl Fn(usize) -> Schedule, rescale: u32) -> Builder {
        let Chain { states, values, length, .. } = *self;
        let mut builder = Builder::new(length, values);
        let emission = builder.table(states, values, self.emission.clone());
        let pitch = values as u32 + 1;
        let (carry, other) = (builder.rows(states), builder.rows(states));
        let product = Kernel::Product { width: states as u32, parts: 0, inputs: 1 };
        builder.step(product, &[vec![carry, 0, length as u32 - 1, 0, emission, pitch]]);
        // At length 1 the loop is not there, and the variable would be before the first.
        let input = [(length as u32).saturating_sub(2), -1i32 as u32, emission, pitch];
        let (body, carries) = match self.transition {
            Transition::Dense => self.dense_body(&mut builder, &schedule, [carry, other], &input),
            Transition::Monarch(factors) => self.monarch_body(&mut builder, &schedule, factors, [carry, other], &input),
        };
        let steps = length as u32 - 1;
        if steps > 0 {
            builder.plan.steps.push(Step::Loop(Loop { steps, body, carry: carries, width: states as u32, rescale }));
            builder.plan.root_offset = true;
        }
        let weight = builder.weight([1, 1, states], 1, self.initial.clone());
        let root = builder.rows(1);
        let records = carries.map(|carry| vec![root, weight, carry]);
        let last = builder.launch_by_parity(
            Kernel::Stage(stage([1, 1, 1, states], 1, Schedule::Narrow)),
            [&records[..1], &records[1..]],
        );
        builder.plan.steps.push(Step::Launch(last));
        builder.plan.root = root;
        builder
    }

    /// One stage that alternates between two places.
    fn dense_body(
        &self,
        builder: &mut Builder,
        schedule: &impl Fn(usize) -> Schedule,
        carry: [u32; 2],
        input: &[u32],
    ) -> (Vec<Launch>, [u32; 2]) {
        let schedule = schedule(self.states);
        let weight = builder.weight([1, self.states, self.states], tile_of(schedule), self.weights[0].clone());
        let kernel = StageKernel { epilogue_inputs: 1, ..stage([1, 1, self.states, self.states], 1, schedule) };
        let record = |from: u32, to: u32| [&[to, weight, from], input].concat();
        let records = [record(carry[0], carry[1]), record(carry[1], carry[0])];
        let launch = builder.launch_by_parity(Kernel::Stage(kernel), [&records[..1], &records[1..]]);
        (vec![launch], carry)
    }

    /// Two stages; the second replaces the carry.
    fn monarch_body(
        &self,
        builder: &mut Builder,
        schedule: &impl Fn(usize) -> Schedule,
        factors: [usize; 2],
        [carry, between]: [u32; 2],
        input: &[u32],
    ) -> (Vec<Launch>, [u32; 2]) {
        let mut body = Vec::new();
        for (k, from, to) in [(1, carry, between), (0, between, carry)] {
            let b = factors[k];
            let blocks = self.states / b;
            let schedule = schedule(b);
            let weight = builder.weight([blocks, b, b], tile_of(schedule), self.weights[k].clone());
            let last = k == 0;
            let kernel =
                StageKernel { epilogue_inputs: u32::from(last), ..stage([blocks, blocks, b, b], blocks, schedule) };
            let after: &[u32] = if last { input } else { &[] };
            let record = [&[to, weight, from][..], after].concat();
            body.push(builder.launch(Kernel::Stage(kernel), &[record]));
        }
        (body, [carry, carry])
    }
}

pub fn tile_of(schedule: Schedule) -> usize {
    match schedule {
        Schedule::Panels { tile, .. } => tile as usize,
        Schedule::Narrow => 1,
    }
}
