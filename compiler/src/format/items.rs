//! Items of the syntax tree as text that parses to them, one a line; the formatter gives it its form.

use crate::ast::*;
use crate::dump::expr;

/// The text of inputs, regions and roots. Variables and builders are not written.
pub fn items(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        item_text(item, &mut text);
    }
    text
}

fn item_text(item: &Item, text: &mut String) {
    match &item.kind {
        ItemKind::Variable { .. } | ItemKind::Regions(_) => return,
        ItemKind::Input { name, indices, distribution, attributes } => {
            text.push_str("input ");
            head(name, indices, text);
            text.push_str(&distribution.name.value);
            text.push('(');
            reference(&distribution.variable, text);
            for argument in &distribution.arguments {
                text.push_str(", ");
                text.push_str(&expr(argument));
            }
            text.push(')');
            write_attributes(attributes, text);
        }
        ItemKind::Region { name, indices, value, attributes } => {
            text.push_str("region ");
            head(name, indices, text);
            region(value, false, text);
            write_attributes(attributes, text);
        }
        ItemKind::Root { value, attributes } => {
            text.push_str("root ");
            region(value, false, text);
            write_attributes(attributes, text);
        }
    }
    text.push('\n');
}

/// `name[indices] = `
fn head(name: &Name, indices: &[Index], text: &mut String) {
    text.push_str(&name.value);
    let index = |index: &Index| match index {
        Index::At(value) => expr(value),
        Index::Range { name, from, to, reversed, .. } => {
            let direction = if *reversed { " reversed" } else { "" };
            format!("{} in {}..{}{direction}", name.value, expr(from), expr(to))
        }
    };
    let indices: Vec<String> = indices.iter().map(index).collect();
    bracketed(&indices, text);
    text.push_str(" = ");
}

fn reference(reference: &Ref, text: &mut String) {
    text.push_str(&reference.name.value);
    bracketed(&reference.indices.iter().map(expr).collect::<Vec<_>>(), text);
}

fn bracketed(values: &[String], text: &mut String) {
    if !values.is_empty() {
        text.push('[');
        text.push_str(&values.join(", "));
        text.push(']');
    }
}

/// An expression; `is_operand`: in parentheses if it is made with an operator.
fn region(value: &RegionExpr, is_operand: bool, text: &mut String) {
    match value {
        RegionExpr::Ref(place) => reference(place, text),
        RegionExpr::Hadamard(parts, _) => joined(parts, " * ", is_operand, text),
        RegionExpr::Mixture(parts, _) => joined(parts, " | ", is_operand, text),
        RegionExpr::Kronecker(parts, _) => {
            text.push_str("kronecker(");
            for (position, part) in parts.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                region(part, false, text);
            }
            text.push(')');
        }
        RegionExpr::Sum(sum) => {
            let has_attributes = !sum.attributes.is_empty();
            text.push_str(if has_attributes { "(sum(" } else { "sum(" });
            for (position, (weight, operand)) in sum.operands.iter().enumerate() {
                text.push_str(if position == 0 { "" } else { ", " });
                if let Some(weight) = weight {
                    text.push_str(&format!("{} : ", weight.value));
                }
                region(operand, false, text);
            }
            text.push(')');
            write_attributes(&sum.attributes, text);
            text.push_str(if has_attributes { ")" } else { "" });
        }
    }
}

fn joined(parts: &[RegionExpr], operator: &str, is_operand: bool, text: &mut String) {
    text.push_str(if is_operand { "(" } else { "" });
    for (position, part) in parts.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { operator });
        region(part, true, text);
    }
    text.push_str(if is_operand { ")" } else { "" });
}

fn write_attributes(attributes: &[Attribute], text: &mut String) {
    for attribute in attributes {
        text.push(' ');
        text.push_str(&attribute_text(attribute));
    }
}

fn attribute_text(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Width(value, _) => format!("width {}", expr(value)),
        Attribute::Dense(_) => "dense".to_owned(),
        Attribute::BlockDiagonal(value, _) => format!("block_diagonal({})", expr(value)),
        Attribute::Monarch(values, _) => {
            format!("monarch({})", values.iter().map(expr).collect::<Vec<_>>().join(", "))
        }
        Attribute::Tie(name) => format!("tie {}", name.value),
        Attribute::MixingTie(name, _) => format!("mixing tie {}", name.value),
        Attribute::Floor(value, _) => format!("floor {}", value.value),
        Attribute::Weights(rows, _) => {
            let row = |row: &Vec<Number>| {
                format!("[{}]", row.iter().map(|number| number.value.to_string()).collect::<Vec<_>>().join(", "))
            };
            format!("weights [{}]", rows.iter().map(row).collect::<Vec<_>>().join(", "))
        }
    }
}
