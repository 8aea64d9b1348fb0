//! Finds the repetitions of a chain, so that a picture shows them once.

use crate::circuit::*;

/// Layers that a picture leaves out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gap {
    /// Position of the first.
    pub(super) first: usize,
    /// One past the position of the last.
    pub(super) end: usize,
    /// What stands in their place.
    pub(super) label: String,
}

/// The order in which a picture walks a graph, and what it leaves out.
#[derive(Clone, Debug)]
pub(super) struct Outline {
    /// All layers, inputs right before their first users.
    pub(super) order: Vec<LayerId>,
    /// The position of each layer in that order.
    pub(super) position: Vec<usize>,
    /// In order, without overlap.
    pub(super) gaps: Vec<Gap>,
}

impl Outline {
    /// The gap that a layer is in.
    pub(super) fn gap(&self, layer: LayerId) -> Option<usize> {
        let position = self.position[layer.0 as usize];
        self.gaps.iter().position(|gap| (gap.first..gap.end).contains(&position))
    }
}

/// The longest period looked for.
const PERIOD: usize = 24;

/// Fewer repetitions than this are drawn.
const REPETITIONS: usize = 5;

/// A picture draws at most this many layers of a graph.
const MOST: usize = 100;

/// The outline of a graph.
pub(super) fn outline(graph: &LayerGraph) -> Outline {
    let order = inputs_before_users(graph);
    let mut position = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, layer)| position[layer.0 as usize] = at);
    let signatures: Vec<Signature> = order.iter().map(|id| signature(graph.layer(*id), *id, &position)).collect();
    let gaps = cut(order.len(), repetitions(&signatures));
    Outline { order, position, gaps }
}

fn inputs_before_users(graph: &LayerGraph) -> Vec<LayerId> {
    let mut placed = vec![false; graph.len()];
    let mut order = Vec::with_capacity(graph.len());
    let mut place = |id: LayerId| {
        if !std::mem::replace(&mut placed[id.0 as usize], true) {
            order.push(id);
        }
    };
    for (id, layer) in graph.layers().filter(|(_, layer)| layer.op != Op::Input) {
        for operand in layer.members.iter().flat_map(|member| &member.operands) {
            if let Operand::Part(part) = operand {
                place(part.layer);
            }
        }
        place(id);
    }
    graph.layers().for_each(|(id, _)| place(id));
    order
}

fn repetitions(signatures: &[Signature]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut next = 0;
    while next < signatures.len() {
        match run(&signatures[next..]) {
            Some((period, repetitions)) => {
                let (first, end) = (next + period, next + period * (repetitions - 1));
                let label = format!("the same {} times more\n({} layers)", repetitions - 2, end - first);
                gaps.push(Gap { first, end, label });
                next += period * repetitions;
            }
            None => next += 1,
        }
    }
    gaps
}

/// Repetitions at the start: the period and how many there are.
fn run(signatures: &[Signature]) -> Option<(usize, usize)> {
    (1..=PERIOD.min(signatures.len() / REPETITIONS)).find_map(|period| {
        let same = signatures.iter().zip(&signatures[period..]).take_while(|(a, b)| a == b).count();
        let repetitions = 1 + same / period;
        (repetitions >= REPETITIONS).then_some((period, repetitions))
    })
}

/// If too many layers are left, the middle of them goes too.
fn cut(layers: usize, gaps: Vec<Gap>) -> Vec<Gap> {
    let hidden: usize = gaps.iter().map(|gap| gap.end - gap.first).sum();
    if layers - hidden <= MOST {
        return gaps;
    }
    let shown: Vec<usize> = (0..layers).filter(|i| !gaps.iter().any(|gap| (gap.first..gap.end).contains(i))).collect();
    let (first, end) = (shown[MOST / 4], shown[shown.len() - MOST * 3 / 4]);
    let outside = |gap: &Gap| gap.end <= first || gap.first >= end;
    let first = gaps.iter().filter(|gap| !outside(gap)).map(|gap| gap.first).fold(first, usize::min);
    let end = gaps.iter().filter(|gap| !outside(gap)).map(|gap| gap.end).fold(end, usize::max);
    let mut left: Vec<Gap> = gaps.into_iter().filter(outside).collect();
    left.push(Gap { first, end, label: format!("{} more layers", end - first) });
    left.sort_by_key(|gap| gap.first);
    left
}

/// A layer as seen from itself: operands by how far back they are, parameters and variables not at all.
#[derive(PartialEq)]
struct Signature<'a> {
    op: &'a Op,
    width: usize,
    operands: Vec<Vec<Option<(usize, u32)>>>,
}

fn signature<'a>(layer: &'a Layer, id: LayerId, position: &[usize]) -> Signature<'a> {
    let seen = |operand: &Operand| match operand {
        Operand::Part(part) => Some((position[id.0 as usize] - position[part.layer.0 as usize], part.part)),
        Operand::Input(_) => None,
    };
    let operands = layer.members.iter().map(|member| member.operands.iter().map(seen).collect()).collect();
    Signature { op: &layer.op, width: layer.width, operands }
}
