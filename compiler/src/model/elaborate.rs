//! Elaborates one circuit: drives the steps and holds what they share.

use super::expression::{Evaluator, Setting, here};
use super::lookup::Lookup;
use super::reports::Reports;
use super::weights::WeightsTable;
use super::{Circuit, Instance, Scope, Unit, UnitId, Variable};
use crate::ast::{self, Attribute, Expr, Index, Item, ItemKind, Name, Ref, Span};
use crate::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// An input or a region: a name with the instances defined so far.
pub(super) struct Symbol<'a> {
    pub name: &'a str,
    pub span: Span,
    pub rank: usize,
    pub instances: Lookup,
    /// Whether a declaration of it is faulty, so that instances may be missing.
    pub broken: bool,
}

/// One instance of an input or region on its way to a unit.
pub(super) struct Declared {
    pub symbol: u32,
    pub item: u32,
    pub indices: Box<[i64]>,
    /// What it refers to, in the order of writing: a part of [`Elaborator::references`].
    pub references: Range<u32>,
    /// Its unit; `None` before it is built and if it is faulty.
    pub unit: Option<UnitId>,
}

/// The state of an elaboration.
pub(super) struct Elaborator<'a> {
    pub ast: &'a ast::Circuit,
    pub items: &'a [Item],
    pub reports: &'a mut Reports,
    pub settings: Vec<Setting>,
    /// The loop variables of the instance at hand.
    pub loops: Vec<(&'a str, i64)>,
    /// Every name declared in the circuit: where, and as what.
    pub names: BTreeMap<&'a str, (Span, &'static str)>,
    /// Names that several things claim: what they mean is not clear.
    pub contested: BTreeSet<&'a str>,
    pub variables: Vec<Variable>,
    /// By name; `None` if the declaration is faulty.
    pub variable_names: BTreeMap<&'a str, Option<u32>>,
    pub symbols: Vec<Symbol<'a>>,
    pub symbol_names: BTreeMap<&'a str, u32>,
    pub declared: Vec<Declared>,
    pub references: Vec<Option<u32>>,
    pub units: Vec<Unit>,
    pub unit_total: u64,
    pub scope_total: u64,
    pub singles: Vec<Option<Arc<Scope>>>,
    pub weights: WeightsTable<'a>,
    /// Memory for the indices of a reference.
    pub scratch: Vec<i64>,
    /// How many steps all loops have taken.
    pub steps: u64,
    /// Whether there are more instances than can be worked on.
    pub is_too_large: bool,
}

/// The circuit, or `None` if it has faults, which are reported.
pub(super) fn elaborate(ast: &ast::Circuit, settings: Vec<Setting>, reports: &mut Reports) -> Option<Circuit> {
    let ast::CircuitBody::Items(items) = &ast.body else { return None };
    let before = reports.faults();
    let has_all_values = settings.iter().all(|setting| setting.value.is_some());
    let mut elaborator = Elaborator::new(ast, items, settings, reports);
    let root_item = elaborator.declare();
    if elaborator.is_too_large {
        return None;
    }
    elaborator.refer();
    let order = elaborator.order();
    order.into_iter().for_each(|instance| elaborator.build_instance(instance));
    let root = root_item.and_then(|item| elaborator.build_root(item));
    if elaborator.reports.faults() > before || !has_all_values {
        return None;
    }
    let (root, references) = root.expect("a circuit without a root has been reported");
    elaborator.warn_unused(root, references);
    Some(elaborator.finish(root))
}

/// The variables of a circuit, the names of those that are faulty, and the settings back.
pub(super) fn variables(
    ast: &ast::Circuit,
    settings: Vec<Setting>,
    reports: &mut Reports,
) -> (Vec<Variable>, Vec<String>, Vec<Setting>) {
    let ast::CircuitBody::Items(items) = &ast.body else { return (Vec::new(), Vec::new(), settings) };
    let mut elaborator = Elaborator::new(ast, items, settings, reports);
    elaborator.declare_variables();
    let faulty = elaborator.variable_names.iter().filter(|(_, variable)| variable.is_none());
    let faulty = faulty.map(|(name, _)| (*name).to_owned()).collect();
    (elaborator.variables, faulty, elaborator.settings)
}

impl<'a> Elaborator<'a> {
    fn new(ast: &'a ast::Circuit, items: &'a [Item], settings: Vec<Setting>, reports: &'a mut Reports) -> Self {
        Elaborator {
            ast,
            items,
            reports,
            settings,
            loops: Vec::new(),
            names: BTreeMap::new(),
            contested: BTreeSet::new(),
            variables: Vec::new(),
            variable_names: BTreeMap::new(),
            symbols: Vec::new(),
            symbol_names: BTreeMap::new(),
            declared: Vec::new(),
            references: Vec::new(),
            units: Vec::new(),
            unit_total: 0,
            scope_total: 0,
            singles: Vec::new(),
            weights: WeightsTable::default(),
            scratch: Vec::new(),
            steps: 0,
            is_too_large: false,
        }
    }

    fn finish(self, root: UnitId) -> Circuit {
        let instance = |declared: Declared| Instance {
            symbol: declared.symbol,
            indices: declared.indices,
            unit: declared.unit.expect("without errors every instance is built"),
            span: self.items[declared.item as usize].span,
        };
        let value = |setting: Setting| (setting.name, setting.value.expect("without errors every setting has a value"));
        Circuit {
            name: self.ast.name.value.clone(),
            doc: self.ast.doc.clone(),
            settings: self.settings.into_iter().map(value).collect(),
            variables: self.variables,
            weights: self.weights.list,
            symbols: self.symbols.iter().map(|s| s.name.to_owned()).collect(),
            instances: self.declared.into_iter().map(instance).collect(),
            units: self.units,
            root,
            built: Vec::new(),
        }
    }

    /// Reports a fault of the instance at hand; its place in the loops is added to the label.
    pub fn report_instance(&mut self, mut fault: Diagnostic) {
        if let Some((_, label)) = &mut fault.primary {
            label.push_str(&here(&self.loops));
        }
        self.reports.add_instance(fault);
    }

    pub fn integer(&mut self, expr: &Expr) -> Option<i64> {
        Evaluator { settings: &self.settings, loops: &self.loops, reports: self.reports }.integer(expr)
    }

    /// The values of the indices of a reference, in a list that may be used again.
    pub fn indices(&mut self, reference: &Ref, mut list: Vec<i64>) -> Option<Vec<i64>> {
        list.clear();
        let mut is_good = true;
        for index in &reference.indices {
            match self.integer(index) {
                Some(value) => list.push(value),
                None => is_good = false,
            }
        }
        is_good.then_some(list)
    }

    /// Sets the loop variables to what they are for an instance.
    pub fn enter(&mut self, instance: u32) {
        self.loops.clear();
        let declared = &self.declared[instance as usize];
        let items: &'a [Item] = self.items;
        let (ItemKind::Input { indices, .. } | ItemKind::Region { indices, .. }) = &items[declared.item as usize].kind
        else {
            unreachable!("only inputs and regions have instances");
        };
        for (index, value) in indices.iter().zip(&declared.indices) {
            if let Index::Range { name, .. } = index {
                self.loops.push((name.value.as_str(), *value));
            }
        }
    }

    /// The item of an instance.
    pub fn item(&self, instance: u32) -> &'a Item {
        let items: &'a [Item] = self.items;
        &items[self.declared[instance as usize].item as usize]
    }

    /// The name and attributes of the item of an instance.
    pub fn name_and_attributes(&self, instance: u32) -> (&'a Name, &'a [Attribute]) {
        match &self.item(instance).kind {
            ItemKind::Input { name, attributes, .. } | ItemKind::Region { name, attributes, .. } => (name, attributes),
            ItemKind::Variable { .. } | ItemKind::Regions(_) | ItemKind::Root { .. } => {
                unreachable!("only inputs and regions have instances")
            }
        }
    }

    /// How an instance is written.
    pub fn instance_name(&self, instance: u32) -> String {
        let declared = &self.declared[instance as usize];
        super::element(self.symbols[declared.symbol as usize].name, &declared.indices)
    }
}
