//! Widths and scopes: builds the units of an instance from those it refers to.

use super::attributes::{Attributes, SumKind};
use super::elaborate::Elaborator;
use super::names::count;
use super::sums::SumTree;
use super::{UnitId, UnitKind, limits, spans};
use crate::ast::{self, Attribute, Item, ItemKind, RegionExpr, Span};
use crate::diagnostic::Diagnostic;
use std::ops::Range;

/// A width as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Width {
    Known(usize),
    /// Nothing says what it is.
    Open,
    /// It is faulty, which has been reported.
    Faulty,
}

/// The value of a region with its references resolved and its attributes read.
pub(super) enum Tree<'a> {
    Unit(Option<UnitId>, Span),
    Hadamard(Vec<Tree<'a>>, Span),
    Kronecker(Vec<Tree<'a>>, Span),
    Mixture(Mixture<'a>),
    Sum(SumTree<'a>),
}

/// `a | b`.
pub(super) struct Mixture<'a> {
    pub parts: Vec<Tree<'a>>,
    pub attributes: Attributes<'a>,
    pub number: usize,
    pub span: Span,
}

/// The region whose value is built: what names its weights, and what its sums inherit.
pub(super) struct Region<'a> {
    pub instance: Option<u32>,
    pub attributes: Attributes<'a>,
    /// The next reference of the value.
    next: u32,
    sums: usize,
    mixtures: usize,
    is_nested: bool,
    used: Used,
}

/// Which inherited attributes some sum has taken.
#[derive(Default)]
struct Used {
    width: bool,
    kind: bool,
    tie: bool,
    mixing_tie: bool,
    weights: usize,
}

impl<'a> Elaborator<'a> {
    /// Builds an instance; what it refers to has been built.
    pub fn build_instance(&mut self, instance: u32) {
        self.enter(instance);
        let unit = match &self.item(instance).kind {
            ItemKind::Input { distribution, attributes, .. } => self.build_input(instance, distribution, attributes),
            ItemKind::Region { value, attributes, .. } => {
                let references = self.declared[instance as usize].references.clone();
                self.build_value(Some(instance), value, attributes, references, Width::Open)
            }
            ItemKind::Variable { .. } | ItemKind::Regions(_) | ItemKind::Root { .. } => None,
        };
        self.loops.clear();
        if let Some(unit) = unit {
            self.declared[instance as usize].unit = Some(unit);
            self.units[unit.0 as usize].instance.get_or_insert(instance);
        }
    }

    /// Builds the root; gives its references, too.
    pub fn build_root(&mut self, item: &'a Item) -> Option<(UnitId, Range<u32>)> {
        let ItemKind::Root { value, attributes } = &item.kind else { return None };
        let references = self.refer_in(value);
        let unit = self.build_value(None, value, attributes, references.clone(), Width::Known(1))?;
        let width = self.units[unit.0 as usize].width;
        if width != 1 {
            let message = format!("the root has one unit, but this expression has {width}");
            let fault = Diagnostic::error("root.width", message, spans::of_region(value), format!("width {width}"));
            self.reports.add(fault.help("sum over the units: `root sum(..)`"));
            return None;
        }
        self.check_tensor_names();
        Some((unit, references))
    }

    fn build_value(
        &mut self,
        instance: Option<u32>,
        value: &'a RegionExpr,
        list: &'a [Attribute],
        references: Range<u32>,
        expected: Width,
    ) -> Option<UnitId> {
        let attributes = self.attributes(list);
        self.refuse_floor(&attributes);
        let (sums, mixtures) = count_sums(value);
        let mut region = Region {
            instance,
            attributes,
            next: references.start,
            sums: 0,
            mixtures: 0,
            is_nested: sums + mixtures > 1,
            used: Used::default(),
        };
        let has_sums = sums > 0;
        let tree = self.tree(value, &mut region, has_sums);
        let is_usable = self.check_used(&region, sums, mixtures);
        let unit = self.build(&tree, &region, expected)?;
        self.check_region_width(&region, unit, value)?;
        is_usable.then_some(unit)
    }

    /// The width of a region without sums is a promise that is checked.
    fn check_region_width(&mut self, region: &Region<'a>, unit: UnitId, value: &RegionExpr) -> Option<()> {
        let Some((Some(promised), span)) = region.attributes.width else { return Some(()) };
        let width = self.units[unit.0 as usize].width;
        if region.used.width || promised == width {
            return Some(());
        }
        let message = format!("this region has {}, not {promised}", count(width, "unit"));
        let fault = Diagnostic::error("region.width", message, span, format!("says {promised}"));
        let fault = fault.with(spans::of_region(value), format!("has width {width}"));
        self.report_instance(fault.help("a width is chosen by sums and inputs; products follow from their operands"));
        None
    }

    /// Reports attributes that apply to nothing, or to too much.
    fn check_used(&mut self, region: &Region<'a>, sums: usize, mixtures: usize) -> bool {
        let Region { attributes, used, .. } = region;
        let no_sum = if sums == 0 { "there is no sum in this expression" } else { "every sum here has its own" };
        let mut unused = None;
        if let (Some((_, span)), false) = (&attributes.kind, used.kind) {
            unused = Some((*span, "this kind of sum", no_sum));
        } else if let (Some(tie), false) = (attributes.tie, used.tie) {
            unused = Some((tie.span, "this tie", no_sum));
        } else if let (Some((_, span)), 0) = (attributes.weights, used.weights) {
            unused = Some((span, "this list of weights", no_sum));
        } else if let (Some((_, span)), false) = (attributes.mixing_tie, used.mixing_tie) {
            unused = Some((span, "this mixing tie", "there are no partitions `a | b` in this expression"));
        }
        if let Some((span, what, why)) = unused {
            let message = format!("{what} applies to nothing: {why}");
            self.reports.add(Diagnostic::error("attribute.unused", message, span, "applies to nothing"));
            return false;
        }
        if let (Some((_, span)), 2..) = (attributes.weights, used.weights) {
            let which = if sums > 0 { format!("{sums} sums") } else { format!("{mixtures} mixtures") };
            let message = format!("it is not clear which of the {which} these weights belong to");
            let fault = Diagnostic::error("weights.ambiguous", message, span, "several could be meant");
            self.reports.add(fault.help("write them inside parentheses: `(sum(a) weights [..]) * b`"));
            return false;
        }
        true
    }

    /// Resolves references and attributes. `has_sums`: whether given weights belong to sums, not to mixtures.
    fn tree(&mut self, value: &'a RegionExpr, region: &mut Region<'a>, has_sums: bool) -> Tree<'a> {
        match value {
            RegionExpr::Ref(reference) => {
                let target = self.references[region.next as usize];
                region.next += 1;
                Tree::Unit(target.and_then(|target| self.declared[target as usize].unit), reference.span)
            }
            RegionExpr::Hadamard(parts, span) => Tree::Hadamard(self.trees(parts, region, has_sums), *span),
            RegionExpr::Kronecker(parts, span) => Tree::Kronecker(self.trees(parts, region, has_sums), *span),
            RegionExpr::Mixture(parts, span) => {
                let mut attributes = Attributes { mixing_tie: region.attributes.mixing_tie, ..Attributes::default() };
                region.used.mixing_tie |= attributes.mixing_tie.is_some();
                if !has_sums && region.attributes.weights.is_some() {
                    attributes.weights = region.attributes.weights;
                    region.used.weights += 1;
                }
                region.mixtures += 1;
                let number = region.mixtures;
                let parts = self.trees(parts, region, has_sums);
                Tree::Mixture(Mixture { parts, attributes, number, span: *span })
            }
            RegionExpr::Sum(sum) => self.sum_tree(sum, region, has_sums),
        }
    }

    fn trees(&mut self, parts: &'a [RegionExpr], region: &mut Region<'a>, has_sums: bool) -> Vec<Tree<'a>> {
        parts.iter().map(|part| self.tree(part, region, has_sums)).collect()
    }

    fn sum_tree(&mut self, sum: &'a ast::Sum, region: &mut Region<'a>, has_sums: bool) -> Tree<'a> {
        let own = self.attributes(&sum.attributes);
        self.refuse_floor(&own);
        if let Some((_, span)) = own.mixing_tie {
            let message = "a mixing tie belongs to a region with partitions `a | b`, not to a sum";
            self.reports.add(Diagnostic::error("attribute.misplaced", message, span, "not for a sum"));
        }
        let is_given = sum.operands.iter().any(|(weight, _)| weight.is_some());
        let inherited = region.attributes.clone();
        let mut attributes = own;
        inherit(&mut attributes.width, inherited.width, &mut region.used.width);
        inherit(&mut attributes.tie, inherited.tie, &mut region.used.tie);
        if !is_given {
            inherit(&mut attributes.kind, inherited.kind, &mut region.used.kind);
            let mut takes = false;
            inherit(&mut attributes.weights, inherited.weights, &mut takes);
            region.used.weights += usize::from(takes);
        }
        region.sums += 1;
        let number = region.sums;
        let operands = sum.operands.iter().map(|(_, operand)| self.tree(operand, region, has_sums)).collect();
        Tree::Sum(SumTree { ast: sum, operands, attributes, number, is_given })
    }

    /// The width of an expression as far as it does not depend on where it stands.
    pub fn natural_width(&self, tree: &Tree<'a>) -> Width {
        match tree {
            Tree::Unit(Some(unit), _) => Width::Known(self.units[unit.0 as usize].width),
            Tree::Unit(None, _) => Width::Faulty,
            Tree::Hadamard(parts, _) => self.common_width(parts, Width::Open),
            Tree::Mixture(mixture) => self.common_width(&mixture.parts, Width::Open),
            Tree::Kronecker(parts, _) => self.product_width(parts),
            Tree::Sum(sum) => self.natural_sum_width(sum),
        }
    }

    fn product_width(&self, parts: &[Tree<'a>]) -> Width {
        let mut product = 1_usize;
        for part in parts {
            match self.natural_width(part) {
                Width::Known(width) => match product.checked_mul(width) {
                    Some(width) => product = width,
                    None => return Width::Faulty,
                },
                other => return other,
            }
        }
        Width::Known(product)
    }

    pub fn natural_sum_width(&self, sum: &SumTree<'a>) -> Width {
        match (&sum.attributes.width, &sum.attributes.kind) {
            (Some((Some(width), _)), _) => Width::Known(*width),
            (Some((None, _)), _) | (None, Some((None, _))) => Width::Faulty,
            (None, Some((Some(SumKind::Monarch(factors)), _))) => {
                let product = factors.iter().try_fold(1_usize, |product, factor| product.checked_mul(*factor));
                product.map_or(Width::Faulty, Width::Known)
            }
            (None, _) if sum.is_given => self.common_width(&sum.operands, Width::Open),
            (None, _) => sum.attributes.weights.map_or(Width::Open, |(rows, _)| Width::Known(rows.len())),
        }
    }

    /// The width that operands of equal widths have: the first that is known, else what is expected of them.
    pub fn common_width(&self, parts: &[Tree<'a>], expected: Width) -> Width {
        let mut common = expected;
        for part in parts {
            match self.natural_width(part) {
                Width::Known(width) => return Width::Known(width),
                Width::Faulty => common = Width::Faulty,
                Width::Open => {}
            }
        }
        common
    }

    /// Builds the units of an expression.
    pub fn build(&mut self, tree: &Tree<'a>, region: &Region<'a>, expected: Width) -> Option<UnitId> {
        match tree {
            Tree::Unit(unit, _) => *unit,
            Tree::Hadamard(parts, span) => self.hadamard(parts, *span, region, expected),
            Tree::Kronecker(parts, span) => self.kronecker(parts, *span, region),
            Tree::Mixture(mixture) => self.mixture(mixture, region, expected),
            Tree::Sum(sum) => self.sum(sum, region, expected),
        }
    }

    /// Builds all parts, so that all their faults are reported.
    pub fn build_all(&mut self, parts: &[Tree<'a>], region: &Region<'a>, expected: Width) -> Option<Vec<UnitId>> {
        let mut units = Vec::with_capacity(parts.len());
        for part in parts {
            units.extend(self.build(part, region, expected));
        }
        (units.len() == parts.len()).then_some(units)
    }

    fn hadamard(&mut self, parts: &[Tree<'a>], span: Span, region: &Region<'a>, expected: Width) -> Option<UnitId> {
        let width = self.common_width(parts, expected);
        let units = self.build_all(parts, region, width)?;
        let is_even =
            self.equal_widths(parts, &units, "hadamard.width", "the operands of `*` are multiplied unit by unit");
        let scope = self.decomposable(parts, &units);
        is_even?;
        let width = self.units[units[0].0 as usize].width;
        self.add_unit(UnitKind::Hadamard(units), width, scope?, span)
    }

    fn kronecker(&mut self, parts: &[Tree<'a>], span: Span, region: &Region<'a>) -> Option<UnitId> {
        if parts.len() < 2 {
            let message = "`kronecker` needs at least two operands";
            self.reports.add(Diagnostic::error("kronecker.operands", message, span, "only one operand"));
            return None;
        }
        let units = self.build_all(parts, region, Width::Open)?;
        let scope = self.decomposable(parts, &units)?;
        let widths: Vec<u64> = units.iter().map(|unit| self.units[unit.0 as usize].width as u64).collect();
        let width = widths.iter().try_fold(1_u64, |product, width| product.checked_mul(*width));
        let Some(width) = width.filter(|width| *width <= limits::WIDTH) else {
            let widths: Vec<String> = widths.iter().map(u64::to_string).collect();
            let message = format!("this Kronecker product has {} units, which is too many", widths.join(" * "));
            let fault =
                Diagnostic::error("size.width", message, span, format!("at most {} are possible", limits::WIDTH));
            self.report_instance(fault.help("`*` multiplies unit by unit and keeps the width"));
            return None;
        };
        self.add_unit(UnitKind::Kronecker(units), width as usize, scope, span)
    }

    /// The name of weights without a tie: that of the instance, with points.
    pub fn automatic_name(&self, instance: Option<u32>) -> String {
        let Some(instance) = instance else { return "root".to_owned() };
        let declared = &self.declared[instance as usize];
        let mut name = self.symbols[declared.symbol as usize].name.to_owned();
        for index in &declared.indices {
            name.push('.');
            name.push_str(&index.to_string());
        }
        name
    }

    /// The name of the weights of a sum (`what` is `sum`) or mixture of a region.
    pub fn weights_name(&self, region: &Region<'a>, what: &str, number: usize) -> String {
        let name = self.automatic_name(region.instance);
        if region.is_nested { format!("{name}.{what}{number}") } else { name }
    }
}

impl Tree<'_> {
    /// Where it stands.
    pub fn span(&self) -> Span {
        match self {
            Tree::Unit(_, span) | Tree::Hadamard(_, span) | Tree::Kronecker(_, span) => *span,
            Tree::Mixture(mixture) => mixture.span,
            Tree::Sum(sum) => sum.ast.span,
        }
    }
}

fn inherit<T>(own: &mut Option<T>, inherited: Option<T>, used: &mut bool) {
    if own.is_none() && inherited.is_some() {
        *own = inherited;
        *used = true;
    }
}

/// The number of sums and mixtures in an expression.
fn count_sums(value: &RegionExpr) -> (usize, usize) {
    let (own, parts): ((usize, usize), Vec<&RegionExpr>) = match value {
        RegionExpr::Ref(_) => return (0, 0),
        RegionExpr::Hadamard(parts, _) | RegionExpr::Kronecker(parts, _) => ((0, 0), parts.iter().collect()),
        RegionExpr::Mixture(parts, _) => ((0, 1), parts.iter().collect()),
        RegionExpr::Sum(sum) => ((1, 0), sum.operands.iter().map(|(_, operand)| operand).collect()),
    };
    parts.into_iter().map(count_sums).fold(own, |(s, m), (sums, mixtures)| (s + sums, m + mixtures))
}
