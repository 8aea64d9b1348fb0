//! The layers of a builder: how each region is computed from its parts.
//!
//! The layers stand in the order in which they are applied: sums before the product are made over the units of each
//! part (CP, after the canonical polyadic decomposition), sums after it over the units of the product (CP-T; with a
//! Kronecker product, Tucker). A mixing layer mixes the partitions of a region; without one, the first sum after the
//! product is made over the units of all partitions, or there is a mixture as the last layer.

use super::super::reports::Reports;
use super::super::spans;
use super::Context;
use crate::ast::{Attribute, Builder, Expr, Layer, LayerAttribute, LayerKind, Name, Span};
use crate::diagnostic::Diagnostic;

/// The layers in their roles.
pub(super) struct Recipe<'a> {
    /// The distribution of inputs.
    pub distribution: &'a Name,
    /// The layer of inputs.
    pub input: Step<'a>,
    /// The sums before the product.
    pub before: Vec<Step<'a>>,
    /// Whether the product is a Kronecker product.
    pub is_kronecker: bool,
    /// The sums after the product and, if there is one, the mixing layer among them.
    pub after: Vec<Step<'a>>,
}

/// A layer with its attributes read.
pub(super) struct Step<'a> {
    pub is_mixing: bool,
    /// Attributes that are the same everywhere.
    pub plain: Vec<&'a Attribute>,
    /// `width 64 at depth 0..2, 32 below`
    pub widths: Option<Widths<'a>>,
    /// `tie by depth`
    pub tie: Option<(TieBy, Span)>,
    /// What its ties are called: `sum`, or `sum2` if there are several.
    pub name: String,
    pub span: Span,
}

/// Widths by depth, with the place where they are written.
pub(super) struct Widths<'a> {
    /// Depths, and the width there.
    cases: Vec<((i64, i64), &'a Expr)>,
    below: Option<&'a Expr>,
    pub span: Span,
}

impl<'a> Widths<'a> {
    /// The width at a depth: that of the first case that holds.
    pub fn at(&self, depth: u32) -> Option<&'a Expr> {
        let case = self.cases.iter().find(|((from, to), _)| (*from..*to).contains(&i64::from(depth)));
        case.map(|(_, width)| *width).or(self.below)
    }
}

/// What shares parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TieBy {
    Part,
    Depth,
    Variable,
    Channel,
}

const TIES: [(&str, TieBy); 4] =
    [("part", TieBy::Part), ("depth", TieBy::Depth), ("variable", TieBy::Variable), ("channel", TieBy::Channel)];

impl Context<'_> {
    /// Reads the layers.
    pub(super) fn recipe<'c>(&mut self, builder: &'c Builder) -> Option<Recipe<'c>> {
        let (distribution, rest) = self.ordered(builder)?;
        let sums = rest.iter().filter(|layer| layer.kind == LayerKind::Sum).count();
        let product = product(rest);
        let mut sum = 0;
        let mut step = |ctx: &mut Self, layer: &'c Layer| {
            let name = match layer.kind {
                LayerKind::Input(_) => "leaf".to_owned(),
                LayerKind::Mixing => "mixing".to_owned(),
                LayerKind::Sum | LayerKind::Hadamard | LayerKind::Kronecker => {
                    sum += 1;
                    if sums > 1 { format!("sum{sum}") } else { "sum".to_owned() }
                }
            };
            ctx.step(layer, name)
        };
        let input = step(self, &builder.layers[0]);
        let is_sum = |layer: &&Layer| matches!(layer.kind, LayerKind::Sum | LayerKind::Mixing);
        let before: Vec<Option<Step<'c>>> = rest[..product].iter().filter(is_sum).map(|l| step(self, l)).collect();
        let after: Vec<Option<Step<'c>>> = rest[product..].iter().filter(is_sum).map(|l| step(self, l)).collect();
        let is_kronecker = rest.iter().any(|layer| layer.kind == LayerKind::Kronecker);
        self.check_products(rest)?;
        let before = before.into_iter().collect::<Option<_>>()?;
        let after = after.into_iter().collect::<Option<_>>()?;
        Some(Recipe { distribution, input: input?, before, is_kronecker, after })
    }

    /// The distribution of the inputs and the layers after them.
    fn ordered<'c>(&mut self, builder: &'c Builder) -> Option<(&'c Name, &'c [Layer])> {
        let Some((Layer { kind: LayerKind::Input(distribution), .. }, rest)) = builder.layers.split_first() else {
            let message = "the first layer of a builder is that of the inputs";
            let place = builder.layers.first().map_or(builder.head, |layer| layer.span);
            let fault = Diagnostic::error("builder.layers", message, place, "expected an input layer first");
            self.reports.add(fault.help("write for example `input categorical width 16`"));
            return None;
        };
        let is_product = |layer: &Layer| matches!(layer.kind, LayerKind::Hadamard | LayerKind::Kronecker);
        let first = |wanted: fn(&Layer) -> bool| rest.iter().position(wanted);
        for (position, layer) in rest.iter().enumerate() {
            let (message, earlier) = match layer.kind {
                LayerKind::Input(_) => ("a builder has one layer of inputs", Some(&builder.layers[0])),
                LayerKind::Hadamard | LayerKind::Kronecker => {
                    let earlier = rest[..position].iter().find(|layer| is_product(layer));
                    ("a builder has one product", earlier)
                }
                LayerKind::Mixing => {
                    let earlier = first(|layer| layer.kind == LayerKind::Mixing).filter(|first| *first < position);
                    ("a builder has one mixing layer", earlier.map(|earlier| &rest[earlier]))
                }
                LayerKind::Sum => continue,
            };
            if let Some(earlier) = earlier {
                let fault = Diagnostic::error("builder.layers", message, layer.span, "another one");
                self.reports.add(fault.with(earlier.span, "the first one"));
                return None;
            }
            if layer.kind == LayerKind::Mixing
                && let Some(product) = rest[position..].iter().find(|layer| is_product(layer))
            {
                let message = "partitions are mixed after their products are made";
                let fault = Diagnostic::error("builder.layers", message, layer.span, "stands before the product");
                self.reports.add(fault.with(product.span, "the product").help("write the mixing layer after it"));
                return None;
            }
        }
        Some((distribution, rest))
    }

    fn check_products(&mut self, layers: &[Layer]) -> Option<()> {
        let products = layers.iter().filter(|layer| matches!(layer.kind, LayerKind::Hadamard | LayerKind::Kronecker));
        for layer in products {
            if let Some(attribute) = layer.attributes.first() {
                misplaced(self.reports, attribute, "a product has no attributes");
                return None;
            }
        }
        Some(())
    }

    fn step<'c>(&mut self, layer: &'c Layer, name: String) -> Option<Step<'c>> {
        let is_mixing = layer.kind == LayerKind::Mixing;
        let mut step = Step { is_mixing, plain: Vec::new(), widths: None, tie: None, name, span: layer.span };
        for attribute in &layer.attributes {
            match attribute {
                LayerAttribute::Plain(Attribute::Tie(_)) | LayerAttribute::TieBy(..) => {}
                _ if is_mixing => {
                    misplaced(self.reports, attribute, "a mixing layer has a tie and no other attributes");
                    return None;
                }
                LayerAttribute::Plain(_) | LayerAttribute::WidthByDepth(..) => {}
            }
            match attribute {
                LayerAttribute::Plain(attribute) => step.plain.push(attribute),
                LayerAttribute::WidthByDepth(..) if step.widths.is_some() => return self.given_twice(attribute),
                LayerAttribute::TieBy(..) if step.tie.is_some() => return self.given_twice(attribute),
                LayerAttribute::WidthByDepth(cases, span) => {
                    let mut widths = Widths { cases: Vec::new(), below: None, span: *span };
                    for case in cases {
                        self.evaluate(&case.width)?;
                        match &case.depths {
                            None => widths.below = Some(widths.below.unwrap_or(&case.width)),
                            Some((from, to)) => {
                                let (from, to) = (self.evaluate(from)?, self.evaluate(to)?);
                                self.check_depths(from, to, case.span)?;
                                widths.cases.push(((from, to), &case.width));
                            }
                        }
                    }
                    step.widths = Some(widths);
                }
                LayerAttribute::TieBy(word, span) => step.tie = Some((self.tie(layer, word)?, *span)),
            }
        }
        Some(step)
    }

    fn given_twice<'c>(&mut self, attribute: &LayerAttribute) -> Option<Step<'c>> {
        let message = "this attribute is given twice";
        self.reports.add(Diagnostic::error("attribute.duplicate", message, span_of(attribute), "given again"));
        None
    }

    fn check_depths(&mut self, from: i64, to: i64, span: Span) -> Option<()> {
        if from <= to {
            return Some(());
        }
        let message = format!("the range {from}..{to} ends before it starts");
        self.reports.add(Diagnostic::error("range.order", message, span, format!("this is {from}..{to}")));
        None
    }

    fn tie(&mut self, layer: &Layer, word: &Name) -> Option<TieBy> {
        let is_input = matches!(layer.kind, LayerKind::Input(_));
        let known = TIES.iter().filter(|(_, by)| match by {
            TieBy::Depth => true,
            TieBy::Part => !is_input,
            TieBy::Variable | TieBy::Channel => is_input,
        });
        if let Some((_, by)) = known.clone().find(|(name, _)| *name == word.value) {
            return Some(*by);
        }
        let what = if is_input { "inputs" } else { "sums" };
        let message = format!("{what} cannot be tied by `{}`", word.value);
        let help: Vec<String> = known.map(|(name, _)| format!("`tie by {name}`")).collect();
        let fault = Diagnostic::error("builder.tie", message, word.span, "not a way to tie these");
        self.reports.add(fault.help(format!("possible are {}, or `tie name` for all at once", help.join(", "))));
        None
    }
}

/// How many layers stand before the product. If none is written, it stands before the mixing layer or at the end.
fn product(layers: &[Layer]) -> usize {
    let position = |wanted: fn(&Layer) -> bool| layers.iter().position(wanted);
    position(|layer| matches!(layer.kind, LayerKind::Hadamard | LayerKind::Kronecker))
        .or_else(|| position(|layer| layer.kind == LayerKind::Mixing))
        .unwrap_or(layers.len())
}

fn misplaced(reports: &mut Reports, attribute: &LayerAttribute, message: &str) {
    reports.add(Diagnostic::error("attribute.misplaced", message, span_of(attribute), "does not fit"));
}

fn span_of(attribute: &LayerAttribute) -> Span {
    match attribute {
        LayerAttribute::Plain(attribute) => spans::of_attribute(attribute),
        LayerAttribute::WidthByDepth(_, span) | LayerAttribute::TieBy(_, span) => *span,
    }
}
