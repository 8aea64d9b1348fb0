//! Layers: from `{` to `}` of a circuit or a scan.

use super::*;

/// Kronecker factors may be Kronecker sums; no deeper than this.
const DEPTH: usize = 16;

impl Reader<'_> {
    /// Layers, `root`, and the closing brace.
    pub(super) fn graph(&mut self, in_scan: bool) -> Read<LayerGraph> {
        let mut graph = LayerGraph::new();
        while self.tokens.peek() == Some(Token::Part) {
            let layer = self.layer(&graph, in_scan)?;
            graph.add(layer);
        }
        self.tokens.expect_word("root")?;
        let at = self.tokens.position();
        let root = self.part(&graph)?;
        if root.part != 0 {
            return Err(self.tokens.error_at(at, "the root is a layer, not a part of one"));
        }
        graph.set_root(root.layer);
        self.tokens.expect(Token::CloseBrace)?;
        Ok(graph)
    }

    fn layer(&mut self, graph: &LayerGraph, in_scan: bool) -> Read<Layer> {
        let at = self.tokens.position();
        let label = self.tokens.expect(Token::Part)?;
        if label != LayerId(graph.len() as u32).to_string() {
            return Err(self.tokens.error_at(at, format!("layers are numbered in order: expected `%{}`", graph.len())));
        }
        self.tokens.expect(Token::Equals)?;
        let mut op = self.operation()?;
        if in_scan && matches!(op, Op::Scan(_)) {
            return Err(self.tokens.error_at(at, "the body of a scan holds no scan"));
        }
        let members = self.members(graph, &mut op)?;
        self.tokens.expect(Token::Colon)?;
        let width = self.tokens.number()?;
        if let Op::Scan(scan) = &mut op {
            self.tokens.expect(Token::OpenBrace)?;
            scan.body = self.graph(true)?;
        }
        Ok(Layer { op, width, members })
    }

    fn operation(&mut self) -> Read<Op> {
        let at = self.tokens.position();
        Ok(match self.tokens.word("an operation")? {
            "input" => Op::Input,
            "hadamard" => Op::Hadamard,
            "kronecker" => Op::Kronecker,
            "concat" => Op::Concat,
            "carry" => Op::Carry,
            "sum" => Op::Sum(self.sum_kind(0)?),
            "permute" => {
                self.tokens.expect(Token::OpenBracket)?;
                let outer = self.tokens.number()?;
                self.tokens.expect(Token::Comma)?;
                let (rows, columns) = self.pair_then(Token::CloseBracket)?;
                Op::Permute { outer, rows, columns }
            }
            "stage" => self.stage()?,
            "scan" => {
                let steps = self.tokens.number()?;
                self.tokens.expect_word("from")?;
                Op::Scan(Box::new(Scan { steps, body: LayerGraph::new() }))
            }
            _ => {
                let operations =
                    "`input`, `hadamard`, `kronecker`, `sum`, `permute`, `concat`, `stage`, `scan` or `carry`";
                return Err(self.tokens.error_at(at, format!("expected {operations}")));
            }
        })
    }

    /// The prologue is known when the first member is read.
    fn stage(&mut self) -> Read<Op> {
        self.tokens.expect(Token::OpenBracket)?;
        let blocks = self.tokens.number()?;
        self.tokens.expect(Token::Semicolon)?;
        let (outputs, inputs) = self.pair_then(Token::CloseBracket)?;
        let rows = if self.tokens.accept_word("rows") { self.tokens.number()? } else { 1 };
        Ok(Op::Stage(Stage { blocks, outputs, inputs, rows, prologue: 0 }))
    }

    fn sum_kind(&mut self, depth: usize) -> Read<SumKind> {
        let at = self.tokens.position();
        if depth > DEPTH {
            return Err(self.tokens.error_at(at, "Kronecker sums are nested too deeply"));
        }
        Ok(match self.tokens.word("a kind of sum")? {
            "dense" => SumKind::Dense,
            "mixing" => SumKind::Mixing,
            "block_diagonal" => {
                self.tokens.expect(Token::OpenParenthesis)?;
                let blocks = self.tokens.number()?;
                self.tokens.expect(Token::CloseParenthesis)?;
                SumKind::BlockDiagonal { blocks }
            }
            "monarch" => {
                self.tokens.expect(Token::OpenParenthesis)?;
                SumKind::Monarch { factors: self.numbers(Token::CloseParenthesis)? }
            }
            "kronecker" => {
                self.tokens.expect(Token::OpenParenthesis)?;
                SumKind::Kronecker(self.list(Token::CloseParenthesis, |reader| reader.factor(depth + 1))?)
            }
            _ => {
                let kinds = "`dense`, `block_diagonal`, `monarch`, `kronecker` or `mixing`";
                return Err(self.tokens.error_at(at, format!("expected {kinds}")));
            }
        })
    }

    fn factor(&mut self, depth: usize) -> Read<KroneckerFactor> {
        let kind = if self.tokens.accept_word("identity") { None } else { Some(self.sum_kind(depth)?) };
        self.tokens.expect(Token::OpenBracket)?;
        let (outputs, inputs) = self.pair_then(Token::CloseBracket)?;
        Ok(KroneckerFactor { kind, outputs, inputs })
    }

    /// One member, or `[ .0 = .. .1 = .. ]`.
    fn members(&mut self, graph: &LayerGraph, op: &mut Op) -> Read<Vec<Member>> {
        if !self.tokens.accept(Token::OpenBracket) {
            return Ok(vec![self.member(graph, op, 0)?]);
        }
        let mut members = Vec::new();
        while !self.tokens.accept(Token::CloseBracket) {
            let at = self.tokens.position();
            let label =
                self.tokens.expect(Token::Member).map_err(|_| self.tokens.expected("`]` or a member, such as `.0`"))?;
            if label != format!(".{}", members.len()) {
                let message = format!("members are numbered in order: expected `.{}`", members.len());
                return Err(self.tokens.error_at(at, message));
            }
            self.tokens.expect(Token::Equals)?;
            members.push(self.member(graph, op, members.len())?);
        }
        Ok(members)
    }

    fn member(&mut self, graph: &LayerGraph, op: &mut Op, part: usize) -> Read<Member> {
        let mut operands = Vec::new();
        let mut prologue = None;
        while let Some(Token::Part | Token::OpenParenthesis) = self.tokens.peek() {
            operands.push(self.operand(graph)?);
            if !self.tokens.accept(Token::Comma) {
                if prologue.is_some() || !self.tokens.accept_word("plus") {
                    break;
                }
                prologue = Some(operands.len());
            }
            if !matches!(self.tokens.peek(), Some(Token::Part | Token::OpenParenthesis)) {
                return Err(self.tokens.expected("an operand"));
            }
        }
        if let Op::Stage(stage) = op {
            let found = prologue.unwrap_or(operands.len());
            if part > 0 && found != stage.prologue {
                return Err(self.tokens.expected(&format!("`plus` after {} operands, as before", stage.prologue)));
            }
            stage.prologue = found;
        } else if prologue.is_some() {
            return Err(self.tokens.expected("no `plus`: only stages have operands after the sum"));
        }
        let mut parameters = Vec::new();
        while self.tokens.peek() == Some(Token::Tie) {
            parameters.push(self.tie()?);
        }
        Ok(Member { operands, parameters })
    }

    fn operand(&mut self, graph: &LayerGraph) -> Read<Operand> {
        if !self.tokens.accept(Token::OpenParenthesis) {
            return Ok(self.part(graph)?.into());
        }
        let (index, stride) = self.variable()?;
        let table = self.tie()?;
        self.tokens.expect(Token::CloseParenthesis)?;
        Ok(Operand::Input(VarUse { index, stride, table }))
    }

    fn part(&mut self, graph: &LayerGraph) -> Read<PartRef> {
        let at = self.tokens.position();
        let text = &self.tokens.expect(Token::Part)?[1..];
        let (layer, part) = text.split_once('.').unwrap_or((text, "0"));
        match (layer.parse(), part.parse()) {
            (Ok(layer), Ok(part)) if (layer as usize) < graph.len() => Ok(PartRef { layer: LayerId(layer), part }),
            _ => Err(self.tokens.error_at(at, format!("`%{text}` is not an earlier layer"))),
        }
    }

    fn tie(&mut self) -> Read<ParamId> {
        let at = self.tokens.position();
        let name = self.tokens.tie()?;
        let known = self.circuit.ties.get(&name).copied();
        known.ok_or_else(|| self.tokens.error_at(at, format!("there is no parameter `{name}`")))
    }

    /// `x`, `x[3]`, `p[1, 2]`, in bodies of scans `x[254 - 2*i]`: the index and the stride.
    fn variable(&mut self) -> Read<(u32, i32)> {
        let at = self.tokens.position();
        let name = self.tokens.name()?;
        let Some(&(first, position)) = self.circuit.arrays.get(&name) else {
            return Err(self.tokens.error_at(at, format!("there is no variable `{name}`")));
        };
        if !self.tokens.accept(Token::OpenBracket) {
            return match self.circuit.variables[position].shape.len() {
                0 => Ok((first as u32, 0)),
                rank => Err(self.tokens.error_at(at, format!("`{name}` has {rank} indices"))),
            };
        }
        let mut indices = vec![self.tokens.number()?];
        while self.tokens.accept(Token::Comma) {
            indices.push(self.tokens.number()?);
        }
        let stride = self.stride()?;
        self.tokens.expect(Token::CloseBracket)?;
        let shape: &[usize] = match self.circuit.variables[position].shape.as_slice() {
            [] => &[1],
            shape => shape,
        };
        if shape.len() != indices.len() {
            return Err(self.tokens.error_at(at, format!("`{name}` has {} indices", shape.len())));
        }
        if let Some((index, extent)) = indices.iter().zip(shape).find(|(index, extent)| index >= extent) {
            return Err(self.tokens.error_at(at, format!("index {index} of `{name}` is not below {extent}")));
        }
        let flat = indices.iter().zip(shape).fold(0, |flat, (index, extent)| flat * extent + index);
        Ok(((first + flat) as u32, stride))
    }

    fn stride(&mut self) -> Read<i32> {
        let sign: i64 = match self.tokens.peek() {
            Some(Token::Plus) => 1,
            Some(Token::Minus) => -1,
            _ => return Ok(0),
        };
        self.tokens.skip();
        let at = self.tokens.position();
        let by = if self.tokens.accept_word("i") {
            1
        } else {
            let by = self.tokens.integer()?;
            self.tokens.expect(Token::Star)?;
            self.tokens.expect_word("i")?;
            by
        };
        let stride = by.checked_mul(sign).and_then(|stride| i32::try_from(stride).ok());
        stride.ok_or_else(|| self.tokens.error_at(at, "the stride is too large"))
    }
}
