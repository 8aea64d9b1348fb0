//! Checks a whole plan before anything runs, because a kernel that is given a wrong offset corrupts silently.
//!
//! # The contract
//!
//! * Every kernel has sizes of at least 1 and a schedule within [`MAX_TILE`] and [`MAX_VECTORS`]; chunks are whole
//!   tiles; `rows` divides `blocks`; the number of units fits 31 bits.
//! * Every pack names a parameter of the shape its layout is for and lies within the packed parameters.
//! * Every record lies within the tables. Its weights and table offsets are those of a pack of exactly the shape the
//!   kernel reads; its rows lie within the arena.
//! * Every variable a launch reads exists, at every iteration, and has as many values as the table.
//! * Within a launch no row is written twice, and no row that is written is read, but for a product or a mixing that
//!   replaces one of its own parts.
//! * The carries of loops lie within the arena. If the root takes the offsets, there is one loop.

use crate::error::KernelError;
use crate::pack::{pack_len, pack_sizes};
use danaus_artifact::plan::{
    CHUNK, GAUSSIAN_PITCH, Kernel, Launch, Layout, Loop, Pack, Plan, Schedule, StageKernel, Step,
};
use danaus_artifact::signature::{Domain, Parameter, ParameterShape, REAL_MISSING};
use std::collections::BTreeMap;
use std::ops::Range;

/// Most outputs in a register tile.
pub const MAX_TILE: u32 = 64;
/// Most vectors of samples in a register tile.
pub const MAX_VECTORS: u32 = 16;
/// Most operands a kernel lists, because kernels unroll over them (mixing does not).
pub const MAX_OPERANDS: u32 = 64;
/// What sizes must stay below, so that indices fit the device's words.
const LIMIT: u64 = 1 << 31;

pub(crate) type Checked = Result<(), KernelError>;

/// Checks the plan.
pub fn validate(plan: &Plan) -> Checked {
    let checker = Checker::new(plan)?;
    for (index, kernel) in plan.kernels.iter().enumerate() {
        kernel_sizes(kernel).map_err(|what| invalid(format!("kernel {index}: {what}")))?;
    }
    require(plan.rows > 0 && u64::from(plan.rows) < LIMIT, || format!("an arena of {} rows", plan.rows))?;
    require(plan.root < plan.rows, || format!("the root's row {} is beyond the arena's {}", plan.root, plan.rows))?;
    let mut parity = 0;
    let mut loops = 0;
    for step in &plan.steps {
        match step {
            Step::Launch(launch) => checker.launch(launch, parity, 0..1)?,
            Step::Loop(body) => {
                loops += 1;
                checker.body(body)?;
                parity = body.steps as usize % 2;
            }
        }
    }
    require(!plan.root_offset || loops == 1, || {
        "the root has the offsets of one loop, but there is not one".to_string()
    })
}

/// Checks what a chain of another length reads besides: the records of both parities, also after the loop.
pub fn validate_parities(plan: &Plan) -> Checked {
    let checker = Checker::new(plan)?;
    let mut after_loop = false;
    for step in &plan.steps {
        match step {
            Step::Launch(launch) if after_loop => {
                checker.launch(launch, 0, 0..1)?;
                checker.launch(launch, 1, 0..1)?;
            }
            Step::Launch(_) => {}
            Step::Loop(body) => {
                after_loop = true;
                for launch in &body.body {
                    // Iterations 0 and 1 are the same but for the table; windows move with later ones.
                    checker.launch(launch, 0, 0..1)?;
                    checker.launch(launch, 1, 0..1)?;
                }
            }
        }
    }
    Ok(())
}

/// Units of a kernel's result.
pub fn width_of(kernel: &Kernel) -> u64 {
    let product = |sizes: &[u32]| sizes.iter().fold(1u64, |product, &size| product.saturating_mul(u64::from(size)));
    match kernel {
        Kernel::Product { width, .. } | Kernel::Mixing { width, .. } | Kernel::Gaussian { width } => u64::from(*width),
        Kernel::Kronecker { widths } => product(widths),
        Kernel::Stage(stage) => product(&[stage.blocks, stage.outputs]),
        Kernel::Permute { outer, rows, columns } => product(&[*outer, *rows, *columns]),
        Kernel::Concat { widths } => widths.iter().map(|&width| u64::from(width)).sum(),
    }
}

/// Whether evidence is neither a value of a variable with so many values nor missing.
pub(crate) fn is_illegal(index: u32, values: u32) -> bool {
    match values {
        REAL_MISSING => index != REAL_MISSING && !f32::from_bits(index).is_finite(),
        _ => index > values,
    }
}

/// Number of values of each array's variables and where the array starts, and the number of all variables.
pub fn arrays(plan: &Plan) -> Result<(Vec<(u64, u64)>, u64), KernelError> {
    let mut start = 0u64;
    let mut arrays = Vec::with_capacity(plan.variables.len());
    for array in &plan.variables {
        let size = match array.domain {
            Domain::Categorical(size) => size as u64,
            Domain::Binary => 2,
            Domain::Integer(lo, hi) => u64::try_from(i128::from(hi) - i128::from(lo)).unwrap_or(0),
            Domain::Real => u64::from(REAL_MISSING),
        };
        let named = |what: &str| format!("the variables `{}` {what}", array.name);
        require(size > 0 && size < LIMIT, || named(&format!("have {size} values")))?;
        let count = array.shape.iter().try_fold(1u64, |count, &extent| count.checked_mul(extent as u64));
        arrays.push((start, size));
        start = count.and_then(|count| start.checked_add(count)).unwrap_or(u64::MAX);
        require(start < LIMIT, || named("are too many"))?;
    }
    Ok((arrays, start))
}

pub(crate) fn invalid(what: String) -> KernelError {
    KernelError::Plan(what)
}

pub(crate) fn require(condition: bool, what: impl FnOnce() -> String) -> Checked {
    if condition { Ok(()) } else { Err(invalid(what())) }
}

pub(crate) fn kernel_sizes(kernel: &Kernel) -> Result<(), String> {
    let width = width_of(kernel);
    if width == 0 || width >= LIMIT {
        return Err(format!("it has {width} units"));
    }
    let operands = match kernel {
        Kernel::Product { parts, inputs, .. } => u64::from(*parts) + u64::from(*inputs),
        Kernel::Kronecker { widths } | Kernel::Concat { widths } => {
            if widths.contains(&0) {
                return Err("a part has no units".to_string());
            }
            widths.len() as u64
        }
        Kernel::Stage(stage) => {
            stage_sizes(stage)?;
            [stage.prologue_parts, stage.prologue_inputs, stage.epilogue_parts, stage.epilogue_inputs]
                .iter()
                .map(|&count| u64::from(count))
                .sum()
        }
        Kernel::Mixing { inputs, .. } => u64::from((*inputs).min(1)),
        Kernel::Permute { .. } | Kernel::Gaussian { .. } => 1,
    };
    if operands == 0 || operands > u64::from(MAX_OPERANDS) {
        return Err(format!("it has {operands} operands; between 1 and {MAX_OPERANDS} are possible"));
    }
    Ok(())
}

fn stage_sizes(stage: &StageKernel) -> Result<(), String> {
    let StageKernel { blocks, distinct, outputs, inputs, rows, prologue_parts, prologue_inputs, .. } = *stage;
    if distinct == 0 || inputs == 0 || rows == 0 || u64::from(blocks) * u64::from(inputs) >= LIMIT {
        return Err("a size of the block-diagonal sum is 0 or too large".to_string());
    }
    if distinct > blocks || blocks % rows != 0 {
        return Err(format!(
            "{blocks} blocks do not go with {distinct} distinct ones and a permutation of {rows} rows"
        ));
    }
    if prologue_parts == 0 && prologue_inputs == 0 {
        return Err("the sum has no operand".to_string());
    }
    let Schedule::Panels { tile, chunk, vectors } = stage.schedule else { return Ok(()) };
    if tile == 0 || tile > MAX_TILE || chunk == 0 || chunk % tile != 0 || chunk > outputs.next_multiple_of(tile) {
        return Err(format!("tiles of {tile} and chunks of {chunk} do not cut {outputs} outputs"));
    }
    if !vectors.is_power_of_two() || vectors > MAX_VECTORS || tile * vectors > 2 * MAX_TILE {
        return Err(format!("{vectors} vectors of samples by {tile} outputs is not a possible register tile"));
    }
    Ok(())
}

pub(crate) struct Checker<'a> {
    plan: &'a Plan,
    /// First variable and number of values of each array.
    arrays: Vec<(u64, u64)>,
    variables: u64,
    /// Packs by where they start.
    packs: BTreeMap<u32, Vec<&'a Pack>>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Result<Self, KernelError> {
        let (arrays, variables) = arrays(plan)?;
        require(pack_len(plan) as u64 <= 2 * LIMIT && plan.tables.len() as u64 <= LIMIT, || {
            "the packed parameters or the tables are too long".to_string()
        })?;
        let mut packs: BTreeMap<u32, Vec<&Pack>> = BTreeMap::new();
        for (index, pack) in plan.packs.iter().enumerate() {
            check_pack(plan, pack).map_err(|what| invalid(format!("pack {index}: {what}")))?;
            packs.entry(pack.offset).or_default().push(pack);
        }
        Ok(Checker { plan, arrays, variables, packs })
    }

    fn body(&self, body: &Loop) -> Checked {
        require(body.steps > 0 && body.rescale > 0, || "a loop without iterations or rescaling".to_string())?;
        for row in body.carry {
            self.rows(row, u64::from(body.width))?;
        }
        for launch in &body.body {
            for parity in 0..2u32.min(body.steps) {
                let last = body.steps - 1 - (body.steps - 1 - parity) % 2;
                self.launch(launch, parity as usize, parity..last + 1)?;
            }
        }
        Ok(())
    }

    /// Checks a launch for the iterations of one parity within a range.
    fn launch(&self, launch: &Launch, parity: usize, iterations: Range<u32>) -> Checked {
        self.launch_records(launch, parity, &iterations).map_err(|error| match error {
            KernelError::Plan(what) => invalid(format!("launch `{}`: {what}", launch.label)),
            other => other,
        })
    }

    fn launch_records(&self, launch: &Launch, parity: usize, iterations: &Range<u32>) -> Checked {
        let kernel = self.plan.kernels.get(launch.kernel as usize);
        let kernel = kernel.ok_or_else(|| invalid(format!("there is no kernel {}", launch.kernel)))?;
        let table = launch.table[parity] as usize;
        let words = (launch.members as usize).checked_mul(kernel.record_len());
        let end = words.and_then(|words| words.checked_add(table)).filter(|&end| end <= self.plan.tables.len());
        let end = end.ok_or_else(|| invalid("its records go beyond the tables".to_string()))?;
        require(u64::from(launch.members) * width_of(kernel) < LIMIT, || "it is too large".to_string())?;
        let mut rows = Rows::default();
        for record in self.plan.tables[table..end].chunks_exact(kernel.record_len()) {
            rows.member += 1;
            self.record(kernel, record, iterations, &mut rows)?;
        }
        rows.check()
    }

    pub(crate) fn record(&self, kernel: &Kernel, record: &[u32], iterations: &Range<u32>, rows: &mut Rows) -> Checked {
        let width = width_of(kernel);
        self.rows(record[0], width)?;
        rows.write(record[0], width);
        let operands = &record[2..];
        let mut part = |row: u32, width: u64, in_place: bool| {
            self.rows(row, width)?;
            rows.read(row, width, in_place && row == record[0]);
            Ok(())
        };
        match kernel {
            Kernel::Product { parts, .. } => {
                let (parts, inputs) = operands.split_at(*parts as usize);
                parts.iter().try_for_each(|&row| part(row, width, true))?;
                self.inputs(inputs, width, iterations)
            }
            Kernel::Gaussian { .. } => self.gaussian(operands, width, iterations),
            Kernel::Kronecker { widths } | Kernel::Concat { widths } => {
                operands.iter().zip(widths).try_for_each(|(&row, &width)| part(row, u64::from(width), false))
            }
            Kernel::Permute { .. } => part(operands[0], width, false),
            Kernel::Mixing { inputs, .. } => {
                operands.iter().try_for_each(|&row| part(row, width, true))?;
                self.weights(record[1], Layout::Mixing, |shape| {
                    matches!(shape, ParameterShape::Mixing { width: w, inputs: i }
                        if *w as u64 == width && *i as u64 == u64::from(*inputs))
                })
            }
            Kernel::Stage(stage) => {
                let before = u64::from(stage.blocks) * u64::from(stage.inputs);
                let (parts, rest) = operands.split_at(stage.prologue_parts as usize);
                parts.iter().try_for_each(|&row| part(row, before, false))?;
                let (inputs, rest) = rest.split_at(4 * stage.prologue_inputs as usize);
                self.inputs(inputs, before, iterations)?;
                let (parts, inputs) = rest.split_at(stage.epilogue_parts as usize);
                parts.iter().try_for_each(|&row| part(row, width, false))?;
                self.inputs(inputs, width, iterations)?;
                self.stage_weights(stage, record[1])
            }
        }
    }

    fn stage_weights(&self, stage: &StageKernel, offset: u32) -> Checked {
        let tile = match stage.schedule {
            Schedule::Panels { tile, .. } => tile,
            Schedule::Narrow => 1,
        };
        self.weights(offset, Layout::Panels { tile }, |shape| {
            matches!(shape, ParameterShape::Weight { blocks, outputs, inputs, .. }
                if *blocks as u64 == u64::from(stage.distinct)
                    && *outputs as u64 == u64::from(stage.outputs)
                    && *inputs as u64 == u64::from(stage.inputs))
        })
    }

    pub(crate) fn rows(&self, row: u32, width: u64) -> Checked {
        require(u64::from(row) + width <= u64::from(self.plan.rows), || {
            format!("rows {row} to {} are beyond the arena's {}", u64::from(row) + width, self.plan.rows)
        })
    }

    pub(crate) fn weights(&self, offset: u32, layout: Layout, fits: impl Fn(&ParameterShape) -> bool) -> Checked {
        let packs = self.packs.get(&offset).map(Vec::as_slice).unwrap_or_default();
        let found = packs
            .iter()
            .any(|pack| pack.layout == layout && fits(&self.plan.parameters[pack.parameter as usize].shape));
        require(found, || format!("no parameter of its shape is packed as {layout:?} at chunk {offset}"))
    }

    pub(crate) fn inputs(&self, inputs: &[u32], width: u64, iterations: &Range<u32>) -> Checked {
        for input in inputs.chunks_exact(4) {
            let [variable, stride, offset, pitch] = [input[0], input[1], input[2], input[3]];
            let values = u64::from(pitch.wrapping_sub(1));
            let fits = |shape: &ParameterShape| {
                matches!(shape, ParameterShape::Table { width: w, values: v }
                    if *w as u64 == width && *v as u64 == values)
            };
            self.weights(offset, Layout::Table, fits).or_else(|_| self.weights(offset, Layout::Greatest, fits))?;
            self.variables(variable, stride, values, iterations)?;
        }
        Ok(())
    }

    /// Checks what Gaussian units read.
    fn gaussian(&self, input: &[u32], width: u64, iterations: &Range<u32>) -> Checked {
        let &[variable, stride, offset, pitch] = input else { return Ok(()) };
        require(pitch == GAUSSIAN_PITCH, || format!("Gaussian units are {pitch} numbers apart"))?;
        self.gaussian_units(offset, width)?;
        self.variables(variable, stride, u64::from(REAL_MISSING), iterations)
    }

    /// Checks that Gaussian units stand at an offset.
    pub(crate) fn gaussian_units(&self, offset: u32, width: u64) -> Checked {
        let fits =
            |shape: &ParameterShape| matches!(shape, ParameterShape::Gaussian { width: w, .. } if *w as u64 == width);
        let units = self.weights(offset, Layout::Gaussian, fits);
        units.or_else(|_| self.weights(offset, Layout::GaussianGreatest, fits))
    }

    /// Checks the variables read at every other iteration of a range.
    pub(crate) fn variables(&self, variable: u32, stride: u32, values: u64, iterations: &Range<u32>) -> Checked {
        let at = |iteration: u32| i64::from(variable) + i64::from(iteration) * i64::from(stride as i32);
        let (first, last) = (at(iterations.start), at(iterations.end - 1));
        let (low, high) = (first.min(last), first.max(last));
        require(low >= 0 && (high as u64) < self.variables, || {
            format!("variables {low} to {high} are read, but there are {}", self.variables)
        })?;
        let step = 2 * i64::from(stride as i32).abs();
        for (index, &(start, size)) in self.arrays.iter().enumerate() {
            let end = self.arrays.get(index + 1).map_or(self.variables, |next| next.0);
            // The first variable read at or after the array's start.
            let reached = match step {
                0 => low,
                _ => low + ((start as i64 - low).max(0) + step - 1) / step * step,
            };
            let touched = reached >= start as i64 && reached <= high && (reached as u64) < end;
            require(!touched || size == values, || {
                format!("variable {reached} has {size} values, but its table is for {values}")
            })?;
        }
        Ok(())
    }
}

fn check_pack(plan: &Plan, pack: &Pack) -> Result<(), String> {
    pack_fits(pack, pack_len(plan), &plan.parameters)
}

/// Whether a pack names a parameter of the shape its layout is for, and lies within the packed parameters.
pub(crate) fn pack_fits(pack: &Pack, packed: usize, parameters: &[Parameter]) -> Result<(), String> {
    let parameter = parameters.get(pack.parameter as usize);
    let parameter = parameter.ok_or_else(|| format!("there is no parameter {}", pack.parameter))?;
    let Some(sizes) = pack_sizes(pack.layout, &parameter.shape) else {
        return Err(format!("`{}` of shape {:?} is packed as {:?}", parameter.name, parameter.shape, pack.layout));
    };
    let length = sizes.iter().try_fold(1usize, |length, &size| length.checked_mul(size));
    let end = length.and_then(|length| length.checked_add(pack.offset as usize * CHUNK));
    match end {
        Some(end) if end <= packed => Ok(()),
        _ => Err(format!("`{}` goes beyond the {packed} packed parameters", parameter.name)),
    }
}

/// The rows a launch writes and reads.
#[derive(Default)]
pub(crate) struct Rows {
    /// The member that is looked at.
    pub(crate) member: usize,
    written: Vec<(u64, u64, usize)>,
    /// Start, end and, for operands that may be replaced, the member.
    read: Vec<(u64, u64, Option<usize>)>,
}

impl Rows {
    pub(crate) fn write(&mut self, row: u32, width: u64) {
        self.written.push((u64::from(row), u64::from(row) + width, self.member));
    }

    pub(crate) fn read(&mut self, row: u32, width: u64, in_place: bool) {
        self.read.push((u64::from(row), u64::from(row) + width, in_place.then_some(self.member)));
    }

    pub(crate) fn check(mut self) -> Checked {
        self.written.sort_unstable();
        for pair in self.written.windows(2) {
            require(pair[0].1 <= pair[1].0, || format!("row {} is written twice", pair[1].0))?;
        }
        for &(start, end, replaced_by) in &self.read {
            let first = self.written.partition_point(|&(_, written_end, _)| written_end <= start);
            let overlaps = self.written[first..].iter().take_while(|&&(written, ..)| written < end);
            for &(written, _, member) in overlaps {
                let own = replaced_by == Some(member) && written == start;
                require(own, || format!("row {} is read and written", written.max(start)))?;
            }
        }
        Ok(())
    }
}
