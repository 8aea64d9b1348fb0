//! Weights: names, ties, shapes and given numbers.

use super::elaborate::Elaborator;
use super::reports::Reports;
use super::{Weights, WeightsId, WeightsInit, WeightsShape, limits};
use crate::ast::{Name, Span};
use crate::circuit::Family;
use crate::diagnostic::Diagnostic;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// The weights of a circuit on their way.
#[derive(Default)]
pub(super) struct WeightsTable<'a> {
    pub list: Vec<Weights>,
    /// Where the numbers of each were given.
    given_at: Vec<Option<Span>>,
    ties: BTreeMap<&'a str, WeightsId>,
    /// By width, number of values and value; the largest number stands for all values.
    indicators: BTreeMap<(usize, usize, usize), WeightsId>,
    /// Numbers that have been checked, by place and shape.
    numbers: HashMap<(Span, usize, usize), Option<Arc<[f64]>>>,
    total: u64,
}

/// Numbers from the source, and where they stand.
pub(super) type Given = Option<(Arc<[f64]>, Span)>;

impl WeightsShape {
    /// The number of weights, if it fits.
    pub(super) fn size(&self) -> Option<u64> {
        let product = |sizes: &[usize]| sizes.iter().try_fold(1_u64, |size, n| size.checked_mul(*n as u64));
        match self {
            WeightsShape::Table { width, values } => product(&[*width, *values]),
            WeightsShape::Gaussian { width, .. } => product(&[*width, 2]),
            WeightsShape::Dense { outputs, inputs } => product(&[*outputs, *inputs]),
            WeightsShape::BlockDiagonal { blocks, size } => product(&[*blocks, *size, *size]),
            WeightsShape::Monarch { factors } => {
                let width = product(factors)?;
                factors.iter().try_fold(0_u64, |sum, factor| sum.checked_add(width.checked_mul(*factor as u64)?))
            }
            WeightsShape::Mixing { width, inputs } => product(&[*width, *inputs]),
        }
    }

    /// The kind and shape in words.
    pub(super) fn text(&self) -> String {
        match self {
            WeightsShape::Table { width, values } => format!("a table [{width}, {values}]"),
            WeightsShape::Gaussian { width, floor } => format!("Gaussian units [{width}] with the floor {}", floor.0),
            WeightsShape::Dense { outputs, inputs } => format!("dense weights [{outputs}, {inputs}]"),
            WeightsShape::BlockDiagonal { blocks, size } => {
                format!("block-diagonal weights [{blocks}, {size}, {size}]")
            }
            WeightsShape::Monarch { factors } => format!("Monarch weights {}", factors_text(factors)),
            WeightsShape::Mixing { width, inputs } => format!("mixing weights [{width}, {inputs}]"),
        }
    }
}

/// `128 x 128`.
pub(super) fn factors_text(factors: &[usize]) -> String {
    factors.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

impl Weights {
    /// The names of its tensors in a parameter file.
    pub fn tensor_names(&self) -> Vec<String> {
        match &self.shape {
            WeightsShape::Monarch { factors } => (1..=factors.len()).map(|k| format!("{}.{k}", self.name)).collect(),
            WeightsShape::Table { .. }
            | WeightsShape::Gaussian { .. }
            | WeightsShape::Dense { .. }
            | WeightsShape::BlockDiagonal { .. }
            | WeightsShape::Mixing { .. } => vec![self.name.clone()],
        }
    }
}

impl<'a> Elaborator<'a> {
    /// Numbers at `span`, checked once for each shape by `check`.
    pub fn numbers(
        &mut self,
        span: Span,
        shape: (usize, usize),
        check: impl FnOnce(&mut Reports) -> Option<Vec<f64>>,
    ) -> Option<Arc<[f64]>> {
        let key = (span, shape.0, shape.1);
        if let Some(known) = self.weights.numbers.get(&key) {
            return known.clone();
        }
        let numbers: Option<Arc<[f64]>> = check(self.reports).map(Into::into);
        self.weights.numbers.insert(key, numbers.clone());
        numbers
    }

    /// The weights of a tie, or new ones under an automatic name. `span` is the sum or input that uses them.
    pub fn weights_for(
        &mut self,
        tie: Option<&'a Name>,
        automatic: impl FnOnce(&Self) -> String,
        shape: WeightsShape,
        given: Given,
        span: Span,
    ) -> Option<WeightsId> {
        let Some(tie) = tie else {
            let name = automatic(self);
            return self.new_weights(name, shape, given, span);
        };
        let Some(known) = self.weights.ties.get(tie.value.as_str()).copied() else {
            let id = self.new_weights(tie.value.clone(), shape, given, tie.span)?;
            self.weights.ties.insert(&tie.value, id);
            return Some(id);
        };
        let first = &self.weights.list[known.0 as usize];
        if first.shape != shape {
            let (here, there) = (shape.text(), first.shape.text());
            let message = format!("`{}` ties weights of different shapes: {there} and {here}", tie.value);
            let fault = Diagnostic::error("tie.shape", message, tie.span, format!("used for {here}"));
            let fault = if first.span == tie.span {
                fault.help("weights can be shared only by sums or inputs of equal shape")
            } else {
                fault.with(first.span, format!("used for {there}")).help("give one of them another name")
            };
            self.report_instance(fault);
            return None;
        }
        self.give(known, tie, given)?;
        Some(known)
    }

    /// Adds given numbers to tied weights that may have some.
    fn give(&mut self, known: WeightsId, tie: &Name, given: Given) -> Option<()> {
        let Some((numbers, span)) = given else { return Some(()) };
        let weights = &mut self.weights.list[known.0 as usize];
        match &weights.init {
            WeightsInit::Given(others) if *others != numbers => {
                let message = format!("the weights `{}` are given twice, with different numbers", tie.value);
                let fault = Diagnostic::error("tie.weights", message, span, "other numbers");
                let first = self.weights.given_at[known.0 as usize].expect("given numbers have a place");
                self.report_instance(fault.with(first, "first given here").help("give the numbers once"));
                None
            }
            WeightsInit::Given(_) => Some(()),
            WeightsInit::Random | WeightsInit::Indicator(_) | WeightsInit::Identity | WeightsInit::Member(_) => {
                weights.init = WeightsInit::Given(numbers);
                self.weights.given_at[known.0 as usize] = Some(span);
                Some(())
            }
        }
    }

    fn new_weights(&mut self, name: String, shape: WeightsShape, given: Given, span: Span) -> Option<WeightsId> {
        let size = shape.size();
        let is_first = self.weights.total <= limits::WEIGHTS;
        self.weights.total = self.weights.total.saturating_add(size.unwrap_or(u64::MAX));
        if self.weights.total > limits::WEIGHTS {
            let size = size.map_or("more than 2^64".to_owned(), |size| size.to_string());
            let message = format!("the circuit has more than {} weights", limits::WEIGHTS);
            let label = format!("{} are {size} numbers", shape.text());
            let help = "tie weights, reduce widths, or use `monarch(..)` instead of `dense`";
            if is_first {
                self.reports.add(Diagnostic::error("size.weights", message, span, label).help(help));
            }
            return None;
        }
        let given_at = given.as_ref().map(|(_, span)| *span);
        let init = given.map_or(WeightsInit::Random, |(numbers, _)| WeightsInit::Given(numbers));
        let id = WeightsId(self.weights.list.len() as u32);
        self.weights.list.push(Weights { name, shape, init, span });
        self.weights.given_at.push(given_at);
        Some(id)
    }

    /// The table of an indicator: shared by all that are equal.
    pub fn indicator(&mut self, width: usize, values: usize, value: usize, span: Span) -> Option<WeightsId> {
        let key = (width, values, value);
        if let Some(known) = self.weights.indicators.get(&key) {
            return Some(*known);
        }
        let many = if width == 1 { String::new() } else { format!(".x{width}") };
        let name = format!("indicator.{value}.of.{values}{many}");
        let id = self.new_weights(name, WeightsShape::Table { width, values }, None, span)?;
        self.weights.list[id.0 as usize].init = WeightsInit::Indicator(value);
        self.weights.indicators.insert(key, id);
        Some(id)
    }

    /// The table of an indicator of every value: shared by all over equally many.
    pub fn identity(&mut self, values: usize, span: Span) -> Option<WeightsId> {
        let key = (values, values, usize::MAX);
        if let Some(known) = self.weights.indicators.get(&key) {
            return Some(*known);
        }
        let shape = WeightsShape::Table { width: values, values };
        let id = self.new_weights(format!("indicator.of.{values}"), shape, None, span)?;
        self.weights.list[id.0 as usize].init = WeightsInit::Identity;
        self.weights.indicators.insert(key, id);
        Some(id)
    }

    /// Gives a table of an input its family, or none. Tables that are tied are of the same.
    pub fn belong(&mut self, id: WeightsId, is_new: bool, family: Option<Family>, span: Span) -> Option<()> {
        let weights = &mut self.weights.list[id.0 as usize];
        let known = match weights.init {
            WeightsInit::Member(family) => Some(family),
            WeightsInit::Random | WeightsInit::Given(_) | WeightsInit::Indicator(_) | WeightsInit::Identity => None,
        };
        if let (true, Some(family)) = (is_new, family) {
            weights.init = WeightsInit::Member(family);
            return Some(());
        }
        if known == family {
            return Some(());
        }
        let name = |family: Option<Family>| match family {
            None => "categorical",
            Some(Family::Binomial) => "binomial",
            Some(Family::Logistic) => "logistic",
        };
        let message =
            format!("`{}` ties tables of different families: {} and {}", weights.name, name(known), name(family));
        let first = weights.span;
        let fault = Diagnostic::error("tie.shape", message, span, format!("used for a {} one", name(family)));
        self.report_instance(fault.with(first, format!("used for a {} one", name(known))));
        None
    }

    /// Reports tensors that would have one name in a parameter file.
    pub fn check_tensor_names(&mut self) {
        let mut names: BTreeMap<String, Span> = BTreeMap::new();
        for weights in &self.weights.list {
            for name in weights.tensor_names() {
                let Some(first) = names.get(&name) else {
                    names.insert(name, weights.span);
                    continue;
                };
                let message = format!("two different tensors would be called `{name}` in a parameter file");
                let fault = Diagnostic::error("tie.name", message, weights.span, format!("this is `{name}`"));
                let help = "weights without `tie` are named after their region; choose another name for the tie";
                self.reports.add(fault.with(*first, format!("and this is `{name}`")).help(help));
            }
        }
    }
}
