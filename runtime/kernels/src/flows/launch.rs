//! From kernels of the flow plan to launches of device code.

use super::kronecker::kronecker_flow_kernel;
use super::layout::Placed;
use super::mixing::{MixingFlowConfig, mixing_flow_kernel};
use super::stage::{StageFlowConfig, stage_flow_kernel};
use super::table::{ROWS, TableFlowConfig, table_flow_kernel};
use crate::gaussian::gaussian_flow_kernel;
use crate::kronecker::KroneckerConfig;
use crate::launch::{Config, Layout, Memory, argument, grid, list};
use crate::operand::PlaceLaunch;
use crate::queries::launch::{Answers, QueryConfig};
use cubecl::client::Client;
use cubecl::server::Handle;
use danaus_artifact::flow_plan::{FlowKernel, StageFlow};
use danaus_artifact::plan::CHUNK;

/// A kernel with everything that its device code is specialised by.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum FlowConfig {
    /// See [`crate::launch`].
    Layer(Config),
    /// See [`super::stage`].
    Stage(StageFlowConfig),
    /// See [`super::mixing`].
    Mixing(MixingFlowConfig),
    /// See [`super::kronecker`].
    Kronecker(KroneckerConfig),
    /// See [`super::table`].
    Table(TableFlowConfig),
    /// See [`crate::gaussian`]; the number of units.
    Gaussian(usize),
    /// See [`crate::queries`].
    Query(QueryConfig),
}

impl FlowConfig {
    /// The configuration of a launch of `members` members.
    pub fn new(kernel: &FlowKernel, members: usize, layout: Layout) -> FlowConfig {
        match kernel {
            FlowKernel::Layer(kernel) => FlowConfig::Layer(Config::new(kernel, members, layout)),
            FlowKernel::Stage(stage) => FlowConfig::Stage(stage_config(stage, kernel.record_len().0, layout)),
            FlowKernel::Mixing { width, inputs, counted } => FlowConfig::Mixing(MixingFlowConfig {
                width: *width as usize,
                inputs: *inputs as usize,
                counted: *counted,
            }),
            FlowKernel::Kronecker { widths } => {
                FlowConfig::Kronecker(KroneckerConfig { widths: widths.iter().map(|&width| width as usize).collect() })
            }
            FlowKernel::Table { width } => {
                let width = *width as usize;
                FlowConfig::Table(TableFlowConfig { width, rows: ROWS.min(width.div_ceil(layout.units)) })
            }
            FlowKernel::Gaussian { width } => FlowConfig::Gaussian(*width as usize),
            FlowKernel::GaussianPosterior { width } => {
                FlowConfig::Query(QueryConfig::GaussianPosterior(*width as usize))
            }
            FlowKernel::Posterior { width, values, tile } => {
                FlowConfig::Query(QueryConfig::posterior([*width, *values, *tile], layout))
            }
            FlowKernel::Max(kernel) => FlowConfig::Query(QueryConfig::max(kernel)),
            FlowKernel::Choice(kernel) => FlowConfig::Query(QueryConfig::choice(kernel)),
        }
    }

    /// Floats of scratch memory that a unit needs.
    pub fn scratch(&self, layout: Layout) -> usize {
        match self {
            FlowConfig::Layer(config) => config.scratch() * layout.lanes,
            FlowConfig::Stage(config) => config.scratch(),
            FlowConfig::Mixing(_) | FlowConfig::Kronecker(_) | FlowConfig::Table(_) | FlowConfig::Gaussian(_) => 0,
            FlowConfig::Query(config) => config.scratch(),
        }
    }

    /// Queues one launch.
    ///
    /// # Safety
    /// The launch must have been checked, and the buffers must have the sizes the plan and the layout demand.
    pub unsafe fn launch(&self, client: &Client, memory: &Memory, counts: &Handle, answers: &Answers, placed: Placed) {
        let Placed { table, members, groups, kernel: _ } = placed;
        let layout = memory.layout;
        let place = || PlaceLaunch::new(table, members, 0, 0, layout.vectors as u32);
        let lanes = layout.lanes;
        let (count, dim) = grid(layout);
        let [arena, counts, scratch, packed, tables, evidence] =
            [&memory.arena, counts, &memory.scratch, &memory.packed, &memory.tables, &memory.evidence].map(argument);
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                FlowConfig::Layer(config) => config.launch(client, memory, [table, members, 0, 0]),
                FlowConfig::Query(config) => config.launch(client, memory, answers, placed),
                FlowConfig::Stage(c) => stage_flow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    counts,
                    scratch,
                    packed,
                    tables,
                    evidence,
                    place(),
                    groups,
                    *c,
                ),
                FlowConfig::Mixing(c) => mixing_flow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    counts,
                    packed,
                    tables,
                    place(),
                    groups,
                    *c,
                ),
                FlowConfig::Kronecker(c) => kronecker_flow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    tables,
                    place(),
                    c.clone(),
                ),
                FlowConfig::Gaussian(width) => gaussian_flow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    counts,
                    packed,
                    tables,
                    evidence,
                    place(),
                    groups,
                    *width,
                ),
                FlowConfig::Table(c) => table_flow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    counts,
                    tables,
                    evidence,
                    place(),
                    groups,
                    *c,
                ),
            }
        }
    }
}

pub(crate) fn stage_config(stage: &StageFlow, record: usize, layout: Layout) -> StageFlowConfig {
    let prologue = list(5, stage.prologue_parts, 5 + stage.prologue_parts as usize, stage.prologue_inputs);
    let [outputs, chunk] = [stage.outputs, stage.chunk].map(|size| size as usize);
    let columns = chunk.next_multiple_of(CHUNK) / layout.lanes;
    let (count_outputs, count_vectors) = count_tile(outputs, columns);
    StageFlowConfig {
        blocks: stage.blocks as usize,
        distinct: stage.distinct as usize,
        outputs,
        inputs: stage.inputs as usize,
        rows: stage.rows as usize,
        prologue,
        record,
        tile: stage.tile as usize,
        chunk,
        together: together(stage),
        vectors: (stage.vectors as usize).min(layout.tile),
        lanes: layout.lanes,
        counted: stage.counted,
        count_outputs,
        count_vectors,
    }
}

/// Blocks of a work item: as many as are side by side in memory, up to eight, if there is enough work for all cores.
fn together(stage: &StageFlow) -> usize {
    let (blocks, distinct, rows) = (stage.blocks as usize, stage.distinct as usize, stage.rows as usize);
    if blocks != distinct || rows == 1 {
        return 1;
    }
    [8, 4, 2].into_iter().find(|&count| rows % count == 0 && distinct / count >= 8).unwrap_or(1)
}

/// The register tile of counts, outputs by vectors of inputs, with the least loads and overhang per multiplication.
fn count_tile(outputs: usize, columns: usize) -> (usize, usize) {
    let cost = |&(height, width): &(usize, usize)| {
        let padded = (outputs.next_multiple_of(height) * columns.next_multiple_of(width)) as f64;
        padded * (1.0 + (height + width) as f64 / (height * width) as f64)
    };
    let tiles = (1..=6).flat_map(|height| [1, 2, 4].map(|width| (height, width)));
    tiles.min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("there are tiles")
}
