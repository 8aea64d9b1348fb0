//! The tokens of a unit as a tree of brackets, and the space between neighbors.

use crate::lex::Token;

/// What a piece of the source is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PieceKind<'i> {
    /// A token.
    Token(Token<'i>),
    /// An ordinary comment, and whether it has its line for itself.
    Comment {
        /// Whether nothing precedes it on its line.
        own_line: bool,
    },
}

/// A token or a comment of the source.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'i> {
    /// What it is.
    pub kind: PieceKind<'i>,
    /// Its text.
    pub text: &'i str,
    /// How many line ends precede it.
    pub newlines: usize,
}

/// A token with what its neighborhood says about it.
#[derive(Clone, Copy, Debug)]
pub struct Word<'i> {
    /// The token.
    pub token: Token<'i>,
    /// Its text.
    pub text: &'i str,
    /// Whether it is a word such as `width` in its special meaning, not a name.
    pub attribute: bool,
    /// Whether it is a minus before an operand.
    pub unary: bool,
}

/// A token, a comment or a bracket with its content.
#[derive(Clone, Debug)]
pub enum Node<'i> {
    /// A token.
    Word(Word<'i>),
    /// A comment, and whether it has its line for itself.
    Comment(&'i str, bool),
    /// A bracket with its content.
    Group(Group<'i>),
}

/// A bracket with its content.
#[derive(Clone, Debug)]
pub struct Group<'i> {
    /// The opening bracket.
    pub open: Word<'i>,
    /// The content, without a comma at the end.
    pub inner: Vec<Node<'i>>,
    /// The closing bracket.
    pub close: Word<'i>,
    /// Whether arithmetic is written without spaces.
    pub tight: bool,
    /// How many columns it takes on one line; nothing if a comment forbids that.
    pub width: Option<usize>,
}

/// Whether a lead is a doc comment.
pub fn is_doc(text: &str) -> bool {
    text.starts_with("///") && !text.starts_with("////")
}

/// The tree of the pieces of one unit.
pub fn build<'i>(pieces: &[Piece<'i>]) -> Vec<Node<'i>> {
    let mut at = 0;
    build_until_close(pieces, &mut at, false)
}

/// Reads nodes up to a closing bracket, which stays unread. An operand is expected at the beginning, after
/// operators and after words such as `width`; a word like these is a name where an operand is expected.
fn build_until_close<'i>(pieces: &[Piece<'i>], at: &mut usize, tight: bool) -> Vec<Node<'i>> {
    let mut nodes = Vec::new();
    let mut operand = true;
    let mut mixing = false;
    while let Some(piece) = pieces.get(*at) {
        let token = match piece.kind {
            PieceKind::Comment { own_line } => {
                nodes.push(Node::Comment(piece.text, own_line));
                *at += 1;
                continue;
            }
            PieceKind::Token(token) => token,
        };
        let mut word = Word { token, text: piece.text, attribute: false, unary: false };
        match token {
            Token::ParenOpen | Token::BracketOpen => {
                nodes.push(Node::Group(build_group(pieces, at, word, tight)));
                operand = false;
                continue;
            }
            Token::ParenClose | Token::BracketClose => break,
            Token::Tie if mixing => word.attribute = true,
            Token::At | Token::By | Token::Below | Token::Depth | Token::Product | Token::Hadamard => operand = false,
            token if is_contextual(token) => {
                word.attribute = !operand;
                operand = word.attribute && matches!(token, Token::Width | Token::Tie | Token::Mixing);
            }
            Token::Name(_) | Token::Integer(_) | Token::Decimal(_) | Token::Text(_) => operand = false,
            Token::Minus => {
                word.unary = operand;
                operand = true;
            }
            _ => operand = true,
        }
        mixing = token == Token::Mixing && word.attribute;
        nodes.push(Node::Word(word));
        *at += 1;
    }
    nodes
}

fn build_group<'i>(pieces: &[Piece<'i>], at: &mut usize, open: Word<'i>, outer_tight: bool) -> Group<'i> {
    *at += 1;
    let start = *at;
    let mut tight = outer_tight || open.token == Token::BracketOpen;
    let mut inner = build_until_close(pieces, at, tight);
    let range = |node: &Node<'_>| matches!(node, Node::Word(word) if word.token == Token::Range);
    if !tight && inner.iter().any(range) {
        tight = true;
        *at = start;
        inner = build_until_close(pieces, at, tight);
    }
    let last = inner.iter().rposition(|node| !matches!(node, Node::Comment(..)));
    if let Some(last) = last
        && matches!(&inner[last], Node::Word(word) if word.token == Token::Comma)
    {
        inner.remove(last);
    }
    let (token, text) = match pieces.get(*at).map(|piece| (piece.kind, piece.text)) {
        Some((PieceKind::Token(token), text)) => (token, text),
        _ => unreachable!("the brackets of a correct program are balanced"),
    };
    *at += 1;
    let close = Word { token, text, attribute: false, unary: false };
    let width = measure(&inner, tight, true).map(|width| width + 2);
    Group { open, inner, close, tight, width }
}

fn is_contextual(token: Token<'_>) -> bool {
    matches!(
        token,
        Token::Reversed
            | Token::Untied
            | Token::Width
            | Token::Dense
            | Token::BlockDiagonal
            | Token::Monarch
            | Token::Tie
            | Token::Mixing
            | Token::Weights
            | Token::Floor
            | Token::At
            | Token::By
            | Token::Below
            | Token::Depth
            | Token::Product
            | Token::Hadamard
    )
}

/// The space between two neighbors. `tight` and `inside` describe the bracket they stand in.
fn gap(left: &Word<'_>, right: &Word<'_>, tight: bool, inside: bool) -> &'static str {
    use Token::*;
    let arithmetic = |token| matches!(token, Plus | Minus | Star | Slash | Percent);
    match (left.token, right.token) {
        (_, Comma) | (Range, _) | (_, Range) => "",
        (_, Colon) if !inside => "",
        (Name(_) | Sum | Kronecker | Monarch | BlockDiagonal, ParenOpen) | (Name(_), BracketOpen) => "",
        (token, ParenOpen | BracketOpen) if is_contextual(token) && !left.attribute => "",
        _ if left.unary => "",
        (before, after) if tight && (arithmetic(before) || arithmetic(after)) && !right.unary => "",
        (before, _) if tight && right.unary && arithmetic(before) => "",
        _ => " ",
    }
}

fn ends<'n, 'i>(node: &'n Node<'i>) -> Option<(&'n Word<'i>, &'n Word<'i>)> {
    match node {
        Node::Word(word) => Some((word, word)),
        Node::Group(group) => Some((&group.open, &group.close)),
        Node::Comment(..) => None,
    }
}

/// The space between two nodes.
pub fn space(left: &Node<'_>, right: &Node<'_>, tight: bool, inside: bool) -> &'static str {
    match (ends(left), ends(right)) {
        (Some((_, left)), Some((right, _))) => gap(left, right, tight, inside),
        _ => " ",
    }
}

/// How many columns nodes take on one line; nothing if a comment forbids that.
pub fn measure(nodes: &[Node<'_>], tight: bool, inside: bool) -> Option<usize> {
    let mut width = 0;
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            width += space(&nodes[at - 1], node, tight, inside).len();
        }
        width += match node {
            Node::Word(word) => word.text.chars().count(),
            Node::Group(group) => group.width?,
            Node::Comment(..) => return None,
        };
    }
    Some(width)
}

/// Nodes on one line. Comments, of which there are none where this is used, would be left out.
pub fn flat(nodes: &[Node<'_>], tight: bool, inside: bool) -> String {
    let mut text = String::new();
    write_flat(nodes, tight, inside, &mut text);
    text
}

fn write_flat(nodes: &[Node<'_>], tight: bool, inside: bool, text: &mut String) {
    for (at, node) in nodes.iter().enumerate() {
        if at > 0 {
            text.push_str(space(&nodes[at - 1], node, tight, inside));
        }
        match node {
            Node::Word(word) => text.push_str(word.text),
            Node::Group(group) => {
                text.push_str(group.open.text);
                write_flat(&group.inner, group.tight, true, text);
                text.push_str(group.close.text);
            }
            Node::Comment(..) => {}
        }
    }
}
