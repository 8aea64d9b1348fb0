//! Weights of a model as parameters of a circuit: those that layers use, in the order of their use.

use crate::circuit::{Init, ParamId, Parameter, ParameterShape};
use crate::model::{Circuit, Weights, WeightsId, WeightsInit, WeightsShape};

/// The parameters so far.
pub(super) struct Parameters<'a> {
    circuit: &'a Circuit,
    pub list: Vec<Parameter>,
    /// By [`WeightsId`]: the first parameter, once there is one.
    first: Vec<Option<ParamId>>,
}

impl<'a> Parameters<'a> {
    pub fn new(circuit: &'a Circuit) -> Self {
        Parameters { circuit, list: Vec::new(), first: vec![None; circuit.weights.len()] }
    }

    /// The parameters of weights, in order.
    pub fn ids(&mut self, id: WeightsId) -> Vec<ParamId> {
        let weights = self.circuit.weights(id);
        let first = match self.first[id.0 as usize] {
            Some(first) => first,
            None => {
                let first = ParamId(self.list.len() as u32);
                self.list.extend(parameters(weights));
                self.first[id.0 as usize] = Some(first);
                first
            }
        };
        (0..weights.tensor_names().len() as u32).map(|k| ParamId(first.0 + k)).collect()
    }
}

fn parameters(weights: &Weights) -> Vec<Parameter> {
    let init = || match &weights.init {
        WeightsInit::Random => Init::Random,
        WeightsInit::Given(numbers) => Init::Given(numbers.to_vec()),
        WeightsInit::Indicator(value) => Init::Indicator { value: *value },
        WeightsInit::Identity => Init::Identity,
        WeightsInit::Member(family) => Init::Member(*family),
    };
    let shapes = shapes(&weights.shape);
    weights
        .tensor_names()
        .into_iter()
        .zip(shapes)
        .map(|(name, shape)| Parameter { name, shape, init: init() })
        .collect()
}

fn shapes(shape: &WeightsShape) -> Vec<ParameterShape> {
    let square = |blocks, size| ParameterShape::Weight { blocks, outputs: size, inputs: size, dense: false };
    match shape {
        WeightsShape::Table { width, values } => vec![ParameterShape::Table { width: *width, values: *values }],
        WeightsShape::Gaussian { width, floor } => vec![ParameterShape::Gaussian { width: *width, floor: *floor }],
        WeightsShape::Dense { outputs, inputs } => {
            vec![ParameterShape::Weight { blocks: 1, outputs: *outputs, inputs: *inputs, dense: true }]
        }
        WeightsShape::BlockDiagonal { blocks, size } => vec![square(*blocks, *size)],
        WeightsShape::Monarch { factors } => {
            let width: usize = factors.iter().product();
            factors.iter().map(|factor| square(width / factor, *factor)).collect()
        }
        WeightsShape::Mixing { width, inputs } => vec![ParameterShape::Mixing { width: *width, inputs: *inputs }],
    }
}
