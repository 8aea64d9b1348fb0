//! Which instance refers to which.

use super::elaborate::Elaborator;
use super::element;
use super::names::{are, index_count, nearest_help};
use crate::ast::{ItemKind, Ref, RegionExpr};
use crate::diagnostic::Diagnostic;
use std::ops::Range;

impl<'a> Elaborator<'a> {
    /// Resolves the references of all instances.
    pub fn refer(&mut self) {
        for instance in 0..self.declared.len() as u32 {
            if let ItemKind::Region { value, .. } = &self.item(instance).kind {
                self.enter(instance);
                self.declared[instance as usize].references = self.refer_in(value);
            }
        }
        self.loops.clear();
    }

    /// Resolves the references of an expression in the order of writing.
    pub fn refer_in(&mut self, value: &'a RegionExpr) -> Range<u32> {
        let start = self.references.len() as u32;
        self.collect(value);
        start..self.references.len() as u32
    }

    fn collect(&mut self, value: &'a RegionExpr) {
        match value {
            RegionExpr::Ref(reference) => {
                let target = self.target(reference);
                self.references.push(target);
            }
            RegionExpr::Hadamard(parts, _) | RegionExpr::Kronecker(parts, _) | RegionExpr::Mixture(parts, _) => {
                parts.iter().for_each(|part| self.collect(part));
            }
            RegionExpr::Sum(sum) => sum.operands.iter().for_each(|(_, operand)| self.collect(operand)),
        }
    }

    fn target(&mut self, reference: &'a Ref) -> Option<u32> {
        let name = &reference.name;
        let Some(symbol) = self.symbol_names.get(name.value.as_str()).copied() else {
            self.unknown_region(reference);
            return None;
        };
        let known = &self.symbols[symbol as usize];
        if known.rank != reference.indices.len() {
            let needed = index_count(known.rank);
            let message = format!("`{}` has {needed}, but {} given", name.value, are(reference.indices.len()));
            let fault = Diagnostic::error("index.count", message, reference.span, "wrong number of indices");
            let fault = fault.with(known.span, "declared here");
            self.reports.add(fault);
            return None;
        }
        let scratch = std::mem::take(&mut self.scratch);
        let indices = self.indices(reference, scratch)?;
        let known = &self.symbols[symbol as usize];
        let target = known.instances.get(&indices);
        if target.is_none() && !known.broken {
            let written = element(&name.value, &indices);
            let fault = Diagnostic::error("index.range", format!("`{written}` is not defined"), reference.span, {
                format!("this is `{written}`")
            });
            let fault = fault.with(known.span, self.defined_for(symbol));
            self.report_instance(fault);
        }
        self.scratch = indices;
        target
    }

    fn unknown_region(&mut self, reference: &Ref) {
        let name = &reference.name;
        let is_variable = self.variable_names.contains_key(name.value.as_str());
        if self.contested.contains(name.value.as_str()) || !is_variable && self.names.contains_key(name.value.as_str())
        {
            return;
        }
        let message = format!("there is no input or region called `{}`", name.value);
        let fault = Diagnostic::error("name.unknown", message, name.span, "unknown name");
        let fault = if is_variable {
            let (span, _) = self.names[name.value.as_str()];
            let (axes, index) = if reference.indices.is_empty() { ("", "") } else { ("[i in 0..N]", "[i]") };
            let help = format!("give it a distribution first: `input leaf{axes} = categorical({}{index})`", name.value);
            fault.with(span, format!("`{}` is a variable", name.value)).help(help)
        } else {
            let known = self.symbol_names.keys().copied().take(self.reports.names_to_compare());
            fault.help(nearest_help(&name.value, known, "inputs and regions"))
        };
        self.reports.add(fault);
    }
}
