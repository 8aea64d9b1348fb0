//! The contract of the circuit IR, checked after every pass.
//!
//! References (first, so that the later checks can index):
//! * a module holds one circuit, or, with a pending product, one or more
//! * names of the arrays of variables of a circuit are distinct, so are names of its parameters
//! * arrays, domains and parameter shapes are not empty, and their sizes fit the machine
//! * operands name parts of earlier layers; variables and parameters exist, in a scan at every iteration
//! * there is a root, and it has one member; so does the body of a scan
//!
//! Shapes:
//! * initial values fit their parameter: as many numbers as entries, none negative; an indicator's value exists
//! * each operation has as many operands and parameters as [`Op`] says, of the shapes it says, in each member
//! * tables have as many values as the variable's domain
//! * only `input`, `hadamard` and `stage` read variables directly
//! * the root of a circuit has one unit
//!
//! Scans:
//! * a scan has one member; its body holds exactly one carry and no scan; outside of bodies there is no carry
//! * carry, body root and scan have the same width, and the root of the body depends on the carry
//! * in a body strides are not zero, elsewhere they are
//! * no two uses of variables in a body meet in any iterations
//!
//! Scopes:
//! * decomposable: operands of products share no variable
//! * smooth: operands of sums and concatenations have the same variables
//!
//! A failure is a bug of the compiler (or of a hand-written text form); it shows the dump with an arrow under
//! each bad line.

mod references;
mod scans;
mod shapes;

use super::print::{Item, Line, Place, lines, variable};
use super::scope::{Misfit, scopes_with};
use super::*;
use std::fmt::Write;

/// A broken rule of the contract.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The group of the contract: `references`, `shapes`, `scans` or `scopes`.
    pub check: &'static str,
    /// What was expected and what was found.
    pub message: String,
}

/// All faults of the first group of checks that failed, and the dump that shows them.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifyError {
    /// At least one.
    pub faults: Vec<Fault>,
    /// The text form around the faults, with an arrow under each.
    pub dump: String,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dump)
    }
}

impl std::error::Error for VerifyError {}

/// Checks the contract.
pub fn verify(module: &Module) -> Result<(), VerifyError> {
    for check in [references::check, shapes::check, scans::check, scopes] {
        let mut faults = Vec::new();
        check(module, &mut faults);
        if !faults.is_empty() {
            let dump = dump(module, &faults);
            return Err(VerifyError { faults, dump });
        }
    }
    Ok(())
}

/// A graph of a circuit: its own, or the body of a scan.
struct Frame<'a> {
    index: usize,
    circuit: &'a Circuit,
    graph: &'a LayerGraph,
    scan: Option<(LayerId, usize)>,
}

impl<'a> Frame<'a> {
    fn of(module: &'a Module) -> impl Iterator<Item = Frame<'a>> {
        module.circuits.iter().enumerate().flat_map(|(index, circuit)| {
            let bodies = circuit.graph.layers().filter_map(move |(id, layer)| match &layer.op {
                Op::Scan(scan) => Some(Frame { index, circuit, graph: &scan.body, scan: Some((id, scan.steps)) }),
                _ => None,
            });
            std::iter::once(Frame { index, circuit, graph: &circuit.graph, scan: None }).chain(bodies)
        })
    }

    fn place(&self, layer: LayerId) -> Place {
        let item = match self.scan {
            None => Item::Layer(layer),
            Some((scan, _)) => Item::Body(scan, layer),
        };
        Place { circuit: self.index, item }
    }

    fn root_place(&self) -> Place {
        let item = match self.scan {
            None => Item::Root,
            Some((scan, _)) => Item::BodyRoot(scan),
        };
        Place { circuit: self.index, item }
    }

    /// `member .2: ` if there are several.
    fn member(&self, layer: LayerId, part: usize) -> String {
        match self.graph.layer(layer).members.len() {
            1 => String::new(),
            _ => format!("member .{part}: "),
        }
    }

    fn steps(&self) -> usize {
        self.scan.map_or(1, |(_, steps)| steps)
    }
}

fn scopes(module: &Module, faults: &mut Vec<Fault>) {
    for frame in Frame::of(module) {
        scopes_with(frame.graph, frame.steps(), |id, part, misfit| {
            faults.push(Fault {
                place: frame.place(id),
                check: "scopes",
                message: misfit_message(&frame, id, part, misfit),
            });
        });
    }
}

fn misfit_message(frame: &Frame, layer: LayerId, part: usize, misfit: Misfit) -> String {
    let name = |variable_index: u32| match variable_index {
        scope::CARRY => "the carry".to_string(),
        index => variable(frame.circuit, index, 0),
    };
    let which = frame.member(layer, part);
    match misfit {
        Misfit::Shared(variable) => format!("{which}not decomposable: two operands are about {}", name(variable)),
        Misfit::Differs { operand, variable } => {
            format!("{which}not smooth: of operands 0 and {operand} only one is about {}", name(variable))
        }
    }
}

/// The text form with an arrow under each bad line; long stretches without faults are left out.
fn dump(module: &Module, faults: &[Fault]) -> String {
    const AROUND: usize = 8;
    let lines = lines(module);
    let mut under: Vec<Vec<&Fault>> = vec![Vec::new(); lines.len()];
    for fault in faults {
        under[line_of(&lines, fault.place)].push(fault);
    }
    let near = |i: usize| (i.saturating_sub(AROUND)..(i + AROUND + 1).min(lines.len())).any(|j| !under[j].is_empty());
    let (mut text, mut skipped) = (String::new(), 0);
    for (i, line) in lines.iter().enumerate() {
        if lines.len() > 64 && !near(i) {
            skipped += 1;
            continue;
        }
        elide(&mut text, &mut skipped);
        text.push_str(&line.text);
        text.push('\n');
        for fault in &under[i] {
            let indent = line.text.len() - line.text.trim_start().len();
            let bar = "~".repeat(line.text.trim().chars().count().saturating_sub(1));
            writeln!(text, "{}^{bar} {}: {}", " ".repeat(indent), fault.check, fault.message).expect("writing works");
        }
    }
    elide(&mut text, &mut skipped);
    let plural = if faults.len() == 1 { "" } else { "s" };
    write!(text, "{} fault{plural}", faults.len()).expect("writing to a string works");
    text
}

fn elide(text: &mut String, skipped: &mut usize) {
    if *skipped > 0 {
        writeln!(text, "  .. {skipped} lines").expect("writing to a string works");
        *skipped = 0;
    }
}

/// The line that shows a place, or the head of its circuit if it has none (a root that is missing).
fn line_of(lines: &[Line], place: Place) -> usize {
    let find = |place: Place| lines.iter().position(|line| line.place == Some(place));
    find(place).or_else(|| find(Place { item: Item::Head, ..place })).unwrap_or(0)
}
