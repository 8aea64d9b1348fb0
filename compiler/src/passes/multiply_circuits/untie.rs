//! Gives the sums and inputs of a product weights of their own, which start as those of the product.
//!
//! The blocks of a lowered Kronecker weight `(A (x) I)(I (x) B)` are copies of `A` and of `B`. Untied, each block is
//! trained by itself:
//!
//! * square dense factors become a Monarch sum with weights `name.1 .. name.d`, each block a copy of its factor
//! * other sums become what lowering makes of them, each block a copy; or one dense weight, the Kronecker product
//!   of the factors, if that has no more numbers (the root)
//! * tables of pairs become tables, normalized, for trained tables are
//!
//! The name is the factors' common name, or their names joined by `*`.

use crate::circuit::*;
use crate::passes::lower_monarch::{lower_with, parameter_count};
use crate::passes::rebuild::{add_parameter, rebuild};
use std::collections::BTreeMap;

/// The untied circuit.
pub(super) fn untie(circuit: &Circuit) -> Circuit {
    let mut work = Untie { parameters: circuit.parameters.clone(), fresh: BTreeMap::new(), tables: BTreeMap::new() };
    let graph = rebuild(&circuit.graph, |new, layer| match &layer.op {
        Op::Input => {
            let layer = work.input(layer);
            new.add(layer)
        }
        Op::Sum(SumKind::Kronecker(factors)) => {
            let factors = factors.clone();
            work.sum(new, &layer, &factors)
        }
        _ => new.add(layer),
    });
    Circuit { name: circuit.name.clone(), variables: circuit.variables.clone(), parameters: work.parameters, graph }
}

struct Untie {
    parameters: Vec<Parameter>,
    /// The new parameters of a sum, by its old ones, in the order in which they are asked for.
    fresh: BTreeMap<(String, Vec<ParamId>), Vec<ParamId>>,
    tables: BTreeMap<ParamId, ParamId>,
}

impl Untie {
    fn input(&mut self, mut layer: Layer) -> Layer {
        let Operand::Input(var) = &mut layer.members[0].operands[0] else { return layer };
        var.table = self.table(var.table);
        layer
    }

    fn table(&mut self, old: ParamId) -> ParamId {
        if let Some(new) = self.tables.get(&old) {
            return *new;
        }
        let Parameter { name: _, shape, init } = self.parameters[old.0 as usize].clone();
        let new = match init {
            Init::TableProduct { sources, normalize: false } if !self.all_indicators(&sources) => {
                let name = common_name(sources.iter().map(|(name, _)| name.as_str()));
                let init = Init::TableProduct { sources, normalize: true };
                add_parameter(&mut self.parameters, &name, shape, init)
            }
            _ => old,
        };
        self.tables.insert(old, new);
        new
    }

    /// Products of indicators are never trained.
    fn all_indicators(&self, sources: &[(String, usize)]) -> bool {
        let is_fixed = |init: &Init| matches!(init, Init::Indicator { .. } | Init::Identity);
        let is_indicator = |name: &str| self.parameters.iter().any(|p| p.name == name && is_fixed(&p.init));
        sources.iter().all(|(name, _)| is_indicator(name))
    }

    fn sum(&mut self, graph: &mut LayerGraph, layer: &Layer, factors: &[KroneckerFactor]) -> LayerId {
        let Member { operands, parameters } = layer.members[0].clone();
        let dense = factors.iter().all(|factor| factor.kind == Some(SumKind::Dense));
        let square = factors.iter().all(|factor| factor.outputs == factor.inputs);
        if dense && square && factors.len() >= 2 {
            let parameters = self.monarch(&parameters, factors);
            let factors = factors.iter().map(|factor| factor.outputs).collect();
            let op = Op::Sum(SumKind::Monarch { factors });
            return graph.add_single(op, layer.width, operands, parameters).layer;
        }
        let inputs: usize = factors.iter().map(|factor| factor.inputs).product();
        if dense && layer.width.saturating_mul(inputs) <= lowered_numbers(factors) {
            let parameters = self.dense(&parameters, layer.width, inputs);
            return graph.add_single(Op::Sum(SumKind::Dense), layer.width, operands, parameters).layer;
        }
        self.lowered(graph, layer, factors)
    }

    /// The parameters made for this use of the old ones, `make` at its first.
    fn once(
        &mut self,
        key: (String, Vec<ParamId>),
        make: impl FnOnce(&mut Vec<Parameter>) -> Vec<ParamId>,
    ) -> Vec<ParamId> {
        if let Some(ids) = self.fresh.get(&key) {
            return ids.clone();
        }
        let ids = make(&mut self.parameters);
        self.fresh.insert(key, ids.clone());
        ids
    }

    fn monarch(&mut self, old: &[ParamId], factors: &[KroneckerFactor]) -> Vec<ParamId> {
        let base = self.name_of(old, factors);
        let width: usize = factors.iter().map(|factor| factor.outputs).product();
        self.once(("monarch".into(), old.to_vec()), |parameters| {
            let new = |(k, id): (usize, &ParamId)| {
                let name = format!("{base}.{}", k + 1);
                copies(parameters, *id, &name, width / factors[k].outputs)
            };
            old.iter().enumerate().map(new).collect()
        })
    }

    fn dense(&mut self, old: &[ParamId], outputs: usize, inputs: usize) -> Vec<ParamId> {
        let source = |id: &ParamId| {
            let parameter = &self.parameters[id.0 as usize];
            let (_, outputs, inputs) = blocks_of(parameter);
            (parameter.name.clone(), outputs, inputs)
        };
        let sources: Vec<(String, usize, usize)> = old.iter().map(source).collect();
        let name = common_name(sources.iter().map(|(name, ..)| name.as_str()));
        self.once(("dense".into(), old.to_vec()), |parameters| {
            let shape = ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true };
            vec![add_parameter(parameters, &name, shape, Init::WeightProduct { sources })]
        })
    }

    fn lowered(&mut self, graph: &mut LayerGraph, layer: &Layer, factors: &[KroneckerFactor]) -> LayerId {
        let old = layer.members[0].parameters.clone();
        let base = self.name_of(&old, factors);
        let kind = print::operation(&layer.op);
        let mut position = old.len();
        let ends = lower_with(graph, layer, |_, id, blocks| {
            let name = if old.len() == 1 { base.clone() } else { format!("{base}.{position}") };
            position -= 1;
            let key = (format!("{kind} {position}"), old.clone());
            self.once(key, |parameters| vec![copies(parameters, id, &name, blocks)])[0]
        });
        match ends[..] {
            [Operand::Part(part)] => part.layer,
            _ => unreachable!("layers have one member here"),
        }
    }

    /// The common name of the factors' weights; a Monarch factor `t.1, t.2` is named `t`.
    fn name_of(&self, old: &[ParamId], factors: &[KroneckerFactor]) -> String {
        let mut names = Vec::new();
        let mut first = 0;
        for factor in factors {
            let count = parameter_count(factor.kind.as_ref());
            if count > 0 {
                let name = self.parameters[old[first].0 as usize].name.as_str();
                let numbered = matches!(factor.kind, Some(SumKind::Monarch { .. }));
                names.push(if numbered { name.strip_suffix(".1").unwrap_or(name) } else { name });
            }
            first += count;
        }
        common_name(names.into_iter())
    }
}

/// A parameter of `blocks` blocks, each a copy of the old one's.
fn copies(parameters: &mut Vec<Parameter>, old: ParamId, name: &str, blocks: usize) -> ParamId {
    let parameter = &parameters[old.0 as usize];
    let (distinct, outputs, inputs) = blocks_of(parameter);
    let init = Init::CopyOf { source: parameter.name.clone(), blocks: distinct, outputs, inputs };
    let shape = ParameterShape::Weight { blocks, outputs, inputs, dense: blocks == 1 };
    add_parameter(parameters, name, shape, init)
}

fn blocks_of(parameter: &Parameter) -> (usize, usize, usize) {
    match parameter.shape {
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => (blocks, outputs, inputs),
        ParameterShape::Table { .. } | ParameterShape::Gaussian { .. } | ParameterShape::Mixing { .. } => {
            unreachable!("the verifier accepts only weights in Kronecker sums")
        }
    }
}

/// How many numbers the untied blocks of lowered dense factors have.
fn lowered_numbers(factors: &[KroneckerFactor]) -> usize {
    let outputs_after = |k: usize| factors[k + 1..].iter().map(|factor| factor.outputs).product::<usize>();
    let inputs_before = |k: usize| factors[..k].iter().map(|factor| factor.inputs).product::<usize>();
    let numbers = |k: usize| inputs_before(k) * outputs_after(k) * factors[k].outputs * factors[k].inputs;
    (0..factors.len()).map(numbers).sum()
}

/// `1.t, 2.t` have the name `t`, `1.a, 2.b` the name `a*b`.
fn common_name<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let bases: Vec<&str> = names.map(without_prefix).collect();
    match bases.split_first() {
        Some((first, others)) if others.iter().all(|other| other == first) => first.to_string(),
        _ => bases.join("*"),
    }
}

fn without_prefix(name: &str) -> &str {
    match name.split_once('.') {
        Some((index, rest)) if index.chars().all(|c| c.is_ascii_digit()) && !rest.is_empty() => rest,
        _ => name,
    }
}
