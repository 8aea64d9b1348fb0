//! From a circuit and its parameters to a checkpoint.

use super::source::{Names, source};
use super::{HmmError, Sizes};
use crate::files;
use crate::parameters::Parameters;
use crate::tensors::{self, Tensor};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Domain, ParameterShape};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// The parts of a plan that make a hidden Markov model, by index of parameter.
struct Parts {
    sizes: Sizes,
    length: usize,
    variable: String,
    emission: usize,
    transition: Vec<usize>,
    transition_name: String,
    initial: usize,
}

/// The program of the hidden Markov model that has a plan's variables and parameters. The plan is that model if its
/// fingerprint is this program's; a compiler can tell.
pub fn source_of(plan: &Plan) -> Result<String, HmmError> {
    Ok(program(plan, &parts(plan)?))
}

fn program(plan: &Plan, parts: &Parts) -> String {
    let names = Names {
        circuit: &plan.name,
        variable: &parts.variable,
        emission: &plan.parameters[parts.emission].name,
        transition: &parts.transition_name,
        initial: &plan.parameters[parts.initial].name,
    };
    source(&parts.sizes, parts.length, &names)
}

/// Writes `config.json` and `model.safetensors` into a folder, which is made if it is not there. `fingerprint` compiles
/// a program and gives its fingerprint: a circuit with the parameters of a hidden Markov model and another structure is
/// refused.
pub fn export(
    plan: &Plan,
    parameters: &Parameters,
    folder: &Path,
    fingerprint: &dyn Fn(&str) -> Result<String, String>,
) -> Result<(), HmmError> {
    let fail = |reason: String| HmmError::NotHmm { circuit: plan.name.clone(), reason };
    let parts = parts(plan)?;
    if fingerprint(&program(plan, &parts)).map_err(fail)? != plan.fingerprint {
        return Err(fail("its parameters are those of one, but its layers are not".to_string()));
    }
    let Sizes { states, values, factors } = &parts.sizes;
    let of = |idx: usize| parameters.values()[idx].as_slice();
    let transition = parts.sizes.transition(&parts.transition_name);
    let named = transition.iter().zip(&parts.transition);
    let mut tensors: Vec<Tensor<'_>> =
        named.map(|((name, _, shape), idx)| (&name[..], shape.clone(), of(*idx))).collect();
    tensors.push(("beta", vec![*states, *values], of(parts.emission)));
    tensors.push(("gamma_exp", vec![1, *states], of(parts.initial)));
    let mut config = json!({ "hidden_states": states, "vocab_size": values });
    if let Some(first) = factors.first() {
        let equal = factors.iter().all(|size| size == first);
        config["block_size"] = if equal { json!(first) } else { json!(factors) };
    }
    std::fs::create_dir_all(folder).map_err(files::FileError::write(folder))?;
    tensors::write(&folder.join("model.safetensors"), &tensors, &BTreeMap::new())?;
    let text = format!("{config:#}\n");
    files::write(&folder.join("config.json"), |out| out.write_all(text.as_bytes()))?;
    Ok(())
}

/// Finds the parts by their shapes.
fn parts(plan: &Plan) -> Result<Parts, HmmError> {
    let fail = |reason: String| HmmError::NotHmm { circuit: plan.name.clone(), reason };
    let [array] = plan.variables.as_slice() else {
        return Err(fail(format!("it has {} arrays of variables", plan.variables.len())));
    };
    let (Domain::Categorical(values), [length]) = (array.domain, array.shape.as_slice()) else {
        return Err(fail(format!("`{}` is not a row of categorical variables", array.name)));
    };
    let (mut tables, mut initials, mut factors) = (Vec::new(), Vec::new(), Vec::new());
    for (idx, parameter) in plan.parameters.iter().enumerate() {
        match parameter.shape {
            ParameterShape::Table { width, .. } => tables.push((idx, width)),
            ParameterShape::Weight { outputs: 1, dense: true, .. } => initials.push(idx),
            ParameterShape::Weight { outputs, inputs, .. } if outputs == inputs => factors.push((idx, outputs)),
            _ => return Err(fail(format!("it has another parameter, `{}`", parameter.name))),
        }
    }
    let ([(emission, states)], [initial]) = (tables.as_slice(), initials.as_slice()) else {
        return Err(fail(format!("it has {} tables and {} initial sums", tables.len(), initials.len())));
    };
    let (transition_name, transition, factors) = transition(plan, *states, factors).ok_or_else(|| {
        fail("its sums are neither one dense transition nor the factors of one Monarch transition".to_string())
    })?;
    let sizes = Sizes { states: *states, values, factors };
    let (length, variable) = (*length, array.name.clone());
    Ok(Parts { sizes, length, variable, emission: *emission, transition, transition_name, initial: *initial })
}

/// The transition's name, its parameters in the order of their factors, and the factors: none if it is dense.
fn transition(
    plan: &Plan,
    states: usize,
    mut weights: Vec<(usize, usize)>,
) -> Option<(String, Vec<usize>, Vec<usize>)> {
    let is_dense = |idx: usize| matches!(plan.parameters[idx].shape, ParameterShape::Weight { dense: true, .. });
    if let [(idx, size)] = *weights
        && is_dense(idx)
    {
        return (size == states).then(|| (plan.parameters[idx].name.clone(), vec![idx], Vec::new()));
    }
    let place = |idx: usize| {
        let (name, number) = plan.parameters[idx].name.rsplit_once('.')?;
        Some((name, number.parse::<usize>().ok()?))
    };
    weights.sort_by_key(|(idx, _)| place(*idx).map(|(_, number)| number));
    let (name, _) = place(weights.first()?.0)?;
    let mut numbered = weights.iter().zip(1..);
    let in_order = numbered.all(|((idx, _), number)| !is_dense(*idx) && place(*idx) == Some((name, number)));
    let (order, factors): (Vec<usize>, Vec<usize>) = weights.into_iter().unzip();
    (in_order && factors.iter().product::<usize>() == states).then(|| (name.to_string(), order, factors))
}
