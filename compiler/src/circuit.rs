//! The circuit IR: vector-valued layers on a petgraph graph.
//!
//! A [`Module`] holds one circuit, or several that are to be multiplied. A [`Circuit`] is variables,
//! parameters and a [`LayerGraph`]. Values are log-probabilities: every layer gives, for each row of data, a
//! vector of `width` units for each of its `members`.
//!
//! # Design
//!
//! * A [`Layer`] is one operation applied to one or more *members*. Before folding each layer has exactly one
//!   member. `fold` puts layers of one shape and depth together; a member keeps its own operands and
//!   parameters. An operand therefore names a layer and a part of it: `%7` is `%7.0`.
//! * Layers are only ever appended, operands before users, so acyclicity is structural and walking
//!   `layers()` is a topological walk. Passes rebuild a graph; they never edit one.
//! * A parameter is a table (of log-probabilities) or weights (linear, non-negative). Layers that are tied
//!   refer to the same parameter.
//!
//! The semantics of each operation is written at [`Op`]; [`verify`] checks the contract, [`mod@print`] and
//! [`read`] are the text form, [`scope`] says which variables a layer is about.

pub mod print;
pub mod read;
pub mod scope;
pub mod verify;

pub use danaus_artifact::signature::{Domain, Family, Floor, Init, Parameter, ParameterShape, VariableArray};
pub use danaus_artifact::signature::{MEANS, VARIANCES};
use petgraph::graph::{DiGraph, NodeIndex};
use std::fmt;
use std::hash::{Hash, Hasher};

/// What one compilation works on.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// One circuit; or the factors of a product, in order, if `product` is some.
    pub circuits: Vec<Circuit>,
    /// Present until `multiply-circuits` has run.
    pub product: Option<Product>,
}

/// A pending multiplication of all circuits of the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Product {
    /// The name of the result.
    pub name: String,
    /// Whether every block of the lowered Kronecker weights gets weights of its own.
    pub untied: bool,
}

/// A circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct Circuit {
    /// Its name.
    pub name: String,
    /// Arrays of variables. A variable's index ([`VarUse::index`]) counts through all arrays in order, row-major.
    pub variables: Vec<VariableArray>,
    /// All parameters.
    pub parameters: Vec<Parameter>,
    /// The layers.
    pub graph: LayerGraph,
}

impl Circuit {
    /// One parameter.
    pub fn parameter(&self, id: ParamId) -> &Parameter {
        &self.parameters[id.0 as usize]
    }

    /// Number of variables in all arrays.
    pub fn variable_count(&self) -> usize {
        self.variables.iter().map(VariableArray::len).sum()
    }

    /// The domain of a variable, if there is one of this index.
    pub fn domain(&self, mut index: usize) -> Option<Domain> {
        for array in &self.variables {
            if index < array.len() {
                return Some(array.domain);
            }
            index -= array.len();
        }
        None
    }

    /// The width of an operand of a layer of `graph`, which is the circuit's graph or a body in it.
    pub fn operand_width(&self, graph: &LayerGraph, operand: Operand) -> usize {
        match operand {
            Operand::Part(part) => graph.layer(part.layer).width,
            Operand::Input(var) => match self.parameter(var.table).shape {
                ParameterShape::Table { width, .. }
                | ParameterShape::Gaussian { width, .. }
                | ParameterShape::Mixing { width, .. }
                | ParameterShape::Weight { outputs: width, .. } => width,
            },
        }
    }
}

/// Index of a parameter in [`Circuit::parameters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParamId(pub u32);

/// Names a layer; printed `%n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub u32);

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

/// A member of a layer as an operand: `%7` or `%7.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartRef {
    /// The layer.
    pub layer: LayerId,
    /// Which of its members.
    pub part: u32,
}

/// An observed variable and the table it selects from, or the Gaussian units whose densities it has. In the body of a scan the variable at iteration `i`
/// is `index + i * stride`; elsewhere `stride` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VarUse {
    /// Index of the variable (at iteration 0).
    pub index: u32,
    /// What is added per iteration.
    pub stride: i32,
    /// The table `[width, values]`, or Gaussian units.
    pub table: ParamId,
}

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The vector of a member of another layer.
    Part(PartRef),
    /// The column of a table at the observed value (the log-sum of each row where the value is missing), or the logarithms of the
    /// densities of Gaussian units (0 where it is missing), which only [`Op::Input`] reads.
    Input(VarUse),
}

/// One instance of a layer's operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Member {
    /// In order; see [`Op`] for what each means.
    pub operands: Vec<Operand>,
    /// Weights, in order; see [`Op`].
    pub parameters: Vec<ParamId>,
}

/// A vector-valued layer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layer {
    /// The operation, common to all members.
    pub op: Op,
    /// Units of each member.
    pub width: usize,
    /// At least one.
    pub members: Vec<Member>,
}

/// The operations. In each, `x`, `y` are operand vectors in log space and `lse` is log-sum-exp.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// One [`Operand::Input`], no weights: `out[h] = table[h, observed]`.
    Input,
    /// Two or more operands of the layer's width: `out[h] = sum of the operands at h`. After `fuse-layers`
    /// operands may be inputs.
    Hadamard,
    /// Operands of any widths `w1 .. wn`, `width = w1 * .. * wn`, the first most significant:
    /// `out[(h1, .., hn)] = x1[h1] + .. + xn[hn]`.
    Kronecker,
    /// A sum; see [`SumKind`].
    Sum(SumKind),
    /// One operand, no weights. The vector is viewed as `[outer, rows, columns]` and becomes `[outer, columns, rows]`.
    Permute {
        /// Leading axis, kept.
        outer: usize,
        /// The axis that becomes the last.
        rows: usize,
        /// The axis that was the last.
        columns: usize,
    },
    /// Operands one after the other; `width` is the sum of their widths.
    Concat,
    /// Fused block-diagonal sum; see [`Stage`]. Made by `fuse-layers`.
    Stage(Stage),
    /// The value carried into an iteration. Only in the body of a scan, exactly one, no operands.
    Carry,
    /// A rolled chain; see [`Scan`]. One member, one operand: the carry into the first iteration.
    Scan(Box<Scan>),
}

/// How a sum combines its operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SumKind {
    /// One operand, one `Weight` parameter `[width, inputs]`: `out[o] = lse_i(log W[o, i] + x[i])`.
    Dense,
    /// One operand, one `Weight` parameter of `distinct` blocks. Block `g` of `blocks` uses weights `g % distinct`:
    /// `out[g, o] = lse_i(log W[g % distinct, o, i] + x[g, i])`. `distinct` divides `blocks`.
    BlockDiagonal {
        /// Number of blocks.
        blocks: usize,
    },
    /// One operand, `d` `Weight` parameters `name.1 .. name.d` of shapes `[H/b_k, b_k, b_k]`. For `k = d` down to 1:
    /// view as `[H/b_k, b_k]`, multiply each row by its block, transpose the axes, flatten.
    Monarch {
        /// `b_1 .. b_d`; their product is the width.
        factors: Vec<usize>,
    },
    /// One operand; the weight is the Kronecker product of the factors' weights, the first most significant.
    /// `width` is the product of their outputs; parameters are those of the factors, one after the other.
    Kronecker(Vec<KroneckerFactor>),
    /// `n` operands of the layer's width, one `Mixing` parameter `[width, n]`:
    /// `out[h] = lse_k(log W[h, k] + x_k[h])`.
    Mixing,
}

/// The weight of one factor circuit in a Kronecker sum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KroneckerFactor {
    /// Its kind: dense, block-diagonal, Monarch, or the identity of a factor that has no sum here (`None`).
    pub kind: Option<SumKind>,
    /// Its outputs.
    pub outputs: usize,
    /// Its inputs.
    pub inputs: usize,
}

/// A block-diagonal sum with what comes before and after it:
/// `s[g, i] = sum of the prologue operands at g * inputs + i`,
/// `t[g, o] = lse_i(log W[g % distinct, o, i] + s[g, i])`,
/// stored permuted at `p = ((g / rows) * outputs + o) * rows + g % rows`,
/// `out[p] = t[g, o] + sum of the epilogue operands at p`.
/// Its one parameter is a `Weight`; a dense sum has one block; `rows = 1` stores in order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Number of blocks.
    pub blocks: usize,
    /// Outputs of each block.
    pub outputs: usize,
    /// Inputs of each block.
    pub inputs: usize,
    /// The permutation of the store; divides `blocks`.
    pub rows: usize,
    /// The first `prologue` operands (at least one) are added before the sum, the others after it.
    pub prologue: usize,
}

/// A homogeneous chain. The body maps the carry to the next carry, `steps` times; the result is the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// Number of iterations, at least 1.
    pub steps: usize,
    /// One iteration. Its root has the layer's width; it holds one [`Op::Carry`] and no scan.
    pub body: LayerGraph,
}

/// Layers and how they read each other.
#[derive(Clone, Debug, Default)]
pub struct LayerGraph {
    /// Edges run from user to operand layer; the edge order carries no meaning.
    graph: DiGraph<Layer, ()>,
    root: Option<LayerId>,
}

impl PartialEq for LayerGraph {
    fn eq(&self, other: &Self) -> bool {
        self.root == other.root && self.layers().eq(other.layers())
    }
}

impl Eq for LayerGraph {}

impl Hash for LayerGraph {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.root.hash(state);
        self.layers().for_each(|(_, layer)| layer.hash(state));
    }
}

impl LayerGraph {
    /// No layers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a layer. Its operands must be in the graph already.
    ///
    /// # Panics
    /// If an operand names a layer that is not there: a bug of the caller.
    pub fn add(&mut self, layer: Layer) -> LayerId {
        let mut operands: Vec<LayerId> = layer
            .members
            .iter()
            .flat_map(|m| &m.operands)
            .filter_map(|o| match o {
                Operand::Part(part) => Some(part.layer),
                Operand::Input(_) => None,
            })
            .collect();
        operands.sort_unstable();
        operands.dedup();
        let node = self.graph.add_node(layer);
        for operand in operands {
            assert!((operand.0 as usize) < node.index(), "operand {operand} must come before its user");
            self.graph.add_edge(node, NodeIndex::new(operand.0 as usize), ());
        }
        LayerId(node.index() as u32)
    }

    /// Appends a layer with one member.
    pub fn add_single(&mut self, op: Op, width: usize, operands: Vec<Operand>, parameters: Vec<ParamId>) -> PartRef {
        let members = vec![Member { operands, parameters }];
        PartRef { layer: self.add(Layer { op, width, members }), part: 0 }
    }

    /// Sets the layer whose (one) member is the value of the graph.
    pub fn set_root(&mut self, root: LayerId) {
        self.root = Some(root);
    }

    /// The root, if one was set.
    pub fn root_opt(&self) -> Option<LayerId> {
        self.root
    }

    /// The root.
    ///
    /// # Panics
    /// If none was set: a bug of the builder.
    pub fn root(&self) -> LayerId {
        self.root.expect("the graph has a root")
    }

    /// All layers in order: operands before users.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (LayerId, &Layer)> + ExactSizeIterator {
        self.graph.raw_nodes().iter().enumerate().map(|(i, n)| (LayerId(i as u32), &n.weight))
    }

    /// One layer.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.graph[NodeIndex::new(id.0 as usize)]
    }

    /// Number of layers, those of scan bodies included.
    pub fn total_len(&self) -> usize {
        let bodies = self.layers().map(|(_, layer)| match &layer.op {
            Op::Scan(scan) => scan.body.total_len(),
            _ => 0,
        });
        self.len() + bodies.sum::<usize>()
    }

    /// Number of layers.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The petgraph graph, for its algorithms; edges run from user to operand.
    pub fn petgraph(&self) -> &DiGraph<Layer, ()> {
        &self.graph
    }
}

impl From<PartRef> for Operand {
    fn from(part: PartRef) -> Self {
        Operand::Part(part)
    }
}
