//! Builds the circuit IR from a model and its region graph.
//!
//! Each region and partition that the root needs becomes one layer with one member: inputs, products, sums
//! and mixtures. A named product is no layer of its own. Tied sums and inputs refer to one parameter; a
//! Monarch sum refers to one parameter for each factor.

mod parameters;
#[cfg(test)]
mod tests;

use crate::circuit::{Circuit, LayerGraph, Module, Op, Operand, PartRef, Product, SumKind, VarUse};
use crate::model::{self, Model, WeightsShape};
use crate::regions::{CircuitRegions, Node, NodeId, Partition, PartitionKind, Region, RegionGraph, RegionKind};
use parameters::Parameters;

/// The circuits of a model as layers. `graph` is the region graph of `model`.
pub fn circuit(model: &Model, graph: &RegionGraph) -> Module {
    let circuits = model.circuits.iter().zip(&graph.circuits).map(|(circuit, regions)| build(circuit, regions));
    let product = |product: &model::Product| Product { name: model.name.clone(), untied: product.untied };
    Module { circuits: circuits.collect(), product: model.product.as_ref().map(product) }
}

fn build(circuit: &model::Circuit, regions: &CircuitRegions) -> Circuit {
    let mut builder = Builder { circuit, layers: LayerGraph::new(), parameters: Parameters::new(circuit) };
    let mut values: Vec<PartRef> = Vec::with_capacity(regions.petgraph().node_count());
    for (id, node) in regions.nodes() {
        let operands: Vec<PartRef> = regions.children(id).iter().map(|child| values[child.index()]).collect();
        values.push(match node {
            Node::Region(region) => builder.region(region, &operands),
            Node::Partition(partition) => builder.partition(partition, &operands),
        });
    }
    builder.layers.set_root(values[NodeId::Region(regions.root()).index()].layer);
    Circuit {
        name: circuit.name.clone(),
        variables: circuit.variables.iter().map(|variable| variable.array.clone()).collect(),
        parameters: builder.parameters.list,
        graph: builder.layers,
    }
}

struct Builder<'a> {
    circuit: &'a model::Circuit,
    layers: LayerGraph,
    parameters: Parameters<'a>,
}

impl Builder<'_> {
    fn region(&mut self, region: &Region, operands: &[PartRef]) -> PartRef {
        match region.kind {
            RegionKind::Product => operands[0],
            RegionKind::Input { variable, table } => {
                let table = self.parameters.ids(table)[0];
                let operand = Operand::Input(VarUse { index: variable, stride: 0, table });
                self.layers.add_single(Op::Input, region.width, vec![operand], Vec::new())
            }
            RegionKind::Sum(weights) => {
                let operand = self.concatenated(operands);
                let kind = match &self.circuit.weights(weights).shape {
                    WeightsShape::Dense { .. } => SumKind::Dense,
                    WeightsShape::BlockDiagonal { blocks, .. } => SumKind::BlockDiagonal { blocks: *blocks },
                    WeightsShape::Monarch { factors } => SumKind::Monarch { factors: factors.clone() },
                    WeightsShape::Table { .. } | WeightsShape::Gaussian { .. } | WeightsShape::Mixing { .. } => {
                        unreachable!("the weights of a sum are neither a table nor mixing weights")
                    }
                };
                let parameters = self.parameters.ids(weights);
                self.layers.add_single(Op::Sum(kind), region.width, vec![operand.into()], parameters)
            }
            RegionKind::Mixing(weights) => {
                let operands = operands.iter().map(|operand| (*operand).into()).collect();
                let parameters = self.parameters.ids(weights);
                self.layers.add_single(Op::Sum(SumKind::Mixing), region.width, operands, parameters)
            }
        }
    }

    fn partition(&mut self, partition: &Partition, operands: &[PartRef]) -> PartRef {
        let op = match partition.kind {
            PartitionKind::Hadamard => Op::Hadamard,
            PartitionKind::Kronecker => Op::Kronecker,
        };
        let operands = operands.iter().map(|operand| (*operand).into()).collect();
        self.layers.add_single(op, partition.width, operands, Vec::new())
    }

    /// One operand with the units of all, in order.
    fn concatenated(&mut self, operands: &[PartRef]) -> PartRef {
        if let [only] = operands {
            return *only;
        }
        let width = operands.iter().map(|operand| self.layers.layer(operand.layer).width).sum();
        let operands = operands.iter().map(|operand| (*operand).into()).collect();
        self.layers.add_single(Op::Concat, width, operands, Vec::new())
    }
}
