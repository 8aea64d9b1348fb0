//! SVG from a scene and its places.

use super::layout::{Area, Path, Places, font_size, is_round, text_width};
use super::scene::{Attributes, Cluster, Edge, Node, Scene};
use std::fmt::Write;

/// Space around the picture.
const MARGIN: f64 = 12.0;

/// Space between the border of a cluster and its nodes, and the room for its label above them.
const INSIDE: (f64, f64) = (10.0, 18.0);

/// The whole picture.
pub(super) fn write(scene: &Scene, places: &Places) -> String {
    let mut body = String::new();
    let mut whole: Option<Area> = None;
    let mut grow = |area: Area| whole = Some(whole.map_or(area, |whole| whole.with(area)));
    for (index, cluster) in scene.clusters.iter().enumerate() {
        if let Some(area) = cluster_area(scene, places, index) {
            cluster_box(&mut body, cluster, area);
            grow(area);
        }
    }
    for (edge, (path, reversed)) in scene.edges.iter().zip(&places.edges) {
        if path.len() > 1 {
            arrow(&mut body, edge, path, *reversed);
            path.iter().for_each(|((x, y), _)| grow(Area { left: *x, top: *y, right: *x, bottom: *y }));
        }
    }
    for (node, area) in scene.nodes.iter().zip(&places.nodes) {
        shape(&mut body, node, *area);
        grow(*area);
    }
    frame(&body, whole)
}

fn frame(body: &str, whole: Option<Area>) -> String {
    let Area { left, top, right, bottom } =
        whole.unwrap_or(Area { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 }).grown(MARGIN);
    let (width, height) = (right - left, bottom - top);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.1}\" height=\"{height:.1}\" \
         viewBox=\"{left:.1} {top:.1} {width:.1} {height:.1}\" font-family=\"Helvetica, Arial, sans-serif\">\n\
         <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"#ffffff\"/>\n\
         {body}</svg>\n"
    )
}

/// The nodes of a cluster, and of clusters within it with the room that these take.
fn cluster_area(scene: &Scene, places: &Places, index: usize) -> Option<Area> {
    let cluster = &scene.clusters[index];
    let own = cluster.nodes.iter().map(|node| places.nodes[*node]).reduce(Area::with)?;
    let is_inside = |other: &Cluster| {
        !other.nodes.is_empty()
            && other.nodes.len() < cluster.nodes.len()
            && other.nodes.iter().all(|n| cluster.nodes.contains(n))
    };
    let inner = (index + 1..scene.clusters.len()).filter(|i| is_inside(&scene.clusters[*i]));
    let area = inner.filter_map(|i| cluster_area(scene, places, i)).fold(own, Area::with).grown(INSIDE.0);
    Some(Area { top: area.top - INSIDE.1, ..area })
}

fn cluster_box(out: &mut String, cluster: &Cluster, area: Area) {
    let color = attribute(&cluster.attributes, "color", "#999999");
    let label = attribute(&cluster.attributes, "label", "");
    let width = (area.right - area.left).max(text_width(label, 11.0) + 16.0);
    rectangle(out, Area { right: area.left + width, ..area }, 6.0, &format!("fill=\"#fafafa\" stroke=\"{color}\""));
    text(out, label, (area.left + 8.0, area.top + 15.0), 11.0, "start");
}

fn shape(out: &mut String, node: &Node, area: Area) {
    let Node { label, attributes } = node;
    let style = attribute(attributes, "style", "");
    let filled = style.contains("filled") || attributes.contains_key("fillcolor");
    let fill = if filled { attribute(attributes, "fillcolor", "#eeeeee") } else { "#ffffff" };
    let stroke = attribute(attributes, "color", "#444444");
    let stroke_width = attribute(attributes, "penwidth", "1");
    let dash = if style.contains("dashed") { " stroke-dasharray=\"4,3\"" } else { "" };
    let look = format!(
        "fill=\"{}\" stroke=\"{}\" stroke-width=\"{}\"{dash}",
        escaped(fill),
        escaped(stroke),
        escaped(stroke_width)
    );
    let middle = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0);
    if is_round(node) {
        let (rx, ry) = ((area.right - area.left) / 2.0, (area.bottom - area.top) / 2.0);
        let (cx, cy) = middle;
        writeln!(out, "<ellipse cx=\"{cx:.1}\" cy=\"{cy:.1}\" rx=\"{rx:.1}\" ry=\"{ry:.1}\" {look}/>")
            .expect("writing to a string works");
    } else {
        rectangle(out, area, if style.contains("rounded") { 5.0 } else { 0.0 }, &look);
    }
    let font = font_size(attributes);
    let lines = label.lines().count() as f64;
    for (i, line) in label.lines().enumerate() {
        let y = middle.1 + (i as f64 - (lines - 1.0) / 2.0) * font * 1.25 + font * 0.35;
        text(out, line, (middle.0, y), font, "middle");
    }
}

fn rectangle(out: &mut String, area: Area, round: f64, look: &str) {
    let Area { left, top, right, bottom } = area;
    let (width, height) = (right - left, bottom - top);
    writeln!(
        out,
        "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"{round}\" {look}/>"
    )
    .expect("writing to a string works");
}

fn text(out: &mut String, text: &str, (x, y): (f64, f64), size: f64, anchor: &str) {
    let text = escaped(text);
    writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\">{text}</text>")
        .expect("writing to a string works");
}

/// A curve through the points of a path, with a head where the edge ends.
fn arrow(out: &mut String, edge: &Edge, path: &Path, reversed: bool) {
    let stroke = attribute(&edge.attributes, "color", "#555555");
    let dash =
        if attribute(&edge.attributes, "style", "").contains("dashed") { " stroke-dasharray=\"4,3\"" } else { "" };
    let (start, exit) = path[0];
    let (entry, end) = path[1];
    let mut d = format!("M {} C {}, {}, {}", point(start), point(exit), point(entry), point(end));
    for (control, end) in &path[2..] {
        write!(d, " S {}, {}", point(*control), point(*end)).expect("writing to a string works");
    }
    writeln!(out, "<path d=\"{d}\" fill=\"none\" stroke=\"{}\"{dash}/>", escaped(stroke)).expect("writing works");
    let (control, end) = path[path.len() - 1];
    if reversed {
        head(out, exit, start, stroke)
    } else {
        head(out, control, end, stroke)
    }
    if let Some(label) = edge.attributes.get("label") {
        let ((x0, y0), (x1, y1)) = (start, end);
        text(out, label, ((x0 + x1) / 2.0 + 6.0, (y0 + y1) / 2.0 + 3.0), 10.0, "start");
    }
}

fn point((x, y): (f64, f64)) -> String {
    format!("{x:.1} {y:.1}")
}

/// A triangle at `tip`, pointing away from `from`.
fn head(out: &mut String, from: (f64, f64), tip: (f64, f64), color: &str) {
    let (dx, dy) = (tip.0 - from.0, tip.1 - from.1);
    let length = (dx * dx + dy * dy).sqrt();
    let (dx, dy) = if length > 0.0 { (dx / length, dy / length) } else { (0.0, 1.0) };
    let corner = |side: f64| (tip.0 - 7.0 * dx - side * 3.0 * dy, tip.1 - 7.0 * dy + side * 3.0 * dx);
    let points = [tip, corner(1.0), corner(-1.0)].map(|(x, y)| format!("{x:.1},{y:.1}")).join(" ");
    writeln!(out, "<polygon points=\"{points}\" fill=\"{}\"/>", escaped(color)).expect("writing to a string works");
}

fn attribute<'a>(attributes: &'a Attributes, name: &str, default: &'a str) -> &'a str {
    attributes.get(name).map_or(default, String::as_str)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
