//! `fuse-layers`: sums take up the products before and after them, and products the inputs they read.
//!
//! ```text
//! %1 = sum block_diagonal %0 @t.2
//! %2 = permute %1                               %1 = stage %0 @t.2 stored permuted
//! %3 = sum block_diagonal %2 @t.1        =>     %2 = stage %1 @t.1 stored permuted, times x[0] @emission
//! %4 = permute %3
//! %5 = input x[0] @emission
//! %6 = hadamard %5, %4
//! ```
//!
//! # Design
//!
//! Dense and block-diagonal sums become stages (see `Stage` in the circuit IR). Walking from operands to users:
//!
//! * a permutation of a sum's blocks is how the sum stores its result
//! * a Hadamard product with a sum among its operands is the sum's epilogue
//! * a Hadamard product that remains is the prologue of the sum that reads it, or part of the product that does
//! * an input is read directly by products and stages: gathering a column is as cheap as reading rows. Not so Gaussian units, which are
//!   computed once
//! * what changes nothing (identity permutations, products of one operand) is left out
//!
//! A layer is fused only where its one user takes it up: computing a vector twice costs more than a launch. All
//! members of a layer are fused alike or none.

use crate::circuit::{Circuit, Layer, LayerGraph, LayerId, Member, Module, Op, Operand, PartRef, Scan, Stage, SumKind};
use crate::passes::{Pass, PassContext, PassError, Passed};
use crate::plan::scope::{live, uses};
use crate::plan::shapes::{parts, plain_stage, reads_gaussian};

/// The pass.
pub const PASS: Pass =
    Pass { name: "fuse-layers", description: "sums take up the products, permutations and inputs around them", run };

/// Operands before or after a sum, at most.
const MOST_OPERANDS: usize = 8;
/// Operands of a product, at most; wider ones become products of products.
const WIDEST_PRODUCT: usize = 32;

/// Fuses the layers of every circuit.
fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let fused = |circuit: &Circuit| Circuit { graph: rewrite(&circuit.graph, circuit), ..circuit.clone() };
    let circuits = module.circuits.iter().map(fused).collect();
    Ok(Module { circuits, product: module.product.clone() }.into())
}

/// Fuses the layers of a graph of `circuit`.
pub fn rewrite(graph: &LayerGraph, circuit: &Circuit) -> LayerGraph {
    let live = live(graph);
    let mut fuser = Fuser { circuit, layers: Vec::new(), uses: Vec::new() };
    let uses = uses(graph, &live);
    let mut names: Vec<Vec<PartRef>> = vec![Vec::new(); graph.len()];
    for (id, layer) in graph.layers().filter(|(id, _)| live[id.0 as usize]) {
        let members: Vec<Member> = layer.members.iter().map(|member| renamed(member, &names)).collect();
        let uses = &uses[id.0 as usize];
        names[id.0 as usize] = fuser.layer(&layer.op, layer.width, members, uses, id == graph.root());
    }
    fuser.finish(names[graph.root().0 as usize][0])
}

fn renamed(member: &Member, names: &[Vec<PartRef>]) -> Member {
    let operand = |operand: &Operand| match operand {
        Operand::Part(part) => Operand::Part(names[part.layer.0 as usize][part.part as usize]),
        Operand::Input(input) => Operand::Input(*input),
    };
    Member { operands: member.operands.iter().map(operand).collect(), parameters: member.parameters.clone() }
}

/// The graph being made. A layer that its user has taken up is gone; parts name layers by position.
struct Fuser<'a> {
    circuit: &'a Circuit,
    layers: Vec<Option<Layer>>,
    /// How often each member will be read.
    uses: Vec<Vec<u32>>,
}

impl Fuser<'_> {
    fn layer(&mut self, op: &Op, width: usize, members: Vec<Member>, uses: &[u32], is_root: bool) -> Vec<PartRef> {
        if !is_root && let Some(same) = self.same_as(op, &members) {
            for (part, &uses) in same.iter().zip(uses) {
                self.uses[part.layer.0 as usize][part.part as usize] += uses;
            }
            members.iter().flat_map(parts).for_each(|part| self.release(part));
            return same;
        }
        let layer = match op {
            Op::Sum(kind @ (SumKind::Dense | SumKind::BlockDiagonal { .. })) => {
                self.stage(plain_stage(kind, &members[0], self.circuit), width, members)
            }
            Op::Stage(stage) => self.stage(stage.clone(), width, members),
            Op::Hadamard => self.hadamard(width, members),
            Op::Kronecker if width == 1 && members[0].operands.len() > 1 => self.hadamard(width, members),
            &Op::Permute { outer, rows, columns } => self.permute([outer, rows, columns], width, members),
            Op::Scan(scan) => {
                let body = rewrite(&scan.body, self.circuit);
                Layer { op: Op::Scan(Box::new(Scan { steps: scan.steps, body })), width, members }
            }
            Op::Input | Op::Kronecker | Op::Sum(_) | Op::Concat | Op::Carry => Layer { op: op.clone(), width, members },
        };
        self.push(layer, uses)
    }

    fn push(&mut self, layer: Layer, uses: &[u32]) -> Vec<PartRef> {
        let id = LayerId(self.layers.len() as u32);
        let count = layer.members.len() as u32;
        self.layers.push(Some(layer));
        self.uses.push(uses.to_vec());
        (0..count).map(|part| PartRef { layer: id, part }).collect()
    }

    fn get(&self, id: LayerId) -> &Layer {
        self.layers[id.0 as usize].as_ref().expect("a layer that was taken up has no other user")
    }

    fn member(&self, part: PartRef) -> &Member {
        &self.get(part.layer).members[part.part as usize]
    }

    fn used_once(&self, part: PartRef) -> bool {
        self.uses[part.layer.0 as usize][part.part as usize] == 1
    }

    /// One user less; what nothing reads any more does not read either.
    fn release(&mut self, part: PartRef) {
        let mut pending = vec![part];
        while let Some(part) = pending.pop() {
            let uses = &mut self.uses[part.layer.0 as usize][part.part as usize];
            *uses -= 1;
            if *uses == 0 {
                pending.extend(parts(self.member(part)));
            }
        }
    }

    /// The parts that a layer without effect stands for.
    fn same_as(&self, op: &Op, members: &[Member]) -> Option<Vec<PartRef>> {
        let read = parts_at(members, 0)?;
        match op {
            Op::Hadamard | Op::Kronecker | Op::Concat => (members[0].operands.len() == 1).then_some(read),
            Op::Permute { rows: 1, .. } | Op::Permute { columns: 1, .. } => Some(read),
            &Op::Permute { outer, rows, columns } => {
                let inverse = Op::Permute { outer, rows: columns, columns: rows };
                let undone = read.iter().all(|part| self.get(part.layer).op == inverse);
                let before: Vec<Member> = read.iter().map(|&part| self.member(part).clone()).collect();
                undone.then(|| parts_at(&before, 0)).flatten()
            }
            Op::Input | Op::Sum(_) | Op::Stage(_) | Op::Carry | Op::Scan(_) => None,
        }
    }

    /// A sum with the products and inputs that it reads.
    fn stage(&mut self, mut stage: Stage, width: usize, members: Vec<Member>) -> Layer {
        let prologue = stage.prologue;
        let side = |operands: &[Operand]| Member { operands: operands.to_vec(), parameters: Vec::new() };
        let mut before: Vec<Member> = members.iter().map(|member| side(&member.operands[..prologue])).collect();
        let after: Vec<Member> = members.iter().map(|member| side(&member.operands[prologue..])).collect();
        self.take_up_products(&mut before);
        let before = self.gathered(before);
        let after = self.gathered(after);
        stage.prologue = before[0].operands.len();
        let joined = members.into_iter().zip(before.into_iter().zip(after));
        let members = joined.map(|(member, (before, after))| Member {
            operands: [before.operands, after.operands].concat(),
            parameters: member.parameters,
        });
        Layer { op: Op::Stage(stage), width, members: members.collect() }
    }

    /// A product: the epilogue of a sum if it can be, else a layer with the products and inputs that it reads.
    fn hadamard(&mut self, width: usize, mut members: Vec<Member>) -> Layer {
        self.take_up_products(&mut members);
        let members = self.gathered(members);
        for position in (0..members[0].operands.len()).rev() {
            if let Some(layer) = self.epilogue(width, &members, position) {
                return layer;
            }
        }
        let members = self.narrowed(width, members);
        let op = match members[0].operands.as_slice() {
            [Operand::Input(_)] => Op::Input,
            _ => Op::Hadamard,
        };
        Layer { op, width, members }
    }

    /// Splits products of many operands, which alike products of few of them read.
    fn narrowed(&mut self, width: usize, mut members: Vec<Member>) -> Vec<Member> {
        while members[0].operands.len() > WIDEST_PRODUCT {
            let is_input = |operand: &Operand| matches!(operand, Operand::Input(_));
            members.iter_mut().for_each(|member| member.operands.sort_by_key(is_input));
            let inputs = members[0].operands.iter().filter(|operand| is_input(operand)).count();
            let parts = members[0].operands.len() - inputs;
            let taken = if parts >= WIDEST_PRODUCT {
                0..parts - parts % WIDEST_PRODUCT
            } else if inputs >= WIDEST_PRODUCT {
                parts..parts + inputs - inputs % WIDEST_PRODUCT
            } else {
                0..WIDEST_PRODUCT
            };
            let groups = members.iter().flat_map(|member| member.operands[taken.clone()].chunks(WIDEST_PRODUCT));
            let groups = groups.map(|group| Member { operands: group.to_vec(), parameters: Vec::new() });
            let layer = Layer { op: Op::Hadamard, width, members: groups.collect() };
            let uses = vec![1; layer.members.len()];
            let products = self.push(layer, &uses);
            let each = products.len() / members.len();
            for (member, products) in members.iter_mut().zip(products.chunks(each)) {
                member.operands.splice(taken.clone(), products.iter().map(|&part| Operand::Part(part)));
            }
        }
        members
    }

    /// Products as the epilogue of the sums they read at `position`.
    fn epilogue(&mut self, width: usize, members: &[Member], position: usize) -> Option<Layer> {
        let sums = parts_at(members, position)?;
        let taken = self.whole_layer(&sums)?;
        let Op::Stage(stage) = self.get(taken).op.clone() else { return None };
        let others = |member: &Member| {
            let mut operands = member.operands.clone();
            operands.remove(position);
            operands
        };
        let has_room = self.get(taken).members[0].operands.len() - stage.prologue + others(&members[0]).len();
        if has_room > MOST_OPERANDS {
            return None;
        }
        let fused = sums.iter().zip(members).map(|(&sum, member)| {
            let sum = self.member(sum);
            Member { operands: [sum.operands.as_slice(), &others(member)].concat(), parameters: sum.parameters.clone() }
        });
        let fused = fused.collect();
        self.layers[taken.0 as usize] = None;
        Some(Layer { op: Op::Stage(stage), width, members: fused })
    }

    /// A permutation: the order in which a sum stores its result, if it can be.
    fn permute(&mut self, [outer, rows, columns]: [usize; 3], width: usize, members: Vec<Member>) -> Layer {
        let op = Op::Permute { outer, rows, columns };
        let taken = parts_at(&members, 0).and_then(|sums| Some((self.whole_layer(&sums)?, sums)));
        let Some((taken, sums)) = taken else { return Layer { op, width, members } };
        let layer = self.get(taken);
        let Op::Stage(stage) = &layer.op else { return Layer { op, width, members } };
        let fits = stage.rows == 1
            && stage.blocks == outer * rows
            && stage.outputs == columns
            && layer.members[0].operands.len() == stage.prologue;
        if !fits {
            return Layer { op, width, members };
        }
        let stage = Stage { rows, ..stage.clone() };
        let members = sums.iter().map(|&sum| self.member(sum).clone()).collect();
        self.layers[taken.0 as usize] = None;
        Layer { op: Op::Stage(stage), width, members }
    }

    /// The layer whose members are `read`: all of them, each once, and by nothing else.
    fn whole_layer(&self, read: &[PartRef]) -> Option<LayerId> {
        let layer = read.first()?.layer;
        let own = read.iter().all(|&part| part.layer == layer && self.used_once(part));
        (own && self.get(layer).members.len() == read.len()).then_some(layer)
    }

    /// Replaces products that nothing else reads by their operands.
    fn take_up_products(&self, members: &mut [Member]) {
        let mut position = 0;
        while position < members[0].operands.len() {
            match self.products_at(members, position) {
                Some(products) => {
                    for (member, product) in members.iter_mut().zip(products) {
                        member.operands.splice(position..=position, self.member(product).operands.iter().copied());
                    }
                }
                None => position += 1,
            }
        }
    }

    /// The products that members read at `position`, if all of them can be taken up alike.
    fn products_at(&self, members: &[Member], position: usize) -> Option<Vec<PartRef>> {
        let products = parts_at(members, position)?;
        let kinds = |part: PartRef| self.member(part).operands.iter().map(|o| matches!(o, Operand::Input(_)));
        let first = products[0];
        let fits = |&part: &PartRef| {
            matches!(self.get(part.layer).op, Op::Hadamard) && self.used_once(part) && kinds(part).eq(kinds(first))
        };
        let room = members[0].operands.len() + self.member(first).operands.len() <= MOST_OPERANDS + 1;
        (room && products.iter().all(fits)).then_some(products)
    }

    /// Replaces input layers by the columns that they read.
    fn gathered(&self, mut members: Vec<Member>) -> Vec<Member> {
        for position in 0..members[0].operands.len() {
            let Some(inputs) = parts_at(&members, position) else { continue };
            let is_column = |&part: &PartRef| {
                matches!(self.get(part.layer).op, Op::Input) && !reads_gaussian(self.member(part), self.circuit)
            };
            if inputs.iter().all(is_column) {
                for (member, input) in members.iter_mut().zip(inputs) {
                    member.operands[position] = self.member(input).operands[0];
                }
            }
        }
        members
    }

    /// The layers and members that the root needs.
    fn finish(self, root: PartRef) -> LayerGraph {
        let mut needed: Vec<Vec<bool>> = self.uses.iter().map(|members| vec![false; members.len()]).collect();
        needed[root.layer.0 as usize][root.part as usize] = true;
        for (index, layer) in self.layers.iter().enumerate().rev() {
            for (m, member) in layer.iter().flat_map(|layer| layer.members.iter().enumerate()) {
                if needed[index][m] {
                    parts(member).for_each(|part| needed[part.layer.0 as usize][part.part as usize] = true);
                }
            }
        }
        let mut graph = LayerGraph::new();
        let mut names: Vec<Vec<PartRef>> = Vec::with_capacity(self.layers.len());
        for (layer, needed) in self.layers.into_iter().zip(needed) {
            let mut parts = vec![root; needed.len()];
            if let Some(layer) = layer.filter(|_| needed.contains(&true)) {
                let kept = layer.members.iter().zip(&needed).filter(|&(_, &needed)| needed);
                let members = kept.map(|(member, _)| renamed(member, &names)).collect();
                let id = graph.add(Layer { op: layer.op, width: layer.width, members });
                let kept = (0..needed.len()).filter(|&m| needed[m]);
                kept.zip(0..).for_each(|(m, part)| parts[m] = PartRef { layer: id, part });
            }
            names.push(parts);
        }
        graph.set_root(names[root.layer.0 as usize][root.part as usize].layer);
        graph
    }
}

/// The parts that members read at `position`, if all of them read parts there.
fn parts_at(members: &[Member], position: usize) -> Option<Vec<PartRef>> {
    let at = |member: &Member| match member.operands.get(position)? {
        Operand::Part(part) => Some(*part),
        Operand::Input(_) => None,
    };
    members.iter().map(at).collect()
}
