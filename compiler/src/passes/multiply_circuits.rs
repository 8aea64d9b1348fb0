//! Expands a pending product `A * B * ..` to one circuit.
//!
//! Units of the product are pairs of units, those of the first factor most significant:
//!
//! ```text
//! %1 = sum dense %0 @t : a                      %1 = sum dense %0 @t : b
//! ->
//! %1 = sum kronecker(dense[a, a], dense[b, b]) %0 @1.t @2.t : a*b
//! ```
//!
//! The result is the product of the distributions, not normalized; it is exact for every evidence, missing values
//! included, because tables are multiplied value by value before a missing value is summed out. With `untied`
//! the sums get weights of their own, see [`untie`].
//!
//! # Design
//!
//! More than two circuits are multiplied from left to right. That is associative: units are in row-major order and
//! Kronecker factors are kept in one flat list. Parameters of factor `k` are prefixed `k.` before anything else.
//! The factors are first brought to a simple form ([`prepare`]), then the layers are multiplied pair by pair
//! ([`pair`]).

mod axes;
mod groups;
mod pair;
mod prepare;
mod untie;

use super::prune::prune;
use super::{Pass, PassContext, PassError, Passed};
use crate::circuit::{Circuit, Domain, Module};

/// The pass.
pub const PASS: Pass = Pass { name: "multiply-circuits", description: "expands products of circuits", run };

fn run(module: &Module, _: &PassContext) -> Result<Passed, PassError> {
    let Some(product) = &module.product else { return Ok(module.clone().into()) };
    let mut circuit = match module.circuits.as_slice() {
        [one] => one.clone(),
        factors => multiply(factors)?,
    };
    if product.untied && module.circuits.len() > 1 {
        circuit = untie::untie(&circuit);
    }
    let circuit = Circuit { name: product.name.clone(), ..prune(&circuit) };
    Ok(Module { circuits: vec![circuit], product: None }.into())
}

fn multiply(factors: &[Circuit]) -> Result<Circuit, PassError> {
    if let Some(real) = factors.iter().find(|factor| factor.variables.iter().any(|array| array.domain == Domain::Real))
    {
        return Err(PassError::Refused(format!("`{}` cannot be multiplied: it has real variables", real.name)));
    }
    for other in &factors[1..] {
        if other.variables != factors[0].variables {
            let (a, b) = (&factors[0].name, &other.name);
            return Err(PassError::Refused(format!(
                "`{a}` and `{b}` cannot be multiplied: their variables differ; declare the same arrays with the same \
                 domains in the same order in both"
            )));
        }
    }
    let mut factors = factors.iter().enumerate().map(|(k, factor)| prepare::prepare(factor, k + 1));
    let first = factors.next().expect("a product has factors")?;
    factors.try_fold(first, |product, factor| pair::product(&product, &factor?))
}
