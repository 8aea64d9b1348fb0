//! A circuit as a program of its own: builders replaced by the items they stand for, parameters by their values.
//!
//! The program needs no other file and no data, and compiles to the same circuit. Comments inside of builders are lost;
//! all others stay.

use super::{Checked, Circuit};
use crate::ast::{self, Span};
use crate::format;
use crate::lex;
use crate::parse;
use std::fmt::Write;

/// The program of the circuit that `checked` is about, if it has no errors and is no product.
pub fn freeze(checked: &Checked) -> Option<String> {
    let [circuit] = checked.model.as_ref()?.circuits.as_slice() else { return None };
    let place = circuit.variables.first()?.span;
    let text = &checked.sources[place.file as usize].text;
    let file = parse::parse(place.file, text).file;
    let ast = file.circuits.iter().find(|ast| ast.span.start <= place.start && place.end <= ast.span.end)?;
    let body = body(circuit, ast, text);
    let mut frozen = String::new();
    for line in &circuit.doc {
        let space = if line.is_empty() { "" } else { " " };
        writeln!(frozen, "///{space}{line}").expect("a string takes any text");
    }
    write!(frozen, "circuit {}{} {body}", circuit.name, parameters(circuit, &body)).expect("a string takes any text");
    Some(format::format(&frozen).expect("what is frozen parses"))
}

/// The braces of a circuit and what stands in them.
fn body(circuit: &Circuit, ast: &ast::Circuit, text: &str) -> String {
    let name_end = ast.name.span.end as usize;
    let brace = lex::lex(0, &text[name_end..ast.span.end as usize]);
    let brace = brace.lexemes.iter().find(|lexeme| lexeme.token == lex::Token::BraceOpen);
    let mut at = name_end + brace.map_or(0, |brace| brace.start as usize);
    let mut body = String::new();
    for built in &circuit.built {
        let Span { start, end, .. } = built.span;
        body.push_str(&text[at..start as usize]);
        if let Some(origin) = &built.origin {
            writeln!(body, "// Learnt from {:?}: {}.", origin.path, origin.summary()).expect("a string takes any text");
        }
        body.push_str(&format::items(&built.items));
        at = end as usize;
    }
    body.push_str(&text[at..ast.span.end as usize]);
    body
}

/// The parameters that the body still names, with their values.
fn parameters(circuit: &Circuit, body: &str) -> String {
    let lexed = lex::lex(0, body);
    let word = |lexeme: &lex::Lexeme<'_>| &body[lexeme.start as usize..lexeme.end as usize];
    let kept: Vec<String> = circuit
        .settings
        .iter()
        .filter(|(name, _)| lexed.lexemes.iter().any(|lexeme| word(lexeme) == name))
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    if kept.is_empty() { String::new() } else { format!("({})", kept.join(", ")) }
}
