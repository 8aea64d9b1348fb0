//! Sizes: how many units a cube has, and which part of the work of a kernel of the plan it does.

use crate::gpu::choice::{TensorSizes, of_counts, of_sums};
use crate::gpu::flow_counts::CountShape;
use crate::gpu::flow_layers::{ABREAST, FlowMixture};
use crate::gpu::flow_sums::FlowSum;
use crate::gpu::kernel::DeviceKernel;
use crate::gpu::layers::runs;
use crate::gpu::spot::Shape;
use crate::gpu::stage::{Matrix, StageShape, matrix};
use crate::gpu::tensor::TensorShape;
use crate::gpu::tensor_counts;
use crate::kronecker::KroneckerConfig;
use crate::launch::{Config, Layout, list};
use danaus_artifact::flow_plan::{FlowKernel, FlowPlan, StageFlow};
use danaus_artifact::gpu::{Grid, Precision, Role};
use danaus_artifact::plan::{Kernel, Plan, Step};

/// Samples in a vector: 16 bytes, the most that a unit reads at once.
pub const LANES: u32 = 4;
/// The samples in a row of the arena are a multiple of it.
pub const SAMPLES: u32 = 64;
/// Bytes of shared memory that every device has for a cube.
pub const SHARED: usize = 48 << 10;

/// What a cube does of each kind of kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Samples in a vector.
    pub lanes: u32,
    /// The samples in a row of the arena are a multiple of it.
    pub samples: u32,
    /// Of layers without sums over units.
    pub rows: Shape,
    /// Of sums with few outputs, and of carries: few samples, so that there are many cubes.
    pub narrow: Shape,
    /// Of sums with many outputs.
    pub stage: Shape,
    /// Outputs of a unit of sums with many outputs.
    pub tile: usize,
    /// Most inputs of a slab.
    pub depth: usize,
    /// Of counts of weights.
    pub counts: CountShape,
    /// Of sums with many outputs and their flows and counts, where tensor cores multiply.
    pub tensor: Option<TensorSizes>,
}

impl Sizes {
    /// For GPUs: 8 warps to a cube; 32 sums in registers for each unit.
    pub const GPU: Sizes = Sizes {
        lanes: LANES,
        samples: SAMPLES,
        rows: Shape { units: 256, vectors: 16 },
        narrow: Shape { units: 256, vectors: 8 },
        stage: Shape { units: 256, vectors: 16 },
        tile: 8,
        depth: 16,
        counts: CountShape { outputs: 64, inputs: 64, vectors: 4 },
        tensor: None,
    };

    /// For GPUs, in this precision.
    pub fn gpu(precision: Precision) -> Sizes {
        Sizes { tensor: TensorSizes::gpu(precision), ..Sizes::GPU }
    }

    /// What sums with many outputs multiply.
    pub fn precision(&self) -> Precision {
        self.tensor.map_or(Precision::F32, |tensor| tensor.precision)
    }

    fn tensor_sums(&self, sizes: [usize; 3]) -> Option<TensorShape> {
        self.tensor.and_then(|tensor| of_sums(&tensor, self.lanes as usize, sizes))
    }
}

/// A kernel with its sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// What it is for.
    pub role: Role,
    /// Its code.
    pub kernel: DeviceKernel,
    /// Units of a cube.
    pub units: u32,
    /// Cubes of a launch.
    pub grid: Grid,
}

/// All kernels that the forward pass of a plan needs, in the order of their roles.
pub fn schedule(plan: &Plan, sizes: &Sizes) -> Vec<Scheduled> {
    let mut all: Vec<Scheduled> = plan
        .kernels
        .iter()
        .enumerate()
        .map(|(index, kernel)| layer(Role::Layer(index as u32), kernel, sizes))
        .collect();
    let narrow = sizes.narrow;
    let between = |role: Role, kernel: DeviceKernel| scheduled(role, kernel, narrow, 1);
    let rescaled = |step: &Step| matches!(step, Step::Loop(body) if body.steps >= body.rescale);
    if plan.steps.iter().any(rescaled) {
        all.push(carry(true, true, sizes));
    }
    if !plan.root_offset && plan.steps.iter().any(|step| matches!(step, Step::Loop(_))) {
        all.push(leave(true, sizes));
    }
    let role = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
    all.push(between(role, DeviceKernel::Result { with_offsets: plan.root_offset, shape: narrow }));
    all
}

fn scheduled(role: Role, kernel: DeviceKernel, shape: Shape, per_item: usize) -> Scheduled {
    let grid = Grid { per_item: per_item as u32, vectors: shape.vectors as u32 };
    Scheduled { role, kernel, units: shape.units as u32, grid }
}

fn carry(rescales: bool, wanted: bool, sizes: &Sizes) -> Scheduled {
    let shape = sizes.narrow;
    scheduled(Role::Carry { rescales, wanted }, DeviceKernel::Carry { rescales, wanted, shape }, shape, 1)
}

fn leave(with_offsets: bool, sizes: &Sizes) -> Scheduled {
    let shape = sizes.narrow;
    scheduled(Role::Leave { with_offsets }, DeviceKernel::Leave { with_offsets, shape }, shape, 1)
}

fn layer(role: Role, kernel: &Kernel, sizes: &Sizes) -> Scheduled {
    // The configuration of a single unit: nothing is cut.
    let layout = Layout { lanes: sizes.lanes as usize, vectors: 1, tile: 1, units: 1 };
    let rows = sizes.rows;
    match Config::new(kernel, 1, layout) {
        Config::Product(c) => scheduled(role, DeviceKernel::Product { c, shape: rows }, rows, runs(c.width)),
        Config::Gaussian(_) => panic!("circuits with real variables are not compiled for GPUs"),
        Config::Kronecker(c) => {
            let width = c.width();
            scheduled(role, DeviceKernel::Kronecker { c, shape: rows }, rows, runs(width))
        }
        Config::Permute(c) => {
            let width = c.outer * c.rows * c.columns;
            scheduled(role, DeviceKernel::Permute { c, shape: rows }, rows, runs(width))
        }
        Config::Concat(c) => {
            let width = c.width();
            scheduled(role, DeviceKernel::Concat { c, shape: rows }, rows, runs(width))
        }
        Config::Mixing(c) => scheduled(role, DeviceKernel::Mixing { c, shape: rows }, rows, runs(c.width)),
        Config::Narrow(c) => {
            let per_item = c.blocks * c.chunks();
            scheduled(role, DeviceKernel::Narrow { c, shape: sizes.narrow }, sizes.narrow, per_item)
        }
        Config::Panels(c) => {
            if let Some(shape) = sizes.tensor_sums([c.blocks, c.outputs, c.inputs]) {
                let per_item = c.blocks * shape.chunks(c.outputs);
                let kernel = match shape.precision {
                    Precision::Bf16 => DeviceKernel::TensorSumsHalf { c, shape },
                    Precision::Tf32 | Precision::F32 => DeviceKernel::TensorSums { c, shape },
                };
                return scheduled(role, kernel, shape.shape, per_item);
            }
            let m = matrix(&c);
            let shape = stage_shape(&m, sizes);
            let per_item = c.blocks * shape.chunks(&m);
            scheduled(role, DeviceKernel::Stage { c, shape }, shape.shape, per_item)
        }
    }
}

/// Halves the number of units while that leaves fewer outputs idle, and while the weights of a slab do not fit shared memory.
fn stage_shape(m: &Matrix, sizes: &Sizes) -> StageShape {
    let at = |units: usize| {
        let shape = Shape { units, ..sizes.stage };
        // A slab has a whole number of inputs for every group of units.
        let depth = sizes.depth.min(m.summed).next_multiple_of(shape.groups());
        StageShape { shape, tile: sizes.tile, depth }
    };
    let computed = |shape: &StageShape| shape.chunks(m) * shape.outputs();
    let mut best = at(sizes.stage.units);
    while best.shape.groups() > 1 {
        let half = at(best.shape.units / 2);
        // A warp is the least that can be at work.
        let is_whole = half.shape.units.is_multiple_of(32) || half.shape.units < 32 && sizes.stage.units < 32;
        if !is_whole || (best.shared_bytes(m, sizes.lanes) <= SHARED && computed(&half) >= computed(&best)) {
            break;
        }
        best = half;
    }
    best
}

/// All kernels of the forward pass, and of training if there is a flow plan.
pub fn all_kernels(plan: &Plan, flows: Option<&FlowPlan>, sizes: &Sizes) -> Vec<Scheduled> {
    let mut all = schedule(plan, sizes);
    all.extend(flows.iter().flat_map(|flows| schedule_flows(flows, sizes)));
    all.sort_by_key(|scheduled| scheduled.role);
    // Both read the root in the end.
    all.dedup_by_key(|scheduled| scheduled.role);
    all
}

/// All kernels that training needs, in the order of their roles. Kernels of other queries have none.
pub fn schedule_flows(plan: &FlowPlan, sizes: &Sizes) -> Vec<Scheduled> {
    let narrow = sizes.narrow;
    let between = |role: Role, kernel: DeviceKernel| scheduled(role, kernel, narrow, 1);
    let role = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
    let mut all = vec![between(role, DeviceKernel::Result { with_offsets: plan.root_offset, shape: narrow })];
    let kernels = || plan.kernels.iter().enumerate().map(|(index, kernel)| (index as u32, kernel));
    all.extend(kernels().filter_map(|(index, kernel)| flow(Role::Flow(index), kernel, sizes)));
    all.extend(kernels().filter_map(|(index, kernel)| counts(Role::Counts(index), kernel, sizes)));
    all.push(between(Role::Seed, DeviceKernel::Seed { shape: narrow }));
    if !plan.loops.is_empty() {
        for (rescales, wanted) in [(false, false), (true, false), (true, true)] {
            all.push(carry(rescales, wanted, sizes));
        }
        all.push(leave(!plan.root_offset, sizes));
    }
    all
}

fn flow(role: Role, kernel: &FlowKernel, sizes: &Sizes) -> Option<Scheduled> {
    let rows = sizes.rows;
    match kernel {
        FlowKernel::Layer(kernel) => Some(layer(role, kernel, sizes)),
        FlowKernel::Stage(stage) => {
            let c = flow_sum(stage, kernel.record_len().0);
            if let Some(shape) = sizes.tensor_sums([c.blocks, c.inputs, c.outputs]) {
                let per_item = c.blocks * shape.chunks(c.inputs);
                let kernel = match shape.precision {
                    Precision::Bf16 => DeviceKernel::TensorFlowsHalf { c, shape },
                    Precision::Tf32 | Precision::F32 => DeviceKernel::TensorFlows { c, shape },
                };
                return Some(scheduled(role, kernel, shape.shape, per_item));
            }
            let shape = stage_shape(&c.matrix(), sizes);
            let per_item = c.blocks * shape.chunks(&c.matrix());
            Some(scheduled(role, DeviceKernel::FlowSums { c, shape }, shape.shape, per_item))
        }
        FlowKernel::Mixing { width, inputs, .. } => {
            let c = FlowMixture { width: *width as usize, inputs: *inputs as usize };
            Some(scheduled(role, DeviceKernel::FlowMixing { c, shape: rows }, rows, runs(c.width)))
        }
        FlowKernel::Kronecker { widths } => {
            let c = KroneckerConfig { widths: widths.iter().map(|&width| width as usize).collect() };
            let per_item = runs(c.widths.iter().sum());
            Some(scheduled(role, DeviceKernel::FlowKronecker { c, shape: rows }, rows, per_item))
        }
        FlowKernel::Table { .. }
        | FlowKernel::Gaussian { .. }
        | FlowKernel::Posterior { .. }
        | FlowKernel::GaussianPosterior { .. }
        | FlowKernel::Max(_)
        | FlowKernel::Choice(_) => None,
    }
}

fn counts(role: Role, kernel: &FlowKernel, sizes: &Sizes) -> Option<Scheduled> {
    let all_samples = |kernel: DeviceKernel, units: usize, per_item: usize| {
        let grid = Grid { per_item: per_item as u32, vectors: 0 };
        Some(Scheduled { role, kernel, units: units as u32, grid })
    };
    match kernel {
        FlowKernel::Stage(stage) if stage.counted => {
            let (c, shape) = (flow_sum(stage, kernel.record_len().0), sizes.counts);
            if let Some(shape) = sizes.tensor.and_then(|tensor| of_counts(&tensor, sizes.lanes as usize, &c)) {
                let (units, cubes) = (shape.shape.units, tensor_counts::cubes(&shape, &c));
                return match shape.precision {
                    Precision::Bf16 => all_samples(DeviceKernel::TensorCountsHalf { c, shape }, units, cubes),
                    Precision::Tf32 | Precision::F32 => {
                        all_samples(DeviceKernel::TensorCounts { c, shape }, units, cubes)
                    }
                };
            }
            all_samples(DeviceKernel::FlowCounts { c, shape }, shape.units(), shape.cubes(&c))
        }
        FlowKernel::Mixing { width, inputs, counted: true } => {
            let c = FlowMixture { width: *width as usize, inputs: *inputs as usize };
            let units = sizes.rows.units;
            all_samples(DeviceKernel::FlowMixingCounts { c, units }, units, (c.width * c.inputs).div_ceil(units))
        }
        FlowKernel::Table { width } => {
            let (width, units) = (*width as usize, sizes.rows.units);
            let abreast = ABREAST.min(units);
            let rows = units / abreast;
            all_samples(DeviceKernel::FlowTable { width, rows, abreast }, units, width.div_ceil(rows))
        }
        _ => None,
    }
}

fn flow_sum(stage: &StageFlow, record: usize) -> FlowSum {
    FlowSum {
        blocks: stage.blocks as usize,
        distinct: stage.distinct as usize,
        outputs: stage.outputs as usize,
        inputs: stage.inputs as usize,
        rows: stage.rows as usize,
        prologue: list(5, stage.prologue_parts, 5 + stage.prologue_parts as usize, stage.prologue_inputs),
        record,
        tile: stage.tile as usize,
    }
}
