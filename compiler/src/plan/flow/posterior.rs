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
        let mut by_shape: BTreeMap<[usize; 2], BTreeMap<(u32, i32), Vec<(ParamId, Rows)>>> = BTreeMap::new();
        for (table, flow, input) in readers {
            let ParameterShape::Table { width, values } = self.circuit.parameter(table).shape else {
                panic!("an input selects from a table")
            };
            let variables = by_shape.entry([width, values]).or_default();
            variables.entry((input.index, input.stride)).or_default().push((table, flow));
        }
        for ([width, values], variables) in by_shape {
            let tile = values.div_ceil(values.div_ceil(POSTERIOR_TILE)) as u32;
            let (mut words, mut groups) = (Vec::new(), Vec::new());
            let mut members = 0;
            for (&(index, stride), readers) in &variables {
                let first = members;
                for &(table, flow) in readers {
                    self.touch(flow);
                    let layout = Layout::Probabilities { tile };
                    let probabilities = self.packs.offset(table, self.circuit.parameter(table), layout);
                    words.extend([PendingWord::Rows(flow), PendingWord::Variable(index, stride)]);
                    words.push(PendingWord::Value(probabilities));
                    members += 1;
                }
                groups.extend([first, members].map(PendingWord::Value));
            }
            words.extend(groups);
            let kernel = FlowKernel::Posterior { width: width as u32, values: values as u32, tile };
            let label = format!("posteriors of {id}");
            steps.push(PendingStep::Launch(self.launch(kernel, members as usize, variables.len(), words, label)));
        }
    }
}
