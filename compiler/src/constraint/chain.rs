//! An automaton as a circuit: a chain whose units are the automaton's steps.
//!
//! From the first variable to the last, with `e` and `f` steps, the unit `e` of `z[t]` is 0 if `x[t..]` takes step `e` first and then goes on to
//! acceptance, else `-inf`:
//!
//! ```text
//! z[n-1] = last[x[n-1]]                          last[e, v]    = e is of v and leads to acceptance
//! z[t]   = symbols[x[t]] * sum(next, z[t+1])     symbols[e, v] = e is of v;  next[e, f] = f leads on from e
//! root     sum(start, z[0])                      start[e]      = e leads from the start
//! ```
//!
//! From the last to the first it is the same in the other direction: the unit `e` of `z[t]` is 0 if `x[..=t]` leads from the start over `e`. At most
//! one operand of each sum is possible, so sums count nothing twice.

use super::PREFIX;
use super::automaton::{Automaton, Step};
use crate::circuit::{
    Circuit, Init, LayerGraph, Op, Operand, ParamId, Parameter, ParameterShape, PartRef, SumKind, VarUse, VariableArray,
};

/// Which variable a chain splits off at its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The first: `z[t]` is about `x[t..]`.
    FirstToLast,
    /// The last: `z[t]` is about `x[..=t]`.
    LastToFirst,
}

/// The circuit of an automaton over all variables, which have `values` values.
pub(super) fn circuit(
    automaton: &Automaton,
    variables: &[VariableArray],
    values: usize,
    direction: Direction,
) -> Circuit {
    let starts = |step: &Step| step.from == 0;
    let ends = |step: &Step| automaton.accepting[step.to];
    let mut builder = Builder { steps: &automaton.steps, values, parameters: Vec::new(), graph: LayerGraph::new() };
    let every = builder.table("symbols", |_| true);
    let length = variables.iter().map(VariableArray::len).sum::<usize>() as u32;
    let (innermost, next, root) = match direction {
        Direction::FirstToLast => {
            let last = builder.table("last", ends);
            let next = builder.weight("next", |step, other| step.to == other.from);
            (last, next, builder.row("start", starts))
        }
        Direction::LastToFirst => {
            let first = builder.table("first", starts);
            let next = builder.weight("next", |step, other| other.to == step.from);
            (first, next, builder.row("end", ends))
        }
    };
    let at = |place: u32| if direction == Direction::FirstToLast { length - 1 - place } else { place };
    let width = automaton.steps.len();
    let mut z = builder.input(at(0), innermost);
    for place in 1..length {
        let beyond = builder.sum(width, z, next);
        let symbol = builder.input(at(place), every);
        z = builder.graph.add_single(Op::Hadamard, width, vec![symbol.into(), beyond.into()], Vec::new());
    }
    let root = builder.sum(1, z, root);
    let Builder { parameters, mut graph, .. } = builder;
    graph.set_root(root.layer);
    Circuit { name: PREFIX.to_string(), variables: variables.to_vec(), parameters, graph }
}

struct Builder<'a> {
    steps: &'a [Step],
    values: usize,
    parameters: Vec<Parameter>,
    graph: LayerGraph,
}

impl Builder<'_> {
    /// One at the values of each step that is wanted.
    fn table(&mut self, name: &str, wanted: impl Fn(&Step) -> bool) -> ParamId {
        let mut numbers = vec![0.0; self.steps.len() * self.values];
        for (row, step) in numbers.chunks_exact_mut(self.values).zip(self.steps).filter(|(_, step)| wanted(step)) {
            step.values.iter().for_each(|&value| row[value] = 1.0);
        }
        self.parameter(name, ParameterShape::Table { width: self.steps.len(), values: self.values }, numbers)
    }

    /// One for each pair of steps that fit.
    fn weight(&mut self, name: &str, fits: impl Fn(&Step, &Step) -> bool) -> ParamId {
        let row = |step| self.steps.iter().map(move |other| (step, other));
        let number = |(step, other)| f64::from(u8::from(fits(step, other)));
        let numbers = self.steps.iter().flat_map(row).map(number).collect();
        let count = self.steps.len();
        self.parameter(name, ParameterShape::Weight { blocks: 1, outputs: count, inputs: count, dense: true }, numbers)
    }

    /// One for each step that is wanted.
    fn row(&mut self, name: &str, wanted: impl Fn(&Step) -> bool) -> ParamId {
        let numbers = self.steps.iter().map(|step| f64::from(u8::from(wanted(step)))).collect();
        let inputs = self.steps.len();
        self.parameter(name, ParameterShape::Weight { blocks: 1, outputs: 1, inputs, dense: true }, numbers)
    }

    fn parameter(&mut self, name: &str, shape: ParameterShape, numbers: Vec<f64>) -> ParamId {
        self.parameters.push(Parameter { name: format!("{PREFIX}.{name}"), shape, init: Init::Given(numbers) });
        ParamId(self.parameters.len() as u32 - 1)
    }

    fn input(&mut self, variable: u32, table: ParamId) -> PartRef {
        let read = Operand::Input(VarUse { index: variable, stride: 0, table });
        self.graph.add_single(Op::Input, self.steps.len(), vec![read], Vec::new())
    }

    fn sum(&mut self, width: usize, operand: PartRef, weight: ParamId) -> PartRef {
        self.graph.add_single(Op::Sum(SumKind::Dense), width, vec![operand.into()], vec![weight])
    }
}
