//! The compiler's messages, for people and for programs.

use crate::failure::Failure;
use crate::output::{say, say_text};
use danaus_compiler::ast::Span;
use danaus_compiler::diagnostic::{Diagnostic, Severity, Source, position, render};
use serde::Serialize;

/// Shows messages to a person.
pub fn show(sources: &[Source], diagnostics: &[Diagnostic]) {
    say_text(&render(sources, diagnostics));
}

/// Shows how many messages there were; errors are a failure.
pub fn count(diagnostics: &[Diagnostic]) -> Result<(), Failure> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    say(format_args!("{}, {}", counted(errors, "error"), counted(warnings, "warning")));
    if errors == 0 { Ok(()) } else { Err(Failure::Reported) }
}

/// `1 error`, `2 errors`.
pub fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// One JSON object per message and line.
pub fn json_lines(sources: &[Source], diagnostics: &[Diagnostic]) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let message = Message::new(sources, diagnostic);
        text += &serde_json::to_string(&message).expect("a message is plain data");
        text.push('\n');
    }
    text
}

#[derive(Serialize)]
struct Message<'d> {
    severity: &'static str,
    rule: &'static str,
    message: &'d str,
    place: Option<Place<'d>>,
    others: Vec<Place<'d>>,
    help: &'d [String],
}

/// Lines and columns count from 1; columns count characters; the end is the first column that does not belong to it.
#[derive(Serialize)]
struct Place<'d> {
    file: &'d str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    label: &'d str,
}

impl<'d> Message<'d> {
    fn new(sources: &'d [Source], diagnostic: &'d Diagnostic) -> Self {
        let severity = match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let place = |(span, label): &'d (Span, String)| Place::new(sources, span, label);
        Message {
            severity,
            rule: diagnostic.rule,
            message: &diagnostic.message,
            place: diagnostic.primary.as_ref().map(place),
            others: diagnostic.secondary.iter().map(place).collect(),
            help: &diagnostic.help,
        }
    }
}

impl<'d> Place<'d> {
    fn new(sources: &'d [Source], span: &Span, label: &'d str) -> Self {
        let source = &sources[span.file as usize];
        let (line, column) = position(&source.text, span.start);
        let (end_line, end_column) = position(&source.text, span.end);
        Place { file: &source.name, line, column, end_line, end_column, label }
    }
}
