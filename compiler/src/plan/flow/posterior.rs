//! What the way down of marginals ends with: the flows of the units that read a variable become its posterior.

use super::Builder;
use super::backward::Reader;
use super::rows::{PendingStep, PendingWord, Rows};
use crate::circuit::{LayerId, ParamId, ParameterShape};
use danaus_artifact::flow_plan::FlowKernel;
use danaus_artifact::plan::Layout;
use std::collections::BTreeMap;

/// Most values in a panel of the probabilities of a table.
const POSTERIOR_TILE: usize = 12;

impl Builder<'_> {
    /// Launches that spread flows over the values of variables, one for each width and number of values.
    pub(super) fn posteriors(&mut self, id: LayerId, readers: Vec<Reader>, steps: &mut Vec<PendingStep>) {
        // By width and number of values, none for Gaussian units.
        let mut by_shape: BTreeMap<(usize, Option<usize>), BTreeMap<(u32, i32), Vec<(ParamId, Rows)>>> =
            BTreeMap::new();
        for (table, flow, input) in readers {
            let shape = match self.circuit.parameter(table).shape {
                ParameterShape::Table { width, values } => (width, Some(values)),
                ParameterShape::Gaussian { width, .. } => (width, None),
                ref other => panic!("an input reads a table or Gaussian units, not {other:?}"),
            };
            let variables = by_shape.entry(shape).or_default();
            variables.entry((input.index, input.stride)).or_default().push((table, flow));
        }
        for ((width, values), variables) in by_shape {
            let (width, tile) =
                (width as u32, values.map_or(1, |values| values.div_ceil(values.div_ceil(POSTERIOR_TILE))) as u32);
            let layout = if values.is_some() { Layout::Probabilities { tile } } else { Layout::Gaussian };
            let (mut words, mut groups) = (Vec::new(), Vec::new());
            let mut members = 0;
            for (&(index, stride), readers) in &variables {
                let first = members;
                for &(table, flow) in readers {
                    self.touch(flow);
                    let probabilities = self.packs.offset(table, self.circuit.parameter(table), layout);
                    words.extend([PendingWord::Rows(flow), PendingWord::Variable(index, stride)]);
                    words.push(PendingWord::Value(probabilities));
                    members += 1;
                }
                groups.extend([first, members].map(PendingWord::Value));
            }
            words.extend(groups);
            let kernel = match values {
                Some(values) => FlowKernel::Posterior { width, values: values as u32, tile },
                None => FlowKernel::GaussianPosterior { width },
            };
            let label = format!("posteriors of {id}");
            steps.push(PendingStep::Launch(self.launch(kernel, members as usize, variables.len(), words, label)));
        }
    }
}
