//! The rules of structure: equal widths, decomposable products, smooth sums.

use super::elaborate::Elaborator;
use super::expression::here;
use super::names::count;
use super::units::Tree;
use super::{Scope, Unit, UnitId, UnitKind, limits, scope_text};
use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use std::sync::Arc;

impl<'a> Elaborator<'a> {
    /// Checks that all operands have the width of the first.
    pub fn equal_widths(&mut self, parts: &[Tree<'a>], units: &[UnitId], rule: &'static str, why: &str) -> Option<()> {
        let widths: Vec<usize> = units.iter().map(|unit| self.units[unit.0 as usize].width).collect();
        let Some(wrong) = widths.iter().position(|width| *width != widths[0]) else { return Some(()) };
        let message = format!("{why}, so their widths must be equal, but they are {} and {}", widths[0], widths[wrong]);
        let fault = Diagnostic::error(rule, message, parts[wrong].span(), format!("width {}", widths[wrong]));
        let fault = fault.with(parts[0].span(), format!("width {}", widths[0]));
        self.report_instance(fault.help(format!("a sum changes the width: `sum(..) width {}`", widths[0])));
        None
    }

    /// The scope of a product, whose operands may not share a variable.
    pub fn decomposable(&mut self, parts: &[Tree<'a>], units: &[UnitId]) -> Option<Arc<Scope>> {
        let mut scope = self.scope(units[0]);
        for position in 1..units.len() {
            let next = self.scope(units[position]);
            if scope.is_disjoint(&next) {
                scope = Arc::new(scope.union(&next));
                continue;
            }
            let first = (0..position).find(|p| !self.scope(units[*p]).is_disjoint(&next));
            let first = first.expect("the union shares a variable, so one of its parts does");
            let shared = scope_text(&self.variables, &self.scope(units[first]).intersection(&next));
            let message =
                format!("a product needs operands about different variables, but both of these are about {shared}");
            let fault = Diagnostic::error("product.decomposable", message, parts[position].span(), {
                format!("about {}", scope_text(&self.variables, &next))
            });
            let label = format!("about {}", scope_text(&self.variables, &self.scope(units[first])));
            self.report_instance(fault.with(parts[first].span(), label));
            return None;
        }
        self.scope_total += scope.bytes() as u64;
        if self.scope_total > limits::SCOPES {
            let message = "the variables are scattered over so many regions that their scopes do not fit in memory";
            let fault = Diagnostic::error("size.regions", message, parts[0].span(), "while building this product");
            self.report_instance(fault.help("let regions be about neighboring variables, or use fewer regions"));
            return None;
        }
        Some(scope)
    }

    /// Checks that all operands of a sum have the scope of the first.
    pub fn smooth(&mut self, parts: &[Tree<'a>], units: &[UnitId]) -> Option<()> {
        let first = self.scope(units[0]);
        for position in 1..units.len() {
            let next = self.scope(units[position]);
            if first == next {
                continue;
            }
            let missing = first.difference(&next);
            let (with, without, missing) =
                if missing.is_empty() { (position, 0, next.difference(&first)) } else { (0, position, missing) };
            let missing = scope_text(&self.variables, &missing);
            let message =
                format!("a sum needs operands about the same variables, but {missing} is missing in one of them");
            let fault = Diagnostic::error("sum.smooth", message, parts[without].span(), format!("not about {missing}"));
            self.report_instance(fault.with(parts[with].span(), format!("about {missing}")));
            return None;
        }
        Some(())
    }

    pub fn scope(&self, unit: UnitId) -> Arc<Scope> {
        self.units[unit.0 as usize].scope.clone()
    }

    /// Appends a unit vector.
    pub fn add_unit(&mut self, kind: UnitKind, width: usize, scope: Arc<Scope>, span: Span) -> Option<UnitId> {
        let is_first = self.unit_total <= limits::UNITS;
        self.unit_total += width as u64;
        if self.unit_total > limits::UNITS {
            let message = format!("the circuit has more than {} units", limits::UNITS);
            let label = format!("with {} here{}", count(width, "more unit"), here(&self.loops));
            if is_first {
                self.reports.add(Diagnostic::error("size.units", message, span, label).help("reduce the widths"));
            }
            return None;
        }
        let id = UnitId(self.units.len() as u32);
        self.units.push(Unit { kind, width, scope, span, instance: None });
        Some(id)
    }
}
