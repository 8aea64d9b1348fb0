//! Where parts of the syntax tree stand.

use crate::ast::{Attribute, Expr, RegionExpr, Span};

/// The place of an expression.
pub(super) fn of_expr(expr: &Expr) -> Span {
    match expr {
        Expr::Integer(_, span) | Expr::Text(_, span) | Expr::Negate(_, span) | Expr::Binary(_, _, _, span) => *span,
        Expr::Name(name) => name.span,
    }
}

/// The place of an expression over regions.
pub(super) fn of_region(expr: &RegionExpr) -> Span {
    match expr {
        RegionExpr::Ref(reference) => reference.span,
        RegionExpr::Hadamard(_, span) | RegionExpr::Kronecker(_, span) | RegionExpr::Mixture(_, span) => *span,
        RegionExpr::Sum(sum) => sum.span,
    }
}

/// The place of an attribute.
pub(super) fn of_attribute(attribute: &Attribute) -> Span {
    match attribute {
        Attribute::Width(_, span)
        | Attribute::Dense(span)
        | Attribute::BlockDiagonal(_, span)
        | Attribute::Monarch(_, span)
        | Attribute::MixingTie(_, span)
        | Attribute::Weights(_, span)
        | Attribute::Floor(_, span) => *span,
        Attribute::Tie(name) => name.span,
    }
}

/// The smallest span that covers all of `spans`, or `otherwise` if there are none.
pub(super) fn cover(spans: impl Iterator<Item = Span>, otherwise: Span) -> Span {
    spans.reduce(|a, b| Span { file: a.file, start: a.start.min(b.start), end: a.end.max(b.end) }).unwrap_or(otherwise)
}
