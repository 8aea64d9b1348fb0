//! Whether two circuits can be multiplied.
//!
//! Two circuits are compatible if they decompose the variables in ways that fit together. Both are walked from
//! the root: sums are passed through; where two products meet, their operands are grouped so that the operands
//! of a group are about the same variables on both sides, as finely as possible; one group for all of them
//! means that the two splits do not fit. (Vergari, Choi, Liu, Teso, Van den Broeck: A Compositional Atlas of
//! Tractable Circuit Operations, 2021. Grouping allows `a * b * c` to meet `a * (b * c)`.)

use super::{Circuit, Scope, UnitId, UnitKind};
use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use std::collections::HashSet;

/// Where two circuits decompose differently.
pub(super) struct Conflict {
    message: String,
    places: [(Span, String); 2],
}

impl Conflict {
    /// The fault, told at the factors' calls.
    pub fn report(self, origins: (Span, Span)) -> Diagnostic {
        let fault = Diagnostic::error("product.compatible", self.message, origins.1, "does not fit the other factor");
        let [first, second] = self.places;
        let fault = fault.with(origins.0, "the other factor").with(first.0, first.1).with(second.0, second.1);
        fault.help("circuits can be multiplied if their products split the variables in the same way")
    }
}

/// A unit vector, or the product of some of the operands of a product.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Part {
    unit: UnitId,
    some: Option<Vec<UnitId>>,
}

impl Part {
    fn whole(unit: UnitId) -> Self {
        Part { unit, some: None }
    }

    /// What is below it: the operands of a sum, or the factors of a product.
    fn below<'c>(&'c self, circuit: &'c Circuit) -> Below<'c> {
        match (&self.some, &circuit.unit(self.unit).kind) {
            (Some(factors), _) => Below::Factors(factors),
            (None, UnitKind::Sum { operands, .. } | UnitKind::Mixing { operands, .. }) => Below::Summed(operands),
            (None, UnitKind::Hadamard(factors) | UnitKind::Kronecker(factors)) => Below::Factors(factors),
            (None, UnitKind::Input { .. }) => Below::Nothing,
        }
    }

    fn of(product: UnitId, factors: Vec<UnitId>) -> Self {
        match factors[..] {
            [only] => Part::whole(only),
            _ => Part { unit: product, some: Some(factors) },
        }
    }
}

enum Below<'c> {
    Summed(&'c [UnitId]),
    Factors(&'c [UnitId]),
    Nothing,
}

/// Walks both circuits together.
pub(super) fn check(a: &Circuit, b: &Circuit) -> Result<(), Conflict> {
    if a.unit(a.root).scope != b.unit(b.root).scope {
        return Err(missing_variables(a, b));
    }
    let mut open = vec![(Part::whole(a.root), Part::whole(b.root))];
    let mut seen = HashSet::new();
    while let Some((x, y)) = open.pop() {
        if !seen.insert((x.clone(), y.clone())) {
            continue;
        }
        match (x.below(a), y.below(b)) {
            (Below::Summed(operands), _) => open.extend(operands.iter().map(|u| (Part::whole(*u), y.clone()))),
            (_, Below::Summed(operands)) => open.extend(operands.iter().map(|u| (x.clone(), Part::whole(*u)))),
            (Below::Nothing, Below::Nothing) => {}
            (Below::Factors(xs), Below::Factors(ys)) => {
                let groups = groups((a, xs), (b, ys));
                if groups.len() == 1 {
                    return Err(conflict((a, &x), (b, &y)));
                }
                open.extend(groups.into_iter().map(|(xs, ys)| (Part::of(x.unit, xs), Part::of(y.unit, ys))));
            }
            (Below::Factors(_), Below::Nothing) | (Below::Nothing, Below::Factors(_)) => {
                return Err(conflict((a, &x), (b, &y)));
            }
        }
    }
    Ok(())
}

type Group = (Vec<UnitId>, Vec<UnitId>);

/// Groups operands of two products that are about the same variables, as finely as possible.
fn groups((a, xs): (&Circuit, &[UnitId]), (b, ys): (&Circuit, &[UnitId])) -> Vec<Group> {
    let scopes = |circuit: &Circuit, unit: UnitId| circuit.unit(unit).scope.clone();
    if xs.len() == ys.len() && xs.iter().zip(ys).all(|(x, y)| scopes(a, *x) == scopes(b, *y)) {
        return xs.iter().zip(ys).map(|(x, y)| (vec![*x], vec![*y])).collect();
    }
    let mut groups: Vec<(Scope, Group)> = Vec::new();
    let sides = xs.iter().map(|x| (a, *x, true)).chain(ys.iter().map(|y| (b, *y, false)));
    for (circuit, unit, is_first) in sides {
        let scope = &circuit.unit(unit).scope;
        let mut joined = (Scope::clone(scope), Group::default());
        let (meeting, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(own, _)| !own.is_disjoint(scope));
        groups = others;
        for (own, (xs, ys)) in meeting {
            joined.0 = joined.0.union(&own);
            joined.1.0.extend(xs);
            joined.1.1.extend(ys);
        }
        if is_first {
            joined.1.0.push(unit)
        } else {
            joined.1.1.push(unit)
        }
        groups.push(joined);
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn place(circuit: &Circuit, unit: UnitId) -> (Span, String) {
    let name = circuit.unit_name(unit).map_or(String::new(), |name| format!(" as `{name}`"));
    (circuit.unit(unit).span, format!("in `{}`{name}", circuit.name))
}

fn missing_variables(a: &Circuit, b: &Circuit) -> Conflict {
    let (ours, theirs) = (&a.unit(a.root).scope, &b.unit(b.root).scope);
    let missing = ours.difference(theirs);
    let (circuit, missing) = if missing.is_empty() { (a, theirs.difference(ours)) } else { (b, missing) };
    let missing = circuit.scope_text(&missing);
    let message = format!("one of the circuits, `{}`, leaves out {missing}, the other does not", circuit.name);
    Conflict { message, places: [place(a, a.root), place(b, b.root)] }
}

fn conflict((a, x): (&Circuit, &Part), (b, y): (&Circuit, &Part)) -> Conflict {
    let (ours, theirs) = (describe(a, x), describe(b, y));
    let message = format!("the circuits decompose the variables differently: {ours}, but {theirs}");
    Conflict { message, places: [place(a, x.unit), place(b, y.unit)] }
}

/// `` `z[0]` is x[0] times x[1..4] ``.
fn describe(circuit: &Circuit, part: &Part) -> String {
    let name = circuit.unit_name(part.unit).map_or("a product".to_owned(), |name| format!("`{name}`"));
    let scope = |unit: UnitId| circuit.scope_text(&circuit.unit(unit).scope);
    match part.below(circuit) {
        Below::Factors(factors) => {
            let factors: Vec<String> = factors.iter().map(|factor| scope(*factor)).collect();
            format!("{name} splits them into {}", factors.join(" | "))
        }
        Below::Summed(_) | Below::Nothing => format!("{name} is about {}", scope(part.unit)),
    }
}
