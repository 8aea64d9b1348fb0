//! The attributes of inputs, regions and sums.

use super::elaborate::Elaborator;
use super::{limits, spans};
use crate::ast::{Attribute, Expr, Name, Number, Span};
use crate::diagnostic::Diagnostic;

/// The kind of a sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SumKind {
    Dense,
    BlockDiagonal(usize),
    Monarch(Vec<usize>),
}

/// Attributes with their sizes computed. A size is `None` if it is faulty, which has been reported.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes<'a> {
    pub width: Option<(Option<usize>, Span)>,
    pub kind: Option<(Option<SumKind>, Span)>,
    pub tie: Option<&'a Name>,
    pub mixing_tie: Option<(&'a Name, Span)>,
    pub weights: Option<(&'a Vec<Vec<Number>>, Span)>,
    pub floor: Option<&'a Number>,
}

impl<'a> Elaborator<'a> {
    /// Reads attributes; each may be given once.
    pub fn attributes(&mut self, list: &'a [Attribute]) -> Attributes<'a> {
        let mut read = Attributes::default();
        for attribute in list {
            let span = spans::of_attribute(attribute);
            let earlier = match attribute {
                Attribute::Width(expr, _) => {
                    let value = self.width(expr);
                    replace(&mut read.width, value, span)
                }
                Attribute::Dense(_) => replace(&mut read.kind, Some(SumKind::Dense), span),
                Attribute::BlockDiagonal(expr, _) => {
                    let kind = self.width(expr).map(SumKind::BlockDiagonal);
                    replace(&mut read.kind, kind, span)
                }
                Attribute::Monarch(factors, _) => {
                    let factors: Vec<Option<usize>> = factors.iter().map(|factor| self.width(factor)).collect();
                    let kind = factors.into_iter().collect::<Option<Vec<_>>>().map(SumKind::Monarch);
                    replace(&mut read.kind, kind, span)
                }
                Attribute::Tie(name) => read.tie.replace(name).map(|name| name.span),
                Attribute::MixingTie(name, _) => read.mixing_tie.replace((name, span)).map(|(_, span)| span),
                Attribute::Floor(value, _) => read.floor.replace(value).map(|value| value.span),
                Attribute::Weights(rows, _) => read.weights.replace((rows, span)).map(|(_, span)| span),
            };
            if let Some(earlier) = earlier {
                let what = name_of(attribute);
                let message = format!("{what} is given twice");
                let fault = Diagnostic::error("attribute.duplicate", message, span, "given again");
                self.reports.add(fault.with(earlier, "first given here"));
            }
        }
        read
    }

    /// A width or block size: between 1 and the limit.
    pub fn width(&mut self, expr: &Expr) -> Option<usize> {
        let value = self.integer(expr)?;
        if value >= 1 && value <= limits::WIDTH as i64 {
            return Some(value as usize);
        }
        let message = format!("a width or block size lies between 1 and {}, but this is {value}", limits::WIDTH);
        self.report_instance(Diagnostic::error(
            "width.size",
            message,
            spans::of_expr(expr),
            format!("this is {value}"),
        ));
        None
    }
}

/// Sets an attribute; if it was set already, it becomes faulty and its earlier place is given.
fn replace<T>(attribute: &mut Option<(Option<T>, Span)>, value: Option<T>, span: Span) -> Option<Span> {
    let earlier = attribute.as_ref().map(|(_, earlier)| *earlier);
    *attribute = Some((value.filter(|_| earlier.is_none()), span));
    earlier
}

fn name_of(attribute: &Attribute) -> &'static str {
    match attribute {
        Attribute::Width(..) => "the width",
        Attribute::Dense(_) | Attribute::BlockDiagonal(..) | Attribute::Monarch(..) => "the kind of the sum",
        Attribute::Tie(_) => "the tie",
        Attribute::MixingTie(..) => "the mixing tie",
        Attribute::Weights(..) => "the list of weights",
        Attribute::Floor(..) => "the floor",
    }
}
