//! What the actions of the grammar need: spans, limits on depth, small conversions.

use super::expected;
use crate::ast::{BinaryOp, Circuit, Expr, RegionExpr, Span, Spanned};
use crate::diagnostic::Diagnostic;
use crate::lex::{self, Lexeme, Token};
use lalrpop_util::ParseError;

/// How deep brackets, and the operators of an integer expression, may be nested.
pub const DEPTH_LIMIT: usize = 200;

/// What stands at the top of a file.
pub enum Top {
    /// `use "hmm.pc"`
    Use(Spanned<String>),
    /// `circuit ..`
    Circuit(Circuit),
    /// Something that was not understood and has been reported.
    Nothing,
}

/// An expression and the depth of its tree.
pub struct Deep {
    /// The expression.
    pub expr: Expr,
    depth: usize,
}

impl Deep {
    /// An expression without parts.
    pub fn leaf(expr: Expr) -> Deep {
        Deep { expr, depth: 1 }
    }
}

/// The tokens being parsed, and what was found wrong.
pub struct Notes<'i> {
    /// The number of the file.
    pub file: u32,
    /// The tokens; the locations of the grammar are positions in this list.
    pub lexemes: Vec<Lexeme<'i>>,
    /// The end of the text.
    pub end: u32,
    /// What was found wrong.
    pub diagnostics: Vec<Diagnostic>,
    too_deep: bool,
}

impl<'i> Notes<'i> {
    /// Starts to parse.
    pub fn new(file: u32, lexemes: Vec<Lexeme<'i>>, end: u32) -> Self {
        Notes { file, lexemes, end, diagnostics: Vec::new(), too_deep: false }
    }

    /// The bytes of the lexemes from `from` to `to`, exclusive.
    pub fn span(&self, from: usize, to: usize) -> Span {
        let start = self.lexemes.get(from).map_or(self.end, |lexeme| lexeme.start);
        let end = to.checked_sub(1).and_then(|last| self.lexemes.get(last)).map_or(start, |lexeme| lexeme.end);
        Span { file: self.file, start, end: end.max(start) }
    }

    /// Reports a token that the grammar does not allow. What the lexer or the brackets already reported stays quiet.
    pub fn unexpected(&mut self, error: ParseError<usize, Token<'i>, ()>) {
        let (at, expected) = match error {
            ParseError::UnrecognizedToken { token: (at, ..), expected } => (at, expected),
            ParseError::UnrecognizedEof { expected, .. } => (self.lexemes.len(), expected),
            ParseError::ExtraToken { token: (at, ..) } => (at, Vec::new()),
            ParseError::InvalidToken { location } => (location, Vec::new()),
            ParseError::User { error: () } => return,
        };
        let quiet = self.lexemes.get(at).is_some_and(|found| found.token == Token::Error || found.start == found.end);
        // One more than is shown, so that it is known that not all are shown.
        if !quiet && self.diagnostics.len() <= super::ERROR_LIMIT {
            self.diagnostics.push(expected::unexpected(self, at, &expected));
        }
    }

    /// `-value`
    pub fn negate(&mut self, value: Deep, from: usize, to: usize) -> Deep {
        let span = self.span(from, to);
        self.limited(Deep { depth: value.depth + 1, expr: Expr::Negate(Box::new(value.expr), span) }, span)
    }

    /// `left op right`
    pub fn binary(&mut self, op: BinaryOp, left: Deep, right: Deep, from: usize, to: usize) -> Deep {
        let span = self.span(from, to);
        let depth = 1 + left.depth.max(right.depth);
        self.limited(Deep { depth, expr: Expr::Binary(op, Box::new(left.expr), Box::new(right.expr), span) }, span)
    }

    /// Replaces an expression that is too deep by a flat one, so that no later walk can exhaust the stack.
    fn limited(&mut self, deep: Deep, span: Span) -> Deep {
        if deep.depth <= DEPTH_LIMIT {
            return deep;
        }
        if !self.too_deep {
            self.too_deep = true;
            let fault = format!("this expression has more than {DEPTH_LIMIT} operators inside each other");
            self.diagnostics.push(
                Diagnostic::error("syntax.depth", fault, span, "too deep")
                    .help("compute parts of it in parameters of their own"),
            );
        }
        Deep::leaf(Expr::Integer(0, span))
    }
}

/// The lines of a doc comment.
pub fn docs(lines: Vec<&str>) -> Vec<String> {
    lines.into_iter().map(lex::doc_text).collect()
}

/// A single part itself, or several parts joined.
pub fn one_or(mut parts: Vec<RegionExpr>, join: impl FnOnce(Vec<RegionExpr>) -> RegionExpr) -> RegionExpr {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

/// The value of an integer; what is too large has been reported by the lexer.
pub fn integer(digits: &str) -> i64 {
    lex::integer(digits).unwrap_or(i64::MAX)
}

/// The value of a number with its sign; what is too large has been reported by the lexer.
pub fn signed(negative: bool, digits: &str) -> f64 {
    let value = lex::decimal(digits).unwrap_or(f64::MAX);
    if negative { -value } else { value }
}
