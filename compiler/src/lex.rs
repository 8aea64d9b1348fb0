//! The lexer: text to tokens, for any text.
//!
//! Guarantees:
//! * every byte of the text belongs to exactly one lexeme, one comment, white space or the byte order mark;
//! * it never fails: what is wrong becomes a diagnostic, and a token that lets parsing go on (a number that is
//!   too large stays a number, an unknown character becomes [`Token::Error`]);
//! * time and memory are linear in the text.

use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use logos::{Lexer, Logos};

mod faults;

/// The longest text that is read, in bytes.
pub const TEXT_LIMIT: usize = 64 << 20;

/// A token. Words, numbers and strings keep their text as it is written.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\u{b}\u{c}]+")]
pub enum Token<'i> {
    /// `use`
    #[token("use")]
    Use,
    /// `circuit`
    #[token("circuit")]
    Circuit,
    /// `var`
    #[token("var")]
    Var,
    /// `input`
    #[token("input")]
    Input,
    /// `region`
    #[token("region")]
    Region,
    /// `regions`
    #[token("regions")]
    Regions,
    /// `root`
    #[token("root")]
    Root,
    /// `in`
    #[token("in")]
    In,
    /// `sum`
    #[token("sum")]
    Sum,
    /// `kronecker`
    #[token("kronecker")]
    Kronecker,
    /// `reversed`, a name elsewhere.
    #[token("reversed")]
    Reversed,
    /// `untied`, a name elsewhere.
    #[token("untied")]
    Untied,
    /// `width`, a name elsewhere.
    #[token("width")]
    Width,
    /// `dense`, a name elsewhere.
    #[token("dense")]
    Dense,
    /// `block_diagonal`, a name elsewhere.
    #[token("block_diagonal")]
    BlockDiagonal,
    /// `monarch`, a name elsewhere.
    #[token("monarch")]
    Monarch,
    /// `tie`, a name elsewhere.
    #[token("tie")]
    Tie,
    /// `mixing`, a name elsewhere.
    #[token("mixing")]
    Mixing,
    /// `weights`, a name elsewhere.
    #[token("weights")]
    Weights,
    /// `floor`, a name elsewhere.
    #[token("floor")]
    Floor,
    /// `at`, a name elsewhere.
    #[token("at")]
    At,
    /// `by`, a name elsewhere.
    #[token("by")]
    By,
    /// `below`, a name elsewhere.
    #[token("below")]
    Below,
    /// `depth`, a name elsewhere.
    #[token("depth")]
    Depth,
    /// `product`, a name elsewhere.
    #[token("product")]
    Product,
    /// `hadamard`, a name elsewhere.
    #[token("hadamard")]
    Hadamard,
    /// A name.
    #[regex(r"[A-Za-z_][A-Za-z0-9_]*")]
    Name(&'i str),
    /// A whole number.
    #[regex(r"[0-9](_?[0-9])*", priority = 20)]
    Integer(&'i str),
    /// A number with a fraction or an exponent.
    #[regex(r"[0-9](_?[0-9])*\.[0-9]+([eE][+-]?[0-9]+)?", priority = 20)]
    #[regex(r"[0-9](_?[0-9])*[eE][+-]?[0-9]+", priority = 20)]
    Decimal(&'i str),
    /// A string with its quotes.
    #[token("\"", string)]
    Text(&'i str),
    /// A doc comment, `/// text`.
    Doc(&'i str),
    /// A comment, `// text`. Never in the list of lexemes.
    #[regex(r"//[^\n]*", allow_greedy = true)]
    Comment(&'i str),
    /// `/* .. */`, which the language does not have. Never in the list of lexemes.
    #[token("/*", block_comment)]
    BlockComment,
    /// `{`
    #[token("{")]
    BraceOpen,
    /// `}`
    #[token("}")]
    BraceClose,
    /// `(`
    #[token("(")]
    ParenOpen,
    /// `)`
    #[token(")")]
    ParenClose,
    /// `[`
    #[token("[")]
    BracketOpen,
    /// `]`
    #[token("]")]
    BracketClose,
    /// `,`
    #[token(",")]
    Comma,
    /// `:`
    #[token(":")]
    Colon,
    /// `=`
    #[token("=")]
    Equals,
    /// `..`
    #[token("..")]
    Range,
    /// `..=`, which the language does not have.
    #[token("..=")]
    RangeEquals,
    /// `;`, which the language does not have.
    #[token(";")]
    Semicolon,
    /// `+`
    #[token("+")]
    Plus,
    /// `-`
    #[token("-")]
    Minus,
    /// `*`
    #[token("*")]
    Star,
    /// `/`
    #[token("/")]
    Slash,
    /// `%`
    #[token("%")]
    Percent,
    /// `|`
    #[token("|")]
    Bar,
    /// A number that runs into letters, `12abc`.
    #[regex(r"[0-9][0-9A-Za-z_]*", priority = 3)]
    #[regex(r"[0-9](_?[0-9])*\.[0-9][0-9A-Za-z_]*", priority = 3)]
    BadNumber(&'i str),
    /// What is no token; it has a diagnostic of its own.
    Error,
}

/// A token and the bytes it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lexeme<'i> {
    /// The token.
    pub token: Token<'i>,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// An ordinary comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The text with its `//`, without white space at the end.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// Whether nothing but white space precedes it on its line.
    pub own_line: bool,
}

/// What the lexer makes of a text.
#[derive(Clone, Debug)]
pub struct Lexed<'i> {
    /// The tokens in order, doc comments among them.
    pub lexemes: Vec<Lexeme<'i>>,
    /// The ordinary comments in order.
    pub comments: Vec<Comment>,
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Token<'_> {
    /// Whether it begins an item of a circuit.
    pub fn starts_item(self) -> bool {
        matches!(self, Token::Var | Token::Input | Token::Region | Token::Regions | Token::Root)
    }

    /// Whether it is a word that no circuit, variable, input, region, parameter or weight may be called.
    pub fn is_reserved(self) -> bool {
        self.starts_item() || matches!(self, Token::Use | Token::Circuit | Token::In | Token::Sum | Token::Kronecker)
    }
}

/// The reserved words, in alphabetical order.
pub const RESERVED: [&str; 10] =
    ["circuit", "in", "input", "kronecker", "region", "regions", "root", "sum", "use", "var"];

fn string<'i>(lexer: &mut Lexer<'i, Token<'i>>) -> &'i str {
    let rest = lexer.remainder().as_bytes();
    let mut at = 0;
    while at < rest.len() {
        match rest[at] {
            b'\n' => break,
            b'\\' if rest.get(at + 1).is_some_and(|next| matches!(next, b'"' | b'\\')) => at += 2,
            b'"' => {
                at += 1;
                break;
            }
            _ => at += 1,
        }
    }
    lexer.bump(at);
    lexer.slice().trim_end_matches('\r')
}

fn block_comment<'i>(lexer: &mut Lexer<'i, Token<'i>>) {
    let rest = lexer.remainder();
    lexer.bump(rest.find("*/").map_or(rest.len(), |at| at + 2));
}

/// Splits `text`, the content of the file number `file`, into tokens.
pub fn lex(file: u32, text: &str) -> Lexed<'_> {
    let mut lexed = Lexed { lexemes: Vec::new(), comments: Vec::new(), diagnostics: Vec::new() };
    if text.len() > TEXT_LIMIT {
        lexed.diagnostics.push(faults::too_long(file, text.len()));
        return lexed;
    }
    let mut lexer = Token::lexer(text);
    if text.starts_with('\u{feff}') {
        lexer.bump('\u{feff}'.len_utf8());
    }
    let mut unknown: Option<std::ops::Range<usize>> = None;
    while let Some(token) = lexer.next() {
        let range = lexer.span();
        let Ok(token) = token else {
            match &mut unknown {
                Some(run) if run.end == range.start => run.end = range.end,
                _ => flush(file, text, unknown.replace(range), &mut lexed),
            }
            continue;
        };
        flush(file, text, unknown.take(), &mut lexed);
        place(file, text, token, range, &mut lexed);
    }
    flush(file, text, unknown, &mut lexed);
    lexed
}

/// Ends a run of unknown characters.
fn flush(file: u32, text: &str, run: Option<std::ops::Range<usize>>, lexed: &mut Lexed<'_>) {
    let Some(run) = run else { return };
    lexed.diagnostics.push(faults::unknown(&text[run.clone()], span(file, &run)));
    lexed.lexemes.push(Lexeme { token: Token::Error, start: run.start as u32, end: run.end as u32 });
}

fn span(file: u32, range: &std::ops::Range<usize>) -> Span {
    Span { file, start: range.start as u32, end: range.end as u32 }
}

/// Puts a token where it belongs and reports what is wrong inside it.
fn place<'i>(file: u32, text: &str, token: Token<'i>, range: std::ops::Range<usize>, lexed: &mut Lexed<'i>) {
    let place = span(file, &range);
    let mut token = token;
    match token {
        Token::Comment(slice) => {
            let slice = slice.trim_end();
            let line = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
            let own_line = text[line..range.start].trim_start_matches('\u{feff}').trim().is_empty();
            if is_doc(slice) && !own_line {
                lexed.diagnostics.push(faults::doc(place));
            }
            if !is_doc(slice) || !own_line {
                let end = place.start + slice.len() as u32;
                lexed.comments.push(Comment { text: slice.to_string(), span: Span { end, ..place }, own_line });
                return;
            }
            token = Token::Doc(slice);
        }
        Token::BlockComment => {
            lexed.diagnostics.push(faults::block_comment(place));
            return;
        }
        Token::Text(slice) => {
            if let Some(fault) = faults::string(slice, place) {
                lexed.diagnostics.push(fault);
                token = Token::Error;
            }
        }
        Token::Integer(slice) if integer(slice).is_none() => lexed.diagnostics.push(faults::large(slice, place)),
        Token::Decimal(slice) if decimal(slice).is_none() => lexed.diagnostics.push(faults::large(slice, place)),
        Token::BadNumber(slice) => {
            lexed.diagnostics.push(faults::number(slice, place));
            token = Token::Error;
        }
        _ => {}
    }
    let end = if let Token::Doc(slice) = token { place.start + slice.len() as u32 } else { place.end };
    lexed.lexemes.push(Lexeme { token, start: place.start, end });
}

fn is_doc(comment: &str) -> bool {
    comment.starts_with("///") && !comment.starts_with("////")
}

/// The value of an integer token; nothing if it is too large.
pub fn integer(text: &str) -> Option<i64> {
    text.replace('_', "").parse().ok()
}

/// The value of an integer or decimal token; nothing if it is too large.
pub fn decimal(text: &str) -> Option<f64> {
    text.replace('_', "").parse().ok().filter(|value: &f64| value.is_finite())
}

/// The content of a string token: without the quotes, `\"` and `\\` replaced.
pub fn unquote(text: &str) -> String {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"').unwrap_or(text).chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    value
}

/// The text of a doc comment token, without `///` and one space.
pub fn doc_text(text: &str) -> String {
    let text = text.strip_prefix("///").unwrap_or(text);
    text.strip_prefix(' ').unwrap_or(text).to_string()
}
