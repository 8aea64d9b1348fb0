//! Whether two circuits can be multiplied.
//!
//! Two circuits are compatible if they decompose the variables in the same way: walking both from the root,
//! sums passed through, two products met together split the same scope into the same parts with the same
//! kind of product, and two inputs met together are about the same variable. (Vergari, Choi, Liu, Teso, Van
//! den Broeck: A Compositional Atlas of Tractable Circuit Operations, 2021.)

use super::{Circuit, UnitId, UnitKind};
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
        let fault = Diagnostic::error("product.compatible", self.message, origins.1, "does not fit the first factor");
        let [first, second] = self.places;
        let fault = fault.with(origins.0, "the first factor").with(first.0, first.1).with(second.0, second.1);
        fault.help("circuits can be multiplied if their products split the variables in the same way")
    }
}

/// Walks both circuits together.
pub(super) fn check(a: &Circuit, b: &Circuit) -> Result<(), Conflict> {
    let mut open = vec![(a.root, b.root)];
    let mut seen = HashSet::new();
    while let Some((x, y)) = open.pop() {
        if !seen.insert((x, y)) {
            continue;
        }
        match (&a.unit(x).kind, &b.unit(y).kind) {
            (UnitKind::Sum { operands, .. } | UnitKind::Mixing { operands, .. }, _) => {
                open.extend(operands.iter().map(|operand| (*operand, y)));
            }
            (_, UnitKind::Sum { operands, .. } | UnitKind::Mixing { operands, .. }) => {
                open.extend(operands.iter().map(|operand| (x, *operand)));
            }
            (UnitKind::Input { variable, .. }, UnitKind::Input { variable: other, .. }) if variable == other => {}
            (UnitKind::Hadamard(xs), UnitKind::Hadamard(ys)) | (UnitKind::Kronecker(xs), UnitKind::Kronecker(ys)) => {
                let pairs = pairs(a, b, xs, ys).ok_or_else(|| conflict(a, b, x, y))?;
                open.extend(pairs);
            }
            _ => return Err(conflict(a, b, x, y)),
        }
    }
    Ok(())
}

/// Pairs the operands by position; their scopes must agree.
fn pairs(a: &Circuit, b: &Circuit, xs: &[UnitId], ys: &[UnitId]) -> Option<Vec<(UnitId, UnitId)>> {
    let fits = xs.len() == ys.len() && xs.iter().zip(ys).all(|(x, y)| a.unit(*x).scope == b.unit(*y).scope);
    fits.then(|| xs.iter().copied().zip(ys.iter().copied()).collect())
}

fn conflict(a: &Circuit, b: &Circuit, x: UnitId, y: UnitId) -> Conflict {
    let (ours, theirs) = (describe(a, x), describe(b, y));
    let message = if a.unit(x).scope == b.unit(y).scope {
        let scope = a.scope_text(&a.unit(x).scope);
        format!("the circuits decompose {scope} differently: {ours}, but {theirs}")
    } else {
        format!("the circuits decompose differently: {ours}, but {theirs}")
    };
    let place = |circuit: &Circuit, unit: UnitId| {
        let name = circuit.unit_name(unit).map_or(String::new(), |name| format!(" as `{name}`"));
        (circuit.unit(unit).span, format!("in `{}`{name}", circuit.name))
    };
    Conflict { message, places: [place(a, x), place(b, y)] }
}

/// `` `z[0]` splits it into x[0] | x[1..4] ``.
fn describe(circuit: &Circuit, unit: UnitId) -> String {
    let name = circuit.unit_name(unit).map_or(String::new(), |name| format!("`{name}` "));
    let unit = circuit.unit(unit);
    let parts = |operands: &[UnitId]| {
        let parts: Vec<String> = operands.iter().map(|o| circuit.scope_text(&circuit.unit(*o).scope)).collect();
        parts.join(" | ")
    };
    match &unit.kind {
        UnitKind::Input { variable, .. } => format!("{name}is an input of {}", circuit.variable_name(*variable)),
        UnitKind::Hadamard(operands) => format!("{name}splits it into {}", parts(operands)),
        UnitKind::Kronecker(operands) => format!("{name}splits it by `kronecker` into {}", parts(operands)),
        UnitKind::Sum { .. } | UnitKind::Mixing { .. } => format!("{name}is a sum"),
    }
}
