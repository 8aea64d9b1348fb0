//! Given weights: how many, and whether each row is a distribution.

use super::names::{are, count};
use super::reports::Reports;
use super::spans;
use crate::ast::{Number, Span};
use crate::diagnostic::Diagnostic;

/// How far the sum of a row may be from one.
const TOLERANCE: f64 = 1e-6;

/// The numbers of `rows`, row-major, if there are `shape.0` rows of `shape.1` numbers and each row is a
/// distribution. `what` says what a row and a column stand for.
pub(super) fn distributions(
    rows: &[Vec<Number>],
    span: Span,
    shape: (usize, usize),
    what: (&str, &str),
    reports: &mut Reports,
) -> Option<Vec<f64>> {
    check_counts(rows, span, shape, what, reports)?;
    let good: Vec<bool> = rows.iter().map(|row| check_row(row, reports).is_some()).collect();
    good.iter().all(|good| *good).then(|| rows.iter().flatten().map(|n| n.value).collect())
}

pub(super) fn check_counts(
    rows: &[Vec<Number>],
    span: Span,
    (height, length): (usize, usize),
    (row_is, column_is): (&str, &str),
    reports: &mut Reports,
) -> Option<()> {
    if rows.len() != height {
        let message = format!("{} needed, one for each {row_is}, but {} given", needed(height, "row"), are(rows.len()));
        let help = format!("each row holds {}, one for each {column_is}", count(length, "number"));
        let fault = Diagnostic::error("weights.count", message, span, format!("{} here", count(rows.len(), "row")));
        reports.add_instance(fault.help(help));
        return None;
    }
    let wrong = rows.iter().enumerate().find(|(_, row)| row.len() != length);
    if let Some((position, row)) = wrong {
        let what_is_needed = needed(length, "number");
        let message =
            format!("{what_is_needed} needed in each row, one for each {column_is}, but {} given", are(row.len()));
        let label = format!("row {position} has {}", count(row.len(), "number"));
        reports.add_instance(Diagnostic::error("weights.count", message, span_of(row, span), label));
        return None;
    }
    Some(())
}

/// Reports if a row is not a distribution.
pub(super) fn check_row(row: &[Number], reports: &mut Reports) -> Option<()> {
    let place = row.first().map(|n| n.span)?;
    check_signs(row, reports)?;
    let sum: f64 = row.iter().map(|n| n.value).sum();
    if (sum - 1.0).abs() <= TOLERANCE {
        return Some(());
    }
    let span = span_of(row, place);
    let fault = if sum == 0.0 {
        Diagnostic::error("weights.sum", "weights sum to one, but all of these are zero", span, "all zero")
    } else {
        let message = format!("weights sum to one, but these sum to {}", short(sum));
        Diagnostic::error("weights.sum", message, span, format!("sum: {}", short(sum)))
    };
    let scaled: Vec<String> = row.iter().take(8).map(|n| short(n.value / sum)).collect();
    let is_scalable = sum > 0.0 && row.len() <= 8;
    let help = format!("scaled to sum to one they are [{}]", scaled.join(", "));
    reports.add(if is_scalable { fault.help(help) } else { fault });
    None
}

/// Reports negative weights. The parser has refused what is no finite number.
pub(super) fn check_signs(row: &[Number], reports: &mut Reports) -> Option<()> {
    for number in row {
        if number.value < 0.0 {
            let message = format!("weights are probabilities; {} is negative", number.value);
            reports.add(Diagnostic::error("weights.negative", message, number.span, "negative"));
            return None;
        }
    }
    Some(())
}

fn span_of(row: &[Number], otherwise: Span) -> Span {
    spans::cover(row.iter().map(|n| n.span), otherwise)
}

/// A number with at most seven digits behind the point.
fn short(value: f64) -> String {
    let text = format!("{value:.7}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn needed(number: usize, what: &str) -> String {
    format!("{} {}", count(number, what), if number == 1 { "is" } else { "are" })
}
