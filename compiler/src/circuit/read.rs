//! Reads the text form that [`print`](super::print) writes. The grammar is in `spec/circuit.md`.
//!
//! The reader checks what it needs to build a module: spelling, that names are declared before they are used, that
//! layers are numbered in order. Everything else is for the verifier, so that broken modules can be written down.
//!
//! Invariant: any text gives a module or an error, in time and memory linear in its length.

mod layers;
mod tokens;

use super::*;
use std::collections::BTreeMap;
use tokens::{Token, Tokens};

/// Why a text is not a module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ReadError {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What was expected and what was found.
    pub message: String,
}

type Read<T> = Result<T, ReadError>;

/// Reads a module.
pub fn read(text: &str) -> Result<Module, ReadError> {
    let mut reader = Reader { tokens: Tokens::new(text)?, circuit: Names::default() };
    let mut circuits = Vec::new();
    while reader.tokens.accept_word("circuit") {
        circuits.push(reader.circuit()?);
    }
    if circuits.is_empty() {
        return Err(reader.tokens.expected("`circuit`"));
    }
    let product = if reader.tokens.accept_word("product") { Some(reader.product(&circuits)?) } else { None };
    if !reader.tokens.at_end() {
        return Err(reader.tokens.expected("`circuit`, `product` or the end"));
    }
    Ok(Module { circuits, product })
}

struct Reader<'t> {
    tokens: Tokens<'t>,
    circuit: Names,
}

/// What the circuit being read has declared so far.
#[derive(Default)]
struct Names {
    variables: Vec<VariableArray>,
    /// Index of the first variable of each array, by name, and position of the array.
    arrays: BTreeMap<String, (usize, usize)>,
    variable_count: usize,
    parameters: Vec<Parameter>,
    ties: BTreeMap<String, ParamId>,
}

impl Reader<'_> {
    fn circuit(&mut self) -> Read<Circuit> {
        self.circuit = Names::default();
        let name = self.tokens.name()?;
        self.tokens.expect(Token::OpenBrace)?;
        while self.tokens.accept_word("var") {
            self.variables()?;
        }
        while self.tokens.accept_word("param") {
            self.parameter()?;
        }
        let graph = self.graph(false)?;
        let Names { variables, parameters, .. } = std::mem::take(&mut self.circuit);
        Ok(Circuit { name, variables, parameters, graph })
    }

    fn variables(&mut self) -> Read<()> {
        let at = self.tokens.position();
        let name = self.tokens.name()?;
        let shape =
            if self.tokens.accept(Token::OpenBracket) { self.numbers(Token::CloseBracket)? } else { Vec::new() };
        self.tokens.expect(Token::Colon)?;
        let domain = self.domain()?;
        let first = self.circuit.variable_count;
        let all = shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        let total = all.and_then(|all| all.checked_add(first)).filter(|total| *total <= i32::MAX as usize);
        let Some(total) = total else { return Err(self.tokens.error_at(at, "there are 2^31 variables or more")) };
        let position = self.circuit.variables.len();
        if self.circuit.arrays.insert(name.clone(), (first, position)).is_some() {
            return Err(self.tokens.error_at(at, format!("`{name}` is declared twice")));
        }
        self.circuit.variables.push(VariableArray { name, shape, domain });
        self.circuit.variable_count = total;
        Ok(())
    }

    fn domain(&mut self) -> Read<Domain> {
        let at = self.tokens.position();
        let word = self.tokens.word("a domain")?;
        match word {
            "binary" => Ok(Domain::Binary),
            "real" => Ok(Domain::Real),
            "categorical" => {
                self.tokens.expect(Token::OpenParenthesis)?;
                let size = self.tokens.number()?;
                self.tokens.expect(Token::CloseParenthesis)?;
                Ok(Domain::Categorical(size))
            }
            "integer" => {
                self.tokens.expect(Token::OpenParenthesis)?;
                let lo = self.tokens.integer()?;
                self.tokens.expect(Token::Range)?;
                let hi = self.tokens.integer()?;
                self.tokens.expect(Token::CloseParenthesis)?;
                Ok(Domain::Integer(lo, hi))
            }
            _ => Err(self.tokens.error_at(at, "expected `categorical`, `binary`, `integer` or `real`")),
        }
    }

    fn parameter(&mut self) -> Read<()> {
        let at = self.tokens.position();
        let name = self.tokens.tie()?;
        self.tokens.expect(Token::Colon)?;
        let shape = self.shape()?;
        let init = self.initial()?;
        let id = ParamId(self.circuit.parameters.len() as u32);
        if self.circuit.ties.insert(name.clone(), id).is_some() {
            return Err(self.tokens.error_at(at, format!("parameter `{name}` is declared twice")));
        }
        self.circuit.parameters.push(Parameter { name, shape, init });
        Ok(())
    }

    fn shape(&mut self) -> Read<ParameterShape> {
        let at = self.tokens.position();
        let word = self.tokens.word("a shape")?;
        self.tokens.expect(Token::OpenBracket)?;
        let first = self.tokens.number()?;
        if word == "weight" && self.tokens.accept(Token::Semicolon) {
            let (outputs, inputs) = self.pair_then(Token::CloseBracket)?;
            return Ok(ParameterShape::Weight { blocks: first, outputs, inputs, dense: false });
        }
        if word == "gaussian" {
            self.tokens.expect(Token::Semicolon)?;
            let floor = Floor(self.tokens.float()?);
            self.tokens.expect(Token::CloseBracket)?;
            return Ok(ParameterShape::Gaussian { width: first, floor });
        }
        self.tokens.expect(Token::Comma)?;
        let second = self.tokens.number()?;
        self.tokens.expect(Token::CloseBracket)?;
        match word {
            "table" => Ok(ParameterShape::Table { width: first, values: second }),
            "weight" => Ok(ParameterShape::Weight { blocks: 1, outputs: first, inputs: second, dense: true }),
            "mixing" => Ok(ParameterShape::Mixing { width: first, inputs: second }),
            _ => Err(self.tokens.error_at(at, "expected `table`, `weight`, `mixing` or `gaussian`")),
        }
    }

    fn initial(&mut self) -> Read<Init> {
        let at = self.tokens.position();
        match self.tokens.word("`random` or other first values")? {
            "random" => Ok(Init::Random),
            "given" => {
                self.tokens.expect(Token::OpenBracket)?;
                Ok(Init::Given(self.list(Token::CloseBracket, |reader| reader.tokens.float())?))
            }
            "identity" => Ok(Init::Identity),
            "binomial" => Ok(Init::Member(Family::Binomial)),
            "logistic" => Ok(Init::Member(Family::Logistic)),
            "indicator" => Ok(Init::Indicator { value: self.tokens.number()? }),
            "copy" => {
                self.tokens.expect_word("of")?;
                let source = self.tokens.tie()?;
                self.tokens.expect(Token::OpenBracket)?;
                let blocks = self.tokens.number()?;
                self.tokens.expect(Token::Semicolon)?;
                let (outputs, inputs) = self.pair_then(Token::CloseBracket)?;
                Ok(Init::CopyOf { source, blocks, outputs, inputs })
            }
            "tables" => {
                let sources = self.factors(|reader| {
                    let width = reader.tokens.number()?;
                    reader.tokens.expect(Token::CloseBracket)?;
                    Ok(width)
                })?;
                Ok(Init::TableProduct { sources, normalize: self.tokens.accept_word("normalized") })
            }
            "weights" => {
                let sources = self.factors(|reader| reader.pair_then(Token::CloseBracket))?;
                Ok(Init::WeightProduct { sources: sources.into_iter().map(|(name, (o, i))| (name, o, i)).collect() })
            }
            _ => Err(self
                .tokens
                .error_at(at, "expected `random`, `given`, `indicator`, `copy of`, `tables` or `weights`")),
        }
    }

    /// `@a[..] * @b[..]`
    fn factors<T>(&mut self, mut extents: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<(String, T)>> {
        let mut factors = Vec::new();
        loop {
            let name = self.tokens.tie()?;
            self.tokens.expect(Token::OpenBracket)?;
            factors.push((name, extents(self)?));
            if !self.tokens.accept(Token::Star) {
                return Ok(factors);
            }
        }
    }

    fn product(&mut self, circuits: &[Circuit]) -> Read<Product> {
        let name = self.tokens.name()?;
        self.tokens.expect(Token::Equals)?;
        for (i, circuit) in circuits.iter().enumerate() {
            if i > 0 {
                self.tokens.expect(Token::Star)?;
            }
            let at = self.tokens.position();
            if self.tokens.name()? != circuit.name {
                let message = format!("a product names all circuits in order: expected `{}`", circuit.name);
                return Err(self.tokens.error_at(at, message));
            }
        }
        Ok(Product { name, untied: self.tokens.accept_word("untied") })
    }

    fn pair_then(&mut self, close: Token) -> Read<(usize, usize)> {
        let first = self.tokens.number()?;
        self.tokens.expect(Token::Comma)?;
        let second = self.tokens.number()?;
        self.tokens.expect(close)?;
        Ok((first, second))
    }

    fn numbers(&mut self, close: Token) -> Read<Vec<usize>> {
        self.list(close, |reader| reader.tokens.number())
    }

    /// Items with commas between them, up to `close`.
    fn list<T>(&mut self, close: Token, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut items = Vec::new();
        if self.tokens.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.tokens.accept(close) {
                return Ok(items);
            }
            self.tokens.expect(Token::Comma)?;
        }
    }
}
