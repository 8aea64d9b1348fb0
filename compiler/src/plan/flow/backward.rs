//! The backward pass of the flow plan: every layer's flow from the edges of its users, then the edges of its operands. Where
//! units are chosen, edges are choices (see [`choice`](super::choice)).

use super::forward::without_epilogue;
use super::rows::{PendingLaunch, PendingStep, PendingWord, Rows};
use super::schedule::stage_flow;
use super::{Builder, Purpose, State};
use crate::circuit::{Layer, LayerId, Op, Operand, ParamId, ParameterShape, PartRef, SumKind, VarUse};
use crate::plan::homogeneous::carry;
use crate::plan::shapes::{kernel_of, parts, split};
use danaus_artifact::flow_plan::{FlowKernel, StageFlow};
use danaus_artifact::plan::{Kernel, Layout};
use std::collections::BTreeMap;

/// Most edges that one launch adds.
const ADDED: usize = 32;

/// The edges of layers that have not been reached yet.
pub(super) type Edges = BTreeMap<PartRef, Vec<Rows>>;

/// Readers by width and by what they read.
type ByWidth = BTreeMap<usize, BTreeMap<ParamId, Vec<(Rows, VarUse)>>>;

/// A unit's flow that is counted in a table: parameter, rows of the flow, variable.
pub(super) type Reader = (ParamId, Rows, VarUse);

impl<'a> Builder<'a> {
    /// The backward pass of the circuit's graph.
    pub(super) fn backward_main(&mut self, state: &State<'a>, root_flow: Rows) -> Vec<PendingStep> {
        let mut steps = Vec::new();
        self.backward(state, root_flow, &mut steps);
        steps
    }

    /// Walks the layers of a graph backwards; gives the edges of the carry.
    fn backward(&mut self, state: &State<'a>, root_flow: Rows, steps: &mut Vec<PendingStep>) -> Vec<Rows> {
        let mut edges = Edges::new();
        edges.entry(PartRef { layer: state.graph.root(), part: 0 }).or_default().push(root_flow);
        for id in state.layers().into_iter().rev() {
            let layer = state.graph.layer(id);
            if matches!(layer.op, Op::Carry) {
                continue;
            }
            let flows = self.flows(id, layer, &mut edges, steps);
            self.layer_backward(id, layer, &flows, state, &mut edges, steps);
        }
        carry(state.graph).and_then(|id| edges.remove(&PartRef { layer: id, part: 0 })).unwrap_or_default()
    }

    /// Where the flows of a layer's members stand; adds edges where there is not exactly one.
    fn flows(&mut self, id: LayerId, layer: &Layer, edges: &mut Edges, steps: &mut Vec<PendingStep>) -> Vec<Rows> {
        let members = (0..layer.members.len() as u32).map(|part| PartRef { layer: id, part });
        let lists = members.map(|part| edges.remove(&part).unwrap_or_default()).collect();
        self.added(layer.width, lists, &format!("flow of {id}"), steps)
    }

    fn added(
        &mut self,
        width: usize,
        mut lists: Vec<Vec<Rows>>,
        label: &str,
        steps: &mut Vec<PendingStep>,
    ) -> Vec<Rows> {
        for list in &mut lists {
            while list.len() > ADDED {
                let some: Vec<Rows> = list.drain(..ADDED).collect();
                let to = self.edge(width);
                steps.push(PendingStep::Launch(self.merged(width, &[(to, some)], label.into())));
                list.push(to);
            }
        }
        let mut by_length: BTreeMap<usize, Vec<(Rows, Vec<Rows>)>> = BTreeMap::new();
        let mut flows = Vec::with_capacity(lists.len());
        for list in lists {
            if let [only] = list[..] {
                flows.push(only);
                continue;
            }
            let to = self.edge(width);
            flows.push(to);
            by_length.entry(list.len()).or_default().push((to, list));
        }
        for sums in by_length.into_values() {
            steps.push(PendingStep::Launch(self.merged(width, &sums, label.into())));
        }
        flows
    }

    /// A launch that adds flows, or takes the one choice among several.
    fn merged(&mut self, width: usize, sums: &[(Rows, Vec<Rows>)], label: String) -> PendingLaunch {
        if self.purpose.chooses() { self.merged_choices(sums, label) } else { self.sums(width, sums, label) }
    }

    fn layer_backward(
        &mut self,
        id: LayerId,
        layer: &Layer,
        flows: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
        steps: &mut Vec<PendingStep>,
    ) {
        let mut readers = Vec::new();
        if self.purpose.chooses() && !matches!(layer.op, Op::Input | Op::Hadamard | Op::Scan(_)) {
            self.layer_choice(id, layer, flows, state, edges, &mut readers, steps);
            self.choose_inputs(id, readers, steps);
            return;
        }
        match &layer.op {
            Op::Input | Op::Hadamard => {
                for (member, &flow) in layer.members.iter().zip(flows) {
                    hand_on(&member.operands, flow, edges, &mut readers);
                }
            }
            Op::Stage(_) | Op::Sum(SumKind::Dense | SumKind::BlockDiagonal { .. }) => {
                steps.push(self.stage(id, layer, flows, state, edges, &mut readers));
            }
            Op::Sum(SumKind::Mixing) => steps.push(self.mixing(id, layer, flows, state, edges)),
            Op::Kronecker => steps.push(self.kronecker(id, layer, flows, state, edges)),
            Op::Permute { .. } => steps.push(self.permute(id, layer, flows, state, edges)),
            Op::Concat => {
                for (member, &flow) in layer.members.iter().zip(flows) {
                    let mut offset = 0;
                    for part in parts(member) {
                        edges.entry(part).or_default().push(flow.after(offset));
                        offset += state.graph.layer(part.layer).width as u32;
                    }
                }
            }
            Op::Scan(_) => {
                let Operand::Part(part) = layer.members[0].operands[0] else { panic!("a scan starts from a layer") };
                let first_flow = self.loop_backward(state.loops[&id], flows[0]);
                edges.entry(part).or_default().push(first_flow);
                steps.push(PendingStep::Loop(state.loops[&id]));
            }
            Op::Sum(SumKind::Monarch { .. } | SumKind::Kronecker(_)) => panic!("lower-monarch has rewritten this sum"),
            Op::Carry => panic!("a carry has no operands"),
        }
        match self.purpose {
            Purpose::Training => self.tables(id, readers, steps),
            Purpose::Marginal => self.posteriors(id, readers, steps),
            Purpose::Sample | Purpose::Mpe => self.choose_inputs(id, readers, steps),
        }
    }

    fn stage(
        &mut self,
        id: LayerId,
        layer: &Layer,
        flows: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
        readers: &mut Vec<Reader>,
    ) -> PendingStep {
        let (layer, epilogues) = without_epilogue(layer);
        let Kernel::Stage(stage) = kernel_of(&layer, state.graph, self.circuit, &self.target) else {
            panic!("a sum is a stage")
        };
        let (order, groups) = self.groups(&layer);
        let counted = self.purpose == Purpose::Training;
        let kernel = StageFlow { counted, ..stage_flow(&stage, groups.len(), &self.target) };
        let width = (stage.blocks * stage.inputs) as usize;
        let mut words = Vec::new();
        for &index in &order {
            let (member, flow) = (&layer.members[index], flows[index]);
            let below = self.slot(width);
            let parameter = self.circuit.parameter(member.parameters[0]);
            let layout = Layout::Transposed { tile: kernel.tile };
            let weights = self.packs.offset(member.parameters[0], parameter, layout);
            let counts = self.counted(member.parameters[0]);
            let value = state.sums[id.0 as usize][index];
            [value, flow, below].iter().for_each(|&rows| self.touch(rows));
            words.extend([PendingWord::Rows(value), PendingWord::Value(weights), PendingWord::Value(counts)]);
            words.extend([PendingWord::Rows(flow), PendingWord::Rows(below)]);
            self.operands_of(&member.operands, state, &mut words);
            hand_on(&member.operands, below, edges, readers);
            hand_on(&epilogues[index], flow, edges, readers);
        }
        words.extend(groups.iter().flat_map(|range| range.map(PendingWord::Value)));
        let kernel = FlowKernel::Stage(kernel);
        PendingStep::Launch(self.launch(kernel, order.len(), groups.len(), words, format!("flow below {id}")))
    }

    fn mixing(
        &mut self,
        id: LayerId,
        layer: &Layer,
        flows: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
    ) -> PendingStep {
        let (order, groups) = self.groups(layer);
        let inputs = layer.members[0].operands.len() as u32;
        let mut words = Vec::new();
        for &index in &order {
            let (member, flow) = (&layer.members[index], flows[index]);
            let parameter = member.parameters[0];
            let weights = self.packs.offset(parameter, self.circuit.parameter(parameter), Layout::Mixing);
            let counts = self.counted(parameter);
            let value = state.place(PartRef { layer: id, part: index as u32 });
            words.extend([PendingWord::Rows(value), PendingWord::Value(weights), PendingWord::Value(counts)]);
            words.push(PendingWord::Rows(flow));
            [value, flow].iter().for_each(|&rows| self.touch(rows));
            for part in parts(member) {
                let (rows, edge) = (state.place(part), self.slot(layer.width));
                [rows, edge].iter().for_each(|&rows| self.touch(rows));
                words.extend([PendingWord::Rows(rows), PendingWord::Rows(edge)]);
                edges.entry(part).or_default().push(edge);
            }
        }
        words.extend(groups.iter().flat_map(|range| range.map(PendingWord::Value)));
        let counted = self.purpose == Purpose::Training;
        let kernel = FlowKernel::Mixing { width: layer.width as u32, inputs, counted };
        PendingStep::Launch(self.launch(kernel, order.len(), groups.len(), words, format!("flow below {id}")))
    }

    fn kronecker(
        &mut self,
        id: LayerId,
        layer: &Layer,
        flows: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
    ) -> PendingStep {
        let widths: Vec<usize> = parts(&layer.members[0]).map(|part| state.graph.layer(part.layer).width).collect();
        let mut words = Vec::new();
        for (member, &flow) in layer.members.iter().zip(flows) {
            self.touch(flow);
            words.push(PendingWord::Rows(flow));
            for (part, &width) in parts(member).zip(&widths) {
                let edge = self.slot(width);
                words.push(PendingWord::Rows(edge));
                edges.entry(part).or_default().push(edge);
            }
        }
        let kernel = FlowKernel::Kronecker { widths: widths.iter().map(|&width| width as u32).collect() };
        PendingStep::Launch(self.launch(kernel, layer.members.len(), 0, words, format!("flow below {id}")))
    }

    /// The inverse permutation, of the flow.
    fn permute(
        &mut self,
        id: LayerId,
        layer: &Layer,
        flows: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
    ) -> PendingStep {
        let Kernel::Permute { outer, rows, columns } = kernel_of(layer, state.graph, self.circuit, &self.target) else {
            panic!("a permutation is one")
        };
        let mut words = Vec::new();
        for (member, &flow) in layer.members.iter().zip(flows) {
            self.touch(flow);
            let edge = self.slot(layer.width);
            words.extend([PendingWord::Rows(edge), PendingWord::Value(0), PendingWord::Rows(flow)]);
            for part in parts(member) {
                edges.entry(part).or_default().push(edge);
            }
        }
        let kernel = FlowKernel::Layer(Kernel::Permute { outer, rows: columns, columns: rows });
        PendingStep::Launch(self.launch(kernel, layer.members.len(), 0, words, format!("flow below {id}")))
    }

    /// Launches that count flows in tables, one for each width. Tables that are no tensors of a parameter file are not
    /// trained.
    fn tables(&mut self, id: LayerId, readers: Vec<Reader>, steps: &mut Vec<PendingStep>) {
        let mut by_width: ByWidth = BTreeMap::new();
        let mut gaussian: ByWidth = BTreeMap::new();
        for (table, flow, input) in readers {
            let parameter = self.circuit.parameter(table);
            let width = match parameter.shape {
                ParameterShape::Table { width, .. } => width,
                ParameterShape::Gaussian { width, .. } => {
                    gaussian.entry(width).or_default().entry(table).or_default().push((flow, input));
                    continue;
                }
                ref other => panic!("an input reads a table or Gaussian units, not {other:?}"),
            };
            if parameter.is_stored() {
                by_width.entry(width).or_default().entry(table).or_default().push((flow, input));
            }
        }
        for (width, tables) in by_width {
            let (mut words, mut groups) = (Vec::new(), Vec::new());
            let mut members = 0;
            for (&table, readers) in &tables {
                let ParameterShape::Table { values, .. } = self.circuit.parameter(table).shape else { continue };
                let first = members;
                for &(flow, input) in readers {
                    self.touch(flow);
                    words.extend([PendingWord::Rows(flow), PendingWord::Variable(input.index, input.stride)]);
                    members += 1;
                }
                groups.extend([self.count(table), values as u32 + 1, first, members].map(PendingWord::Value));
            }
            words.extend(groups);
            let kernel = FlowKernel::Table { width: width as u32 };
            let launch = self.launch(kernel, members as usize, tables.len(), words, format!("inputs of {id}"));
            steps.push(PendingStep::Launch(launch));
        }
        gaussian.into_iter().for_each(|(width, all)| steps.push(self.gaussian_counts(id, width, &all)));
    }

    /// A launch that counts the flows of Gaussian units of a width.
    fn gaussian_counts(
        &mut self,
        id: LayerId,
        width: usize,
        all: &BTreeMap<ParamId, Vec<(Rows, VarUse)>>,
    ) -> PendingStep {
        let (mut words, mut groups) = (Vec::new(), Vec::new());
        let mut members = 0;
        for (&parameter, readers) in all {
            let first = members;
            let units = self.packs.offset(parameter, self.circuit.parameter(parameter), Layout::Gaussian);
            for &(flow, input) in readers {
                self.touch(flow);
                words.extend([PendingWord::Rows(flow), PendingWord::Variable(input.index, input.stride)]);
                words.push(PendingWord::Value(units));
                members += 1;
            }
            groups.extend([self.count(parameter), first, members].map(PendingWord::Value));
        }
        words.extend(groups);
        let kernel = FlowKernel::Gaussian { width: width as u32 };
        PendingStep::Launch(self.launch(kernel, members as usize, all.len(), words, format!("inputs of {id}")))
    }

    /// Where the flows of a parameter are counted, if they are.
    fn counted(&mut self, id: ParamId) -> u32 {
        if self.purpose == Purpose::Training { self.count(id) } else { 0 }
    }

    /// The members of a layer in the order in which their flows are computed, and the groups that are counted in one place.
    fn groups(&self, layer: &Layer) -> (Vec<usize>, Vec<[u32; 2]>) {
        if self.purpose == Purpose::Training {
            return groups(layer);
        }
        let members = 0..layer.members.len();
        (members.clone().collect(), members.map(|member| [member as u32, member as u32 + 1]).collect())
    }

    /// Writes the backward half of a loop. Gives the rows of the flow of the first carry.
    fn loop_backward(&mut self, index: usize, result_flow: Rows) -> Rows {
        let width = self.loops[index].width as usize;
        let first_flow = self.edge(width);
        self.touch(result_flow);
        self.position += 1;
        let body = self.loops[index].body.take().expect("the walk back comes to a loop once");
        let mut steps = Vec::new();
        let edges = self.backward(&body, Rows::RootFlow(0), &mut steps);
        self.hand_to_carry(width, edges, &mut steps);
        let first = self.loops[index].first;
        [first, first_flow, result_flow].iter().for_each(|&rows| self.touch(rows));
        self.position += 1;
        let body_loop = &mut self.loops[index];
        body_loop.frame_rows = body.frame.expect("a body has a frame");
        body_loop.result_flow = result_flow;
        body_loop.first_flow = first_flow;
        let launches = steps.into_iter().map(|step| match step {
            PendingStep::Launch(launch) => launch,
            PendingStep::Loop(_) => panic!("the body of a scan holds no scan"),
        });
        body_loop.backward = launches.collect();
        first_flow
    }

    /// Brings the flow of the carry to where the loop expects it: the launch that makes the only edge writes it there.
    fn hand_to_carry(&mut self, width: usize, mut edges: Vec<Rows>, steps: &mut Vec<PendingStep>) {
        if let [Rows::Slot { interval, offset: 0 }] = edges[..]
            && self.intervals[interval].rows as usize == width
        {
            self.carried.insert(interval, Rows::CarryFlow(0));
            return;
        }
        while edges.len() > ADDED {
            let some: Vec<Rows> = edges.drain(..ADDED).collect();
            let added = self.added(width, vec![some], "flow of the carry", steps);
            edges.extend(added);
        }
        let sum = self.merged(width, &[(Rows::CarryFlow(0), edges)], "flow of the carry".into());
        steps.push(PendingStep::Launch(sum));
    }
}

/// A product hands its flow to each operand: as an edge, or to be counted in a table.
pub(super) fn hand_on(operands: &[Operand], flow: Rows, edges: &mut Edges, readers: &mut Vec<Reader>) {
    let (parts, inputs) = split(operands);
    for part in parts {
        edges.entry(part).or_default().push(flow);
    }
    readers.extend(inputs.into_iter().map(|input| (input.table, flow, input)));
}

/// The members of a layer ordered by their parameter, and the ranges of those that share one.
fn groups(layer: &Layer) -> (Vec<usize>, Vec<[u32; 2]>) {
    let mut order: Vec<usize> = (0..layer.members.len()).collect();
    order.sort_by_key(|&index| layer.members[index].parameters[0]);
    let mut groups: Vec<[u32; 2]> = Vec::new();
    for (at, &index) in order.iter().enumerate() {
        let parameter = layer.members[index].parameters[0];
        let continues = at > 0 && layer.members[order[at - 1]].parameters[0] == parameter;
        match groups.last_mut() {
            Some(group) if continues => group[1] += 1,
            _ => groups.push([at as u32, at as u32 + 1]),
        }
    }
    (order, groups)
}
