//! The first group: everything that is named is there. The later checks index without asking.

use super::*;

pub(super) fn check(module: &Module, faults: &mut Vec<Fault>) {
    circuits(module, faults);
    for (index, circuit) in module.circuits.iter().enumerate() {
        let mut report = |item: Item, message: String| {
            faults.push(Fault { place: Place { circuit: index, item }, check: "references", message })
        };
        distinct_names(circuit, &mut report);
        sizes(circuit, &mut report);
    }
    if !faults.is_empty() {
        return;
    }
    for frame in Frame::of(module) {
        layers(&frame, faults);
        root(&frame, faults);
    }
}

fn circuits(module: &Module, faults: &mut Vec<Fault>) {
    let (count, product) = (module.circuits.len(), module.product.is_some());
    if count == 1 || (count > 1 && product) {
        return;
    }
    let message = format!("a module without a pending product holds one circuit, not {count}");
    faults.push(Fault { place: Place { circuit: 0, item: Item::Head }, check: "references", message });
}

fn distinct_names(circuit: &Circuit, report: &mut impl FnMut(Item, String)) {
    let mut seen = std::collections::BTreeSet::new();
    for (i, array) in circuit.variables.iter().enumerate() {
        if !seen.insert(&array.name) {
            report(Item::Variable(i), format!("there are two arrays of variables named {}", array.name));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for (i, parameter) in circuit.parameters.iter().enumerate() {
        if !seen.insert(&parameter.name) {
            report(Item::Parameter(i), format!("there are two parameters named @{}", parameter.name));
        }
    }
}

fn sizes(circuit: &Circuit, report: &mut impl FnMut(Item, String)) {
    let fits = |extents: &[usize], most: usize| {
        extents
            .iter()
            .try_fold(1usize, |all, extent| all.checked_mul(*extent))
            .is_some_and(|all| all > 0 && all <= most)
    };
    let mut variables = 0usize;
    for (i, array) in circuit.variables.iter().enumerate() {
        let most = i32::MAX as usize - variables;
        if !fits(&array.shape, most) {
            return report(Item::Variable(i), "the number of variables must be at least 1 and below 2^31".into());
        }
        variables += array.len();
        let empty = match array.domain {
            Domain::Categorical(size) => size == 0,
            Domain::Binary | Domain::Real => false,
            Domain::Integer(lo, hi) => hi <= lo || hi.checked_sub(lo).is_none(),
        };
        if empty {
            report(Item::Variable(i), "the domain has no values, or too many".into());
        }
    }
    for (i, parameter) in circuit.parameters.iter().enumerate() {
        let fits = match parameter.shape {
            ParameterShape::Table { width, values } => fits(&[width, values], isize::MAX as usize),
            ParameterShape::Weight { blocks, outputs, inputs, dense } => {
                (!dense || blocks == 1) && fits(&[blocks, outputs, inputs], isize::MAX as usize)
            }
            ParameterShape::Mixing { width, inputs } => fits(&[width, inputs], isize::MAX as usize),
            ParameterShape::Gaussian { width, .. } => fits(&[width, 2], isize::MAX as usize),
        };
        if !fits {
            report(Item::Parameter(i), "no extent may be 0, and all entries must fit in memory".into());
        }
    }
}

fn layers(frame: &Frame, faults: &mut Vec<Fault>) {
    let variables = frame.circuit.variable_count() as i64;
    let parameters = frame.circuit.parameters.len();
    for (id, layer) in frame.graph.layers() {
        let mut report = |message| faults.push(Fault { place: frame.place(id), check: "references", message });
        if layer.members.is_empty() {
            report("a layer has at least one member".to_string());
        }
        for member in &layer.members {
            for operand in &member.operands {
                match operand {
                    Operand::Part(part) => part_exists(frame, id, *part, &mut report),
                    Operand::Input(var) => variable_exists(frame, *var, variables, parameters, &mut report),
                }
            }
            if let Some(bad) = member.parameters.iter().find(|p| p.0 as usize >= parameters) {
                report(format!("parameter {} does not exist: there are {parameters}", bad.0));
            }
        }
    }
}

fn part_exists(frame: &Frame, user: LayerId, part: PartRef, report: &mut impl FnMut(String)) {
    if part.layer >= user {
        return report(format!("operand {} must be an earlier layer", part.layer));
    }
    let members = frame.graph.layer(part.layer).members.len();
    if part.part as usize >= members {
        report(format!("operand {}.{} does not exist: {} has {members} parts", part.layer, part.part, part.layer));
    }
}

fn variable_exists(frame: &Frame, var: VarUse, count: i64, parameters: usize, report: &mut impl FnMut(String)) {
    if var.table.0 as usize >= parameters {
        return report(format!("table {} does not exist: there are {parameters} parameters", var.table.0));
    }
    let first = i64::from(var.index);
    let travel = i64::try_from(frame.steps()).ok().and_then(|steps| (steps - 1).checked_mul(i64::from(var.stride)));
    let last = travel.and_then(|travel| first.checked_add(travel)).unwrap_or(i64::MAX);
    if !(0..count).contains(&first) || !(0..count).contains(&last) {
        report(format!("variables {first} to {last} are used, but there are {count} variables"));
    }
}

fn root(frame: &Frame, faults: &mut Vec<Fault>) {
    let mut report = |message| faults.push(Fault { place: frame.root_place(), check: "references", message });
    let Some(root) = frame.graph.root_opt() else {
        return report("there is no root".to_string());
    };
    if root.0 as usize >= frame.graph.len() {
        return report(format!("the root {root} does not exist"));
    }
    let members = frame.graph.layer(root).members.len();
    if members != 1 {
        report(format!("the root has one member, {root} has {members}"));
    }
}
