//! The summary for programs.

use super::{Monarch, Origin, Summary, array_name, kind, monarchs, start};
use danaus_artifact::signature::{Parameter, VariableArray};
use serde_json::{Value, json};

/// The whole summary as one object.
pub fn json(summary: &Summary<'_>) -> Value {
    let plan = summary.plan;
    let mut all = summary.stats.to_json();
    all["doc"] = json!(summary.doc);
    all["fingerprint"] = json!(plan.fingerprint);
    all["variable_arrays"] = plan.variables.iter().map(variables).collect();
    for (entry, parameter) in all["parameters"].as_array_mut().into_iter().flatten().zip(&plan.parameters) {
        describe(entry, parameter);
    }
    all["monarch"] = monarchs(&plan.parameters).iter().map(monarch).collect();
    all["table_bytes"] = json!(4 * plan.tables.len());
    all["queries"] = json!(summary.queries);
    all["deterministic"] = json!(summary.exact);
    all["training"] = summary.training.as_ref().map_or(Value::Null, super::training::Training::json);
    all["cpu"] = super::cpu::json(summary);
    all["gpu"] = super::gpu::json(summary);
    all["artifact"] = summary.origin.as_ref().map_or(Value::Null, origin);
    all
}

fn variables(array: &VariableArray) -> Value {
    json!({ "name": array_name(array), "shape": array.shape, "count": array.len(), "values": array.domain.size() })
}

fn describe(entry: &mut Value, parameter: &Parameter) {
    entry["kind"] = json!(kind(parameter));
    entry["start"] = json!(start(parameter));
}

fn monarch(monarch: &Monarch) -> Value {
    json!({
        "name": monarch.name,
        "width": monarch.width,
        "factors": monarch.factors,
        "weights": monarch.weights,
        "dense_weights": monarch.dense_weights(),
    })
}

fn origin(origin: &Origin) -> Value {
    let sections = origin
        .sections
        .iter()
        .map(|section| json!({ "name": section.name, "bytes": section.bytes, "blake3": section.checksum }));
    json!({ "manifest": origin.manifest, "sections": sections.collect::<Vec<_>>() })
}
