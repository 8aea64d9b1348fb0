//! The forward pass of the flow plan: the launches of the kernel plan, on rows that nothing overwrites.

use super::choice::choice_stage;
use super::rows::{PendingLaunch, PendingStep, PendingWord, Rows};
use super::{Builder, PendingLoop, Purpose, State};
use crate::circuit::{Layer, LayerId, Member, Op, Operand, ParamId, PartRef, Scan, VarUse};
use crate::plan::homogeneous::{carry, degree};
use crate::plan::lower::RESCALE;
use crate::plan::shapes::{input_layout, kernel_of, split, weight_layout};
use danaus_artifact::flow_plan::FlowKernel;
use danaus_artifact::plan::{Kernel, Layout};
use danaus_artifact::queries::MaxKernel;

impl<'a> Builder<'a> {
    /// Writes the launches of a graph.
    pub(super) fn forward(&mut self, state: &mut State<'a>) -> Vec<PendingStep> {
        let graph = state.graph;
        let mut steps = Vec::new();
        for id in state.layers() {
            let layer = graph.layer(id);
            match &layer.op {
                Op::Carry => state.places[id.0 as usize] = vec![Rows::Carry(0)],
                Op::Scan(scan) => {
                    let (index, result) = self.loop_forward(scan, layer, state);
                    state.loops.insert(id, index);
                    state.places[id.0 as usize] = vec![result];
                    steps.push(PendingStep::Loop(index));
                }
                _ => steps.extend(self.layer_forward(id, layer, state).into_iter().map(PendingStep::Launch)),
            }
        }
        steps
    }

    /// The launch of a layer; for a sum with an epilogue two, that of the sum and that of the product around it.
    fn layer_forward(&mut self, id: LayerId, layer: &Layer, state: &mut State<'a>) -> Vec<PendingLaunch> {
        let (layer, epilogues) = without_epilogue(layer);
        let out: Vec<Rows> = layer.members.iter().map(|_| self.value(layer.width, state)).collect();
        let kernel = kernel_of(&layer, state.graph, self.circuit, &self.target);
        let mut words = Vec::new();
        for (member, &rows) in layer.members.iter().zip(&out) {
            let weights = self.weights(member, &kernel);
            self.touch(rows);
            words.extend([PendingWord::Rows(rows), PendingWord::Value(weights)]);
            self.operands_of(&member.operands, state, &mut words);
        }
        let kernel = self.forward_kernel(kernel);
        let mut launches = vec![self.launch(kernel, layer.members.len(), 0, words, id.to_string())];
        state.sums[id.0 as usize] = out.clone();
        state.places[id.0 as usize] = out;
        if epilogues.iter().any(|operands| !operands.is_empty()) {
            launches.push(self.epilogue(id, layer.width, &epilogues, state));
        }
        launches
    }

    /// The product of the sums of a layer and what their epilogues add.
    fn epilogue(
        &mut self,
        id: LayerId,
        width: usize,
        epilogues: &[Vec<Operand>],
        state: &mut State<'a>,
    ) -> PendingLaunch {
        let (parts, inputs) = split(&epilogues[0]);
        let kernel =
            Kernel::Product { width: width as u32, parts: 1 + parts.len() as u32, inputs: inputs.len() as u32 };
        let mut words = Vec::new();
        let mut out = Vec::with_capacity(epilogues.len());
        for (index, operands) in epilogues.iter().enumerate() {
            let (rows, sum) = (self.value(width, state), state.sums[id.0 as usize][index]);
            [rows, sum].iter().for_each(|&rows| self.touch(rows));
            words.extend([PendingWord::Rows(rows), PendingWord::Value(0), PendingWord::Rows(sum)]);
            self.operands_of(operands, state, &mut words);
            out.push(rows);
        }
        state.places[id.0 as usize] = out;
        self.launch(FlowKernel::Layer(kernel), epilogues.len(), 0, words, format!("{id} epilogue"))
    }

    /// The kernel of the plan; sums are maxima where the most likely completion is asked for.
    fn forward_kernel(&self, kernel: Kernel) -> FlowKernel {
        match kernel {
            Kernel::Stage(stage) if self.purpose == Purpose::Mpe => {
                FlowKernel::Max(MaxKernel::Stage(choice_stage(&stage)))
            }
            Kernel::Mixing { width, inputs } if self.purpose == Purpose::Mpe => {
                FlowKernel::Max(MaxKernel::Mixing { width, inputs })
            }
            other => FlowKernel::Layer(other),
        }
    }

    /// Ends a launch.
    pub(super) fn launch(
        &mut self,
        kernel: FlowKernel,
        members: usize,
        groups: usize,
        words: Vec<PendingWord>,
        label: String,
    ) -> PendingLaunch {
        let (member, group) = kernel.record_len();
        assert_eq!(words.len(), member * members + group * groups, "members of {label} read as their kernel does");
        self.position += 1;
        PendingLaunch { kernel: self.kernel(kernel), members, groups, words, label }
    }

    /// Rows for a value: of the frame in a body, else fixed.
    fn value(&mut self, width: usize, state: &mut State<'a>) -> Rows {
        match &mut state.frame {
            Some(next) => {
                let row = *next;
                *next = row.checked_add(width as u32).expect("a frame has fewer than 2^32 rows");
                Rows::Frame(row)
            }
            None => self.slot(width),
        }
    }

    /// Operands as a record has them: parts, then inputs.
    pub(super) fn operands_of(&mut self, operands: &[Operand], state: &State<'a>, words: &mut Vec<PendingWord>) {
        let (parts, inputs) = split(operands);
        for part in parts {
            let rows = state.place(part);
            self.touch(rows);
            words.push(PendingWord::Rows(rows));
        }
        for input in inputs {
            self.input(input, words);
        }
    }

    fn input(&mut self, input: VarUse, words: &mut Vec<PendingWord>) {
        let parameter = self.circuit.parameter(input.table);
        let (layout, pitch) = self.input_layout(input.table);
        let table = self.packs.offset(input.table, parameter, layout);
        words.push(PendingWord::Variable(input.index, input.stride));
        words.extend([0, table, pitch].map(PendingWord::Value));
    }

    /// How what inputs read is laid out, and the distance between units.
    pub(super) fn input_layout(&self, id: ParamId) -> (Layout, u32) {
        input_layout(&self.circuit.parameter(id).shape, self.purpose == Purpose::Mpe)
    }

    fn weights(&mut self, member: &Member, kernel: &Kernel) -> u32 {
        let Some(layout) = weight_layout(kernel) else { return 0 };
        let layout = match (kernel, self.purpose) {
            (Kernel::Stage(_), Purpose::Mpe) => Layout::Logarithms,
            _ => layout,
        };
        let id = member.parameters[0];
        self.packs.offset(id, self.circuit.parameter(id), layout)
    }

    /// The forward half of a loop; the backward half is written when the walk back comes to it.
    fn loop_forward(&mut self, scan: &'a Scan, layer: &Layer, state: &State<'a>) -> (usize, Rows) {
        let Operand::Part(part) = layer.members[0].operands[0] else { panic!("a scan starts from a layer") };
        let first = state.place(part);
        self.touch(first);
        let mut body = State::new(&scan.body, Some(0));
        let mut forward: Vec<PendingLaunch> = Vec::new();
        for step in self.forward(&mut body) {
            let PendingStep::Launch(launch) = step else { panic!("the body of a scan holds no scan") };
            forward.push(launch);
        }
        let root = match body.place(PartRef { layer: scan.body.root(), part: 0 }) {
            Rows::Frame(row) => row,
            carried => {
                let Rows::Frame(row) = self.value(layer.width, &mut body) else { panic!("a body has a frame") };
                forward.push(self.sums(layer.width, &[(Rows::Frame(row), vec![carried])], "carry".into()));
                row
            }
        };
        let rescale = match carry(&scan.body).filter(|id| body.live[id.0 as usize]) {
            Some(id) if degree(&scan.body, id) == Some(1) => RESCALE,
            _ => u32::MAX,
        };
        let result = self.slot(layer.width);
        self.position += 1;
        self.loops.push(PendingLoop {
            body: Some(body),
            frame_rows: 0,
            steps: u32::try_from(scan.steps).expect("a scan has fewer than 2^32 steps"),
            width: layer.width as u32,
            rescale,
            forward,
            backward: Vec::new(),
            root,
            first,
            result,
            result_flow: result,
            first_flow: result,
        });
        (self.loops.len() - 1, result)
    }

    /// A launch that adds vectors, for each member some, and writes the sum.
    pub(super) fn sums(&mut self, width: usize, sums: &[(Rows, Vec<Rows>)], label: String) -> PendingLaunch {
        let parts = sums[0].1.len() as u32;
        let mut words = Vec::new();
        for (to, from) in sums {
            words.extend([PendingWord::Rows(*to), PendingWord::Value(0)]);
            words.extend(from.iter().map(|&rows| PendingWord::Rows(rows)));
            from.iter().chain([to]).for_each(|&rows| self.touch(rows));
        }
        let kernel = FlowKernel::Layer(Kernel::Product { width: width as u32, parts, inputs: 0 });
        self.launch(kernel, sums.len(), 0, words, label)
    }
}

/// A layer without the epilogues of its sums, and the epilogue of each member.
pub(super) fn without_epilogue(layer: &Layer) -> (Layer, Vec<Vec<Operand>>) {
    let mut layer = layer.clone();
    let before = match &layer.op {
        Op::Stage(stage) => stage.prologue,
        _ => usize::MAX,
    };
    let cut = |member: &mut Member| member.operands.split_off(before.min(member.operands.len()));
    let epilogues = layer.members.iter_mut().map(cut).collect();
    (layer, epilogues)
}
