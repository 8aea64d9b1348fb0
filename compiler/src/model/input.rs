//! Inputs: a variable, a distribution, a table.

use super::attributes::Attributes;
use super::elaborate::Elaborator;
use super::names::{are, count, index_count, nearest_help};
use super::numbers;
use super::weights::Given;
use super::{Scope, UnitId, UnitKind, Variable, WeightsShape, array_of, spans};
use crate::ast::{Attribute, Distribution, Number, Ref, Span};
use crate::circuit::{Domain, Family};
use crate::diagnostic::Diagnostic;
use std::sync::Arc;

const DISTRIBUTIONS: [&str; 6] = ["categorical", "bernoulli", "indicator", "binomial", "logistic", "gaussian"];

impl<'a> Elaborator<'a> {
    /// Builds an instance of an input.
    pub fn build_input(
        &mut self,
        instance: u32,
        distribution: &'a Distribution,
        list: &'a [Attribute],
    ) -> Option<UnitId> {
        let variable = self.variable(&distribution.variable);
        let values: Vec<Option<i64>> = distribution.arguments.iter().map(|argument| self.integer(argument)).collect();
        let attributes = self.attributes(list);
        let misplaced = attributes.kind.as_ref().map(|(_, span)| (*span, "only a sum has a kind"));
        let mixing = attributes.mixing_tie.map(|(_, span)| (span, "an input mixes nothing"));
        if let Some((span, label)) = misplaced.or(mixing) {
            let message = "this attribute does not belong to an input";
            let fault = Diagnostic::error("attribute.misplaced", message, span, label);
            self.reports.add(fault.help("an input may have `width`, `tie`, `weights` and, if it is Gaussian, `floor`"));
            return None;
        }
        if !self.known_distribution(distribution) {
            return None;
        }
        let rows = attributes.weights.map(|(rows, _)| rows.len());
        let width = match attributes.width {
            Some((width, _)) => width,
            None => Some(rows.unwrap_or(1)),
        };
        let variable = variable?;
        let domain = array_of(&self.variables, variable).array.domain;
        self.check_real(distribution, variable, domain)?;
        let width = self.indicator_width(distribution, &attributes, domain, width?)?;
        self.check_domain(distribution, variable, domain)?;
        self.check_no_floor(distribution, &attributes)?;
        let table = if distribution.name.value == "indicator" {
            let fixed = attributes.tie.map(|tie| tie.span).or(attributes.weights.map(|(_, span)| span));
            if let Some(span) = fixed {
                let message = "an indicator is fixed: it has no weights to give or to tie";
                self.reports.add(Diagnostic::error("attribute.misplaced", message, span, "not for an indicator"));
                return None;
            }
            match values.first() {
                None => self.identity(width, distribution.span)?,
                Some(value) => {
                    let value = self.literal(distribution, domain, (*value)?)?;
                    self.indicator(width, domain.size(), value, distribution.span)?
                }
            }
        } else if distribution.name.value == "gaussian" {
            self.gaussian(instance, distribution, &attributes, width)?
        } else {
            let family = self.family(distribution, &attributes, domain)?;
            let given = self.given_table(distribution, attributes.weights, width, domain)?;
            let shape = WeightsShape::Table { width, values: domain.size() };
            let known = self.weights.list.len();
            let name = |this: &Self| this.automatic_name(Some(instance));
            let id = self.weights_for(attributes.tie, name, shape, given, distribution.span)?;
            self.belong(id, id.0 as usize == known, family, attributes.tie.map_or(distribution.span, |tie| tie.span))?;
            id
        };
        let scope = self.single(variable);
        self.add_unit(UnitKind::Input { variable, table }, width, scope, distribution.span)
    }

    fn single(&mut self, variable: u32) -> Arc<Scope> {
        let needed = variable as usize + 1;
        if self.singles.len() < needed {
            self.singles.resize(needed, None);
        }
        self.singles[variable as usize].get_or_insert_with(|| Arc::new(Scope::single(variable))).clone()
    }

    fn known_distribution(&mut self, distribution: &Distribution) -> bool {
        let name = distribution.name.value.as_str();
        if !DISTRIBUTIONS.contains(&name) {
            let message = format!("`{name}` is not a distribution");
            let help = match name {
                "normal" => "the normal distribution is written `gaussian(x)`".to_owned(),
                _ => nearest_help(name, DISTRIBUTIONS.into_iter(), "distributions"),
            };
            let fault = Diagnostic::error("input.distribution", message, distribution.name.span, "not known");
            self.reports.add(fault.help(help));
            return false;
        }
        let most = usize::from(name == "indicator");
        if distribution.arguments.len() <= most {
            return true;
        }
        let usage = if most == 1 { "indicator(x, value)".to_owned() } else { format!("{name}(x)") };
        let message = format!("this distribution is written `{usage}`");
        let further = count(distribution.arguments.len(), "further argument");
        let label = format!("{further} after the variable");
        let fault = Diagnostic::error("input.arguments", message, distribution.span, label);
        self.reports.add(fault.help("the number of units is written after it: `width 4`"));
        false
    }

    fn check_domain(&mut self, distribution: &Distribution, variable: u32, domain: Domain) -> Option<()> {
        if distribution.name.value != "bernoulli" || domain == Domain::Binary {
            return Some(());
        }
        let message = format!("`bernoulli` is for binary variables, but this one is {}", domain_text(domain));
        let declared = array_of(&self.variables, variable).span;
        let fault = Diagnostic::error("input.bernoulli", message, distribution.span, "not a binary variable");
        let fault = fault.with(declared, format!("declared {} here", domain_text(domain)));
        self.reports.add(fault.help("use `categorical`, or declare the variable `binary`"));
        None
    }

    /// The family that the tables of a distribution belong to: `Some(None)` if they may be any.
    fn family(
        &mut self,
        distribution: &Distribution,
        attributes: &Attributes<'a>,
        domain: Domain,
    ) -> Option<Option<Family>> {
        let family = match distribution.name.value.as_str() {
            "binomial" => Family::Binomial,
            "logistic" => Family::Logistic,
            _ => return Some(None),
        };
        if let Some((_, span)) = attributes.weights {
            let message = format!("the table of a {} input follows from few numbers", distribution.name.value);
            let fault = Diagnostic::error("attribute.misplaced", message, span, "not for this distribution");
            self.reports
                .add(fault.help("give probabilities to a `categorical` input, or the table in a parameter file"));
            return None;
        }
        if domain.size() < 2 {
            let message = format!("`{}` is for variables with at least two values", distribution.name.value);
            self.report_instance(Diagnostic::error("input.family", message, distribution.span, "only one value"));
            return None;
        }
        Some(Some(family))
    }

    /// The width of an indicator of all values is their number; that of others is `width`.
    fn indicator_width(
        &mut self,
        distribution: &Distribution,
        attributes: &Attributes<'a>,
        domain: Domain,
        width: usize,
    ) -> Option<usize> {
        if distribution.name.value != "indicator" || !distribution.arguments.is_empty() {
            return Some(width);
        }
        let values = domain.size();
        if let Some((_, span)) = attributes.width.filter(|_| width != values) {
            let message = format!("`indicator(x)` has a unit for each value of x, which are {values}, not {width}");
            self.report_instance(Diagnostic::error("indicator.value", message, span, format!("says {width}")));
            return None;
        }
        Some(values)
    }

    fn literal(&mut self, distribution: &'a Distribution, domain: Domain, value: i64) -> Option<usize> {
        let (lo, hi) = match domain {
            Domain::Categorical(size) => (0, size as i64),
            Domain::Binary => (0, 2),
            Domain::Integer(lo, hi) => (lo, hi),
            Domain::Real => unreachable!("an indicator of a real variable was refused"),
        };
        if (lo..hi).contains(&value) {
            return Some((value - lo) as usize);
        }
        let message = format!("{value} is not a value of this variable; its values are {lo}..{hi}");
        let span = spans::of_expr(&distribution.arguments[0]);
        self.report_instance(Diagnostic::error("indicator.value", message, span, format!("this is {value}")));
        None
    }

    /// The numbers of a table. `None` if they are faulty; `Some(None)` if there are none.
    fn given_table(
        &mut self,
        distribution: &Distribution,
        weights: Option<(&'a Vec<Vec<Number>>, Span)>,
        width: usize,
        domain: Domain,
    ) -> Option<Given> {
        let Some((rows, span)) = weights else { return Some(None) };
        let is_short = distribution.name.value == "bernoulli" && rows.iter().all(|row| row.len() == 1);
        let shape = (width, domain.size());
        let numbers = self.numbers(span, shape, |reports| {
            if is_short && rows.len() == width {
                return bernoulli(rows, reports);
            }
            numbers::distributions(rows, span, shape, ("unit", "value of the variable"), reports)
        })?;
        Some(Some((numbers, span)))
    }

    /// The index of a variable.
    fn variable(&mut self, reference: &'a Ref) -> Option<u32> {
        let name = &reference.name;
        let Some(known) = self.variable_names.get(name.value.as_str()).copied() else {
            if self.contested.contains(name.value.as_str()) {
                return None;
            }
            let message = format!("there is no variable called `{}`", name.value);
            let known = self.variable_names.keys().copied();
            let known = known.take(self.reports.names_to_compare());
            let mut help = nearest_help(&name.value, known, "variables");
            if self.symbol_names.contains_key(name.value.as_str()) {
                help = "an input is a distribution of a variable, not of a region".to_owned();
            }
            self.reports.add(Diagnostic::error("name.unknown", message, name.span, "unknown name").help(help));
            return None;
        };
        let variable = known?;
        let Variable { array, first, span, .. } = &self.variables[variable as usize];
        let (shape, first, span) = (array.shape.clone(), *first, *span);
        if shape.len() != reference.indices.len() {
            let needed = index_count(shape.len());
            let message =
                format!("the variable `{}` has {needed}, but {} given", name.value, are(reference.indices.len()));
            let fault = Diagnostic::error("index.count", message, reference.span, "wrong number of indices");
            self.reports.add(fault.with(span, "declared here"));
            return None;
        }
        let scratch = std::mem::take(&mut self.scratch);
        let indices = self.indices(reference, scratch)?;
        let mut position = 0;
        for (axis, (index, extent)) in indices.iter().zip(&shape).enumerate() {
            if *index < 0 || *index as u64 >= *extent as u64 {
                let which = if shape.len() == 1 { "it has" } else { "this axis has" };
                let message = format!("index {index} is outside of `{}`: {which} the indices 0..{extent}", name.value);
                let place = spans::of_expr(&reference.indices[axis]);
                let fault = Diagnostic::error("index.range", message, place, format!("this is {index}"));
                self.report_instance(fault.with(span, "declared here"));
                return None;
            }
            position = position * extent + *index as usize;
        }
        self.scratch = indices;
        Some(first + position as u32)
    }
}

/// `[p]` for each unit: the probability of 1.
fn bernoulli(rows: &[Vec<Number>], reports: &mut super::reports::Reports) -> Option<Vec<f64>> {
    for row in rows {
        numbers::check_signs(row, reports)?;
        if row[0].value > 1.0 {
            let message = format!("a probability is at most 1, but this is {}", row[0].value);
            reports.add(Diagnostic::error("weights.probability", message, row[0].span, "more than 1"));
            return None;
        }
    }
    Some(rows.iter().flat_map(|row| [1.0 - row[0].value, row[0].value]).collect())
}

/// A domain as it is written.
pub(super) fn domain_text(domain: Domain) -> String {
    match domain {
        Domain::Categorical(size) => format!("categorical({size})"),
        Domain::Binary => "binary".to_owned(),
        Domain::Integer(lo, hi) => format!("integer({lo}..{hi})"),
        Domain::Real => "real".to_owned(),
    }
}
