//! The structural contract of a plan. For a plan that passes [`validate`]:
//!
//! 1. sizes and products of sizes fit, domains and shapes are not empty;
//! 2. given numbers and derived starts have the size of their parameter;
//! 3. every pack lies inside the packed parameters and its layout fits the parameter's shape;
//! 4. every launch names a kernel, and its records lie inside the tables;
//! 5. every row a record names lies inside the arena, for the whole width of the operand;
//! 6. every table column lies inside the packed parameters and has room for every value, and the missing one, of every
//!    variable it meets in a loop; weights lie inside the packed parameters;
//! 7. the carries and the root lie inside the arena, and there is at most one loop if the root takes its offset.
//!
//! So an executor may trust the numbers of a plan that came out of an untrusted file.

use crate::plan::{CHUNK, GAUSSIAN_PITCH, Kernel, Launch, Layout, Loop, Plan, Schedule, StageKernel, Step};
use crate::signature::{Domain, Init, Parameter, ParameterShape, REAL_MISSING, VARIANCES, VariableArray};
use thiserror::Error;

/// A broken promise of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {reason}")]
pub struct PlanError {
    /// Where: ``parameter `emission` ``, `launch %12`.
    pub place: String,
    /// What is wrong.
    pub reason: String,
}

/// Checks the contract above.
pub fn validate(plan: &Plan) -> Result<(), PlanError> {
    let variables = check_variables(&plan.variables)?;
    for parameter in &plan.parameters {
        check_parameter(parameter).map_err(|reason| error(format!("parameter `{}`", parameter.name), reason))?;
    }
    for (idx, pack) in plan.packs.iter().enumerate() {
        check_pack(plan, idx).map_err(|reason| error(format!("pack {idx} at chunk {}", pack.offset), reason))?;
    }
    for (idx, kernel) in plan.kernels.iter().enumerate() {
        check_kernel(kernel).map_err(|reason| error(format!("kernel {idx}"), reason))?;
    }
    let ctx = Ctx { plan, variables };
    let mut loops = 0;
    for step in &plan.steps {
        match step {
            Step::Launch(launch) => ctx.check_launch(launch, None)?,
            Step::Loop(body) => {
                loops += 1;
                ctx.check_loop(body)?;
            }
        }
    }
    if plan.root >= plan.rows {
        return Err(error("root", format!("row {} is outside the {} rows of the arena", plan.root, plan.rows)));
    }
    if plan.root_offset && loops != 1 {
        return Err(error("root", format!("it takes the offset of one loop, but there are {loops}")));
    }
    Ok(())
}

fn error(place: impl Into<String>, reason: impl Into<String>) -> PlanError {
    PlanError { place: place.into(), reason: reason.into() }
}

/// The arrays as ranges of flat variables: (first, past the last, number of values).
fn check_variables(arrays: &[VariableArray]) -> Result<Vec<(u64, u64, u64)>, PlanError> {
    let mut next = 0u64;
    let mut ranges = Vec::new();
    for array in arrays {
        let fail = |reason: &str| error(format!("variable `{}`", array.name), reason);
        let values = match array.domain {
            Domain::Categorical(size) => Some(size as u64),
            Domain::Binary => Some(2),
            Domain::Integer(lo, hi) => hi.checked_sub(lo).and_then(|size| u64::try_from(size).ok()),
            Domain::Real => Some(array.domain.size() as u64),
        };
        let values = values.filter(|size| (1..u64::from(u32::MAX)).contains(size));
        let values = values.ok_or_else(|| fail("the domain is empty or too large"))?;
        let count = product(&array.shape).filter(|count| *count > 0);
        let end = count.and_then(|count| next.checked_add(count)).filter(|end| *end <= u64::from(u32::MAX));
        let end = end.ok_or_else(|| fail("the array is empty or too large"))?;
        ranges.push((next, end, values));
        next = end;
    }
    Ok(ranges)
}

/// The product of sizes, unless it overflows 63 bits.
fn product(sizes: &[usize]) -> Option<u64> {
    sizes.iter().try_fold(1u64, |all, size| all.checked_mul(*size as u64)).filter(|all| *all <= i64::MAX as u64)
}

fn shape_size(shape: &ParameterShape) -> Option<u64> {
    let sizes = match *shape {
        ParameterShape::Table { width, values } => vec![width, values],
        ParameterShape::Weight { blocks, outputs, inputs, .. } => vec![blocks, outputs, inputs],
        ParameterShape::Mixing { width, inputs } => vec![width, inputs],
        ParameterShape::Gaussian { width, .. } => vec![width, 2],
    };
    product(&sizes).filter(|size| *size > 0)
}

fn check_parameter(parameter: &Parameter) -> Result<(), String> {
    let size = shape_size(&parameter.shape).ok_or("the shape is empty or too large")?;
    if matches!(parameter.shape, ParameterShape::Weight { blocks, dense: true, .. } if blocks != 1) {
        return Err("a dense weight has one block".to_string());
    }
    if let ParameterShape::Gaussian { floor, .. } = parameter.shape
        && !VARIANCES.contains(&floor.0)
    {
        return Err(format!("the least variance {} is not possible", floor.0));
    }
    let fits = match (&parameter.init, &parameter.shape) {
        (Init::Random, _) => true,
        (Init::Given(numbers), _) => numbers.len() as u64 == size,
        (Init::Indicator { value }, ParameterShape::Table { values, .. }) => value < values,
        (Init::Member(_), ParameterShape::Table { values, .. }) => *values >= 2,
        (Init::Identity, ParameterShape::Table { width, values }) => width == values,
        (
            Init::CopyOf { blocks: b, outputs: o, inputs: i, .. },
            ParameterShape::Weight { blocks, outputs, inputs, .. },
        ) => (o, i) == (outputs, inputs) && (1..=*blocks).contains(b),
        (Init::TableProduct { sources, .. }, ParameterShape::Table { width, .. }) => {
            let widths: Vec<usize> = sources.iter().map(|(_, width)| *width).collect();
            product(&widths) == Some(*width as u64)
        }
        (Init::WeightProduct { sources }, ParameterShape::Weight { blocks: 1, outputs, inputs, .. }) => {
            let sizes =
                |pick: fn(&(String, usize, usize)) -> usize| product(&sources.iter().map(pick).collect::<Vec<_>>());
            (sizes(|s| s.1), sizes(|s| s.2)) == (Some(*outputs as u64), Some(*inputs as u64))
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err("its first values do not fit its shape".to_string()) }
}

fn check_pack(plan: &Plan, idx: usize) -> Result<(), String> {
    let pack = &plan.packs[idx];
    let parameter = plan.parameters.get(pack.parameter as usize).ok_or("there is no such parameter")?;
    let len = match (pack.layout, &parameter.shape) {
        (Layout::Table, ParameterShape::Table { width, values }) => {
            values.checked_add(1).and_then(|pitch| product(&[*width, pitch]))
        }
        (Layout::Panels { tile }, ParameterShape::Weight { blocks, outputs, inputs, .. }) if tile > 0 => {
            let tile = tile as usize;
            product(&[*blocks, outputs.div_ceil(tile), *inputs, tile])
        }
        (Layout::Mixing, ParameterShape::Mixing { width, inputs }) => product(&[*width, *inputs]),
        (Layout::Gaussian, ParameterShape::Gaussian { width, .. }) => product(&[*width, GAUSSIAN_PITCH as usize]),
        _ => return Err("its layout does not fit its parameter".to_string()),
    };
    if inside_packed(plan, pack.offset, len) { Ok(()) } else { Err(OUTSIDE_PACKED.to_string()) }
}

const OUTSIDE_PACKED: &str = "it reaches outside the packed parameters";

fn inside_packed(plan: &Plan, offset: u32, len: Option<u64>) -> bool {
    let end = len.and_then(|len| (u64::from(offset) * CHUNK as u64).checked_add(len));
    end.is_some_and(|end| end <= u64::from(plan.packed_chunks) * CHUNK as u64)
}

fn widths_fit(sizes: &[u32]) -> bool {
    let product = sizes.iter().try_fold(1u64, |all, size| all.checked_mul(u64::from(*size)));
    !sizes.is_empty() && product.is_some_and(|all| (1..=u64::from(u32::MAX)).contains(&all))
}

fn check_kernel(kernel: &Kernel) -> Result<(), String> {
    let sound = match kernel {
        Kernel::Product { width, parts, inputs } => *width > 0 && (*parts > 0 || *inputs > 0),
        Kernel::Gaussian { width } => *width > 0,
        Kernel::Kronecker { widths } => widths_fit(widths),
        Kernel::Concat { widths } => {
            !widths.contains(&0) && (1..=u64::from(u32::MAX)).contains(&widths.iter().map(|w| u64::from(*w)).sum())
        }
        Kernel::Mixing { width, inputs } => *width > 0 && *inputs > 0,
        Kernel::Permute { outer, rows, columns } => widths_fit(&[*outer, *rows, *columns]),
        Kernel::Stage(stage) => return check_stage(stage),
    };
    if sound { Ok(()) } else { Err("its sizes are zero or too large".to_string()) }
}

/// Most operands of one stage; far above what a compiler writes, low enough to count with.
const MAX_OPERANDS: u64 = 1 << 20;

fn check_stage(stage: &StageKernel) -> Result<(), String> {
    let operands = [stage.prologue_parts, stage.prologue_inputs, stage.epilogue_parts, stage.epilogue_inputs];
    if operands.iter().map(|count| u64::from(*count)).sum::<u64>() > MAX_OPERANDS {
        return Err("it has too many operands".to_string());
    }
    if stage.prologue_parts == 0 && stage.prologue_inputs == 0 {
        return Err("there is nothing to sum".to_string());
    }
    if !widths_fit(&[stage.blocks, stage.outputs]) || !widths_fit(&[stage.blocks, stage.inputs]) || stage.distinct == 0
    {
        return Err("its sizes are zero or too large".to_string());
    }
    if stage.rows == 0 || !stage.blocks.is_multiple_of(stage.rows) {
        return Err(format!("its permutation {} does not divide its {} blocks", stage.rows, stage.blocks));
    }
    if let Schedule::Panels { tile, chunk, vectors } = stage.schedule
        && (tile == 0 || chunk == 0 || chunk % tile != 0 || !vectors.is_power_of_two())
    {
        return Err("its schedule is not possible".to_string());
    }
    Ok(())
}

/// An operand in a record, and its width.
#[derive(Clone, Copy)]
enum Operand {
    Part(u64),
    Input(u64),
}

/// The operands of a kernel in the order of its record.
fn operands(kernel: &Kernel) -> Vec<Operand> {
    let parts = |width: u32, count: u32| (0..count).map(move |_| Operand::Part(u64::from(width)));
    let inputs = |width: u32, count: u32| (0..count).map(move |_| Operand::Input(u64::from(width)));
    match kernel {
        Kernel::Product { width, parts: p, inputs: i } => parts(*width, *p).chain(inputs(*width, *i)).collect(),
        Kernel::Gaussian { width } => inputs(*width, 1).collect(),
        Kernel::Kronecker { widths } | Kernel::Concat { widths } => {
            widths.iter().map(|width| Operand::Part(u64::from(*width))).collect()
        }
        Kernel::Mixing { width, inputs } => parts(*width, *inputs).collect(),
        Kernel::Permute { outer, rows, columns } => parts(outer * rows * columns, 1).collect(),
        Kernel::Stage(stage) => {
            let (before, after) = (stage.blocks * stage.inputs, stage.blocks * stage.outputs);
            let prologue = parts(before, stage.prologue_parts).chain(inputs(before, stage.prologue_inputs));
            let epilogue = parts(after, stage.epilogue_parts).chain(inputs(after, stage.epilogue_inputs));
            prologue.chain(epilogue).collect()
        }
    }
}

/// The width a kernel writes.
fn out_width(kernel: &Kernel) -> u64 {
    let product = |sizes: &[u32]| sizes.iter().map(|size| u64::from(*size)).product();
    match kernel {
        Kernel::Product { width, .. } | Kernel::Mixing { width, .. } | Kernel::Gaussian { width } => u64::from(*width),
        Kernel::Kronecker { widths } => product(widths),
        Kernel::Concat { widths } => widths.iter().map(|width| u64::from(*width)).sum(),
        Kernel::Permute { outer, rows, columns } => product(&[*outer, *rows, *columns]),
        Kernel::Stage(stage) => product(&[stage.blocks, stage.outputs]),
    }
}

/// Length of the weights a kernel reads, in floats.
fn weights_len(kernel: &Kernel) -> Option<Option<u64>> {
    match kernel {
        Kernel::Stage(stage) => {
            let tile = match stage.schedule {
                Schedule::Panels { tile, .. } => tile,
                Schedule::Narrow => 1,
            };
            let sizes = [stage.distinct, stage.outputs.div_ceil(tile), stage.inputs, tile];
            Some(product(&sizes.map(|size| size as usize)))
        }
        Kernel::Mixing { width, inputs } => Some(product(&[*width as usize, *inputs as usize])),
        _ => None,
    }
}

struct Ctx<'a> {
    plan: &'a Plan,
    variables: Vec<(u64, u64, u64)>,
}

impl Ctx<'_> {
    fn check_loop(&self, body: &Loop) -> Result<(), PlanError> {
        if body.steps == 0 || body.width == 0 || body.rescale == 0 {
            return Err(error("loop", "its steps, width or rescaling distance is zero"));
        }
        for carry in body.carry {
            self.check_rows(carry, u64::from(body.width)).map_err(|reason| error("loop", reason))?;
        }
        body.body.iter().try_for_each(|launch| self.check_launch(launch, Some(body.steps)))
    }

    /// Checks a launch in a loop of so many iterations, or outside any loop.
    fn check_launch(&self, launch: &Launch, steps: Option<u32>) -> Result<(), PlanError> {
        let place = || format!("launch {}", launch.label);
        let kernel = self.plan.kernels.get(launch.kernel as usize);
        let kernel = kernel.ok_or_else(|| error(place(), format!("there is no kernel {}", launch.kernel)))?;
        if launch.members == 0 {
            return Err(error(place(), "it has no members"));
        }
        let len = kernel.record_len();
        let spans = launch.table.map(|start| {
            let end = len.checked_mul(launch.members as usize).and_then(|span| span.checked_add(start as usize));
            end.and_then(|end| self.plan.tables.get(start as usize..end))
        });
        let [Some(even), Some(odd)] = spans else {
            return Err(error(place(), "its records reach outside the tables"));
        };
        let operands = operands(kernel);
        for (records, iterations) in [(even, range_of(0, steps)), (odd, range_of(1, steps))] {
            for record in records.chunks_exact(len) {
                self.check_record(kernel, &operands, record, iterations).map_err(|reason| error(place(), reason))?;
            }
        }
        Ok(())
    }

    fn check_record(
        &self,
        kernel: &Kernel,
        operands: &[Operand],
        record: &[u32],
        iterations: Option<[u32; 2]>,
    ) -> Result<(), String> {
        self.check_rows(record[0], out_width(kernel))?;
        if let Some(len) = weights_len(kernel)
            && !inside_packed(self.plan, record[1], len)
        {
            return Err("its weights reach outside the packed parameters".to_string());
        }
        let mut rest = &record[2..];
        for operand in operands {
            match *operand {
                Operand::Part(width) => {
                    self.check_rows(rest[0], width)?;
                    rest = &rest[1..];
                }
                Operand::Input(width) => {
                    self.check_input(width, &rest[..4], iterations, matches!(kernel, Kernel::Gaussian { .. }))?;
                    rest = &rest[4..];
                }
            }
        }
        Ok(())
    }

    /// `fields` are variable, stride, table offset and pitch.
    fn check_input(
        &self,
        width: u64,
        fields: &[u32],
        iterations: Option<[u32; 2]>,
        is_gaussian: bool,
    ) -> Result<(), String> {
        let pitch = u64::from(fields[3]);
        if !inside_packed(self.plan, fields[2], width.checked_mul(pitch)) {
            return Err("its table reaches outside the packed parameters".to_string());
        }
        let Some(iterations) = iterations else { return Ok(()) };
        let at = |iteration: u32| i64::from(fields[0]) + i64::from(iteration) * i64::from(fields[1] as i32);
        let ends = iterations.map(at);
        let count = self.variables.last().map_or(0, |(_, end, _)| *end as i64);
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        if low < 0 || high >= count {
            return Err(format!("it reads variables {low} to {high}, but there are {count}"));
        }
        let met = self.variables.iter().filter(|(first, end, _)| *first as i64 <= high && low < *end as i64);
        if is_gaussian {
            let is_real = |(_, _, values): &(u64, u64, u64)| *values == u64::from(REAL_MISSING);
            let fits = fields[3] == GAUSSIAN_PITCH && met.clone().all(is_real);
            return if fits { Ok(()) } else { Err("its Gaussian units read what is not real".to_string()) };
        }
        let values = met.map(|(_, _, values)| *values).max().unwrap_or(0);
        if pitch <= values {
            return Err(format!("its table has {pitch} columns, too few for a variable of {values} values"));
        }
        Ok(())
    }

    fn check_rows(&self, first: u32, width: u64) -> Result<(), String> {
        let end = u64::from(first) + width;
        if end <= u64::from(self.plan.rows) {
            return Ok(());
        }
        Err(format!("rows {first}..{end} are outside the {} rows of the arena", self.plan.rows))
    }
}

/// The first and the last iteration of a parity, if there is one. Outside a loop there is only iteration 0.
fn range_of(parity: u32, steps: Option<u32>) -> Option<[u32; 2]> {
    let Some(steps) = steps else { return Some([0, 0]) };
    let last = steps.checked_sub(1 + parity)? / 2 * 2 + parity;
    Some([parity, last])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    /// Breaks the sample and shows the message.
    fn broken(change: impl Fn(&mut Plan)) -> String {
        let mut plan = samples::hmm(6, 3, 5);
        change(&mut plan);
        validate(&plan).expect_err("the plan is broken").to_string()
    }

    #[test]
    fn samples_are_valid() {
        for length in 2..9 {
            assert_eq!(validate(&samples::hmm(length, 3, 5)), Ok(()), "{length}");
        }
    }

    #[test]
    fn ranges_of_iterations() {
        assert_eq!([range_of(0, Some(1)), range_of(1, Some(1))], [Some([0, 0]), None]);
        assert_eq!([range_of(0, Some(4)), range_of(1, Some(4))], [Some([0, 2]), Some([1, 3])]);
        assert_eq!([range_of(0, Some(5)), range_of(1, Some(5))], [Some([0, 4]), Some([1, 3])]);
        assert_eq!(range_of(1, None), Some([0, 0]));
    }

    #[test]
    fn what_is_outside_is_named() {
        assert_eq!(broken(|plan| plan.root = 7), "root: row 7 is outside the 7 rows of the arena");
        assert_eq!(broken(|plan| plan.rows = 6), "launch %2: rows 6..7 are outside the 6 rows of the arena");
        assert_eq!(
            broken(|plan| plan.packed_chunks = 3),
            "pack 2 at chunk 3: it reaches outside the packed parameters"
        );
        assert_eq!(
            broken(|plan| plan.variables[0].shape = vec![5]),
            "launch %0: it reads variables 5 to 5, but there are 5"
        );
        assert_eq!(
            broken(|plan| plan.variables[0].domain = Domain::Categorical(6)),
            "launch %0: its table has 6 columns, too few for a variable of 6 values"
        );
        assert_eq!(broken(|plan| plan.tables.truncate(20)), "launch %2: its records reach outside the tables");
        assert_eq!(broken(|plan| plan.kernels.truncate(1)), "launch %1: there is no kernel 1");
        assert_eq!(broken(|plan| plan.tables[9] = 6), "launch %1: it reads variables 2 to 6, but there are 6");
    }

    #[test]
    fn parameters_must_make_sense() {
        assert_eq!(
            broken(|plan| plan.parameters[0].init = Init::Given(vec![1.0])),
            "parameter `emission`: its first values do not fit its shape"
        );
        let empty = ParameterShape::Table { width: 0, values: 5 };
        assert_eq!(
            broken(|plan| plan.parameters[0].shape = empty.clone()),
            "parameter `emission`: the shape is empty or too large"
        );
        assert_eq!(
            broken(|plan| plan.variables[0].domain = Domain::Integer(i64::MIN, i64::MAX)),
            "variable `x`: the domain is empty or too large"
        );
    }
}
