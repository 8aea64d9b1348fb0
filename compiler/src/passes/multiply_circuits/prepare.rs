//! Brings a factor to the form in which layers are multiplied.
//!
//! Afterwards every layer has one member, products read variables only through input layers, equal layers are
//! one, and there are no mixtures: a mixture `out[h] = lse_k(log W[h, k] + x_k[h])` is the block-diagonal sum with
//! one output per block over the operands put side by side, `[k, h]` transposed to `[h, k]`.

use crate::circuit::*;
use crate::passes::PassError;
use crate::passes::rebuild::{Chain, with_operands};
use crate::passes::share::share;

/// The circuit in that form; its parameters get the prefix `index.`.
pub(super) fn prepare(circuit: &Circuit, index: usize) -> Result<Circuit, PassError> {
    let parameters = circuit.parameters.iter().map(|parameter| prefixed(parameter, index)).collect();
    let mut new = Circuit {
        name: circuit.name.clone(),
        variables: circuit.variables.clone(),
        parameters,
        graph: LayerGraph::new(),
    };
    let mut places: Vec<Vec<LayerId>> = Vec::with_capacity(circuit.graph.len());
    for (_, layer) in circuit.graph.layers() {
        let parts = (0..layer.members.len()).map(|part| {
            let single = Layer { members: vec![layer.members[part].clone()], ..layer.clone() };
            add(&mut new, &single, &places)
        });
        let parts: Result<Vec<LayerId>, PassError> = parts.collect();
        places.push(parts?);
    }
    new.graph.set_root(places[circuit.graph.root().0 as usize][0]);
    mixtures_are_sums(&mut new.parameters);
    new.graph = share(&new.graph);
    Ok(new)
}

fn prefixed(parameter: &Parameter, index: usize) -> Parameter {
    let prefix = |name: &String| format!("{index}.{name}");
    let init = match &parameter.init {
        Init::Random | Init::Given(_) | Init::Indicator { .. } | Init::Identity | Init::Member(_) => {
            parameter.init.clone()
        }
        Init::CopyOf { source, blocks, outputs, inputs } => {
            Init::CopyOf { source: prefix(source), blocks: *blocks, outputs: *outputs, inputs: *inputs }
        }
        Init::TableProduct { sources, normalize } => {
            let sources = sources.iter().map(|(name, width)| (prefix(name), *width)).collect();
            Init::TableProduct { sources, normalize: *normalize }
        }
        Init::WeightProduct { sources } => {
            Init::WeightProduct { sources: sources.iter().map(|(name, o, i)| (prefix(name), *o, *i)).collect() }
        }
    };
    Parameter { name: prefix(&parameter.name), shape: parameter.shape.clone(), init }
}

fn mixtures_are_sums(parameters: &mut [Parameter]) {
    for parameter in parameters {
        if let ParameterShape::Mixing { width, inputs } = parameter.shape {
            parameter.shape = ParameterShape::Weight { blocks: width, outputs: 1, inputs, dense: false };
        }
    }
}

fn add(new: &mut Circuit, single: &Layer, places: &[Vec<LayerId>]) -> Result<LayerId, PassError> {
    let mut layer = with_operands(single, |id| id);
    for operand in &mut layer.members[0].operands {
        match operand {
            Operand::Part(part) => {
                *operand = PartRef { layer: places[part.layer.0 as usize][part.part as usize], part: 0 }.into();
            }
            Operand::Input(_) if layer.op == Op::Input => {}
            Operand::Input(_) => {
                let width = new.operand_width(&new.graph, *operand);
                *operand = new.graph.add_single(Op::Input, width, vec![*operand], Vec::new()).into();
            }
        }
    }
    match &layer.op {
        Op::Sum(SumKind::Mixing) => Ok(mixture(&mut new.graph, layer)),
        Op::Input | Op::Hadamard | Op::Kronecker | Op::Permute { .. } | Op::Concat | Op::Sum(_) => {
            Ok(new.graph.add(layer))
        }
        Op::Stage(_) | Op::Carry | Op::Scan(_) => Err(PassError::Refused(format!(
            "multiply-circuits takes circuits before `roll` and `fuse-layers`, but `{}` holds a {}",
            new.name,
            if matches!(layer.op, Op::Stage(_)) { "stage" } else { "scan" }
        ))),
    }
}

fn mixture(graph: &mut LayerGraph, layer: Layer) -> LayerId {
    let Layer { op: _, width, members } = layer;
    let Member { operands, parameters } = members.into_iter().next().expect("layers have one member here");
    let count = operands.len();
    let beside = graph.add_single(Op::Concat, count * width, operands, Vec::new());
    let mut chain = Chain { graph, ends: vec![beside.into()], width: count * width };
    chain.permute(1, count, width);
    let [end] = chain.ends[..] else { unreachable!("the chain has one member") };
    graph.add_single(Op::Sum(SumKind::BlockDiagonal { blocks: width }), width, vec![end], parameters).layer
}
