//! Tests of the reader and of what is written.

use super::*;

const TWO: &str = r#"{"root": 0, "num_vars": 2, "nodes": [
    {"id": 0, "type": "sum", "children": [1, 2], "weights": [0.25, 0.75]},
    {"id": 1, "type": "product", "children": [3, 4]}, {"id": 2, "type": "product", "children": [3, 5]},
    {"id": 3, "type": "histogram", "var": 0, "breaks": [0, 1, 4], "densities": [0.7, 0.1]},
    {"id": 4, "type": "gaussian", "var": 1, "mean": 0.5, "stddev": 2.0},
    {"id": 5, "type": "histogram", "var": 1, "breaks": [-1, 2], "densities": [0.3]},
    {"id": 6, "type": "product", "children": [3]}]}"#;

#[test]
fn networks_become_programs() {
    let network = read::network(TWO.as_bytes()).expect("it is a network");
    assert_eq!(network.nodes.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [3, 4, 1, 5, 2, 0]);
    let text = program::program(&network, &(-1..3));
    assert!(text.contains("var x[2]: integer(-1..3)"), "{text}");
    assert!(
        text.contains("    region n[1] = n[3] * n[4]\n") && text.contains("    region n[0] = n[1] | n[2]\n"),
        "{text}"
    );
    let tensors = program::parameters(&network, &(-1..3));
    let of = |name: &str| tensors.iter().find(|tensor| tensor.0 == name).expect("it has numbers").2.clone();
    assert_eq!(of("n.0"), [0.25, 0.75]);
    assert_eq!(of("n.3"), [f32::NEG_INFINITY, 0.7f64.ln() as f32, 0.1f64.ln() as f32, 0.1f64.ln() as f32]);
    assert_eq!(of("n.5"), [0.3f64.ln() as f32; 3].into_iter().chain([f32::NEG_INFINITY]).collect::<Vec<_>>());
    let gaussian = |x: f64| (-(x - 0.5) * (x - 0.5) / 8.0 - (2.0 * (2.0 * std::f64::consts::PI).sqrt()).ln()) as f32;
    assert!(of("n.4").iter().zip([-1.0, 0.0, 1.0, 2.0]).all(|(found, x)| (found - gaussian(x)).abs() < 1e-6));
}

#[test]
fn values_are_those_of_the_histograms() {
    let network = read::network(TWO.as_bytes()).unwrap();
    assert!(network.values(None).unwrap_err().starts_with("node 4 is Gaussian"));
    assert_eq!(network.values(Some(0..2)), Ok(0..2));
    let histograms = TWO.replace(
        r#""gaussian", "var": 1, "mean": 0.5, "stddev": 2.0"#,
        r#""histogram", "var": 1, "breaks": [0, 1], "densities": [1]"#,
    );
    assert_eq!(read::network(histograms.as_bytes()).unwrap().values(None), Ok(-1..4));
    assert!(network.values(Some(3..3)).is_err());
}

#[test]
fn what_is_wrong_is_said_with_its_node() {
    let wrong = |from: &str, to: &str| {
        assert!(TWO.contains(from));
        read::network(TWO.replace(from, to).as_bytes()).expect_err("it is no network")
    };
    assert_eq!(wrong("[0.25, 0.75]", "[0.25]"), "node 0: a sum has a weight, not negative, for each child");
    assert_eq!(wrong("[0.25, 0.75]", "[1.25, -0.25]"), "node 0: a sum has a weight, not negative, for each child");
    assert_eq!(wrong("[3, 4]", "[3, 9]"), "there is no node 9");
    assert_eq!(wrong("[3, 4]", "[3, 0]"), "node 0 is part of itself");
    assert_eq!(wrong(r#""id": 4"#, r#""id": 3"#), "node 3 is defined twice, or its number is 1048576 or more");
    assert_eq!(wrong(r#""var": 0"#, r#""var": 2"#), "node 3: there is no variable 2 of 2");
    assert_eq!(
        wrong("[0, 1, 4]", "[0, 1, 1]"),
        "node 3: a histogram has ascending breaks and a density, not negative, between every two"
    );
    assert_eq!(wrong("2.0}", "0.0}"), "node 4: a Gaussian has a `mean` and a positive `stddev`");
    assert_eq!(
        wrong("gaussian", "poisson"),
        "node 4: `poisson` is no kind of node; expected sum, product, histogram or gaussian"
    );
    assert!(
        wrong("num_vars", "count").starts_with(
            "expected a sum-product network in JSON (see spec/parameters.md), but missing field `num_vars`"
        )
    );
}
