//! `roll`: a homogeneous chain becomes one scan.
//!
//! Before, for `t` from `n - 1` down to 0, and after:
//!
//! ```text
//! %a = sum dense %z[t+1] @transition            %s = scan steps n carry %z[n]
//! %b = input x[t] @emission                          body: %a = sum dense carry @transition
//! %z[t] = hadamard %b, %a                                  %b = input x[n-1-i] @emission
//!                                                          hadamard %b, %a
//! ```
//!
//! # Design
//!
//! *Finding.* From the root, and from every operand that such a walk leaves aside, the walk goes down to the
//! deepest operand: a recurrence is deeper than what it is combined with. Each layer on the way has a key that
//! does not say which variable is read. Where keys repeat with a period, the layer one period below is a
//! candidate for the carry. Periods that cover most of the way are tried first, then short ones.
//!
//! *Checking.* The body of the first step is everything its result reads without going through the carry. Nothing
//! outside the body may read it (input layers may be read, they are cheap to repeat). Every further step must
//! match it layer by layer, with the variables moved by a constant, and be read by the step above only. The chain
//! goes on for as long as steps match; what differs stays outside.
//!
//! The work is proportional to the number of layers: periods and bodies are bounded, and checks that fail draw
//! on a budget.

mod template;

use crate::circuit::{
    Circuit, Layer, LayerGraph, LayerId, Member, Module, Op, Operand, ParamId, PartRef, Scan, SumKind, VarUse,
};
use crate::passes::{Pass, PassContext, PassError, Passed};
use crate::plan::scope::live;
use crate::plan::shapes::parts;
use std::collections::{BTreeMap, HashMap};
use template::Template;

/// The pass.
pub const PASS: Pass = Pass { name: "roll", description: "a homogeneous chain becomes one scan", run };

/// Chains of fewer steps stay as they are.
pub const LEAST_STEPS: usize = 3;
/// Layers between a step's result and its carry, at most.
const LONGEST_PERIOD: usize = 64;
/// Layers of a body, at most.
const LARGEST_BODY: usize = 4096;

/// Rolls every chain of every circuit.
fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let circuits = module.circuits.iter();
    let circuits = circuits.map(|circuit| Circuit { graph: rewrite(&circuit.graph), ..circuit.clone() }).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// Rolls every chain of a graph.
pub fn rewrite(graph: &LayerGraph) -> LayerGraph {
    let chains = Finder::new(graph).find();
    if chains.is_empty() {
        return graph.clone();
    }
    let chains: BTreeMap<LayerId, Chain> = chains.into_iter().map(|chain| (chain.result(), chain)).collect();
    rebuild(graph, &chains)
}

/// A chain: `body` holds the layers of the step next to the root in order, its result last.
struct Chain {
    body: Vec<LayerId>,
    carry: LayerId,
    init: LayerId,
    steps: usize,
    /// For every variable read in the body, in order: what is added from a step to the step below it.
    moves: Vec<i64>,
}

impl Chain {
    fn result(&self) -> LayerId {
        *self.body.last().expect("a body has a result")
    }
}

struct Finder<'g> {
    graph: &'g LayerGraph,
    /// Longest path to a leaf.
    height: Vec<u32>,
    /// How often live layers read each layer; the root is read once from outside.
    uses: Vec<u32>,
    visited: Vec<bool>,
    /// Layers that failing checks may still look at.
    budget: usize,
    keys: HashMap<Key<'g>, u32>,
}

/// What steps have in common: everything but operands and variables.
#[derive(PartialEq, Eq, Hash)]
enum Key<'g> {
    Input(usize, Option<ParamId>),
    Hadamard(usize, usize),
    Kronecker(usize, usize),
    Concat(usize, usize),
    Sum(usize, &'g SumKind, &'g [ParamId]),
    Permute([usize; 3]),
    /// Layers that are never rolled: each is only like itself.
    Other(LayerId),
}

fn key(id: LayerId, layer: &Layer) -> Key<'_> {
    let [member] = layer.members.as_slice() else { return Key::Other(id) };
    let (width, count) = (layer.width, member.operands.len());
    match &layer.op {
        Op::Input => Key::Input(width, inputs(member).next().map(|input| input.table)),
        Op::Hadamard => Key::Hadamard(width, count),
        Op::Kronecker => Key::Kronecker(width, count),
        Op::Concat => Key::Concat(width, count),
        Op::Sum(kind) => Key::Sum(width, kind, &member.parameters),
        &Op::Permute { outer, rows, columns } => Key::Permute([outer, rows, columns]),
        Op::Stage(_) | Op::Carry | Op::Scan(_) => Key::Other(id),
    }
}

fn inputs(member: &Member) -> impl Iterator<Item = VarUse> + '_ {
    member.operands.iter().filter_map(|operand| match operand {
        Operand::Input(input) => Some(*input),
        Operand::Part(_) => None,
    })
}

fn operand_layers(layer: &Layer) -> impl Iterator<Item = LayerId> + '_ {
    layer.members.iter().flat_map(parts).map(|part| part.layer)
}

impl<'g> Finder<'g> {
    fn new(graph: &'g LayerGraph) -> Self {
        let live = live(graph);
        let mut height = vec![0; graph.len()];
        let mut uses = vec![0; graph.len()];
        for (id, layer) in graph.layers() {
            for operand in operand_layers(layer) {
                height[id.0 as usize] = height[id.0 as usize].max(height[operand.0 as usize] + 1);
                uses[operand.0 as usize] += u32::from(live[id.0 as usize]);
            }
        }
        uses[graph.root().0 as usize] += 1;
        let budget = 16 * graph.len() + (1 << 16);
        Finder { graph, height, uses, visited: vec![false; graph.len()], budget, keys: HashMap::new() }
    }

    fn find(mut self) -> Vec<Chain> {
        let mut chains: Vec<Chain> = Vec::new();
        let mut pending = vec![self.graph.root()];
        while let Some(start) = pending.pop() {
            let path = self.path(start);
            let keys: Vec<u32> = path.iter().map(|&id| self.key_id(id)).collect();
            let mut run_ends = vec![0; LONGEST_PERIOD + 1];
            let mut i = 0;
            while i < path.len() {
                let Some(chain) = self.chain_at(&path, &keys, i, &mut run_ends) else {
                    pending.extend(operand_layers(self.graph.layer(path[i])));
                    i += 1;
                    continue;
                };
                let below = path[i..].iter().position(|&id| id == chain.init);
                if below.is_none() {
                    pending.push(chain.init);
                }
                i = below.map_or(path.len(), |k| i + k);
                chains.push(chain);
            }
        }
        chains
    }

    fn key_id(&mut self, id: LayerId) -> u32 {
        let next = self.keys.len() as u32;
        *self.keys.entry(key(id, self.graph.layer(id))).or_insert(next)
    }

    /// The way down the deepest operands, up to a layer that was on such a way before.
    fn path(&mut self, start: LayerId) -> Vec<LayerId> {
        let mut path = Vec::new();
        let mut next = Some(start);
        while let Some(id) = next.filter(|id| !self.visited[id.0 as usize]) {
            self.visited[id.0 as usize] = true;
            path.push(id);
            next = operand_layers(self.graph.layer(id)).max_by_key(|id| self.height[id.0 as usize]);
        }
        path
    }

    /// The chain whose result is `path[i]`. `run_ends[p]` is where the keys that repeat with period `p` stop
    /// doing so, for the run that was looked at last.
    fn chain_at(&mut self, path: &[LayerId], keys: &[u32], i: usize, run_ends: &mut [usize]) -> Option<Chain> {
        let mut candidates = Vec::new();
        for period in 1..=LONGEST_PERIOD.min(path.len() - 1 - i) {
            let end = &mut run_ends[period];
            if *end <= i {
                let repeats = (i..path.len() - period).take_while(|&j| keys[j] == keys[j + period]);
                *end = i + repeats.count();
            }
            if *end >= i + period {
                candidates.push((*end + period, period));
            }
        }
        candidates.sort_by_key(|&(covered, period)| (std::cmp::Reverse(covered), period));
        candidates.into_iter().find_map(|(_, period)| self.chain(path[i], path[i + period]))
    }

    fn chain(&mut self, result: LayerId, carry: LayerId) -> Option<Chain> {
        if self.graph.layer(result).width != self.graph.layer(carry).width {
            return None;
        }
        let template = self.template(result, carry)?;
        let mut chain = Chain { body: Vec::new(), carry, init: carry, steps: 1, moves: Vec::new() };
        let mut variables = template.variables(self.graph);
        while let Some(step) = template.match_step(self.graph, &self.uses, chain.init) {
            let moves: Vec<i64> = variables
                .iter()
                .zip(&step.variables)
                .map(|(&above, &here)| i64::from(here) - i64::from(above))
                .collect();
            if moves.contains(&0) || chain.steps > 1 && chain.moves != moves {
                break;
            }
            chain = Chain { init: step.carry, steps: chain.steps + 1, moves, ..chain };
            variables = step.variables;
        }
        if chain.steps < LEAST_STEPS {
            self.budget = self.budget.saturating_sub(template.layers.len() * chain.steps);
            return None;
        }
        chain.body = template.layers;
        Some(chain)
    }

    /// The body of the step from `carry` to `result`; none if something outside reads it.
    fn template(&mut self, result: LayerId, carry: LayerId) -> Option<Template> {
        let mut inner_uses: BTreeMap<LayerId, u32> = BTreeMap::from([(result, 0)]);
        let mut carry_uses = 0;
        let mut pending = vec![result];
        while let Some(id) = pending.pop() {
            let layer = self.graph.layer(id);
            if self.budget == 0 || inner_uses.len() > LARGEST_BODY || matches!(key(id, layer), Key::Other(_)) {
                return None;
            }
            self.budget -= 1;
            for operand in operand_layers(layer) {
                if operand == carry {
                    carry_uses += 1;
                    continue;
                }
                let uses = inner_uses.entry(operand).or_insert_with(|| {
                    pending.push(operand);
                    0
                });
                *uses += 1;
            }
        }
        let closed = |(&id, &uses): (&LayerId, &u32)| {
            id == result || uses == self.uses[id.0 as usize] || matches!(self.graph.layer(id).op, Op::Input)
        };
        if !inner_uses.iter().all(closed) {
            return None;
        }
        self.budget += inner_uses.len();
        let (layers, uses) = inner_uses.into_iter().unzip();
        Some(Template { layers, uses, carry, carry_uses })
    }
}

fn rebuild(graph: &LayerGraph, chains: &BTreeMap<LayerId, Chain>) -> LayerGraph {
    let mut needed = vec![false; graph.len()];
    needed[graph.root().0 as usize] = true;
    for (id, layer) in graph.layers().rev() {
        if !needed[id.0 as usize] {
            continue;
        }
        match chains.get(&id) {
            Some(chain) => needed[chain.init.0 as usize] = true,
            None => operand_layers(layer).for_each(|operand| needed[operand.0 as usize] = true),
        }
    }
    let mut result = LayerGraph::new();
    let mut names: Vec<Option<LayerId>> = vec![None; graph.len()];
    for (id, layer) in graph.layers().filter(|(id, _)| needed[id.0 as usize]) {
        let name = match chains.get(&id) {
            Some(chain) => {
                let scan = Scan { steps: chain.steps, body: body(graph, chain) };
                let carry = renamed(Operand::Part(PartRef { layer: chain.init, part: 0 }), &names);
                result.add_single(Op::Scan(Box::new(scan)), layer.width, vec![carry], Vec::new()).layer
            }
            None => result.add(copy(layer, |operand| renamed(operand, &names))),
        };
        names[id.0 as usize] = Some(name);
    }
    result.set_root(names[graph.root().0 as usize].expect("the root is needed"));
    result
}

/// One iteration. Iterations count from the carry that comes first, so steps count backwards.
fn body(graph: &LayerGraph, chain: &Chain) -> LayerGraph {
    let mut body = LayerGraph::new();
    let width = graph.layer(chain.carry).width;
    let mut names: BTreeMap<LayerId, LayerId> = BTreeMap::new();
    names.insert(chain.carry, body.add_single(Op::Carry, width, Vec::new(), Vec::new()).layer);
    let mut moves = chain.moves.iter();
    for &id in &chain.body {
        let layer = copy(graph.layer(id), |operand| match operand {
            Operand::Part(part) => Operand::Part(PartRef { layer: names[&part.layer], ..part }),
            Operand::Input(input) => {
                let step = *moves.next().expect("a move for each variable");
                let first = i64::from(input.index) + (chain.steps as i64 - 1) * step;
                Operand::Input(VarUse { index: first as u32, stride: -step as i32, table: input.table })
            }
        });
        let name = body.add(layer);
        names.insert(id, name);
    }
    body.set_root(names[&chain.result()]);
    body
}

fn renamed(operand: Operand, names: &[Option<LayerId>]) -> Operand {
    match operand {
        Operand::Part(part) => {
            let layer = names[part.layer.0 as usize].expect("operands come before their users");
            Operand::Part(PartRef { layer, ..part })
        }
        Operand::Input(_) => operand,
    }
}

/// A layer with its operands replaced.
fn copy(layer: &Layer, mut replace: impl FnMut(Operand) -> Operand) -> Layer {
    let members = layer.members.iter().map(|member| Member {
        operands: member.operands.iter().map(|&operand| replace(operand)).collect(),
        parameters: member.parameters.clone(),
    });
    Layer { op: layer.op.clone(), width: layer.width, members: members.collect() }
}
