//! From kernels of queries to launches of device code.

use super::choose::{ChooseConfig, ChooseSumConfig, choose_input_kernel, choose_mixing_kernel, choose_stage_kernel};
use super::max::{SumConfig, max_mixing_kernel, max_stage_kernel};
use super::pick::DescentLaunch;
use super::posterior::{PosteriorConfig, posterior_kernel};
use super::route::{RouteLaunch, choose_concat_kernel, choose_kronecker_kernel, choose_permute_kernel, merge_kernel};
use crate::flows::layout::Placed;
use crate::gaussian::{choose_gaussian_kernel, gaussian_posterior_kernel};
use crate::kronecker::KroneckerConfig;
use crate::launch::{Layout, Memory, argument, grid, list};
use crate::mixing::MixingConfig;
use crate::operand::PlaceLaunch;
use crate::permute::{ConcatConfig, PermuteConfig};
use cubecl::client::Client;
use cubecl::server::Handle;
use danaus_artifact::queries::{ChoiceKernel, ChoiceStage, MaxKernel};

/// Lanes of the kernels that choose: draws of a vector.
pub const LANES: usize = 16;

/// Vectors of samples in a register tile of posteriors.
const POSTERIOR_VECTORS: usize = 2;

/// A kernel with everything that its device code is specialised by.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum QueryConfig {
    /// See [`super::posterior`].
    Posterior(PosteriorConfig),
    /// See [`crate::gaussian`]; the number of units.
    GaussianPosterior(usize),
    /// See [`super::max`].
    MaxStage(SumConfig),
    /// See [`super::max`].
    MaxMixing(MixingConfig),
    /// See [`super::choose`].
    Stage(ChooseSumConfig),
    /// See [`super::choose`].
    Mixing(ChooseConfig),
    /// See [`super::choose`].
    Input(ChooseConfig),
    /// See [`crate::gaussian`]; the number of units, and whether numbers are drawn.
    Gaussian(usize, bool),
    /// See [`super::route`].
    Merge(usize),
    /// See [`super::route`].
    Kronecker(KroneckerConfig),
    /// See [`super::route`].
    Permute(PermuteConfig),
    /// See [`super::route`].
    Concat(ConcatConfig),
}

/// Where answers are written, and how they are drawn.
#[derive(Clone)]
pub struct Answers {
    /// The first row of each variable's posterior.
    pub starts: Handle,
    /// Posteriors `[rows][samples]`.
    pub posteriors: Handle,
    /// Choices `[rows][draws]`.
    pub choices: Handle,
    /// Values `[variables][draws]`.
    pub completions: Handle,
    /// Draws in a row, whole vectors.
    pub draws: u32,
    /// Draws that share a row of evidence.
    pub shared: u32,
    /// The number of the first draw.
    pub first: u32,
    /// How far apart the first draws of two rows are numbered.
    pub stride: u32,
    /// The seed.
    pub seed: u64,
    /// What differences of contributions are multiplied by.
    pub sharpness: f32,
}

impl Answers {
    /// No answers are asked for.
    pub fn none(handle: &Handle) -> Answers {
        Answers {
            starts: handle.clone(),
            posteriors: handle.clone(),
            choices: handle.clone(),
            completions: handle.clone(),
            draws: LANES as u32,
            shared: 1,
            first: 0,
            stride: 1,
            seed: 0,
            sharpness: 1.0,
        }
    }
}

impl QueryConfig {
    /// The configuration of posteriors of width, values and tile.
    pub fn posterior([width, values, tile]: [u32; 3], layout: Layout) -> QueryConfig {
        let [width, values, tile] = [width, values, tile].map(|size| size as usize);
        QueryConfig::Posterior(PosteriorConfig { width, values, tile, vectors: POSTERIOR_VECTORS.min(layout.tile) })
    }

    /// The configuration of a kernel of greatest values.
    pub fn max(kernel: &MaxKernel) -> QueryConfig {
        match kernel {
            MaxKernel::Stage(stage) => QueryConfig::MaxStage(sum_config(stage, 2, kernel.record_len())),
            MaxKernel::Mixing { width, inputs } => {
                QueryConfig::MaxMixing(MixingConfig { width: *width as usize, inputs: *inputs as usize })
            }
        }
    }

    /// The configuration of a kernel that chooses.
    pub fn choice(kernel: &ChoiceKernel) -> QueryConfig {
        let sizes = |widths: &[u32]| widths.iter().map(|&width| width as usize).collect();
        let config =
            |width: u32, count: u32, draws: bool| ChooseConfig { width: width as usize, count: count as usize, draws };
        match kernel {
            ChoiceKernel::Merge { inputs } => QueryConfig::Merge(*inputs as usize),
            ChoiceKernel::Stage { stage, draws } => {
                let sum = sum_config(stage, 5, kernel.record_len());
                QueryConfig::Stage(ChooseSumConfig { sum, draws: *draws })
            }
            ChoiceKernel::Mixing { width, inputs, draws } => QueryConfig::Mixing(config(*width, *inputs, *draws)),
            ChoiceKernel::Input { width, values, draws } => QueryConfig::Input(config(*width, *values, *draws)),
            ChoiceKernel::Gaussian { width, draws } => QueryConfig::Gaussian(*width as usize, *draws),
            ChoiceKernel::Kronecker { widths } => QueryConfig::Kronecker(KroneckerConfig { widths: sizes(widths) }),
            ChoiceKernel::Concat { widths } => QueryConfig::Concat(ConcatConfig { widths: sizes(widths) }),
            ChoiceKernel::Permute { outer, rows, columns } => {
                let [outer, rows, columns] = [outer, rows, columns].map(|&size| size as usize);
                QueryConfig::Permute(PermuteConfig { outer, rows, columns })
            }
        }
    }

    /// Floats of scratch memory that a unit needs: the contributions of all that can be chosen.
    pub fn scratch(&self) -> usize {
        let count = match self {
            QueryConfig::Stage(c) => c.sum.inputs,
            QueryConfig::Mixing(c) | QueryConfig::Input(c) => c.count,
            _ => 0,
        };
        count * LANES
    }

    /// Queues one launch.
    ///
    /// # Safety
    /// The launch must have been checked, and the buffers must have the sizes the plan, the layout and the draws demand.
    pub unsafe fn launch(&self, client: &Client, memory: &Memory, answers: &Answers, placed: Placed) {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                QueryConfig::Posterior(_)
                | QueryConfig::GaussianPosterior(_)
                | QueryConfig::MaxStage(_)
                | QueryConfig::MaxMixing(_) => {
                    self.launch_values(client, memory, answers, placed);
                }
                QueryConfig::Stage(_) | QueryConfig::Mixing(_) | QueryConfig::Input(_) | QueryConfig::Gaussian(..) => {
                    self.launch_choice(client, memory, answers, placed);
                }
                _ => self.launch_route(client, memory, answers, placed),
            }
        }
    }

    unsafe fn launch_values(&self, client: &Client, memory: &Memory, answers: &Answers, placed: Placed) {
        let Placed { table, members, groups, kernel: _ } = placed;
        let layout = memory.layout;
        let place = PlaceLaunch::new(table, members, 0, 0, layout.vectors as u32);
        let (count, dim) = grid(layout);
        let [arena, packed, tables, evidence] =
            [&memory.arena, &memory.packed, &memory.tables, &memory.evidence].map(argument);
        let lanes = layout.lanes;
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                QueryConfig::Posterior(c) => {
                    let (starts, posteriors) = (argument(&answers.starts), argument(&answers.posteriors));
                    posterior_kernel::launch_unchecked(
                        client, count, dim, lanes, arena, packed, tables, starts, posteriors, place, groups, *c,
                    )
                }
                QueryConfig::GaussianPosterior(width) => {
                    let (starts, posteriors) = (argument(&answers.starts), argument(&answers.posteriors));
                    gaussian_posterior_kernel::launch_unchecked(
                        client, count, dim, lanes, arena, packed, tables, starts, posteriors, place, groups, *width,
                    )
                }
                QueryConfig::MaxStage(c) => max_stage_kernel::launch_unchecked(
                    client, count, dim, lanes, arena, packed, tables, evidence, place, *c,
                ),
                QueryConfig::MaxMixing(c) => {
                    max_mixing_kernel::launch_unchecked(client, count, dim, lanes, arena, packed, tables, place, *c)
                }
                _ => panic!("{self:?} computes no values"),
            }
        }
    }

    unsafe fn launch_choice(&self, client: &Client, memory: &Memory, answers: &Answers, placed: Placed) {
        let descent = DescentLaunch::new(
            placed.table,
            placed.members,
            answers.draws,
            answers.shared,
            memory.layout.samples() as u32,
            answers.first,
            answers.stride,
            answers.seed as u32,
            (answers.seed >> 32) as u32,
            answers.sharpness,
        );
        let (count, dim) = grid(memory.layout);
        let [arena, scratch, packed, tables, evidence] =
            [&memory.arena, &memory.scratch, &memory.packed, &memory.tables, &memory.evidence].map(argument);
        let choices = argument(&answers.choices);
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                QueryConfig::Stage(c) => choose_stage_kernel::launch_unchecked(
                    client, count, dim, LANES, arena, choices, scratch, packed, tables, evidence, descent, *c,
                ),
                QueryConfig::Mixing(c) => choose_mixing_kernel::launch_unchecked(
                    client, count, dim, LANES, arena, choices, scratch, packed, tables, descent, *c,
                ),
                QueryConfig::Input(c) => {
                    let completions = argument(&answers.completions);
                    choose_input_kernel::launch_unchecked(
                        client,
                        count,
                        dim,
                        LANES,
                        choices,
                        completions,
                        scratch,
                        packed,
                        tables,
                        evidence,
                        descent,
                        *c,
                    )
                }
                QueryConfig::Gaussian(width, draws) => {
                    let completions = argument(&answers.completions);
                    choose_gaussian_kernel::launch_unchecked(
                        client,
                        count,
                        dim,
                        LANES,
                        choices,
                        completions,
                        packed,
                        tables,
                        evidence,
                        descent,
                        *width,
                        *draws,
                    )
                }
                _ => panic!("{self:?} chooses nothing"),
            }
        }
    }

    unsafe fn launch_route(&self, client: &Client, memory: &Memory, answers: &Answers, placed: Placed) {
        let route = RouteLaunch::new(placed.table, placed.members, answers.draws);
        let (count, dim) = grid(memory.layout);
        let (choices, tables) = (argument(&answers.choices), argument(&memory.tables));
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                QueryConfig::Merge(inputs) => {
                    merge_kernel::launch_unchecked(client, count, dim, choices, tables, route, *inputs)
                }
                QueryConfig::Kronecker(c) => {
                    choose_kronecker_kernel::launch_unchecked(client, count, dim, choices, tables, route, c.clone())
                }
                QueryConfig::Permute(c) => {
                    choose_permute_kernel::launch_unchecked(client, count, dim, choices, tables, route, *c)
                }
                QueryConfig::Concat(c) => {
                    choose_concat_kernel::launch_unchecked(client, count, dim, choices, tables, route, c.clone())
                }
                _ => panic!("{self:?} hands nothing on"),
            }
        }
    }
}

fn sum_config(stage: &ChoiceStage, operands_at: usize, record: usize) -> SumConfig {
    let inputs_at = operands_at + stage.prologue_parts as usize;
    SumConfig {
        blocks: stage.blocks as usize,
        distinct: stage.distinct as usize,
        outputs: stage.outputs as usize,
        inputs: stage.inputs as usize,
        rows: stage.rows as usize,
        prologue: list(operands_at, stage.prologue_parts, inputs_at, stage.prologue_inputs),
        record,
    }
}
