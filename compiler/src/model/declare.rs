//! Variables, and the names and indices of inputs and regions.

use super::elaborate::{Declared, Elaborator, Symbol};
use super::lookup::Lookup;
use super::names::{index_count, nearest_help};
use super::{Variable, limits, spans};
use crate::ast::{self, Expr, Index, Item, ItemKind, Name, Span};
use crate::circuit::{Domain, VariableArray};
use crate::diagnostic::Diagnostic;

const REGION: &str = "an input or region";

impl<'a> Elaborator<'a> {
    /// Declares the variables alone.
    pub fn declare_variables(&mut self) {
        let items: &'a [Item] = self.items;
        for item in items {
            if let ItemKind::Variable { name, shape, domain } = &item.kind {
                self.declare_variable(item, name, shape, domain);
            }
        }
    }

    /// Declares everything; gives the item of the root.
    pub fn declare(&mut self) -> Option<&'a Item> {
        let mut roots = Vec::new();
        let items: &'a [Item] = self.items;
        for (position, item) in items.iter().enumerate() {
            match &item.kind {
                ItemKind::Variable { name, shape, domain } => self.declare_variable(item, name, shape, domain),
                ItemKind::Input { name, indices, .. } | ItemKind::Region { name, indices, .. } => {
                    self.declare_instances(position as u32, name, indices);
                }
                ItemKind::Regions(_) => unreachable!("builders are replaced before"),
                ItemKind::Root { .. } => roots.push(item),
            }
        }
        if self.variables.is_empty() && self.variable_names.is_empty() {
            let message = format!("the circuit `{}` has no variables", self.ast.name.value);
            let fault = Diagnostic::error("variable.missing", message, self.ast.name.span, "no `var` in this circuit");
            self.reports.add(fault.help("declare what the data has, for example `var x[16]: categorical(4)`"));
        }
        self.single_root(&roots)
    }

    fn single_root(&mut self, roots: &[&'a Item]) -> Option<&'a Item> {
        if roots.is_empty() {
            let message = format!("the circuit `{}` has no root", self.ast.name.value);
            let fault = Diagnostic::error("root.missing", message, self.ast.name.span, "no `root` in this circuit");
            self.reports
                .add(fault.help("end the circuit with `root` and an expression of width 1, such as `root sum(z)`"));
        }
        for root in roots.iter().skip(1) {
            let message = "a circuit has one root, this one has several";
            let fault = Diagnostic::error("root.duplicate", message, root.span, "another root");
            let help = "to mix two parts write `root sum(0.5 : a, 0.5 : b)` or `root a | b`";
            self.reports.add(fault.with(roots[0].span, "the first root").help(help));
        }
        roots.first().copied()
    }

    /// Takes a name; reports if it is taken by something else than `what`, or at all if it must be new.
    fn claim(&mut self, name: &'a Name, what: &'static str) -> bool {
        let setting = self.settings.iter().find(|s| s.name == name.value).map(|s| (s.span, "a parameter"));
        let taken = setting.or_else(|| self.names.get(name.value.as_str()).copied());
        match taken {
            Some((_, kind)) if kind == REGION && what == REGION => true,
            Some((span, kind)) => {
                self.contested.insert(&name.value);
                let message = format!("`{}` is already the name of {kind}", name.value);
                let fault = Diagnostic::error("name.duplicate", message, name.span, "declared again");
                self.reports.add(fault.with(span, "first declared here").help("choose another name"));
                false
            }
            None => {
                self.names.insert(&name.value, (name.span, what));
                true
            }
        }
    }

    fn declare_variable(&mut self, item: &'a Item, name: &'a Name, shape: &'a [Expr], domain: &'a ast::Domain) {
        let is_new = self.claim(name, "a variable");
        let shape = self.shape(name, shape);
        let domain = self.domain(domain);
        if !is_new {
            return;
        }
        let (Some(shape), Some(domain)) = (shape, domain) else {
            self.variable_names.insert(&name.value, None);
            return;
        };
        let first =
            self.variables.last().map_or(0, |v| v.first as u64 + v.array.shape.iter().product::<usize>() as u64);
        let count = shape.iter().try_fold(1_u64, |count, extent| count.checked_mul(*extent as u64));
        if count.is_none_or(|count| first + count > limits::VARIABLES) {
            let size = count.map_or("more than 2^64".to_owned(), |count| count.to_string());
            let message = format!("`{}` has {size} variables, which is too many", name.value);
            let label = format!("a circuit may have {} variables in all", limits::VARIABLES);
            self.reports.add(Diagnostic::error("size.variables", message, name.span, label));
            self.variable_names.insert(&name.value, None);
            return;
        }
        self.variable_names.insert(&name.value, Some(self.variables.len() as u32));
        let array = VariableArray { name: name.value.clone(), shape, domain };
        let (first, doc) = (first as u32, item.doc.clone());
        self.variables.push(Variable { array, first, doc, span: name.span });
    }

    fn shape(&mut self, name: &Name, shape: &'a [Expr]) -> Option<Vec<usize>> {
        self.check_axes(name, shape.len())?;
        let extents: Vec<Option<usize>> = shape.iter().map(|extent| self.extent(extent)).collect();
        extents.into_iter().collect()
    }

    fn check_axes(&mut self, name: &Name, axes: usize) -> Option<()> {
        if axes <= limits::AXES {
            return Some(());
        }
        let message = format!("`{}` has {axes} axes; {} are possible", name.value, limits::AXES);
        self.reports.add(Diagnostic::error("index.axes", message, name.span, "too many axes"));
        None
    }

    fn extent(&mut self, expr: &Expr) -> Option<usize> {
        let value = self.integer(expr)?;
        if value >= 1 {
            return Some(value as usize);
        }
        let message = format!("an array of variables needs at least one element on each axis, not {value}");
        let fault = Diagnostic::error("variable.shape", message, spans::of_expr(expr), format!("this is {value}"));
        self.reports.add(fault);
        None
    }

    fn domain(&mut self, domain: &'a ast::Domain) -> Option<Domain> {
        let values: Vec<Option<i64>> = domain.arguments.iter().map(|argument| self.integer(argument)).collect();
        let needed = match domain.name.value.as_str() {
            "categorical" => 1,
            "binary" | "real" => 0,
            "integer" => 2,
            _ => return self.unknown_domain(domain),
        };
        if domain.arguments.len() != needed {
            let usage = match needed {
                0 => format!("`{}`", domain.name.value),
                1 => "`categorical(K)`".to_owned(),
                _ => "`integer(lo..hi)`".to_owned(),
            };
            let message = format!("the domain `{}` is written {usage}", domain.name.value);
            self.reports.add(Diagnostic::error("domain.arguments", message, domain.span, "wrong arguments"));
            return None;
        }
        let values: Vec<i64> = values.into_iter().collect::<Option<_>>()?;
        let (lo, hi) = match values[..] {
            [] if domain.name.value == "real" => return Some(Domain::Real),
            [] => return Some(Domain::Binary),
            [size] => (0, size),
            _ => (values[0], values[1]),
        };
        let size = hi as i128 - lo as i128;
        if size < 1 || size > limits::WIDTH as i128 {
            let (message, label) = if size < 1 {
                (format!("a domain has at least one value, but {lo}..{hi} holds none"), "no value".to_owned())
            } else {
                let message = format!("this domain has {size} values, which is too many");
                (message, format!("at most {} are possible", limits::WIDTH))
            };
            let span = spans::cover(domain.arguments.iter().map(spans::of_expr), domain.span);
            self.reports.add(Diagnostic::error("domain.size", message, span, label));
            return None;
        }
        Some(if needed == 1 { Domain::Categorical(size as usize) } else { Domain::Integer(lo, hi) })
    }

    fn unknown_domain(&mut self, domain: &ast::Domain) -> Option<Domain> {
        let name = &domain.name;
        let help = nearest_help(&name.value, ["categorical", "binary", "integer", "real"].into_iter(), "domains");
        let message = format!("`{}` is not a domain", name.value);
        self.reports.add(Diagnostic::error("domain.unknown", message, name.span, "unknown domain").help(help));
        None
    }

    fn declare_instances(&mut self, item: u32, name: &'a Name, indices: &'a [Index]) {
        if !self.claim(name, REGION) || self.check_axes(name, indices.len()).is_none() {
            return;
        }
        let symbol = match self.symbol_names.get(name.value.as_str()) {
            Some(symbol) => *symbol,
            None => self.new_symbol(name, indices.len()),
        };
        let first = &self.symbols[symbol as usize];
        if first.rank != indices.len() {
            let expected = index_count(first.rank);
            let message =
                format!("`{}` is declared elsewhere with {expected}, here with {}", name.value, indices.len());
            let fault = Diagnostic::error("index.count", message, name.span, "another number of indices");
            self.reports.add(fault.with(first.span, "first declared here"));
            self.symbols[symbol as usize].broken = true;
            return;
        }
        if self.check_loop_names(indices).is_none() || self.expand(item, symbol, indices, &mut Vec::new()).is_none() {
            self.symbols[symbol as usize].broken = true;
        }
        self.loops.clear();
    }

    fn new_symbol(&mut self, name: &'a Name, rank: usize) -> u32 {
        let id = self.symbols.len() as u32;
        let symbol = Symbol { name: &name.value, span: name.span, rank, instances: Lookup::default(), broken: false };
        self.symbols.push(symbol);
        self.symbol_names.insert(&name.value, id);
        id
    }

    fn check_loop_names(&mut self, indices: &'a [Index]) -> Option<()> {
        let mut seen: Vec<&Name> = Vec::new();
        for index in indices {
            let Index::Range { name, .. } = index else { continue };
            let setting = self.settings.iter().find(|s| s.name == name.value).map(|s| (s.span, "a parameter"));
            let earlier = seen.iter().find(|other| other.value == name.value).map(|n| (n.span, "a loop variable"));
            if let Some((span, kind)) = setting.or(earlier) {
                let message = format!("`{}` is already the name of {kind}", name.value);
                let fault = Diagnostic::error("name.duplicate", message, name.span, "declared again");
                self.reports.add(fault.with(span, "first declared here").help("choose another name"));
                return None;
            }
            seen.push(name);
        }
        Some(())
    }

    /// Declares the instances for all values of the remaining indices.
    fn expand(&mut self, item: u32, symbol: u32, indices: &'a [Index], prefix: &mut Vec<i64>) -> Option<()> {
        let Some(index) = indices.get(prefix.len()) else {
            return self.declare_instance(item, symbol, prefix);
        };
        match index {
            Index::At(expr) => {
                let value = self.integer(expr)?;
                self.check_index(value, spans::of_expr(expr))?;
                prefix.push(value);
                self.expand(item, symbol, indices, prefix)?;
                prefix.pop();
            }
            Index::Range { name, from, to, reversed, span } => {
                let bounds = (self.integer(from), self.integer(to));
                let (from, to) = (bounds.0?, bounds.1?);
                self.check_range(from, to, *span)?;
                if prefix.len() + 1 == indices.len() {
                    self.check_instances(item, (to - from) as u64)?;
                    if prefix.is_empty() {
                        self.symbols[symbol as usize].instances.reserve(from, to);
                    }
                }
                for step in 0..to - from {
                    let value = if *reversed { to - 1 - step } else { from + step };
                    self.loops.push((&name.value, value));
                    prefix.push(value);
                    self.expand(item, symbol, indices, prefix)?;
                    prefix.pop();
                    self.loops.pop();
                }
            }
        }
        Some(())
    }

    fn check_index(&mut self, value: i64, span: Span) -> Option<()> {
        if value >= 0 {
            return Some(());
        }
        let message = format!("indices count from 0; {value} is negative");
        self.report_instance(Diagnostic::error("index.negative", message, span, format!("this is {value}")));
        None
    }

    fn check_range(&mut self, from: i64, to: i64, span: Span) -> Option<()> {
        if from > to {
            let message = format!("the range {from}..{to} ends before it starts");
            let help = format!("to count downwards write `in {to}..{from} reversed`; the end is not included");
            let fault = Diagnostic::error("range.order", message, span, format!("this is {from}..{to}"));
            self.report_instance(fault.help(help));
            return None;
        }
        if from < to {
            self.check_index(from, span)?;
        }
        let length = to as i128 - from as i128;
        if self.steps as i128 + length > 4 * limits::INSTANCES as i128 {
            let message = format!("the loops of this circuit take more than {} steps", 4 * limits::INSTANCES);
            let fault = Diagnostic::error("range.size", message, span, format!("this range has {length} values"));
            self.report_instance(fault);
            return None;
        }
        self.steps += length as u64;
        Some(())
    }

    /// Reports if so many more instances are too many.
    fn check_instances(&mut self, item: u32, more: u64) -> Option<()> {
        if self.declared.len() as u64 + more <= limits::INSTANCES {
            return Some(());
        }
        let message = format!("the circuit has more than {} inputs and regions", limits::INSTANCES);
        let span = self.items[item as usize].span;
        self.reports.add(Diagnostic::error("size.regions", message, span, "these go beyond the limit"));
        self.is_too_large = true;
        None
    }

    fn declare_instance(&mut self, item: u32, symbol: u32, indices: &[i64]) -> Option<()> {
        let id = self.declared.len() as u32;
        self.check_instances(item, 1)?;
        if let Some(first) = self.symbols[symbol as usize].instances.get(indices) {
            let first_item = self.item(first);
            let written = super::element(self.symbols[symbol as usize].name, indices);
            let message = format!("`{written}` is defined twice");
            let item = &self.items[item as usize];
            let fault = Diagnostic::error("region.redefined", message, item.span, format!("defines `{written}` again"));
            let fault = fault.with(first_item.span, "already defined here");
            self.report_instance(fault.help("several ways to compute one region are written `a | b`"));
            return Some(());
        }
        self.symbols[symbol as usize].instances.insert(indices, id);
        self.declared.push(Declared { symbol, item, indices: indices.into(), references: 0..0, unit: None });
        Some(())
    }
}

impl Elaborator<'_> {
    /// The indices a symbol is defined for, in words.
    pub fn defined_for(&self, symbol: u32) -> String {
        let Symbol { name, rank, .. } = self.symbols[symbol as usize];
        if rank == 0 {
            return format!("`{name}` is defined here, without indices");
        }
        let mut bounds = vec![(i64::MAX, i64::MIN); rank];
        let mut count = 0;
        for declared in self.declared.iter().filter(|declared| declared.symbol == symbol) {
            count += 1;
            for ((lowest, highest), index) in bounds.iter_mut().zip(&declared.indices) {
                *lowest = *index.min(lowest);
                *highest = *index.max(highest);
            }
        }
        if count == 0 {
            return format!("`{name}` is declared here, but for no index at all");
        }
        let ranges: Vec<String> = bounds.iter().map(|(lowest, highest)| format!("{lowest}..{}", highest + 1)).collect();
        let volume = bounds.iter().map(|(lowest, highest)| (highest - lowest) as f64 + 1.0).product::<f64>();
        let some = if volume == count as f64 { "" } else { "some of " };
        format!("`{name}` is defined for {some}[{}]", ranges.join(", "))
    }
}
