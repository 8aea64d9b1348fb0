//! The second group: widths, arities and parameter shapes.

use super::*;
use crate::circuit::print::{operation, shape as shape_text};
use crate::circuit::{Domain, MEANS, VARIANCES, VarUse};

pub(super) fn check(module: &Module, faults: &mut Vec<Fault>) {
    for (index, circuit) in module.circuits.iter().enumerate() {
        for (i, parameter) in circuit.parameters.iter().enumerate() {
            if let Err(message) = initial(parameter) {
                let place = Place { circuit: index, item: Item::Parameter(i) };
                faults.push(Fault { place, check: "shapes", message });
            }
        }
    }
    for frame in Frame::of(module) {
        let width = frame.graph.layer(frame.graph.root()).width;
        if frame.scan.is_none() && width != 1 {
            let message = format!("the root has one unit, {} has {width}", frame.graph.root());
            faults.push(Fault { place: frame.root_place(), check: "shapes", message });
        }
        for (id, layer) in frame.graph.layers() {
            for (part, member) in layer.members.iter().enumerate() {
                if let Err(message) = operands(&frame, layer, member).and_then(|()| one_member(&frame, layer, member)) {
                    let message = frame.member(id, part) + &message;
                    faults.push(Fault { place: frame.place(id), check: "shapes", message });
                }
            }
        }
    }
}

type Checked = Result<(), String>;

fn require(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}

fn product(numbers: impl IntoIterator<Item = usize>) -> Option<usize> {
    numbers.into_iter().try_fold(1usize, usize::checked_mul)
}

fn initial(parameter: &Parameter) -> Checked {
    let shape = &parameter.shape;
    let entries = match *shape {
        ParameterShape::Table { width, values } => width * values,
        ParameterShape::Weight { blocks, outputs, inputs, .. } => blocks * outputs * inputs,
        ParameterShape::Mixing { width, inputs } => width * inputs,
        ParameterShape::Gaussian { floor, .. } => return gaussian(parameter, floor.0),
    };
    match &parameter.init {
        Init::Random => Ok(()),
        Init::Given(numbers) => given(numbers, entries),
        Init::Indicator { value } => match shape {
            ParameterShape::Table { values, .. } => {
                require(value < values, || format!("the indicator's value {value} is not below {values}"))
            }
            _ => Err("only a table is an indicator".into()),
        },
        Init::Member(_) => match *shape {
            ParameterShape::Table { values, .. } => {
                require(values >= 2, || "a family is over at least two values".to_string())
            }
            _ => Err("only a table is of a family".into()),
        },
        Init::Identity => match *shape {
            ParameterShape::Table { width, values } => {
                require(width == values, || format!("an identity over {values} values has {values} units, not {width}"))
            }
            _ => Err("only a table is an identity".into()),
        },
        Init::CopyOf { source: _, blocks, outputs, inputs } => copy(shape, (*blocks, *outputs, *inputs)),
        Init::TableProduct { sources, normalize: _ } => {
            let width = product(sources.iter().map(|(_, width)| *width));
            let fits = matches!(shape, ParameterShape::Table { width: w, .. } if Some(*w) == width);
            require(fits, || {
                format!("the product of the sources has {width:?} units, the parameter is {}", shape_text(shape))
            })
        }
        Init::WeightProduct { sources } => {
            let (o, i) = (product(sources.iter().map(|s| s.1)), product(sources.iter().map(|s| s.2)));
            let fits = matches!(shape, ParameterShape::Weight { blocks: 1, outputs, inputs, .. }
                if Some(*outputs) == o && Some(*inputs) == i);
            require(fits, || {
                format!("the product of the sources is [{o:?}, {i:?}], the parameter {}", shape_text(shape))
            })
        }
    }
}

/// The floor and the first numbers of Gaussian units: mean and variance of each.
fn gaussian(parameter: &Parameter, floor: f64) -> Checked {
    let ParameterShape::Gaussian { width, .. } = parameter.shape else { return Ok(()) };
    require(VARIANCES.contains(&floor), || format!("a floor lies between {VARIANCES:?}, not at {floor:?}"))?;
    match &parameter.init {
        Init::Random => Ok(()),
        Init::Given(numbers) => {
            require(numbers.len() == 2 * width, || format!("{} numbers are given for {}", numbers.len(), 2 * width))?;
            let legal = |unit: &[f64]| MEANS.contains(&unit[0]) && VARIANCES.contains(&unit[1]);
            let bad = numbers.chunks_exact(2).find(|unit| !legal(unit));
            bad.map_or(Ok(()), |unit| Err(format!("no unit has the mean {:?} and the variance {:?}", unit[0], unit[1])))
        }
        _ => Err("Gaussian units are random or given".into()),
    }
}

fn given(numbers: &[f64], entries: usize) -> Checked {
    require(numbers.len() == entries, || format!("{} numbers are given for {entries} entries", numbers.len()))?;
    match numbers.iter().find(|n| !n.is_finite() || **n < 0.0) {
        Some(bad) => Err(format!("given numbers are finite and not negative, but one is {bad:?}")),
        None => Ok(()),
    }
}

fn copy(shape: &ParameterShape, source: (usize, usize, usize)) -> Checked {
    let fits = matches!(*shape, ParameterShape::Weight { blocks, outputs, inputs, .. }
        if source.0 > 0 && blocks % source.0 == 0 && (outputs, inputs) == (source.1, source.2));
    let (blocks, outputs, inputs) = source;
    require(fits, || format!("copies of [{blocks}; {outputs}, {inputs}] do not fill {}", shape_text(shape)))
}

/// Input operands: only where they may stand, with a table for the variable's values.
fn operands(frame: &Frame, layer: &Layer, member: &Member) -> Checked {
    let direct = matches!(layer.op, Op::Input | Op::Hadamard | Op::Stage(_));
    for operand in &member.operands {
        let Operand::Input(var) = operand else { continue };
        require(direct, || format!("`{}` does not read variables directly", operation(&layer.op)))?;
        let values = match frame.circuit.parameter(var.table).shape {
            ParameterShape::Table { values, .. } => values,
            ParameterShape::Gaussian { .. } => {
                gaussian_operand(frame, layer, var)?;
                continue;
            }
            _ => return Err(format!("@{} is no table and no Gaussian units", frame.circuit.parameter(var.table).name)),
        };
        let last = i64::from(var.index) + i64::from(var.stride) * (frame.steps() as i64 - 1);
        for index in [i64::from(var.index), last] {
            let domain = frame.circuit.domain(index as usize).expect("references are checked");
            require(domain != Domain::Real, || format!("{} is real", variable(frame.circuit, index as u32, 0)))?;
            let size = domain.size();
            require(size == values, || {
                let name = variable(frame.circuit, index as u32, 0);
                format!("the table has {values} values, the domain of {name} {size}")
            })?;
        }
    }
    Ok(())
}

/// Gaussian units are read by inputs, and are about real variables.
fn gaussian_operand(frame: &Frame, layer: &Layer, var: &VarUse) -> Checked {
    require(layer.op == Op::Input, || format!("`{}` does not read Gaussian units directly", operation(&layer.op)))?;
    let last = i64::from(var.index) + i64::from(var.stride) * (frame.steps() as i64 - 1);
    for index in [i64::from(var.index), last] {
        let domain = frame.circuit.domain(index as usize).expect("references are checked");
        require(domain == Domain::Real, || format!("{} is not real", variable(frame.circuit, index as u32, 0)))?;
    }
    Ok(())
}

fn one_member(frame: &Frame, layer: &Layer, member: &Member) -> Checked {
    let widths: Vec<usize> =
        member.operands.iter().map(|operand| frame.circuit.operand_width(frame.graph, *operand)).collect();
    let width = layer.width;
    require(width > 0, || "a layer has at least one unit".into())?;
    match &layer.op {
        Op::Input => {
            let input = matches!(member.operands.as_slice(), [Operand::Input(_)]);
            require(input, || "an input has one operand, a variable".into())?;
            same(width, &widths)
        }
        Op::Hadamard => {
            require(widths.len() >= 2, || format!("a product has two operands or more, not {}", widths.len()))?;
            same(width, &widths)
        }
        Op::Kronecker => {
            require(widths.len() >= 2, || format!("a product has two operands or more, not {}", widths.len()))?;
            total(width, product(widths))
        }
        Op::Concat => {
            require(!widths.is_empty(), || "a concatenation has at least one operand".into())?;
            total(width, widths.iter().try_fold(0usize, |all, w| all.checked_add(*w)))
        }
        Op::Permute { outer, rows, columns } => {
            one(&widths)?;
            total(width, product([*outer, *rows, *columns]))?;
            same(width, &widths)
        }
        Op::Sum(kind) => return sum(frame, kind, width, &widths, member),
        Op::Stage(stage) => return stage_shapes(frame, stage, width, &widths, member),
        Op::Carry => require(widths.is_empty(), || "a carry has no operands".into()),
        Op::Scan(scan) => {
            one(&widths)?;
            require(scan.steps > 0, || "a scan has at least one iteration".into())?;
            same(width, &widths)
        }
    }?;
    weights(frame, &[], member)
}

fn sum(frame: &Frame, kind: &SumKind, width: usize, widths: &[usize], member: &Member) -> Checked {
    if let SumKind::Mixing = kind {
        require(!widths.is_empty(), || "a mixture has at least one operand".into())?;
        same(width, widths)?;
        return weights(frame, &[Expected::Mixing { width, inputs: widths.len() }], member);
    }
    one(widths)?;
    let mut expected = Vec::new();
    sum_parameters(kind, width, widths[0], &mut expected)?;
    weights(frame, &expected, member)
}

/// The weights of a sum with one operand, in order.
fn sum_parameters(kind: &SumKind, outputs: usize, inputs: usize, expected: &mut Vec<Expected>) -> Checked {
    match kind {
        SumKind::Dense => expected.push(Expected::Blocks { of: 1, outputs, inputs }),
        SumKind::BlockDiagonal { blocks } => {
            let divides = *blocks > 0 && outputs.is_multiple_of(*blocks) && inputs.is_multiple_of(*blocks);
            require(divides, || format!("{blocks} blocks do not divide {outputs} outputs and {inputs} inputs"))?;
            expected.push(Expected::Blocks { of: *blocks, outputs: outputs / blocks, inputs: inputs / blocks });
        }
        SumKind::Monarch { factors } => {
            let all = product(factors.iter().copied());
            let fits = outputs == inputs && all == Some(outputs) && !factors.is_empty();
            require(fits, || {
                format!("the factors {factors:?} do not multiply to {outputs} outputs and {inputs} inputs")
            })?;
            for factor in factors {
                expected.push(Expected::All { blocks: outputs / factor, outputs: *factor, inputs: *factor });
            }
        }
        SumKind::Kronecker(factors) => {
            let (o, i) = (product(factors.iter().map(|f| f.outputs)), product(factors.iter().map(|f| f.inputs)));
            let fits = o == Some(outputs) && i == Some(inputs) && !factors.is_empty();
            require(fits, || format!("the factors do not multiply to {outputs} outputs and {inputs} inputs"))?;
            for factor in factors {
                match &factor.kind {
                    Some(kind) => sum_parameters(kind, factor.outputs, factor.inputs, expected)?,
                    None => require(factor.outputs == factor.inputs, || "an identity is square".into())?,
                }
            }
        }
        SumKind::Mixing => return Err("a mixture is no factor of a Kronecker product".into()),
    }
    Ok(())
}

fn stage_shapes(frame: &Frame, stage: &Stage, width: usize, widths: &[usize], member: &Member) -> Checked {
    let Stage { blocks, outputs, inputs, rows, prologue } = *stage;
    total(width, product([blocks, outputs]))?;
    let fits = (1..=widths.len()).contains(&prologue);
    require(fits, || format!("the first {prologue} of {} operands cannot be the prologue", widths.len()))?;
    require(rows > 0 && blocks.is_multiple_of(rows), || format!("rows {rows} do not divide {blocks} blocks"))?;
    let read = product([blocks, inputs]).ok_or("the inputs are too many")?;
    same(read, &widths[..prologue])?;
    same(width, &widths[prologue..])?;
    weights(frame, &[Expected::Blocks { of: blocks, outputs, inputs }], member)
}

fn one(widths: &[usize]) -> Checked {
    require(widths.len() == 1, || format!("one operand is expected, there are {}", widths.len()))
}

fn same(width: usize, widths: &[usize]) -> Checked {
    match widths.iter().position(|w| *w != width) {
        Some(i) => Err(format!("operand {i} has width {}, expected {width}", widths[i])),
        None => Ok(()),
    }
}

fn total(width: usize, expected: Option<usize>) -> Checked {
    match expected {
        Some(expected) if expected == width => Ok(()),
        Some(expected) => Err(format!("the width is {width}, but the operands give {expected}")),
        None => Err("the width is too large for the machine".into()),
    }
}

/// What a weight must look like.
#[derive(Clone, Copy)]
enum Expected {
    /// Distinct blocks that divide `of`.
    Blocks { of: usize, outputs: usize, inputs: usize },
    /// This number of distinct blocks.
    All { blocks: usize, outputs: usize, inputs: usize },
    /// A mixing weight.
    Mixing { width: usize, inputs: usize },
}

fn weights(frame: &Frame, expected: &[Expected], member: &Member) -> Checked {
    let found = member.parameters.len();
    require(found == expected.len(), || format!("{} parameters are expected, there are {found}", expected.len()))?;
    for (id, expected) in member.parameters.iter().zip(expected) {
        let parameter = frame.circuit.parameter(*id);
        let (fits, text) = match (*expected, &parameter.shape) {
            (Expected::Blocks { of, outputs, inputs }, shape) => (
                matches!(shape, ParameterShape::Weight { blocks, outputs: o, inputs: i, .. }
                    if of % blocks == 0 && (*o, *i) == (outputs, inputs)),
                format!("weight[b; {outputs}, {inputs}] where b divides {of}"),
            ),
            (Expected::All { blocks, outputs, inputs }, shape) => (
                matches!(shape, ParameterShape::Weight { blocks: b, outputs: o, inputs: i, .. }
                    if (*b, *o, *i) == (blocks, outputs, inputs)),
                format!("weight[{blocks}; {outputs}, {inputs}]"),
            ),
            (Expected::Mixing { width, inputs }, shape) => {
                (*shape == ParameterShape::Mixing { width, inputs }, format!("mixing[{width}, {inputs}]"))
            }
        };
        require(fits, || format!("@{} is {}, expected {text}", parameter.name, shape_text(&parameter.shape)))?;
    }
    Ok(())
}
