//! Removes layers and parameters that the root does not need.
//!
//! ```text
//! %0 = input x @e : 4              %0 = input x @e : 4
//! %1 = input y @f : 4         ->   %1 = sum dense %0 @w : 1
//! %2 = sum dense %0 @w : 1         root %1
//! root %2
//! ```
//!
//! Variables stay, so data keep their columns. A parameter also stays if the first values of one that stays are
//! computed from it, unless it would be random: a random source is found by its name, in or out of the list.
//! Exact products of tables need all of their sources, for these are what is trained and stored.

use super::rebuild::{each_parameter, with_body, with_operands, with_parameters};
use super::{Pass, PassContext, PassError, Passed};
use crate::circuit::*;

/// The pass.
pub const PASS: Pass = Pass { name: "prune", description: "removes what the root does not need", run };

fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let circuits = module.circuits.iter().map(prune).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// The circuit without layers and parameters that the root does not need.
pub(crate) fn prune(circuit: &Circuit) -> Circuit {
    let graph = prune_layers(&circuit.graph);
    let kept = needed_parameters(circuit, &graph);
    if kept.iter().all(|kept| *kept) {
        return Circuit { graph, ..circuit.clone() };
    }
    let mut next = 0;
    let new_ids: Vec<ParamId> = kept
        .iter()
        .map(|kept| {
            next += u32::from(*kept);
            ParamId(next.wrapping_sub(1))
        })
        .collect();
    let parameters = circuit.parameters.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(p, _)| p.clone()).collect();
    let graph = super::rebuild::rebuild(&graph, |new, layer| {
        new.add(with_parameters(layer, &|id: ParamId| new_ids[id.0 as usize]))
    });
    Circuit { name: circuit.name.clone(), variables: circuit.variables.clone(), parameters, graph }
}

/// The graph without layers that its root does not need. A carry stays: a body has one.
pub(crate) fn prune_layers(graph: &LayerGraph) -> LayerGraph {
    let mut needed = vec![false; graph.len()];
    needed[graph.root().0 as usize] = true;
    for (id, layer) in graph.layers().rev() {
        if !needed[id.0 as usize] && layer.op != Op::Carry {
            continue;
        }
        needed[id.0 as usize] = true;
        for operand in layer.members.iter().flat_map(|member| &member.operands) {
            if let Operand::Part(part) = operand {
                needed[part.layer.0 as usize] = true;
            }
        }
    }
    let mut new = LayerGraph::new();
    let mut places: Vec<Option<LayerId>> = vec![None; graph.len()];
    for (id, layer) in graph.layers().filter(|(id, _)| needed[id.0 as usize]) {
        let layer = with_operands(layer, |id| places[id.0 as usize].expect("operands of needed layers are needed"));
        places[id.0 as usize] = Some(new.add(with_body(layer, prune_layers)));
    }
    new.set_root(places[graph.root().0 as usize].expect("the root is needed"));
    new
}

fn needed_parameters(circuit: &Circuit, graph: &LayerGraph) -> Vec<bool> {
    let mut needed = vec![false; circuit.parameters.len()];
    each_parameter(graph, &mut |id| needed[id.0 as usize] = true);
    let mut todo: Vec<usize> = (0..needed.len()).filter(|i| needed[*i]).collect();
    while let Some(user) = todo.pop() {
        let user = &circuit.parameters[user];
        for source in sources(&user.init) {
            let Some(i) = circuit.parameters.iter().position(|p| p.name == source) else { continue };
            let drawn_by_name = user.is_stored() && circuit.parameters[i].init == Init::Random;
            if !needed[i] && !drawn_by_name {
                needed[i] = true;
                todo.push(i);
            }
        }
    }
    needed
}

/// The names of the tensors that first values are computed from.
pub(crate) fn sources(init: &Init) -> Vec<&str> {
    match init {
        Init::Random | Init::Given(_) | Init::Indicator { .. } | Init::Identity | Init::Member(_) => Vec::new(),
        Init::CopyOf { source, .. } => vec![source],
        Init::TableProduct { sources, .. } => sources.iter().map(|(name, _)| name.as_str()).collect(),
        Init::WeightProduct { sources } => sources.iter().map(|(name, ..)| name.as_str()).collect(),
    }
}
