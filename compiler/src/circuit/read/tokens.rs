//! The tokens of the text form, and the cursor over them.

use super::{Read, ReadError};
use logos::Logos;
use std::ops::Range;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
pub(super) enum Token {
    #[regex(r"[A-Za-z_][A-Za-z0-9_.]*")]
    Word,
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    #[regex(r"@[A-Za-z0-9_.]+")]
    #[regex(r#"@"([^"\\\n]|\\[^\n])*""#)]
    Tie,
    #[regex(r"-?[0-9]+")]
    Integer,
    #[regex(r"-?[0-9]+\.[0-9]+([eE][+-]?[0-9]+)?")]
    #[regex(r"-?[0-9]+[eE][+-]?[0-9]+")]
    #[token("-inf")]
    Float,
    #[regex(r"%[0-9]+(\.[0-9]+)?")]
    Part,
    #[regex(r"\.[0-9]+")]
    Member,
    #[token("{")]
    OpenBrace,
    #[token("}")]
    CloseBrace,
    #[token("[")]
    OpenBracket,
    #[token("]")]
    CloseBracket,
    #[token("(")]
    OpenParenthesis,
    #[token(")")]
    CloseParenthesis,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("=")]
    Equals,
    #[token("*")]
    Star,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("..")]
    Range,
}

impl Token {
    fn describe(self) -> &'static str {
        match self {
            Token::Word => "a word",
            Token::Text => "a text in quotes",
            Token::Tie => "a parameter, such as `@transition`",
            Token::Integer => "a whole number",
            Token::Float => "a number",
            Token::Part => "a layer, such as `%3`",
            Token::Member => "a member, such as `.0`",
            Token::OpenBrace => "`{`",
            Token::CloseBrace => "`}`",
            Token::OpenBracket => "`[`",
            Token::CloseBracket => "`]`",
            Token::OpenParenthesis => "`(`",
            Token::CloseParenthesis => "`)`",
            Token::Comma => "`,`",
            Token::Semicolon => "`;`",
            Token::Colon => "`:`",
            Token::Equals => "`=`",
            Token::Star => "`*`",
            Token::Plus => "`+`",
            Token::Minus => "`-`",
            Token::Range => "`..`",
        }
    }
}

/// The tokens of a text and how far they are read.
pub(super) struct Tokens<'t> {
    text: &'t str,
    tokens: Vec<(Token, Range<usize>)>,
    next: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(text: &'t str) -> Read<Self> {
        let mut tokens = Vec::new();
        for (token, range) in Token::lexer(text).spanned() {
            match token {
                Ok(token) => tokens.push((token, range)),
                Err(()) => {
                    let found = text[range.start..].chars().next().unwrap_or(' ');
                    return Err(error(text, range.start, format!("`{found}` has no meaning here")));
                }
            }
        }
        Ok(Tokens { text, tokens, next: 0 })
    }

    pub(super) fn at_end(&self) -> bool {
        self.next == self.tokens.len()
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.next).map(|(token, _)| *token)
    }

    /// Where the next token starts.
    pub(super) fn position(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |(_, range)| range.start)
    }

    pub(super) fn error_at(&self, position: usize, message: impl Into<String>) -> ReadError {
        error(self.text, position, message.into())
    }

    /// The next token is not what is expected.
    pub(super) fn expected(&self, what: &str) -> ReadError {
        let found = match self.tokens.get(self.next) {
            Some((_, range)) => format!("`{}`", shortened(&self.text[range.clone()])),
            None => "the end".into(),
        };
        self.error_at(self.position(), format!("expected {what}, found {found}"))
    }

    pub(super) fn accept(&mut self, token: Token) -> bool {
        let there = self.peek() == Some(token);
        self.next += usize::from(there);
        there
    }

    pub(super) fn skip(&mut self) {
        self.next += usize::from(!self.at_end());
    }

    pub(super) fn expect(&mut self, token: Token) -> Read<&'t str> {
        match self.tokens.get(self.next) {
            Some((found, range)) if *found == token => {
                self.next += 1;
                Ok(&self.text[range.clone()])
            }
            _ => Err(self.expected(token.describe())),
        }
    }

    fn next_is(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.next), Some((Token::Word, range)) if &self.text[range.clone()] == word)
    }

    pub(super) fn accept_word(&mut self, word: &str) -> bool {
        let there = self.next_is(word);
        self.next += usize::from(there);
        there
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Read<()> {
        if self.accept_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    /// Any word.
    pub(super) fn word(&mut self, what: &str) -> Read<&'t str> {
        self.expect(Token::Word).map_err(|_| self.expected(what))
    }

    /// A name: a word or a text in quotes.
    pub(super) fn name(&mut self) -> Read<String> {
        let at = self.position();
        if self.peek() == Some(Token::Text) {
            let text = self.expect(Token::Text)?;
            return unquoted(text).map_err(|message| self.error_at(at, message));
        }
        self.word("a name").map(str::to_string)
    }

    /// The name of a parameter, without the `@`.
    pub(super) fn tie(&mut self) -> Read<String> {
        let at = self.position();
        let name = &self.expect(Token::Tie)?[1..];
        if name.starts_with('"') {
            return unquoted(name).map_err(|message| self.error_at(at, message));
        }
        Ok(name.to_string())
    }

    pub(super) fn number(&mut self) -> Read<usize> {
        self.parsed(Token::Integer, "a size")
    }

    pub(super) fn integer(&mut self) -> Read<i64> {
        self.parsed(Token::Integer, "a whole number")
    }

    pub(super) fn float(&mut self) -> Read<f64> {
        let token = if self.peek() == Some(Token::Integer) { Token::Integer } else { Token::Float };
        self.parsed(token, "a number")
    }

    fn parsed<T: std::str::FromStr>(&mut self, token: Token, what: &str) -> Read<T> {
        let at = self.position();
        let text = self.expect(token)?;
        text.parse().map_err(|_| self.error_at(at, format!("`{}` is not {what}, or too large", shortened(text))))
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST { text.to_string() } else { text.chars().take(MOST).collect::<String>() + ".." }
}

fn error(text: &str, position: usize, message: String) -> ReadError {
    let before = &text[..position];
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    let line = before.matches('\n').count() + 1;
    ReadError { line, column: before[line_start..].chars().count() + 1, message }
}

/// What stands between the quotes, with escapes replaced.
fn unquoted(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = text[1..text.len() - 1].chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(escape(&mut chars)?),
            c => out.push(c),
        }
    }
    Ok(out)
}

fn escape(chars: &mut std::str::Chars) -> Result<char, String> {
    match chars.next() {
        Some('n') => Ok('\n'),
        Some(c @ ('"' | '\\')) => Ok(c),
        Some('u') => {
            let code: String = chars.take_while(|c| *c != '}').skip(1).collect();
            let code = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32);
            code.ok_or_else(|| "a character is written \\u{..} with its hexadecimal number".to_string())
        }
        _ => Err("after a backslash stands `n`, `\"`, `\\` or `u{..}`".to_string()),
    }
}
