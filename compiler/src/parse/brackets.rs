//! Balances brackets before the grammar sees the tokens.
//!
//! The words that begin items and circuits are reserved, so a bracket that is open where one of them stands was
//! never closed. Here it is closed, at no bytes, and reported together with the place where it was opened; the
//! grammar then finds the next item unharmed. Also here: what the language does not have but people write
//! (semicolons, `..=`) and doc comments that document nothing.
//!
//! Guarantees: brackets in the result are balanced and at most [`DEPTH_LIMIT`] deep; an inserted bracket has
//! an empty span; all else is in the order of the source.

use super::build::DEPTH_LIMIT;
use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use crate::lex::{Lexeme, Token};

struct Balance<'a, 'i> {
    file: u32,
    end: u32,
    result: Vec<Lexeme<'i>>,
    open: Vec<Lexeme<'i>>,
    diagnostics: &'a mut Vec<Diagnostic>,
    unclosed: Vec<Span>,
    too_deep: bool,
    /// The word that began the last item.
    item: Token<'i>,
    /// How many brackets are open inside the braces of a builder, while it is open.
    layers: Option<usize>,
}

/// Tokens with balanced brackets.
pub struct Balanced<'i> {
    /// The tokens.
    pub lexemes: Vec<Lexeme<'i>>,
    /// From the opening to the inserted closing of every round or square bracket that was never closed.
    pub unclosed: Vec<Span>,
}

/// Balances the brackets of `lexemes`; `end` is where the text ends.
pub fn balance<'i>(file: u32, end: u32, lexemes: &[Lexeme<'i>], diagnostics: &mut Vec<Diagnostic>) -> Balanced<'i> {
    let (result, open, unclosed) = (Vec::new(), Vec::new(), Vec::new());
    let (item, layers) = (Token::Circuit, None);
    let mut balance = Balance { file, end, result, open, diagnostics, unclosed, too_deep: false, item, layers };
    let mut at = 0;
    while at < lexemes.len() {
        at = balance.step(lexemes, at);
    }
    while !balance.open.is_empty() {
        balance.close_unclosed(None);
    }
    Balanced { lexemes: balance.result, unclosed: balance.unclosed }
}

impl<'i> Balance<'_, 'i> {
    fn span(&self, lexeme: Lexeme<'_>) -> Span {
        Span { file: self.file, start: lexeme.start, end: lexeme.end }
    }

    fn report(&mut self, rule: &'static str, fault: &str, lexeme: Lexeme<'_>, label: &str, help: &str) {
        let span = self.span(lexeme);
        self.diagnostics.push(Diagnostic::error(rule, fault, span, label).help(help));
    }

    /// Handles the token at `at` and says where to go on.
    fn step(&mut self, lexemes: &[Lexeme<'i>], at: usize) -> usize {
        let lexeme = lexemes[at];
        match lexeme.token {
            Token::Semicolon => self.report(
                "syntax.semicolon",
                "items end without a semicolon",
                lexeme,
                "not needed",
                "delete it; the word that begins the next item ends this one",
            ),
            Token::RangeEquals => {
                let fault = "a range is written with `..`; `..=` is not part of the language";
                self.report(
                    "syntax.range",
                    fault,
                    lexeme,
                    "expected `..`",
                    "the end of a range is exclusive: `0..T` has T values",
                );
                self.result.push(Lexeme { token: Token::Range, ..lexeme });
            }
            Token::Doc(_) => return self.docs(lexemes, at),
            _ if is_reserved_name(lexemes, at) => {
                let word = super::expected::spelling(lexeme.token);
                let fault = format!("expected a name, found the reserved word `{word}`");
                let help = format!(
                    "the reserved words are {}",
                    crate::lex::RESERVED.map(|word| format!("`{word}`")).join(", ")
                );
                self.report("syntax.reserved", &fault, lexeme, "choose another name", &help);
                self.result.push(Lexeme { token: Token::Name(word), ..lexeme });
            }
            Token::ParenOpen | Token::BracketOpen if self.open.len() >= DEPTH_LIMIT => return self.deep(lexemes, at),
            Token::ParenOpen | Token::BracketOpen => self.push_open(lexeme),
            Token::BraceOpen => {
                self.close_inner(lexeme);
                if self.open.len() >= DEPTH_LIMIT {
                    return self.deep(lexemes, at);
                }
                self.push_open(lexeme);
                if self.item == Token::Regions && self.layers.is_none() {
                    self.layers = Some(self.open.len());
                }
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose => self.close(lexeme),
            Token::Use | Token::Circuit => {
                while !self.open.is_empty() {
                    self.close_unclosed(Some(lexeme));
                }
                (self.item, self.layers) = (lexeme.token, None);
                self.result.push(lexeme);
            }
            token => {
                if token.starts_item() {
                    self.close_inner(lexeme);
                    self.close_layers(lexeme);
                }
                self.result.push(lexeme);
            }
        }
        at + 1
    }

    fn push_open(&mut self, lexeme: Lexeme<'i>) {
        self.open.push(lexeme);
        self.result.push(lexeme);
    }

    /// Keeps the doc comments from `at` on if something to document follows them; says where they end.
    fn docs(&mut self, lexemes: &[Lexeme<'i>], at: usize) -> usize {
        let is_doc = |lexeme: &&Lexeme<'_>| matches!(lexeme.token, Token::Doc(_));
        let end = at + lexemes[at..].iter().take_while(is_doc).count();
        match lexemes.get(end) {
            // The brackets before them are closed before them, so that they stay next to what they document.
            Some(circuit) if circuit.token == Token::Circuit => {
                while !self.open.is_empty() {
                    self.close_unclosed(Some(*circuit));
                }
                self.result.extend(&lexemes[at..end]);
            }
            Some(item) if item.token.starts_item() => {
                self.close_inner(*item);
                self.result.extend(&lexemes[at..end]);
            }
            _ => self.report(
                "syntax.doc",
                "this doc comment documents nothing",
                lexemes[at],
                "expected a circuit or an item after it",
                "write an ordinary comment with `//`",
            ),
        }
        end
    }

    /// Replaces a group that is nested too deeply by an error token.
    fn deep(&mut self, lexemes: &[Lexeme<'i>], at: usize) -> usize {
        if !self.too_deep {
            self.too_deep = true;
            let fault = format!("brackets are nested more than {DEPTH_LIMIT} deep");
            self.report(
                "syntax.depth",
                &fault,
                lexemes[at],
                "too deep",
                "give parts of the expression names of their own",
            );
        }
        self.result.push(Lexeme { token: Token::Error, ..lexemes[at] });
        skip_group(lexemes, at, true)
    }

    /// A closing bracket of the source: closes its partner, and what is open inside it.
    fn close(&mut self, lexeme: Lexeme<'i>) {
        if lexeme.token == Token::BraceClose {
            self.close_inner(lexeme);
        }
        let Some(innermost) = self.open.last().copied() else {
            let fault = format!("this {} closes nothing", spelling(lexeme.token));
            self.report("syntax.bracket", &fault, lexeme, "no bracket is open here", "delete it");
            return;
        };
        let wanted = partner(innermost.token);
        if wanted == lexeme.token {
            self.open.pop();
            self.result.push(lexeme);
            return;
        }
        let inside = self.open.iter().rev().take_while(|open| open.token != Token::BraceOpen);
        if inside.clone().any(|open| partner(open.token) == lexeme.token) {
            while self.open.last().is_some_and(|open| partner(open.token) != lexeme.token) {
                self.close_unclosed(Some(lexeme));
            }
            self.open.pop();
            self.result.push(lexeme);
        } else if innermost.token == Token::BraceOpen {
            let fault = format!("this {} closes nothing", spelling(lexeme.token));
            self.report("syntax.bracket", &fault, lexeme, "no such bracket is open here", "delete it");
        } else {
            let fault = format!("expected {}, found {}", spelling(wanted), spelling(lexeme.token));
            let label = format!("expected {}", spelling(wanted));
            let diagnostic = Diagnostic::error("syntax.bracket", fault, self.span(lexeme), label)
                .with(self.span(innermost), "opened here");
            self.diagnostics.push(diagnostic);
            self.open.pop();
            self.result.push(Lexeme { token: wanted, ..lexeme });
        }
    }

    /// Closes round and square brackets that cannot go on before `next`.
    fn close_inner(&mut self, next: Lexeme<'i>) {
        while self.open.last().is_some_and(|open| open.token != Token::BraceOpen) {
            self.close_unclosed(Some(next));
        }
    }

    /// Closes the braces of a builder that no item of a circuit can stand in. Its own layers begin with `input`, too.
    fn close_layers(&mut self, next: Lexeme<'i>) {
        self.layers = self.layers.filter(|layers| *layers <= self.open.len());
        match self.layers {
            Some(_) if next.token == Token::Input => {}
            Some(layers) => {
                while self.open.len() >= layers {
                    self.close_unclosed(Some(next));
                }
                self.layers = None;
                self.item = next.token;
            }
            None => self.item = next.token,
        }
    }

    /// Closes the innermost bracket, which the source does not close before `next`, and reports it.
    fn close_unclosed(&mut self, next: Option<Lexeme<'i>>) {
        let Some(open) = self.open.pop() else { return };
        let at = self.result.last().map_or(self.end, |last| last.end);
        let wanted = partner(open.token);
        self.result.push(Lexeme { token: wanted, start: at, end: at });
        let found = next.map_or_else(|| "the end of the file".to_string(), |next| super::expected::found(next.token));
        if open.token != Token::BraceOpen {
            self.unclosed.push(Span { file: self.file, start: open.start, end: at });
        }
        let fault = format!("this {} is never closed", spelling(open.token));
        let missing = Span { file: self.file, start: at, end: at };
        let label = format!("expected {} before {found}", spelling(wanted));
        let diagnostic =
            Diagnostic::error("syntax.bracket", fault, self.span(open), "opened here").with(missing, label);
        self.diagnostics.push(diagnostic);
    }
}

/// Whether a reserved word stands where a declaration has its name.
fn is_reserved_name(lexemes: &[Lexeme<'_>], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| lexemes[before].token);
    let after = lexemes.get(at + 1).map(|lexeme| lexeme.token);
    let named = match before {
        Some(Token::Var) => matches!(after, Some(Token::Colon | Token::BracketOpen)),
        Some(Token::Input | Token::Region) => matches!(after, Some(Token::Equals | Token::BracketOpen)),
        Some(Token::Circuit) => matches!(after, Some(Token::Equals | Token::ParenOpen | Token::BraceOpen)),
        _ => false,
    };
    named && lexemes[at].token.is_reserved()
}

/// The position after the group that opens at `at`. A group ends at the latest before the next circuit and, if
/// `flat`, before the next brace or item.
fn skip_group(lexemes: &[Lexeme<'_>], at: usize, flat: bool) -> usize {
    let mut depth = 0usize;
    for (offset, lexeme) in lexemes[at..].iter().enumerate() {
        match lexeme.token {
            Token::Use | Token::Circuit => return at + offset,
            Token::BraceOpen | Token::BraceClose if flat => return at + offset + usize::from(offset == 0),
            token if flat && token.starts_item() => return at + offset,
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => depth += 1,
            Token::ParenClose | Token::BracketClose | Token::BraceClose => {
                depth -= 1;
                if depth == 0 {
                    return at + offset + 1;
                }
            }
            _ => {}
        }
    }
    lexemes.len()
}

fn partner(open: Token<'_>) -> Token<'static> {
    match open {
        Token::ParenOpen => Token::ParenClose,
        Token::BracketOpen => Token::BracketClose,
        _ => Token::BraceClose,
    }
}

fn spelling(token: Token<'_>) -> String {
    super::expected::found(token)
}
