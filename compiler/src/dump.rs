//! Tokens and syntax trees as text, for `--emit=tokens` and `--emit=ast`.
//!
//! The text is made for reading: one node a line, indented by depth, places as `line:column` counted from one.
//! It is a function of the source alone.

use crate::ast::*;
use crate::diagnostic::Lines;
use crate::lex::{Token, lex};

/// The tokens and comments of `text`, one a line: place, kind, text.
pub fn tokens(text: &str) -> String {
    let lexed = lex(0, text);
    let mut rows: Vec<(u32, u32, String)> = lexed
        .lexemes
        .iter()
        .map(|lexeme| (lexeme.start, lexeme.end, kind(lexeme.token).to_string()))
        .chain(lexed.comments.iter().map(|comment| (comment.span.start, comment.span.end, "comment".to_string())))
        .collect();
    rows.sort();
    let positions = Lines::new(text);
    let mut lines = String::new();
    for (start, end, kind) in rows {
        let (line, column) = positions.position(start);
        let place = format!("{line}:{column}");
        let slice = text.get(start as usize..end as usize).unwrap_or_default();
        lines.push_str(format!("{place:<8} {kind:<8} {}", slice.escape_debug()).trim_end());
        lines.push('\n');
    }
    lines
}

fn kind(token: Token<'_>) -> &'static str {
    match token {
        Token::Name(_) => "name",
        Token::Integer(_) => "integer",
        Token::Decimal(_) => "decimal",
        Token::Text(_) => "string",
        Token::Doc(_) => "doc",
        Token::Error | Token::BadNumber(_) => "error",
        token if token.is_reserved() => "reserved",
        Token::Reversed | Token::Untied | Token::Width | Token::Dense | Token::BlockDiagonal => "word",
        Token::Monarch | Token::Tie | Token::Mixing | Token::Weights => "word",
        Token::At | Token::By | Token::Below | Token::Depth | Token::Product | Token::Hadamard => "word",
        _ => "symbol",
    }
}

/// The syntax tree of the file with the content `text`.
pub fn ast(file: &File, text: &str) -> String {
    write(file, Some(Lines::new(text)))
}

/// The syntax tree without places: equal for equal trees.
pub fn shape(file: &File) -> String {
    write(file, None)
}

fn write(file: &File, source: Option<Lines<'_>>) -> String {
    let mut dump = Dump { source, lines: String::new(), depth: 0 };
    dump.line("file", None);
    dump.depth = 1;
    for path in &file.uses {
        dump.line(format!("use {:?}", path.value), Some(path.span));
    }
    for circuit in &file.circuits {
        dump.circuit(circuit);
    }
    dump.lines
}

/// An integer or string expression, each operation in parentheses.
pub fn expr(value: &Expr) -> String {
    match value {
        Expr::Integer(number, _) => number.to_string(),
        Expr::Text(text, _) => format!("{text:?}"),
        Expr::Name(name) => name.value.clone(),
        Expr::Negate(inner, _) => format!("(-{})", expr(inner)),
        Expr::Binary(op, left, right, _) => format!("({} {} {})", expr(left), operator(*op), expr(right)),
    }
}

fn operator(op: BinaryOp) -> &'static str {
    match op {
        BinaryOp::Add => "+",
        BinaryOp::Subtract => "-",
        BinaryOp::Multiply => "*",
        BinaryOp::Divide => "/",
        BinaryOp::Remainder => "%",
    }
}

fn exprs(values: &[Expr]) -> String {
    values.iter().map(expr).collect::<Vec<_>>().join(", ")
}

fn bracketed(values: &str) -> String {
    if values.is_empty() { String::new() } else { format!("[{values}]") }
}

fn index(index: &Index) -> String {
    match index {
        Index::At(value) => expr(value),
        Index::Range { name, from, to, reversed, .. } => {
            let direction = if *reversed { " reversed" } else { "" };
            format!("{} in {}..{}{direction}", name.value, expr(from), expr(to))
        }
    }
}

fn indices(values: &[Index]) -> String {
    bracketed(&values.iter().map(index).collect::<Vec<_>>().join(", "))
}

fn reference(value: &Ref) -> String {
    format!("{}{}", value.name.value, bracketed(&exprs(&value.indices)))
}

fn builder_head(builder: &Builder) -> String {
    let argument = |argument: &BuilderArgument| match &argument.name {
        Some(name) => format!("{} = {}", name.value, expr(&argument.value)),
        None => expr(&argument.value),
    };
    let arguments: Vec<String> = builder.arguments.iter().map(argument).collect();
    let name = builder.name.as_ref().map_or(String::new(), |name| format!("{} = ", name.value));
    format!("regions {name}{}({})", builder.builder.value, arguments.join(", "))
}

struct Dump<'t> {
    source: Option<Lines<'t>>,
    lines: String,
    depth: usize,
}

impl Dump<'_> {
    fn line(&mut self, content: impl AsRef<str>, span: Option<Span>) {
        self.lines.push_str(&"  ".repeat(self.depth));
        self.lines.push_str(content.as_ref());
        if let (Some(span), Some(source)) = (span, &self.source) {
            let (from_line, from) = source.position(span.start);
            let (to_line, to) = source.position(span.end);
            self.lines.push_str(&format!("  @{from_line}:{from}-{to_line}:{to}"));
        }
        self.lines.push('\n');
    }

    fn docs(&mut self, docs: &[String]) {
        for doc in docs {
            self.line(format!("doc {doc:?}"), None);
        }
    }

    fn circuit(&mut self, circuit: &Circuit) {
        self.line(format!("circuit {}", circuit.name.value), Some(circuit.span));
        self.depth += 1;
        self.docs(&circuit.doc);
        for parameter in &circuit.parameters {
            let line = format!("parameter {} = {}", parameter.name.value, expr(&parameter.default));
            self.line(line, Some(parameter.name.span));
        }
        match &circuit.body {
            CircuitBody::Items(items) => items.iter().for_each(|item| self.item(item)),
            CircuitBody::Product { factors, untied } => {
                for factor in factors {
                    self.line(format!("factor {}", factor.name.value), Some(factor.span));
                    self.depth += 1;
                    for (name, value) in &factor.arguments {
                        self.line(format!("set {} = {}", name.value, expr(value)), Some(name.span));
                    }
                    self.depth -= 1;
                }
                if let Some(span) = untied {
                    self.line("untied", Some(*span));
                }
            }
        }
        self.depth -= 1;
    }

    fn item(&mut self, item: &Item) {
        let head = match &item.kind {
            ItemKind::Variable { name, shape, domain } => {
                let arguments = exprs(&domain.arguments);
                let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
                format!("var {}{}: {}{arguments}", name.value, bracketed(&exprs(shape)), domain.name.value)
            }
            ItemKind::Input { name, indices: at, .. } => format!("input {}{}", name.value, indices(at)),
            ItemKind::Region { name, indices: at, .. } => format!("region {}{}", name.value, indices(at)),
            ItemKind::Regions(builder) => builder_head(builder),
            ItemKind::Root { .. } => "root".to_string(),
        };
        self.line(head, Some(item.span));
        self.depth += 1;
        self.docs(&item.doc);
        match &item.kind {
            ItemKind::Variable { .. } => {}
            ItemKind::Regions(builder) => builder.layers.iter().for_each(|layer| self.layer(layer)),
            ItemKind::Input { distribution, attributes, .. } => {
                let mut arguments = reference(&distribution.variable);
                for argument in &distribution.arguments {
                    arguments.push_str(&format!(", {}", expr(argument)));
                }
                self.line(format!("{}({arguments})", distribution.name.value), Some(distribution.span));
                self.attributes(attributes);
            }
            ItemKind::Region { value, attributes, .. } | ItemKind::Root { value, attributes } => {
                self.region(value);
                self.attributes(attributes);
            }
        }
        self.depth -= 1;
    }

    fn region(&mut self, value: &RegionExpr) {
        match value {
            RegionExpr::Ref(place) => self.line(reference(place), Some(place.span)),
            RegionExpr::Hadamard(parts, span) => self.parts("hadamard", parts, *span),
            RegionExpr::Kronecker(parts, span) => self.parts("kronecker", parts, *span),
            RegionExpr::Mixture(parts, span) => self.parts("mixture", parts, *span),
            RegionExpr::Sum(sum) => {
                self.line("sum", Some(sum.span));
                self.depth += 1;
                for (weight, operand) in &sum.operands {
                    if let Some(weight) = weight {
                        self.line(format!("weight {}", weight.value), Some(weight.span));
                    }
                    self.region(operand);
                }
                self.attributes(&sum.attributes);
                self.depth -= 1;
            }
        }
    }

    fn parts(&mut self, head: &str, parts: &[RegionExpr], span: Span) {
        self.line(head, Some(span));
        self.depth += 1;
        parts.iter().for_each(|part| self.region(part));
        self.depth -= 1;
    }

    fn layer(&mut self, layer: &Layer) {
        let head = match &layer.kind {
            LayerKind::Input(distribution) => format!("layer input {}", distribution.value),
            LayerKind::Sum => "layer sum".to_string(),
            LayerKind::Hadamard => "layer product hadamard".to_string(),
            LayerKind::Kronecker => "layer product kronecker".to_string(),
            LayerKind::Mixing => "layer mixing".to_string(),
        };
        self.line(head, Some(layer.span));
        self.depth += 1;
        for attribute in &layer.attributes {
            match attribute {
                LayerAttribute::Plain(attribute) => self.attributes(std::slice::from_ref(attribute)),
                LayerAttribute::WidthByDepth(cases, span) => {
                    self.line("width by depth", Some(*span));
                    self.depth += 1;
                    cases.iter().for_each(|case| self.width_case(case));
                    self.depth -= 1;
                }
                LayerAttribute::TieBy(of, span) => self.line(format!("tie by {}", of.value), Some(*span)),
            }
        }
        self.depth -= 1;
    }

    fn width_case(&mut self, case: &WidthCase) {
        let width = expr(&case.width);
        let line = match &case.depths {
            Some((from, to)) => format!("{width} at depth {}..{}", expr(from), expr(to)),
            None => format!("{width} below"),
        };
        self.line(line, Some(case.span));
    }

    fn attributes(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            match attribute {
                Attribute::Width(value, span) => self.line(format!("width {}", expr(value)), Some(*span)),
                Attribute::Dense(span) => self.line("dense", Some(*span)),
                Attribute::BlockDiagonal(value, span) => {
                    self.line(format!("block_diagonal({})", expr(value)), Some(*span));
                }
                Attribute::Monarch(values, span) => self.line(format!("monarch({})", exprs(values)), Some(*span)),
                Attribute::Tie(name) => self.line(format!("tie {}", name.value), Some(name.span)),
                Attribute::MixingTie(name, span) => self.line(format!("mixing tie {}", name.value), Some(*span)),
                Attribute::Floor(value, span) => self.line(format!("floor {}", value.value), Some(*span)),
                Attribute::Weights(rows, span) => {
                    self.line("weights", Some(*span));
                    self.depth += 1;
                    for row in rows {
                        let numbers: Vec<String> = row.iter().map(|number| number.value.to_string()).collect();
                        self.line(format!("[{}]", numbers.join(", ")), None);
                    }
                    self.depth -= 1;
                }
            }
        }
    }
}
