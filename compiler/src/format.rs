//! The formatter: one way to write each program.
//!
//! Guarantees: the result parses to the same tree, apart from places; every comment is kept, in its order;
//! formatting the result again changes nothing. It works on the tokens and not on the tree, so parentheses and the
//! spelling of numbers stay as they are.
//!
//! The form: four spaces of indentation, an item a line (variables that share a line keep sharing it), at most one
//! empty line, lines of at most [`LINE_LIMIT`] columns where there is a place to break them.

mod items;
mod layout;
mod nodes;
#[cfg(test)]
mod tests;

use crate::diagnostic::{Diagnostic, has_errors};
use crate::lex::{Token, lex};
use crate::parse::parse;
pub use items::items;
use nodes::{Node, Piece, PieceKind};

/// The longest line the formatter makes if it can break it.
pub const LINE_LIMIT: usize = 100;
const INDENT: usize = 4;

/// Formats the program `text`. A program with errors of syntax is not formatted.
pub fn format(text: &str) -> Result<String, Vec<Diagnostic>> {
    let parsed = parse(0, text);
    if has_errors(&parsed.diagnostics) {
        return Err(parsed.diagnostics);
    }
    let pieces = pieces(text);
    Ok(print(&units(&pieces)))
}

/// The tokens and the comments of `text` in order.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let lexed = lex(0, text);
    let tokens = lexed.lexemes.iter().map(|lexeme| (lexeme.start, lexeme.end, PieceKind::Token(lexeme.token)));
    let comments = lexed
        .comments
        .iter()
        .map(|comment| (comment.span.start, comment.span.end, PieceKind::Comment { own_line: comment.own_line }));
    let mut ranges: Vec<(u32, u32, PieceKind<'_>)> = tokens.chain(comments).collect();
    ranges.sort_by_key(|(start, ..)| *start);
    let mut before = 0;
    let mut pieces = Vec::new();
    for (start, end, kind) in ranges {
        let gap = &text[before as usize..start as usize];
        let newlines = gap.bytes().filter(|&byte| byte == b'\n').count();
        pieces.push(Piece { kind, text: &text[start as usize..end as usize], newlines });
        before = end;
    }
    pieces
}

/// A line before something: a comment or a doc comment.
struct Lead<'i> {
    text: &'i str,
    blank: bool,
}

/// What is printed as a whole: a `use`, the head of a circuit, an item, a closing brace.
struct Unit<'i> {
    lead: Vec<Lead<'i>>,
    first: Token<'i>,
    nodes: Vec<Node<'i>>,
    trail: Option<&'i str>,
    /// Whether an empty line stands before it (after its lead).
    blank: bool,
    /// Whether it begins on the line on which the unit before it ends.
    same_line: bool,
    opens: bool,
}

/// Groups the pieces of a correct program into units; the last unit only has a lead.
fn units<'i>(pieces: &[Piece<'i>]) -> (Vec<Unit<'i>>, Vec<Lead<'i>>) {
    let mut units = Vec::new();
    let mut lead = Vec::new();
    // For each open brace whether it holds layers: then a layer begins a unit as an item does elsewhere.
    let mut braces: Vec<bool> = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let piece = &pieces[at];
        let PieceKind::Token(first) = piece.kind else {
            lead.push(Lead { text: piece.text, blank: piece.newlines > 1 });
            at += 1;
            continue;
        };
        if let Token::Doc(text) = first {
            lead.push(Lead { text, blank: piece.newlines > 1 });
            at += 1;
            continue;
        }
        let end = unit_end(pieces, at, braces.last() == Some(&true));
        let opens = pieces[end - 1].kind == PieceKind::Token(Token::BraceOpen);
        match first {
            Token::BraceClose => drop(braces.pop()),
            _ if opens => braces.push(first == Token::Regions),
            _ => {}
        }
        let trail = pieces.get(end).filter(|next| matches!(next.kind, PieceKind::Comment { own_line: false }));
        units.push(Unit {
            lead: std::mem::take(&mut lead),
            first,
            nodes: nodes::build(&pieces[at..end]),
            trail: trail.map(|comment| comment.text),
            blank: piece.newlines > 1,
            same_line: piece.newlines == 0,
            opens,
        });
        at = end + usize::from(trail.is_some());
    }
    (units, lead)
}

/// One past the last token of the unit that begins at `at`.
fn unit_end(pieces: &[Piece<'_>], at: usize, in_layers: bool) -> usize {
    let mut end = at + 1;
    if pieces[at].kind == PieceKind::Token(Token::BraceClose) {
        return end;
    }
    for (offset, piece) in pieces[end..].iter().enumerate() {
        match piece.kind {
            PieceKind::Comment { .. } => {}
            PieceKind::Token(Token::BraceOpen) => return at + 2 + offset,
            PieceKind::Token(Token::Use | Token::Circuit | Token::Doc(_) | Token::BraceClose) => break,
            PieceKind::Token(token) if token.starts_item() => break,
            PieceKind::Token(Token::Sum | Token::Product | Token::Mixing) if in_layers => break,
            PieceKind::Token(_) => end = at + 2 + offset,
        }
    }
    end
}

/// Prints the units and the comments after the last one.
fn print((units, rest): &(Vec<Unit<'_>>, Vec<Lead<'_>>)) -> String {
    let mut printer = Printer { text: String::new(), line: 0 };
    let mut depth = 0;
    for (at, unit) in units.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &units[before]);
        let closes = unit.first == Token::BraceClose;
        let empty = closes && unit.lead.is_empty() && before.is_some_and(|head| head.opens && head.trail.is_none());
        let indent = INDENT * depth;
        depth -= usize::from(closes);
        if empty {
            printer.append("}", unit.trail);
        } else {
            printer.unit(unit, before, indent, INDENT * depth);
        }
        depth += usize::from(unit.opens);
    }
    for (at, lead) in rest.iter().enumerate() {
        printer.lead(lead, 0, (at == 0 && units.is_empty()) || !lead.blank);
    }
    if !printer.text.is_empty() {
        printer.text.push('\n');
    }
    printer.text
}

struct Printer {
    text: String,
    /// The column at the end of the text.
    line: usize,
}

impl Printer {
    fn new_line(&mut self, blank: bool, indent: usize) {
        if !self.text.is_empty() {
            self.text.push_str(if blank { "\n\n" } else { "\n" });
        }
        self.text.push_str(&" ".repeat(indent));
        self.line = indent;
    }

    fn append(&mut self, text: &str, trail: Option<&str>) {
        self.text.push_str(text);
        if let Some(trail) = trail {
            self.text.push(' ');
            self.text.push_str(trail);
        }
        let start = self.text.rfind('\n').map_or(0, |at| at + 1);
        self.line = self.text[start..].chars().count();
    }

    fn lead(&mut self, lead: &Lead<'_>, indent: usize, together: bool) {
        self.new_line(!together, indent);
        self.append(lead.text, None);
    }

    /// Prints a unit: its lead at `lead_indent`, itself at `indent`.
    fn unit(&mut self, unit: &Unit<'_>, before: Option<&Unit<'_>>, lead_indent: usize, indent: usize) {
        let (text, strays) = layout::unit(&unit.nodes, indent);
        let starts_block = before.is_none_or(|before| before.opens);
        let starts_circuit = unit.first == Token::Circuit && before.is_some();
        for (at, lead) in unit.lead.iter().enumerate() {
            let first = at == 0;
            let together = if first && starts_block { true } else { !(lead.blank || first && starts_circuit) };
            self.lead(lead, lead_indent, together);
        }
        for (at, text) in strays.iter().enumerate() {
            let first = at == 0 && unit.lead.is_empty();
            let blank = first && (unit.blank || starts_circuit) && !starts_block;
            self.lead(&Lead { text, blank }, lead_indent, !blank);
        }
        let follows_lead = !unit.lead.is_empty() || !strays.is_empty();
        let follows_doc = unit.lead.last().is_some_and(|lead| nodes::is_doc(lead.text)) || !strays.is_empty();
        let joins = unit.first == Token::Var && unit.same_line && !follows_lead;
        if joins && before.is_some_and(|before| before.first == Token::Var && before.trail.is_none()) {
            let fits = !text.contains('\n') && self.line + 3 + text.chars().count() <= LINE_LIMIT;
            if fits {
                self.text.push_str("   ");
                return self.append(&text, unit.trail);
            }
        }
        let blank = match (follows_lead, unit.first) {
            (_, Token::BraceClose) => false,
            (true, _) => unit.blank && !follows_doc,
            (false, _) => (unit.blank || starts_circuit) && !starts_block,
        };
        self.new_line(blank, indent);
        self.append(&text, unit.trail);
    }
}
