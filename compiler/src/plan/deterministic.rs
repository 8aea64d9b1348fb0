//! Whether the most likely completion that a circuit's maxima find is the most likely one.
//!
//! It is if the circuit is *deterministic*: for every complete row at most one operand of each unit of a sum is possible
//! (Y. Choi, A. Vergari, G. Van den Broeck, "Probabilistic circuits", 2020). Two operands exclude each other if there is a variable that they can have no
//! common value of. Only indicators say which values are possible whatever the parameters are, so this is decided from them, and
//! "no" means that it is not known.

use crate::circuit::{Circuit, Init, LayerGraph, Member, Op, Operand, PartRef, Stage, SumKind};
use crate::plan::shapes::{plain_stage, weight};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps of work after which it is not known: no circuit that is written by hand comes near.
const WORK: usize = 20_000_000;

/// The values that a unit can have of each variable that indicators restrict.
type Support = Rc<BTreeMap<u32, Vec<bool>>>;

/// Whether a circuit is known to be deterministic. Circuits with rolled chains are not.
pub fn is_deterministic(circuit: &Circuit) -> bool {
    let mut known = Known { circuit, supports: Vec::new(), work: 0 };
    known.graph(&circuit.graph).is_some()
}

struct Known<'a> {
    circuit: &'a Circuit,
    /// `[layer][member][unit]`
    supports: Vec<Vec<Vec<Support>>>,
    work: usize,
}

impl Known<'_> {
    /// None as soon as something is not known.
    fn graph(&mut self, graph: &LayerGraph) -> Option<()> {
        for (_, layer) in graph.layers() {
            let mut members = Vec::with_capacity(layer.members.len());
            for member in &layer.members {
                members.push(self.member(&layer.op, member)?);
            }
            self.supports.push(members);
        }
        Some(())
    }

    fn member(&mut self, op: &Op, member: &Member) -> Option<Vec<Support>> {
        match op {
            Op::Input | Op::Hadamard => self.product(&member.operands),
            Op::Kronecker => {
                let mut all = vec![Support::default()];
                for operand in &member.operands {
                    let units = self.operand(operand)?;
                    self.spend(all.len() * units.len())?;
                    all = all.iter().flat_map(|left| units.iter().map(move |right| merged(left, right))).collect();
                }
                Some(all)
            }
            Op::Sum(SumKind::Mixing) => {
                let operands: Option<Vec<_>> = member.operands.iter().map(|operand| self.operand(operand)).collect();
                let operands = operands?;
                let units = operands[0].len();
                (0..units).map(|h| self.sum(operands.iter().map(|operand| &operand[h]))).collect()
            }
            Op::Sum(kind @ (SumKind::Dense | SumKind::BlockDiagonal { .. })) => {
                let stage = plain_stage(kind, member, self.circuit);
                self.stage(&stage, member)
            }
            Op::Stage(stage) => self.stage(stage, member),
            Op::Permute { outer, rows, columns } => {
                let units = self.operand(&member.operands[0])?;
                let at =
                    |h: usize| h / (rows * columns) * rows * columns + h % rows * columns + h % (rows * columns) / rows;
                Some((0..outer * rows * columns).map(|h| units[at(h)].clone()).collect())
            }
            Op::Concat => {
                let parts: Option<Vec<_>> = member.operands.iter().map(|operand| self.operand(operand)).collect();
                Some(parts?.concat())
            }
            Op::Carry | Op::Scan(_) | Op::Sum(SumKind::Monarch { .. } | SumKind::Kronecker(_)) => None,
        }
    }

    fn spend(&mut self, work: usize) -> Option<()> {
        self.work = self.work.saturating_add(work);
        (self.work < WORK).then_some(())
    }

    fn operand(&mut self, operand: &Operand) -> Option<Vec<Support>> {
        match operand {
            &Operand::Part(PartRef { layer, part }) => Some(self.supports[layer.0 as usize][part as usize].clone()),
            Operand::Input(input) => {
                let width = self.circuit.operand_width(&self.circuit.graph, *operand);
                let size = self.circuit.domain(input.index as usize)?.size();
                let support = match self.circuit.parameter(input.table).init {
                    Init::Indicator { value } => {
                        BTreeMap::from([(input.index, (0..size).map(|v| v == value).collect())])
                    }
                    _ => BTreeMap::new(),
                };
                self.spend(width)?;
                let support = Rc::new(support);
                Some((0..width).map(|_| support.clone()).collect())
            }
        }
    }

    fn product(&mut self, operands: &[Operand]) -> Option<Vec<Support>> {
        let mut all = self.operand(&operands[0])?;
        for operand in &operands[1..] {
            let units = self.operand(operand)?;
            self.spend(all.len() * (1 + all.first().map_or(0, |support| support.len())))?;
            all = all.iter().zip(&units).map(|(left, right)| merged(left, right)).collect();
        }
        Some(all)
    }

    fn stage(&mut self, stage: &Stage, member: &Member) -> Option<Vec<Support>> {
        let (before, after) = member.operands.split_at(stage.prologue);
        let units = self.product(before)?;
        let (_, outputs, inputs) = weight(self.circuit, member.parameters[0]);
        let mut stored = vec![Support::default(); stage.blocks * outputs];
        for g in 0..stage.blocks {
            let block = self.sum(units[g * inputs..][..inputs].iter())?;
            for o in 0..outputs {
                stored[(g / stage.rows * outputs + o) * stage.rows + g % stage.rows] = block.clone();
            }
        }
        if after.is_empty() {
            return Some(stored);
        }
        let others = self.product(after)?;
        Some(stored.iter().zip(&others).map(|(left, right)| merged(left, right)).collect())
    }

    /// The support of a sum of units, if they exclude each other.
    fn sum<'s>(&mut self, units: impl Iterator<Item = &'s Support>) -> Option<Support> {
        let units: Vec<&Support> = units.collect();
        for (index, unit) in units.iter().enumerate() {
            for other in &units[..index] {
                self.spend(1 + unit.len().min(other.len()))?;
                if !exclude(unit, other) {
                    return None;
                }
            }
        }
        let mut union: BTreeMap<u32, Vec<bool>> = (**units[0]).clone();
        for unit in &units[1..] {
            // What one of them does not restrict, the sum does not.
            union.retain(|variable, _| unit.contains_key(variable));
            for (variable, values) in &mut union {
                values.iter_mut().zip(&unit[variable]).for_each(|(value, other)| *value |= other);
            }
        }
        Some(Rc::new(union))
    }
}

fn exclude(left: &Support, right: &Support) -> bool {
    let disjoint = |a: &[bool], b: &[bool]| !a.iter().zip(b).any(|(a, b)| *a && *b);
    left.iter().any(|(variable, values)| right.get(variable).is_some_and(|others| disjoint(values, others)))
}

fn merged(left: &Support, right: &Support) -> Support {
    if right.is_empty() {
        return left.clone();
    }
    let mut all = (**left).clone();
    all.extend(right.iter().map(|(variable, values)| (*variable, values.clone())));
    Rc::new(all)
}

#[cfg(test)]
mod tests {
    use super::is_deterministic;
    use crate::circuit::read::read;

    fn decided(root: &str) -> bool {
        let text = format!(
            "circuit c {{
  var x[2]: binary
  param @no: table[1, 2] indicator 0
  param @yes: table[1, 2] indicator 1
  param @some: table[1, 2] random
  param @w: weight[1, 2] random
  param @v: weight[1, 2] random
  %0 = input (x[0] @no) : 1
  %1 = input (x[0] @yes) : 1
  %2 = input (x[1] @some) : 1
  %3 = hadamard %0, %2 : 1
  %4 = hadamard %1, %2 : 1
{root}  root %6
}}
"
        );
        is_deterministic(&read(&text).unwrap_or_else(|error| panic!("{error}")).circuits[0])
    }

    #[test]
    fn operands_that_differ_in_an_indicator_exclude_each_other() {
        assert!(decided("  %5 = concat %3, %4 : 2\n  %6 = sum dense %5 @w : 1\n"));
    }

    #[test]
    fn equal_operands_do_not() {
        assert!(!decided("  %5 = concat %3, %3 : 2\n  %6 = sum dense %5 @w : 1\n"));
    }
}
