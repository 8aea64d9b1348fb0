//! How a unit is broken into lines.
//!
//! On one line if it fits. Otherwise, in this order: the value on a line of its own; the value broken before its
//! operators and the attributes below it; brackets broken after their commas, the longest first. A comment inside a
//! unit breaks what contains it. A comment between two tokens that no rule can break apart is a *stray*: it moves to
//! a line before the unit.

use super::nodes::{Group, Node, flat, measure, space};
use super::{INDENT, LINE_LIMIT};
use crate::lex::Token;

/// A part of a list, with the comments on the lines before it and the one behind it.
#[derive(Default)]
struct Part<'i> {
    lead: Vec<&'i str>,
    nodes: Vec<Node<'i>>,
    trail: Option<&'i str>,
}

/// Where a list may be broken.
#[derive(PartialEq)]
enum Boundary {
    No,
    Before,
    Comma,
}

/// The lines of a unit, of which all but the first begin with their indentation, and its strays.
pub fn unit<'i>(nodes: &[Node<'i>], indent: usize) -> (String, Vec<&'i str>) {
    let mut layout = Layout { strays: Vec::new() };
    let text = layout.unit(nodes, indent);
    if layout.strays.is_empty() {
        return (text, Vec::new());
    }
    let text = Layout { strays: Vec::new() }.unit(&without(nodes, &layout.strays), indent);
    (text, layout.strays)
}

/// The nodes without some comments, which are told apart by where they stand in the source.
fn without<'i>(nodes: &[Node<'i>], strays: &[&'i str]) -> Vec<Node<'i>> {
    let kept = nodes.iter().filter(|node| match node {
        Node::Comment(text, _) => !strays.iter().any(|stray| std::ptr::eq(stray.as_ptr(), text.as_ptr())),
        _ => true,
    });
    kept.map(|node| match node {
        Node::Group(group) => {
            let inner = without(&group.inner, strays);
            let width = measure(&inner, group.tight, true).map(|width| width + 2);
            Node::Group(Group { inner, width, ..*group })
        }
        other => other.clone(),
    })
    .collect()
}

fn is_comment(node: &Node<'_>) -> bool {
    matches!(node, Node::Comment(..))
}

fn is_attribute(node: &Node<'_>) -> bool {
    matches!(node, Node::Word(word) if word.attribute && word.token != Token::Reversed)
}

/// Whether an attribute begins at `at`: the `tie` of `mixing tie` does not begin one.
fn starts_attribute(nodes: &[Node<'_>], at: usize) -> bool {
    let before = nodes[..at].iter().rfind(|node| !is_comment(node));
    let mixing = before.is_some_and(|node| is_attribute(node) && has_token(node, Token::Mixing));
    is_attribute(&nodes[at]) && !mixing
}

fn has_token(node: &Node<'_>, token: Token<'_>) -> bool {
    matches!(node, Node::Word(word) if word.token == token)
}

/// The weakest operator between regions among `nodes`.
fn weakest(nodes: &[Node<'_>]) -> Option<Token<'static>> {
    [Token::Bar, Token::Star].into_iter().find(|operator| nodes.iter().any(|node| has_token(node, *operator)))
}

fn new_line(text: &mut String, indent: usize) {
    text.push('\n');
    text.push_str(&" ".repeat(indent));
}

struct Layout<'i> {
    strays: Vec<&'i str>,
}

impl<'i> Layout<'i> {
    fn unit(&mut self, nodes: &[Node<'i>], indent: usize) -> String {
        if measure(nodes, false, false).is_some_and(|width| indent + width <= LINE_LIMIT) {
            return flat(nodes, false, false);
        }
        let equals = nodes.iter().position(|node| has_token(node, Token::Equals));
        let root = nodes.first().is_some_and(|node| has_token(node, Token::Root));
        let Some(split) = equals.or(root.then_some(0)) else {
            return self.chain(nodes, indent, false, false);
        };
        let (head, rest) = nodes.split_at(split + 1);
        let inner = indent + INDENT;
        if !root && measure(rest, false, false).is_some_and(|width| inner + width <= LINE_LIMIT) {
            let mut text = self.chain(head, indent, false, false);
            new_line(&mut text, inner);
            return text + &flat(rest, false, false);
        }
        let end = (0..rest.len()).find(|&at| starts_attribute(rest, at)).unwrap_or(rest.len());
        let operator = weakest(&rest[..end]);
        if operator.is_none() && !rest.iter().any(is_comment) {
            return self.chain(nodes, indent, false, false);
        }
        let parts = self.split(rest, |at| match operator {
            Some(operator) if at < end && has_token(&rest[at], operator) => Boundary::Before,
            _ if at >= end && starts_attribute(rest, at) => Boundary::Before,
            _ => Boundary::No,
        });
        let mut text = self.chain(head, indent, false, false);
        let same_line = root && parts.0.first().is_some_and(|part| part.lead.is_empty());
        self.value_and_attributes(parts, inner, same_line, &mut text);
        text
    }

    /// Writes the parts of a value, each on its line, then the attributes, on one line if they fit.
    fn value_and_attributes(
        &mut self,
        (parts, tail): (Vec<Part<'i>>, Vec<&'i str>),
        indent: usize,
        same_line: bool,
        text: &mut String,
    ) {
        let attributes = parts.iter().position(|part| part.nodes.first().is_some_and(is_attribute));
        let attributes = attributes.unwrap_or(parts.len());
        let together: Vec<Node<'i>> = parts[attributes..].iter().flat_map(|part| part.nodes.iter().cloned()).collect();
        let bare = parts[attributes..].iter().all(|part| part.lead.is_empty() && part.trail.is_none());
        let fits = measure(&together, false, false).is_some_and(|width| indent + width <= LINE_LIMIT);
        let join = bare && fits && !together.is_empty();
        for (at, part) in parts.iter().enumerate() {
            if join && at >= attributes {
                break;
            }
            self.part(part, indent, at == 0 && same_line, (false, false), text);
            text.push_str(&part.trail.map(|trail| format!(" {trail}")).unwrap_or_default());
        }
        if join {
            new_line(text, indent);
            text.push_str(&flat(&together, false, false));
        }
        self.strays.extend(tail);
    }

    /// Writes the comments before a part and the part.
    fn part(&mut self, part: &Part<'i>, indent: usize, same_line: bool, style: (bool, bool), text: &mut String) {
        for comment in &part.lead {
            new_line(text, indent);
            text.push_str(comment);
        }
        if same_line {
            text.push(' ');
        } else {
            new_line(text, indent);
        }
        text.push_str(&self.sequence(&part.nodes, indent, style.0, style.1));
    }

    /// An operand or an element of a list: broken before its operators if it has any.
    fn sequence(&mut self, nodes: &[Node<'i>], indent: usize, tight: bool, inside: bool) -> String {
        // A comma follows inside of brackets.
        let limit = LINE_LIMIT - usize::from(inside);
        if measure(nodes, tight, inside).is_some_and(|width| indent + width <= limit) {
            return flat(nodes, tight, inside);
        }
        let leading = usize::from(nodes.first().is_some_and(|node| ends_operator(node)));
        let Some(operator) = weakest(&nodes[leading..]) else {
            return self.chain(nodes, indent, tight, inside);
        };
        let (parts, tail) = self
            .split(nodes, |at| if at > 0 && has_token(&nodes[at], operator) { Boundary::Before } else { Boundary::No });
        self.strays.extend(tail);
        let mut text = String::new();
        for (at, part) in parts.iter().enumerate() {
            if at == 0 {
                self.strays.extend(&part.lead);
                text.push_str(&self.sequence(&part.nodes, indent, tight, inside));
            } else {
                self.part(part, indent + INDENT, false, (tight, inside), &mut text);
            }
            text.push_str(&part.trail.map(|trail| format!(" {trail}")).unwrap_or_default());
        }
        text
    }

    /// Nodes one after the other on one line, with as many brackets broken as that needs.
    fn chain(&mut self, nodes: &[Node<'i>], indent: usize, tight: bool, inside: bool) -> String {
        let mut kept: Vec<Node<'i>> = Vec::new();
        for node in nodes {
            match node {
                Node::Comment(text, _) => self.strays.push(text),
                other => kept.push(other.clone()),
            }
        }
        let broken = to_break(&kept, indent, tight, inside);
        let mut text = String::new();
        for (at, node) in kept.iter().enumerate() {
            if at > 0 {
                text.push_str(space(&kept[at - 1], node, tight, inside));
            }
            match node {
                Node::Group(group) if broken.contains(&at) => self.group(group, indent, &mut text),
                other => text.push_str(&flat(std::slice::from_ref(other), tight, inside)),
            }
        }
        text
    }

    /// A bracket over several lines.
    fn group(&mut self, group: &Group<'i>, indent: usize, text: &mut String) {
        let inner = indent + INDENT;
        let (parts, tail) = self.split(&group.inner, |at| {
            if has_token(&group.inner[at], Token::Comma) { Boundary::Comma } else { Boundary::No }
        });
        text.push_str(group.open.text);
        if tail.is_empty() && is_table(&parts) {
            fill(&parts, inner, group.tight, text);
        } else {
            let several = parts.len() > 1;
            for part in &parts {
                self.part(part, inner, false, (group.tight, true), text);
                text.push_str(if several { "," } else { "" });
                text.push_str(&part.trail.map(|trail| format!(" {trail}")).unwrap_or_default());
            }
            for comment in tail {
                new_line(text, inner);
                text.push_str(comment);
            }
        }
        new_line(text, indent);
        text.push_str(group.close.text);
    }

    /// Cuts nodes into parts at boundaries. The second result are comments after the last part.
    fn split(&mut self, nodes: &[Node<'i>], boundary: impl Fn(usize) -> Boundary) -> (Vec<Part<'i>>, Vec<&'i str>) {
        let mut parts: Vec<Part<'i>> = vec![Part::default()];
        let mut pending: Vec<&'i str> = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let last = parts.len() - 1;
            if let Node::Comment(comment, own_line) = node {
                let next = (at..nodes.len()).find(|&next| !is_comment(&nodes[next]));
                let before = if parts[last].nodes.is_empty() { last.checked_sub(1) } else { Some(last) };
                let behind = before.filter(|&part| !own_line && parts[part].trail.is_none() && pending.is_empty());
                let inside = !parts[last].nodes.is_empty() && next.is_some_and(|next| boundary(next) == Boundary::No);
                match behind {
                    _ if inside => self.strays.push(comment),
                    Some(part) if part == last || parts[last].lead.is_empty() => parts[part].trail = Some(comment),
                    _ if parts[last].nodes.is_empty() => parts[last].lead.push(comment),
                    _ => pending.push(comment),
                }
                continue;
            }
            let here = boundary(at);
            if here == Boundary::Comma || here == Boundary::Before && !parts[last].nodes.is_empty() {
                parts.push(Part { lead: std::mem::take(&mut pending), ..Part::default() });
            }
            if here != Boundary::Comma {
                parts.last_mut().expect("there is always a part").nodes.push(node.clone());
            }
        }
        if parts.last().is_some_and(|part| part.nodes.is_empty()) {
            let rest = parts.pop().expect("there is always a part");
            pending.splice(0..0, rest.lead);
        }
        (parts, pending)
    }
}

fn ends_operator(node: &Node<'_>) -> bool {
    has_token(node, Token::Bar) || has_token(node, Token::Star)
}

/// Which brackets are broken so that what remains on one line fits: those with comments, then the longest.
fn to_break(nodes: &[Node<'_>], indent: usize, tight: bool, inside: bool) -> Vec<usize> {
    let group = |at: usize| if let Node::Group(group) = &nodes[at] { Some(group) } else { None };
    let mut groups: Vec<usize> =
        (0..nodes.len()).filter(|&at| group(at).is_some_and(|g| !g.inner.is_empty())).collect();
    groups.sort_by_key(|&at| std::cmp::Reverse(group(at).and_then(|group| group.width).unwrap_or(usize::MAX)));
    if groups.len() > 64 {
        return groups;
    }
    let forced = groups.iter().filter(|&&at| group(at).is_some_and(|group| group.width.is_none())).count();
    for count in forced..groups.len() {
        if longest_line(nodes, &groups[..count], tight, inside) + indent <= LINE_LIMIT {
            return groups[..count].to_vec();
        }
        // Brackets that are short do not help.
        if group(groups[count]).and_then(|group| group.width).is_some_and(|width| width < 16) {
            return groups[..count].to_vec();
        }
    }
    groups
}

fn longest_line(nodes: &[Node<'_>], broken: &[usize], tight: bool, inside: bool) -> usize {
    let mut longest = 0;
    let mut line = 0;
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            line += space(&nodes[at - 1], node, tight, inside).len();
        }
        if broken.contains(&at) {
            longest = longest.max(line + 1);
            line = 1;
        } else {
            line += measure(std::slice::from_ref(node), tight, inside).unwrap_or(0);
        }
    }
    longest.max(line)
}

/// Whether the parts are numbers only, of which many may share a line.
fn is_table(parts: &[Part<'_>]) -> bool {
    let number = |node: &Node<'_>| matches!(node, Node::Word(word) if matches!(word.token, Token::Minus | Token::Integer(_) | Token::Decimal(_)));
    parts.len() > 8
        && parts.iter().all(|part| part.lead.is_empty() && part.trail.is_none() && part.nodes.iter().all(number))
}

fn fill(parts: &[Part<'_>], indent: usize, tight: bool, text: &mut String) {
    let mut column = LINE_LIMIT;
    for part in parts {
        let item = flat(&part.nodes, tight, true);
        if column + 2 + item.len() > LINE_LIMIT {
            new_line(text, indent);
            column = indent;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(&item);
        text.push(',');
        column += item.len() + 1;
    }
}
