//! Whether the most likely completion that a circuit's maxima find is the most likely one.
//!
//! It is if the circuit is *deterministic*: for every complete row at most one operand of each unit of a sum is possible
//! (Y. Choi, A. Vergari, G. Van den Broeck, "Probabilistic circuits", 2020). Two operands exclude each other if there is a variable that they can have no
//! common value of. Which values are possible is said by indicators and by zeros of numbers that the program gives, in tables and in
//! weights, and inherited through products and sums. The parameters that a circuit runs with may have other numbers than the program: a runtime
//! sees to it that the zeros are still there. "No" means that it is not known.

use crate::circuit::{
    Circuit, Init, LayerGraph, LayerId, Member, Op, Operand, ParamId, ParameterShape, PartRef, Stage, SumKind,
};
use crate::plan::shapes::{is_gaussian, plain_stage, weight};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps of work after which it is not known: no circuit that is written by hand comes near.
const WORK: usize = 20_000_000;

/// The values that a unit can have of each variable that is restricted.
type Support = Rc<BTreeMap<u32, Vec<bool>>>;

/// Whether a circuit is known to be deterministic. Circuits with rolled chains are not.
pub fn is_deterministic(circuit: &Circuit) -> bool {
    let mut known = Known { circuit, supports: Vec::new(), work: 0 };
    known.graph(&circuit.graph).is_some()
}

struct Known<'a> {
    circuit: &'a Circuit,
    /// `[layer][member][unit]`
    supports: Vec<Option<Vec<Vec<Support>>>>,
    work: usize,
}

impl<'a> Known<'a> {
    /// None as soon as something is not known. Sums come first, for it is they that may not be: what only later layers read is looked
    /// at when those are.
    fn graph(&mut self, graph: &LayerGraph) -> Option<()> {
        self.supports = vec![None; graph.layers().len()];
        let sums = graph.layers().filter(|(_, layer)| matches!(layer.op, Op::Sum(_) | Op::Stage(_)));
        sums.chain(graph.layers()).try_for_each(|(id, _)| self.layer(graph, id))
    }

    /// The layer after all that it reads. All sums below it are known, so it is as deep as there are layers in a row that are none.
    fn layer(&mut self, graph: &LayerGraph, id: LayerId) -> Option<()> {
        if self.supports[id.0 as usize].is_some() {
            return Some(());
        }
        let layer = graph.layer(id);
        for operand in layer.members.iter().flat_map(|member| &member.operands) {
            if let Operand::Part(part) = operand {
                self.layer(graph, part.layer)?;
            }
        }
        let members: Option<Vec<_>> = layer.members.iter().map(|member| self.member(&layer.op, member)).collect();
        self.supports[id.0 as usize] = Some(members?);
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
                let weights = self.zeros(member.parameters[0]);
                let possible = |h: usize, k: usize| weights.is_none_or(|weights| weights[h * operands.len() + k] > 0.0);
                let sum = |h: usize| self.sum((0..operands.len()).filter(|&k| possible(h, k)).map(|k| &operands[k][h]));
                (0..units).map(sum).collect()
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
            &Operand::Part(PartRef { layer, part }) => {
                self.supports[layer.0 as usize].as_ref().map(|members| members[part as usize].clone())
            }
            Operand::Input(input) => {
                let width = self.circuit.operand_width(&self.circuit.graph, *operand);
                self.spend(width)?;
                if is_gaussian(self.circuit, input.table) {
                    return Some(vec![Support::default(); width]);
                }
                let Some(rows) = self.rows(&self.circuit.parameter(input.table).name)? else {
                    return Some(vec![Support::default(); width]);
                };
                let restricted = |row: Vec<bool>| match row.contains(&false) {
                    true => Rc::new(BTreeMap::from([(input.index, row)])),
                    false => Support::default(),
                };
                Some(rows.into_iter().map(restricted).collect())
            }
        }
    }

    /// For each unit of a table the values that are possible whatever is random or learnt; `Some(None)` if that is all of them.
    fn rows(&mut self, name: &str) -> Option<Option<Vec<Vec<bool>>>> {
        let Some(parameter) = self.circuit.parameters.iter().find(|parameter| parameter.name == name) else {
            return Some(None);
        };
        let ParameterShape::Table { width, values } = parameter.shape else { panic!("an input selects from a table") };
        let row = |possible: &dyn Fn(usize) -> bool| (0..values).map(possible).collect::<Vec<bool>>();
        let rows = match &parameter.init {
            Init::Random | Init::Member(_) | Init::CopyOf { .. } | Init::WeightProduct { .. } => return Some(None),
            Init::Indicator { value } => vec![row(&|v| v == *value); width],
            Init::Identity => (0..width).map(|unit| row(&|v| v == unit)).collect(),
            Init::Given(numbers) => numbers.chunks(values).map(|numbers| row(&|v| numbers[v] > 0.0)).collect(),
            Init::TableProduct { sources, .. } => self.product_rows(sources, values)?,
        };
        self.spend(width * values)?;
        Some(Some(rows))
    }

    /// The same for all combinations of units of some tables, the first most significant.
    fn product_rows(&mut self, sources: &[(String, usize)], values: usize) -> Option<Vec<Vec<bool>>> {
        let mut all = vec![vec![true; values]];
        for (name, width) in sources {
            let rows = self.rows(name)?.unwrap_or_else(|| vec![vec![true; values]; *width]);
            self.spend(all.len() * rows.len() * values)?;
            let both = |row: &Vec<bool>, other: &Vec<bool>| row.iter().zip(other).map(|(a, b)| *a && *b).collect();
            all = all.iter().flat_map(|row| rows.iter().map(move |other| both(row, other))).collect();
        }
        Some(all)
    }

    /// Given weights that have zeros.
    fn zeros(&self, weights: ParamId) -> Option<&'a [f64]> {
        match &self.circuit.parameter(weights).init {
            Init::Given(numbers) if numbers.contains(&0.0) => Some(numbers),
            _ => None,
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
        let (distinct, outputs, inputs) = weight(self.circuit, member.parameters[0]);
        let zeros = self.zeros(member.parameters[0]);
        let mut stored = vec![Support::default(); stage.blocks * outputs];
        for g in 0..stage.blocks {
            let units = &units[g * inputs..][..inputs];
            let place = |o: usize| (g / stage.rows * outputs + o) * stage.rows + g % stage.rows;
            let Some(weights) = zeros else {
                let block = self.sum(units.iter())?;
                (0..outputs).for_each(|o| stored[place(o)] = block.clone());
                continue;
            };
            for o in 0..outputs {
                let row = &weights[(g % distinct * outputs + o) * inputs..][..inputs];
                let possible = units.iter().zip(row).filter(|(_, weight)| **weight > 0.0).map(|(unit, _)| unit);
                stored[place(o)] = self.sum(possible)?;
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
        let units: Vec<&Support> = units.filter(|unit| !is_impossible(unit)).collect();
        for (index, unit) in units.iter().enumerate() {
            for other in &units[..index] {
                self.spend(1 + unit.len().min(other.len()))?;
                if !exclude(unit, other) {
                    return None;
                }
            }
        }
        let Some(first) = units.first() else { return Some(impossible()) };
        let mut union: BTreeMap<u32, Vec<bool>> = (***first).clone();
        for unit in &units[1..] {
            // What one of them does not restrict, the sum does not.
            union.retain(|variable, _| unit.contains_key(variable));
            for (variable, values) in &mut union {
                values.iter_mut().zip(&unit[variable]).for_each(|(value, other)| *value |= other);
            }
        }
        union.retain(|_, values| values.contains(&false));
        Some(Rc::new(union))
    }
}

/// Of a unit that is 0 whatever the row: no variable has the index, and it has no values.
fn impossible() -> Support {
    Rc::new(BTreeMap::from([(u32::MAX, Vec::new())]))
}

fn is_impossible(support: &Support) -> bool {
    support.values().any(|values| !values.contains(&true))
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

    /// A Markov chain whose states are seen.
    fn chain(table: &str) -> bool {
        let text = format!(
            "circuit c {{
  var x[3]: categorical(3)
  param @see: table[3, 3] {table}
  param @next: weight[3, 3] random
  param @first: weight[1, 3] random
  %0 = input (x[2] @see) : 3
  %1 = sum dense %0 @next : 3
  %2 = input (x[1] @see) : 3
  %3 = hadamard %2, %1 : 3
  %4 = sum dense %3 @next : 3
  %5 = input (x[0] @see) : 3
  %6 = hadamard %5, %4 : 3
  %7 = sum dense %6 @first : 1
  root %7
}}
"
        );
        is_deterministic(&read(&text).unwrap_or_else(|error| panic!("{error}")).circuits[0])
    }

    fn decided(root: &str) -> bool {
        let text = format!(
            "circuit c {{
  var x[2]: binary
  param @no: table[1, 2] indicator 0
  param @yes: table[1, 2] indicator 1
  param @some: table[1, 2] random
  param @one: weight[1, 2] given [0, 1]
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

    #[test]
    fn operands_without_weight_do_not_count() {
        assert!(decided("  %5 = concat %3, %3 : 2\n  %6 = sum dense %5 @one : 1\n"));
    }

    #[test]
    fn zeros_of_tables_exclude() {
        assert!(chain("identity"));
        assert!(chain("given [1, 0, 0, 0, 0.5, 0, 0, 0, 1]"));
        assert!(!chain("given [1, 0, 0, 0, 0.5, 0.5, 0, 0.5, 0.5]"));
        assert!(!chain("random"));
    }
}
