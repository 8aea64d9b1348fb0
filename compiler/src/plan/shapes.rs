//! The kernel of each layer: what is known of it at compile time.

use crate::circuit::{
    Circuit, Layer, LayerGraph, Member, Op, Operand, ParamId, ParameterShape, PartRef, Stage, SumKind, VarUse,
};
use crate::plan::kernels::{SumShape, Target, schedule};
use danaus_artifact::plan::{GAUSSIAN_PITCH, Kernel, Layout, Schedule, StageKernel};

/// The operands of a member that are layers.
pub fn parts(member: &Member) -> impl Iterator<Item = PartRef> + '_ {
    member.operands.iter().filter_map(|operand| match operand {
        Operand::Part(part) => Some(*part),
        Operand::Input(_) => None,
    })
}

/// Operands by kind, each in order.
pub fn split(operands: &[Operand]) -> (Vec<PartRef>, Vec<VarUse>) {
    let mut split = (Vec::new(), Vec::new());
    for operand in operands {
        match operand {
            Operand::Part(part) => split.0.push(*part),
            Operand::Input(input) => split.1.push(*input),
        }
    }
    split
}

/// The kernel of a layer; the members of a layer read alike, so the first one says what is read.
///
/// # Panics
/// If the layer is a Monarch or Kronecker sum, a carry or a scan: none of them is a launch.
pub fn kernel_of(layer: &Layer, graph: &LayerGraph, circuit: &Circuit, target: &Target) -> Kernel {
    let member = &layer.members[0];
    let width = layer.width as u32;
    let widths = || parts(member).map(|part| graph.layer(part.layer).width as u32).collect();
    match &layer.op {
        Op::Input if reads_gaussian(member, circuit) => Kernel::Gaussian { width },
        Op::Input | Op::Hadamard => {
            let (parts, inputs) = split(&member.operands);
            Kernel::Product { width, parts: parts.len() as u32, inputs: inputs.len() as u32 }
        }
        Op::Kronecker => Kernel::Kronecker { widths: widths() },
        Op::Concat => Kernel::Concat { widths: widths() },
        &Op::Permute { outer, rows, columns } => {
            Kernel::Permute { outer: outer as u32, rows: rows as u32, columns: columns as u32 }
        }
        Op::Sum(SumKind::Mixing) => Kernel::Mixing { width, inputs: member.operands.len() as u32 },
        Op::Sum(kind @ (SumKind::Dense | SumKind::BlockDiagonal { .. })) => {
            Kernel::Stage(stage_kernel(&plain_stage(kind, member, circuit), layer, circuit, target))
        }
        Op::Stage(stage) => Kernel::Stage(stage_kernel(stage, layer, circuit, target)),
        Op::Sum(SumKind::Monarch { .. } | SumKind::Kronecker(_)) => panic!("lower-monarch has rewritten this sum"),
        Op::Carry | Op::Scan(_) => panic!("a carry or a scan is no launch"),
    }
}

/// Whether an input reads Gaussian units; it has a kernel of its own and is not taken up by others.
pub fn reads_gaussian(input: &Member, circuit: &Circuit) -> bool {
    matches!(input.operands[..], [Operand::Input(read)] if is_gaussian(circuit, read.table))
}

/// Whether a parameter is Gaussian units.
pub fn is_gaussian(circuit: &Circuit, id: ParamId) -> bool {
    matches!(circuit.parameter(id).shape, ParameterShape::Gaussian { .. })
}

/// How an input stands in a record: the layout of what it reads, and the distance between the units.
///
/// # Panics
/// If it reads weights.
pub fn input_layout(shape: &ParameterShape, is_greatest: bool) -> (Layout, u32) {
    match (shape, is_greatest) {
        (ParameterShape::Table { values, .. }, false) => (Layout::Table, *values as u32 + 1),
        (ParameterShape::Table { values, .. }, true) => (Layout::Greatest, *values as u32 + 1),
        (ParameterShape::Gaussian { .. }, false) => (Layout::Gaussian, GAUSSIAN_PITCH),
        (ParameterShape::Gaussian { .. }, true) => (Layout::GaussianGreatest, GAUSSIAN_PITCH),
        (other, _) => panic!("an input reads a table or Gaussian units, not {other:?}"),
    }
}

/// The layout in which a kernel reads its weights, if it has any.
pub fn weight_layout(kernel: &Kernel) -> Option<Layout> {
    match kernel {
        Kernel::Stage(StageKernel { schedule: Schedule::Panels { tile, .. }, .. }) => {
            Some(Layout::Panels { tile: *tile })
        }
        Kernel::Stage(StageKernel { schedule: Schedule::Narrow, .. }) => Some(Layout::Panels { tile: 1 }),
        Kernel::Mixing { .. } => Some(Layout::Mixing),
        Kernel::Product { .. }
        | Kernel::Gaussian { .. }
        | Kernel::Kronecker { .. }
        | Kernel::Permute { .. }
        | Kernel::Concat { .. } => None,
    }
}

/// A dense or block-diagonal sum as a stage with nothing before or after it.
///
/// # Panics
/// If the sum is of another kind.
pub fn plain_stage(kind: &SumKind, member: &Member, circuit: &Circuit) -> Stage {
    let (_, outputs, inputs) = weight(circuit, member.parameters[0]);
    let blocks = match kind {
        SumKind::Dense => 1,
        SumKind::BlockDiagonal { blocks } => *blocks,
        SumKind::Monarch { .. } | SumKind::Kronecker(_) | SumKind::Mixing => panic!("not a block-diagonal sum"),
    };
    Stage { blocks, outputs, inputs, rows: 1, prologue: 1 }
}

/// Distinct blocks, outputs and inputs of a weight.
///
/// # Panics
/// If the parameter is a table or mixing weights.
pub fn weight(circuit: &Circuit, id: ParamId) -> (usize, usize, usize) {
    match circuit.parameters[id.0 as usize].shape {
        ParameterShape::Weight { blocks, outputs, inputs, dense: _ } => (blocks, outputs, inputs),
        ref other => panic!("a sum has a weight, not {other:?}"),
    }
}

fn stage_kernel(stage: &Stage, layer: &Layer, circuit: &Circuit, target: &Target) -> StageKernel {
    let member = &layer.members[0];
    let (prologue, epilogue) = member.operands.split_at(stage.prologue);
    let (before, after) = (split(prologue), split(epilogue));
    let blocks = stage.blocks * layer.members.len();
    let shape = SumShape { blocks, outputs: stage.outputs, inputs: stage.inputs };
    let (distinct, _, _) = weight(circuit, member.parameters[0]);
    StageKernel {
        blocks: stage.blocks as u32,
        distinct: distinct as u32,
        outputs: stage.outputs as u32,
        inputs: stage.inputs as u32,
        rows: stage.rows as u32,
        prologue_parts: before.0.len() as u32,
        prologue_inputs: before.1.len() as u32,
        epilogue_parts: after.0.len() as u32,
        epilogue_inputs: after.1.len() as u32,
        schedule: schedule(shape, target),
    }
}
