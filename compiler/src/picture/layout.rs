//! Where things stand: sizes of nodes from their text, positions and paths from the crate `layout-rs`.
//!
//! Connected parts are laid out by themselves and put side by side, so that the boxes of clusters that have nothing
//! to do with each other do not overlap.

use super::scene::{Attributes, Node, Scene};
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::{Point, Position};
use layout::core::style::{LineStyleKind, StyleAttr};
use layout::std_shapes::shapes::{Arrow, Element, LineEndKind, ShapeKind};
use layout::topo::layout::VisualGraph;

/// Half of the space between neighbors.
const HALO: (f64, f64) = (11.0, 17.0);

/// Space between parts that are not connected.
const BETWEEN: f64 = 40.0;

/// If edges cross more layers of nodes than this in all, crossings are not minimized: that would take minutes.
const CROWDED: usize = 400;

/// A rectangle by its corners.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    /// The smallest that holds both.
    pub(super) fn with(self, other: Area) -> Area {
        Area {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Larger by this much on each side.
    pub(super) fn grown(self, by: f64) -> Area {
        Area { left: self.left - by, top: self.top - by, right: self.right + by, bottom: self.bottom + by }
    }
}

/// A curve: pairs of a point and a control point, as the crate gives them.
pub(super) type Path = Vec<((f64, f64), (f64, f64))>;

/// Where nodes and edges of a scene stand.
#[derive(Debug)]
pub(super) struct Places {
    /// By index of the node.
    pub(super) nodes: Vec<Area>,
    /// By index of the edge; and whether it runs against the layout, from its end to its start.
    pub(super) edges: Vec<(Path, bool)>,
}

/// The size of the font of a node or edge.
pub(super) fn font_size(attributes: &Attributes) -> f64 {
    attributes.get("fontsize").and_then(|size| size.parse().ok()).unwrap_or(11.0)
}

/// The width of a text in Helvetica, roughly.
pub(super) fn text_width(text: &str, size: f64) -> f64 {
    let em = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '[' | ']' | '(' | ')' | ' ' | 't' | 'f' | 'I' => 0.3,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        c if c.is_ascii_uppercase() => 0.7,
        c if c.is_ascii() => 0.56,
        _ => 0.9,
    };
    text.chars().map(em).sum::<f64>() * size
}

fn size(node: &Node) -> (f64, f64) {
    let font = font_size(&node.attributes);
    let width = node.label.lines().map(|line| text_width(line, font)).fold(0.0, f64::max);
    let height = node.label.lines().count().max(1) as f64 * font * 1.25;
    if is_round(node) { (width * 1.25 + 16.0, height * 1.3 + 10.0) } else { (width + 18.0, height + 10.0) }
}

/// Whether a node is an ellipse.
pub(super) fn is_round(node: &Node) -> bool {
    matches!(
        node.attributes.get("shape").map(String::as_str),
        None | Some("point" | "circle" | "ellipse" | "oval" | "doublecircle")
    )
}

/// Lays out the scene.
pub(super) fn layout(scene: &Scene) -> Places {
    let empty = Area { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 };
    let mut places =
        Places { nodes: vec![empty; scene.nodes.len()], edges: vec![(Path::new(), false); scene.edges.len()] };
    let mut left = 0.0;
    for part in connected(scene) {
        left = part_layout(scene, &part, left, &mut places) + BETWEEN;
    }
    places
}

/// The nodes of each connected part, in order. A cluster connects its nodes.
fn connected(scene: &Scene) -> Vec<Vec<usize>> {
    let mut parent: Vec<usize> = (0..scene.nodes.len()).collect();
    let find = |parent: &[usize], mut i: usize| {
        while parent[i] != i {
            i = parent[i];
        }
        i
    };
    let edges = scene.edges.iter().map(|edge| (edge.from, edge.to));
    let inside = scene.clusters.iter().flat_map(|cluster| cluster.nodes.windows(2).map(|pair| (pair[0], pair[1])));
    for (a, b) in edges.chain(inside) {
        let (a, b) = (find(&parent, a), find(&parent, b));
        parent[a.max(b)] = a.min(b);
    }
    let roots: Vec<usize> = (0..parent.len()).filter(|i| parent[*i] == *i).collect();
    roots.iter().map(|root| (0..parent.len()).filter(|i| find(&parent, *i) == *root).collect()).collect()
}

/// Lays out a part, its left end at `left`, and gives its right end.
fn part_layout(scene: &Scene, part: &[usize], left: f64, places: &mut Places) -> f64 {
    let mut graph = VisualGraph::new(Orientation::TopToBottom);
    let look = StyleAttr::new(Color::fast("black"), 1, None, 0, 11);
    let mut handles = vec![None; scene.nodes.len()];
    for node in part {
        let (width, height) = size(&scene.nodes[*node]);
        let shape = if is_round(&scene.nodes[*node]) { ShapeKind::new_circle("") } else { ShapeKind::new_box("") };
        let mut element = Element::create(shape, look.clone(), Orientation::LeftToRight, Point::new(width, height));
        let halo = Point::new(HALO.0 * 2.0, HALO.1 * 2.0);
        element.pos = Position::new(Point::zero(), Point::new(width, height), Point::zero(), halo);
        handles[*node] = Some(graph.add_node(element));
    }
    let mut drawn = Vec::new();
    for (index, edge) in scene.edges.iter().enumerate() {
        if let (Some(from), Some(to)) = (handles[edge.from], handles[edge.to])
            && from != to
        {
            let arrow =
                Arrow::new(LineEndKind::None, LineEndKind::Arrow, LineStyleKind::Normal, "", &look, &None, &None);
            graph.add_edge(arrow, from, to);
            drawn.push(index);
        }
    }
    let mut paths = Paths::default();
    let is_crowded = length(scene, &drawn) > CROWDED;
    graph.do_it(false, is_crowded, false, &mut paths);
    let area = |node: &usize| {
        let (low, high) = graph.pos(handles[*node].expect("the node is of this part")).bbox(false);
        Area { left: low.x, top: low.y, right: high.x, bottom: high.y }
    };
    let areas: Vec<Area> = part.iter().map(area).collect();
    let whole = areas.iter().copied().reduce(Area::with).expect("a part has nodes");
    let moved = |(x, y): (f64, f64)| (x - whole.left + left, y - whole.top);
    for (node, area) in part.iter().zip(areas) {
        let ((left, top), (right, bottom)) = (moved((area.left, area.top)), moved((area.right, area.bottom)));
        places.nodes[*node] = Area { left, top, right, bottom };
    }
    for (index, (path, reversed)) in drawn.into_iter().zip(paths.0) {
        places.edges[index] = (path.into_iter().map(|(a, b)| (moved(a), moved(b))).collect(), reversed);
    }
    left + whole.right - whole.left
}

/// How many layers of nodes the edges cross in all, when each node stands below all that lead to it. Edges
/// that lead back count nothing.
fn length(scene: &Scene, edges: &[usize]) -> usize {
    let mut level = vec![0usize; scene.nodes.len()];
    for _ in 0..scene.nodes.len() {
        let mut is_done = true;
        for edge in edges.iter().map(|index| &scene.edges[*index]).filter(|edge| edge.from < edge.to) {
            if level[edge.to] <= level[edge.from] {
                level[edge.to] = level[edge.from] + 1;
                is_done = false;
            }
        }
        if is_done {
            break;
        }
    }
    edges.iter().map(|index| &scene.edges[*index]).map(|edge| level[edge.to].saturating_sub(level[edge.from])).sum()
}

/// Takes note of the paths of arrows; everything else is drawn from the scene.
#[derive(Default)]
struct Paths(Vec<(Path, bool)>);

impl RenderBackend for Paths {
    fn draw_rect(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>, _: Option<ClipHandle>) {}

    fn draw_line(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}

    fn draw_text(&mut self, _: Point, _: &str, _: &StyleAttr) {}

    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _: bool,
        head: (bool, bool),
        _: &StyleAttr,
        _: Option<String>,
        _: &str,
    ) {
        let points = path.iter().map(|(a, b)| ((a.x, a.y), (b.x, b.y))).collect();
        self.0.push((points, head.0));
    }

    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}
