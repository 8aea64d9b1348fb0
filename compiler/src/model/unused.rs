//! Warnings about what the root does not need.

use super::elaborate::Elaborator;
use super::reports::warning;
use super::{Scope, UnitId, scope_text};
use crate::ast::ItemKind;
use std::collections::BTreeMap;
use std::ops::Range;

impl Elaborator<'_> {
    /// Warns of variables, inputs, regions and parameters that play no role. The circuit has no errors.
    pub fn warn_unused(&mut self, root: UnitId, references: Range<u32>) {
        self.warn_variables(root);
        self.warn_regions(references);
        let name = &self.ast.name.value;
        for setting in self.settings.iter().filter(|setting| !setting.used.get()) {
            let message = format!("the parameter `{}` of `{name}` is not used", setting.name);
            self.reports.add(warning("parameter.unused", message, setting.span, "not used".to_owned()));
        }
    }

    fn warn_variables(&mut self, root: UnitId) {
        let scope = self.scope(root);
        for variable in &self.variables {
            let count: usize = variable.array.shape.iter().product();
            let end = variable.first + count as u32;
            let own = Scope::all(end).difference(&Scope::all(variable.first));
            let missing = own.difference(&scope);
            if missing.is_empty() {
                continue;
            }
            let missing = scope_text(&self.variables, &missing);
            let message = format!("the root is not about {missing}: data there is ignored");
            self.reports.add(warning(
                "variable.unused",
                message,
                variable.span,
                "not reached from the root".to_owned(),
            ));
        }
    }

    fn warn_regions(&mut self, references: Range<u32>) {
        let mut is_used = vec![false; self.declared.len()];
        let mut open: Vec<u32> = self.targets(&references).collect();
        while let Some(instance) = open.pop() {
            if !std::mem::replace(&mut is_used[instance as usize], true) {
                open.extend(self.targets(&self.declared[instance as usize].references));
            }
        }
        let mut unused: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (instance, declared) in self.declared.iter().enumerate().filter(|(i, _)| !is_used[*i]) {
            unused.entry(declared.item).or_default().push(instance as u32);
        }
        for (item, instances) in unused {
            let what =
                if matches!(self.items[item as usize].kind, ItemKind::Input { .. }) { "input" } else { "region" };
            let first = self.instance_name(instances[0]);
            let more = if instances.len() > 1 { format!(" and {} more", instances.len() - 1) } else { String::new() };
            let verb = if instances.len() > 1 { "are" } else { "is" };
            let message = format!("the {what} `{first}`{more} {verb} not needed by the root");
            let (name, _) = self.name_and_attributes(instances[0]);
            self.reports.add(warning("region.unused", message, name.span, "not needed".to_owned()));
        }
    }

    fn targets(&self, references: &Range<u32>) -> impl Iterator<Item = u32> {
        let range = references.start as usize..references.end as usize;
        self.references[range].iter().flatten().copied()
    }
}
