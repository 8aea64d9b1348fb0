//! Checks kernels and records of queries; see [`mod@crate::flows`] for the contract. Rows of choices lie within the choices, and no choice
//! is written twice by a launch, or read and written.

use crate::flows::check::Records;
use crate::flows::layout::Placed;
use crate::validate::{Checked, MAX_TILE, Rows, invalid, kernel_sizes, require, width_of};
use danaus_artifact::flow_plan::FlowKernel;
use danaus_artifact::plan::{CHUNK, Kernel, Layout, Schedule, StageKernel};
use danaus_artifact::queries::{ChoiceKernel, ChoiceStage, MaxKernel};
use danaus_artifact::signature::{ParameterShape, REAL_MISSING};
use std::collections::BTreeSet;

/// Checks the sizes of a kernel of queries.
pub(crate) fn kernel(kernel: &FlowKernel) -> Result<(), String> {
    let counted = |width: u32, count: u32| {
        let size = u64::from(width) * (u64::from(count) + 1);
        if width > 0 && count > 0 && size < 1 << 31 { Ok(()) } else { Err("a size is 0 or too large".to_string()) }
    };
    match kernel {
        FlowKernel::Posterior { width, values, tile } => {
            if *tile == 0 || *tile > MAX_TILE.min(CHUNK as u32) {
                return Err(format!("tiles of {tile} values"));
            }
            counted(*width, *values)
        }
        FlowKernel::Max(MaxKernel::Stage(stage)) | FlowKernel::Choice(ChoiceKernel::Stage { stage, .. }) => {
            kernel_sizes(&Kernel::Stage(sum(stage)))
        }
        FlowKernel::Max(MaxKernel::Mixing { width, inputs })
        | FlowKernel::Choice(ChoiceKernel::Mixing { width, inputs, .. }) => counted(*width, *inputs),
        FlowKernel::Choice(ChoiceKernel::Input { width, values, .. }) => counted(*width, *values),
        FlowKernel::GaussianPosterior { width } | FlowKernel::Choice(ChoiceKernel::Gaussian { width, .. }) => {
            counted(*width, 2)
        }
        FlowKernel::Choice(ChoiceKernel::Merge { .. }) => Ok(()),
        FlowKernel::Choice(ChoiceKernel::Kronecker { widths }) => {
            kernel_sizes(&Kernel::Kronecker { widths: widths.clone() })
        }
        FlowKernel::Choice(ChoiceKernel::Concat { widths }) => kernel_sizes(&Kernel::Concat { widths: widths.clone() }),
        FlowKernel::Choice(ChoiceKernel::Permute { outer, rows, columns }) => {
            kernel_sizes(&Kernel::Permute { outer: *outer, rows: *rows, columns: *columns })
        }
        FlowKernel::Layer(_)
        | FlowKernel::Stage(_)
        | FlowKernel::Mixing { .. }
        | FlowKernel::Kronecker { .. }
        | FlowKernel::Table { .. }
        | FlowKernel::Gaussian { .. } => Err("it belongs to no query".to_string()),
    }
}

/// The sum as a kernel of the kernel plan.
fn sum(stage: &ChoiceStage) -> StageKernel {
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

/// Checks the table and the variable of a reader; its flow has been checked.
pub(crate) fn posterior(records: &Records<'_>, kernel: &FlowKernel, record: &[u32]) -> Checked {
    let &FlowKernel::Posterior { width, values, tile } = kernel else { return Ok(()) };
    records.checker.weights(record[2], Layout::Probabilities { tile }, |shape| {
        *shape == ParameterShape::Table { width: width as usize, values: values as usize }
    })?;
    records.checker.variables(record[1], 0, u64::from(values), &(0..1))
}

/// Groups cover the readers in order; those of a group read one variable, those of others another.
pub(crate) fn posterior_groups(groups: &[u32], launch: &Placed, tables: &[u32]) -> Checked {
    let variable = |reader: u32| tables[launch.table as usize + 3 * reader as usize + 1];
    let mut expected = 0;
    let mut seen = BTreeSet::new();
    for group in groups.chunks_exact(2) {
        let &[first, end] = group else { continue };
        require(first == expected && end > first && end <= launch.members, || "groups overlap".to_string())?;
        require((first..end).all(|reader| variable(reader) == variable(first)), || {
            "a group reads two variables".to_string()
        })?;
        require(seen.insert(variable(first)), || "two groups read one variable".to_string())?;
        expected = end;
    }
    require(expected == launch.members, || "groups do not cover the readers".to_string())
}

/// Checks a record of greatest values.
pub(crate) fn max(records: &Records<'_>, kernel: &MaxKernel, record: &[u32], rows: &mut Rows) -> Checked {
    match kernel {
        MaxKernel::Stage(stage) => {
            let width = width_of(&Kernel::Stage(sum(stage)));
            rows.write(record[0], width);
            records.checker.rows(record[0], width)?;
            logarithms(records, stage, record[1])?;
            operands(records, stage, &record[2..], rows)
        }
        MaxKernel::Mixing { width, inputs } => {
            records.checker.record(&Kernel::Mixing { width: *width, inputs: *inputs }, record, &(0..1), rows)
        }
    }
}

fn logarithms(records: &Records<'_>, stage: &ChoiceStage, offset: u32) -> Checked {
    records.checker.weights(offset, Layout::Logarithms, |shape| {
        matches!(shape, ParameterShape::Weight { blocks, outputs, inputs, .. }
            if *blocks == stage.distinct as usize
                && *outputs == stage.outputs as usize
                && *inputs == stage.inputs as usize)
    })
}

fn operands(records: &Records<'_>, stage: &ChoiceStage, words: &[u32], rows: &mut Rows) -> Checked {
    let before = u64::from(stage.blocks) * u64::from(stage.inputs);
    let (parts, inputs) = words.split_at(stage.prologue_parts as usize);
    for &row in parts {
        rows.read(row, before, false);
        records.checker.rows(row, before)?;
    }
    records.checker.inputs(inputs, before, &(0..1))
}

/// Checks a record of choices. `rows` are those of the choices.
pub(crate) fn choice(records: &Records<'_>, kernel: &ChoiceKernel, record: &[u32], rows: &mut Rows) -> Checked {
    let mut choice = |row: u32, writes: bool| {
        if writes {
            rows.write(row, 1)
        } else {
            rows.read(row, 1, false)
        }
        require(row < records.layout.choices, || {
            format!("row {row} is beyond the {} of choices", records.layout.choices)
        })
    };
    match kernel {
        ChoiceKernel::Merge { .. } => {
            record[1..].iter().try_for_each(|&row| choice(row, false))?;
            choice(record[0], true)
        }
        ChoiceKernel::Kronecker { .. } | ChoiceKernel::Concat { .. } | ChoiceKernel::Permute { .. } => {
            choice(record[0], false)?;
            record[1..].iter().try_for_each(|&row| choice(row, true))
        }
        ChoiceKernel::Stage { stage, .. } => {
            choice(record[0], false)?;
            choice(record[1], true)?;
            logarithms(records, stage, record[4])?;
            operands(records, stage, &record[5..], &mut Rows::default())
        }
        ChoiceKernel::Mixing { width, inputs, .. } => {
            choice(record[0], false)?;
            for pair in record[4..].chunks_exact(2) {
                choice(pair[1], true)?;
                records.checker.rows(pair[0], u64::from(*width))?;
            }
            records.checker.weights(record[3], Layout::Mixing, |shape| {
                *shape == ParameterShape::Mixing { width: *width as usize, inputs: *inputs as usize }
            })
        }
        ChoiceKernel::Gaussian { width, .. } => {
            choice(record[0], false)?;
            records.checker.gaussian_units(record[4], u64::from(*width))?;
            records.checker.variables(record[3], 0, u64::from(REAL_MISSING), &(0..1))
        }
        ChoiceKernel::Input { width, values, .. } => {
            choice(record[0], false)?;
            let fits = |shape: &ParameterShape| {
                *shape == ParameterShape::Table { width: *width as usize, values: *values as usize }
            };
            let table = records.checker.weights(record[4], Layout::Table, fits);
            table.or_else(|_| records.checker.weights(record[4], Layout::Greatest, fits))?;
            records.checker.variables(record[3], 0, u64::from(*values), &(0..1))
        }
    }
}

/// Checks that plans with choices have rows for them.
pub(crate) fn has_choices(kernels: &[FlowKernel], choices: u32) -> Checked {
    let chooses = kernels.iter().any(|kernel| matches!(kernel, FlowKernel::Choice(_)));
    if chooses == (choices > 0) {
        Ok(())
    } else {
        Err(invalid("choices without rows, or rows without choices".to_string()))
    }
}
