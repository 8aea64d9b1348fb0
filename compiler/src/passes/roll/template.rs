//! The body of a chain's first step, and which other steps are like it.

use super::inputs;
use crate::circuit::{Layer, LayerGraph, LayerId, Op, Operand, PartRef};

/// The body of a chain's first step.
pub(super) struct Template {
    /// In order; the result is last.
    pub(super) layers: Vec<LayerId>,
    /// How often the body reads each.
    pub(super) uses: Vec<u32>,
    pub(super) carry: LayerId,
    pub(super) carry_uses: u32,
}

/// A step that matches.
pub(super) struct Step {
    pub(super) carry: LayerId,
    pub(super) variables: Vec<u32>,
}

/// The layers of a step under the names of the template's layers.
struct Matching {
    partners: Vec<Option<LayerId>>,
    carry: Option<LayerId>,
}

impl Template {
    pub(super) fn variables(&self, graph: &LayerGraph) -> Vec<u32> {
        let members = self.layers.iter().flat_map(|&id| &graph.layer(id).members);
        members.flat_map(inputs).map(|input| input.index).collect()
    }

    /// The step whose result is `result`, if it is like this one.
    pub(super) fn match_step(&self, graph: &LayerGraph, graph_uses: &[u32], result: LayerId) -> Option<Step> {
        if graph_uses[result.0 as usize] != self.carry_uses {
            return None;
        }
        let mut matching = Matching { partners: vec![None; self.layers.len()], carry: None };
        *matching.partners.last_mut()? = Some(result);
        for index in (0..self.layers.len()).rev() {
            let partner = matching.partners[index]?;
            let (here, there) = (graph.layer(self.layers[index]), graph.layer(partner));
            let closed = partner == result || matches!(there.op, Op::Input);
            if !closed && graph_uses[partner.0 as usize] != self.uses[index] {
                return None;
            }
            self.match_layer(here, there, &mut matching)?;
        }
        let carry = matching.carry?;
        let apart = matching.partners.iter().all(|&partner| partner != Some(carry));
        let fits = graph.layer(carry).width == graph.layer(self.carry).width;
        let variables = || {
            let layers = matching.partners.iter().flatten();
            layers.flat_map(|&id| &graph.layer(id).members).flat_map(inputs).map(|input| input.index).collect()
        };
        (apart && fits).then(|| Step { carry, variables: variables() })
    }

    fn match_layer(&self, here: &Layer, there: &Layer, matching: &mut Matching) -> Option<()> {
        let ([a], [b]) = (here.members.as_slice(), there.members.as_slice()) else { return None };
        let alike = here.op == there.op
            && here.width == there.width
            && a.parameters == b.parameters
            && a.operands.len() == b.operands.len();
        if !alike {
            return None;
        }
        for operands in a.operands.iter().zip(&b.operands) {
            match operands {
                (Operand::Part(x), Operand::Part(y)) => self.match_part(*x, *y, matching)?,
                (Operand::Input(x), Operand::Input(y)) => {
                    (x.table == y.table && x.stride == 0 && y.stride == 0).then_some(())?;
                }
                (Operand::Part(_), Operand::Input(_)) | (Operand::Input(_), Operand::Part(_)) => return None,
            }
        }
        Some(())
    }

    fn match_part(&self, x: PartRef, y: PartRef, matching: &mut Matching) -> Option<()> {
        let partner = if x.layer == self.carry {
            &mut matching.carry
        } else {
            let index = self.layers.binary_search(&x.layer).ok()?;
            &mut matching.partners[index]
        };
        (*partner.get_or_insert(y.layer) == y.layer && x.part == y.part).then_some(())
    }
}
