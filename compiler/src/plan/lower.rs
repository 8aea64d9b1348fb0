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

use crate::circuit::{Circuit, Layer, LayerGraph, LayerId, Member, Op, Operand, ParameterShape, PartRef, Scan};
use crate::plan::encode::{Encoder, PendingLaunch, PendingStep, Place, Slot, Word};
use crate::plan::homogeneous::{carry, degree};
use crate::plan::kernels::Target;
use crate::plan::memory::{Interval, assign};
use crate::plan::packs::Packs;
use crate::plan::shapes::{kernel_of, parts, split};
use danaus_artifact::plan::{Kernel, Layout, Plan, Schedule, StageKernel};
use std::collections::HashMap;

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
        root: assignment.offsets[root.0],
        root_offset: root_offset(&circuit.graph),
    }
}

/// Whether the root moves by exactly as much as the result of the circuit's one scan.
fn root_offset(graph: &LayerGraph) -> bool {
    let mut scans = graph.layers().filter(|(_, layer)| matches!(layer.op, Op::Scan(_))).map(|(id, _)| id);
    match (scans.next(), scans.next()) {
        (Some(scan), None) => degree(graph, scan) == Some(1),
        _ => false,
    }
}

/// The layers that the root needs.
pub fn live(graph: &LayerGraph) -> Vec<bool> {
    let mut live = vec![false; graph.len()];
    live[graph.root().0 as usize] = true;
    for (id, layer) in graph.layers().rev() {
        if live[id.0 as usize] {
            for part in layer.members.iter().flat_map(parts) {
                live[part.layer.0 as usize] = true;
            }
        }
    }
    live
}

/// How often the members of layers are read.
fn uses(graph: &LayerGraph, live: &[bool]) -> Vec<Vec<u32>> {
    let mut uses: Vec<Vec<u32>> = graph.layers().map(|(_, layer)| vec![0; layer.members.len()]).collect();
    for (id, layer) in graph.layers() {
        if live[id.0 as usize] {
            for part in layer.members.iter().flat_map(parts) {
                uses[part.layer.0 as usize][part.part as usize] += 1;
            }
        }
    }
    uses[graph.root().0 as usize][0] += 1;
    uses
}

/// A graph and where its layers stand so far.
struct Scope<'g> {
    graph: &'g LayerGraph,
    places: Vec<Vec<Place>>,
}

impl<'g> Scope<'g> {
    fn new(graph: &'g LayerGraph) -> Self {
        Scope { graph, places: vec![Vec::new(); graph.len()] }
    }

    fn place(&self, part: PartRef) -> Place {
        self.places[part.layer.0 as usize][part.part as usize]
    }

    fn set(&mut self, id: LayerId, places: Vec<Place>) {
        self.places[id.0 as usize] = places;
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
        let live = live(graph);
        let uses = uses(graph, &live);
        let mut scope = Scope::new(graph);
        let mut steps = Vec::new();
        let mut latest_scan: Option<(LayerId, usize)> = None;
        for (id, layer) in graph.layers().filter(|(id, _)| live[id.0 as usize]) {
            if let Op::Scan(scan) = &layer.op {
                if let Some((before, parity)) = latest_scan.replace((id, scan.steps % 2)) {
                    let place = &mut scope.places[before.0 as usize][0];
                    *place = [place[parity]; 2];
                }
                let init = layer.members[0].operands[0];
                let first = self.first_carry(init, layer.width, &uses, &scope, &mut steps);
                let place = self.scan(id, scan, layer.width, first, &mut steps);
                scope.set(id, vec![place]);
            } else {
                let out = self.slots_for(layer);
                let launch = self.launch(layer, &out, &scope, id.to_string());
                steps.push(PendingStep::Launch(launch));
                scope.set(id, out);
            }
        }
        let mut root = scope.place(PartRef { layer: graph.root(), part: 0 });
        if root[0] != root[1] {
            let (launch, slot) = self.copy(root, graph.layer(graph.root()).width, "root");
            root = [slot; 2];
            steps.push(PendingStep::Launch(launch));
        }
        self.touch(root);
        (steps, root[0])
    }

    /// Where the first carry of a scan stands; nothing else reads it there.
    fn first_carry(
        &mut self,
        init: Operand,
        width: usize,
        uses: &[Vec<u32>],
        scope: &Scope,
        steps: &mut Vec<PendingStep>,
    ) -> Slot {
        let part = match init {
            Operand::Part(part) => part,
            Operand::Input(input) => {
                let layer = Layer {
                    op: Op::Input,
                    width,
                    members: vec![Member { operands: vec![Operand::Input(input)], parameters: Vec::new() }],
                };
                let out = self.slots_for(&layer);
                let launch = self.launch(&layer, &out, scope, "first carry".into());
                steps.push(PendingStep::Launch(launch));
                return out[0][0];
            }
        };
        let place = scope.place(part);
        if uses[part.layer.0 as usize][part.part as usize] == 1 && place[0] == place[1] {
            return place[0];
        }
        let (launch, slot) = self.copy(place, width, "first carry");
        steps.push(PendingStep::Launch(launch));
        slot
    }

    fn scan(&mut self, id: LayerId, scan: &Scan, width: usize, first: Slot, steps: &mut Vec<PendingStep>) -> Place {
        let body = &scan.body;
        let live = live(body);
        let carry_id = carry(body).filter(|id| live[id.0 as usize]);
        let root = body.root();
        let reads_carry = body.layer(root).members.iter().flat_map(parts).any(|part| Some(part.layer) == carry_id);
        let second = if reads_carry { self.slot(width) } else { first };
        let place = [first, second];
        let next = [second, first];
        let mut scope = Scope::new(body);
        let mut launches = Vec::new();
        for (inner, layer) in body.layers().filter(|(inner, _)| live[inner.0 as usize]) {
            if matches!(layer.op, Op::Carry) {
                scope.set(inner, vec![place]);
                continue;
            }
            let out = if inner == root { vec![next] } else { self.slots_for(layer) };
            launches.push(self.launch(layer, &out, &scope, format!("{id}/{inner}")));
            scope.set(inner, out);
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

    fn slot(&mut self, width: usize) -> Slot {
        let rows = u32::try_from(width).expect("a layer has fewer than 2^32 units");
        self.slots.push(Interval { rows, first: self.position, last: self.position });
        Slot(self.slots.len() - 1)
    }

    fn slots_for(&mut self, layer: &Layer) -> Vec<Place> {
        (0..layer.members.len()).map(|_| [self.slot(layer.width); 2]).collect()
    }

    /// Keeps a place alive up to the launch being written.
    fn touch(&mut self, place: Place) {
        for slot in place {
            self.slots[slot.0].last = self.slots[slot.0].last.max(self.position);
        }
    }

    fn copy(&mut self, from: Place, width: usize, label: &str) -> (PendingLaunch, Slot) {
        let slot = self.slot(width);
        self.touch(from);
        let kernel = self.kernel(Kernel::Product { width: width as u32, parts: 1, inputs: 0 });
        let words = vec![Word::Row([slot; 2]), Word::Value(0), Word::Row(from)];
        self.position += 1;
        (PendingLaunch { kernel, members: 1, words, label: label.into() }, slot)
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
            let ParameterShape::Table { values, .. } = parameter.shape else {
                panic!("an input selects from a table, {} is none", parameter.name)
            };
            let table = self.packs.offset(input.table, parameter, Layout::Table);
            words.extend([input.index, input.stride as u32, table, values as u32 + 1].map(Word::Value));
        }
    }

    fn weights(&mut self, member: &Member, kernel: &Kernel) -> u32 {
        let layout = match kernel {
            Kernel::Stage(StageKernel { schedule: Schedule::Panels { tile, .. }, .. }) => {
                Layout::Panels { tile: *tile }
            }
            Kernel::Stage(StageKernel { schedule: Schedule::Narrow, .. }) => Layout::Panels { tile: 1 },
            Kernel::Mixing { .. } => Layout::Mixing,
            Kernel::Product { .. } | Kernel::Kronecker { .. } | Kernel::Permute { .. } | Kernel::Concat { .. } => {
                return 0;
            }
        };
        let id = member.parameters[0];
        self.packs.offset(id, &self.circuit.parameters[id.0 as usize], layout)
    }
}
