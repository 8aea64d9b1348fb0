//! Integer and string expressions: evaluation with checked arithmetic.
//!
//! A value of `None` means that a fault has been reported already; whoever needs the value stays silent.

use super::names::nearest_help;
use super::reports::Reports;
use super::spans;
use crate::ast::{BinaryOp, Expr, Name, Span};
use crate::diagnostic::Diagnostic;
use std::cell::Cell;
use std::fmt;

/// The value of a compile-time expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An integer.
    Integer(i64),
    /// A string.
    Text(String),
}

impl Value {
    /// The word for its type in messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Integer(_) => "an integer",
            Value::Text(_) => "a string",
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Integer(value) => write!(f, "{value}"),
            Value::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A parameter of a circuit with the value it has in this elaboration.
#[derive(Debug)]
pub(super) struct Setting {
    pub name: String,
    pub value: Option<Value>,
    pub span: Span,
    pub used: Cell<bool>,
}

/// What names an expression may use.
pub(super) struct Evaluator<'e> {
    pub settings: &'e [Setting],
    pub loops: &'e [(&'e str, i64)],
    pub reports: &'e mut Reports,
}

impl Evaluator<'_> {
    /// The value of an expression that must be an integer.
    pub fn integer(&mut self, expr: &Expr) -> Option<i64> {
        match self.value(expr)? {
            Value::Integer(value) => Some(value),
            Value::Text(text) => {
                let message = format!("an integer is needed here, but this is the string {text:?}");
                let span = spans::of_expr(expr);
                self.reports.add(Diagnostic::error("expression.type", message, span, "a string, not an integer"));
                None
            }
        }
    }

    /// The value of an expression. The parser limits how deep expressions are nested.
    pub fn value(&mut self, expr: &Expr) -> Option<Value> {
        match expr {
            Expr::Integer(value, _) => Some(Value::Integer(*value)),
            Expr::Text(text, _) => Some(Value::Text(text.clone())),
            Expr::Name(name) => self.name(name),
            Expr::Negate(inner, span) => {
                let value = self.operand(inner)?;
                self.checked(value.checked_neg(), *span)
            }
            Expr::Binary(op, left, right, span) => {
                let operands = (self.operand(left), self.operand(right));
                let (left_value, right_value) = (operands.0?, operands.1?);
                self.binary(*op, left_value, right_value, spans::of_expr(right), *span)
            }
        }
    }

    fn operand(&mut self, expr: &Expr) -> Option<i64> {
        match self.value(expr)? {
            Value::Integer(value) => Some(value),
            Value::Text(text) => {
                let message = format!("the string {text:?} cannot be used in arithmetic");
                let fault = Diagnostic::error("expression.type", message, spans::of_expr(expr), "a string");
                self.reports.add(fault);
                None
            }
        }
    }

    fn name(&mut self, name: &Name) -> Option<Value> {
        if let Some((_, value)) = self.loops.iter().rev().find(|(known, _)| *known == name.value) {
            return Some(Value::Integer(*value));
        }
        if let Some(setting) = self.settings.iter().find(|s| s.name == name.value) {
            setting.used.set(true);
            return setting.value.clone();
        }
        let known = self.loops.iter().map(|(name, _)| *name).chain(self.settings.iter().map(|s| s.name.as_str()));
        let known = known.take(self.reports.names_to_compare());
        let help = nearest_help(&name.value, known, "parameters and loop variables in reach");
        let message = format!("`{}` is neither a parameter of this circuit nor a loop variable", name.value);
        self.reports.add(Diagnostic::error("name.unknown", message, name.span, "unknown name").help(help));
        None
    }

    fn binary(&mut self, op: BinaryOp, left: i64, right: i64, divisor: Span, span: Span) -> Option<Value> {
        if right == 0 && matches!(op, BinaryOp::Divide | BinaryOp::Remainder) {
            let message = format!("division of {left} by zero");
            let label = format!("this is 0{}", here(self.loops));
            self.reports.add_instance(Diagnostic::error("expression.division", message, divisor, label));
            return None;
        }
        let value = match op {
            BinaryOp::Add => left.checked_add(right),
            BinaryOp::Subtract => left.checked_sub(right),
            BinaryOp::Multiply => left.checked_mul(right),
            BinaryOp::Divide => left.checked_div(right).map(|q| floor_quotient(left, right, q)),
            BinaryOp::Remainder => left.checked_rem(right).map(|r| floor_remainder(r, right)),
        };
        self.checked(value, span)
    }

    fn checked(&mut self, value: Option<i64>, span: Span) -> Option<Value> {
        if value.is_none() {
            let message = "this number does not fit in 64 bits";
            let label = format!("overflows{}", here(self.loops));
            self.reports.add_instance(Diagnostic::error("expression.overflow", message, span, label));
        }
        value.map(Value::Integer)
    }
}

/// Rounds a quotient, truncated by the machine, towards minus infinity.
fn floor_quotient(left: i64, right: i64, truncated: i64) -> i64 {
    if left % right != 0 && (left < 0) != (right < 0) { truncated - 1 } else { truncated }
}

/// The remainder that belongs to a quotient rounded towards minus infinity: it has the divisor's sign.
fn floor_remainder(remainder: i64, right: i64) -> i64 {
    if remainder != 0 && (remainder < 0) != (right < 0) { remainder + right } else { remainder }
}

/// ` (for t = 3, s = 4)` inside loops, nothing outside.
pub(super) fn here(loops: &[(&str, i64)]) -> String {
    if loops.is_empty() {
        return String::new();
    }
    let values: Vec<String> = loops.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    format!(" (for {})", values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(op: BinaryOp, left: i64, right: i64) -> Option<Value> {
        let span = Span { file: 0, start: 0, end: 0 };
        let mut reports = Reports::default();
        let mut evaluator = Evaluator { settings: &[], loops: &[], reports: &mut reports };
        evaluator.binary(op, left, right, span, span)
    }

    #[test]
    fn division_rounds_towards_minus_infinity() {
        for left in -7_i64..=7 {
            for right in [-3, -2, -1, 1, 2, 3] {
                let quotient = (left as f64 / right as f64).floor() as i64;
                assert_eq!(evaluate(BinaryOp::Divide, left, right), Some(Value::Integer(quotient)), "{left}/{right}");
                let remainder = left - quotient * right;
                assert_eq!(evaluate(BinaryOp::Remainder, left, right), Some(Value::Integer(remainder)));
            }
        }
    }

    #[test]
    fn overflow_is_a_report() {
        assert_eq!(evaluate(BinaryOp::Multiply, i64::MAX, 2), None);
        assert_eq!(evaluate(BinaryOp::Divide, i64::MIN, -1), None);
        assert_eq!(evaluate(BinaryOp::Divide, 1, 0), None);
    }
}
