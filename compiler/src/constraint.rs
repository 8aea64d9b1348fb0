//! Constraints: a chain multiplied with the automaton of a regular expression.
//!
//! Every value of a variable is written as a text, its symbol. A complete row satisfies a [`Constraint`] if its symbols, one after
//! the other, match the expression as a whole. [`constrained`] gives the circuit whose value is that of the chain for rows that satisfy the
//! constraint, and `-inf` for all others. So its likelihood of a row with missing values is the probability that the row is completed in a
//! way that satisfies the constraint; its posteriors, samples and completions are those of the chain under the condition that it does.
//!
//! # Design
//!
//! A deterministic automaton is itself a circuit: a chain of indicators with transitions of zeros and ones ([`chain`]), in which each complete
//! row has at most one path. So this is a product of circuits, made by `multiply-circuits`: no query knows of constraints, and
//! all of them answer under one. (H. Zhang, M. Dang, N. Peng, G. Van den Broeck, "Tractable Control for Autoregressive Language
//! Generation", ICML 2023, and H. Zhang, P.-N. Kung, M. Yoshida, G. Van den Broeck, N. Peng, "Adaptable Logical Control for Large Language
//! Models", NeurIPS 2024, steer language models by such products.)
//!
//! The product is made of the circuit after `prune`, whose sums are lowered and whose fingerprint says which parameters fit. Parameters of the
//! circuit keep their names; those of the automaton are named `constraint.` and what they say.

pub mod automaton;
mod chain;

use crate::circuit::{Circuit, Domain, Init, Module, Parameter, Product};
use crate::passes::{DumpRequest, PassContext, PassError, by_name, run_passes};
use automaton::Automaton;
use chain::Direction;
use thiserror::Error;

/// What complete rows must satisfy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// A regular expression in the syntax of the crate `regex`, that a row's symbols match from the first to the last.
    pub pattern: String,
    /// The symbol of each value; values beyond have none, and satisfy nothing. Without symbols the values 0 to 9 are digits.
    pub symbols: Option<Vec<Vec<u8>>>,
}

/// Why a circuit cannot be constrained.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ConstraintError {
    /// It is no regular expression, or one without an automaton of reasonable size.
    #[error("`{pattern}` cannot be used as a constraint: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No complete row satisfies it.
    #[error(
        "no text of {length} symbols matches `{pattern}`, which must match the whole of a row; `.*` stands for any symbols"
    )]
    Unsatisfiable {
        /// The expression.
        pattern: String,
        /// Variables of the circuit.
        length: usize,
    },
    /// The values of variables are not written as symbols.
    #[error(
        "circuit `{circuit}` has variables of {values} values: say with --symbols how they are written in a constraint"
    )]
    Symbols {
        /// The circuit.
        circuit: String,
        /// Values of a variable.
        values: usize,
    },
    /// The variables differ.
    #[error(
        "circuit `{circuit}` cannot be constrained: its variables do not all have the same finite number of values"
    )]
    Domains {
        /// The circuit.
        circuit: String,
    },
    /// It is no chain.
    #[error(
        "circuit `{circuit}` cannot be constrained: it is no chain. A constraint needs a circuit whose products split off one variable after \
         the other, from the first to the last or from the last to the first"
    )]
    NoChain {
        /// The circuit.
        circuit: String,
    },
    /// Too many units.
    #[error(
        "circuit `{circuit}` has {width} units in a layer and the automaton of `{pattern}` {steps} steps between states: their product is \
         too large"
    )]
    TooLarge {
        /// The circuit.
        circuit: String,
        /// The expression.
        pattern: String,
        /// Widest layer.
        width: usize,
        /// Steps of the automaton.
        steps: usize,
    },
}

/// Most units of a layer of a product: what the language allows.
const WIDTH: usize = 1 << 31;

/// What parameters of automata begin with.
const PREFIX: &str = "constraint";

/// The product of a chain with the automaton of a constraint. `circuit` is one before `roll`.
pub fn constrained(circuit: &Circuit, constraint: &Constraint) -> Result<Circuit, ConstraintError> {
    let name = || circuit.name.clone();
    let length = circuit.variable_count();
    let mut sizes = (0..length).filter_map(|index| circuit.domain(index)).map(|domain| domain.size());
    let Some(values) = sizes.next() else { return Err(ConstraintError::NoChain { circuit: name() }) };
    let is_real = circuit.variables.iter().any(|array| array.domain == Domain::Real);
    if is_real || sizes.any(|size| size != values) {
        return Err(ConstraintError::Domains { circuit: name() });
    }
    let digits = || (values <= 10).then(|| (b'0'..).take(values).map(|digit| vec![digit]).collect());
    let symbols = constraint.symbols.clone().or_else(digits);
    let symbols = symbols.ok_or_else(|| ConstraintError::Symbols { circuit: name(), values })?;
    let pattern = constraint.pattern.clone();
    let automaton = Automaton::new(&pattern, &symbols[..symbols.len().min(values)], length)?;
    let width = circuit.graph.layers().map(|(_, layer)| layer.width).max().unwrap_or(1);
    let steps = automaton.steps.len();
    if width.checked_mul(steps).is_none_or(|width| width > WIDTH) {
        return Err(ConstraintError::TooLarge { circuit: name(), pattern, width, steps });
    }
    for direction in [Direction::FirstToLast, Direction::LastToFirst] {
        let factor = chain::circuit(&automaton, &circuit.variables, values, direction);
        if let Some(product) = product(circuit, factor) {
            return Ok(product);
        }
    }
    Err(ConstraintError::NoChain { circuit: name() })
}

/// The product, if both split the variables in ways that fit together.
fn product(circuit: &Circuit, factor: Circuit) -> Option<Circuit> {
    let name = circuit.name.clone();
    let module = Module {
        circuits: vec![circuit.clone(), factor],
        product: Some(Product { name: name.clone(), untied: false }),
    };
    let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
    let mut outcome = match run_passes(&multiply, module, &PassContext::default(), &DumpRequest::default()) {
        Ok(outcome) => outcome,
        Err(PassError::Refused(_)) => return None,
        Err(error) => panic!("multiply-circuits takes circuits that the verifier accepts: {error}"),
    };
    let product = outcome.module.circuits.remove(0);
    let parameters = product.parameters.into_iter().map(with_own_names).collect();
    Some(Circuit { name, parameters, ..product })
}

/// A parameter of the product under the name that it has in its factor.
fn with_own_names(parameter: Parameter) -> Parameter {
    let own = |name: &String| {
        let parts = name.split('*').map(|part| part.split_once('.').map_or(part, |(_, own)| own));
        parts.collect::<Vec<_>>().join("*")
    };
    let init = match parameter.init {
        Init::CopyOf { source, blocks, outputs, inputs } => {
            Init::CopyOf { source: own(&source), blocks, outputs, inputs }
        }
        Init::TableProduct { sources, normalize } => {
            let sources = sources.iter().map(|(name, width)| (own(name), *width)).collect();
            Init::TableProduct { sources, normalize }
        }
        Init::WeightProduct { sources } => {
            Init::WeightProduct { sources: sources.iter().map(|(name, o, i)| (own(name), *o, *i)).collect() }
        }
        other @ (Init::Random | Init::Given(_) | Init::Indicator { .. } | Init::Identity | Init::Member(_)) => other,
    };
    Parameter { name: own(&parameter.name), init, ..parameter }
}

#[cfg(test)]
mod tests;
