//! Work and memory of a plan, per sample and forward pass: `--emit=stats` and `inspect`.
//!
//! # Design
//!
//! * FLOPs count what sums multiply and add: two for each weight that is used. Additions of log-values,
//!   exponentials and logarithms are counted apart, as [`Work::exponentials`].
//! * Bytes are those of the arena, read and written once by each launch; weights are counted apart, since a
//!   batch reads them together.
//! * The dense comparison is what the sums of the circuit would cost if each had one full matrix.

use crate::circuit::{Circuit, LayerGraph, Op, ParameterShape, SumKind};
use crate::plan::packs::floats;
use crate::plan::print::describe;
use danaus_artifact::plan::{CHUNK, Kernel, Launch, Layout, Plan, Schedule, StageKernel, Step};
use serde_json::{Value, json};
use std::fmt::Write;
use std::ops::AddAssign;

/// What is done for one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiplications and additions of sums.
    pub flops: u64,
    /// Exponentials and logarithms.
    pub exponentials: u64,
    /// Bytes of the arena read and written.
    pub bytes: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.flops += other.flops;
        self.exponentials += other.exponentials;
        self.bytes += other.bytes;
    }
}

/// A launch of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchStats {
    /// The layer it computes.
    pub label: String,
    /// Index of the kernel.
    pub kernel: u32,
    /// What the kernel does.
    pub description: String,
    /// Members it computes.
    pub members: u32,
    /// How often it runs.
    pub runs: u32,
    /// What all its runs do for one sample.
    pub work: Work,
    /// Bytes of weights that one run reads.
    pub weight_bytes: u64,
}

/// A parameter of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterStats {
    /// Its name.
    pub name: String,
    /// Its extents.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: u64,
    /// Whether it stands in parameter files.
    pub stored: bool,
}

/// Work and memory of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// The circuit's name.
    pub name: String,
    /// Number of variables.
    pub variables: u64,
    /// The parameters.
    pub parameters: Vec<ParameterStats>,
    /// Values of all of them.
    pub parameter_values: u64,
    /// Bytes of the packed parameters.
    pub packed_bytes: u64,
    /// The launches, those of loops once.
    pub launches: Vec<LaunchStats>,
    /// Launches of one evaluation, those of loops as often as they run.
    pub runs: u64,
    /// Number of distinct kernels.
    pub kernels: u64,
    /// Rows of the arena.
    pub arena_rows: u64,
    /// Bytes of the arena for each sample.
    pub arena_bytes_per_sample: u64,
    /// Everything together.
    pub total: Work,
    /// FLOPs and weights if every sum had one full matrix; known if the circuit before `lower-monarch` is.
    pub dense: Option<Dense>,
}

/// What sums would cost with full matrices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dense {
    /// FLOPs per sample.
    pub flops: u64,
    /// Weights, tied ones once.
    pub weights: u64,
    /// Weights that the sums really have, tied ones once.
    pub weights_now: u64,
}

/// Counts the work of a plan. `sums` is the circuit before its sums were lowered.
pub fn stats(plan: &Plan, sums: Option<&Circuit>) -> Stats {
    let mut launches = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Launch(launch) => launches.push(of_launch(plan, launch, 1)),
            Step::Loop(chain) => {
                launches.extend(chain.body.iter().map(|launch| of_launch(plan, launch, chain.steps)));
            }
        }
    }
    let mut total = Work::default();
    launches.iter().for_each(|launch| total += launch.work);
    let parameters: Vec<ParameterStats> = plan.parameters.iter().map(of_parameter).collect();
    Stats {
        name: plan.name.clone(),
        variables: plan.variables.iter().map(|array| array.shape.iter().product::<usize>() as u64).sum(),
        parameter_values: parameters.iter().map(|parameter| parameter.values).sum(),
        parameters,
        packed_bytes: u64::from(plan.packed_chunks) * 4 * CHUNK as u64,
        runs: launches.iter().map(|launch| u64::from(launch.runs)).sum(),
        launches,
        kernels: plan.kernels.len() as u64,
        arena_rows: u64::from(plan.rows),
        arena_bytes_per_sample: 4 * u64::from(plan.rows),
        total,
        dense: sums.map(|circuit| dense(circuit, plan)),
    }
}

fn of_parameter(parameter: &crate::circuit::Parameter) -> ParameterStats {
    let shape = match parameter.shape {
        ParameterShape::Table { width, values } => vec![width, values],
        ParameterShape::Weight { outputs, inputs, dense: true, blocks: _ } => vec![outputs, inputs],
        ParameterShape::Weight { blocks, outputs, inputs, dense: false } => vec![blocks, outputs, inputs],
        ParameterShape::Mixing { width, inputs } => vec![width, inputs],
        ParameterShape::Gaussian { width, .. } => vec![width, 2],
    };
    let values = shape.iter().map(|&extent| extent as u64).product();
    ParameterStats { name: parameter.name.clone(), shape, values, stored: parameter.is_stored() }
}

fn of_launch(plan: &Plan, launch: &Launch, runs: u32) -> LaunchStats {
    let kernel = &plan.kernels[launch.kernel as usize];
    let times = u64::from(launch.members) * u64::from(runs);
    let one = of_member(kernel);
    let work = Work { flops: one.flops * times, exponentials: one.exponentials * times, bytes: one.bytes * times };
    LaunchStats {
        label: launch.label.clone(),
        kernel: launch.kernel,
        description: describe(kernel),
        members: launch.members,
        runs,
        work,
        weight_bytes: weight_bytes(plan, kernel, launch),
    }
}

/// What a kernel does for one member and sample.
pub fn of_member(kernel: &Kernel) -> Work {
    let moved = |rows: u64| Work { bytes: 4 * rows, ..Work::default() };
    match kernel {
        &Kernel::Product { width, parts, inputs } => moved(u64::from(width) * u64::from(1 + parts + inputs)),
        &Kernel::Gaussian { width } => moved(2 * u64::from(width)),
        Kernel::Kronecker { widths } => moved(
            widths.iter().map(|&w| u64::from(w)).product::<u64>() + widths.iter().map(|&w| u64::from(w)).sum::<u64>(),
        ),
        Kernel::Concat { widths } => moved(2 * widths.iter().map(|&w| u64::from(w)).sum::<u64>()),
        &Kernel::Permute { outer, rows, columns } => moved(2 * u64::from(outer) * u64::from(rows) * u64::from(columns)),
        &Kernel::Mixing { width, inputs } => {
            let values = u64::from(width) * u64::from(inputs);
            Work { flops: 2 * values, exponentials: values + u64::from(width), bytes: 4 * (values + u64::from(width)) }
        }
        Kernel::Stage(stage) => of_stage(stage),
    }
}

fn of_stage(stage: &StageKernel) -> Work {
    let [blocks, outputs, inputs] = [stage.blocks, stage.outputs, stage.inputs].map(u64::from);
    let read = u64::from(stage.prologue_parts + stage.prologue_inputs) * blocks * inputs;
    let after = u64::from(stage.epilogue_parts + stage.epilogue_inputs) * blocks * outputs;
    let chunks = match stage.schedule {
        Schedule::Panels { chunk, .. } => u64::from(stage.outputs.div_ceil(chunk)),
        Schedule::Narrow => 1,
    };
    Work {
        flops: 2 * blocks * outputs * inputs,
        exponentials: blocks * (chunks * inputs + outputs),
        bytes: 4 * (read + after + blocks * outputs),
    }
}

/// Bytes of the distinct weights of a launch.
fn weight_bytes(plan: &Plan, kernel: &Kernel, launch: &Launch) -> u64 {
    if !matches!(kernel, Kernel::Stage(_) | Kernel::Mixing { .. }) {
        return 0;
    }
    let length = kernel.record_len();
    let start = launch.table[0] as usize;
    let records = plan.tables[start..start + length * launch.members as usize].chunks_exact(length);
    let mut offsets: Vec<u32> = records.map(|record| record[1]).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let packs = offsets.iter().filter_map(|offset| {
        let found = plan.packs.binary_search_by_key(offset, |pack| pack.offset).ok()?;
        Some(&plan.packs[found])
    });
    packs.map(|pack| 4 * floats(&plan.parameters[pack.parameter as usize].shape, pack.layout) as u64).sum()
}

/// Every sum with one operand as one full matrix; weights of tied sums once.
fn dense(circuit: &Circuit, plan: &Plan) -> Dense {
    let mut found = Dense::default();
    let mut seen = vec![false; circuit.parameters.len()];
    count_dense(circuit, &circuit.graph, 1, &mut seen, &mut found);
    for pack in &plan.packs {
        let shape = &plan.parameters[pack.parameter as usize].shape;
        if let (&ParameterShape::Weight { blocks, outputs, inputs, dense: _ }, Layout::Panels { .. }) =
            (shape, pack.layout)
        {
            found.weights_now += (blocks * outputs * inputs) as u64;
        }
    }
    found
}

fn count_dense(circuit: &Circuit, graph: &LayerGraph, times: u64, seen: &mut [bool], found: &mut Dense) {
    for (_, layer) in graph.layers() {
        match &layer.op {
            Op::Scan(scan) => count_dense(circuit, &scan.body, times * scan.steps as u64, seen, found),
            Op::Sum(SumKind::Mixing) => {}
            Op::Sum(_) => {
                for member in &layer.members {
                    let inputs = circuit.operand_width(graph, member.operands[0]);
                    let weights = layer.width as u64 * inputs as u64;
                    found.flops += 2 * weights * times;
                    let tie = member.parameters.first().map(|id| &mut seen[id.0 as usize]);
                    if tie.is_none_or(|seen| !std::mem::replace(seen, true)) {
                        found.weights += weights;
                    }
                }
            }
            _ => {}
        }
    }
}

impl Stats {
    /// The statistics as JSON.
    pub fn to_json(&self) -> Value {
        let work = |work: &Work| json!({ "flops": work.flops, "exponentials": work.exponentials, "bytes": work.bytes });
        let parameter =
            |p: &ParameterStats| json!({ "name": p.name, "shape": p.shape, "values": p.values, "stored": p.stored });
        let launch = |l: &LaunchStats| {
            json!({
                "label": l.label, "kernel": l.kernel, "description": l.description, "members": l.members,
                "runs": l.runs, "per_sample": work(&l.work), "weight_bytes": l.weight_bytes,
            })
        };
        let dense = self
            .dense
            .map(|dense| json!({ "flops": dense.flops, "weights": dense.weights, "weights_now": dense.weights_now }));
        json!({
            "name": self.name,
            "variables": self.variables,
            "parameters": self.parameters.iter().map(parameter).collect::<Vec<_>>(),
            "parameter_values": self.parameter_values,
            "packed_bytes": self.packed_bytes,
            "launches": self.launches.iter().map(launch).collect::<Vec<_>>(),
            "launches_run": self.runs,
            "kernels": self.kernels,
            "arena_rows": self.arena_rows,
            "arena_bytes_per_sample": self.arena_bytes_per_sample,
            "per_sample": work(&self.total),
            "dense": dense,
        })
    }

    /// The statistics as tables.
    pub fn to_text(&self) -> String {
        let mut text = format!("circuit {}: {} variables\n", self.name, number(self.variables));
        self.parameter_table(&mut text);
        self.launch_table(&mut text);
        let _ = writeln!(text, "\nper sample, forward");
        let mut line = |label: &str, value: String| {
            let _ = writeln!(text, "  {label:<22}{value}");
        };
        line("FLOPs of sums", number(self.total.flops));
        if let Some(dense) = self.dense.filter(|dense| dense.flops > self.total.flops) {
            let ratio =
                |dense: u64, now: u64| format!("{} ({:.1} times)", number(dense), dense as f64 / now.max(1) as f64);
            line("  with dense sums", ratio(dense.flops, self.total.flops));
            line("weights of sums", number(dense.weights_now));
            line("  with dense sums", ratio(dense.weights, dense.weights_now));
        }
        line("exp and log", number(self.total.exponentials));
        line("bytes moved", number(self.total.bytes));
        line("arena", format!("{} bytes ({} rows)", number(self.arena_bytes_per_sample), number(self.arena_rows)));
        line("launches", format!("{} ({} in the plan)", number(self.runs), self.launches.len()));
        line("kernels", number(self.kernels));
        text
    }

    fn parameter_table(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\nparameters: {} values, {} bytes packed",
            number(self.parameter_values),
            number(self.packed_bytes)
        );
        for parameter in &self.parameters {
            let shape: Vec<String> = parameter.shape.iter().map(usize::to_string).collect();
            let name = format!("@{}", parameter.name);
            let _ = writeln!(
                text,
                "  {name:<24} {:<20} {:>16}",
                format!("[{}]", shape.join(", ")),
                number(parameter.values)
            );
        }
    }

    fn launch_table(&self, text: &mut String) {
        let _ =
            writeln!(text, "\n{:<12} {:>7} {:>7} {:>16} {:>14}  kernel", "launch", "members", "runs", "FLOPs", "bytes");
        for launch in &self.launches {
            let _ = writeln!(
                text,
                "{:<12} {:>7} {:>7} {:>16} {:>14}  {}",
                launch.label,
                launch.members,
                launch.runs,
                number(launch.work.flops),
                number(launch.work.bytes),
                launch.description,
            );
        }
    }
}

/// A number with its thousands apart.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::samples::monarch_hmm;
    use crate::plan::{PlanOptions, lower};

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1234567), "1 234 567");
    }

    #[test]
    fn a_monarch_step_costs_the_sum_of_its_factors() {
        let circuit = monarch_hmm(11, &[8, 16]);
        let plan = lower(&circuit, &PlanOptions::default());
        let found = stats(&plan, None);
        assert_eq!(found.total.flops, 10 * 2 * 128 * (8 + 16) + 2 * 128);
        assert_eq!(plan.flops(), found.total.flops);
        assert_eq!(found.parameter_values, 128 * 5 + 128 * (8 + 16) + 128);
    }
}
