//! The planner: layers become launches, scans become loops.
//!
//! # Design
//!
//! Launches are first written with *places* instead of rows: a place is a pair of slots, for even and odd
//! iterations (see the parity of tables in `danaus_artifact::plan`). When all launches are known, so are the
//! lifetimes of the slots; `plan-memory` gives them rows, and the records are encoded.
//!
//! A loop's carry stands in one slot if the body consumes it before the body's last launch writes the next
//! one, else in two that take turns. The layer that makes the first carry writes it where the loop expects it,
//! unless something else reads that layer too: then it is copied (a product of one part).
//!
//! A concatenation is no launch: vectors that nothing else reads are written where the concatenation has them, and
//! others are copied there.

use crate::circuit::{Circuit, Layer, LayerGraph, LayerId, Member, Op, Operand, PartRef, Scan};
use crate::plan::encode::{Encoder, PendingLaunch, PendingStep, Place, Slot, Word};
use crate::plan::homogeneous::{carry, degree};
use crate::plan::kernels::Target;
use crate::plan::memory::{Interval, assign};
use crate::plan::packs::Packs;
use crate::plan::scope::{Home, Scope};
use crate::plan::shapes::{input_layout, kernel_of, parts, split, weight_layout};
use danaus_artifact::plan::{Kernel, Plan};
use std::collections::{BTreeMap, HashMap};

/// Iterations between two rescalings of a loop's carry.
pub const RESCALE: u32 = 16;

/// What the planner is told.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanOptions {
    /// Written into the plan.
    pub fingerprint: String,
    /// The device to choose schedules for.
    pub target: Target,
}

impl Default for PlanOptions {
    fn default() -> Self {
        PlanOptions { fingerprint: String::new(), target: Target::CPU }
    }
}

/// Makes the plan of a circuit.
///
/// # Panics
/// If a Monarch or Kronecker sum is left (`lower-monarch` removes them) or the circuit breaks the verifier's
/// contract.
pub fn lower(circuit: &Circuit, options: &PlanOptions) -> Plan {
    let mut lowering = Lowering {
        circuit,
        target: options.target,
        packs: Packs::default(),
        kernels: Vec::new(),
        kernel_ids: HashMap::new(),
        slots: Vec::new(),
        position: 0,
    };
    let (steps, root) = lowering.graph(&circuit.graph);
    let assignment = assign(&lowering.slots);
    let mut encoder = Encoder { offsets: &assignment.offsets, tables: Vec::new() };
    let root = encoder.row(root);
    let steps = steps.into_iter().map(|step| encoder.step(step)).collect();
    Plan {
        name: circuit.name.clone(),
        fingerprint: options.fingerprint.clone(),
        variables: circuit.variables.clone(),
        parameters: circuit.parameters.clone(),
        packs: lowering.packs.packs,
        packed_chunks: lowering.packs.chunks,
        rows: assignment.rows,
        kernels: lowering.kernels,
        tables: encoder.tables,
        steps,
        root,
        root_offset: root_offset(&circuit.graph),
    }
}

/// Whether the root moves by exactly as much as the result of the circuit's one scan.
pub(super) fn root_offset(graph: &LayerGraph) -> bool {
    let mut scans = graph.layers().filter(|(_, layer)| matches!(layer.op, Op::Scan(_))).map(|(id, _)| id);
    match (scans.next(), scans.next()) {
        (Some(scan), None) => degree(graph, scan) == Some(1),
        _ => false,
    }
}

struct Lowering<'a> {
    circuit: &'a Circuit,
    target: Target,
    packs: Packs,
    kernels: Vec<Kernel>,
    kernel_ids: HashMap<Kernel, u32>,
    slots: Vec<Interval>,
    position: usize,
}

impl Lowering<'_> {
    fn graph(&mut self, graph: &LayerGraph) -> (Vec<PendingStep>, Slot) {
        let mut scope = Scope::new(graph);
        let mut steps = Vec::new();
        let mut latest_scan: Option<(LayerId, usize)> = None;
        for (id, layer) in scope.layers() {
            let Op::Scan(scan) = &layer.op else {
                let launches = self.layer(id, layer, &mut scope, id.to_string());
                steps.extend(launches.into_iter().map(PendingStep::Launch));
                continue;
            };
            if let Some((before, parity)) = latest_scan.replace((id, scan.steps % 2)) {
                let place = scope.place(PartRef { layer: before, part: 0 });
                scope.set(before, vec![[place[parity]; 2]]);
            }
            let (launch, first) = self.first_carry(layer, &scope);
            steps.extend(launch.map(PendingStep::Launch));
            let place = self.scan(id, scan, layer.width, first, &mut steps);
            scope.set(id, vec![place]);
        }
        let mut root = scope.place(PartRef { layer: graph.root(), part: 0 });
        if root[0] != root[1] {
            let width = graph.layer(graph.root()).width;
            let slot = self.slot(width);
            steps.push(PendingStep::Launch(self.copies(width, &[([slot; 2], root)], "root".into())));
            root = [slot; 2];
        }
        self.touch(root);
        (steps, root[0])
    }

    /// Where the first carry of a scan stands, where nothing else reads it, and the launch that copies it there.
    fn first_carry(&mut self, layer: &Layer, scope: &Scope) -> (Option<PendingLaunch>, Slot) {
        let Operand::Part(part) = layer.members[0].operands[0] else { panic!("a scan starts from a layer") };
        let place = scope.place(part);
        if scope.read_once(part) && place[0] == place[1] {
            return (None, place[0]);
        }
        let slot = self.slot(layer.width);
        (Some(self.copies(layer.width, &[([slot; 2], place)], "first carry".into())), slot)
    }

    fn scan(&mut self, id: LayerId, scan: &Scan, width: usize, first: Slot, steps: &mut Vec<PendingStep>) -> Place {
        let body = &scan.body;
        let mut scope = Scope::new(body);
        let carry_id = carry(body).filter(|&id| scope.is_live(id));
        let root = body.layer(body.root());
        let is_copied = matches!(root.op, Op::Concat);
        let reads_carry = root.members.iter().flat_map(parts).any(|part| Some(part.layer) == carry_id);
        let second = if reads_carry && !is_copied { self.slot(width) } else { first };
        let place = [first, second];
        let next = [second, first];
        let mut launches = Vec::new();
        for (inner, layer) in scope.layers() {
            let label = format!("{id}/{inner}");
            if matches!(layer.op, Op::Carry) {
                scope.set(inner, vec![place]);
            } else if inner == body.root() && !is_copied {
                launches.push(self.launch(layer, &[next], &scope, label));
            } else {
                launches.extend(self.layer(inner, layer, &mut scope, label));
            }
        }
        if is_copied {
            let from = scope.place(PartRef { layer: body.root(), part: 0 });
            launches.push(self.copies(width, &[(next, from)], format!("{id}/{}", body.root())));
        }
        self.touch(place);
        let rescale = match carry_id {
            Some(carry_id) if degree(body, carry_id) == Some(1) => RESCALE,
            _ => u32::MAX,
        };
        let count = u32::try_from(scan.steps).expect("a scan has fewer than 2^32 steps");
        steps.push(PendingStep::Loop { steps: count, body: launches, carry: place, width: width as u32, rescale });
        place
    }

    /// The launches of a layer that is no carry and no scan.
    fn layer(&mut self, id: LayerId, layer: &Layer, scope: &mut Scope, label: String) -> Vec<PendingLaunch> {
        if matches!(layer.op, Op::Concat) {
            return self.concat(id, layer, scope, &label);
        }
        let out: Vec<Place> = (0..layer.members.len() as u32)
            .map(|part| {
                let slot = match scope.home(PartRef { layer: id, part }) {
                    Some(home) => {
                        let concat = scope.concat(home.concat, |width| self.slot(width));
                        Slot { offset: concat.offset + home.offset, ..concat }
                    }
                    None => self.slot(layer.width),
                };
                [slot; 2]
            })
            .collect();
        let launch = self.launch(layer, &out, scope, label);
        scope.set(id, out);
        vec![launch]
    }

    /// Copies the parts of a concatenation that do not stand where it has them; those of a width together.
    fn concat(&mut self, id: LayerId, layer: &Layer, scope: &mut Scope, label: &str) -> Vec<PendingLaunch> {
        let mut out = Vec::new();
        let mut copied: BTreeMap<usize, Vec<(Place, Place)>> = BTreeMap::new();
        for (member, index) in layer.members.iter().zip(0..) {
            let concat = PartRef { layer: id, part: index };
            let slot = scope.concat(concat, |width| self.slot(width));
            let mut offset = 0;
            for part in parts(member) {
                let width = scope.graph.layer(part.layer).width;
                if scope.home(part) != Some(Home { concat, offset }) {
                    let to = Slot { offset: slot.offset + offset, ..slot };
                    copied.entry(width).or_default().push(([to; 2], scope.place(part)));
                }
                offset += width as u32;
            }
            out.push([slot; 2]);
        }
        scope.set(id, out);
        copied.into_iter().map(|(width, copies)| self.copies(width, &copies, label.into())).collect()
    }

    fn slot(&mut self, width: usize) -> Slot {
        let rows = u32::try_from(width).expect("a layer has fewer than 2^32 units");
        self.slots.push(Interval { rows, first: self.position, last: self.position });
        Slot { interval: self.slots.len() - 1, offset: 0 }
    }

    /// Keeps a place alive up to the launch being written.
    fn touch(&mut self, place: Place) {
        for slot in place {
            let interval = &mut self.slots[slot.interval];
            interval.last = interval.last.max(self.position);
        }
    }

    /// A launch that copies vectors, each to a place from a place.
    fn copies(&mut self, width: usize, copies: &[(Place, Place)], label: String) -> PendingLaunch {
        let kernel = self.kernel(Kernel::Product { width: width as u32, parts: 1, inputs: 0 });
        let mut words = Vec::new();
        for &(to, from) in copies {
            self.touch(to);
            self.touch(from);
            words.extend([Word::Row(to), Word::Value(0), Word::Row(from)]);
        }
        self.position += 1;
        PendingLaunch { kernel, members: copies.len(), words, label }
    }

    fn launch(&mut self, layer: &Layer, out: &[Place], scope: &Scope, label: String) -> PendingLaunch {
        let kernel = kernel_of(layer, scope.graph, self.circuit, &self.target);
        let mut words = Vec::new();
        for (member, &place) in layer.members.iter().zip(out) {
            self.record(layer, member, place, &kernel, scope, &mut words);
        }
        let length = kernel.record_len() * layer.members.len();
        assert_eq!(words.len(), length, "members of {label} read as their kernel does");
        self.position += 1;
        PendingLaunch { kernel: self.kernel(kernel), members: layer.members.len(), words, label }
    }

    fn kernel(&mut self, kernel: Kernel) -> u32 {
        if let Some(&id) = self.kernel_ids.get(&kernel) {
            return id;
        }
        let id = self.kernels.len() as u32;
        self.kernels.push(kernel.clone());
        self.kernel_ids.insert(kernel, id);
        id
    }

    fn record(
        &mut self,
        layer: &Layer,
        member: &Member,
        out: Place,
        kernel: &Kernel,
        scope: &Scope,
        words: &mut Vec<Word>,
    ) {
        let weights = self.weights(member, kernel);
        words.extend([Word::Row(out), Word::Value(weights)]);
        self.touch(out);
        let before = match &layer.op {
            Op::Stage(stage) => stage.prologue,
            _ => member.operands.len(),
        };
        let (prologue, epilogue) = member.operands.split_at(before);
        for side in [prologue, epilogue] {
            self.operands(side, scope, words);
        }
    }

    /// Parts, then inputs.
    fn operands(&mut self, operands: &[Operand], scope: &Scope, words: &mut Vec<Word>) {
        let (parts, inputs) = split(operands);
        for part in parts {
            let place = scope.place(part);
            self.touch(place);
            words.push(Word::Row(place));
        }
        for input in inputs {
            let parameter = &self.circuit.parameters[input.table.0 as usize];
            let (layout, pitch) = input_layout(&parameter.shape, false);
            let table = self.packs.offset(input.table, parameter, layout);
            words.extend([input.index, input.stride as u32, table, pitch].map(Word::Value));
        }
    }

    fn weights(&mut self, member: &Member, kernel: &Kernel) -> u32 {
        let Some(layout) = weight_layout(kernel) else { return 0 };
        let id = member.parameters[0];
        self.packs.offset(id, &self.circuit.parameters[id.0 as usize], layout)
    }
}
