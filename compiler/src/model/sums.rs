//! Sums and mixtures.

use super::attributes::{Attributes, SumKind};
use super::elaborate::Elaborator;
use super::names::count;
use super::units::{Mixture, Region, Tree, Width};
use super::weights::Given;
use super::{UnitId, UnitKind, WeightsShape, limits, monarch, numbers};
use crate::ast::{self, Number, Span};
use crate::diagnostic::Diagnostic;

/// A sum with its operands resolved and its attributes read.
pub(super) struct SumTree<'a> {
    pub ast: &'a ast::Sum,
    pub operands: Vec<Tree<'a>>,
    pub attributes: Attributes<'a>,
    /// Counts the sums of a region, from 1.
    pub number: usize,
    /// Whether operands have given weights: `0.4 : a`.
    pub is_given: bool,
}

impl<'a> Elaborator<'a> {
    /// Builds a sum.
    pub fn sum(&mut self, sum: &SumTree<'a>, region: &Region<'a>, expected: Width) -> Option<UnitId> {
        if sum.is_given {
            return self.given_sum(sum, region, expected);
        }
        let units = self.build_all(&sum.operands, region, Width::Open)?;
        let is_smooth = self.smooth(&sum.operands, &units);
        let inputs: u64 = units.iter().map(|unit| self.units[unit.0 as usize].width as u64).sum();
        let outputs = self.sum_width(sum, expected);
        if inputs > limits::WIDTH {
            let message = format!("this sum has {inputs} inputs, which is too many");
            let label = format!("at most {} are possible", limits::WIDTH);
            self.report_instance(Diagnostic::error("size.width", message, sum.ast.span, label));
            return None;
        }
        let (outputs, inputs) = (outputs?, inputs as usize);
        is_smooth?;
        let shape = self.sum_shape(sum, outputs, inputs)?;
        let given = self.given_rows(sum, &shape)?;
        let scope = self.scope(units[0]);
        let name = |this: &Self| this.weights_name(region, "sum", sum.number);
        let weights = self.weights_for(sum.attributes.tie, name, shape, given, sum.ast.span)?;
        self.add_unit(UnitKind::Sum { operands: units, weights }, outputs, scope, sum.ast.span)
    }

    /// The width of a sum: its own, that of its Monarch factors or given rows, or that of its neighbors.
    fn sum_width(&mut self, sum: &SumTree<'a>, expected: Width) -> Option<usize> {
        let natural = self.natural_sum_width(sum);
        match if natural == Width::Open { expected } else { natural } {
            Width::Known(width) => Some(width),
            Width::Faulty => {
                self.check_monarch_overflow(sum);
                None
            }
            Width::Open => {
                let message = "nothing says how wide this sum is";
                let fault = Diagnostic::error("sum.width", message, sum.ast.span, "width unknown");
                self.reports.add(fault.help("write the number of units after it, for example `width 16`"));
                None
            }
        }
    }

    fn sum_shape(&mut self, sum: &SumTree<'a>, outputs: usize, inputs: usize) -> Option<WeightsShape> {
        let Some((kind, span)) = &sum.attributes.kind else { return Some(WeightsShape::Dense { outputs, inputs }) };
        match kind.as_ref()? {
            SumKind::Dense => Some(WeightsShape::Dense { outputs, inputs }),
            SumKind::BlockDiagonal(size) => self.block_diagonal(sum, *size, outputs, inputs, *span),
            SumKind::Monarch(factors) => self.monarch(sum, factors, outputs, inputs, *span),
        }
    }

    /// Reports a sum that is not square.
    fn check_square(&mut self, sum: &SumTree<'a>, what: &str, outputs: usize, inputs: usize, span: Span) -> Option<()> {
        if inputs == outputs {
            return Some(());
        }
        let message = format!("a {what} sum has as many outputs as inputs, but this one has {outputs} and {inputs}");
        let fault = Diagnostic::error("sum.square", message, span, format!("{what} means square"));
        let label = format!("{} in, {outputs} out", count(inputs, "unit"));
        self.report_instance(fault.with(sum.ast.span, label).help("a `dense` sum may have any width"));
        None
    }

    fn block_diagonal(
        &mut self,
        sum: &SumTree<'a>,
        size: usize,
        outputs: usize,
        inputs: usize,
        span: Span,
    ) -> Option<WeightsShape> {
        self.check_square(sum, "block-diagonal", outputs, inputs, span)?;
        if outputs.is_multiple_of(size) {
            return Some(WeightsShape::BlockDiagonal { blocks: outputs / size, size });
        }
        let message = format!("the width {outputs} cannot be cut into blocks of {size}");
        let fault =
            Diagnostic::error("block_diagonal.size", message, span, format!("{size} does not divide {outputs}"));
        let help =
            format!("the nearest block size that divides {outputs} is {}", monarch::nearest_divisor(outputs, size));
        self.report_instance(fault.help(help));
        None
    }

    fn monarch(
        &mut self,
        sum: &SumTree<'a>,
        factors: &[usize],
        outputs: usize,
        inputs: usize,
        span: Span,
    ) -> Option<WeightsShape> {
        if let Some(factor) = factors.iter().find(|factor| **factor < 2) {
            let message = format!("a Monarch factor is at least 2, but this one is {factor}");
            self.report_instance(Diagnostic::error("monarch.factors", message, span, "factor too small"));
            return None;
        }
        let product = factors.iter().map(|factor| *factor as u128).product::<u128>();
        if product != outputs as u128 {
            let written: Vec<String> = factors.iter().map(usize::to_string).collect();
            let message =
                format!("Monarch factors multiply to the width {outputs}, but {} = {product}", written.join(" * "));
            let fault = Diagnostic::error("monarch.factors", message, span, format!("their product is {product}"));
            self.report_instance(fault.help(monarch::suggestion(outputs, factors.len())));
            return None;
        }
        self.check_square(sum, "Monarch", outputs, inputs, span)?;
        Some(WeightsShape::Monarch { factors: factors.to_vec() })
    }

    /// Reports Monarch factors whose product no width can have, when no width is written.
    fn check_monarch_overflow(&mut self, sum: &SumTree<'a>) {
        let (None, Some((Some(SumKind::Monarch(factors)), span))) = (&sum.attributes.width, &sum.attributes.kind)
        else {
            return;
        };
        let product = factors.iter().try_fold(1_usize, |product, factor| product.checked_mul(*factor));
        if product.is_none() {
            let message = "these Monarch factors multiply to more than any width can be";
            let label = format!("at most {} is possible", limits::WIDTH);
            self.report_instance(Diagnostic::error("monarch.factors", message, *span, label));
        }
    }

    /// The numbers of `weights [..]`. `None` if they are faulty; `Some(None)` if there are none.
    fn given_rows(&mut self, sum: &SumTree<'a>, shape: &WeightsShape) -> Option<Given> {
        let Some((rows, span)) = sum.attributes.weights else { return Some(None) };
        let extents = match shape {
            WeightsShape::Dense { outputs, inputs } => (*outputs, *inputs),
            WeightsShape::BlockDiagonal { blocks, size } => (blocks * size, *size),
            WeightsShape::Monarch { .. }
            | WeightsShape::Table { .. }
            | WeightsShape::Gaussian { .. }
            | WeightsShape::Mixing { .. } => {
                let message = "the weights of a Monarch sum are several tensors and cannot be given here";
                let fault = Diagnostic::error("weights.monarch", message, span, "not for a Monarch sum");
                self.reports.add(fault.help("give them in a parameter file, as the tensors NAME.1, NAME.2, .."));
                return None;
            }
        };
        let numbers = self.numbers(span, extents, |reports| {
            numbers::distributions(rows, span, extents, ("unit of the sum", "unit summed over"), reports)
        })?;
        Some(Some((numbers, span)))
    }

    /// `sum(0.4 : a, 0.6 : b)`: a mixture with the same given weights for every unit.
    fn given_sum(&mut self, sum: &SumTree<'a>, region: &Region<'a>, expected: Width) -> Option<UnitId> {
        let expected = match sum.attributes.width {
            Some((Some(width), _)) => Width::Known(width),
            Some((None, _)) => Width::Faulty,
            None => expected,
        };
        let width = self.common_width(&sum.operands, expected);
        let units = self.build_all(&sum.operands, region, width);
        let row = self.operand_weights(sum);
        let units = units?;
        let why = "given weights mix their operands unit by unit";
        let is_even = self.equal_widths(&sum.operands, &units, "mixture.width", why);
        self.smooth(&sum.operands, &units)?;
        is_even?;
        let row = row?;
        let width = self.units[units[0].0 as usize].width;
        if let Some((Some(promised), span)) = sum.attributes.width
            && promised != width
        {
            let message = format!("a sum with given weights is as wide as its operands, {width}, not {promised}");
            self.report_instance(Diagnostic::error("mixture.width", message, span, format!("says {promised}")));
            return None;
        }
        let given = self.numbers(sum.ast.span, (width, row.len()), |_| Some(row.repeat(width)))?;
        let scope = self.scope(units[0]);
        let shape = WeightsShape::Mixing { width, inputs: row.len() };
        let name = |this: &Self| this.weights_name(region, "sum", sum.number);
        let given = Some((given, sum.ast.span));
        let weights = self.weights_for(sum.attributes.tie, name, shape, given, sum.ast.span)?;
        self.add_unit(UnitKind::Mixing { operands: units, weights }, width, scope, sum.ast.span)
    }

    /// The weights written before the operands.
    fn operand_weights(&mut self, sum: &SumTree<'a>) -> Option<Vec<f64>> {
        let misplaced = sum.attributes.kind.as_ref().map(|(_, span)| *span);
        if let Some(span) = misplaced.or(sum.attributes.weights.map(|(_, span)| span)) {
            let message = "a sum whose operands have given weights has no kind and no further weights";
            self.reports.add(Diagnostic::error("attribute.misplaced", message, span, "does not fit"));
            return None;
        }
        if let Some((_, operand)) = sum.ast.operands.iter().find(|(weight, _)| weight.is_none()) {
            let message = "either all operands of a sum have a given weight, or none";
            let span = super::spans::of_region(operand);
            let fault = Diagnostic::error("sum.weights", message, span, "no weight here");
            self.reports.add(fault.help("write `weight : operand` for each"));
            return None;
        }
        let row: Vec<Number> = sum.ast.operands.iter().filter_map(|(weight, _)| weight.clone()).collect();
        numbers::check_row(&row, self.reports)?;
        Some(row.iter().map(|number| number.value).collect())
    }

    /// Builds `a | b`.
    pub fn mixture(&mut self, mixture: &Mixture<'a>, region: &Region<'a>, expected: Width) -> Option<UnitId> {
        let width = self.common_width(&mixture.parts, expected);
        let units = self.build_all(&mixture.parts, region, width)?;
        let why = "partitions of one region are mixed unit by unit";
        let is_even = self.equal_widths(&mixture.parts, &units, "mixture.width", why);
        self.smooth(&mixture.parts, &units)?;
        is_even?;
        let width = self.units[units[0].0 as usize].width;
        let shape = WeightsShape::Mixing { width, inputs: units.len() };
        let given = match mixture.attributes.weights {
            None => None,
            Some((rows, span)) => {
                let extents = (width, units.len());
                let numbers = self.numbers(span, extents, |reports| {
                    numbers::distributions(rows, span, extents, ("unit", "partition"), reports)
                })?;
                Some((numbers, span))
            }
        };
        let scope = self.scope(units[0]);
        let name = |this: &Self| this.weights_name(region, "mixing", mixture.number);
        let tie = mixture.attributes.mixing_tie.map(|(name, _)| name);
        let weights = self.weights_for(tie, name, shape, given, mixture.span)?;
        self.add_unit(UnitKind::Mixing { operands: units, weights }, width, scope, mixture.span)
    }
}
