//! The text form of a module: what every dump shows and what [`read`](super::read) reads back.
//!
//! For every module that the verifier accepts, `read(print(m)) == m`. The grammar is in `spec/circuit.md`.
//! The printer also accepts broken modules (a dump of one must be possible), and knows which line shows which
//! part of the module, so that messages can point into the dump.
//!
//! Invariant: this module never looks at anything but the module it prints, so equal modules print equally.

use super::*;
use std::fmt::Write;

/// Lists of numbers are broken into lines of about this many characters.
const LINE: usize = 100;

/// A part of a module that has a line of its own in the text form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index of the circuit.
    pub circuit: usize,
    /// Which part of it.
    pub item: Item,
}

/// See [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// The pending product.
    Product,
    /// The line with the name.
    Head,
    /// An array of variables.
    Variable(usize),
    /// A parameter.
    Parameter(usize),
    /// A layer.
    Layer(LayerId),
    /// A layer in the body of a scan.
    Body(LayerId, LayerId),
    /// The root.
    Root,
    /// The root of the body of a scan.
    BodyRoot(LayerId),
}

/// A line of the text form.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it shows; none for closing brackets and empty lines.
    pub place: Option<Place>,
    /// The text, without line end.
    pub text: String,
}

/// Prints a module.
pub fn print(module: &Module) -> String {
    let mut text = String::new();
    for line in lines(module) {
        text.push_str(&line.text);
        text.push('\n');
    }
    text
}

/// The lines of the text form.
pub fn lines(module: &Module) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, circuit) in module.circuits.iter().enumerate() {
        if index > 0 {
            lines.push(Line { place: None, text: String::new() });
        }
        Printer { circuit, index, lines: &mut lines }.circuit();
    }
    if let Some(product) = &module.product {
        let factors: Vec<String> = module.circuits.iter().map(|c| name(&c.name)).collect();
        let untied = if product.untied { " untied" } else { "" };
        let text = format!("product {} = {}{untied}", name(&product.name), factors.join(" * "));
        lines.push(Line { place: None, text: String::new() });
        lines.push(Line { place: Some(Place { circuit: 0, item: Item::Product }), text });
    }
    lines
}

/// A name as the text form spells it: quoted unless it is made of letters, digits, `_` and `.` and starts
/// with neither a digit nor a dot.
pub fn name(text: &str) -> String {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && is_plain(text) { text.to_string() } else { quoted(text) }
}

/// `@transition`, `@2.transition`, `@"a*b"`.
pub fn parameter_name(text: &str) -> String {
    if is_plain(text) { format!("@{text}") } else { format!("@{}", quoted(text)) }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => write!(out, "\\u{{{:x}}}", c as u32).expect("writing to a string works"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// `sum monarch(64, 64)`, `permute[1, 64, 64]`: an operation without its operands.
pub fn operation(op: &Op) -> String {
    match op {
        Op::Input => "input".into(),
        Op::Hadamard => "hadamard".into(),
        Op::Kronecker => "kronecker".into(),
        Op::Sum(kind) => format!("sum {}", sum_kind(kind)),
        Op::Permute { outer, rows, columns } => format!("permute[{outer}, {rows}, {columns}]"),
        Op::Concat => "concat".into(),
        Op::Stage(Stage { blocks, outputs, inputs, rows, prologue: _ }) => {
            let store = if *rows == 1 { String::new() } else { format!(" rows {rows}") };
            format!("stage[{blocks}; {outputs}, {inputs}]{store}")
        }
        Op::Carry => "carry".into(),
        Op::Scan(scan) => format!("scan {} from", scan.steps),
    }
}

/// `dense`, `block_diagonal(8)`, `monarch(64, 64)`, `kronecker(dense[4, 4], identity[3, 3])`, `mixing`.
pub fn sum_kind(kind: &SumKind) -> String {
    match kind {
        SumKind::Dense => "dense".into(),
        SumKind::BlockDiagonal { blocks } => format!("block_diagonal({blocks})"),
        SumKind::Monarch { factors } => format!("monarch({})", comma(factors)),
        SumKind::Mixing => "mixing".into(),
        SumKind::Kronecker(factors) => {
            let factors: Vec<String> = factors.iter().map(kronecker_factor).collect();
            format!("kronecker({})", factors.join(", "))
        }
    }
}

fn kronecker_factor(factor: &KroneckerFactor) -> String {
    let KroneckerFactor { kind, outputs, inputs } = factor;
    let kind = kind.as_ref().map_or("identity".into(), sum_kind);
    format!("{kind}[{outputs}, {inputs}]")
}

fn comma(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn domain(domain: Domain) -> String {
    match domain {
        Domain::Categorical(size) => format!("categorical({size})"),
        Domain::Binary => "binary".into(),
        Domain::Integer(lo, hi) => format!("integer({lo}..{hi})"),
        Domain::Real => "real".into(),
    }
}

/// `table[1024, 27]`, `weight[1024, 1024]`, `weight[128; 128, 128]`, `mixing[4, 2]`, `gaussian[4; 0.0001]`.
pub fn shape(shape: &ParameterShape) -> String {
    match shape {
        ParameterShape::Table { width, values } => format!("table[{width}, {values}]"),
        ParameterShape::Weight { blocks: _, outputs, inputs, dense: true } => format!("weight[{outputs}, {inputs}]"),
        ParameterShape::Weight { blocks, outputs, inputs, dense: false } => {
            format!("weight[{blocks}; {outputs}, {inputs}]")
        }
        ParameterShape::Mixing { width, inputs } => format!("mixing[{width}, {inputs}]"),
        ParameterShape::Gaussian { width, floor } => format!("gaussian[{width}; {:?}]", floor.0),
    }
}

/// The name of a variable: `x[3]`, in the body of a scan `x[254 - i]`.
pub fn variable(circuit: &Circuit, index: u32, stride: i32) -> String {
    let mut rest = index as usize;
    for array in &circuit.variables {
        if rest >= array.len() {
            rest -= array.len();
            continue;
        }
        let mut places = Vec::new();
        for extent in array.shape.iter().rev() {
            places.push((rest % extent).to_string());
            rest /= extent;
        }
        places.reverse();
        if places.is_empty() && stride != 0 {
            places.push("0".into());
        }
        if let Some(last) = places.last_mut() {
            last.push_str(&stride_text(stride));
        }
        let places = if places.is_empty() { String::new() } else { format!("[{}]", places.join(", ")) };
        return format!("{}{places}", name(&array.name));
    }
    format!("<no variable {index}{}>", stride_text(stride))
}

fn stride_text(stride: i32) -> String {
    let sign = if stride < 0 { '-' } else { '+' };
    match stride.unsigned_abs() {
        0 => String::new(),
        1 => format!(" {sign} i"),
        by => format!(" {sign} {by}*i"),
    }
}

struct Printer<'a> {
    circuit: &'a Circuit,
    index: usize,
    lines: &'a mut Vec<Line>,
}

impl Printer<'_> {
    fn line(&mut self, item: Item, text: String) {
        self.lines.push(Line { place: Some(Place { circuit: self.index, item }), text });
    }

    fn close(&mut self, text: String) {
        self.lines.push(Line { place: None, text });
    }

    fn circuit(&mut self) {
        let Circuit { name: circuit_name, variables, parameters, graph } = self.circuit;
        self.line(Item::Head, format!("circuit {} {{", name(circuit_name)));
        for (i, VariableArray { name: array, shape, domain: values }) in variables.iter().enumerate() {
            let shape = if shape.is_empty() { String::new() } else { format!("[{}]", comma(shape)) };
            self.line(Item::Variable(i), format!("  var {}{shape}: {}", name(array), domain(*values)));
        }
        for (i, parameter) in parameters.iter().enumerate() {
            self.parameter(i, parameter);
        }
        for (id, layer) in graph.layers() {
            self.layer(Item::Layer(id), id, layer, "  ");
        }
        if let Some(root) = graph.root_opt() {
            self.line(Item::Root, format!("  root {root}"));
        }
        self.close("}".into());
    }

    fn parameter(&mut self, index: usize, parameter: &Parameter) {
        let Parameter { name: tie, shape: extents, init } = parameter;
        let item = Item::Parameter(index);
        let head = format!("  param {}: {}", parameter_name(tie), shape(extents));
        if let Init::Given(numbers) = init {
            return self.given(item, head, numbers);
        }
        self.line(item, format!("{head} {}", initial(init)));
    }

    fn given(&mut self, item: Item, head: String, numbers: &[f64]) {
        let mut text = format!("{head} given [");
        for (i, number) in numbers.iter().enumerate() {
            let comma = if i + 1 < numbers.len() { "," } else { "" };
            let number = format!("{number:?}{comma}");
            if text.len() + number.len() >= LINE {
                self.line(item, std::mem::replace(&mut text, "   ".into()));
            }
            if i > 0 {
                text.push(' ');
            }
            text.push_str(&number);
        }
        self.line(item, format!("{text}]"));
    }

    fn layer(&mut self, item: Item, id: LayerId, layer: &Layer, indent: &str) {
        let Layer { op, width, members } = layer;
        let head = format!("{indent}{id} = {}", operation(op));
        let tail = match op {
            Op::Scan(_) => format!(" : {width} {{"),
            _ => format!(" : {width}"),
        };
        let prologue = match op {
            Op::Stage(stage) => stage.prologue,
            _ => usize::MAX,
        };
        if let [member] = members.as_slice() {
            self.line(item, format!("{head}{}{tail}", self.member(member, prologue)));
        } else {
            self.line(item, format!("{head} ["));
            for (part, member) in members.iter().enumerate() {
                self.line(item, format!("{indent}  .{part} ={}", self.member(member, prologue)));
            }
            self.line(item, format!("{indent}]{tail}"));
        }
        if let Op::Scan(scan) = op {
            self.body(id, &scan.body, indent);
        }
    }

    fn body(&mut self, scan: LayerId, body: &LayerGraph, indent: &str) {
        let inner = format!("{indent}  ");
        for (id, layer) in body.layers() {
            self.layer(Item::Body(scan, id), id, layer, &inner);
        }
        if let Some(root) = body.root_opt() {
            self.line(Item::BodyRoot(scan), format!("{inner}root {root}"));
        }
        self.close(format!("{indent}}}"));
    }

    fn member(&self, member: &Member, prologue: usize) -> String {
        let Member { operands, parameters } = member;
        let mut text = String::new();
        for (i, operand) in operands.iter().enumerate() {
            text.push_str(match i {
                0 => " ",
                i if i == prologue => " plus ",
                _ => ", ",
            });
            text.push_str(&self.operand(*operand));
        }
        for parameter in parameters {
            text.push(' ');
            text.push_str(&self.tie(*parameter));
        }
        text
    }

    fn operand(&self, operand: Operand) -> String {
        match operand {
            Operand::Part(PartRef { layer, part: 0 }) => layer.to_string(),
            Operand::Part(PartRef { layer, part }) => format!("{layer}.{part}"),
            Operand::Input(VarUse { index, stride, table }) => {
                format!("({} {})", variable(self.circuit, index, stride), self.tie(table))
            }
        }
    }

    fn tie(&self, id: ParamId) -> String {
        match self.circuit.parameters.get(id.0 as usize) {
            Some(parameter) => parameter_name(&parameter.name),
            None => format!("<no parameter {}>", id.0),
        }
    }
}

fn initial(init: &Init) -> String {
    match init {
        Init::Random => "random".into(),
        Init::Given(_) => unreachable!("given numbers are printed on lines of their own"),
        Init::Indicator { value } => format!("indicator {value}"),
        Init::Identity => "identity".to_string(),
        Init::Member(Family::Binomial) => "binomial".to_string(),
        Init::Member(Family::Logistic) => "logistic".to_string(),
        Init::CopyOf { source, blocks, outputs, inputs } => {
            format!("copy of {}[{blocks}; {outputs}, {inputs}]", parameter_name(source))
        }
        Init::TableProduct { sources, normalize } => {
            let sources: Vec<String> = sources.iter().map(|(s, w)| format!("{}[{w}]", parameter_name(s))).collect();
            let normalized = if *normalize { " normalized" } else { "" };
            format!("tables {}{normalized}", sources.join(" * "))
        }
        Init::WeightProduct { sources } => {
            let source = |(s, o, i): &(String, usize, usize)| format!("{}[{o}, {i}]", parameter_name(s));
            let sources: Vec<String> = sources.iter().map(source).collect();
            format!("weights {}", sources.join(" * "))
        }
    }
}
