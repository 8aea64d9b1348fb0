//! Checks a flow plan that has been laid out, before anything runs: see [`mod@crate::validate`].
//!
//! # The contract
//!
//! * Kernels have possible sizes; packs fit their parameters.
//! * Every record lies within the tables; its rows lie within the arena, its weights and tables are packs of exactly the shape
//!   the kernel reads, its counts are those of the same parameter, its variables exist and have the values of the table.
//! * Groups cover the members in order, and the members of a group count in the same place; no two groups of a launch
//!   do.
//! * Within a launch no row is written twice, and no row that is written is read.

use super::layout::{FlowLayout, Placed};
use crate::error::KernelError;
use crate::queries;
use crate::validate::{Checked, Checker, Rows, invalid, kernel_sizes, require, width_of};
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, FlowStep, GAUSSIAN_COUNTS, StageFlow, pitch};
use danaus_artifact::plan::{CHUNK, Kernel, Layout, Plan, Schedule, StageKernel};
use danaus_artifact::signature::{ParameterShape, REAL_MISSING};
use std::collections::{BTreeMap, BTreeSet};

/// What of a plan can be checked before it is laid out.
pub fn check_plan(plan: &FlowPlan) -> Checked {
    for kernel in &plan.kernels {
        check_kernel(kernel).map_err(invalid)?;
    }
    for body in &plan.loops {
        require(body.steps > 0 && body.width > 0 && body.rescale > 0, || "a loop of no size".to_string())?;
        require(body.rescale == u32::MAX || body.rescale == danaus_artifact::flow_plan::SEGMENT, || {
            format!("a loop is rescaled every {} iterations", body.rescale)
        })?;
        require(u64::from(body.root) + u64::from(body.width) <= u64::from(body.frame_rows), || {
            "the root of a loop lies outside of its frame".to_string()
        })?;
        for row in [body.first, body.result] {
            fixed_rows(plan, row, body.width)?;
        }
        for row in [body.result_flow, body.first_flow] {
            flow_rows(plan, row, body.width)?;
        }
    }
    queries::check::has_choices(&plan.kernels, plan.choices)?;
    require(plan.choices < 1 << 31, || format!("{} rows of choices", plan.choices))?;
    fixed_rows(plan, plan.root, 1)?;
    flow_rows(plan, plan.root_flow, 1)?;
    let launches = plan.loops.iter().flat_map(|body| body.forward.iter().chain(&body.backward));
    let steps = plan.forward.iter().chain(&plan.backward);
    let mut outside = Vec::new();
    for step in steps {
        match step {
            FlowStep::Launch(launch) => outside.push(launch),
            FlowStep::Loop(index) => require((*index as usize) < plan.loops.len(), || "an unknown loop".to_string())?,
        }
    }
    for launch in launches.chain(outside) {
        let kernel = plan.kernels.get(launch.kernel as usize);
        let (member, group) = kernel.ok_or_else(|| invalid("an unknown kernel".to_string()))?.record_len();
        let words = launch.members as usize * member + launch.groups as usize * group;
        require(words == launch.words.len(), || format!("the records of `{}` have another length", launch.label))?;
    }
    Ok(())
}

fn fixed_rows(plan: &FlowPlan, row: u32, width: u32) -> Checked {
    require(u64::from(row) + u64::from(width) <= u64::from(plan.rows), || {
        format!("row {row} is beyond the {} fixed ones", plan.rows)
    })
}

/// Fixed rows of a flow, or the row of a choice.
fn flow_rows(plan: &FlowPlan, row: u32, width: u32) -> Checked {
    if plan.choices == 0 {
        return fixed_rows(plan, row, width);
    }
    require(row < plan.choices, || format!("row {row} is beyond the {} of choices", plan.choices))
}

fn check_kernel(kernel: &FlowKernel) -> Result<(), String> {
    match kernel {
        // A sum of no flows is 0.
        FlowKernel::Layer(Kernel::Product { parts: 0, inputs: 0, width }) if *width > 0 => Ok(()),
        FlowKernel::Layer(kernel) => kernel_sizes(kernel),
        FlowKernel::Stage(stage) => {
            kernel_sizes(&Kernel::Stage(forward_kernel(stage)))?;
            let whole = stage.chunk == stage.inputs || stage.chunk.is_multiple_of(stage.tile.max(CHUNK as u32));
            let tile = stage.tile.is_power_of_two() && stage.tile <= CHUNK as u32;
            let vectors = stage.vectors.is_power_of_two() && stage.tile * stage.vectors <= 64;
            let distinct = stage.distinct > 0 && stage.blocks.is_multiple_of(stage.distinct);
            let chunk = stage.chunk > 0 && stage.chunk <= stage.inputs && whole;
            if tile && vectors && distinct && chunk { Ok(()) } else { Err("its schedule is not possible".to_string()) }
        }
        FlowKernel::Mixing { width, inputs, .. } => kernel_sizes(&Kernel::Mixing { width: *width, inputs: *inputs }),
        FlowKernel::Kronecker { widths } => kernel_sizes(&Kernel::Kronecker { widths: widths.clone() }),
        FlowKernel::Table { width } | FlowKernel::Gaussian { width } if *width > 0 => Ok(()),
        FlowKernel::Table { .. } | FlowKernel::Gaussian { .. } => Err("it has no units".to_string()),
        FlowKernel::Posterior { .. }
        | FlowKernel::GaussianPosterior { .. }
        | FlowKernel::Max(_)
        | FlowKernel::Choice(_) => queries::check::kernel(kernel),
    }
}

/// The kernel of the forward pass whose operands the flows are of.
fn forward_kernel(stage: &StageFlow) -> StageKernel {
    StageKernel {
        blocks: stage.blocks,
        distinct: stage.distinct,
        outputs: stage.outputs,
        inputs: stage.inputs,
        rows: stage.rows,
        prologue_parts: stage.prologue_parts,
        prologue_inputs: stage.prologue_inputs,
        epilogue_parts: 0,
        epilogue_inputs: 0,
        schedule: Schedule::Narrow,
    }
}

/// Checks all records. `signature` has the circuit's variables and parameters.
pub fn check_layout(plan: &FlowPlan, layout: &FlowLayout, signature: &Plan) -> Checked {
    // The checks of the kernel plan, on the arena and the packs of this one.
    let stage = Plan {
        name: String::new(),
        fingerprint: String::new(),
        variables: signature.variables.clone(),
        parameters: signature.parameters.clone(),
        packs: plan.packs.clone(),
        packed_chunks: plan.packed_chunks,
        rows: layout.rows,
        kernels: Vec::new(),
        tables: Vec::new(),
        steps: Vec::new(),
        root: 0,
        root_offset: false,
    };
    let records =
        Records { plan, layout, stage: &stage, checker: Checker::new(&stage)?, counts: counts(plan, &stage)? };
    layout.launches().try_for_each(|launch| records.launch(launch))
}

/// The shape of the parameter that is counted at a chunk.
fn counts<'a>(plan: &FlowPlan, stage: &'a Plan) -> Result<BTreeMap<u32, &'a ParameterShape>, KernelError> {
    let mut shapes = BTreeMap::new();
    for count in &plan.counts {
        let parameter = stage.parameters.get(count.parameter as usize);
        let shape = &parameter.ok_or_else(|| invalid("counts of an unknown parameter".to_string()))?.shape;
        let end = length(shape).checked_add(count.offset as usize * CHUNK);
        require(end.is_some_and(|end| end <= plan.count_chunks as usize * CHUNK), || {
            format!("counts at chunk {} go beyond the end", count.offset)
        })?;
        shapes.insert(count.offset, shape);
    }
    Ok(shapes)
}

/// Numbers of the counts of a parameter.
pub fn length(shape: &ParameterShape) -> usize {
    let sizes = match *shape {
        ParameterShape::Table { width, values } => [width, values.saturating_add(1), 1],
        ParameterShape::Weight { blocks, outputs, inputs, .. } => [blocks, outputs, pitch(inputs)],
        ParameterShape::Mixing { width, inputs } => [width, inputs, 1],
        ParameterShape::Gaussian { width, .. } => [width, GAUSSIAN_COUNTS, 1],
    };
    sizes.iter().fold(1, |length, &size| length.saturating_mul(size))
}

/// What the records of a plan are checked against.
pub(crate) struct Records<'a> {
    plan: &'a FlowPlan,
    pub(crate) layout: &'a FlowLayout,
    stage: &'a Plan,
    pub(crate) checker: Checker<'a>,
    counts: BTreeMap<u32, &'a ParameterShape>,
}

impl Records<'_> {
    fn launch(&self, launch: &Placed) -> Checked {
        let kernel = &self.plan.kernels[launch.kernel as usize];
        let (member, group) = kernel.record_len();
        let table = launch.table as usize;
        let groups_at = table + launch.members as usize * member;
        let groups = &self.layout.tables[groups_at..groups_at + launch.groups as usize * group];
        let mut rows = Rows::default();
        for record in self.layout.tables[table..groups_at].chunks_exact(member) {
            rows.member += 1;
            self.record(kernel, record, &mut rows)?;
        }
        rows.check()?;
        match kernel {
            FlowKernel::Stage(StageFlow { counted, .. }) | FlowKernel::Mixing { counted, .. } => {
                let count =
                    |index: u32| if *counted { self.layout.tables[table + index as usize * member + 2] } else { index };
                check_groups(groups.chunks_exact(2).map(|group| [group[0], group[1]]), launch.members, &count)
            }
            FlowKernel::Table { width } => self.tables(groups, launch, *width),
            FlowKernel::Gaussian { width } => self.gaussians(groups, launch, *width),
            FlowKernel::Posterior { .. } | FlowKernel::GaussianPosterior { .. } => {
                queries::check::posterior_groups(groups, launch, &self.layout.tables)
            }
            FlowKernel::Layer(_) | FlowKernel::Kronecker { .. } | FlowKernel::Max(_) | FlowKernel::Choice(_) => Ok(()),
        }
    }

    fn record(&self, kernel: &FlowKernel, record: &[u32], rows: &mut Rows) -> Checked {
        let mut part = |row: u32, width: u64, writes: bool| {
            if writes {
                rows.write(row, width)
            } else {
                rows.read(row, width, false)
            }
            self.checker.rows(row, width)
        };
        match kernel {
            FlowKernel::Layer(Kernel::Product { parts: 0, inputs: 0, width }) => {
                part(record[0], u64::from(*width), true)
            }
            FlowKernel::Layer(kernel) => self.checker.record(kernel, record, &(0..1), rows),
            FlowKernel::Stage(stage) => {
                let before = u64::from(stage.blocks) * u64::from(stage.inputs);
                let after = u64::from(stage.blocks) * u64::from(stage.outputs);
                part(record[0], after, false)?;
                part(record[3], after, false)?;
                part(record[4], before, true)?;
                self.stage_weights(stage, record)?;
                let (parts, inputs) = record[5..].split_at(stage.prologue_parts as usize);
                parts.iter().try_for_each(|&row| part(row, before, false))?;
                self.checker.inputs(inputs, before, &(0..1))
            }
            FlowKernel::Mixing { width, inputs, counted } => {
                let units = u64::from(*width);
                part(record[0], units, false)?;
                part(record[3], units, false)?;
                for pair in record[4..].chunks_exact(2) {
                    part(pair[0], units, false)?;
                    part(pair[1], units, true)?;
                }
                let fits = |shape: &ParameterShape| {
                    *shape == ParameterShape::Mixing { width: *width as usize, inputs: *inputs as usize }
                };
                self.checker.weights(record[1], Layout::Mixing, fits)?;
                if *counted { self.counted(record[2], fits) } else { Ok(()) }
            }
            FlowKernel::Kronecker { widths } => {
                part(record[0], width_of(&Kernel::Kronecker { widths: widths.clone() }), false)?;
                record[1..].iter().zip(widths).try_for_each(|(&row, &width)| part(row, u64::from(width), true))
            }
            FlowKernel::Table { width } => part(record[0], u64::from(*width), false),
            FlowKernel::Gaussian { width } | FlowKernel::GaussianPosterior { width } => {
                part(record[0], u64::from(*width), false)?;
                self.checker.gaussian_units(record[2], u64::from(*width))?;
                self.checker.variables(record[1], 0, u64::from(REAL_MISSING), &(0..1))
            }
            FlowKernel::Posterior { width, .. } => {
                part(record[0], u64::from(*width), false)?;
                queries::check::posterior(self, kernel, record)
            }
            FlowKernel::Max(kernel) => queries::check::max(self, kernel, record, rows),
            FlowKernel::Choice(kernel) => queries::check::choice(self, kernel, record, rows),
        }
    }

    fn stage_weights(&self, stage: &StageFlow, record: &[u32]) -> Checked {
        let fits = |shape: &ParameterShape| {
            matches!(shape, ParameterShape::Weight { blocks, outputs, inputs, .. }
                if *blocks as u64 == u64::from(stage.distinct)
                    && *outputs as u64 == u64::from(stage.outputs)
                    && *inputs as u64 == u64::from(stage.inputs))
        };
        self.checker.weights(record[1], Layout::Transposed { tile: stage.tile }, fits)?;
        if stage.counted { self.counted(record[2], fits) } else { Ok(()) }
    }

    fn counted(&self, offset: u32, fits: impl Fn(&ParameterShape) -> bool) -> Checked {
        let shape = self.counts.get(&offset);
        require(shape.is_some_and(|shape| fits(shape)), || {
            format!("no parameter of its shape is counted at chunk {offset}")
        })
    }

    fn tables(&self, groups: &[u32], launch: &Placed, width: u32) -> Checked {
        let mut expected = 0;
        let mut seen = BTreeSet::new();
        for group in groups.chunks_exact(4) {
            let &[offset, pitch, first, end] = group else { continue };
            require(first == expected && end >= first && end <= launch.members, || "groups overlap".to_string())?;
            require(seen.insert(offset), || "two groups count in the same place".to_string())?;
            expected = end;
            let values = (pitch as usize).wrapping_sub(1);
            self.counted(offset, |shape| *shape == ParameterShape::Table { width: width as usize, values })?;
            for reader in first..end {
                let variable = self.layout.tables[launch.table as usize + 2 * reader as usize + 1];
                self.checker.variables(variable, 0, values as u64, &(0..1))?;
            }
        }
        require(expected == launch.members, || "groups do not cover the readers".to_string())?;
        require(!self.stage.variables.is_empty() || launch.members == 0, || "there are no variables".to_string())
    }

    /// Groups cover the readers in order and count in different places.
    fn gaussians(&self, groups: &[u32], launch: &Placed, width: u32) -> Checked {
        let mut seen = BTreeSet::new();
        let mut expected = 0;
        for group in groups.chunks_exact(3) {
            let &[offset, first, end] = group else { continue };
            require(first == expected && end >= first && end <= launch.members, || "groups overlap".to_string())?;
            require(seen.insert(offset), || "two groups count in the same place".to_string())?;
            expected = end;
            self.counted(
                offset,
                |shape| matches!(shape, ParameterShape::Gaussian { width: w, .. } if *w as u64 == u64::from(width)),
            )?;
        }
        require(expected == launch.members, || "groups do not cover the readers".to_string())
    }
}

/// Groups cover the members in order; the members of a group count in one place, those of others elsewhere.
fn check_groups(groups: impl Iterator<Item = [u32; 2]>, members: u32, count: &dyn Fn(u32) -> u32) -> Checked {
    let mut expected = 0;
    let mut seen = BTreeSet::new();
    for [first, end] in groups {
        require(first == expected && end > first && end <= members, || "groups overlap".to_string())?;
        require((first..end).all(|index| count(index) == count(first)), || "a group counts in two places".to_string())?;
        require(seen.insert(count(first)), || "two groups count in the same place".to_string())?;
        expected = end;
    }
    require(expected == members, || "groups do not cover the members".to_string())
}
