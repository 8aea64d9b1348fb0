//! Tests of the reader and of what is written.

use super::*;

const FOUR: &str = "c a comment\npsdd 6\nL 0 0 1\nL 1 0 -1\nT 2 2 2 -0.5\nT 3 2 2 -1.25 -0.25\n\
                    D 4 1 2 0 2 -0.2 1 3 -1.7\nD 5 1 1 0 2 0.0\n";

#[test]
fn nodes_are_read() {
    let nodes = read(FOUR).expect("it is a diagram");
    assert_eq!(nodes.len(), 6);
    assert_eq!(nodes[1].kind, NodeKind::Literal(0, false));
    let NodeKind::True(1, [zero, one]) = nodes[2].kind else { panic!("a distribution of the second variable") };
    assert!((zero.exp() + one.exp() - 1.0).abs() < 1e-12 && one == -0.5);
    assert_eq!(nodes[3].kind, NodeKind::True(1, [-1.25, -0.25]));
    assert_eq!(nodes[4].kind, NodeKind::Decision(vec![(0, 2, -0.2), (1, 3, -1.7)]));
    assert_eq!(needed(&nodes), [0, 2, 5].into());
}

#[test]
fn programs_and_parameters_have_what_the_root_needs() {
    let four = FOUR.rsplit_once("D 5").expect("it has a last node").0;
    let nodes = read(four).expect("it is a diagram");
    let text = program(&nodes, variables(&nodes));
    assert!(text.contains("    var x[2]: binary\n\n    input n[0] = indicator(x[0], 1)\n"), "{text}");
    assert!(text.contains("    region n[4] = n[0] * n[2] | n[1] * n[3]\n\n    root n[4]\n}\n"), "{text}");
    let names: Vec<(String, Vec<usize>)> =
        parameters(&nodes).into_iter().map(|(name, shape, _)| (name, shape)).collect();
    assert_eq!(names, [("n.2".into(), vec![1, 2]), ("n.3".into(), vec![1, 2]), ("n.4".into(), vec![1, 2])]);
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let wrong = |text: &str| read(text).expect_err("it is no diagram");
    assert_eq!(wrong(""), (1, "there is no node".to_string()));
    assert_eq!(
        wrong("psdd 1\nX 0"),
        (2, "a line begins with `c`, `psdd`, `L`, `T` or `D`, not with \"X\"".to_string())
    );
    assert_eq!(wrong("L 0 0 0").1, "variables count from 1");
    assert_eq!(wrong("L 0 0").1, "the line ends after 2 numbers");
    assert_eq!(wrong("L 0 0 1 2").1, "expected 3 numbers, found 4");
    assert_eq!(wrong("T 0 0 1 0.5").1, "expected the logarithm of a probability, found \"0.5\"");
    assert_eq!(wrong("L 0 0 1\nD 1 0 1 0 7 0").1, "node 7 is used before it is defined");
    assert_eq!(wrong("D 1 0 0").1, "a mixture has an element");
    assert_eq!(wrong("D 1 0 99999999").1, "expected a whole number below 1048576, found \"99999999\"");
    assert!(wrong("L 0 0 1\nL 0 0 -1").1.starts_with("node 0 is defined twice"));
}
