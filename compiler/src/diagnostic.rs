//! What the compiler says to its user about the user's program.
//!
//! A [`Diagnostic`] names a rule of the specification, says in one sentence what was expected and what was
//! found, labels places in the source and helps. It is built where the fault is seen and rendered in one
//! place ([`render`]). No internal name of the compiler may appear in one.

use crate::ast::Span;
use codespan_reporting::diagnostic::{Diagnostic as Report, Label, LabelStyle, Severity as Level};
use codespan_reporting::files::SimpleFiles;
use codespan_reporting::term::{Config, emit_to_string};

/// A loaded source file.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as the user wrote it.
    pub name: String,
    /// The text.
    pub text: String,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The program is refused.
    Error,
    /// The program is accepted, but probably not what was meant.
    Warning,
}

/// One message. Rule ids are lower case with dots, for example `region.width` or `sum.smooth`, and are the
/// ids of the clauses in `spec/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// The rule that is broken.
    pub rule: &'static str,
    /// One sentence.
    pub message: String,
    /// The main place, with a short label.
    pub primary: Option<(Span, String)>,
    /// Other places that explain it.
    pub secondary: Vec<(Span, String)>,
    /// What to do.
    pub help: Vec<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(rule: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            rule,
            message: message.into(),
            primary: Some((span, label.into())),
            secondary: Vec::new(),
            help: Vec::new(),
        }
    }

    /// A warning at `span`.
    pub fn warning(rule: &'static str, message: impl Into<String>, span: Span, label: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(rule, message, span, label) }
    }

    /// An error that has no place in a source.
    pub fn without_place(rule: &'static str, message: impl Into<String>) -> Self {
        let nowhere = Span { file: 0, start: 0, end: 0 };
        Diagnostic { primary: None, ..Diagnostic::error(rule, message, nowhere, "") }
    }

    /// Adds another place.
    pub fn with(mut self, span: Span, label: impl Into<String>) -> Self {
        self.secondary.push((span, label.into()));
        self
    }

    /// Adds help.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

/// Whether the program is refused: whether an error is among `diagnostics`.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
}

/// Where the lines of a text begin.
#[derive(Clone, Debug)]
pub struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    /// Finds the lines of `text`.
    pub fn new(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// The line and the column of a byte, both counted from one; columns count characters.
    ///
    /// A byte inside a character counts as its first, a byte beyond the end as the end.
    pub fn position(&self, at: u32) -> (usize, usize) {
        let at = floor(self.text, at as usize);
        let line = self.starts.partition_point(|&start| start <= at);
        let before = &self.text[self.starts[line - 1]..at];
        (line, 1 + before.trim_start_matches(BYTE_ORDER_MARK).chars().count())
    }

    /// The length in bytes of the line that byte `at` stands on.
    fn length(&self, at: usize) -> usize {
        let line = self.starts.partition_point(|&start| start <= at);
        self.starts.get(line).copied().unwrap_or(self.text.len()) - self.starts[line - 1]
    }
}

/// The line and the column of one byte of `text`; see [`Lines::position`].
pub fn position(text: &str, at: u32) -> (usize, usize) {
    Lines::new(text).position(at)
}

/// The text of a span: empty where the span lies outside of the sources.
pub fn span_text(sources: &[Source], span: Span) -> &str {
    let Some(source) = sources.get(span.file as usize) else { return "" };
    let start = floor(&source.text, span.start as usize);
    let end = floor(&source.text, span.end as usize);
    source.text.get(start..end).unwrap_or_default()
}

/// The nearest boundary of a character of `text` at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Lines longer than this are not shown; the places on them are given as numbers.
const LINE_LIMIT: usize = 1000;

/// Renders diagnostics as text, in source order, each followed by an empty line. No line ends with a space.
/// Diagnostics without a place stay where they are in a list that is in order, and come first otherwise.
///
/// Spans need not be right: what lies outside of its source is moved to the nearest place in it.
pub fn render(sources: &[Source], diagnostics: &[Diagnostic]) -> String {
    let shown: Vec<String> = sources.iter().map(|source| printable(&source.text)).collect();
    let mut files = SimpleFiles::new();
    for (source, text) in sources.iter().zip(&shown) {
        files.add(source.name.as_str(), text.as_str());
    }
    let lines: Vec<Lines<'_>> = shown.iter().map(|text| Lines::new(text)).collect();
    let mut sorted: Vec<&Diagnostic> = diagnostics.iter().collect();
    if !sorted.iter().filter_map(|diagnostic| place(diagnostic)).is_sorted() {
        sorted.sort_by_key(|diagnostic| place(diagnostic));
    }
    let config = Config { tab_width: 4, ..Config::default() };
    let mut text = String::new();
    for diagnostic in sorted {
        let report = report(sources, &lines, diagnostic);
        emit_to_string(&mut text, &config, &files, &report).expect("labels lie within their files");
    }
    text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}

fn place(diagnostic: &Diagnostic) -> Option<(u32, u32)> {
    diagnostic.primary.as_ref().map(|(span, _)| (span.file, span.start))
}

/// The text with what must not reach a terminal replaced by characters of the same number of bytes; without
/// its byte order mark.
fn printable(text: &str) -> String {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | BYTE_ORDER_MARK);
    text.chars()
        .map(|character| match character {
            '\n' | '\t' => character,
            '\r' => ' ',
            c if c.is_control() && c.len_utf8() == 1 => '?',
            c if c.is_control() => '¿',
            c if hidden(c) => '\u{fffd}',
            c => c,
        })
        .collect()
}

fn report(sources: &[Source], lines: &[Lines<'_>], diagnostic: &Diagnostic) -> Report<usize> {
    let level = match diagnostic.severity {
        Severity::Error => Level::Error,
        Severity::Warning => Level::Warning,
    };
    let primary = diagnostic.primary.iter().map(|place| (LabelStyle::Primary, place));
    let places = primary.chain(diagnostic.secondary.iter().map(|place| (LabelStyle::Secondary, place)));
    let mut labels = Vec::new();
    let mut notes = Vec::new();
    for (style, (span, message)) in places {
        let file = span.file as usize;
        let Some(known) = lines.get(file) else {
            notes.push(message.clone());
            continue;
        };
        let range = clamp(span, &sources[file].text, known);
        if known.length(range.start).max(known.length(range.end)) > LINE_LIMIT {
            let (line, column) = known.position(range.start as u32);
            notes.push(format!("{}:{line}:{column}: {message}", sources[file].name));
            continue;
        }
        labels.push(Label::new(style, file, range).with_message(message));
    }
    notes.extend(diagnostic.help.iter().map(|help| format!("help: {help}")));
    Report::new(level)
        .with_code(diagnostic.rule)
        .with_message(&diagnostic.message)
        .with_labels(labels)
        .with_notes(notes)
}

/// The range of a span in the text as it is shown.
fn clamp(span: &Span, text: &str, shown: &Lines<'_>) -> std::ops::Range<usize> {
    let mark = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let start = floor(shown.text, (span.start as usize).saturating_sub(mark));
    let end = floor(shown.text, (span.end as usize).saturating_sub(mark));
    start..end.max(start)
}

#[cfg(test)]
mod tests;
