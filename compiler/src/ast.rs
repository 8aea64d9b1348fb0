//! The syntax tree of a `.pc` file: what the parser builds and `danaus fmt` prints.
//!
//! Every node that a diagnostic may point at carries its [`Span`]. Names are not resolved and sizes are
//! not computed here; that is the work of the `model`. The tree keeps doc comments; ordinary comments are
//! kept beside it by the lexer, so that the formatter can put them back.

/// A range of bytes of one source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Which file: an index into the list of loaded sources.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A name as it is written.
pub type Name = Spanned<String>;

/// A whole file: `use` lines, then circuits.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// `use "hmm.pc"`: the paths, relative to this file.
    pub uses: Vec<Spanned<String>>,
    /// The circuits in order; the last one is what the file compiles to unless another is asked for by name.
    pub circuits: Vec<Circuit>,
}

/// One `circuit`.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// Doc comment lines, without the `///`.
    pub doc: Vec<String>,
    /// The name after `circuit`.
    pub name: Name,
    /// `(T = 256, H = 1024)`.
    pub parameters: Vec<Parameter>,
    /// What stands after the head.
    pub body: CircuitBody,
    /// The whole item.
    pub span: Span,
}

/// A compile-time parameter with its default: an integer or a string.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as used in expressions and in `--set NAME=VALUE`.
    pub name: Name,
    /// Its default; it may use the parameters before it.
    pub default: Expr,
}

/// The two ways to define a circuit.
#[derive(Clone, Debug, PartialEq)]
pub enum CircuitBody {
    /// `{ var .. input .. region .. root .. }`
    Items(Vec<Item>),
    /// `= hmm(H = 512) * hmm(H = 1024) untied`
    Product {
        /// The multiplied circuits, two or more (one alone renames or re-parametrises a circuit).
        factors: Vec<CircuitCall>,
        /// Whether `untied` was written.
        untied: Option<Span>,
    },
}

/// `hmm(H = 512)`: a circuit with some parameters set.
#[derive(Clone, Debug, PartialEq)]
pub struct CircuitCall {
    /// Which circuit.
    pub name: Name,
    /// The parameters set here.
    pub arguments: Vec<(Name, Expr)>,
    /// The whole call.
    pub span: Span,
}

/// A line of a circuit's body.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Doc comment lines, without the `///`.
    pub doc: Vec<String>,
    /// What it declares.
    pub kind: ItemKind,
    /// The whole item.
    pub span: Span,
}

/// The kinds of item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemKind {
    /// `var x[T]: categorical(V)`
    Variable {
        /// Its name.
        name: Name,
        /// The extent of each axis; empty for a single variable.
        shape: Vec<Expr>,
        /// Its values.
        domain: Domain,
    },
    /// `input emit[t in 0..T] = categorical(x[t]) width H tie emission`
    Input {
        /// Its name.
        name: Name,
        /// Its indices: fixed or ranges.
        indices: Vec<Index>,
        /// The distribution.
        distribution: Distribution,
        /// `width`, `tie`, `weights` ..
        attributes: Vec<Attribute>,
    },
    /// `region z[t in 0..T-1 reversed] = emit[t] * sum(z[t+1]) width H dense tie transition`
    Region {
        /// Its name.
        name: Name,
        /// Its indices: fixed or ranges.
        indices: Vec<Index>,
        /// The units of the region, computed from other regions.
        value: RegionExpr,
        /// Attributes of the sums in `value` that have none of their own.
        attributes: Vec<Attribute>,
    },
    /// `regions quad_tree(p) { input categorical width K   sum width K dense   product hadamard }`
    Regions(Builder),
    /// `root sum(z[0]) tie initial`
    Root {
        /// The root, of width 1.
        value: RegionExpr,
        /// Attributes of the sums in `value` that have none of their own.
        attributes: Vec<Attribute>,
    },
}

/// Regions from a builder: how variables are split, and the layers that compute each region.
#[derive(Clone, Debug, PartialEq)]
pub struct Builder {
    /// `regions top = quad_tree(p) ..`: the name of the region of all variables. Without one it becomes the root.
    pub name: Option<Name>,
    /// The word, such as `quad_tree`.
    pub builder: Name,
    /// What stands in parentheses.
    pub arguments: Vec<BuilderArgument>,
    /// The layers in order, from the parts of a region to the region.
    pub layers: Vec<Layer>,
    /// All up to the closing parenthesis.
    pub head: Span,
}

/// An argument of a builder: a variable, or an option with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct BuilderArgument {
    /// `depth` in `depth = 4`; none for a variable.
    pub name: Option<Name>,
    /// The variable or the value of the option.
    pub value: Expr,
}

/// A layer of a builder.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What it does.
    pub kind: LayerKind,
    /// Its attributes.
    pub attributes: Vec<LayerAttribute>,
    /// The whole.
    pub span: Span,
}

/// The kinds of layer of a builder.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerKind {
    /// `input categorical ..`: the distribution of each variable.
    Input(Name),
    /// `sum ..`
    Sum,
    /// `product hadamard`
    Hadamard,
    /// `product kronecker`
    Kronecker,
    /// `mixing ..`: a mixture of the partitions of a region.
    Mixing,
}

/// An attribute of a layer of a builder.
#[derive(Clone, Debug, PartialEq)]
pub enum LayerAttribute {
    /// What any sum or input may have.
    Plain(Attribute),
    /// `width 64 at depth 0..2, 32 below`
    WidthByDepth(Vec<WidthCase>, Span),
    /// `tie by depth`
    TieBy(Name, Span),
}

/// A width for some depths.
#[derive(Clone, Debug, PartialEq)]
pub struct WidthCase {
    /// The number of units.
    pub width: Expr,
    /// From the first depth to the one after the last; none for all that no other case covers.
    pub depths: Option<(Expr, Expr)>,
    /// The whole.
    pub span: Span,
}

/// A domain: `categorical(K)`, `binary`, `integer(lo..hi)`, `real`.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// The word.
    pub name: Name,
    /// What stands in parentheses; a range `lo..hi` gives two.
    pub arguments: Vec<Expr>,
    /// The whole.
    pub span: Span,
}

/// An index in a declaration.
#[derive(Clone, Debug, PartialEq)]
pub enum Index {
    /// `z[T-1]`
    At(Expr),
    /// `z[t in 0..T-1 reversed]`: one declaration for each value, in this order.
    Range {
        /// The loop variable.
        name: Name,
        /// First value.
        from: Expr,
        /// One past the last value.
        to: Expr,
        /// Whether the order is downwards.
        reversed: bool,
        /// The whole.
        span: Span,
    },
}

/// `categorical(x[t])`, `bernoulli(rain)`, `indicator(rain, 1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    /// The word.
    pub name: Name,
    /// The variable.
    pub variable: Ref,
    /// Further arguments: the literal's value.
    pub arguments: Vec<Expr>,
    /// The whole.
    pub span: Span,
}

/// `z[t+1]`: a variable, an input or a region.
#[derive(Clone, Debug, PartialEq)]
pub struct Ref {
    /// Its name.
    pub name: Name,
    /// Its indices.
    pub indices: Vec<Expr>,
    /// The whole.
    pub span: Span,
}

/// An expression over regions. Its value is a vector of units.
#[derive(Clone, Debug, PartialEq)]
pub enum RegionExpr {
    /// A region or an input.
    Ref(Ref),
    /// `a * b * c`: the Hadamard product, unit by unit.
    Hadamard(Vec<RegionExpr>, Span),
    /// `kronecker(a, b)`: all pairs of units, the first operand most significant.
    Kronecker(Vec<RegionExpr>, Span),
    /// `a | b`: several partitions of one region, mixed unit by unit.
    Mixture(Vec<RegionExpr>, Span),
    /// `sum(a) width H dense tie w` or `sum(0.4 : a, 0.6 : b)`.
    Sum(Sum),
}

/// A sum over the units of its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Sum {
    /// The operands, each with its given weight if one was written. Several operands are concatenated.
    pub operands: Vec<(Option<Number>, RegionExpr)>,
    /// Attributes written inside parentheses: `(sum(a) width 4 tie w) * b`.
    pub attributes: Vec<Attribute>,
    /// The whole.
    pub span: Span,
}

/// A number as written: `0.4`, `1e-3`, `2`.
pub type Number = Spanned<f64>;

/// What may follow an input, a region, a root or a sum in parentheses.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// `width H`
    Width(Expr, Span),
    /// `dense`
    Dense(Span),
    /// `block_diagonal(b)`
    BlockDiagonal(Expr, Span),
    /// `monarch(b1, .., bd)`
    Monarch(Vec<Expr>, Span),
    /// `tie transition`
    Tie(Name),
    /// `mixing tie m`: the name of the weights that mix several partitions.
    MixingTie(Name, Span),
    /// `weights [[0.1, 0.9], [0.5, 0.5]]`: given numbers, row = output (for an input: row = unit, probabilities).
    Weights(Vec<Vec<Number>>, Span),
    /// `floor 0.01`: what the variances of a Gaussian input are not below.
    Floor(Number, Span),
}

/// An integer (or string) expression, computed at compile time.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// `256`
    Integer(i64, Span),
    /// `"train.npy"`
    Text(String, Span),
    /// `T`
    Name(Name),
    /// `-e`
    Negate(Box<Expr>, Span),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>, Span),
}

/// The arithmetic of expressions; division and remainder round towards minus infinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}
