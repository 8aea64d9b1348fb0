//! Plans for people: `--emit=plan` and `--emit=kernels`.
//!
//! ```text
//! plan monarch_hmm
//!   fingerprint 5f2a..
//!   arena       32768 rows (131072 bytes per sample)
//! steps
//!   k0 %0: rows 0..16384 = x[255] @emission
//!   loop 255 times, carry in rows 0..16384, rescaled every 16, in linear space
//!     k1 %3/%1: rows 16384..32768 = @transition.2 of rows 0..16384
//! ```

use danaus_artifact::chain::Chain;
use danaus_artifact::plan::{CHUNK, Kernel, Launch, Layout, Loop, Pack, Plan, Schedule, StageKernel, Step};
use std::fmt::Write;

/// Members of a launch that are printed in full.
const MEMBERS_SHOWN: usize = 8;

/// The whole plan, its tables decoded.
pub fn print(plan: &Plan) -> String {
    let mut text = format!("plan {}\n", plan.name);
    let chunks = plan.packed_chunks as usize;
    let mut line = |line: String| text.push_str(&format!("  {line}\n"));
    line(format!("fingerprint {}", plan.fingerprint));
    line(format!("arena       {} rows ({} bytes per sample)", plan.rows, 4 * u64::from(plan.rows)));
    line(format!("packed      {chunks} chunks ({} bytes)", 4 * chunks * CHUNK));
    text.push_str("packs\n");
    for pack in &plan.packs {
        let name = &plan.parameters[pack.parameter as usize].name;
        let _ = writeln!(text, "  at {:<8} @{name} as {}", pack.offset, layout(pack.layout));
    }
    text.push_str(&print_kernels(plan));
    text.push_str("steps\n");
    for step in &plan.steps {
        match step {
            Step::Launch(one) => launch(plan, one, "  ", &mut text),
            Step::Loop(chain) => print_loop(plan, chain, &mut text),
        }
    }
    let offset = if plan.root_offset { ", plus the offset of the loop" } else { "" };
    let _ = writeln!(text, "root\n  row {}{offset}", plan.root);
    text
}

/// The distinct kernels and how many launches of the plan use each.
pub fn print_kernels(plan: &Plan) -> String {
    let mut uses = vec![0; plan.kernels.len()];
    for step in &plan.steps {
        match step {
            Step::Launch(launch) => uses[launch.kernel as usize] += 1,
            Step::Loop(chain) => chain.body.iter().for_each(|launch| uses[launch.kernel as usize] += 1),
        }
    }
    let mut text = "kernels\n".to_string();
    for (index, (kernel, uses)) in plan.kernels.iter().zip(uses).enumerate() {
        let _ = writeln!(text, "  k{index}: {} ({})", describe(kernel), count(uses, "launch", "launches"));
    }
    text
}

/// What a kernel does, in one line.
pub fn describe(kernel: &Kernel) -> String {
    match kernel {
        Kernel::Product { width, parts, inputs } => {
            format!("product of width {width}, {}", reads(*parts, *inputs))
        }
        Kernel::Gaussian { width } => format!("gaussian of width {width}"),
        Kernel::Kronecker { widths } => format!("kronecker of widths {}", list(widths)),
        Kernel::Stage(stage) => describe_stage(stage),
        Kernel::Mixing { width, inputs } => format!("mixing of width {width}, {inputs} parts"),
        Kernel::Permute { outer, rows, columns } => format!("permute [{outer}, {rows}, {columns}]"),
        Kernel::Concat { widths } => format!("concat of widths {}", list(widths)),
    }
}

fn describe_stage(stage: &StageKernel) -> String {
    let mut text = if stage.blocks == 1 {
        format!("dense sum {} x {}", stage.outputs, stage.inputs)
    } else {
        format!("block-diagonal sum {} of {} x {}", stage.blocks, stage.outputs, stage.inputs)
    };
    if stage.distinct != stage.blocks {
        let _ = write!(text, " ({} distinct)", stage.distinct);
    }
    if stage.rows > 1 {
        let _ = write!(text, ", stored by {}", stage.rows);
    }
    let _ = write!(text, ", of {}", reads(stage.prologue_parts, stage.prologue_inputs));
    if stage.epilogue_parts + stage.epilogue_inputs > 0 {
        let _ = write!(text, ", times {}", reads(stage.epilogue_parts, stage.epilogue_inputs));
    }
    match stage.schedule {
        Schedule::Panels { tile, chunk, vectors } => {
            let _ = write!(text, "; tiles of {tile} outputs by {vectors} vectors, {chunk} outputs per item");
        }
        Schedule::Narrow => text.push_str("; narrow"),
    }
    text
}

fn reads(parts: u32, inputs: u32) -> String {
    match (parts, inputs) {
        (parts, 0) => count(parts, "part", "parts"),
        (0, inputs) => count(inputs, "input", "inputs"),
        (parts, inputs) => format!("{} and {}", count(parts, "part", "parts"), count(inputs, "input", "inputs")),
    }
}

fn count(number: u32, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn list(widths: &[u32]) -> String {
    widths.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn layout(layout: Layout) -> String {
    match layout {
        Layout::Table => "a table".into(),
        Layout::Panels { tile } => format!("panels of {tile}"),
        Layout::Mixing => "mixing weights".into(),
        Layout::Transposed { tile } => format!("transposed panels of {tile}"),
        Layout::Logarithms => "logarithms".into(),
        Layout::Greatest => "table of maxima".into(),
        Layout::Gaussian => "Gaussian units".into(),
        Layout::GaussianGreatest => "Gaussian units with their maxima".into(),
        Layout::Probabilities { tile } => format!("probabilities in panels of {tile}"),
    }
}

fn print_loop(plan: &Plan, chain: &Loop, text: &mut String) {
    let [even, odd] = chain.carry.map(|row| range(row, chain.width));
    let carry = if even == odd { even } else { format!("{even} and {odd} in turns") };
    let rescale = match chain.rescale {
        u32::MAX => "never rescaled".into(),
        every => format!("rescaled every {every}"),
    };
    let linear = if Chain::of_loop(plan, chain).is_some() { ", in linear space" } else { "" };
    let _ = writeln!(text, "  loop {} times, carry in {carry}, {rescale}{linear}", chain.steps);
    chain.body.iter().for_each(|one| launch(plan, one, "    ", text));
}

fn launch(plan: &Plan, launch: &Launch, indent: &str, text: &mut String) {
    let kernel = &plan.kernels[launch.kernel as usize];
    let length = kernel.record_len();
    let record = |parity: usize, member: usize| {
        let start = launch.table[parity] as usize + member * length;
        &plan.tables[start..start + length]
    };
    let members = launch.members as usize;
    let _ = write!(text, "{indent}k{} {}:", launch.kernel, launch.label);
    let separator = if members == 1 { " ".into() } else { format!("\n{indent}  ") };
    for member in 0..members.min(MEMBERS_SHOWN) {
        let even = member_text(plan, kernel, record(0, member));
        let _ = write!(text, "{separator}{even}");
        let odd = member_text(plan, kernel, record(1, member));
        if odd != even {
            let _ = write!(text, "\n{indent}  odd: {odd}");
        }
    }
    if members > MEMBERS_SHOWN {
        let _ = write!(text, "{separator}and {} more", members - MEMBERS_SHOWN);
    }
    text.push('\n');
}

fn member_text(plan: &Plan, kernel: &Kernel, record: &[u32]) -> String {
    let (out, operands) = (record[0], &record[2..]);
    let rows = |widths: &[u32]| operands.iter().zip(widths).map(|(&row, &width)| range(row, width)).collect::<Vec<_>>();
    let all = |width: u32, parts: u32| rows(&vec![width; parts as usize]);
    let (width, value) = match kernel {
        &Kernel::Product { width, parts, inputs } => (width, factors(plan, operands, width, parts, inputs).join(" * ")),
        &Kernel::Gaussian { width } => (width, factors(plan, operands, width, 0, 1).join(" * ")),
        Kernel::Kronecker { widths } => (widths.iter().product(), rows(widths).join(" (x) ")),
        Kernel::Concat { widths } => (widths.iter().sum(), rows(widths).join(" ++ ")),
        &Kernel::Mixing { width, inputs } => {
            (width, format!("{} of {}", weights(plan, record[1]), all(width, inputs).join(", ")))
        }
        &Kernel::Permute { outer, rows: r, columns } => {
            let width = outer * r * columns;
            (width, format!("permuted {}", range(operands[0], width)))
        }
        Kernel::Stage(stage) => (stage.blocks * stage.outputs, stage_text(plan, stage, record)),
    };
    format!("{} = {value}", range(out, width))
}

fn stage_text(plan: &Plan, stage: &StageKernel, record: &[u32]) -> String {
    let (before, after) = record[2..].split_at((stage.prologue_parts + 4 * stage.prologue_inputs) as usize);
    let width = stage.blocks * stage.inputs;
    let before = factors(plan, before, width, stage.prologue_parts, stage.prologue_inputs);
    let width = stage.blocks * stage.outputs;
    let after = factors(plan, after, width, stage.epilogue_parts, stage.epilogue_inputs);
    let inner = if before.len() > 1 { format!("({})", before.join(" * ")) } else { before.concat() };
    let mut text = format!("{} of {inner}", weights(plan, record[1]));
    after.iter().for_each(|factor| text.push_str(&format!(" * {factor}")));
    text
}

fn factors(plan: &Plan, operands: &[u32], width: u32, parts: u32, inputs: u32) -> Vec<String> {
    let (rows, columns) = operands.split_at(parts as usize);
    let columns = columns.chunks_exact(4).take(inputs as usize);
    let column =
        |column: &[u32]| format!("{} {}", variable(plan, column[0], column[1] as i32), weights(plan, column[2]));
    rows.iter().map(|&row| range(row, width)).chain(columns.map(column)).collect()
}

fn range(row: u32, width: u32) -> String {
    if width == 1 { format!("row {row}") } else { format!("rows {row}..{}", row + width) }
}

/// The parameter packed at an offset.
fn weights(plan: &Plan, offset: u32) -> String {
    let found = plan.packs.binary_search_by_key(&offset, |pack: &Pack| pack.offset);
    let pack = &plan.packs[found.expect("records point at packed parameters")];
    format!("@{}", plan.parameters[pack.parameter as usize].name)
}

/// `x[254 - i]`: a variable at iteration `i`.
fn variable(plan: &Plan, index: u32, stride: i32) -> String {
    let mut first = index as usize;
    for array in &plan.variables {
        let length: usize = array.shape.iter().product();
        if first >= length {
            first -= length;
            continue;
        }
        let moving = match stride {
            0 => String::new(),
            1 => " + i".into(),
            -1 => " - i".into(),
            more if more > 0 => format!(" + {more} i"),
            less => format!(" - {} i", -i64::from(less)),
        };
        return match (array.shape.len(), stride) {
            (0, _) => array.name.clone(),
            (1, _) => format!("{}[{first}{moving}]", array.name),
            (_, 0) => format!("{}[{}]", array.name, list(&coordinates(first, &array.shape))),
            _ => format!("{}[#{first}{moving}]", array.name),
        };
    }
    format!("variable {index}")
}

fn coordinates(mut position: usize, shape: &[usize]) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for &extent in shape.iter().rev() {
        found.push((position % extent) as u32);
        position /= extent;
    }
    found.reverse();
    found
}
