//! How instances, variables and scopes are written in messages and dumps.

use super::{Scope, Variable};
use std::fmt::Write;

/// A name with its indices: `z[3]`.
pub(super) fn element(name: &str, indices: &[i64]) -> String {
    if indices.is_empty() {
        return name.to_owned();
    }
    let mut text = String::with_capacity(name.len() + 2 + 6 * indices.len());
    text.push_str(name);
    for (position, index) in indices.iter().enumerate() {
        text.push_str(if position == 0 { "[" } else { ", " });
        write!(text, "{index}").expect("a string takes any text");
    }
    text.push(']');
    text
}

/// The array a variable belongs to.
pub(super) fn array_of(variables: &[Variable], variable: u32) -> &Variable {
    &variables[variables.partition_point(|v| v.first <= variable) - 1]
}

/// How a variable is written: `x[3]`.
pub(super) fn variable_name(variables: &[Variable], variable: u32) -> String {
    let array = array_of(variables, variable);
    let mut rest = (variable - array.first) as usize;
    let mut indices = vec![0; array.array.shape.len()];
    for (index, extent) in indices.iter_mut().zip(&array.array.shape).rev() {
        *index = (rest % extent) as i64;
        rest /= extent;
    }
    element(&array.array.name, &indices)
}

/// At most this many runs are spelled out.
const SHOWN_RUNS: usize = 4;

/// The variables of a scope in short: `x[3..256], y`. Where the elements of an array form a box, the box is
/// written: `pixel[0..2, 0..2]`.
pub(crate) fn scope_text(variables: &[Variable], scope: &Scope) -> String {
    let mut parts = Vec::new();
    let runs = scope.runs();
    for variable in variables {
        let end = variable.first + variable.array.shape.iter().product::<usize>() as u32;
        let from = runs.partition_point(|run| run.1 <= variable.first);
        let to = runs.partition_point(|run| run.0 < end);
        let clip = |run: &(u32, u32)| (run.0.max(variable.first) - variable.first, run.1.min(end) - variable.first);
        let own: Vec<(u32, u32)> = runs[from..to].iter().map(clip).collect();
        match box_text(variable, &own) {
            Some(text) => parts.push(text),
            None => parts.extend(own.iter().map(|run| run_text(variables, variable, *run))),
        }
    }
    if parts.len() > SHOWN_RUNS {
        let hidden = parts.len() - SHOWN_RUNS;
        parts.truncate(SHOWN_RUNS);
        parts.push(format!("and {hidden} more ranges"));
    }
    parts.join(", ")
}

/// The elements of an array, if they form a box.
fn box_text(variable: &Variable, runs: &[(u32, u32)]) -> Option<String> {
    let array = &variable.array;
    if runs.is_empty() {
        return None;
    }
    let mut bounds = vec![(usize::MAX, 0); array.shape.len()];
    let mut count = 0;
    for (start, end) in runs {
        count += (end - start) as usize;
        let (mut first, mut last) = (*start as usize, *end as usize - 1);
        for (bound, extent) in bounds.iter_mut().zip(&array.shape).rev() {
            let (low, high) =
                if first / extent == last / extent { (first % extent, last % extent) } else { (0, extent - 1) };
            *bound = (bound.0.min(low), bound.1.max(high));
            (first, last) = (first / extent, last / extent);
        }
    }
    if bounds.iter().map(|(low, high)| high + 1 - low).product::<usize>() != count {
        return None;
    }
    let range = |(low, high): &(usize, usize)| match low == high {
        true => low.to_string(),
        false => format!("{low}..{}", high + 1),
    };
    let ranges: Vec<String> = bounds.iter().map(range).collect();
    Some(if ranges.is_empty() { array.name.clone() } else { format!("{}[{}]", array.name, ranges.join(", ")) })
}

/// `x[3..7]`, for arrays of several axes `p[0, 3] to p[1, 2]`. The run counts from the array's first element.
fn run_text(variables: &[Variable], variable: &Variable, (start, end): (u32, u32)) -> String {
    if let ([_], true) = (variable.array.shape.as_slice(), end - start > 1) {
        return format!("{}[{start}..{end}]", variable.array.name);
    }
    let first = variable_name(variables, variable.first + start);
    if end - start == 1 { first } else { format!("{first} to {}", variable_name(variables, variable.first + end - 1)) }
}
