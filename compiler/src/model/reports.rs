//! Collects diagnostics: each fault once, in source order, not more than a person reads.

use crate::ast::Span;
use crate::diagnostic::{Diagnostic, Severity};
use std::collections::HashMap;

/// How many errors are reported at most.
const MAX_ERRORS: usize = 50;

/// The diagnostics found so far.
#[derive(Debug, Default)]
pub(super) struct Reports {
    list: Vec<Diagnostic>,
    /// By rule and place: the position in `list`.
    known: HashMap<(&'static str, Option<Span>), usize>,
    /// For each in `list`: how many further loop instances have the same fault.
    repeats: Vec<usize>,
    errors: usize,
    faults: usize,
}

impl Reports {
    /// Adds a fault. The same fault at the same place is kept once.
    pub fn add(&mut self, diagnostic: Diagnostic) {
        self.insert(diagnostic, false);
    }

    /// Adds a fault of one instance of a loop: the first instance is shown, the others are counted.
    pub fn add_instance(&mut self, diagnostic: Diagnostic) {
        self.insert(diagnostic, true);
    }

    fn insert(&mut self, diagnostic: Diagnostic, counted: bool) {
        self.faults += usize::from(diagnostic.severity == Severity::Error);
        let key = (diagnostic.rule, diagnostic.primary.as_ref().map(|(span, _)| *span));
        if let (Some(position), Some(_)) = (self.known.get(&key), key.1) {
            self.repeats[*position] += usize::from(counted);
            return;
        }
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        self.known.insert(key, self.list.len());
        self.repeats.push(0);
        self.list.push(diagnostic);
    }

    /// How many different errors there are.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many known names an unknown one is compared with: fewer once there are more errors than anybody reads.
    pub fn names_to_compare(&self) -> usize {
        if self.errors < 4 * MAX_ERRORS { 2000 } else { 20 }
    }

    /// How many errors were added, those that were known already included.
    pub fn faults(&self) -> usize {
        self.faults
    }

    /// All of them, in source order; those without a place come first.
    pub fn finish(self) -> Vec<Diagnostic> {
        let mut list: Vec<Diagnostic> = self.list.into_iter().zip(self.repeats).map(with_repeats).collect();
        list.sort_by_key(|d| d.primary.as_ref().map(|(span, _)| (span.file, span.start, span.end)));
        if self.errors > MAX_ERRORS {
            let mut left = MAX_ERRORS;
            list.retain(|d| d.severity == Severity::Warning || left.checked_sub(1).map(|n| left = n).is_some());
            list.push(Diagnostic {
                severity: Severity::Error,
                rule: "report.limit",
                message: format!("only {MAX_ERRORS} errors are shown; there are {} more", self.errors - MAX_ERRORS),
                primary: None,
                secondary: Vec::new(),
                help: Vec::new(),
            });
        }
        list
    }
}

fn with_repeats((mut diagnostic, repeats): (Diagnostic, usize)) -> Diagnostic {
    if repeats > 0 {
        let others = if repeats == 1 { "one more index".to_owned() } else { format!("{repeats} more indices") };
        diagnostic.help.push(format!("the same happens for {others} of this declaration"));
    }
    diagnostic
}

/// An error that belongs to no place in a source.
pub(super) fn placeless(rule: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        rule,
        message: message.into(),
        primary: None,
        secondary: Vec::new(),
        help: Vec::new(),
    }
}

/// A warning at `span`.
pub(super) fn warning(rule: &'static str, message: String, span: Span, label: String) -> Diagnostic {
    Diagnostic { severity: Severity::Warning, ..Diagnostic::error(rule, message, span, label) }
}
