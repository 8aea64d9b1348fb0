//! The third group: scans and carries.

use super::*;
use crate::circuit::scope::{CARRY, Scope, body_scopes, scan_uses};

pub(super) fn check(module: &Module, faults: &mut Vec<Fault>) {
    for frame in Frame::of(module) {
        for (id, layer) in frame.graph.layers() {
            let mut report = |message: String| faults.push(Fault { place: frame.place(id), check: "scans", message });
            match &layer.op {
                Op::Carry if frame.scan.is_none() => report("a carry stands only in the body of a scan".into()),
                Op::Scan(_) if frame.scan.is_some() => report("the body of a scan holds no scan".into()),
                Op::Scan(scan) => carries(layer, scan, &mut report),
                _ => {}
            }
            strides(&frame, layer, &mut report);
        }
    }
    if !faults.is_empty() {
        return;
    }
    for frame in Frame::of(module) {
        for (id, layer) in frame.graph.layers() {
            if let Op::Scan(scan) = &layer.op {
                let mut report =
                    |message: String| faults.push(Fault { place: frame.place(id), check: "scans", message });
                depends_on_carry(scan, &mut report);
                uses_are_disjoint(&frame, scan, &mut report);
            }
        }
    }
}

fn carries(layer: &Layer, scan: &Scan, report: &mut impl FnMut(String)) {
    if layer.members.len() != 1 {
        report(format!("a scan has one member, not {}", layer.members.len()));
    }
    let carries: Vec<&Layer> = scan.body.layers().map(|(_, l)| l).filter(|l| l.op == Op::Carry).collect();
    match carries.as_slice() {
        [carry] if carry.members.len() != 1 => report("the carry has one member".into()),
        [carry] if carry.width != layer.width => {
            report(format!("the carry has width {}, the scan {}", carry.width, layer.width));
        }
        [_] => {}
        _ => report(format!("the body holds one carry, not {}", carries.len())),
    }
    let root = scan.body.layer(scan.body.root()).width;
    if root != layer.width {
        report(format!("the root of the body has width {root}, the scan {}", layer.width));
    }
}

fn strides(frame: &Frame, layer: &Layer, report: &mut impl FnMut(String)) {
    for operand in layer.members.iter().flat_map(|m| &m.operands) {
        let Operand::Input(var) = operand else { continue };
        if frame.scan.is_some() && var.stride == 0 {
            report(format!("{} is used again in every iteration", variable(frame.circuit, var.index, 0)));
        }
        if frame.scan.is_none() && var.stride != 0 {
            report("outside of the body of a scan a variable has no stride".into());
        }
    }
}

fn depends_on_carry(scan: &Scan, report: &mut impl FnMut(String)) {
    let root = &body_scopes(scan)[scan.body.root().0 as usize][0];
    if !root.contains(CARRY) {
        report("the root of the body does not depend on the carry".into());
    }
}

fn uses_are_disjoint(frame: &Frame, scan: &Scan, report: &mut impl FnMut(String)) {
    let uses: Vec<Scope> = scan_uses(scan).into_iter().map(|var| Scope::of_use(var, scan.steps)).collect();
    if let (_, Some(shared)) = Scope::union(&uses) {
        report(format!("two iterations are about {}", variable(frame.circuit, shared, 0)));
    }
}
