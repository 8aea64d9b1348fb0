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

/// The variables of a scope in short: `x[3..256], y`.
pub(crate) fn scope_text(variables: &[Variable], scope: &Scope) -> String {
    let mut parts = Vec::new();
    for (start, end) in scope.runs() {
        let mut start = start;
        while start < end {
            let array = array_of(variables, start);
            let stop = end.min(array.first + array.array.shape.iter().product::<usize>() as u32);
            parts.push(run_text(variables, array, start, stop));
            start = stop;
        }
    }
    if parts.len() > SHOWN_RUNS {
        let hidden = parts.len() - SHOWN_RUNS;
        parts.truncate(SHOWN_RUNS);
        parts.push(format!("and {hidden} more ranges"));
    }
    parts.join(", ")
}

fn run_text(variables: &[Variable], array: &Variable, start: u32, stop: u32) -> String {
    let count: usize = array.array.shape.iter().product();
    if stop - start == 1 {
        variable_name(variables, start)
    } else if (stop - start) as usize == count && array.array.shape.len() != 1 {
        format!("all of {}", array.array.name)
    } else if array.array.shape.len() == 1 {
        format!("{}[{}..{}]", array.array.name, start - array.first, stop - array.first)
    } else {
        format!("{} to {}", variable_name(variables, start), variable_name(variables, stop - 1))
    }
}
