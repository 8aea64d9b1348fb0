//! From kernels of the plan to launches of device code: compile-time configurations and arguments.

use crate::gaussian::gaussian_kernel;
use crate::kronecker::{KroneckerConfig, kronecker_kernel};
use crate::mixing::{MixingConfig, mixing_kernel};
use crate::narrow::{GROUP, narrow_kernel};
use crate::operand::{Operands, PlaceLaunch};
use crate::permute::{ConcatConfig, PermuteConfig, concat_kernel, permute_kernel};
use crate::product::{ProductConfig, product_kernel};
use crate::stage::{StageConfig, stage_kernel};
use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;
use danaus_artifact::plan::{Kernel, Schedule, StageKernel};

/// A kernel with everything that its device code is specialised by, but the number of lanes.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub enum Config {
    /// See [`crate::product`].
    Product(ProductConfig),
    /// See [`crate::gaussian`]; the number of units.
    Gaussian(usize),
    /// See [`crate::kronecker`].
    Kronecker(KroneckerConfig),
    /// See [`crate::stage`].
    Panels(StageConfig),
    /// See [`crate::narrow`].
    Narrow(StageConfig),
    /// See [`crate::mixing`].
    Mixing(MixingConfig),
    /// See [`crate::permute`].
    Permute(PermuteConfig),
    /// See [`crate::permute`].
    Concat(ConcatConfig),
}

/// How the samples of a batch are laid out and dealt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Samples in a vector.
    pub lanes: usize,
    /// Vectors in a row of the arena.
    pub vectors: usize,
    /// Most vectors in a tile of samples; divides `vectors`.
    pub tile: usize,
    /// Units that work at the same time.
    pub units: usize,
}

impl Layout {
    /// The layout of a batch: vectors as long as the batch fills them, and the largest tile of samples that does
    /// not cost more in padding than it gains.
    pub fn new(batch: usize, units: usize) -> Layout {
        let lanes = batch.next_power_of_two().min(16);
        let needed = batch.div_ceil(lanes);
        // Time per vector relative to tiles of four, in percent: a tile shares the loads of its weights.
        let cost = |tile: usize| needed.next_multiple_of(tile) * [160, 115, 100][tile.ilog2() as usize];
        let tile = [4, 2, 1].into_iter().min_by_key(|&tile| cost(tile)).expect("there are three");
        Layout { lanes, vectors: needed.next_multiple_of(tile), tile, units }
    }

    /// Samples in a row of the arena.
    pub fn samples(&self) -> usize {
        self.lanes * self.vectors
    }
}

/// The buffers of the device.
pub struct Memory {
    /// How samples are laid out.
    pub layout: Layout,
    /// All activations.
    pub arena: Handle,
    /// A slice for each unit.
    pub scratch: Handle,
    /// Packed parameters.
    pub packed: Handle,
    /// The plan's tables.
    pub tables: Handle,
    /// Value indices.
    pub evidence: Handle,
}

/// A buffer as an argument of a kernel that does not ask for its length.
pub fn argument(handle: &Handle) -> BufferArg {
    // SAFETY: the kernels never read a buffer's length, and indices were checked against its real size.
    unsafe { BufferArg::from_raw_parts(handle.clone(), (handle.size_in_used() / 4) as usize) }
}

/// One cube with a unit for each core: every unit takes an equal run of the work items.
pub fn grid(layout: Layout) -> (CubeCount, CubeDim) {
    (CubeCount::new_single(), CubeDim::new_1d(layout.units as u32))
}

impl Config {
    /// The configuration of a launch of `members` members.
    pub fn new(kernel: &Kernel, members: usize, layout: Layout) -> Config {
        let sizes = |widths: &[u32]| widths.iter().map(|&width| width as usize).collect();
        match kernel {
            Kernel::Product { width, parts, inputs } => Config::Product(ProductConfig {
                width: *width as usize,
                operands: list(2, *parts, 2 + *parts as usize, *inputs),
                record: kernel.record_len(),
            }),
            Kernel::Gaussian { width } => Config::Gaussian(*width as usize),
            Kernel::Kronecker { widths } => Config::Kronecker(KroneckerConfig { widths: sizes(widths) }),
            Kernel::Concat { widths } => Config::Concat(ConcatConfig { widths: sizes(widths) }),
            Kernel::Mixing { width, inputs } => {
                Config::Mixing(MixingConfig { width: *width as usize, inputs: *inputs as usize })
            }
            Kernel::Permute { outer, rows, columns } => {
                let [outer, rows, columns] = [outer, rows, columns].map(|&size| size as usize);
                Config::Permute(PermuteConfig { outer, rows, columns })
            }
            Kernel::Stage(stage) => stage_config(stage, kernel.record_len(), members, layout),
        }
    }

    /// Vectors of scratch memory a unit needs.
    pub fn scratch(&self) -> usize {
        match self {
            Config::Panels(config) => config.scratch(),
            _ => 0,
        }
    }

    /// Queues one launch.
    ///
    /// # Safety
    /// The plan must be valid and the buffers must have the sizes the plan and the layout demand.
    pub unsafe fn launch(&self, client: &Client, memory: &Memory, place: [u32; 4]) {
        let [table, members, iteration, base] = place;
        let place = PlaceLaunch::new(table, members, iteration, base, memory.layout.vectors as u32);
        let lanes = memory.layout.lanes;
        let (count, dim) = grid(memory.layout);
        let arena = argument(&memory.arena);
        let tables = argument(&memory.tables);
        let packed = || argument(&memory.packed);
        let evidence = || argument(&memory.evidence);
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Config::Product(c) => product_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    packed(),
                    tables,
                    evidence(),
                    place,
                    *c,
                ),
                Config::Gaussian(width) => gaussian_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    packed(),
                    tables,
                    evidence(),
                    place,
                    *width,
                ),
                Config::Kronecker(c) => {
                    kronecker_kernel::launch_unchecked(client, count, dim, lanes, arena, tables, place, c.clone())
                }
                Config::Panels(c) => stage_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    argument(&memory.scratch),
                    packed(),
                    tables,
                    evidence(),
                    place,
                    *c,
                ),
                Config::Narrow(c) => narrow_kernel::launch_unchecked(
                    client,
                    count,
                    dim,
                    lanes,
                    arena,
                    packed(),
                    tables,
                    evidence(),
                    place,
                    *c,
                ),
                Config::Mixing(c) => {
                    mixing_kernel::launch_unchecked(client, count, dim, lanes, arena, packed(), tables, place, *c)
                }
                Config::Permute(c) => {
                    permute_kernel::launch_unchecked(client, count, dim, lanes, arena, tables, place, *c)
                }
                Config::Concat(c) => {
                    concat_kernel::launch_unchecked(client, count, dim, lanes, arena, tables, place, c.clone())
                }
            }
        }
    }
}

pub(crate) fn list(parts_at: usize, parts: u32, inputs_at: usize, inputs: u32) -> Operands {
    Operands { parts_at, parts: parts as usize, inputs_at, inputs: inputs as usize }
}

fn stage_config(stage: &StageKernel, record: usize, members: usize, layout: Layout) -> Config {
    let prologue = list(2, stage.prologue_parts, 2 + stage.prologue_parts as usize, stage.prologue_inputs);
    let after = prologue.inputs_at + 4 * prologue.inputs;
    let epilogue = list(after, stage.epilogue_parts, after + stage.epilogue_parts as usize, stage.epilogue_inputs);
    let config = StageConfig {
        blocks: stage.blocks as usize,
        distinct: stage.distinct as usize,
        outputs: stage.outputs as usize,
        inputs: stage.inputs as usize,
        rows: stage.rows as usize,
        prologue,
        epilogue,
        record,
        tile: 1,
        chunk: (stage.outputs as usize).min(GROUP),
        vectors: 1,
    };
    match stage.schedule {
        Schedule::Narrow => Config::Narrow(config),
        Schedule::Panels { tile, chunk, vectors } => {
            let vectors = (vectors as usize).min(layout.tile);
            let config = StageConfig { tile: tile as usize, chunk: (chunk / tile) as usize, vectors, ..config };
            Config::Panels(busy(config, members, layout))
        }
    }
}

/// Cuts the work finer until every unit has some: first fewer vectors of samples, which repeats no work, then
/// smaller chunks of outputs, which repeats the prologue.
fn busy(mut config: StageConfig, members: usize, layout: Layout) -> StageConfig {
    let items = |config: &StageConfig| members * config.blocks * config.chunks() * (layout.vectors / config.vectors);
    while items(&config) < layout.units && config.vectors > 1 {
        config.vectors /= 2;
    }
    while items(&config) < layout.units && config.chunk > 1 {
        config.chunk = config.chunk.div_ceil(2);
    }
    config
}
