//! Gaussian inputs: densities of real variables, with the mean and the variance of each unit.

use super::attributes::Attributes;
use super::elaborate::Elaborator;
use super::input::domain_text;
use super::numbers::check_counts;
use super::weights::Given;
use super::{WeightsId, WeightsShape, array_of};
use crate::ast::{Distribution, Number};
use crate::circuit::{Domain, Floor, MEANS, VARIANCES};
use crate::diagnostic::Diagnostic;

/// What variances are not below if nothing is said.
pub(super) const FLOOR: f64 = 1e-4;

impl<'a> Elaborator<'a> {
    /// Checks that densities are those of real variables, and nothing else is about these.
    pub fn check_real(&mut self, distribution: &Distribution, variable: u32, domain: Domain) -> Option<()> {
        let name = distribution.name.value.as_str();
        let is_gaussian = name == "gaussian";
        if is_gaussian == (domain == Domain::Real) {
            return Some(());
        }
        let (message, help) = match is_gaussian {
            true => (
                format!("`gaussian` is for real variables, but this one is {}", domain_text(domain)),
                "declare the variable `real`, or use `logistic` for numbers with an order",
            ),
            false => (
                format!("`{name}` is for variables with finitely many values, but this one is real"),
                "use `gaussian(x)`, or make the values discrete and declare the variable `integer(lo..hi)`",
            ),
        };
        let declared = array_of(&self.variables, variable).span;
        let label = if is_gaussian { "not a real variable" } else { "a real variable" };
        let fault = Diagnostic::error("input.real", message, distribution.span, label);
        self.reports.add(fault.with(declared, format!("declared {} here", domain_text(domain))).help(help));
        None
    }

    /// Reports a floor under something that has no variance.
    pub fn check_no_floor(&mut self, distribution: &Distribution, attributes: &Attributes<'a>) -> Option<()> {
        let Some(floor) = attributes.floor.filter(|_| distribution.name.value != "gaussian") else { return Some(()) };
        let message = format!("`{}` has no variance, and so no floor under it", distribution.name.value);
        self.reports.add(Diagnostic::error("attribute.misplaced", message, floor.span, "only for `gaussian`"));
        None
    }

    /// Reports a floor among the attributes of sums.
    pub fn refuse_floor(&mut self, attributes: &Attributes<'a>) {
        if let Some(floor) = attributes.floor {
            let message = "a floor belongs to an input, not to a sum or a region";
            self.reports.add(Diagnostic::error("attribute.misplaced", message, floor.span, "only for `gaussian`"));
        }
    }

    /// The means and variances of a Gaussian input.
    pub fn gaussian(
        &mut self,
        instance: u32,
        distribution: &Distribution,
        attributes: &Attributes<'a>,
        width: usize,
    ) -> Option<WeightsId> {
        let floor = match attributes.floor {
            Some(number) => self.floor(number)?,
            None => FLOOR,
        };
        let given: Given = match attributes.weights {
            None => None,
            Some((rows, span)) => {
                let shape = (width, 2);
                let numbers = self.numbers(span, shape, |reports| {
                    check_counts(rows, span, shape, ("unit", "mean and variance"), reports)?;
                    rows.iter()
                        .all(|row| is_unit(row, reports))
                        .then(|| rows.iter().flatten().map(|n| n.value).collect())
                })?;
                Some((numbers, span))
            }
        };
        let shape = WeightsShape::Gaussian { width, floor: Floor(floor) };
        let name = |this: &Self| this.automatic_name(Some(instance));
        self.weights_for(attributes.tie, name, shape, given, distribution.span)
    }

    fn floor(&mut self, number: &Number) -> Option<f64> {
        if VARIANCES.contains(&number.value) {
            return Some(number.value);
        }
        let message = format!("a floor under variances is a number from 1e-30 to 1e30, but this is {}", number.value);
        self.reports.add(Diagnostic::error("input.floor", message, number.span, format!("this is {}", number.value)));
        None
    }
}

/// Whether two numbers are a mean and a variance.
fn is_unit(row: &[Number], reports: &mut super::reports::Reports) -> bool {
    let [mean, variance] = row else { return false };
    let (bad, what) = match (MEANS.contains(&mean.value), VARIANCES.contains(&variance.value)) {
        (true, true) => return true,
        (false, _) => (mean, "a mean is a number from -1e30 to 1e30"),
        (true, false) => (variance, "a variance is a number from 1e-30 to 1e30"),
    };
    let message = format!("{what}, but this is {}", bad.value);
    let fault = Diagnostic::error("weights.gaussian", message, bad.span, format!("this is {}", bad.value));
    reports.add(fault.help("each row has the mean and the variance of a unit: `weights [[0, 1], [2.5, 0.25]]`"));
    false
}
