//! Rewrites Kronecker and Monarch sums to block-diagonal sums with permutations between them.
//!
//! *Exact*, for Kronecker weights: `A (x) B = (A (x) I)(I (x) B)`, and both are block-diagonal up to a permutation.
//!
//! ```text
//! %1 = sum kronecker(dense[a, a], dense[b, b]) %0 @A @B : a*b
//! ->
//! %1 = sum block_diagonal(a) %0 @B : a*b      // I (x) B: all blocks are @B
//! %2 = permute[1, a, b] %1 : a*b
//! %3 = sum block_diagonal(b) %2 @A : a*b      // A (x) I, the axes swapped
//! %4 = permute[1, b, a] %3 : a*b
//! ```
//!
//! *Structural*, for `monarch(b1, .., bd)`: the same shape, but every block has weights of its own. With the option
//! `--monarch 128x128` random square dense weights of that width are replaced by fresh Monarch weights
//! `name.1 .. name.d`; this changes the model. What was replaced and what stays is reported.
//!
//! *Projecting*, of trained weights, needs numbers and so is done when parameters are lowered, to the names reported here.
//!
//! # Design
//!
//! Any number of factors of any kind is one recursion ([`apply`]): factor k acts on the last axis of
//! `[lead, rest, inputs]`, then that axis is rotated to the front of `[rest, outputs]`; after all factors, from
//! the last to the first, the axes are back in order. A Monarch factor rotates within its own axis.

use super::prune::prune_layers;
use super::rebuild::{Chain, add_parameter, rebuild, with_body};
use super::{Pass, PassContext, PassError, Passed, Replaced};
use crate::circuit::*;
use std::collections::BTreeMap;

/// The pass.
pub const PASS: Pass = Pass {
    name: "lower-monarch",
    description: "turns Kronecker and Monarch sums into block-diagonal sums and permutations",
    run,
};

fn run(module: &Module, ctx: &PassContext) -> Result<Passed, PassError> {
    if let Some(factors) = &ctx.monarch {
        width_of(factors)?;
    }
    let mut passed = Passed::from(Module { circuits: Vec::new(), product: module.product.clone() });
    for circuit in &module.circuits {
        let circuit = lower_circuit(circuit, ctx, &mut passed);
        passed.module.circuits.push(circuit);
    }
    Ok(passed)
}

fn width_of(factors: &[usize]) -> Result<usize, PassError> {
    let width = factors.iter().try_fold(1usize, |all, factor| all.checked_mul(*factor));
    match width {
        Some(width) if factors.len() >= 2 && !factors.contains(&0) => Ok(width),
        _ => Err(PassError::Refused(format!(
            "--monarch {} does not name Monarch factors: give two or more positive numbers, such as 128x128",
            text(factors)
        ))),
    }
}

fn text(factors: &[usize]) -> String {
    factors.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// The circuit after lowering; notes and replacements go to `passed`.
fn lower_circuit(circuit: &Circuit, ctx: &PassContext, passed: &mut Passed) -> Circuit {
    let Circuit { name, variables, parameters, graph } = circuit;
    let mut replace = Replace {
        factors: ctx.monarch.as_deref(),
        parameters: parameters.clone(),
        fresh: BTreeMap::new(),
        notes: &mut passed.notes,
    };
    let graph = lower_graph(graph, &mut replace);
    let name_of = |id: &ParamId| replace.parameters[id.0 as usize].name.clone();
    let replaced = |(dense, factors): (&ParamId, &Vec<ParamId>)| Replaced {
        dense: name_of(dense),
        factors: factors.iter().map(name_of).collect(),
    };
    passed.replaced.extend(replace.fresh.iter().map(replaced));
    Circuit { name: name.clone(), variables: variables.clone(), parameters: replace.parameters, graph }
}

fn lower_graph(graph: &LayerGraph, replace: &mut Replace) -> LayerGraph {
    let graph = rebuild(graph, |new, layer| {
        let layer = with_body(layer, |body| lower_graph(body, replace));
        match &layer.op {
            Op::Sum(SumKind::Dense) => {
                let inputs = operand_width(new, &layer);
                match replace.dense(&layer, inputs) {
                    Some(layer) => lower_sum(new, &layer),
                    None => new.add(layer),
                }
            }
            Op::Sum(SumKind::Monarch { .. } | SumKind::Kronecker(_)) => lower_sum(new, &layer),
            _ => new.add(layer),
        }
    });
    prune_layers(&graph)
}

/// The inputs of a sum; zero for an operand that no sum has.
fn operand_width(graph: &LayerGraph, layer: &Layer) -> usize {
    match layer.members[0].operands[0] {
        Operand::Part(part) => graph.layer(part.layer).width,
        Operand::Input(_) => 0,
    }
}

/// The replacement of dense weights that the user asked for.
struct Replace<'a> {
    factors: Option<&'a [usize]>,
    parameters: Vec<Parameter>,
    fresh: BTreeMap<ParamId, Vec<ParamId>>,
    notes: &'a mut Vec<String>,
}

impl Replace<'_> {
    /// The Monarch sum that takes the place of a dense one, if it is to be replaced.
    fn dense(&mut self, layer: &Layer, inputs: usize) -> Option<Layer> {
        let factors = self.factors?.to_vec();
        let width: usize = factors.iter().product();
        if (layer.width, inputs) != (width, width) {
            self.note(layer, &format!("has shape [{}, {inputs}], not [{width}, {width}]", layer.width));
            return None;
        }
        if layer.members.iter().any(|m| self.parameters[m.parameters[0].0 as usize].init != Init::Random) {
            self.note(layer, "has given or computed numbers; only random weights can be replaced");
            return None;
        }
        let members = layer.members.iter().map(|member| Member {
            operands: member.operands.clone(),
            parameters: self.fresh(member.parameters[0], &factors),
        });
        let members = members.collect();
        Some(Layer { op: Op::Sum(SumKind::Monarch { factors }), width, members })
    }

    fn fresh(&mut self, dense: ParamId, factors: &[usize]) -> Vec<ParamId> {
        if let Some(ids) = self.fresh.get(&dense) {
            return ids.clone();
        }
        let base = self.parameters[dense.0 as usize].name.clone();
        let width: usize = factors.iter().product();
        let ids: Vec<ParamId> = factors
            .iter()
            .enumerate()
            .map(|(k, factor)| {
                let (blocks, outputs, inputs) = (width / factor, *factor, *factor);
                let shape = ParameterShape::Weight { blocks, outputs, inputs, dense: false };
                add_parameter(&mut self.parameters, &format!("{base}.{}", k + 1), shape, Init::Random)
            })
            .collect();
        self.fresh.insert(dense, ids.clone());
        ids
    }

    fn note(&mut self, layer: &Layer, why: &str) {
        let factors = text(self.factors.expect("notes are about factors"));
        for member in &layer.members {
            let name = &self.parameters[member.parameters[0].0 as usize].name;
            let note = format!("--monarch {factors}: the sum with weights `{name}` stays dense: it {why}");
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}

fn lower_sum(graph: &mut LayerGraph, layer: &Layer) -> LayerId {
    let ends: Vec<Operand> = lower_with(graph, layer, |_, id, _| id);
    match ends[0] {
        Operand::Part(part) => part.layer,
        Operand::Input(_) => unreachable!("a sum has an operand that is a layer"),
    }
}

/// Lowers a sum with one operand. `weights` chooses the parameter of each block-diagonal sum, from the member, the
/// parameter it has now, and the number of blocks.
pub(crate) fn lower_with(
    graph: &mut LayerGraph,
    layer: &Layer,
    mut weights: impl FnMut(usize, ParamId, usize) -> ParamId,
) -> Vec<Operand> {
    let Op::Sum(kind) = &layer.op else { panic!("only sums are lowered") };
    let width = operand_width(graph, layer);
    let ends = layer.members.iter().map(|member| member.operands[0]).collect();
    let parameters: Vec<&[ParamId]> = layer.members.iter().map(|member| member.parameters.as_slice()).collect();
    let mut chain = Chain { graph, ends, width };
    let factor = KroneckerFactor { kind: Some(kind.clone()), outputs: layer.width, inputs: width };
    apply(&mut chain, &factor, 1, 0, &mut |blocks, index| {
        parameters.iter().enumerate().map(|(member, ids)| weights(member, ids[index], blocks)).collect()
    });
    chain.ends
}

/// The parameters of the members, from the number of blocks and the position of the parameter.
type Weights<'a> = dyn FnMut(usize, usize) -> Vec<ParamId> + 'a;

/// Applies a factor to the last axis of `[lead, inputs]`. Its parameters start at position `first`.
fn apply(chain: &mut Chain, factor: &KroneckerFactor, lead: usize, first: usize, weights: &mut Weights) {
    let KroneckerFactor { kind, outputs, inputs } = factor;
    match kind {
        None => {}
        Some(SumKind::Dense) => sum(chain, lead, lead * outputs, first, weights),
        Some(SumKind::BlockDiagonal { blocks }) => sum(chain, lead * blocks, lead * outputs, first, weights),
        Some(SumKind::Monarch { factors }) => {
            for (k, b) in factors.iter().enumerate().rev() {
                let rest = inputs / b;
                sum(chain, lead * rest, lead * outputs, first + k, weights);
                chain.permute(lead, rest, *b);
            }
        }
        Some(SumKind::Kronecker(factors)) => {
            let mut size: usize = *inputs;
            let mut position = first + parameter_count(kind.as_ref());
            for factor in factors.iter().rev() {
                let rest = size / factor.inputs;
                position -= parameter_count(factor.kind.as_ref());
                apply(chain, factor, lead * rest, position, weights);
                chain.permute(lead, rest, factor.outputs);
                size = rest * factor.outputs;
            }
        }
        Some(SumKind::Mixing) => unreachable!("the verifier rejects mixtures in Kronecker products"),
    }
}

fn sum(chain: &mut Chain, blocks: usize, width: usize, parameter: usize, weights: &mut Weights) {
    let parameters = weights(blocks, parameter);
    let kind = if blocks == 1 { SumKind::Dense } else { SumKind::BlockDiagonal { blocks } };
    chain.step(Op::Sum(kind), width, |member| vec![parameters[member]]);
}

/// How many parameters a sum of this kind has.
pub(crate) fn parameter_count(kind: Option<&SumKind>) -> usize {
    match kind {
        None => 0,
        Some(SumKind::Dense | SumKind::BlockDiagonal { .. } | SumKind::Mixing) => 1,
        Some(SumKind::Monarch { factors }) => factors.len(),
        Some(SumKind::Kronecker(factors)) => factors.iter().map(|f| parameter_count(f.kind.as_ref())).sum(),
    }
}
