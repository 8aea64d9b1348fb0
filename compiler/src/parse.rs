//! The parser: text to [`File`].
//!
//! Guarantees, for any text:
//! * it never fails: it yields what could be parsed together with what is wrong, in source order;
//! * a program without an error among its diagnostics is represented completely;
//! * no tree is deeper than a small multiple of [`DEPTH_LIMIT`], so recursion over it is safe;
//! * time is linear in the text times the depth limit, and at most [`ERROR_LIMIT`] errors are kept.
//!
//! Three steps: the lexer ([`crate::lex`]), the balancing of brackets (`brackets`), the LALRPOP grammar.

use crate::ast::{File, Span};
use crate::diagnostic::Diagnostic;
use crate::lex::{self, Lexeme};

pub(crate) mod brackets;
pub(crate) mod build;
mod expected;
#[cfg(test)]
mod soup;
#[cfg(test)]
mod tests;

pub use crate::lex::Comment;
pub use build::DEPTH_LIMIT;
use build::{Notes, Top};

#[allow(missing_docs, unused_qualifications, unused_variables, clippy::all)]
mod grammar {
    lalrpop_util::lalrpop_mod!(generated, "/grammar.rs");
    pub(super) use generated::FileParser;
}

/// How many errors one file reports at most; it bounds time and memory, not what a person is shown.
pub const ERROR_LIMIT: usize = 1000;

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What could be parsed.
    pub file: File,
    /// The ordinary comments, in order.
    pub comments: Vec<Comment>,
    /// What is wrong, in source order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Parses `text`, the content of the file number `file`.
pub fn parse(file: u32, text: &str) -> Parsed {
    let lexed = lex::lex(file, text);
    let mut diagnostics = lexed.diagnostics;
    let end = if text.len() > lex::TEXT_LIMIT { 0 } else { text.trim_end().len() as u32 };
    let balanced = brackets::balance(file, end, &lexed.lexemes, &mut diagnostics);
    let mut notes = Notes::new(file, balanced.lexemes, end);
    let stream: Vec<_> = notes.lexemes.iter().enumerate().map(|(at, lexeme)| (at, lexeme.token, at + 1)).collect();
    let tops = grammar::FileParser::new().parse(&mut notes, stream).unwrap_or_else(|error| {
        notes.unexpected(error);
        Vec::new()
    });
    diagnostics.extend(notes.diagnostics.into_iter().filter(|found| !lies_inside(found, &balanced.unclosed)));
    let file = arrange(tops, &mut diagnostics);
    Parsed { file, comments: lexed.comments, diagnostics: limit(diagnostics) }
}

/// The tokens of `text`, doc comments among them, ordinary comments not.
pub fn tokens(text: &str) -> Vec<Lexeme<'_>> {
    lex::lex(0, text).lexemes
}

/// Separates `use` lines from circuits; the former come first.
fn arrange(tops: Vec<Top>, diagnostics: &mut Vec<Diagnostic>) -> File {
    let mut file = File { uses: Vec::new(), circuits: Vec::new() };
    for top in tops {
        match top {
            Top::Use(path) => {
                if let Some(circuit) = file.circuits.first() {
                    let head = Span { end: circuit.name.span.end, ..circuit.span };
                    let fault = "`use` lines stand before all circuits";
                    diagnostics.push(
                        Diagnostic::error("syntax.use", fault, path.span, "this file is used too late")
                            .with(head, "the first circuit")
                            .help("move the line to the beginning of the file"),
                    );
                }
                file.uses.push(path);
            }
            Top::Circuit(circuit) => file.circuits.push(circuit),
            Top::Nothing => {}
        }
    }
    file
}

/// Whether `diagnostic` only follows from a bracket that was never closed. `unclosed` is in order of the ends.
fn lies_inside(diagnostic: &Diagnostic, unclosed: &[Span]) -> bool {
    let Some((span, _)) = &diagnostic.primary else { return false };
    let from = unclosed.partition_point(|bracket| bracket.end < span.start);
    unclosed[from..].iter().take(DEPTH_LIMIT).any(|bracket| bracket.start < span.start && span.start <= bracket.end)
}

fn limit(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map_or(0, |(span, _)| span.start));
    if diagnostics.len() > ERROR_LIMIT {
        diagnostics.truncate(ERROR_LIMIT);
        if let Some(last) = diagnostics.last_mut() {
            last.help.push(format!("further errors of this file are not shown; these are the first {ERROR_LIMIT}"));
        }
    }
    diagnostics
}
