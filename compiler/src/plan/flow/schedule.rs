//! How the flows of a block-diagonal sum are cut.
//!
//! # Design
//!
//! A work item of the kernel has one distinct block of weights and `chunk` of its inputs. It computes the ratios
//! `F[o] * exp(m - t[o])` of all outputs and the exponentials `exp(s[i] - m)` of its inputs, a few vectors of samples at a
//! time, and multiplies twice: weights with ratios gives the flows of the inputs, ratios with exponentials the counts. Items are
//! cut finer only where there are too few for all cores, since each computes all ratios.

use crate::plan::kernels::Target;
use danaus_artifact::flow_plan::StageFlow;
use danaus_artifact::plan::{CHUNK, StageKernel};

/// Work items below which not every core is busy.
const ITEMS: usize = 2;

/// Chooses the schedule; `groups` is the number of different parameters of the launch.
pub(super) fn stage_flow(stage: &StageKernel, groups: usize, target: &Target) -> StageFlow {
    let [inputs, outputs] = [stage.inputs, stage.outputs].map(|n| n as usize);
    let parts = ITEMS.div_ceil(groups * stage.distinct as usize);
    let chunk = inputs.div_ceil(parts).next_multiple_of(CHUNK).min(inputs);
    let fits = |vectors: usize| (2 * chunk + outputs) * vectors * target.lanes * size_of::<f32>() <= 2 * target.scratch;
    let vectors = if fits(4) {
        4
    } else if fits(2) {
        2
    } else {
        1
    };
    let tile = (16 / vectors).clamp(4, 8);
    StageFlow {
        blocks: stage.blocks,
        distinct: stage.distinct,
        outputs: stage.outputs,
        inputs: stage.inputs,
        rows: stage.rows,
        prologue_parts: stage.prologue_parts,
        prologue_inputs: stage.prologue_inputs,
        tile: tile as u32,
        chunk: chunk as u32,
        vectors: vectors as u32,
        counted: true,
    }
}
