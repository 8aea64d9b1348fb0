//! Cross entropy and divergence of two circuits, in double precision.
//!
//! `E_p[log q]`, the mean under `p` of the logarithm of `q`, is tractable if the two are *compatible*, so that they can be multiplied, and `q` is
//! *deterministic* (A. Vergari, Y. Choi, A. Liu, S. Teso, G. Van den Broeck, "A compositional atlas of tractable circuit operations for
//! probabilistic inference", NeurIPS 2021). A complete row then has one tree of units in `q`, and the logarithm of `q` is the sum of the logarithms of
//! the tree's numbers. So `E_p[log q]` is the sum over the numbers of `q` of the probability under `p` that the number is in the tree, times its
//! logarithm.
//!
//! # Design
//!
//! With ones in the place of all numbers of `q` that are not zero, the product of `p` and `q` has the value of `p` for every row that `q` allows. Its
//! flows of a row in which everything is missing are those probabilities: those of weights stand at the weights of `q`; those of tables
//! at the tables of pairs of units, and are added up over the units of `p`. So the pass `multiply-circuits` and the reference of flows are all that is needed.
//!
//! `KL(p || q) = E_p[log p] - E_p[log q]` for normalized circuits: it is tractable if both are deterministic. Whether a circuit is deterministic is
//! decided with the numbers that it has: every zero counts.

use crate::circuit::{Circuit, Domain, Init, Module, Parameter, ParameterShape, Product};
use crate::passes::{DumpRequest, PassContext, PassError, by_name, run_passes};
use crate::plan::deterministic::is_deterministic;
use crate::reference::{Flows, ParameterValues, ReferenceError, evaluate, flows, parameter_numbers};
use std::collections::BTreeMap;
use thiserror::Error;

/// Probability under `p` of what `q` excludes that is taken for rounding.
const ROUNDING: f64 = 1e-10;

/// Why a mean of logarithms is not known.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InformationError {
    /// The circuit is not known to be deterministic.
    #[error(
        "it is not tractable, for circuit `{circuit}` is not known to be deterministic. It would be if for every two operands of a sum there were a \
         variable of which indicators, or zeros of numbers, allow them no common value"
    )]
    NotDeterministic {
        /// The circuit.
        circuit: String,
    },
    /// The circuits cannot be multiplied.
    #[error("it is not tractable, for the circuits are not compatible: {reason}")]
    NotCompatible {
        /// Why.
        reason: String,
    },
    /// It has densities.
    #[error("it is not available for circuits with real variables, as circuit `{circuit}`")]
    Real {
        /// The circuit.
        circuit: String,
    },
    /// A circuit has no rows.
    #[error("circuit `{circuit}` gives every row probability 0")]
    Impossible {
        /// The circuit.
        circuit: String,
    },
    /// The numbers are not those of the circuit.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// A circuit before `roll` with its numbers.
pub type WithNumbers<'a> = (&'a Circuit, &'a ParameterValues);

/// The cross entropy `-E_p[log q]` of two circuits over the same variables, both normalized, in nats; infinite if `q` excludes what `p` allows. `q`
/// must be deterministic, and the circuits compatible.
pub fn cross_entropy((p, p_values): WithNumbers<'_>, (q, q_values): WithNumbers<'_>) -> Result<f64, InformationError> {
    let q = filled(q, q_values)?;
    let total = partition(&q)?;
    require_deterministic(&q)?;
    let p = filled(p, p_values)?;
    Ok(total - mean_log(&p, &q)?)
}

/// The divergence `KL(p || q)` of two circuits over the same variables, both normalized, in nats; infinite if `q` excludes what `p` allows. Both must
/// be deterministic, and the circuits compatible.
pub fn divergence((p, p_values): WithNumbers<'_>, q: WithNumbers<'_>) -> Result<f64, InformationError> {
    let filled = filled(p, p_values)?;
    require_deterministic(&filled)?;
    let found = flows(&filled, &ParameterValues::new(), &[vec![None; filled.variable_count()]])?;
    let entropy = partition(&filled)? - used(&filled, &found, &logarithms(&filled, ""));
    Ok(cross_entropy((p, p_values), q)? - entropy)
}

fn require_deterministic(circuit: &Circuit) -> Result<(), InformationError> {
    match is_deterministic(circuit) {
        true => Ok(()),
        false => Err(InformationError::NotDeterministic { circuit: circuit.name.clone() }),
    }
}

/// The log-likelihood of nothing.
fn partition(circuit: &Circuit) -> Result<f64, InformationError> {
    let total = evaluate(circuit, &ParameterValues::new(), &[vec![None; circuit.variable_count()]])?[0];
    match total == f64::NEG_INFINITY {
        true => Err(InformationError::Impossible { circuit: circuit.name.clone() }),
        false => Ok(total),
    }
}

/// The circuit with its numbers given.
fn filled(circuit: &Circuit, values: &ParameterValues) -> Result<Circuit, InformationError> {
    if circuit.variables.iter().any(|array| array.domain == Domain::Real) {
        return Err(InformationError::Real { circuit: circuit.name.clone() });
    }
    let numbers = parameter_numbers(circuit, values)?;
    let given = |(parameter, numbers): (&Parameter, Vec<f64>)| {
        if !parameter.is_stored() {
            return parameter.clone();
        }
        let is_table = matches!(parameter.shape, ParameterShape::Table { .. });
        let linear = numbers.into_iter().map(|number| if is_table { number.exp() } else { number });
        Parameter { init: Init::Given(linear.collect()), ..parameter.clone() }
    };
    let parameters = circuit.parameters.iter().zip(numbers).map(given).collect();
    Ok(Circuit { parameters, ..circuit.clone() })
}

/// `E_p[log q]`, where `q` is deterministic and not normalized.
fn mean_log(p: &Circuit, q: &Circuit) -> Result<f64, InformationError> {
    let one = |number: &f64| if *number > 0.0 { 1.0 } else { 0.0 };
    let ones = |parameter: &Parameter| match &parameter.init {
        Init::Given(numbers) => Parameter { init: Init::Given(numbers.iter().map(one).collect()), ..parameter.clone() },
        _ => parameter.clone(),
    };
    let support = Circuit { parameters: q.parameters.iter().map(ones).collect(), ..q.clone() };
    let product = multiplied(p, support)?;
    let found = flows(&product, &ParameterValues::new(), &[vec![None; product.variable_count()]])?;
    let allowed = (found.log_likelihoods[0] - partition(p)?).exp();
    if allowed < 1.0 - ROUNDING {
        return Ok(f64::NEG_INFINITY);
    }
    Ok(used(&product, &found, &logarithms(q, "2.")))
}

fn multiplied(p: &Circuit, q: Circuit) -> Result<Circuit, InformationError> {
    let product = Some(Product { name: "product".to_string(), untied: false });
    let module = Module { circuits: vec![p.clone(), q], product };
    let multiply = [*by_name("multiply-circuits").expect("it is a pass")];
    match run_passes(&multiply, module, &PassContext::default(), &DumpRequest::default()) {
        Ok(mut outcome) => Ok(outcome.module.circuits.remove(0)),
        Err(PassError::Refused(reason)) => Err(InformationError::NotCompatible { reason }),
        Err(error) => panic!("multiply-circuits takes circuits that the verifier accepts: {error}"),
    }
}

/// The logarithms of a circuit's numbers, under the names that they have in a product. Those of indicators are 0 where they are used.
fn logarithms(circuit: &Circuit, prefix: &str) -> BTreeMap<String, Vec<f64>> {
    let given = circuit.parameters.iter().filter_map(|parameter| match &parameter.init {
        Init::Given(numbers) => Some((parameter, numbers)),
        _ => None,
    });
    given
        .map(|(parameter, numbers)| {
            (format!("{prefix}{}", parameter.name), numbers.iter().map(|number| number.ln()).collect())
        })
        .collect()
}

/// The sum of flows times logarithms; numbers without one count nothing.
fn used(circuit: &Circuit, found: &Flows, logarithms: &BTreeMap<String, Vec<f64>>) -> f64 {
    let of_parameter = |(parameter, flows): (&Parameter, &Vec<f64>)| {
        let weighted = |name: &str, flows: &[f64]| {
            let Some(logarithms) = logarithms.get(name) else { return 0.0 };
            let used = flows.iter().zip(logarithms).filter(|(flow, _)| **flow > 0.0);
            used.map(|(flow, logarithm)| flow * logarithm).sum::<f64>()
        };
        let (Init::TableProduct { sources, .. }, &ParameterShape::Table { values, .. }) =
            (&parameter.init, &parameter.shape)
        else {
            return weighted(&parameter.name, flows);
        };
        (0..sources.len()).map(|at| weighted(&sources[at].0, &of_source(flows, sources, at, values))).sum::<f64>()
    };
    circuit.parameters.iter().zip(&found.parameters).map(of_parameter).sum()
}

/// The flows of all pairs of units, added up for each unit of one of the tables that they are pairs of.
fn of_source(flows: &[f64], sources: &[(String, usize)], at: usize, values: usize) -> Vec<f64> {
    let behind: usize = sources[at + 1..].iter().map(|(_, width)| width).product();
    let width = sources[at].1;
    let mut sums = vec![0.0; width * values];
    for (unit, row) in flows.chunks_exact(values).enumerate() {
        let own = unit / behind % width;
        sums[own * values..][..values].iter_mut().zip(row).for_each(|(sum, flow)| *sum += flow);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::of_source;

    #[test]
    fn flows_of_pairs() {
        let sources = [("a".to_string(), 2), ("b".to_string(), 3)];
        let flows: Vec<f64> = (0..12).map(f64::from).collect();
        assert_eq!(of_source(&flows, &sources, 0, 2), [6.0, 9.0, 24.0, 27.0]);
        assert_eq!(of_source(&flows, &sources, 1, 2), [6.0, 8.0, 10.0, 12.0, 14.0, 16.0]);
    }
}
