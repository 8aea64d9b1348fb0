//! The way down of samples and most likely completions: every layer's choice from its users, then the choices of its operands.
//!
//! A product hands its choice to each of its operands, so that nothing is copied, as it does with flows; everything else has a launch
//! that writes a choice for each operand. At most one user of a vector has chosen a unit of it, so where several read one, the
//! choice is the greatest of theirs, none being 0.

use super::backward::{Edges, Reader, hand_on};
use super::forward::without_epilogue;
use super::rows::{PendingLaunch, PendingStep, PendingWord, Rows};
use super::{Builder, Purpose, State};
use crate::circuit::{Layer, LayerId, Op, ParamId, ParameterShape, SumKind, VarUse};
use crate::plan::shapes::{kernel_of, parts};
use danaus_artifact::flow_plan::FlowKernel;
use danaus_artifact::plan::{Kernel, Layout, StageKernel};
use danaus_artifact::queries::{ChoiceKernel, ChoiceStage};
use std::collections::BTreeMap;

impl<'a> Builder<'a> {
    /// The launches of a layer that is no product and no scan.
    #[allow(clippy::too_many_arguments, reason = "the walk back has this much at hand")]
    pub(super) fn layer_choice(
        &mut self,
        id: LayerId,
        layer: &Layer,
        choices: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
        readers: &mut Vec<Reader>,
        steps: &mut Vec<PendingStep>,
    ) {
        let launch = match &layer.op {
            Op::Stage(_) | Op::Sum(SumKind::Dense | SumKind::BlockDiagonal { .. }) => {
                self.choose_stage(id, layer, choices, state, edges, readers)
            }
            Op::Sum(SumKind::Mixing) => self.choose_mixing(id, layer, choices, state, edges),
            Op::Kronecker | Op::Concat => {
                let widths = parts(&layer.members[0]).map(|part| state.graph.layer(part.layer).width as u32).collect();
                let kernel = match layer.op {
                    Op::Kronecker => ChoiceKernel::Kronecker { widths },
                    _ => ChoiceKernel::Concat { widths },
                };
                self.route(kernel, id, layer, choices, edges)
            }
            &Op::Permute { outer, rows, columns } => {
                let [outer, rows, columns] = [outer, rows, columns].map(|size| size as u32);
                self.route(ChoiceKernel::Permute { outer, rows, columns }, id, layer, choices, edges)
            }
            Op::Input | Op::Hadamard | Op::Scan(_) | Op::Carry => panic!("{id} hands its choice on"),
            Op::Sum(SumKind::Monarch { .. } | SumKind::Kronecker(_)) => panic!("lower-monarch has rewritten this sum"),
        };
        steps.push(PendingStep::Launch(launch));
    }

    fn draws(&self) -> bool {
        self.purpose == Purpose::Sample
    }

    /// What tells the random numbers of a choice apart: a number of its own and the iteration.
    fn salt(&mut self) -> [PendingWord; 2] {
        self.salts += 1;
        [PendingWord::Value(self.salts), PendingWord::Variable(0, 1)]
    }

    fn choose_stage(
        &mut self,
        id: LayerId,
        layer: &Layer,
        choices: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
        readers: &mut Vec<Reader>,
    ) -> PendingLaunch {
        let (layer, epilogues) = without_epilogue(layer);
        let Kernel::Stage(stage) = kernel_of(&layer, state.graph, self.circuit, &self.target) else {
            panic!("a sum is a stage")
        };
        let mut words = Vec::new();
        for (index, (member, &choice)) in layer.members.iter().zip(choices).enumerate() {
            let below = self.edge(1);
            [choice, below].iter().for_each(|&rows| self.touch(rows));
            let id = member.parameters[0];
            let weights = self.packs.offset(id, self.circuit.parameter(id), Layout::Logarithms);
            words.extend([PendingWord::Rows(choice), PendingWord::Rows(below)]);
            words.extend(self.salt());
            words.push(PendingWord::Value(weights));
            self.operands_of(&member.operands, state, &mut words);
            hand_on(&member.operands, below, edges, readers);
            hand_on(&epilogues[index], choice, edges, readers);
        }
        let kernel = ChoiceKernel::Stage { stage: choice_stage(&stage), draws: self.draws() };
        self.launch(FlowKernel::Choice(kernel), layer.members.len(), 0, words, format!("choice below {id}"))
    }

    fn choose_mixing(
        &mut self,
        id: LayerId,
        layer: &Layer,
        choices: &[Rows],
        state: &State<'a>,
        edges: &mut Edges,
    ) -> PendingLaunch {
        let mut words = Vec::new();
        for (member, &choice) in layer.members.iter().zip(choices) {
            let parameter = member.parameters[0];
            let weights = self.packs.offset(parameter, self.circuit.parameter(parameter), Layout::Mixing);
            self.touch(choice);
            words.push(PendingWord::Rows(choice));
            words.extend(self.salt());
            words.push(PendingWord::Value(weights));
            for part in parts(member) {
                let (rows, below) = (state.place(part), self.edge(1));
                [rows, below].iter().for_each(|&rows| self.touch(rows));
                words.extend([PendingWord::Rows(rows), PendingWord::Rows(below)]);
                edges.entry(part).or_default().push(below);
            }
        }
        let inputs = layer.members[0].operands.len() as u32;
        let kernel = ChoiceKernel::Mixing { width: layer.width as u32, inputs, draws: self.draws() };
        self.launch(FlowKernel::Choice(kernel), layer.members.len(), 0, words, format!("choice below {id}"))
    }

    /// A launch that decides nothing: the choice of a member, then that of each of its parts.
    fn route(
        &mut self,
        kernel: ChoiceKernel,
        id: LayerId,
        layer: &Layer,
        choices: &[Rows],
        edges: &mut Edges,
    ) -> PendingLaunch {
        let mut words = Vec::new();
        for (member, &choice) in layer.members.iter().zip(choices) {
            self.touch(choice);
            words.push(PendingWord::Rows(choice));
            for part in parts(member) {
                let below = self.edge(1);
                words.push(PendingWord::Rows(below));
                edges.entry(part).or_default().push(below);
            }
        }
        self.launch(FlowKernel::Choice(kernel), layer.members.len(), 0, words, format!("choice below {id}"))
    }

    /// The one choice among several, for each member.
    pub(super) fn merged_choices(&mut self, merged: &[(Rows, Vec<Rows>)], label: String) -> PendingLaunch {
        let mut words = Vec::new();
        for (to, from) in merged {
            from.iter().chain([to]).for_each(|&rows| self.touch(rows));
            words.extend([*to].iter().chain(from).map(|&rows| PendingWord::Rows(rows)));
        }
        let kernel = ChoiceKernel::Merge { inputs: merged[0].1.len() as u32 };
        self.launch(FlowKernel::Choice(kernel), merged.len(), 0, words, label)
    }

    /// Launches that give variables their values, one for each width and number of values.
    pub(super) fn choose_inputs(&mut self, id: LayerId, readers: Vec<Reader>, steps: &mut Vec<PendingStep>) {
        // By width and number of values, none for Gaussian units.
        let mut by_shape: BTreeMap<(usize, Option<usize>), Vec<(ParamId, Rows, VarUse)>> = BTreeMap::new();
        for (table, choice, input) in readers {
            let shape = match self.circuit.parameter(table).shape {
                ParameterShape::Table { width, values } => (width, Some(values)),
                ParameterShape::Gaussian { width, .. } => (width, None),
                ref other => panic!("an input reads a table or Gaussian units, not {other:?}"),
            };
            by_shape.entry(shape).or_default().push((table, choice, input));
        }
        for ((width, values), readers) in by_shape {
            let mut words = Vec::new();
            for &(table, choice, input) in &readers {
                self.touch(choice);
                let offset = self.packs.offset(table, self.circuit.parameter(table), self.input_layout(table).0);
                words.push(PendingWord::Rows(choice));
                words.extend(self.salt());
                words.extend([PendingWord::Variable(input.index, input.stride), PendingWord::Value(offset)]);
            }
            let (width, draws) = (width as u32, self.draws());
            let kernel = match values {
                Some(values) => ChoiceKernel::Input { width, values: values as u32, draws },
                None => ChoiceKernel::Gaussian { width, draws },
            };
            let launch = self.launch(FlowKernel::Choice(kernel), readers.len(), 0, words, format!("values of {id}"));
            steps.push(PendingStep::Launch(launch));
        }
    }
}

/// The sizes of a sum without its epilogue and its schedule.
pub(super) fn choice_stage(stage: &StageKernel) -> ChoiceStage {
    ChoiceStage {
        blocks: stage.blocks,
        distinct: stage.distinct,
        outputs: stage.outputs,
        inputs: stage.inputs,
        rows: stage.rows,
        prologue_parts: stage.prologue_parts,
        prologue_inputs: stage.prologue_inputs,
    }
}
