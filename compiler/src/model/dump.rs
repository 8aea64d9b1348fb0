//! The text of a model for `--emit=model`.

use super::expression::Value;
use super::input::domain_text;
use super::weights::factors_text;
use super::{Circuit, Model, Unit, UnitId, UnitKind, Weights, WeightsInit, WeightsShape};
use crate::circuit::Family;
use std::fmt::Write;

/// The model as text: settings, variables, weights, then every unit vector with its width and scope.
pub fn dump(model: &Model) -> String {
    let mut out = String::new();
    if let Some(product) = &model.product {
        doc(&mut out, "", &model.doc);
        let factors: Vec<&str> = model.circuits.iter().map(|circuit| circuit.name.as_str()).collect();
        let untied = if product.untied { " untied" } else { "" };
        let settings = settings(&product.settings);
        line(&mut out, format_args!("product {}{settings} = {}{untied}\n", model.name, factors.join(" * ")));
    }
    for (position, circuit) in model.circuits.iter().enumerate() {
        if position > 0 {
            out.push('\n');
        }
        dump_circuit(&mut out, circuit);
    }
    out
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes any text");
    out.push('\n');
}

fn doc(out: &mut String, indent: &str, lines: &[String]) {
    lines.iter().for_each(|text| line(out, format_args!("{indent}{}", format!("/// {text}").trim_end())));
}

fn settings(settings: &[(String, Value)]) -> String {
    let values: Vec<String> = settings.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    if values.is_empty() { String::new() } else { format!("({})", values.join(", ")) }
}

fn dump_circuit(out: &mut String, circuit: &Circuit) {
    doc(out, "", &circuit.doc);
    line(out, format_args!("circuit {}{} {{", circuit.name, settings(&circuit.settings)));
    for variable in &circuit.variables {
        let array = &variable.array;
        doc(out, "    ", &variable.doc);
        let shape: Vec<String> = array.shape.iter().map(usize::to_string).collect();
        let shape = if shape.is_empty() { String::new() } else { format!("[{}]", shape.join(", ")) };
        line(out, format_args!("    var {}{shape}: {}", array.name, domain_text(array.domain)));
    }
    circuit.weights.iter().for_each(|weights| dump_weights(out, weights));
    for (position, unit) in circuit.units.iter().enumerate() {
        dump_unit(out, circuit, UnitId(position as u32), unit);
    }
    for (position, instance) in circuit.instances.iter().enumerate() {
        if circuit.unit(instance.unit).instance != Some(position as u32) {
            let name = circuit.instance_name(position as u32);
            line(out, format_args!("    {name} is {}", reference(circuit, instance.unit)));
        }
    }
    line(out, format_args!("    root {}", reference(circuit, circuit.root)));
    line(out, format_args!("}}"));
}

fn dump_weights(out: &mut String, weights: &Weights) {
    let init = match &weights.init {
        WeightsInit::Random => String::new(),
        WeightsInit::Given(numbers) => format!(" given [{}]", shortened(numbers)),
        WeightsInit::Indicator(value) => format!(" indicator {value}"),
        WeightsInit::Identity => " identity".to_string(),
        WeightsInit::Member(Family::Binomial) => " binomial".to_string(),
        WeightsInit::Member(Family::Logistic) => " logistic".to_string(),
    };
    let shape = match &weights.shape {
        WeightsShape::Table { width, values } => format!("table [{width}, {values}]"),
        WeightsShape::Gaussian { width, floor } => format!("gaussian [{width}; {}]", floor.0),
        WeightsShape::Dense { outputs, inputs } => format!("dense [{outputs}, {inputs}]"),
        WeightsShape::BlockDiagonal { blocks, size } => format!("block_diagonal [{blocks}, {size}, {size}]"),
        WeightsShape::Monarch { factors } => format!("monarch {}", factors_text(factors)),
        WeightsShape::Mixing { width, inputs } => format!("mixing [{width}, {inputs}]"),
    };
    line(out, format_args!("    weights {}: {shape}{init}", weights.name));
}

/// At most this many given numbers are shown.
const SHOWN_NUMBERS: usize = 8;

fn shortened(numbers: &[f64]) -> String {
    let shown: Vec<String> = numbers.iter().take(SHOWN_NUMBERS).map(f64::to_string).collect();
    let more =
        if numbers.len() > SHOWN_NUMBERS { format!(", {} more", numbers.len() - SHOWN_NUMBERS) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// A unit vector is called by its instance, or `#n` if it has no name.
fn reference(circuit: &Circuit, id: UnitId) -> String {
    circuit.unit_name(id).unwrap_or_else(|| format!("#{}", id.0))
}

fn references(circuit: &Circuit, operands: &[UnitId], between: &str) -> String {
    operands.iter().map(|operand| reference(circuit, *operand)).collect::<Vec<_>>().join(between)
}

fn dump_unit(out: &mut String, circuit: &Circuit, id: UnitId, unit: &Unit) {
    let (what, value) = match &unit.kind {
        UnitKind::Input { variable, table } => {
            let table = &circuit.weights(*table).name;
            ("input", format!("{table} of {}", circuit.variable_name(*variable)))
        }
        UnitKind::Hadamard(operands) => ("region", references(circuit, operands, " * ")),
        UnitKind::Kronecker(operands) => ("region", format!("kronecker({})", references(circuit, operands, ", "))),
        UnitKind::Sum { operands, weights } => {
            let operands = references(circuit, operands, ", ");
            ("region", format!("sum({operands}) weights {}", circuit.weights(*weights).name))
        }
        UnitKind::Mixing { operands, weights } => {
            let operands = references(circuit, operands, " | ");
            ("region", format!("{operands} weights {}", circuit.weights(*weights).name))
        }
    };
    let name = reference(circuit, id);
    let scope = circuit.scope_text(&unit.scope);
    line(out, format_args!("    {what} {name} = {value}  // width {}, {scope}", unit.width));
}
