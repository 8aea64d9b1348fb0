//! Picks the circuit, sets its parameters, multiplies circuits.

use super::builders;
use super::elaborate::{elaborate, variables};
use super::expression::{Evaluator, Setting, Value};
use super::files::{CircuitId, Program};
use super::input::domain_text;
use super::names::nearest_help;
use super::reports::{Reports, placeless, warning};
use super::{Circuit, Loader, Model, Options, Product, compatible, limits};
use crate::ast::{self, CircuitBody, CircuitCall, Expr, Span};
use crate::circuit::Domain;
use crate::diagnostic::Diagnostic;
use std::cell::Cell;
use std::collections::BTreeSet;

/// Most circuits that one product multiplies.
const MAX_FACTORS: usize = 64;

/// Parameters set from outside: by `--set` or by the arguments of a call. A faulty value is `None`.
type Bindings = Vec<(String, Option<Value>)>;

struct Context<'p> {
    program: &'p Program,
    reports: &'p mut Reports,
    loader: &'p mut dyn Loader,
    visited: BTreeSet<CircuitId>,
    /// The circuits that are being resolved.
    stack: Vec<CircuitId>,
}

/// A resolved circuit or product.
struct Resolved {
    circuits: Vec<Circuit>,
    /// For a product of several: whether it is untied.
    product: Option<Product>,
}

/// The model of a program. Every circuit of the main file is checked, also those the main circuit does not use.
pub(super) fn resolve(
    program: &Program,
    loader: &mut dyn Loader,
    options: &Options,
    reports: &mut Reports,
) -> Option<Model> {
    let mut ctx = Context { program, reports, loader, visited: BTreeSet::new(), stack: Vec::new() };
    let main = main_circuit(&mut ctx, options);
    let resolved = main.and_then(|main| {
        let bindings = bindings_from_options(&mut ctx, main, options);
        instantiate(&mut ctx, main, bindings)
    });
    for id in program.circuits(0) {
        if !ctx.visited.contains(&id) {
            instantiate(&mut ctx, id, Vec::new());
        }
    }
    let (resolved, ast) = (resolved?, program.circuit(main?));
    let doc = if ast.doc.is_empty() { resolved.circuits[0].doc.clone() } else { ast.doc.clone() };
    Some(Model { name: ast.name.value.clone(), doc, circuits: resolved.circuits, product: resolved.product })
}

fn main_circuit(ctx: &mut Context<'_>, options: &Options) -> Option<CircuitId> {
    let file = ctx.program.files.first()?;
    let visible = ctx.program.visible(0);
    let Some(wanted) = &options.circuit else {
        let last = ctx.program.circuits(0).next_back();
        if last.is_none() && !file.incomplete {
            let message = "the file defines no circuit";
            let span = Span { file: 0, start: 0, end: 0 };
            ctx.reports.add(Diagnostic::error("circuit.missing", message, span, "no `circuit` in this file"));
        }
        return last;
    };
    let found = visible.iter().find(|id| ctx.program.circuit(**id).name.value == *wanted).copied();
    if found.is_none() && !file.incomplete {
        let known = visible.iter().map(|id| ctx.program.circuit(*id).name.value.as_str());
        let help = nearest_help(wanted, known, "circuits");
        ctx.reports.add(placeless("circuit.unknown", format!("there is no circuit called `{wanted}`")).help(help));
    }
    found
}

fn bindings_from_options(ctx: &mut Context<'_>, main: CircuitId, options: &Options) -> Bindings {
    let ast = ctx.program.circuit(main);
    let mut bindings = Bindings::new();
    for (name, text) in &options.set {
        let Some(parameter) = ast.parameters.iter().find(|p| p.name.value == *name) else {
            let help = nearest_help(name, ast.parameters.iter().map(|p| p.name.value.as_str()), "parameters");
            let message = format!("the circuit `{}` has no parameter `{name}` to set", ast.name.value);
            ctx.reports.add(placeless("set.unknown", message).help(help));
            continue;
        };
        let value = if is_text(ast, &parameter.default) {
            Some(Value::Text(text.clone()))
        } else {
            text.trim().parse().ok().map(Value::Integer)
        };
        if value.is_none() {
            let message = format!("the parameter `{name}` of `{}` is an integer, but {text:?} is not", ast.name.value);
            let fault = Diagnostic::error("set.value", message, parameter.name.span, "an integer");
            ctx.reports.add(fault.help(format!("write for example `--set {name}=16`")));
        }
        bindings.retain(|(other, _)| other != name);
        bindings.push((name.clone(), value));
    }
    bindings
}

/// Whether the value of an expression in the head of a circuit is a string.
fn is_text(ast: &ast::Circuit, expr: &Expr) -> bool {
    match expr {
        Expr::Text(..) => true,
        Expr::Name(name) => {
            let position = ast.parameters.iter().position(|p| std::ptr::eq(&p.default, expr));
            let earlier = &ast.parameters[..position.unwrap_or(0)];
            earlier.iter().rev().find(|p| p.name.value == name.value).is_some_and(|p| is_text(ast, &p.default))
        }
        Expr::Integer(..) | Expr::Negate(..) | Expr::Binary(..) => false,
    }
}

fn instantiate(ctx: &mut Context<'_>, id: CircuitId, bindings: Bindings) -> Option<Resolved> {
    ctx.visited.insert(id);
    let ast = ctx.program.circuit(id);
    let settings = settings(ctx, ast, bindings);
    match &ast.body {
        CircuitBody::Items(_) if ctx.program.files[id.file].is_damaged => None,
        CircuitBody::Items(_) => {
            let circuit = match builders::has_builders(ast) {
                true => with_builders(ctx, id, ast, settings)?,
                false => elaborate(ast, settings, ctx.reports)?,
            };
            Some(Resolved { circuits: vec![circuit], product: None })
        }
        CircuitBody::Product { factors, untied } => {
            ctx.stack.push(id);
            let resolved = multiply(ctx, id, factors, *untied, &settings);
            ctx.stack.pop();
            resolved
        }
    }
}

/// A circuit with builders, which are replaced by what they stand for.
fn with_builders(ctx: &mut Context<'_>, id: CircuitId, ast: &ast::Circuit, settings: Vec<Setting>) -> Option<Circuit> {
    let (variables, faulty, settings) = variables(ast, settings, ctx.reports);
    let file = &ctx.program.sources[id.file].name;
    let (variables, faulty) = (&variables, &faulty);
    let builders =
        builders::Context { variables, faulty, settings: &settings, reports: ctx.reports, loader: ctx.loader, file };
    let built = builders::build(ast, builders)?;
    let circuit = elaborate(&builders::replace(ast, &built), settings, ctx.reports)?;
    Some(Circuit { built, ..circuit })
}

fn settings(ctx: &mut Context<'_>, ast: &ast::Circuit, bindings: Bindings) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for parameter in &ast.parameters {
        let name = &parameter.name;
        if let Some(first) = settings.iter().find(|s| s.name == name.value) {
            let message = format!("`{}` is already the name of a parameter", name.value);
            let fault = Diagnostic::error("name.duplicate", message, name.span, "declared again");
            ctx.reports.add(fault.with(first.span, "first declared here"));
            continue;
        }
        let bound = bindings.iter().find(|(bound, _)| *bound == name.value);
        let value = match bound {
            Some((_, value)) => value.clone(),
            None => Evaluator { settings: &settings, loops: &[], reports: ctx.reports }.value(&parameter.default),
        };
        settings.push(Setting { name: name.value.clone(), value, span: name.span, used: Cell::new(false) });
    }
    settings
}

fn multiply(
    ctx: &mut Context<'_>,
    id: CircuitId,
    factors: &[CircuitCall],
    untied: Option<Span>,
    settings: &[Setting],
) -> Option<Resolved> {
    let ast = ctx.program.circuit(id);
    let resolved: Vec<Option<Resolved>> = factors.iter().map(|call| factor(ctx, id, call, settings)).collect();
    let resolved: Vec<Resolved> = resolved.into_iter().collect::<Option<_>>()?;
    for setting in settings.iter().filter(|setting| !setting.used.get()) {
        let message = format!("the parameter `{}` of `{}` is not used", setting.name, ast.name.value);
        ctx.reports.add(warning("parameter.unused", message, setting.span, "not used".to_owned()));
    }
    if let ([_], Some(span)) = (factors, untied) {
        let message = "`untied` has no effect: only one circuit is multiplied".to_owned();
        ctx.reports.add(warning("product.untied", message, span, "no effect".to_owned()));
    }
    if resolved.len() == 1 {
        let mut only = resolved;
        let mut only = only.swap_remove(0);
        if let [circuit] = only.circuits.as_mut_slice() {
            circuit.name = ast.name.value.clone();
        }
        return Some(only);
    }
    check_nested(ctx, factors, &resolved, untied.is_some())?;
    let origins: Vec<Span> =
        factors.iter().zip(&resolved).flat_map(|(call, r)| vec![call.span; r.circuits.len()]).collect();
    let mut circuits: Vec<Circuit> = resolved.into_iter().flat_map(|r| r.circuits).collect();
    check_factors(ctx, &circuits, &origins)?;
    distinct_names(&mut circuits);
    let settings = settings.iter().filter_map(|s| Some((s.name.clone(), s.value.clone()?))).collect();
    Some(Resolved { circuits, product: Some(Product { untied: untied.is_some(), settings }) })
}

/// One factor: its circuit with the arguments of the call.
fn factor(ctx: &mut Context<'_>, caller: CircuitId, call: &CircuitCall, settings: &[Setting]) -> Option<Resolved> {
    let name = &call.name;
    let visible = ctx.program.visible(caller.file);
    let Some(id) = visible.iter().find(|id| ctx.program.circuit(**id).name.value == name.value).copied() else {
        if !ctx.program.files[caller.file].incomplete {
            let known =
                visible.iter().filter(|id| **id != caller).map(|id| ctx.program.circuit(*id).name.value.as_str());
            let help = nearest_help(&name.value, known, "circuits of this file and those it uses");
            let message = format!("there is no circuit called `{}`", name.value);
            let fault = Diagnostic::error("circuit.unknown", message, name.span, "unknown circuit");
            ctx.reports.add(fault.help(help));
        }
        return None;
    };
    if let Some(start) = ctx.stack.iter().position(|open| *open == id) {
        let mut chain: Vec<&str> =
            ctx.stack[start..].iter().map(|id| ctx.program.circuit(*id).name.value.as_str()).collect();
        chain.push(&name.value);
        let message = format!("the circuit `{}` is a factor of itself", name.value);
        let fault = Diagnostic::error("circuit.recursion", message, name.span, "this closes the circle");
        ctx.reports.add(fault.help(format!("the products are defined by each other: {}", chain.join(" -> "))));
        return None;
    }
    let bindings = arguments(ctx, id, call, settings)?;
    instantiate(ctx, id, bindings)
}

fn arguments(ctx: &mut Context<'_>, id: CircuitId, call: &CircuitCall, settings: &[Setting]) -> Option<Bindings> {
    let ast = ctx.program.circuit(id);
    let mut bindings = Bindings::new();
    let mut is_good = true;
    for (position, (name, expr)) in call.arguments.iter().enumerate() {
        let value = Evaluator { settings, loops: &[], reports: ctx.reports }.value(expr);
        let Some(parameter) = ast.parameters.iter().find(|p| p.name.value == name.value) else {
            let help = nearest_help(&name.value, ast.parameters.iter().map(|p| p.name.value.as_str()), "parameters");
            let message = format!("the circuit `{}` has no parameter `{}`", ast.name.value, name.value);
            let fault = Diagnostic::error("argument.unknown", message, name.span, "unknown parameter");
            ctx.reports.add(fault.with(ast.name.span, "the circuit").help(help));
            is_good = false;
            continue;
        };
        if let Some((first, _)) = call.arguments[..position].iter().find(|(other, _)| other.value == name.value) {
            let message = format!("the parameter `{}` is set twice", name.value);
            let fault = Diagnostic::error("argument.duplicate", message, name.span, "set again");
            ctx.reports.add(fault.with(first.span, "first set here"));
            is_good = false;
            continue;
        }
        let needs_text = is_text(ast, &parameter.default);
        if value.as_ref().is_some_and(|value| matches!(value, Value::Text(_)) != needs_text) {
            let kind = if needs_text { "a string" } else { "an integer" };
            let found = value.as_ref().map_or("", Value::kind);
            let message = format!("the parameter `{}` is {kind}, but this is {found}", name.value);
            let fault = Diagnostic::error("argument.type", message, super::spans::of_expr(expr), found);
            ctx.reports.add(fault.with(parameter.name.span, format!("{kind}, as its default says")));
            is_good = false;
        }
        bindings.push((name.value.clone(), value));
    }
    is_good.then_some(bindings)
}

/// A product of a product is multiplied out, which needs one answer to "untied?".
fn check_nested(ctx: &mut Context<'_>, factors: &[CircuitCall], resolved: &[Resolved], untied: bool) -> Option<()> {
    let count: usize = resolved.iter().map(|r| r.circuits.len()).sum();
    let last = &factors[factors.len() - 1];
    if count > MAX_FACTORS {
        let message = format!("this product has {count} factors when multiplied out; {MAX_FACTORS} are possible");
        ctx.reports.add(Diagnostic::error("product.factors", message, last.span, "too many factors"));
        return None;
    }
    for (call, inner) in factors.iter().zip(resolved) {
        let Some(product) = inner.product.as_ref().filter(|product| product.untied != untied) else { continue };
        let (this, that) = if product.untied { ("not untied", "untied") } else { ("untied", "not untied") };
        let message = format!("a product that is {this} has a factor that is a product and {that}");
        let fault = Diagnostic::error("product.nested", message, call.span, format!("a product, {that}"));
        ctx.reports.add(fault.help("all circuits are multiplied at once: write `untied` in both places or in none"));
        return None;
    }
    Some(())
}

/// All factors have the same variables, and each two can be multiplied.
fn check_factors(ctx: &mut Context<'_>, circuits: &[Circuit], origins: &[Span]) -> Option<()> {
    let mut is_good = true;
    let real = |circuit: &Circuit| {
        circuit.variables.iter().find(|variable| variable.array.domain == Domain::Real).map(|v| v.span)
    };
    if let Some((declared, origin)) = circuits.iter().zip(origins).find_map(|(c, origin)| Some((real(c)?, *origin))) {
        let message = "circuits with real variables cannot be multiplied: a product of densities is no density";
        let fault = Diagnostic::error("product.real", message, origin, "has a real variable");
        ctx.reports.add(fault.with(declared, "declared real here"));
        return None;
    }
    for second in 1..circuits.len() {
        for first in 0..second {
            let (a, b) = (&circuits[first], &circuits[second]);
            let places = (origins[first], origins[second]);
            let fault = variables_differ(a, b, places)
                .or_else(|| compatible::check(a, b).err().map(|conflict| conflict.report(places)));
            if let Some(fault) = fault {
                ctx.reports.add(fault);
                is_good = false;
            }
        }
    }
    let widest = |circuit: &Circuit| circuit.units.iter().map(|unit| unit.width as u64).max().unwrap_or(1);
    let width = circuits.iter().try_fold(1_u64, |width, circuit| width.checked_mul(widest(circuit)));
    if width.is_none_or(|width| width > limits::WIDTH) {
        let widths: Vec<String> = circuits.iter().map(|circuit| widest(circuit).to_string()).collect();
        let message = format!("the product has layers of {} units, which is too many", widths.join(" * "));
        let label = format!("at most {} are possible", limits::WIDTH);
        ctx.reports.add(Diagnostic::error("size.width", message, origins[origins.len() - 1], label));
        is_good = false;
    }
    is_good.then_some(())
}

fn variables_differ(first: &Circuit, other: &Circuit, origins: (Span, Span)) -> Option<Diagnostic> {
    let text = |circuit: &Circuit, position: usize| {
        circuit.variables.get(position).map(|v| {
            let shape: Vec<String> = v.array.shape.iter().map(usize::to_string).collect();
            let shape = if shape.is_empty() { String::new() } else { format!("[{}]", shape.join(", ")) };
            (format!("`{}{shape}: {}`", v.array.name, domain_text(v.array.domain)), v.span)
        })
    };
    let count = first.variables.len().max(other.variables.len());
    let position =
        (0..count).find(|p| first.variables.get(*p).map(|v| &v.array) != other.variables.get(*p).map(|v| &v.array))?;
    let (ours, theirs) = (text(first, position), text(other, position));
    let said = |found: &Option<(String, Span)>| found.as_ref().map_or("nothing".to_owned(), |(text, _)| text.clone());
    let message = format!(
        "multiplied circuits have the same variables, but one has {} and one has {}",
        said(&ours),
        said(&theirs)
    );
    let mut fault = Diagnostic::error("product.variables", message, origins.1, "other variables than the other factor");
    fault = fault.with(origins.0, "the other factor");
    let places: Vec<Span> = [ours, theirs].into_iter().flatten().map(|(_, span)| span).collect();
    for (position, span) in places.iter().enumerate().filter(|(position, span)| !places[..*position].contains(span)) {
        let label = if position == 0 { "declared here" } else { "and here" };
        fault = fault.with(*span, label);
    }
    Some(fault.help("names, shapes, domains and the order of the variables must agree"))
}

/// Numbers the factors that have the same name: `hmm.1`, `hmm.2`.
fn distinct_names(circuits: &mut [Circuit]) {
    let names: Vec<String> = circuits.iter().map(|circuit| circuit.name.clone()).collect();
    for (position, circuit) in circuits.iter_mut().enumerate() {
        if names.iter().filter(|name| **name == circuit.name).count() > 1 {
            circuit.name = format!("{}.{}", names[position], position + 1);
        }
    }
}
