//! What region graphs look like.

use super::*;
use crate::diagnostic::Source;
use crate::model::{LoadError, Loader, Options, check};

struct Text(String);

impl Loader for Text {
    fn load(&mut self, path: &str, _from: Option<&str>) -> Result<Source, LoadError> {
        Ok(Source { name: path.to_owned(), text: self.0.clone() })
    }
}

fn graph(text: &str) -> RegionGraph {
    from_model(&check(&mut Text(text.to_owned()), "test.pc", &Options::default()).model.expect("a correct program"))
}

const MIXED: &str = "circuit mixed {
    var x[3]: binary
    input a[i in 0..3] = bernoulli(x[i]) width 2 tie t
    input lone = bernoulli(x[0])
    region left = a[0] * (a[1] * a[2])
    region both = left | kronecker((sum(a[0]) width 1), a[1]) * a[2] mixing tie m
    root sum(both, left) tie top
}";

#[test]
fn products_inside_products_get_a_region() {
    let expected = "\
regions mixed {  // 9 regions, 4 partitions
    r0 a[0] = input t  // width 2, x[0]
    r1 a[1] = input t  // width 2, x[1]
    r2 a[2] = input t  // width 2, x[2]
    p3 = hadamard(r1, r2)  // width 2, x[1..3]
    r4 = p3  // width 2, x[1..3]
    p5 = hadamard(r0, r4)  // width 2, x[0..3]
    r6 left = p5  // width 2, x[0..3]
    r7 = sum(r0) dense both.sum1  // width 1, x[0]
    p8 = kronecker(r7, r1)  // width 2, x[0..2]
    r9 = p8  // width 2, x[0..2]
    p10 = hadamard(r9, r2)  // width 2, x[0..3]
    r11 both = mixing(r6, p10) mixing m  // width 2, x[0..3]
    r12 = sum(r11, r6) dense top  // width 1, x[0..3]
    root r12
}
";
    assert_eq!(dump(&graph(MIXED)), expected);
}

#[test]
fn edges_carry_the_order_of_children() {
    let graph = graph("circuit c { var x[3]: binary input a[i in 0..3] = bernoulli(x[i]) root a[2] * a[0] * a[1] }");
    let regions = &graph.circuits[0];
    let (product, _) = regions.nodes().nth(3).expect("three inputs and a product");
    let scopes: Vec<u32> =
        regions.children(product).iter().filter_map(|id| regions.node(*id).scope().first()).collect();
    assert_eq!(scopes, [2, 0, 1]);
    let mut edges: Vec<(u32, usize)> = regions
        .petgraph()
        .edges(NodeIndex::new(product.index()))
        .map(|edge| (*edge.weight(), petgraph::visit::EdgeRef::target(&edge).index()))
        .collect();
    edges.sort_unstable();
    let children: Vec<usize> = regions.children(product).iter().map(|id| id.index()).collect();
    assert_eq!(edges.into_iter().map(|(_, node)| node).collect::<Vec<_>>(), children);
}

#[test]
fn pictures_of_wide_products_are_short() {
    let factors: Vec<String> = (0..100).map(|i| format!("a[{i}]")).collect();
    let text = format!(
        "circuit c {{ var x[100]: binary input a[i in 0..100] = bernoulli(x[i]) root {} }}",
        factors.join(" * ")
    );
    let dot = dot(&graph(&text));
    assert!(dot.contains("\"85 more\""), "{dot}");
    assert!(dot.contains("x[99]") && !dot.contains("x[50]"), "{dot}");
}
