//! Writes the inputs, regions and the root that a builder stands for.

use super::Context;
use super::arguments::Arguments;
use super::recipe::{Recipe, Step, TieBy};
use crate::ast::{Attribute, Builder, Distribution, Expr, Index, Item, ItemKind, Name, Ref, RegionExpr, Span, Sum};
use crate::diagnostic::Diagnostic;
use crate::structure::{Content, Part, Structure};

/// The items on their way.
struct Writer<'w> {
    recipe: &'w Recipe<'w>,
    arguments: &'w Arguments<'w>,
    structure: &'w Structure,
    /// What stands before the names of inputs, regions and ties: nothing, or the name of the builder.
    prefix: String,
    head: Span,
    items: Vec<Item>,
    /// How many inputs there are, if some variable has several; else inputs have the numbers of their variables.
    inputs: Option<i64>,
    /// What the last region is called, if it has a name.
    name: Option<&'w Name>,
    /// How each region is referred to.
    values: Vec<RegionExpr>,
}

/// A depth without a width, or a variable without a channel.
enum Missing<'w> {
    Width(&'w Step<'w>, u32),
    Channel(Span),
}

impl Context<'_> {
    /// The items of a structure, computed as the recipe says.
    pub(super) fn write(
        &mut self,
        builder: &Builder,
        recipe: &Recipe<'_>,
        arguments: &Arguments<'_>,
        structure: &Structure,
    ) -> Option<Vec<Item>> {
        let prefix = builder.name.as_ref().map_or(String::new(), |name| format!("{}_", name.value));
        let (items, values) = (Vec::new(), Vec::new());
        let (name, head) = (builder.name.as_ref(), builder.head);
        let inputs = if structure.input_count() == arguments.count() as usize { None } else { Some(0) };
        let mut writer = Writer { recipe, arguments, structure, prefix, head, items, inputs, name, values };
        match writer.regions() {
            Ok(()) => Some(writer.items),
            Err(missing) => {
                let fault = match missing {
                    Missing::Width(step, depth) => {
                        let message = format!("no width is given for depth {depth}");
                        let span = step.widths.as_ref().map_or(step.span, |widths| widths.span);
                        let fault = Diagnostic::error("builder.depth", message, span, "widths for other depths only");
                        fault.help("end the list with a width for all other depths: `width 64 at depth 0..2, 32 below`")
                    }
                    Missing::Channel(span) => {
                        let message = "only the variables of an array with three axes have a channel, their last index";
                        Diagnostic::error("builder.tie", message, span, "these variables have no channel")
                    }
                };
                self.reports.add(fault);
                None
            }
        }
    }
}

impl<'w> Writer<'w> {
    fn regions(&mut self) -> Result<(), Missing<'w>> {
        let last = self.structure.regions.len() - 1;
        for position in 0..=last {
            let structure: &'w Structure = self.structure;
            let depth = structure.regions[position].depth;
            let value = match &structure.regions[position].content {
                Content::Leaf(variables) => self.leaf(variables, depth)?,
                Content::Partitions(partitions) if position == last && self.name.is_none() => {
                    let products = self.products(partitions, depth)?;
                    return self.root(products);
                }
                Content::Partitions(partitions) => self.region(partitions, position, depth)?,
            };
            self.values.push(value);
        }
        let value = self.values.pop().expect("there is a region");
        if self.name.is_none() {
            return self.root(vec![value]);
        }
        if matches!(value, RegionExpr::Ref(_)) {
            self.named(last, value);
        }
        Ok(())
    }

    fn root(&mut self, products: Vec<RegionExpr>) -> Result<(), Missing<'w>> {
        let value = sum(products, Vec::new(), self.head);
        self.push(ItemKind::Root { value, attributes: Vec::new() });
        Ok(())
    }

    fn push(&mut self, kind: ItemKind) {
        self.items.push(Item { doc: Vec::new(), kind, span: self.head });
    }

    fn push_region(&mut self, name: &str, indices: Vec<Index>, value: RegionExpr) {
        let name = Name { value: name.to_owned(), span: self.head };
        self.push(ItemKind::Region { name, indices, value, attributes: Vec::new() });
    }

    fn reference(&self, word: &str, index: i64) -> RegionExpr {
        let name = Name { value: format!("{}{word}", self.prefix), span: self.head };
        RegionExpr::Ref(Ref { name, indices: vec![Expr::Integer(index, self.head)], span: self.head })
    }

    /// Adds the inputs of a leaf; several are multiplied unit by unit.
    fn leaf(&mut self, variables: &[u32], depth: u32) -> Result<RegionExpr, Missing<'w>> {
        let mut inputs = Vec::with_capacity(variables.len());
        for variable in variables {
            let index = match &mut self.inputs {
                None => i64::from(*variable),
                Some(inputs) => std::mem::replace(inputs, *inputs + 1),
            };
            let step: &'w Step<'w> = &self.recipe.input;
            let mut attributes = attributes(step, depth)?;
            if let Some((by, span)) = step.tie {
                let key = match by {
                    TieBy::Depth => format!("depth_{depth}"),
                    TieBy::Variable => format!("variable_{variable}"),
                    TieBy::Channel => {
                        let channel = self.arguments.channel(*variable).ok_or(Missing::Channel(span))?;
                        format!("channel_{channel}")
                    }
                    TieBy::Part => unreachable!("inputs are not tied by part"),
                };
                attributes.push(self.tie(step, &key, span));
            }
            let distribution = Distribution {
                name: self.recipe.distribution.clone(),
                variable: self.arguments.variable(*variable, self.head),
                arguments: Vec::new(),
                span: step.span,
            };
            let name = Name { value: format!("{}leaf", self.prefix), span: self.head };
            let indices = vec![Index::At(Expr::Integer(index, self.head))];
            self.push(ItemKind::Input { name, indices, distribution, attributes });
            inputs.push(self.reference("leaf", index));
        }
        if inputs.len() == 1 {
            return Ok(inputs.swap_remove(0));
        }
        Ok(self.named(self.values.len(), RegionExpr::Hadamard(inputs, self.head)))
    }

    /// Adds a region with this value and number; gives a reference to it. The last one may have a name.
    fn named(&mut self, position: usize, value: RegionExpr) -> RegionExpr {
        if let (Some(name), true) = (self.name, position + 1 == self.structure.regions.len()) {
            self.push_region(&name.value, Vec::new(), value.clone());
            return value;
        }
        let index = vec![Index::At(Expr::Integer(position as i64, self.head))];
        self.push_region(&format!("{}part", self.prefix), index, value);
        self.reference("part", position as i64)
    }

    /// The product of each partition, with the sums before it.
    fn products(&mut self, partitions: &[Vec<Part>], depth: u32) -> Result<Vec<RegionExpr>, Missing<'w>> {
        partitions.iter().map(|parts| self.product(parts, depth)).collect()
    }

    fn product(&self, parts: &[Part], depth: u32) -> Result<RegionExpr, Missing<'w>> {
        let mut operands = Vec::with_capacity(parts.len());
        for part in parts {
            let mut value = self.values[part.region as usize].clone();
            let steps: &'w [Step<'w>] = if part.is_direct { &[] } else { &self.recipe.before };
            for step in steps {
                value = sum(vec![value], self.step(step, depth, part.region)?, step.span);
            }
            operands.push(value);
        }
        let join = if self.recipe.is_kronecker { RegionExpr::Kronecker } else { RegionExpr::Hadamard };
        Ok(join(operands, self.head))
    }

    /// Adds a region with the layers after the product.
    fn region(&mut self, partitions: &[Vec<Part>], position: usize, depth: u32) -> Result<RegionExpr, Missing<'w>> {
        let mut values = self.products(partitions, depth)?;
        let after: &'w [Step<'w>] = &self.recipe.after;
        let mixing = after.iter().position(|step| step.is_mixing);
        let mut tie = None;
        for (at, step) in after.iter().enumerate() {
            let attributes = self.step(step, depth, position as u32)?;
            if step.is_mixing {
                tie = attributes.into_iter().next();
                values = vec![self.mixture(values, step.span)];
            } else if mixing.is_some_and(|mixing| at < mixing) {
                let each = |value| sum(vec![value], attributes.clone(), step.span);
                values = values.into_iter().map(each).collect();
            } else {
                values = vec![sum(values, attributes, step.span)];
            }
        }
        let value = self.mixture(values, self.head);
        let region = self.named(position, value);
        if let (Some(Attribute::Tie(name)), Some(last), 2..) = (tie, self.items.last_mut(), partitions.len())
            && let ItemKind::Region { attributes, .. } = &mut last.kind
        {
            attributes.push(Attribute::MixingTie(name.clone(), name.span));
        }
        Ok(region)
    }

    fn mixture(&self, mut values: Vec<RegionExpr>, span: Span) -> RegionExpr {
        if values.len() == 1 { values.swap_remove(0) } else { RegionExpr::Mixture(values, span) }
    }

    /// The attributes of a sum or mixture at a depth; `region` is what it is made over or, after the product, of.
    fn step(&self, step: &'w Step<'w>, depth: u32, region: u32) -> Result<Vec<Attribute>, Missing<'w>> {
        let mut attributes = attributes(step, depth)?;
        if let Some((by, span)) = step.tie {
            let key = match by {
                TieBy::Part => format!("part_{region}"),
                TieBy::Depth => format!("depth_{depth}"),
                TieBy::Variable | TieBy::Channel => unreachable!("only inputs are tied by variable or channel"),
            };
            attributes.push(self.tie(step, &key, span));
        }
        Ok(attributes)
    }

    fn tie(&self, step: &Step<'_>, key: &str, span: Span) -> Attribute {
        Attribute::Tie(Name { value: format!("{}{}_{key}", self.prefix, step.name), span })
    }
}

/// The attributes of a layer at a depth, without ties that depend on the place.
fn attributes<'w>(step: &'w Step<'w>, depth: u32) -> Result<Vec<Attribute>, Missing<'w>> {
    let mut attributes: Vec<Attribute> = step.plain.iter().map(|attribute| (*attribute).clone()).collect();
    if let Some(widths) = &step.widths {
        let width = widths.at(depth).ok_or(Missing::Width(step, depth))?;
        attributes.push(Attribute::Width(width.clone(), widths.span));
    }
    Ok(attributes)
}

fn sum(operands: Vec<RegionExpr>, attributes: Vec<Attribute>, span: Span) -> RegionExpr {
    RegionExpr::Sum(Sum { operands: operands.into_iter().map(|operand| (None, operand)).collect(), attributes, span })
}
