//! Entropy and divergence of deterministic circuits.
//!
//! # Design
//!
//! A deterministic circuit gives a complete row one tree of units, so the logarithm of its value is the sum of the logarithms of the
//! tree's numbers. Their expectation is the sum over all numbers of `flow * log number`, where the flow of a number, of a row in which
//! everything is missing, is the probability that it is in the tree. With `Z` the sum over all rows the entropy is
//! `log Z - sum of flow * log number`. So one walk up and down is enough. Without determinism there is no such sum, and both questions are
//! hard (A. Vergari, Y. Choi, A. Liu, S. Teso, G. Van den Broeck, "A compositional atlas of tractable circuit operations for
//! probabilistic inference", NeurIPS 2021).

use crate::data::Columns;
use crate::parameters::Parameters;
use crate::session::SessionError;
use crate::training::FlowSource;
use crate::training::engine::Engine;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, Parameter, ParameterShape};
use std::sync::Arc;

/// What a deterministic circuit is expected to use, and its sum over all rows.
struct Expected {
    /// For each parameter the flows of its numbers; none for those that are no tensors of a file, whose logarithms are 0.
    flows: Vec<Vec<f64>>,
    log_partition: f64,
}

/// Whether all numbers of a circuit have flows that are counts: those of an exact product of circuits are computed from its factors', and have none,
/// and those of Gaussian units are none.
pub fn has_all_flows(plan: &Plan) -> bool {
    let is_gaussian = |parameter: &Parameter| matches!(parameter.shape, ParameterShape::Gaussian { .. });
    plan.parameters.iter().all(|parameter| {
        parameter.is_stored() && !is_gaussian(parameter)
            || matches!(parameter.init, Init::Indicator { .. } | Init::Identity)
    })
}

/// The entropy of a circuit that is known to be deterministic and [has all flows](has_all_flows), in nats. `flows` is the plan of training. It is
/// not a number if no row is possible.
pub fn entropy(plan: &Arc<Plan>, flows: &Arc<FlowPlan>, parameters: &Parameters) -> Result<f64, SessionError> {
    let expected = expected(plan, flows, parameters)?;
    Ok(expected.log_partition - mean_log(plan, &expected.flows, parameters))
}

/// The Kullback-Leibler divergence `KL(p || q)` of two sets of parameters of a circuit that is known to be deterministic, in nats; infinite if
/// `q` excludes what `p` allows.
pub fn divergence(
    plan: &Arc<Plan>,
    flows: &Arc<FlowPlan>,
    p: &Parameters,
    q: &Parameters,
) -> Result<f64, SessionError> {
    let of_p = expected(plan, flows, p)?;
    let log_partition = expected(plan, flows, q)?.log_partition;
    let (own, other) = (mean_log(plan, &of_p.flows, p), mean_log(plan, &of_p.flows, q));
    Ok((own - of_p.log_partition) - (other - log_partition))
}

fn expected(plan: &Arc<Plan>, flows: &Arc<FlowPlan>, parameters: &Parameters) -> Result<Expected, SessionError> {
    let mut engine = Engine::open(plan.clone(), flows.clone(), 1, None)?;
    engine.set_parameters(parameters.values())?;
    let columns = Columns::new(&plan.variables);
    let unknown: Vec<u32> = (0..columns.len()).map(|column| columns.missing(column)).collect();
    let log_partition = engine.gather(&unknown, 1)?[0];
    Ok(Expected { flows: engine.take()?.all(parameters.values()), log_partition })
}

/// The expected logarithm of the numbers in use. What is never used does not count, whatever it is.
fn mean_log(plan: &Plan, flows: &[Vec<f64>], parameters: &Parameters) -> f64 {
    let mut sum = 0.0;
    for ((parameter, flows), values) in plan.parameters.iter().zip(flows).zip(parameters.values()) {
        let is_log = matches!(parameter.shape, ParameterShape::Table { .. });
        for (&flow, &value) in flows.iter().zip(values).filter(|(flow, _)| **flow > 0.0) {
            sum += flow * if is_log { f64::from(value) } else { f64::from(value).ln() };
        }
    }
    sum
}
