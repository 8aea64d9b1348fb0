//! The layout of the packed parameters: each parameter once in every layout that a kernel reads.

use crate::circuit::{ParamId, Parameter, ParameterShape};
use danaus_artifact::plan::{CHUNK, GAUSSIAN_PITCH, Layout, Pack};
use std::collections::BTreeMap;

/// Packed tensors, in the order of their first use.
#[derive(Debug, Default)]
pub struct Packs {
    /// The tensors so far.
    pub packs: Vec<Pack>,
    /// Their length together, in chunks.
    pub chunks: u32,
    offsets: BTreeMap<(ParamId, Layout), u32>,
}

impl Packs {
    /// The offset of a parameter in a layout, in chunks; adds the tensor when it is new.
    ///
    /// # Panics
    /// If all parameters together have 2^36 values or more.
    pub fn offset(&mut self, id: ParamId, parameter: &Parameter, layout: Layout) -> u32 {
        if let Some(&offset) = self.offsets.get(&(id, layout)) {
            return offset;
        }
        let offset = self.chunks;
        let chunks = u32::try_from(floats(&parameter.shape, layout).div_ceil(CHUNK)).ok();
        self.chunks =
            chunks.and_then(|c| offset.checked_add(c)).expect("packed parameters have fewer than 2^36 values");
        self.packs.push(Pack { offset, parameter: id.0, layout });
        self.offsets.insert((id, layout), offset);
        offset
    }
}

/// Floats of a packed tensor, without the padding to whole chunks.
///
/// # Panics
/// If the layout is not one for the kind of parameter.
pub fn floats(shape: &ParameterShape, layout: Layout) -> usize {
    match (shape, layout) {
        (ParameterShape::Table { width, values }, Layout::Table) => width * (values + 1),
        (ParameterShape::Weight { blocks, outputs, inputs, dense: _ }, Layout::Panels { tile }) => {
            blocks * outputs.next_multiple_of(tile as usize) * inputs
        }
        (ParameterShape::Weight { blocks, outputs, inputs, dense: _ }, Layout::Transposed { tile }) => {
            blocks * inputs.next_multiple_of(tile as usize) * outputs
        }
        (ParameterShape::Weight { blocks, outputs, inputs, dense: _ }, Layout::Logarithms) => blocks * outputs * inputs,
        (ParameterShape::Table { width, values }, Layout::Greatest) => width * (values + 1),
        (ParameterShape::Table { width, values }, Layout::Probabilities { tile }) => {
            values.next_multiple_of(tile as usize) * width
        }
        (ParameterShape::Mixing { width, inputs }, Layout::Mixing) => width * inputs,
        (ParameterShape::Gaussian { width, .. }, Layout::Gaussian | Layout::GaussianGreatest) => {
            width * GAUSSIAN_PITCH as usize
        }
        (shape, layout) => panic!("a parameter of shape {shape:?} has no layout {layout:?}"),
    }
}
