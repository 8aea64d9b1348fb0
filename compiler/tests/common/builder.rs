//! Builds circuits layer by layer.

use danaus_compiler::circuit::{
    Circuit, Domain, Init, LayerGraph, Op, Operand, ParamId, Parameter, ParameterShape, PartRef, SumKind, VarUse,
    VariableArray,
};

/// A circuit under construction.
#[derive(Default)]
pub struct Builder {
    pub variables: Vec<VariableArray>,
    pub parameters: Vec<Parameter>,
    pub graph: LayerGraph,
}

impl Builder {
    /// Adds an array of variables.
    pub fn variables(&mut self, name: &str, shape: &[usize], domain: Domain) {
        self.variables.push(VariableArray { name: name.into(), shape: shape.to_vec(), domain });
    }

    /// Adds a parameter, or finds the one of this name.
    pub fn parameter(&mut self, name: &str, shape: ParameterShape, init: Init) -> ParamId {
        let found = self.parameters.iter().position(|parameter| parameter.name == name);
        let index = found.unwrap_or_else(|| {
            self.parameters.push(Parameter { name: name.into(), shape, init });
            self.parameters.len() - 1
        });
        ParamId(index as u32)
    }

    /// Adds weights drawn at random; `blocks` is none for a dense tensor.
    pub fn weight(&mut self, name: &str, blocks: Option<usize>, outputs: usize, inputs: usize) -> ParamId {
        let shape = ParameterShape::Weight { blocks: blocks.unwrap_or(1), outputs, inputs, dense: blocks.is_none() };
        self.parameter(name, shape, Init::Random)
    }

    /// The width of a layer.
    pub fn width(&self, part: PartRef) -> usize {
        self.graph.layer(part.layer).width
    }

    pub fn input(&mut self, variable: u32, table: ParamId) -> PartRef {
        let ParameterShape::Table { width, .. } = self.parameters[table.0 as usize].shape else {
            panic!("an input has a table")
        };
        let read = Operand::Input(VarUse { index: variable, stride: 0, table });
        self.graph.add_single(Op::Input, width, vec![read], Vec::new())
    }

    pub fn hadamard(&mut self, parts: &[PartRef]) -> PartRef {
        let width = self.width(parts[0]);
        self.graph.add_single(Op::Hadamard, width, operands(parts), Vec::new())
    }

    pub fn kronecker(&mut self, parts: &[PartRef]) -> PartRef {
        let width = parts.iter().map(|&part| self.width(part)).product();
        self.graph.add_single(Op::Kronecker, width, operands(parts), Vec::new())
    }

    pub fn concat(&mut self, parts: &[PartRef]) -> PartRef {
        let width = parts.iter().map(|&part| self.width(part)).sum();
        self.graph.add_single(Op::Concat, width, operands(parts), Vec::new())
    }

    pub fn sum(&mut self, kind: SumKind, width: usize, parts: &[PartRef], weights: Vec<ParamId>) -> PartRef {
        self.graph.add_single(Op::Sum(kind), width, operands(parts), weights)
    }

    /// A Monarch sum; the tensors are `name.1 .. name.d`.
    pub fn monarch(&mut self, name: &str, factors: &[usize], part: PartRef) -> PartRef {
        let width = self.width(part);
        let weights = factors
            .iter()
            .enumerate()
            .map(|(k, &b)| self.weight(&format!("{name}.{}", k + 1), Some(width / b), b, b))
            .collect();
        self.sum(SumKind::Monarch { factors: factors.to_vec() }, width, &[part], weights)
    }

    pub fn permute(&mut self, outer: usize, rows: usize, columns: usize, part: PartRef) -> PartRef {
        let op = Op::Permute { outer, rows, columns };
        self.graph.add_single(op, outer * rows * columns, operands(&[part]), Vec::new())
    }

    /// The circuit whose root is `root`.
    pub fn finish(mut self, name: &str, root: PartRef) -> Circuit {
        self.graph.set_root(root.layer);
        Circuit { name: name.into(), variables: self.variables, parameters: self.parameters, graph: self.graph }
    }
}

fn operands(parts: &[PartRef]) -> Vec<Operand> {
    parts.iter().copied().map(Operand::from).collect()
}
