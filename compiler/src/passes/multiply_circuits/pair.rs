//! The product of two circuits, layer by layer.
//!
//! For layers `x` of the first and `y` of the second circuit with the same scope, `pair(x, y)` is the layer with
//! `out[(i, j)] = x[i] + y[j]` (logarithms). By the kinds of `x` and `y`, the first rule that applies:
//!
//! * sums: `x = A u`, `y = B v` gives `(A (x) B) pair(u, v)`; if only one is a sum, the other's weight is the identity
//! * permutations and concatenations are linear too: they move to the other side of `pair`
//! * products: operands are grouped by scope, groups paired, and the pairs multiplied over their axes
//! * inputs: the table of all pairs of units
//!
//! Pairs are kept, so a layer is multiplied once with each partner, and an explicit stack of what is still to do
//! takes the place of recursion: a chain of thousands of layers is as deep as it is long. Operands are taken in the
//! order of the first factor's layers, so that the product has its layers in that order too.

use super::axes::{self, Axis, Side};
use super::groups::{Group, groups};
use crate::circuit::scope::{Scope, scopes};
use crate::circuit::*;
use crate::passes::PassError;
use crate::passes::rebuild::{Chain, add_parameter};
use std::collections::BTreeMap;

/// The product of two prepared circuits over the same variables.
pub(super) fn product(a: &Circuit, b: &Circuit) -> Result<Circuit, PassError> {
    let parameters = a.parameters.iter().chain(&b.parameters).cloned().collect();
    let mut work = Work {
        a: Factor::new(a),
        b: Factor::new(b),
        offset: a.parameters.len() as u32,
        parameters,
        graph: LayerGraph::new(),
        pairs: BTreeMap::new(),
        tables: BTreeMap::new(),
    };
    let roots = (a.graph.root(), b.graph.root());
    if work.a.scope(roots.0) != work.b.scope(roots.1) {
        let (a, b) = (&a.name, &b.name);
        return Err(PassError::Refused(format!(
            "`{a}` and `{b}` cannot be multiplied: one of them leaves out a variable that the other has"
        )));
    }
    let root = work.all(roots)?;
    work.graph.set_root(root.layer);
    let Work { parameters, graph, .. } = work;
    Ok(Circuit { name: format!("{} * {}", a.name, b.name), variables: a.variables.clone(), parameters, graph })
}

type Pair = (LayerId, LayerId);

/// A factor; its graph grows by products of some operands of its products.
struct Factor {
    name: String,
    graph: LayerGraph,
    scopes: Vec<Scope>,
    parts: BTreeMap<(LayerId, Vec<usize>), LayerId>,
}

impl Factor {
    fn new(circuit: &Circuit) -> Factor {
        let scopes = scopes(&circuit.graph).into_iter().map(|mut s| s.swap_remove(0)).collect();
        Factor { name: circuit.name.clone(), graph: circuit.graph.clone(), scopes, parts: BTreeMap::new() }
    }

    fn scope(&self, layer: LayerId) -> &Scope {
        &self.scopes[layer.0 as usize]
    }

    fn operands(&self, layer: LayerId) -> Vec<LayerId> {
        let part = |operand: &Operand| match operand {
            Operand::Part(part) => Some(part.layer),
            Operand::Input(_) => None,
        };
        self.graph.layer(layer).members[0].operands.iter().filter_map(part).collect()
    }

    fn width(&self, layer: LayerId) -> usize {
        self.graph.layer(layer).width
    }

    /// The product of some operands of a product.
    fn part(&mut self, layer: LayerId, positions: &[usize]) -> LayerId {
        let operands = self.operands(layer);
        if let [one] = positions {
            return operands[*one];
        }
        let key = (layer, positions.to_vec());
        if let Some(part) = self.parts.get(&key) {
            return *part;
        }
        let chosen: Vec<LayerId> = positions.iter().map(|p| operands[*p]).collect();
        let op = self.graph.layer(layer).op.clone();
        let width = match op {
            Op::Kronecker => chosen.iter().map(|id| self.width(*id)).product(),
            _ => self.width(layer),
        };
        let scopes: Vec<Scope> = chosen.iter().map(|id| self.scope(*id).clone()).collect();
        let operands = chosen.into_iter().map(|layer| PartRef { layer, part: 0 }.into()).collect();
        let new = self.graph.add_single(op, width, operands, Vec::new()).layer;
        self.scopes.push(Scope::union(&scopes).0);
        self.parts.insert(key, new);
        new
    }

    /// The axes of some operands of a product: of a Hadamard product all are the same.
    fn axes(&self, side: Side, layer: LayerId, positions: &[usize]) -> Vec<Axis> {
        if self.graph.layer(layer).op == Op::Hadamard {
            return vec![Axis { name: (side, 0), size: self.width(layer) }];
        }
        let operands = self.operands(layer);
        positions.iter().map(|p| Axis { name: (side, *p), size: self.width(operands[*p]) }).collect()
    }
}

/// How the product of two layers is made, and from which pairs.
enum Rule {
    Sums(Pair),
    PermuteFirst(Pair),
    PermuteSecond(Pair),
    ConcatFirst(Vec<Pair>),
    ConcatSecond(Vec<Pair>),
    Products(Vec<(Group, Pair)>),
    Inputs,
}

impl Rule {
    fn needs(&self) -> Vec<Pair> {
        match self {
            Rule::Sums(pair) | Rule::PermuteFirst(pair) | Rule::PermuteSecond(pair) => vec![*pair],
            Rule::ConcatFirst(pairs) | Rule::ConcatSecond(pairs) => pairs.clone(),
            Rule::Products(groups) => groups.iter().map(|(_, pair)| *pair).collect(),
            Rule::Inputs => Vec::new(),
        }
    }
}

struct Work {
    a: Factor,
    b: Factor,
    /// Where the parameters of the second factor start.
    offset: u32,
    parameters: Vec<Parameter>,
    graph: LayerGraph,
    pairs: BTreeMap<Pair, PartRef>,
    tables: BTreeMap<(ParamId, ParamId), ParamId>,
}

impl Work {
    fn all(&mut self, root: Pair) -> Result<PartRef, PassError> {
        let mut todo = vec![root];
        while let Some(pair) = todo.last().copied() {
            if self.pairs.contains_key(&pair) {
                todo.pop();
                continue;
            }
            let rule = self.rule(pair)?;
            let mut missing: Vec<Pair> = rule.needs().into_iter().filter(|p| !self.pairs.contains_key(p)).collect();
            missing.sort_unstable();
            if missing.is_empty() {
                let part = self.make(pair, rule);
                self.pairs.insert(pair, part);
            }
            todo.extend(missing.into_iter().rev());
        }
        Ok(self.pairs[&root])
    }

    fn rule(&mut self, (x, y): Pair) -> Result<Rule, PassError> {
        let (u, v) = (self.a.operands(x), self.b.operands(y));
        Ok(match (&self.a.graph.layer(x).op, &self.b.graph.layer(y).op) {
            (Op::Sum(_), Op::Sum(_)) => Rule::Sums((u[0], v[0])),
            (Op::Sum(_), _) => Rule::Sums((u[0], y)),
            (_, Op::Sum(_)) => Rule::Sums((x, v[0])),
            (Op::Permute { .. }, _) => Rule::PermuteFirst((u[0], y)),
            (_, Op::Permute { .. }) => Rule::PermuteSecond((x, v[0])),
            (Op::Concat, _) => Rule::ConcatFirst(u.into_iter().map(|u| (u, y)).collect()),
            (_, Op::Concat) => Rule::ConcatSecond(v.into_iter().map(|v| (x, v)).collect()),
            (Op::Input, Op::Input) => Rule::Inputs,
            _ => Rule::Products(self.products(x, y)?),
        })
    }

    fn products(&mut self, x: LayerId, y: LayerId) -> Result<Vec<(Group, Pair)>, PassError> {
        let scopes = |factor: &Factor, layer| -> Vec<Scope> {
            factor.operands(layer).into_iter().map(|id| factor.scope(id).clone()).collect()
        };
        let groups = groups(&scopes(&self.a, x), &scopes(&self.b, y));
        if groups.len() == 1 {
            let (a, b) = (&self.a.name, &self.b.name);
            return Err(PassError::Refused(format!(
                "`{a}` and `{b}` cannot be multiplied: the product {x} of `{a}` and the product {y} of `{b}` split \
                 the same variables in ways that do not fit together"
            )));
        }
        let pair = |group: Group| {
            let pair = (self.a.part(x, &group.a), self.b.part(y, &group.b));
            (group, pair)
        };
        Ok(groups.into_iter().map(pair).collect())
    }

    fn make(&mut self, (x, y): Pair, rule: Rule) -> PartRef {
        match rule {
            Rule::Sums(pair) => self.sums((x, y), pair),
            Rule::PermuteFirst(pair) | Rule::PermuteSecond(pair) => self.permutation((x, y), pair),
            Rule::ConcatFirst(pairs) => {
                let parts = pairs.iter().map(|pair| self.pairs[pair].into()).collect();
                self.graph.add_single(Op::Concat, self.a.width(x) * self.b.width(y), parts, Vec::new())
            }
            Rule::ConcatSecond(pairs) => self.concat_second((x, y), &pairs),
            Rule::Products(groups) => self.product_of((x, y), &groups),
            Rule::Inputs => self.inputs((x, y)),
        }
    }

    fn sums(&mut self, (x, y): Pair, operands: Pair) -> PartRef {
        let (mut factors, mut parameters) = sum_factors(&self.a, x, operands.0);
        let (second, more) = sum_factors(&self.b, y, operands.1);
        factors.extend(second);
        parameters.extend(more.into_iter().map(|id| ParamId(id.0 + self.offset)));
        let width = self.a.width(x) * self.b.width(y);
        let operand = self.pairs[&operands].into();
        self.graph.add_single(Op::Sum(SumKind::Kronecker(factors)), width, vec![operand], parameters)
    }

    fn permutation(&mut self, (x, y): Pair, pair: Pair) -> PartRef {
        let (wide, narrow) = (self.a.width(x), self.b.width(y));
        let mut chain = Chain { graph: &mut self.graph, ends: vec![self.pairs[&pair].into()], width: wide * narrow };
        match (&self.a.graph.layer(x).op, &self.b.graph.layer(y).op) {
            (Op::Permute { outer, rows, columns }, _) => chain.permute_inner(*outer, *rows, *columns, narrow),
            (_, Op::Permute { outer, rows, columns }) => chain.permute(wide * outer, *rows, *columns),
            _ => unreachable!("one of the two is a permutation"),
        }
        part(&chain)
    }

    /// Units `(i, (l, j))`: the pairs with the second index first can be put one after the other.
    fn concat_second(&mut self, (x, y): Pair, pairs: &[Pair]) -> PartRef {
        let (wide, narrow) = (self.a.width(x), self.b.width(y));
        let mut swapped = Vec::with_capacity(pairs.len());
        for pair in pairs {
            let columns = self.b.width(pair.1);
            let ends = vec![self.pairs[pair].into()];
            let mut chain = Chain { graph: &mut self.graph, ends, width: wide * columns };
            chain.permute(1, wide, columns);
            swapped.push(part(&chain).into());
        }
        let beside = self.graph.add_single(Op::Concat, wide * narrow, swapped, Vec::new());
        let mut chain = Chain { graph: &mut self.graph, ends: vec![beside.into()], width: wide * narrow };
        chain.permute(1, narrow, wide);
        part(&chain)
    }

    fn product_of(&mut self, (x, y): Pair, groups: &[(Group, Pair)]) -> PartRef {
        let axes_of = |group: &Group| [self.a.axes(Side::A, x, &group.a), self.b.axes(Side::B, y, &group.b)].concat();
        let tensors: Vec<(PartRef, Vec<Axis>)> =
            groups.iter().map(|(group, pair)| (self.pairs[pair], axes_of(group))).collect();
        let everything =
            Group { a: (0..self.a.operands(x).len()).collect(), b: (0..self.b.operands(y).len()).collect() };
        let wanted = axes_of(&everything);
        axes::product(&mut self.graph, &tensors, &wanted)
    }

    fn inputs(&mut self, (x, y): Pair) -> PartRef {
        let (Operand::Input(first), Operand::Input(second)) =
            (self.a.graph.layer(x).members[0].operands[0], self.b.graph.layer(y).members[0].operands[0])
        else {
            unreachable!("the verifier accepts no other inputs")
        };
        let table = self.table(first.table, ParamId(second.table.0 + self.offset));
        let width = self.a.width(x) * self.b.width(y);
        let operand = Operand::Input(VarUse { index: first.index, stride: 0, table });
        self.graph.add_single(Op::Input, width, vec![operand], Vec::new())
    }

    fn table(&mut self, first: ParamId, second: ParamId) -> ParamId {
        if let Some(id) = self.tables.get(&(first, second)) {
            return *id;
        }
        let mut sources = table_sources(&self.parameters[first.0 as usize]);
        sources.extend(table_sources(&self.parameters[second.0 as usize]));
        let ParameterShape::Table { values, .. } = self.parameters[first.0 as usize].shape else {
            unreachable!("the verifier accepts only tables as inputs")
        };
        let width = sources.iter().map(|(_, width)| width).product();
        let name = sources.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("*");
        let shape = ParameterShape::Table { width, values };
        let id = add_parameter(&mut self.parameters, &name, shape, Init::TableProduct { sources, normalize: false });
        self.tables.insert((first, second), id);
        id
    }
}

/// The sources of an exact product of tables, or the table itself.
fn table_sources(parameter: &Parameter) -> Vec<(String, usize)> {
    match (&parameter.init, &parameter.shape) {
        (Init::TableProduct { sources, normalize: false }, _) => sources.clone(),
        (_, ParameterShape::Table { width, .. }) => vec![(parameter.name.clone(), *width)],
        _ => unreachable!("the verifier accepts only tables as inputs"),
    }
}

/// The Kronecker factors of a layer that is multiplied as a sum over `operand`, and their parameters.
fn sum_factors(factor: &Factor, layer: LayerId, operand: LayerId) -> (Vec<KroneckerFactor>, Vec<ParamId>) {
    let (outputs, inputs) = (factor.width(layer), factor.width(operand));
    let whole = |kind| vec![KroneckerFactor { kind, outputs, inputs }];
    let sum = factor.graph.layer(layer);
    match &sum.op {
        _ if layer == operand => (whole(None), Vec::new()),
        Op::Sum(SumKind::Kronecker(factors)) => (factors.clone(), sum.members[0].parameters.clone()),
        Op::Sum(kind) => (whole(Some(kind.clone())), sum.members[0].parameters.clone()),
        _ => unreachable!("only sums have operands that differ from themselves here"),
    }
}

fn part(chain: &Chain) -> PartRef {
    match chain.ends[..] {
        [Operand::Part(part)] => part,
        _ => unreachable!("the chain has one member, a layer"),
    }
}
