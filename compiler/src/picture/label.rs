//! What a picture says about a layer.

use crate::circuit::print::{operation, variable};
use crate::circuit::scope::{CARRY, Scope};
use crate::circuit::*;

/// At most this many intervals of a scope, or operands, are listed.
const LISTED: usize = 2;

/// The lines in the box of a layer.
pub(super) fn lines(circuit: &Circuit, graph: &LayerGraph, id: LayerId, scope: &[Scope]) -> Vec<String> {
    let layer = graph.layer(id);
    let mut lines = vec![format!("{id}  {}", short(&layer.op)), size(circuit, graph, layer)];
    let member = &layer.members[0];
    let more = match layer.members.len() {
        1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    for operand in member.operands.iter().take(LISTED) {
        if let Operand::Input(var) = operand {
            let table = &circuit.parameter(var.table).name;
            lines.push(format!("{} @{table}{more}", variable(circuit, var.index, var.stride)));
        }
    }
    if !member.parameters.is_empty() {
        let names = member.parameters.iter().map(|id| format!("@{}", circuit.parameter(*id).name));
        lines.push(format!("{}{more}", names.collect::<Vec<_>>().join(" ")));
    }
    if layer.op == Op::Carry {
        lines.push(format!("then {} of the iteration before", graph.root()));
    }
    if layer.op != Op::Input
        && let Some(text) = scope_text(circuit, &scope[0])
    {
        lines.push(format!("about {text}{more}"));
    }
    lines
}

/// The operation without the sizes that the next line says.
fn short(op: &Op) -> String {
    match op {
        Op::Sum(SumKind::Kronecker(_)) => "sum kronecker".into(),
        Op::Stage(_) => "stage".into(),
        Op::Scan(scan) => format!("scan, {} iterations", scan.steps),
        _ => operation(op),
    }
}

fn size(circuit: &Circuit, graph: &LayerGraph, layer: &Layer) -> String {
    let width = layer.width;
    let members = match layer.members.len() {
        1 => String::new(),
        n => format!(", {n} members"),
    };
    let inputs = layer.members[0].operands.first().map(|operand| circuit.operand_width(graph, *operand));
    match (&layer.op, inputs) {
        (Op::Stage(stage), _) => {
            let store = if stage.rows == 1 { "" } else { ", permuted" };
            let blocks = if stage.blocks == 1 { String::new() } else { format!("{} blocks ", stage.blocks) };
            format!("{blocks}{} x {}{store}{members}", stage.outputs, stage.inputs)
        }
        (Op::Sum(SumKind::BlockDiagonal { blocks }), Some(inputs)) => {
            format!("{} x {} per block{members}", width / blocks, inputs / blocks)
        }
        (Op::Sum(_), Some(inputs)) if inputs != width => format!("{width} x {inputs}{members}"),
        (_, _) => format!("{width} unit{}{members}", if width == 1 { "" } else { "s" }),
    }
}

/// `x[0..256]`, `rain, wet`, `4 of pixel`; none for the scope of a carry alone.
fn scope_text(circuit: &Circuit, scope: &Scope) -> Option<String> {
    let mut parts = Vec::new();
    let mut first = 0;
    for array in &circuit.variables {
        let end = first + array.len() as u32;
        let within = |(a, b): &(u32, u32)| (*a.max(&first), *b.min(&end));
        let pieces: Vec<(u32, u32)> = scope.intervals().iter().map(within).filter(|(a, b)| a < b).collect();
        let count: u32 = pieces.iter().map(|(a, b)| b - a).sum();
        match count {
            0 => {}
            1 => parts.push(variable(circuit, pieces[0].0, 0)),
            n if n == end - first => parts.push(array.name.clone()),
            n if array.shape.len() > 1 => parts.push(format!("{n} of {}", array.name)),
            _ => parts.extend(pieces.iter().map(|(a, b)| match b - a {
                1 => variable(circuit, *a, 0),
                _ => format!("{}[{}..{}]", array.name, a - first, b - first),
            })),
        }
        first = end;
    }
    let more = parts.len().saturating_sub(LISTED);
    let mut text = parts.into_iter().take(LISTED).collect::<Vec<_>>().join(", ");
    if more > 0 {
        let variables = scope.iter().filter(|variable| *variable != CARRY).count();
        text.push_str(&format!(", .. ({variables} variables)"));
    }
    (!text.is_empty()).then_some(text)
}
