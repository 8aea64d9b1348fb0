//! The messages of the lexer.

use super::TEXT_LIMIT;
use crate::ast::Span;
use crate::diagnostic::Diagnostic;

pub(super) fn too_long(file: u32, length: usize) -> Diagnostic {
    let message = format!("this file has {length} bytes; a file may have at most {TEXT_LIMIT}");
    Diagnostic::error("syntax.text", message, Span { file, start: 0, end: 0 }, "the file is not read")
        .help("give large tables in a parameter file and not in the program")
}

pub(super) fn unknown(run: &str, span: Span) -> Diagnostic {
    let first = run.chars().next().expect("a run has a character");
    let single = run.chars().nth(1).is_none();
    let message = match (single, first.is_control() || is_invisible(first)) {
        (true, true) => format!("the invisible character U+{:04X} is not part of the language", u32::from(first)),
        (true, false) => format!("the character `{first}` is not part of the language"),
        (false, true) => format!("the characters from U+{:04X} on are not part of the language", u32::from(first)),
        (false, false) => format!("the characters `{}` are not part of the language", shorten(run)),
    };
    let diagnostic = Diagnostic::error("syntax.character", message, span, "not understood");
    match advice(first) {
        Some(text) => diagnostic.help(text),
        None => diagnostic,
    }
}

fn shorten(run: &str) -> String {
    let shown: String = run.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if run.chars().nth(40).is_some() { format!("{shown}…") } else { shown }
}

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
}

fn advice(character: char) -> Option<&'static str> {
    Some(match character {
        '#' => "a comment begins with `//`",
        '.' => "a range is written `0..T`, and a number has a digit before its point: `0.5`",
        '\'' | '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' | '`' => {
            "strings stand in straight double quotes: `\"hmm.pc\"`"
        }
        '&' | '×' | '·' | '⋅' | '⊙' | '∗' => "the product of two regions is written `a * b`",
        '⊗' => "the Kronecker product is written `kronecker(a, b)`",
        '∑' | 'Σ' => "a sum is written `sum(a)`",
        '⊕' => "a sum over several operands is written `sum(a, b)`",
        '^' => "there is no power operator; write `H*H`",
        '<' | '>' | '!' | '?' => "there are no comparisons in the language",
        '\\' => "an item may go on over several lines; nothing marks the end of a line",
        c if c.is_alphabetic() => "names are made of the letters `a` to `z` and `A` to `Z`, digits and `_`",
        c if is_invisible(c) || c.is_control() => "delete it; it may come from copying the text",
        _ => return None,
    })
}

pub(super) fn block_comment(span: Span) -> Diagnostic {
    Diagnostic::error("syntax.comment", "there are no comments of the form `/* .. */`", span, "not a comment")
        .help("begin each line of the comment with `//`")
}

pub(super) fn doc(span: Span) -> Diagnostic {
    let fault = "a doc comment stands on a line of its own, before what it documents";
    Diagnostic::error("syntax.doc", fault, span, "behind something else").help("write an ordinary comment with `//`")
}

pub(super) fn large(text: &str, span: Span) -> Diagnostic {
    let message = format!("the number `{}` is too large", shorten(text));
    let limit = if text.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
        format!("an integer is at most {}", i64::MAX)
    } else {
        format!("a number is at most {:e}", f64::MAX)
    };
    Diagnostic::error("syntax.number", message, span, "too large").help(limit)
}

pub(super) fn number(text: &str, span: Span) -> Diagnostic {
    let message = format!("`{}` is neither a number nor a name", shorten(text));
    Diagnostic::error("syntax.number", message, span, "expected a number")
        .help("numbers are written `256`, `16_384`, `0.25` or `1e-3`; names do not begin with a digit")
}

pub(super) fn string(text: &str, span: Span) -> Option<Diagnostic> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return None,
            '\\' => match characters.next() {
                Some((_, '"' | '\\')) => {}
                other => {
                    let start = span.start + at as u32;
                    let end = start + 1 + other.map_or(0, |(_, c)| c.len_utf8() as u32);
                    let place = Span { start, end, ..span };
                    let fault = "a backslash in a string is followed by `\"` or by another backslash";
                    return Some(
                        Diagnostic::error("syntax.string", fault, place, "not understood")
                            .help("write `\\\\` for one backslash; paths may be written with `/` on every system"),
                    );
                }
            },
            _ => {}
        }
    }
    let fault = "this string is not closed on its line";
    Some(Diagnostic::error("syntax.string", fault, span, "expected `\"` before the end of the line"))
}
