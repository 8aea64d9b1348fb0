//! What passes share: walking an old graph while a new one grows, names for new parameters, permutations.

use crate::circuit::*;

/// Builds a new graph from an old one: `make` gets each layer of the old graph, its operands already those of
/// the new one, and returns the layer that takes its place (with members in the same order).
pub(crate) fn rebuild(graph: &LayerGraph, mut make: impl FnMut(&mut LayerGraph, Layer) -> LayerId) -> LayerGraph {
    let mut new = LayerGraph::new();
    let mut places: Vec<LayerId> = Vec::with_capacity(graph.len());
    for (_, layer) in graph.layers() {
        let layer = with_operands(layer, |id| places[id.0 as usize]);
        let place = make(&mut new, layer);
        places.push(place);
    }
    new.set_root(places[graph.root().0 as usize]);
    new
}

/// The layer with other layers as operands; parts stay.
pub(crate) fn with_operands(layer: &Layer, place: impl Fn(LayerId) -> LayerId) -> Layer {
    let mut layer = layer.clone();
    for operand in layer.members.iter_mut().flat_map(|member| &mut member.operands) {
        if let Operand::Part(part) = operand {
            part.layer = place(part.layer);
        }
    }
    layer
}

/// The layer with `rewrite` applied to the body, if it is a scan.
pub(crate) fn with_body(mut layer: Layer, rewrite: impl FnOnce(&LayerGraph) -> LayerGraph) -> Layer {
    if let Op::Scan(scan) = &mut layer.op {
        scan.body = rewrite(&scan.body);
    }
    layer
}

/// Calls `visit` with every reference to a parameter, those in bodies of scans included.
pub(crate) fn each_parameter(graph: &LayerGraph, visit: &mut impl FnMut(ParamId)) {
    for (_, layer) in graph.layers() {
        if let Op::Scan(scan) = &layer.op {
            each_parameter(&scan.body, visit);
        }
        for member in &layer.members {
            member.parameters.iter().for_each(|id| visit(*id));
            for operand in &member.operands {
                if let Operand::Input(var) = operand {
                    visit(var.table);
                }
            }
        }
    }
}

/// The layer with other parameters, in bodies of scans too.
pub(crate) fn with_parameters(mut layer: Layer, new: &impl Fn(ParamId) -> ParamId) -> Layer {
    for member in &mut layer.members {
        member.parameters.iter_mut().for_each(|id| *id = new(*id));
        for operand in &mut member.operands {
            if let Operand::Input(var) = operand {
                var.table = new(var.table);
            }
        }
    }
    with_body(layer, |body| rebuild(body, |graph, layer| graph.add(with_parameters(layer, new))))
}

/// The name wanted, or, if a parameter has it, the first of `name'2`, `name'3`, .. that none has.
pub(crate) fn fresh_name(parameters: &[Parameter], wanted: &str) -> String {
    let taken = |name: &str| parameters.iter().any(|parameter| parameter.name == name);
    if !taken(wanted) {
        return wanted.to_string();
    }
    (2..).map(|n| format!("{wanted}'{n}")).find(|name| !taken(name)).expect("names do not run out")
}

/// Appends a parameter.
pub(crate) fn add_parameter(
    parameters: &mut Vec<Parameter>,
    wanted: &str,
    shape: ParameterShape,
    init: Init,
) -> ParamId {
    let name = fresh_name(parameters, wanted);
    parameters.push(Parameter { name, shape, init });
    ParamId(parameters.len() as u32 - 1)
}

/// The operands of the members of a chain of layers with one operand each, while it grows.
pub(crate) struct Chain<'a> {
    /// Where the layers go.
    pub(crate) graph: &'a mut LayerGraph,
    /// The end of the chain: one operand for each member.
    pub(crate) ends: Vec<Operand>,
    /// Units of the end.
    pub(crate) width: usize,
}

impl Chain<'_> {
    /// Appends a layer, `parameters` for each member.
    pub(crate) fn step(&mut self, op: Op, width: usize, parameters: impl Fn(usize) -> Vec<ParamId>) {
        let ends = std::mem::take(&mut self.ends).into_iter().enumerate();
        let members = ends.map(|(m, end)| Member { operands: vec![end], parameters: parameters(m) }).collect();
        self.append(Layer { op, width, members });
    }

    fn append(&mut self, layer: Layer) {
        let (count, width) = (layer.members.len() as u32, layer.width);
        let layer = self.graph.add(layer);
        self.ends = (0..count).map(|part| PartRef { layer, part }.into()).collect();
        self.width = width;
    }

    /// Transposes the last two of the axes `[outer, rows, columns]`. Joins a transposition that is already at the
    /// end of the chain where the two are one; leaves out what moves nothing.
    pub(crate) fn permute(&mut self, outer: usize, rows: usize, columns: usize) {
        if rows == 1 || columns == 1 {
            return;
        }
        if let Some((before, (rows, columns))) = self.joined(outer, rows, columns) {
            self.ends = before;
            return self.permute(outer, rows, columns);
        }
        self.step(Op::Permute { outer, rows, columns }, outer * rows * columns, |_| Vec::new());
    }

    /// Transposes the middle two of the axes `[outer, rows, columns, inner]`.
    pub(crate) fn permute_inner(&mut self, outer: usize, rows: usize, columns: usize, inner: usize) {
        if rows == 1 || columns == 1 {
            return;
        }
        self.permute(outer, rows, columns * inner);
        self.permute(outer * columns, inner, rows);
    }

    /// What stands before the transposition at the end, and the transposition that is both.
    ///
    /// A transposition of `[r, c]` sends `n` to `n * r` modulo `r * c - 1`; so two of them with the same product
    /// are one if the product of their rows, or of their columns, divides it.
    fn joined(&self, outer: usize, rows: usize, columns: usize) -> Option<(Vec<Operand>, (usize, usize))> {
        let Some(Operand::Part(first)) = self.ends.first() else { return None };
        let layer = self.graph.layer(first.layer);
        let whole = (0..layer.members.len() as u32).map(|part| Operand::Part(PartRef { layer: first.layer, part }));
        if !whole.eq(self.ends.iter().copied()) {
            return None;
        }
        let Op::Permute { outer: o, rows: r, columns: c } = layer.op else { return None };
        let size = rows * columns;
        let both = match (r.checked_mul(rows), c.checked_mul(columns)) {
            (_, Some(all)) if size.is_multiple_of(all) => (size / all, all),
            (Some(all), _) if size.is_multiple_of(all) => (all, size / all),
            _ => return None,
        };
        let before = layer.members.iter().map(|member| member.operands[0]).collect();
        (o == outer && r * c == size).then_some((before, both))
    }
}
