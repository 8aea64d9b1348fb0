//! From the circuit IR to the flow plan: how likelihoods and flows are computed, for training; and the plans of queries, which walk
//! up and down in the same way.
//!
//! [`lower()`] writes the forward pass with rows that nothing overwrites, then walks the layers backwards. The plan's
//! types and their meaning stand in `danaus_artifact::flow_plan`, the formulas in the chapter on training.
//!
//! # Design
//!
//! **Edges.** A layer's flow is the sum of what its users hand to it, the *edges*. An edge is a place: a product hands
//! its own flow to each of its operands, so that nothing is copied; a sum, a mixture or a Kronecker product has a launch that
//! writes an edge for each. A layer with one user has the edge for its flow; one with several has a launch that
//! adds them. So no two launches, and no two members of a launch, write the same rows, and the result does not
//! depend on the order in which cores work.
//!
//! **Groups.** The members of a launch that share a parameter stand together, and the kernel counts for each group in one
//! place, one member after the other.
//!
//! **Queries.** Marginals differ from training in what the way down counts. Samples and most likely completions have choices in the
//! place of flows: an edge is then one row of choices, whatever the width.
//!
//! * [`rows`] says where values and flows stand, and encodes records
//! * [`forward`], [`backward`] write the passes, [`choice`] the way down of samples and completions, [`posterior`]
//!   the end of that of marginals
//! * [`schedule`](mod@schedule) says how the flows of sums are cut

mod backward;
mod choice;
mod forward;
mod posterior;
mod rows;
mod schedule;
#[cfg(test)]
mod tests;

use crate::circuit::{Circuit, LayerGraph, LayerId, ParamId, ParameterShape, PartRef};
use crate::plan::PlanOptions;
use crate::plan::kernels::Target;
use crate::plan::lower::root_offset;
use crate::plan::memory::{Interval, assign};
use crate::plan::packs::Packs;
use crate::plan::scope::live;
use danaus_artifact::flow_plan::{Count, FlowKernel, FlowLoop, FlowPlan, FlowStep, GAUSSIAN_COUNTS, pitch};
use danaus_artifact::plan::CHUNK;
use rows::{Encoder, PendingLaunch, PendingStep, Rows};
use std::collections::{BTreeMap, HashMap};

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The flows of parameters.
    Training,
    /// The posterior of every variable.
    Marginal,
    /// Samples, given evidence or not.
    Sample,
    /// Most likely completions.
    Mpe,
}

impl Purpose {
    /// Whether the way down chooses units.
    fn chooses(self) -> bool {
        matches!(self, Purpose::Sample | Purpose::Mpe)
    }
}

/// Makes the flow plan of a circuit.
///
/// # Panics
/// If a Monarch or Kronecker sum is left (`lower-monarch` removes them) or the circuit breaks the verifier's
/// contract.
pub fn lower(circuit: &Circuit, options: &PlanOptions) -> FlowPlan {
    lower_for(circuit, options, Purpose::Training)
}

/// Makes the plan of a circuit for a purpose.
///
/// # Panics
/// As [`lower()`].
pub fn lower_for(circuit: &Circuit, options: &PlanOptions, purpose: Purpose) -> FlowPlan {
    let mut builder = Builder::new(circuit, options.target, purpose);
    let mut state = State::new(&circuit.graph, None);
    let forward = builder.forward(&mut state);
    let root = state.place(PartRef { layer: circuit.graph.root(), part: 0 });
    let root_flow = builder.edge(1);
    builder.touch(root);
    let backward = builder.backward_main(&state, root_flow);
    builder.finish(forward, backward, [root, root_flow])
}

/// A graph under way: the circuit's, or the body of a scan.
struct State<'g> {
    graph: &'g LayerGraph,
    live: Vec<bool>,
    places: Vec<Vec<Rows>>,
    /// Where the values of sums stand before their epilogues.
    sums: Vec<Vec<Rows>>,
    /// The loop of each scan.
    loops: BTreeMap<LayerId, usize>,
    /// The rows of the frame given away so far, in a body.
    frame: Option<u32>,
}

impl<'g> State<'g> {
    fn new(graph: &'g LayerGraph, frame: Option<u32>) -> Self {
        let places = vec![Vec::new(); graph.len()];
        State { graph, live: live(graph), sums: places.clone(), places, loops: BTreeMap::new(), frame }
    }

    fn place(&self, part: PartRef) -> Rows {
        self.places[part.layer.0 as usize][part.part as usize]
    }

    /// The layers that the root needs, in order.
    fn layers(&self) -> Vec<LayerId> {
        self.graph.layers().map(|(id, _)| id).filter(|id| self.live[id.0 as usize]).collect()
    }
}

/// A loop whose rows are not known yet.
struct PendingLoop<'g> {
    /// The body after its forward pass, until the walk back comes to it.
    body: Option<State<'g>>,
    frame_rows: u32,
    steps: u32,
    width: u32,
    rescale: u32,
    forward: Vec<PendingLaunch>,
    backward: Vec<PendingLaunch>,
    root: u32,
    first: Rows,
    result: Rows,
    result_flow: Rows,
    first_flow: Rows,
}

struct Builder<'a> {
    circuit: &'a Circuit,
    target: Target,
    purpose: Purpose,
    packs: Packs,
    counts: BTreeMap<ParamId, u32>,
    count_chunks: u32,
    kernels: Vec<FlowKernel>,
    kernel_ids: HashMap<FlowKernel, u32>,
    intervals: Vec<Interval>,
    /// Rows of choices.
    choices: Vec<Interval>,
    /// Choices whose random numbers are told apart.
    salts: u32,
    /// Flows that are written where the loop expects the flow of its carry.
    carried: BTreeMap<usize, Rows>,
    position: usize,
    loops: Vec<PendingLoop<'a>>,
}

impl<'a> Builder<'a> {
    fn new(circuit: &'a Circuit, target: Target, purpose: Purpose) -> Self {
        Builder {
            circuit,
            target,
            purpose,
            packs: Packs::default(),
            counts: BTreeMap::new(),
            count_chunks: 0,
            kernels: Vec::new(),
            kernel_ids: HashMap::new(),
            intervals: Vec::new(),
            choices: Vec::new(),
            salts: 0,
            carried: BTreeMap::new(),
            position: 0,
            loops: Vec::new(),
        }
    }

    /// New fixed rows.
    fn slot(&mut self, width: usize) -> Rows {
        let rows = u32::try_from(width).expect("a layer has fewer than 2^32 units");
        self.intervals.push(Interval { rows, first: self.position, last: self.position });
        Rows::Slot { interval: self.intervals.len() - 1, offset: 0 }
    }

    /// New rows for a flow, or a new row for a choice.
    fn edge(&mut self, width: usize) -> Rows {
        if !self.purpose.chooses() {
            return self.slot(width);
        }
        self.choices.push(Interval { rows: 1, first: self.position, last: self.position });
        Rows::Choice(self.choices.len() - 1)
    }

    /// Keeps rows alive up to the launch being written.
    fn touch(&mut self, rows: Rows) {
        let interval = match rows {
            Rows::Slot { interval, .. } => &mut self.intervals[interval],
            Rows::Choice(interval) => &mut self.choices[interval],
            Rows::Frame(_) | Rows::Carry(_) | Rows::RootFlow(_) | Rows::CarryFlow(_) => return,
        };
        interval.last = interval.last.max(self.position);
    }

    fn kernel(&mut self, kernel: FlowKernel) -> u32 {
        if let Some(&id) = self.kernel_ids.get(&kernel) {
            return id;
        }
        let id = self.kernels.len() as u32;
        self.kernels.push(kernel.clone());
        self.kernel_ids.insert(kernel, id);
        id
    }

    /// Where the flows of a parameter are counted, in chunks.
    fn count(&mut self, id: ParamId) -> u32 {
        if let Some(&offset) = self.counts.get(&id) {
            return offset;
        }
        let length = match self.circuit.parameter(id).shape {
            ParameterShape::Table { width, values } => width * (values + 1),
            ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => blocks * outputs * pitch(inputs),
            ParameterShape::Mixing { width, inputs } => width * inputs,
            ParameterShape::Gaussian { width, .. } => width * GAUSSIAN_COUNTS,
        };
        let offset = self.count_chunks;
        let chunks = u32::try_from(length.div_ceil(CHUNK)).ok();
        self.count_chunks = chunks.and_then(|c| offset.checked_add(c)).expect("counts have fewer than 2^36 values");
        self.counts.insert(id, offset);
        offset
    }

    /// Gives everything rows.
    fn finish(mut self, forward: Vec<PendingStep>, backward: Vec<PendingStep>, root: [Rows; 2]) -> FlowPlan {
        for &interval in self.carried.keys() {
            self.intervals[interval].rows = 0;
        }
        let assignment = assign(&self.intervals);
        let choices = assign(&self.choices);
        let encoder = Encoder { offsets: &assignment.offsets, choices: &choices.offsets, carried: &self.carried };
        let loops = std::mem::take(&mut self.loops);
        let steps = |steps: Vec<PendingStep>| -> Vec<FlowStep> { steps.into_iter().map(|s| encoder.step(s)).collect() };
        let launches = |launches: Vec<PendingLaunch>| launches.into_iter().map(|one| encoder.launch(one)).collect();
        FlowPlan {
            loops: loops
                .into_iter()
                .map(|body| FlowLoop {
                    steps: body.steps,
                    width: body.width,
                    rescale: body.rescale,
                    forward: launches(body.forward),
                    backward: launches(body.backward),
                    frame_rows: body.frame_rows,
                    root: body.root,
                    first: encoder.fixed(body.first),
                    result: encoder.fixed(body.result),
                    result_flow: encoder.fixed(body.result_flow),
                    first_flow: encoder.fixed(body.first_flow),
                })
                .collect(),
            forward: steps(forward),
            backward: steps(backward),
            rows: assignment.rows,
            root: encoder.fixed(root[0]),
            root_flow: encoder.fixed(root[1]),
            root_offset: root_offset(&self.circuit.graph),
            packs: self.packs.packs,
            packed_chunks: self.packs.chunks,
            counts: self.counts.iter().map(|(id, &offset)| Count { offset, parameter: id.0 }).collect(),
            count_chunks: self.count_chunks,
            choices: choices.rows,
            kernels: self.kernels,
        }
    }
}
