//! What the compiler says to its user about the user's program.
//!
//! A [`Diagnostic`] names a rule of the specification, says in one sentence what was expected and what was
//! found, labels places in the source and helps. It is built where the fault is seen and rendered in one
//! place ([`render`]). No internal name of the compiler may appear in one.

use crate::ast::Span;

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

/// The line and the column of a byte of `text`, both counted from one; columns count characters.
///
/// A byte inside a character counts as its first, a byte beyond the end as the end.
pub fn position(text: &str, at: u32) -> (usize, usize) {
    let at = floor(text, at as usize);
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = 1 + text[..at].bytes().filter(|&byte| byte == b'\n').count();
    (line, 1 + text[start..at].trim_start_matches('\u{feff}').chars().count())
}

/// The nearest boundary of a character of `text` at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Renders diagnostics as text, in source order, each followed by an empty line.
pub fn render(sources: &[Source], diagnostics: &[Diagnostic]) -> String {
    use codespan_reporting::diagnostic::{Diagnostic as Report, Label, Severity as Level};
    use codespan_reporting::files::SimpleFiles;
    let mut files = SimpleFiles::new();
    for source in sources {
        files.add(source.name.clone(), source.text.clone());
    }
    let mut text = String::new();
    for diagnostic in diagnostics {
        let level = match diagnostic.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        let place = |span: &Span| (span.file as usize, span.start as usize..span.end as usize);
        let mut labels = Vec::new();
        if let Some((span, label)) = &diagnostic.primary {
            let (file, range) = place(span);
            labels.push(Label::primary(file, range).with_message(label));
        }
        for (span, label) in &diagnostic.secondary {
            let (file, range) = place(span);
            labels.push(Label::secondary(file, range).with_message(label));
        }
        let report = Report::new(level)
            .with_code(diagnostic.rule)
            .with_message(&diagnostic.message)
            .with_labels(labels)
            .with_notes(diagnostic.help.iter().map(|h| format!("help: {h}")).collect());
        let config = codespan_reporting::term::Config::default();
        codespan_reporting::term::emit_to_string(&mut text, &config, &files, &report)
            .expect("labels lie within their files");
    }
    text
}
