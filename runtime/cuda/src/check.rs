//! Checks a flow plan that has been laid out, before a device runs it: whatever an artifact says, no kernel reads or writes outside of its
//! buffers. (Whether it computes flows is another question, which the compiler's tests answer.)

use danaus_artifact::flow_layout::{FlowLayout, Placed};
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, StageFlow, pitch};
use danaus_artifact::plan::{CHUNK, Kernel, Schedule};

/// Why a plan with Gaussian units is refused.
const NO_GAUSSIANS: &str = "there are no kernels of Gaussian units for GPUs";

/// What is wrong, in words.
type Checked = Result<(), String>;

/// The sizes of all buffers.
struct Bounds<'p> {
    layout: &'p FlowLayout,
    packed: u64,
    counts: u64,
    values: &'p [u32],
}

/// Checks all launches; `values` are the numbers of values of the variables.
pub fn check(plan: &FlowPlan, layout: &FlowLayout, values: &[u32]) -> Checked {
    let chunk = CHUNK as u64;
    let (packed, counts) = (u64::from(plan.packed_chunks) * chunk, u64::from(plan.count_chunks) * chunk);
    let bounds = Bounds { layout, packed, counts, values };
    for row in [plan.root, plan.root_flow] {
        bounds.rows(row, 1)?;
    }
    for body in &plan.loops {
        for row in [body.first, body.result, body.result_flow, body.first_flow] {
            bounds.rows(row, body.width.into())?;
        }
        if body.root.saturating_add(body.width) > body.frame_rows || body.steps == 0 || body.rescale == 0 {
            return Err("a loop has no room for its root".to_string());
        }
    }
    layout.launches().try_for_each(|placed| {
        let kernel = plan.kernels.get(placed.kernel as usize).ok_or("an unknown kernel")?;
        bounds.launch(kernel, placed)
    })
}

fn product(sizes: &[u32]) -> u64 {
    sizes.iter().fold(1, |all, &size| all.saturating_mul(size.into()))
}

impl Bounds<'_> {
    fn rows(&self, first: u32, count: u64) -> Checked {
        let is_within = u64::from(first).saturating_add(count) <= self.layout.rows.into();
        if is_within { Ok(()) } else { Err(format!("{count} rows from row {first} on, of {}", self.layout.rows)) }
    }

    fn within(&self, chunk: u32, count: u64, of: u64) -> Checked {
        let is_within = (u64::from(chunk) * CHUNK as u64).saturating_add(count) <= of;
        if is_within { Ok(()) } else { Err(format!("{count} numbers from chunk {chunk} on, of {of}")) }
    }

    /// The number of values of a variable.
    fn variable(&self, index: u32) -> Result<u64, String> {
        self.values.get(index as usize).map(|&values| values.into()).ok_or(format!("variable {index}"))
    }

    /// The quadruples of inputs of `width` units.
    fn inputs(&self, words: &[u32], width: u64) -> Checked {
        words.chunks_exact(4).try_for_each(|input| {
            let last = width.saturating_sub(1).saturating_mul(input[3].into()).saturating_add(self.variable(input[0])?);
            self.within(input[2], last.saturating_add(1), self.packed)
        })
    }

    fn parts(&self, words: &[u32], width: u64) -> Checked {
        words.iter().try_for_each(|&row| self.rows(row, width))
    }

    fn launch(&self, kernel: &FlowKernel, placed: &Placed) -> Checked {
        let (member, group) = kernel.record_len();
        let (members, groups) = (placed.members as usize, placed.groups as usize);
        let words = self.layout.tables.get(placed.table as usize..).unwrap_or_default();
        let length = members.saturating_mul(member).saturating_add(groups.saturating_mul(group));
        let words = words.get(..length).ok_or("records beyond the tables")?;
        let (records, rest) = words.split_at(members * member);
        let records: Vec<&[u32]> = records.chunks_exact(member).collect();
        records.iter().try_for_each(|record| self.record(kernel, record))?;
        for group in rest.chunks_exact(group.max(1)) {
            let (first, end) = (group[group.len() - 2], group[group.len() - 1]);
            if first >= end || end > placed.members {
                return Err(format!("members {first} to {end} of {members}"));
            }
            if let FlowKernel::Table { width } = kernel {
                let readers = &records[first as usize..end as usize];
                self.table(*width, [group[0], group[1]], readers)?;
            }
        }
        Ok(())
    }

    /// Counts of a table with rows of `pitch` columns.
    fn table(&self, width: u32, [counts, pitch]: [u32; 2], readers: &[&[u32]]) -> Checked {
        self.within(counts, u64::from(width) * u64::from(pitch), self.counts)?;
        readers.iter().try_for_each(|reader| {
            let values = self.variable(reader[1])?;
            if values < pitch.into() { Ok(()) } else { Err(format!("{values} values in rows of {pitch}")) }
        })
    }

    fn record(&self, kernel: &FlowKernel, record: &[u32]) -> Checked {
        match kernel {
            FlowKernel::Layer(kernel) => self.layer(kernel, record),
            FlowKernel::Stage(stage) => self.stage(stage, record),
            FlowKernel::Mixing { width, inputs, .. } => {
                let (width, weights) = (u64::from(*width), product(&[*width, *inputs]));
                self.within(record[1], weights, self.packed)?;
                self.within(record[2], weights, self.counts).or_else(|error| match kernel {
                    FlowKernel::Mixing { counted: false, .. } => Ok(()),
                    _ => Err(error),
                })?;
                self.rows(record[0], width)?;
                self.parts(&record[3..], width)
            }
            FlowKernel::Kronecker { widths } => {
                self.rows(record[0], product(widths))?;
                record[1..].iter().zip(widths).try_for_each(|(&row, &width)| self.rows(row, width.into()))
            }
            FlowKernel::Table { width } => self.rows(record[0], (*width).into()),
            FlowKernel::Gaussian { .. } => Err(NO_GAUSSIANS.to_string()),
            FlowKernel::Posterior { .. }
            | FlowKernel::GaussianPosterior { .. }
            | FlowKernel::Max(_)
            | FlowKernel::Choice(_) => Err("a kernel of another query than training".to_string()),
        }
    }

    fn stage(&self, stage: &StageFlow, record: &[u32]) -> Checked {
        let [before, after] = [product(&[stage.blocks, stage.inputs]), product(&[stage.blocks, stage.outputs])];
        if stage.distinct == 0 || !stage.blocks.is_multiple_of(stage.distinct) || stage.tile == 0 || stage.rows == 0 {
            return Err("a sum of no size".to_string());
        }
        let panels = stage.inputs.div_ceil(stage.tile);
        self.within(record[1], product(&[stage.distinct, panels, stage.outputs, stage.tile]), self.packed)?;
        if stage.counted {
            let counts = product(&[stage.distinct, stage.outputs, pitch(stage.inputs as usize) as u32]);
            self.within(record[2], counts, self.counts)?;
        }
        self.parts(&[record[0], record[3]], after)?;
        self.rows(record[4], before)?;
        let (parts, inputs) = record[5..].split_at(stage.prologue_parts as usize);
        self.parts(parts, before)?;
        self.inputs(inputs, before)
    }

    fn layer(&self, kernel: &Kernel, record: &[u32]) -> Checked {
        let operands = &record[2..];
        match kernel {
            Kernel::Product { width, parts, .. } => {
                let (parts, inputs) = operands.split_at(*parts as usize);
                self.rows(record[0], (*width).into())?;
                self.parts(parts, (*width).into())?;
                self.inputs(inputs, (*width).into())
            }
            Kernel::Gaussian { .. } => Err(NO_GAUSSIANS.to_string()),
            Kernel::Kronecker { widths } | Kernel::Concat { widths } => {
                let is_product = matches!(kernel, Kernel::Kronecker { .. });
                let sum = widths.iter().map(|&width| u64::from(width)).sum();
                self.rows(record[0], if is_product { product(widths) } else { sum })?;
                operands.iter().zip(widths).try_for_each(|(&row, &width)| self.rows(row, width.into()))
            }
            Kernel::Mixing { width, inputs } => {
                self.within(record[1], product(&[*width, *inputs]), self.packed)?;
                self.rows(record[0], (*width).into())?;
                self.parts(operands, (*width).into())
            }
            Kernel::Permute { outer, rows, columns } => {
                self.parts(&[record[0], record[2]], product(&[*outer, *rows, *columns]))
            }
            Kernel::Stage(stage) => {
                let tile = match stage.schedule {
                    Schedule::Panels { tile, .. } => tile,
                    Schedule::Narrow => 1,
                };
                if tile == 0
                    || stage.distinct == 0
                    || stage.rows == 0
                    || stage.epilogue_parts + stage.epilogue_inputs > 0
                {
                    return Err("a sum that a flow plan does not have".to_string());
                }
                let panels = stage.outputs.div_ceil(tile);
                self.within(record[1], product(&[stage.distinct, panels, stage.inputs, tile]), self.packed)?;
                let before = product(&[stage.blocks, stage.inputs]);
                self.rows(record[0], product(&[stage.blocks, stage.outputs]))?;
                let (parts, inputs) = operands.split_at(stage.prologue_parts as usize);
                self.parts(parts, before)?;
                self.inputs(inputs, before)
            }
        }
    }
}
