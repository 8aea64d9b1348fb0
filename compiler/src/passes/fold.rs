//! `fold`: layers of one shape at one depth become one layer with several members.
//!
//! ```text
//! %4 = hadamard %0, %1                          %2 = hadamard { %0.0, %0.1 | %0.2, %0.3 }
//! %5 = hadamard %2, %3                   =>
//! %6 = sum dense %4 @a                          %3 = sum dense { %2.0 @a | %2.1 @b }
//! %7 = sum dense %5 @b
//! ```
//!
//! # Design
//!
//! The depth of a layer is the longest path to a leaf. Layers of one depth do not read each other, so those that
//! agree in operation, widths, kinds of operands and shapes of parameters can be computed together. Agreeing in
//! the operands' operations too keeps together what `fuse-layers` can fuse alike. Bodies of scans are folded
//! in themselves; roots, carries and scans stay alone.

use crate::circuit::{
    Circuit, Layer, LayerGraph, LayerId, Member, Module, Op, Operand, Parameter, ParameterShape, PartRef, Scan, Stage,
    SumKind,
};
use crate::passes::{Pass, PassContext, PassError, Passed};
use crate::plan::shapes::parts;
use std::collections::HashMap;

/// The pass.
pub const PASS: Pass =
    Pass { name: "fold", description: "layers of one shape at one depth become one layer with several members", run };

/// Folds the layers of every circuit.
fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let folded = |circuit: &Circuit| Circuit { graph: rewrite(&circuit.graph, &circuit.parameters), ..circuit.clone() };
    let circuits = module.circuits.iter().map(folded).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// Folds the layers of a graph.
pub fn rewrite(graph: &LayerGraph, parameters: &[Parameter]) -> LayerGraph {
    let mut result = LayerGraph::new();
    let mut names: Vec<Vec<PartRef>> = vec![Vec::new(); graph.len()];
    for group in groups(graph, parameters) {
        let first = graph.layer(group[0]);
        let members = group.iter().flat_map(|&id| &graph.layer(id).members);
        let members = members.map(|member| renamed(member, &names)).collect();
        let folded = result.add(Layer { op: body_folded(&first.op, parameters), width: first.width, members });
        let mut part = 0;
        for id in group {
            let count = graph.layer(id).members.len() as u32;
            names[id.0 as usize] = (part..part + count).map(|part| PartRef { layer: folded, part }).collect();
            part += count;
        }
    }
    result.set_root(names[graph.root().0 as usize][0].layer);
    result
}

/// The layers to fold together, by depth.
fn groups(graph: &LayerGraph, parameters: &[Parameter]) -> Vec<Vec<LayerId>> {
    let depths = depths(graph);
    let deepest = depths.iter().max().map_or(0, |&depth| depth + 1);
    let mut levels: Vec<Vec<Vec<LayerId>>> = vec![Vec::new(); deepest];
    let mut known: HashMap<(usize, Shape), usize> = HashMap::new();
    for (id, layer) in graph.layers() {
        let depth = depths[id.0 as usize];
        let level = &mut levels[depth];
        let index = *known.entry((depth, shape(graph, parameters, id, layer))).or_insert(level.len());
        if index == level.len() {
            level.push(Vec::new());
        }
        level[index].push(id);
    }
    levels.into_iter().flatten().collect()
}

fn depths(graph: &LayerGraph) -> Vec<usize> {
    let mut depths = vec![0; graph.len()];
    for (id, layer) in graph.layers() {
        let below = layer.members.iter().flat_map(parts).map(|part| depths[part.layer.0 as usize] + 1);
        depths[id.0 as usize] = below.max().unwrap_or(0);
    }
    depths
}

/// What layers must have in common.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'g> {
    operation: Operation<'g>,
    width: usize,
    operands: Vec<Source>,
    parameters: Vec<&'g ParameterShape>,
}

#[derive(PartialEq, Eq, Hash)]
enum Operation<'g> {
    Input,
    Hadamard,
    Kronecker,
    Concat,
    Permute([usize; 3]),
    Sum(&'g SumKind),
    Stage(&'g Stage),
    /// Never folded.
    Alone(LayerId),
}

/// The kind and width of an operand.
#[derive(PartialEq, Eq, Hash)]
enum Source {
    Column,
    Gaussian,
    Input(usize),
    GaussianInput(usize),
    Product(usize),
    Sum(usize),
    Mixing(usize),
    Permute(usize),
    Other(usize),
}

fn shape<'g>(graph: &'g LayerGraph, parameters: &'g [Parameter], id: LayerId, layer: &'g Layer) -> Shape<'g> {
    let member = &layer.members[0];
    let operation = match &layer.op {
        _ if id == graph.root() => Operation::Alone(id),
        Op::Input => Operation::Input,
        Op::Hadamard => Operation::Hadamard,
        Op::Kronecker => Operation::Kronecker,
        Op::Concat => Operation::Concat,
        &Op::Permute { outer, rows, columns } => Operation::Permute([outer, rows, columns]),
        Op::Sum(kind) => Operation::Sum(kind),
        Op::Stage(stage) => Operation::Stage(stage),
        Op::Carry | Op::Scan(_) => Operation::Alone(id),
    };
    Shape {
        operation,
        width: layer.width,
        operands: member.operands.iter().map(|operand| source(graph, parameters, operand)).collect(),
        parameters: member.parameters.iter().map(|id| &parameters[id.0 as usize].shape).collect(),
    }
}

fn source(graph: &LayerGraph, parameters: &[Parameter], operand: &Operand) -> Source {
    let part = match operand {
        Operand::Part(part) => part,
        Operand::Input(input) => {
            let is_gaussian = matches!(parameters[input.table.0 as usize].shape, ParameterShape::Gaussian { .. });
            return if is_gaussian { Source::Gaussian } else { Source::Column };
        }
    };
    let layer = graph.layer(part.layer);
    match layer.op {
        Op::Input => match source(graph, parameters, &layer.members[0].operands[0]) {
            Source::Gaussian => Source::GaussianInput(layer.width),
            _ => Source::Input(layer.width),
        },
        Op::Hadamard => Source::Product(layer.width),
        Op::Sum(SumKind::Mixing) => Source::Mixing(layer.width),
        Op::Sum(_) | Op::Stage(_) => Source::Sum(layer.width),
        Op::Permute { .. } => Source::Permute(layer.width),
        Op::Kronecker | Op::Concat | Op::Carry | Op::Scan(_) => Source::Other(layer.width),
    }
}

fn renamed(member: &Member, names: &[Vec<PartRef>]) -> Member {
    let operand = |operand: &Operand| match operand {
        Operand::Part(part) => Operand::Part(names[part.layer.0 as usize][part.part as usize]),
        Operand::Input(input) => Operand::Input(*input),
    };
    Member { operands: member.operands.iter().map(operand).collect(), parameters: member.parameters.clone() }
}

fn body_folded(op: &Op, parameters: &[Parameter]) -> Op {
    match op {
        Op::Scan(scan) => Op::Scan(Box::new(Scan { steps: scan.steps, body: rewrite(&scan.body, parameters) })),
        other => other.clone(),
    }
}
