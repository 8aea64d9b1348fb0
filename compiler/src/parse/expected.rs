//! The message for a token the grammar does not allow: what was found, what was expected in the words of the
//! language, and help for common mistakes.

use super::build::Notes;
use crate::ast::Span;
use crate::diagnostic::Diagnostic;
use crate::lex::{Lexeme, RESERVED, Token};

/// The words that are names except in one place.
const CONTEXTUAL: [&str; 16] = [
    "reversed",
    "untied",
    "width",
    "dense",
    "block_diagonal",
    "monarch",
    "tie",
    "mixing",
    "weights",
    "floor",
    "at",
    "by",
    "below",
    "depth",
    "product",
    "hadamard",
];

/// How many tokens back the head of a builder is looked for.
const IN_LAYERS: usize = 4096;

/// The message for the token number `at` where only `expected` (terminals of the grammar) may stand.
pub(super) fn unexpected(notes: &Notes<'_>, at: usize, expected: &[String]) -> Diagnostic {
    let expected: Vec<&str> = expected.iter().map(|terminal| terminal.trim_matches('"')).collect();
    let wanted = describe(&expected, notes, at);
    let lexeme = notes.lexemes.get(at).copied();
    let found = lexeme.map_or_else(|| "the end of the file".to_string(), |lexeme| found(lexeme.token));
    let reserved =
        wanted == "a name" && lexeme.is_some_and(|lexeme| lexeme.token.is_reserved() && !begins(lexeme.token));
    let here = match lexeme {
        Some(_) => notes.span(at, at + 1),
        None => Span { file: notes.file, start: notes.end, end: notes.end },
    };
    let rule = if reserved { "syntax.reserved" } else { rule(notes, at, &expected) };
    let label = if wanted.len() <= 40 { format!("expected {wanted}") } else { "not expected here".to_string() };
    let mut diagnostic = Diagnostic::error(rule, format!("expected {wanted}, found {found}"), here, &label);
    let previous = at.checked_sub(1).map(|before| notes.lexemes[before]);
    if let (Some(previous), Some(lexeme), false) = (previous, lexeme, reserved)
        && (begins(lexeme.token) || lexeme.token == Token::BraceClose)
    {
        let gap = Span { file: notes.file, start: previous.end, end: previous.end };
        diagnostic.primary = Some((gap, label));
        diagnostic = diagnostic.with(here, format!("found {found}"));
    }
    if reserved {
        diagnostic.message = format!("expected a name, found the reserved word {found}");
        return diagnostic
            .help(format!("the reserved words are {}", RESERVED.map(|word| format!("`{word}`")).join(", ")));
    }
    match advice(previous, lexeme, notes.lexemes.get(at + 1).copied(), &expected, rule) {
        Some(text) => diagnostic.help(text),
        None => diagnostic,
    }
}

fn begins(token: Token<'_>) -> bool {
    token.starts_item() || matches!(token, Token::Use | Token::Circuit | Token::Doc(_))
}

/// The rule that is broken by the token number `at`.
fn rule(notes: &Notes<'_>, at: usize, expected: &[&str]) -> &'static str {
    let has = |terminal: &str| expected.contains(&terminal);
    let token = |at: usize| notes.lexemes.get(at).map(|lexeme| lexeme.token);
    let integers = has("name") && has("integer") && !has("sum");
    match (at.checked_sub(1).and_then(token), token(at), token(at + 1)) {
        (Some(Token::Width), ..) if integers => "syntax.attribute",
        (Some(Token::Tie), ..) if has("name") && !integers => "syntax.attribute",
        (Some(Token::Mixing), ..) if expected == ["tie"] => "syntax.attribute",
        (Some(Token::Weights), ..) if expected == ["["] => "syntax.attribute",
        (_, Some(Token::Comma), _) if has("tie") && has("width") && !has("name") => "syntax.attribute",
        (_, Some(Token::Name(word)), Some(Token::Name(_))) if has("var") && near_item(word).is_some() => "syntax.item",
        (_, Some(Token::Name(word)), _) if has("tie") && near_item(word).is_some() => "syntax.attribute",
        (Some(Token::Monarch | Token::BlockDiagonal), ..) if expected == ["("] => "syntax.attribute",
        _ if integers => "syntax.expression",
        _ if matches!(bracket(notes, at), Some(Token::Weights | Token::Monarch | Token::BlockDiagonal)) => {
            "syntax.attribute"
        }
        _ => enclosing(notes, at),
    }
}

/// The token before the outermost bracket of the item that the token number `at` stands in.
fn bracket<'i>(notes: &Notes<'i>, at: usize) -> Option<Token<'i>> {
    let mut closed = 0usize;
    let mut outermost = None;
    for before in (0..at.min(notes.lexemes.len())).rev() {
        match notes.lexemes[before].token {
            Token::ParenClose | Token::BracketClose => closed += 1,
            Token::ParenOpen | Token::BracketOpen if closed > 0 => closed -= 1,
            Token::ParenOpen | Token::BracketOpen => outermost = before.checked_sub(1),
            token if begins(token) => break,
            _ => {}
        }
    }
    outermost.map(|at| notes.lexemes[at].token)
}

/// The rule that describes the construct the token number `at` stands in.
fn enclosing(notes: &Notes<'_>, at: usize) -> &'static str {
    if in_layers(notes, at) {
        return "syntax.regions";
    }
    let start = notes.lexemes[..at.min(notes.lexemes.len())].iter().rev().find(|lexeme| {
        begins(lexeme.token) || matches!(lexeme.token, Token::BraceOpen | Token::BraceClose | Token::Error)
    });
    match start.map(|lexeme| lexeme.token) {
        Some(Token::Use) => "syntax.use",
        Some(Token::Circuit) => "syntax.circuit",
        Some(Token::Var) => "syntax.var",
        Some(Token::Input) => "syntax.input",
        Some(Token::Region) => "syntax.region",
        Some(Token::Root) => "syntax.root",
        Some(Token::Regions) => "syntax.regions",
        Some(Token::BraceOpen | Token::Error) => "syntax.item",
        Some(Token::Doc(_)) | None | Some(_) => "syntax.file",
    }
}

/// Whether the token number `at` stands between the braces of a builder, which are never far.
fn in_layers(notes: &Notes<'_>, at: usize) -> bool {
    let mut closed = 0usize;
    let before = notes.lexemes[..at.min(notes.lexemes.len())].iter().enumerate().rev();
    for (before, lexeme) in before.take(IN_LAYERS) {
        match lexeme.token {
            Token::BraceClose => closed += 1,
            Token::BraceOpen if closed > 0 => closed -= 1,
            Token::BraceOpen => {
                let head = notes.lexemes[..before].iter().rev().take(IN_LAYERS).find(|lexeme| begins(lexeme.token));
                return head.is_some_and(|lexeme| lexeme.token == Token::Regions);
            }
            Token::Use | Token::Circuit => return false,
            _ => {}
        }
    }
    false
}

/// A token as it is named in messages.
pub(super) fn found(token: Token<'_>) -> String {
    match token {
        Token::Name(text) | Token::Integer(text) | Token::Decimal(text) | Token::BadNumber(text) => {
            format!("`{}`", shorten(text))
        }
        Token::Text(_) => "a string".to_string(),
        Token::Doc(_) => "a doc comment".to_string(),
        Token::Comment(_) | Token::BlockComment => "a comment".to_string(),
        Token::Error => "an unknown character".to_string(),
        other => format!("`{}`", spelling(other)),
    }
}

fn shorten(text: &str) -> String {
    if text.len() <= 40 { text.to_string() } else { format!("{}…", &text[..40]) }
}

/// The text of a token that has only one.
pub(crate) fn spelling(token: Token<'_>) -> &'static str {
    match token {
        Token::Use => "use",
        Token::Circuit => "circuit",
        Token::Var => "var",
        Token::Input => "input",
        Token::Region => "region",
        Token::Regions => "regions",
        Token::Root => "root",
        Token::In => "in",
        Token::Sum => "sum",
        Token::Kronecker => "kronecker",
        Token::Reversed => "reversed",
        Token::Untied => "untied",
        Token::Width => "width",
        Token::Dense => "dense",
        Token::BlockDiagonal => "block_diagonal",
        Token::Monarch => "monarch",
        Token::Tie => "tie",
        Token::Mixing => "mixing",
        Token::Weights => "weights",
        Token::Floor => "floor",
        Token::At => "at",
        Token::By => "by",
        Token::Below => "below",
        Token::Depth => "depth",
        Token::Product => "product",
        Token::Hadamard => "hadamard",
        Token::BraceOpen => "{",
        Token::BraceClose => "}",
        Token::ParenOpen => "(",
        Token::ParenClose => ")",
        Token::BracketOpen => "[",
        Token::BracketClose => "]",
        Token::Comma => ",",
        Token::Colon => ":",
        Token::Equals => "=",
        Token::Range => "..",
        Token::RangeEquals => "..=",
        Token::Semicolon => ";",
        Token::Plus => "+",
        Token::Minus => "-",
        Token::Star => "*",
        Token::Slash => "/",
        Token::Percent => "%",
        Token::Bar => "|",
        _ => "",
    }
}

/// The expected terminals in words: groups first named as a whole, the rest as they are spelt.
fn describe(expected: &[&str], notes: &Notes<'_>, at: usize) -> String {
    let has = |terminal: &str| expected.contains(&terminal);
    let mut words: Vec<String> = Vec::new();
    let mut taken: Vec<&str> = vec!["doc"];
    let mut group = |when: bool, words_for_it: &str, members: &[&'static str]| {
        if when {
            words.push(words_for_it.to_string());
            taken.extend(members);
        }
    };
    let before = at.checked_sub(1).map(|before| notes.lexemes[before].token);
    if before == Some(Token::By) && has("product") {
        return "`depth`, `part`, `variable` or `channel`".to_string();
    }
    group(
        has("sum") && has("kronecker"),
        "a region expression",
        &["sum", "kronecker", "name", "(", "integer", "decimal", "-"],
    );
    let integers = has("name") && has("integer");
    group(integers && !has("sum"), "an integer expression", &["name", "integer", "text", "-", "("]);
    group(has("integer") && has("decimal") && !has("sum"), "a number", &["integer", "decimal", "-"]);
    let name = match (before, enclosing(notes, at)) {
        (Some(Token::Colon), "syntax.var") => "a domain",
        (Some(Token::Equals), "syntax.input") => "a distribution",
        (Some(Token::ParenOpen), "syntax.input") => "a variable",
        (Some(Token::Equals | Token::Star), "syntax.circuit") => "the name of a circuit",
        _ => "a name",
    };
    group(has("name") && !integers && !has("sum"), name, &["name"]);
    group(has("name"), "", &CONTEXTUAL);
    group(has("text") && !integers, "a string", &["text"]);
    let items = has("var") && has("root");
    let after_word = before.is_some_and(ends_operand);
    group(has("[") && after_word && expected.len() > 1, "", &["["]);
    group(has("tie") && has("width") && !has("name"), "an attribute", &CONTEXTUAL);
    group(has("+") && expected.len() > 5, "", &["+", "-", "*", "/", "%"]);
    let item = if after_word { "the next item" } else { "an item (`var`, `input`, `region`, `regions` or `root`)" };
    group(items, item, &["var", "input", "region", "regions", "root"]);
    let layers = has("product") && has("input") && !has("name");
    let layer = if after_word { "the next layer" } else { "a layer (`input`, `sum`, `product` or `mixing`)" };
    group(layers, layer, &["input", "sum", "product", "mixing"]);
    group(layers && after_word, "", &["}", "at", "below"]);
    group(items && after_word, "", &["}"]);
    group(has("use") && has("circuit"), "`circuit` or `use`", &["use", "circuit"]);
    let spelt = expected.iter().filter(|terminal| !taken.contains(terminal)).map(|terminal| format!("`{terminal}`"));
    let mut all: Vec<String> = spelt.collect();
    all.extend(words.into_iter().filter(|word| !word.is_empty()));
    join(&all)
}

fn ends_operand(token: Token<'_>) -> bool {
    matches!(token, Token::Name(_) | Token::Integer(_) | Token::Decimal(_) | Token::Text(_))
        || matches!(token, Token::ParenClose | Token::BracketClose)
        || CONTEXTUAL.contains(&spelling(token))
}

fn join(words: &[String]) -> String {
    match words {
        [] => "nothing".to_string(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// Help for common mistakes.
fn advice(
    previous: Option<Lexeme<'_>>,
    found: Option<Lexeme<'_>>,
    next: Option<Lexeme<'_>>,
    expected: &[&str],
    rule: &str,
) -> Option<String> {
    let has = |terminal: &str| expected.contains(&terminal);
    let previous = previous.map(|lexeme| lexeme.token);
    let token = found.map(|lexeme| lexeme.token);
    let next = next.map(|lexeme| lexeme.token);
    let fixed = match (previous, token) {
        (Some(Token::Name(word)), Some(Token::ParenOpen)) if miscased(word).is_some() => {
            return miscased(word).map(|right| format!("`{right}` is written in lower case"));
        }
        (Some(Token::Name(_)), Some(Token::ParenOpen)) if rule == "syntax.region" || rule == "syntax.root" => {
            "regions are indexed with square brackets: `z[t+1]`; the only functions are `sum` and `kronecker`"
        }
        (_, Some(Token::Name("and"))) => "the product of two regions is written `a * b`",
        (_, Some(Token::Name("or"))) => "the mixture of two regions is written `a | b`",
        (_, Some(Token::Plus)) if has("|") => {
            "a sum over several operands is written `sum(a, b)`, with weights `sum(0.4 : a, 0.6 : b)`"
        }
        (_, Some(Token::Equals)) if has(":") && rule == "syntax.var" => {
            "a variable is declared with `:` and its domain: `var x[T]: categorical(27)`"
        }
        (_, _) if has(":") && rule == "syntax.var" => {
            "a variable has a domain: `var x[T]: categorical(27)` or `var rain: binary`"
        }
        (_, Some(Token::Colon)) if has("=") => "values are given with `=`",
        (_, Some(Token::Comma)) if rule == "syntax.var" => {
            "every variable has a `var` of its own: `var a: binary var b: binary`"
        }
        (_, Some(Token::Comma)) if has("weights") && !has("name") => "attributes follow each other without commas",
        (Some(Token::Name(_)), Some(Token::Comma | Token::ParenClose)) if rule == "syntax.circuit" && has("=") => {
            "every parameter has a default: `circuit hmm(T = 256)`"
        }
        (Some(Token::Monarch), _) if has("(") => "`monarch` is followed by the sizes of its blocks: `monarch(16, 16)`",
        (Some(Token::BlockDiagonal), _) if has("(") => {
            "`block_diagonal` is followed by the size of a block: `block_diagonal(16)`"
        }
        (_, Some(Token::Equals)) if rule == "syntax.root" => "a root has no name: `root sum(z)`",
        (_, Some(Token::Star)) if rule == "syntax.circuit" && has("use") => "`untied` stands at the end of a product",
        (Some(Token::Equals | Token::Star), _) if rule == "syntax.circuit" && has("name") && !has("integer") => {
            "a product of circuits is written `circuit name = a * b`"
        }
        _ if expected == [".."] || has("in") => "a range is written `t in 0..T`",
        (Some(Token::Width), _) if has("integer") => "`width` is followed by the number of units: `width 64`",
        (Some(Token::Tie), _) if has("name") => "`tie` is followed by a name: `tie transition`",
        (Some(Token::Mixing), _) if has("tie") => "the weights of a mixture are named with `mixing tie m`",
        (Some(Token::Weights), _) if has("[") => {
            "`weights` is followed by a row `[0.2, 0.8]` or by rows `[[0.2, 0.8], [0.5, 0.5]]`"
        }
        (_, Some(Token::Decimal(_))) if has("integer") => "sizes and indices are whole numbers",
        (_, Some(Token::Width)) if has(")") && !has("width") => {
            "attributes inside parentheses stand directly after a sum: `(sum(a) width 4 tie w) * b`"
        }
        (_, Some(Token::Name(word))) if rule == "syntax.item" || has("var") => return near_item(word),
        (_, Some(Token::Name(word))) if rule == "syntax.regions" => return near_layer(word),
        (_, Some(token)) if rule == "syntax.file" && token.starts_item() => {
            "items stand inside a circuit: `circuit name { .. }`"
        }
        (_, None) if rule == "syntax.circuit" => "a circuit is written `circuit name { .. }` or `circuit name = a * b`",
        (_, Some(Token::Equals)) if next == Some(Token::Equals) => "a single `=` is enough",
        _ => return None,
    };
    Some(fixed.to_string())
}

fn miscased(word: &str) -> Option<&'static str> {
    ["sum", "kronecker", "monarch", "block_diagonal"].into_iter().find(|right| word.eq_ignore_ascii_case(right))
}

/// The word of a layer that a misspelt word resembles.
fn near_layer(word: &str) -> Option<String> {
    let words = ["input", "sum", "product", "mixing", "hadamard", "kronecker", "width", "tie", "weights"];
    let near = words.into_iter().find(|right| crate::explain::distance(word, right) <= 1 + right.len() / 6);
    near.map(|right| format!("did you mean `{right}`?"))
}

/// The item or attribute that a misspelt word resembles.
fn near_item(word: &str) -> Option<String> {
    let words = [
        "var",
        "input",
        "region",
        "regions",
        "root",
        "width",
        "dense",
        "block_diagonal",
        "monarch",
        "tie",
        "mixing",
        "weights",
        "floor",
    ];
    let right = match word.to_ascii_lowercase().as_str() {
        "variable" | "variables" => Some("var"),
        "leaf" => Some("input"),
        "let" | "layer" | "node" => Some("region"),
        "return" | "output" => Some("root"),
        lower => words.into_iter().find(|right| crate::explain::distance(lower, right) <= 1 + right.len() / 6),
    };
    right.map(|right| format!("did you mean `{right}`?"))
}
