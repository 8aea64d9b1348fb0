//! The likelihood of one long sequence in memory that does not grow with its length.
//!
//! # Design
//!
//! A plan that can be streamed is a chain: launches that start it, one loop that takes one more variable per
//! iteration, launches without inputs that end it. It was compiled for `T` variables; a sequence of `N` takes
//! `N - T` more (or fewer) iterations. A loop that runs downwards starts at the end of the sequence, so variable
//! `v` stands for position `v + (N - T)`; a loop that runs upwards starts at 0, and nothing moves.
//!
//! Evidence is on the device in windows. The kernels count variables from the window's first position modulo `2^32`,
//! so positions may exceed what a word holds. Carry and offsets stay where they are between windows.

use crate::error::KernelError;
use crate::program::Program;
use crate::validate::validate_parities;
use danaus_artifact::plan::{Kernel, Launch, Loop, Plan, Step};
use std::ops::Range;

/// Where a caller's evidence comes from: value indices `[positions in range][batch]`.
pub type Supply<'a> = &'a mut dyn FnMut(Range<u64>) -> Result<Vec<u32>, String>;

/// The shape of a plan that can be streamed.
struct Chain<'a> {
    before: Vec<&'a Launch>,
    body: &'a Loop,
    after: Vec<&'a Launch>,
    /// The variables read before the loop.
    start: Option<Range<u64>>,
    /// The variables read by iteration 0.
    first: Range<u64>,
    downwards: bool,
    /// Variables the plan was compiled for.
    variables: u64,
}

/// The positions on the device.
struct Window {
    range: Range<u64>,
    rows: Vec<u32>,
}

impl Program {
    /// Log-likelihoods of `batch` sequences of `length` positions. `next` is asked for the positions in the order the
    /// chain consumes them, in windows of at most `window` positions (more where the chain reads further at once).
    pub fn stream(
        &mut self,
        length: u64,
        window: u32,
        batch: usize,
        next: Supply<'_>,
    ) -> Result<Vec<f64>, KernelError> {
        let plan = self.plan.clone();
        let chain = Chain::of(&plan)?;
        let iterations = (length + u64::from(chain.body.steps)).checked_sub(chain.variables);
        let Some(iterations) = iterations.filter(|_| length > 0 && window > 0) else {
            let least = chain.variables - u64::from(chain.body.steps);
            return Err(KernelError::Stream(format!(
                "a sequence of {length} positions in windows of {window}; it needs at least {least} positions"
            )));
        };
        if batch == 0 {
            return Ok(Vec::new());
        }
        self.prepare(batch)?;
        self.reset_offsets();
        let mut stream = Stream { program: self, chain: &chain, length, batch, window: None, next };
        stream.start()?;
        let mut iteration = 0;
        while iteration < iterations {
            let end = iterations.min(iteration + u64::from(window));
            stream.advance(iteration..end)?;
            iteration = end;
        }
        self.leave_loop(chain.body, iterations)?;
        for launch in &chain.after {
            self.launch(launch, iterations, 0, 0)?;
        }
        self.result()
    }
}

struct Stream<'a, 'b> {
    program: &'a mut Program,
    chain: &'a Chain<'a>,
    length: u64,
    batch: usize,
    window: Option<Window>,
    next: Supply<'b>,
}

impl Stream<'_, '_> {
    /// How far positions are from variables, modulo `2^64`.
    fn shift(&self) -> u64 {
        if self.chain.downwards { self.length.wrapping_sub(self.chain.variables) } else { 0 }
    }

    /// Computes what comes before the loop.
    fn start(&mut self) -> Result<(), KernelError> {
        if let Some(start) = &self.chain.start {
            let shift = self.shift();
            self.read(start.start.wrapping_add(shift)..start.end.wrapping_add(shift))?;
        }
        let base = self.base();
        for launch in &self.chain.before {
            self.program.launch(launch, 0, 0, base)?;
        }
        Ok(())
    }

    /// Computes some iterations.
    fn advance(&mut self, iterations: Range<u64>) -> Result<(), KernelError> {
        let (first, shift) = (&self.chain.first, self.shift());
        let count = iterations.end - iterations.start;
        let positions = if self.chain.downwards {
            let end = first.end.wrapping_add(shift) - iterations.start;
            end - (first.end - first.start) - (count - 1)..end
        } else {
            first.start + iterations.start..first.end + iterations.end - 1
        };
        self.read(positions)?;
        let base = self.base();
        for iteration in iterations {
            self.program.iterate(self.chain.body, iteration, base)?;
        }
        Ok(())
    }

    /// The variable that stands for the window's first position.
    fn base(&self) -> u32 {
        let position = self.window.as_ref().map_or(0, |window| window.range.start);
        position.wrapping_sub(self.shift()) as u32
    }

    /// Makes a window of `range`: asks for what the last one does not hold.
    fn read(&mut self, range: Range<u64>) -> Result<(), KernelError> {
        let held = self.window.take().unwrap_or(Window { range: range.start..range.start, rows: Vec::new() });
        let mut rows = Vec::with_capacity((range.end - range.start) as usize * self.batch);
        let overlap = held.range.start.max(range.start)..held.range.end.min(range.end);
        if overlap.is_empty() {
            rows = self.ask(range.clone())?;
        } else {
            if range.start < overlap.start {
                rows.extend(self.ask(range.start..overlap.start)?);
            }
            let at = |position: u64| (position - held.range.start) as usize * self.batch;
            rows.extend_from_slice(&held.rows[at(overlap.start)..at(overlap.end)]);
            if overlap.end < range.end {
                rows.extend(self.ask(overlap.end..range.end)?);
            }
        }
        self.program.put_evidence(&rows, (range.end - range.start) as usize, |_| 0)?;
        self.window = Some(Window { range, rows });
        Ok(())
    }

    fn ask(&mut self, range: Range<u64>) -> Result<Vec<u32>, KernelError> {
        let rows = (self.next)(range.clone()).map_err(KernelError::Supply)?;
        self.program.check_rows(&rows, (range.end - range.start) as usize, self.batch, |_| 0)?;
        Ok(rows)
    }
}

fn refuse<T>(what: &str) -> Result<T, KernelError> {
    Err(KernelError::Stream(what.to_string()))
}

impl<'a> Chain<'a> {
    fn of(plan: &'a Plan) -> Result<Chain<'a>, KernelError> {
        let mut loops = plan.steps.iter().enumerate().filter_map(|(index, step)| match step {
            Step::Loop(body) => Some((index, body)),
            Step::Launch(_) => None,
        });
        let Some((index, body)) = loops.next() else { return refuse("it has no loop; only chains can be streamed") };
        if loops.next().is_some() {
            return refuse("it has several loops; only single chains can be streamed");
        }
        let launches = |steps: &'a [Step]| -> Vec<&'a Launch> {
            steps
                .iter()
                .filter_map(|step| match step {
                    Step::Launch(launch) => Some(launch),
                    Step::Loop(_) => None,
                })
                .collect()
        };
        let (before, after) = (launches(&plan.steps[..index]), launches(&plan.steps[index + 1..]));
        validate_parities(plan)?;
        let mut domains = plan.variables.iter().map(|array| array.domain.size());
        let size = domains.next();
        if domains.any(|other| Some(other) != size) {
            return refuse("its variables have different numbers of values");
        }
        if after.iter().any(|launch| !inputs(plan, launch).is_empty()) {
            return refuse("it reads variables after the loop");
        }
        let start = span(before.iter().flat_map(|launch| inputs(plan, launch)));
        let in_loop: Vec<[u32; 2]> = body.body.iter().flat_map(|launch| inputs(plan, launch)).collect();
        let stride = in_loop.first().map(|input| input[1] as i32);
        let downwards = match stride {
            Some(-1) => true,
            Some(1) => false,
            _ => return refuse("an iteration of its loop does not move by one variable"),
        };
        if in_loop.iter().any(|input| Some(input[1] as i32) != stride) {
            return refuse("the variables of its loop move differently");
        }
        let first = span(in_loop.into_iter()).expect("there is an input");
        let variables = crate::validate::arrays(plan)?.1;
        let chain = Chain { before, body, after, start, first, downwards, variables };
        chain.covers_all()?;
        Ok(chain)
    }

    /// Whether start and loop together read every variable, so that a longer sequence is the same chain.
    fn covers_all(&self) -> Result<(), KernelError> {
        let steps = u64::from(self.body.steps);
        let start = self.start.clone();
        let complete = if self.downwards {
            let start = start.unwrap_or(self.first.end..self.first.end);
            let reached = start.start <= self.first.end && start.end.max(self.first.end) == self.variables;
            reached && self.first.start + 1 == steps
        } else {
            let start = start.unwrap_or(self.first.start..self.first.start);
            let reached = start.end >= self.first.start && start.start.min(self.first.start) == 0;
            reached && self.first.end + steps - 1 == self.variables
        };
        if complete { Ok(()) } else { refuse("its loop does not run through all variables from one end to the other") }
    }
}

/// Variable and stride of every input of a launch. Both parities read the same.
fn inputs(plan: &Plan, launch: &Launch) -> Vec<[u32; 2]> {
    let kernel = &plan.kernels[launch.kernel as usize];
    let lists = match kernel {
        Kernel::Product { parts, inputs, .. } => vec![(2 + parts, *inputs)],
        Kernel::Gaussian { .. } => vec![(2, 1)],
        Kernel::Stage(stage) => {
            let before = 2 + stage.prologue_parts;
            let after = before + 4 * stage.prologue_inputs + stage.epilogue_parts;
            vec![(before, stage.prologue_inputs), (after, stage.epilogue_inputs)]
        }
        Kernel::Kronecker { .. } | Kernel::Mixing { .. } | Kernel::Permute { .. } | Kernel::Concat { .. } => vec![],
    };
    let mut found = Vec::new();
    for member in 0..launch.members as usize {
        for table in launch.table {
            let record = table as usize + member * kernel.record_len();
            for &(at, count) in &lists {
                for input in 0..count {
                    let word = record + (at + 4 * input) as usize;
                    // A table for a parity that does not occur may lie elsewhere; it was checked where it is used.
                    found.extend(plan.tables.get(word..word + 2).map(|words| [words[0], words[1]]));
                }
            }
        }
    }
    found
}

/// The range of the variables.
fn span(inputs: impl Iterator<Item = [u32; 2]>) -> Option<Range<u64>> {
    inputs.fold(None, |span, [variable, _]| {
        let variable = u64::from(variable);
        Some(
            span.map_or(variable..variable + 1, |span: Range<u64>| {
                span.start.min(variable)..span.end.max(variable + 1)
            }),
        )
    })
}
