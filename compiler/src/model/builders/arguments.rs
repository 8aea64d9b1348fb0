//! What stands in the parentheses of a builder: variables, then options by name.

use super::super::expression::{Evaluator, Value};
use super::super::names::nearest_help;
use super::super::spans;
use super::Context;
use crate::ast::{Builder, BuilderArgument, Expr, Name, Ref, Span};
use crate::circuit::VariableArray;
use crate::diagnostic::Diagnostic;
use crate::structure::chow_liu;
use crate::structure::grids::Image;

/// A builder of the language.
struct Kind {
    name: &'static str,
    options: &'static [Choice],
    /// Whether it splits an image: one array with two or three axes.
    is_image: bool,
}

/// An option of a builder.
struct Choice {
    name: &'static str,
    least: i64,
    most: i64,
    default: Default,
}

/// What holds if an option is not written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Default {
    /// It has this value.
    Number(i64),
    /// It has none.
    Nothing,
    /// It must be written.
    Required,
    /// It must be written, and is a string.
    Text,
}

const fn choice(name: &'static str, least: i64, most: i64, default: Default) -> Choice {
    Choice { name, least, most, default }
}

const BUILDERS: [Kind; 8] = [
    Kind { name: "balanced", options: &[], is_image: false },
    Kind { name: "chain", options: &[], is_image: false },
    Kind {
        name: "chow_liu",
        options: &[
            choice("data", 0, 0, Default::Text),
            choice("rows", 1, i64::MAX, Default::Nothing),
            choice("center", 0, i64::MAX, Default::Nothing),
            choice("bins", 2, chow_liu::MAX_BINS as i64, Default::Nothing),
        ],
        is_image: false,
    },
    Kind { name: "linear", options: &[], is_image: false },
    Kind { name: "poon_domingos", options: &[choice("delta", 1, 1 << 20, Default::Required)], is_image: true },
    Kind { name: "quad_graph", options: &[choice("splits", 2, 4, Default::Number(2))], is_image: true },
    Kind { name: "quad_tree", options: &[choice("splits", 2, 4, Default::Number(4))], is_image: true },
    Kind {
        name: "random",
        options: &[
            choice("depth", 1, 64, Default::Required),
            choice("repetitions", 1, 1 << 20, Default::Number(1)),
            choice("seed", 0, i64::MAX, Default::Number(0)),
        ],
        is_image: false,
    },
];

/// The arguments of a builder with their values.
pub(super) struct Arguments<'a> {
    /// The arrays of variables that it splits.
    pub arrays: Vec<&'a VariableArray>,
    /// Whether they are the channels of an image.
    is_planar: bool,
    options: Vec<(&'static str, Value)>,
}

fn count(array: &VariableArray) -> u32 {
    array.shape.iter().product::<usize>() as u32
}

impl Arguments<'_> {
    /// The number of variables.
    pub fn count(&self) -> u32 {
        self.arrays.iter().map(|array| count(array)).sum()
    }

    /// The value of an option that always has one.
    pub fn number(&self, name: &str) -> i64 {
        self.optional(name).expect("every option has a value or a default")
    }

    /// The value of an option that may be missing.
    pub fn optional(&self, name: &str) -> Option<i64> {
        self.options.iter().find_map(|(known, value)| match value {
            Value::Integer(value) if *known == name => Some(*value),
            Value::Integer(_) | Value::Text(_) => None,
        })
    }

    /// The string that an option is.
    pub fn text(&self, name: &str) -> &str {
        let found = self.options.iter().find_map(|(known, value)| match value {
            Value::Text(text) if *known == name => Some(text),
            Value::Integer(_) | Value::Text(_) => None,
        });
        found.expect("a string has no default")
    }

    /// The extents of the image; the builder is one of images.
    pub fn image(&self) -> Image {
        let extent = |axis: usize| self.arrays[0].shape.get(axis).map_or(1, |extent| *extent as u32);
        let is_planar = self.is_planar;
        let channels = if is_planar { self.arrays.len() as u32 } else { extent(2) };
        Image { rows: extent(0), columns: extent(1), channels, is_planar }
    }

    /// A variable, counted through all arrays, as it is referred to.
    pub fn variable(&self, mut position: u32, span: Span) -> Ref {
        let mut arrays = self.arrays.iter();
        let array = arrays.find(|array| {
            let inside = position < count(array);
            position -= if inside { 0 } else { count(array) };
            inside
        });
        let array = array.expect("the structure is about the variables of the arguments");
        let mut rest = position as usize;
        let mut indices: Vec<Expr> = Vec::with_capacity(array.shape.len());
        for extent in array.shape.iter().rev() {
            indices.push(Expr::Integer((rest % extent) as i64, span));
            rest /= extent;
        }
        indices.reverse();
        Ref { name: Name { value: array.name.clone(), span }, indices, span }
    }

    /// The channel of a variable: its last index, if its array has three axes, or the number of its array, if several arrays are the
    /// channels of an image.
    pub fn channel(&self, mut position: u32) -> Option<u32> {
        for (number, array) in self.arrays.iter().copied().enumerate() {
            if position < count(array) {
                return match array.shape[..] {
                    [_, _, channels] => Some(position % channels as u32),
                    _ => self.is_planar.then_some(number as u32),
                };
            }
            position -= count(array);
        }
        None
    }
}

/// Whether arrays are an image: one with two or three axes, or several with two axes and the same extents.
fn is_image(arrays: &[&VariableArray]) -> bool {
    match arrays {
        [only] => matches!(only.shape.len(), 2 | 3),
        several => several.iter().all(|array| array.shape.len() == 2 && array.shape == several[0].shape),
    }
}

impl<'c> Context<'c> {
    /// Reads the arguments; all faults among them are reported.
    pub(super) fn arguments(&mut self, builder: &Builder) -> Option<Arguments<'c>> {
        let name = &builder.builder;
        let Some(kind) = BUILDERS.iter().find(|kind| kind.name == name.value) else {
            let message = format!("there is no builder called `{}`", name.value);
            let help = nearest_help(&name.value, BUILDERS.iter().map(|kind| kind.name), "builders");
            self.reports.add(Diagnostic::error("builder.name", message, name.span, "unknown builder").help(help));
            return None;
        };
        let variables = builder.arguments.iter().filter(|argument| argument.name.is_none());
        let arrays: Vec<Option<&'c VariableArray>> = variables.map(|argument| self.array(&argument.value)).collect();
        let options = self.options(builder, kind);
        let arrays: Vec<&'c VariableArray> = arrays.into_iter().collect::<Option<_>>()?;
        self.check_arrays(builder, kind, &arrays)?;
        let is_planar = kind.is_image && arrays.len() > 1;
        Some(Arguments { arrays, is_planar, options: options? })
    }

    /// An array of variables.
    fn array(&mut self, value: &Expr) -> Option<&'c VariableArray> {
        let span = spans::of_expr(value);
        let Expr::Name(name) = value else {
            let message = "a builder splits variables; its options are written with their names";
            let fault = Diagnostic::error("builder.variables", message, span, "expected the name of a variable");
            self.reports.add(fault.help("write for example `random(x, depth = 4)`"));
            return None;
        };
        let variables = self.variables;
        if let Some(variable) = variables.iter().find(|variable| variable.array.name == name.value) {
            return Some(&variable.array);
        }
        if !self.faulty.contains(&name.value) {
            let message = format!("there is no variable called `{}`", name.value);
            let help =
                nearest_help(&name.value, variables.iter().map(|variable| variable.array.name.as_str()), "variables");
            self.reports.add(Diagnostic::error("name.unknown", message, name.span, "unknown name").help(help));
        }
        None
    }

    fn check_arrays(&mut self, builder: &Builder, kind: &Kind, arrays: &[&VariableArray]) -> Option<()> {
        let twice = (1..arrays.len()).find(|at| arrays[..*at].iter().any(|array| array.name == arrays[*at].name));
        let (rule, message, help) = if arrays.is_empty() {
            let message = format!("`{}` is given the variables that it splits", kind.name);
            ("builder.variables", message, format!("write for example `{}(x)`", kind.name))
        } else if let Some(twice) = twice {
            let message = format!("`{}` is given twice", arrays[twice].name);
            ("builder.variables", message, "every variable is split once".to_owned())
        } else if kind.is_image && !is_image(arrays) {
            let message = format!(
                "`{}` splits one image: an array with two axes, or three if pixels have channels, or an array of two axes for each channel",
                kind.name
            );
            ("builder.image", message, "declare for example `var p[28, 28]: categorical(256)`".to_owned())
        } else {
            return Some(());
        };
        self.reports.add(Diagnostic::error(rule, message, builder.head, "not these variables").help(help));
        None
    }

    fn options(&mut self, builder: &Builder, kind: &Kind) -> Option<Vec<(&'static str, Value)>> {
        let given: Vec<(&Name, &BuilderArgument)> =
            builder.arguments.iter().filter_map(|argument| Some((argument.name.as_ref()?, argument))).collect();
        let mut is_good = true;
        for (position, (name, _)) in given.iter().enumerate() {
            let is_known = kind.options.iter().any(|choice| choice.name == name.value);
            let first = given[..position].iter().find(|(earlier, _)| earlier.value == name.value);
            let fault = if !is_known {
                let message = format!("`{}` has no option `{}`", kind.name, name.value);
                let help = nearest_help(&name.value, kind.options.iter().map(|choice| choice.name), "options");
                Diagnostic::error("builder.options", message, name.span, "unknown option").help(help)
            } else if let Some((first, _)) = first {
                let message = format!("the option `{}` is given twice", name.value);
                Diagnostic::error("builder.options", message, name.span, "given again")
                    .with(first.span, "first given here")
            } else {
                continue;
            };
            self.reports.add(fault);
            is_good = false;
        }
        let mut values = Vec::new();
        for choice in kind.options {
            let given = given.iter().find(|(name, _)| name.value == choice.name);
            match self.option(builder, kind, choice, given.map(|(_, argument)| &argument.value)) {
                Some(Some(value)) => values.push((choice.name, value)),
                Some(None) => {}
                None => is_good = false,
            }
        }
        is_good.then_some(values)
    }

    /// The value of an option: `None` if it is faulty, `Some(None)` if it has none.
    fn option(
        &mut self,
        builder: &Builder,
        kind: &Kind,
        choice: &Choice,
        given: Option<&Expr>,
    ) -> Option<Option<Value>> {
        let Some(expr) = given else {
            let example = match choice.default {
                Default::Number(value) => return Some(Some(Value::Integer(value))),
                Default::Nothing => return Some(None),
                Default::Required => "4",
                Default::Text => "\"train.csv\"",
            };
            let message = format!("`{}` needs the option `{}`", kind.name, choice.name);
            let fault = Diagnostic::error("builder.options", message, builder.head, "an option is missing");
            self.reports.add(fault.help(format!("write for example `{}(x, {} = {example})`", kind.name, choice.name)));
            return None;
        };
        if choice.default == Default::Text {
            return self.text(choice, expr).map(Some);
        }
        let value = self.evaluate(expr)?;
        if (choice.least..=choice.most).contains(&value) && (choice.name != "splits" || value != 3) {
            return Some(Some(Value::Integer(value)));
        }
        let message = match choice.name {
            "splits" => format!("an image is cut into 2 or 4 parts, not {value}"),
            name if choice.most == i64::MAX => format!("`{name}` is at least {}, but this is {value}", choice.least),
            name => format!("`{name}` lies between {} and {}, but this is {value}", choice.least, choice.most),
        };
        let label = format!("this is {value}");
        self.reports.add(Diagnostic::error("builder.options", message, spans::of_expr(expr), label));
        None
    }

    fn text(&mut self, choice: &Choice, expr: &Expr) -> Option<Value> {
        match self.value(expr)? {
            Value::Text(text) => Some(Value::Text(text)),
            Value::Integer(value) => {
                let message = format!("`{}` is the name of a file, in quotes", choice.name);
                let label = format!("this is {value}");
                self.reports.add(Diagnostic::error("builder.options", message, spans::of_expr(expr), label));
                None
            }
        }
    }

    /// The value of an integer expression of the builder.
    pub(super) fn evaluate(&mut self, expr: &Expr) -> Option<i64> {
        Evaluator { settings: self.settings, loops: &[], reports: self.reports }.integer(expr)
    }

    fn value(&mut self, expr: &Expr) -> Option<Value> {
        Evaluator { settings: self.settings, loops: &[], reports: self.reports }.value(expr)
    }
}
