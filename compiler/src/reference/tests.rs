//! The evaluator against numbers computed by hand.

use super::*;
use crate::circuit::{
    Domain, Init, KroneckerFactor, Layer, LayerGraph, Member, Op, Operand, ParamId, Parameter, ParameterShape, Scan,
    Stage, SumKind, VarUse, VariableArray,
};

fn table(name: &str, width: usize, values: usize, init: Init) -> Parameter {
    Parameter { name: name.into(), shape: ParameterShape::Table { width, values }, init }
}

fn weight(name: &str, blocks: usize, outputs: usize, inputs: usize, init: Init) -> Parameter {
    let shape = ParameterShape::Weight { blocks, outputs, inputs, dense: blocks == 1 };
    Parameter { name: name.into(), shape, init }
}

fn bits(count: usize) -> Vec<VariableArray> {
    vec![VariableArray { name: "x".into(), shape: vec![count], domain: Domain::Binary }]
}

fn input(index: u32, table: u32) -> Operand {
    Operand::Input(VarUse { index, stride: 0, table: ParamId(table) })
}

/// A circuit of one input layer on a binary variable and one operation on it.
fn one_operation(width: usize, parameters: Vec<Parameter>, op: Op, out: usize) -> Circuit {
    let ids = (1..=parameters.len() as u32).map(ParamId).collect();
    let numbers = (0..width).flat_map(|h| [1.0 / (h + 2) as f64, 1.0 - 1.0 / (h + 2) as f64]).collect();
    let mut all = vec![table("t", width, 2, Init::Given(numbers))];
    all.extend(parameters);
    let mut graph = LayerGraph::new();
    let leaf = graph.add_single(Op::Input, width, vec![input(0, 0)], vec![]);
    let root = graph.add_single(op, out, vec![leaf.into()], ids);
    graph.set_root(root.layer);
    Circuit { name: "c".into(), variables: bits(1), parameters: all, graph }
}

fn linear_units(circuit: &Circuit, row: Row) -> Vec<f64> {
    let units = evaluate_units(circuit, &ParameterValues::new(), &[row]).expect("it evaluates");
    units[0].iter().map(|x| x.exp()).collect()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-14, "{found:?} is not {expected:?}");
    }
}

#[test]
fn log_sum_exp_of_impossible_terms_is_impossible() {
    assert_eq!(log_sum_exp([].into_iter()), f64::NEG_INFINITY);
    assert_eq!(log_sum_exp([f64::NEG_INFINITY; 3].into_iter()), f64::NEG_INFINITY);
    assert_eq!(log_sum_exp([f64::NEG_INFINITY, 0.0].into_iter()), 0.0);
    assert_eq!(log_sum_exp([-1000.0, -1000.0].into_iter()), -1000.0 + 2f64.ln());
}

#[test]
fn dense_sum_multiplies_by_the_matrix() {
    let w = weight("w", 1, 2, 2, Init::Given(vec![0.25, 0.75, 1.0, 0.0]));
    let circuit = one_operation(2, vec![w], Op::Sum(SumKind::Dense), 2);
    // The input is (1/2, 1/3) at 0, (1/2, 2/3) at 1 and (1, 1) when missing.
    assert_close(&linear_units(&circuit, vec![Some(0)]), &[0.375, 0.5]);
    assert_close(&linear_units(&circuit, vec![Some(1)]), &[0.625, 0.5]);
    assert_close(&linear_units(&circuit, vec![None]), &[1.0, 1.0]);
}

#[test]
fn blocks_repeat_the_distinct_weights() {
    let w = weight("w", 2, 1, 1, Init::Given(vec![0.5, 0.25]));
    let circuit = one_operation(4, vec![w], Op::Sum(SumKind::BlockDiagonal { blocks: 4 }), 4);
    // Input (1/2, 1/3, 1/4, 1/5) times (1/2, 1/4, 1/2, 1/4).
    assert_close(&linear_units(&circuit, vec![Some(0)]), &[1.0 / 4.0, 1.0 / 12.0, 1.0 / 8.0, 1.0 / 20.0]);
}

#[test]
fn monarch_of_permutation_blocks_moves_units() {
    // Stage 2 swaps within the pairs (0,1) and (2,3); stage 1 keeps. Two transpositions of a 2 x 2 view cancel.
    let swap = weight("w.2", 2, 2, 2, Init::Given(vec![0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0]));
    let keep = weight("w.1", 2, 2, 2, Init::Given(vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]));
    let circuit = one_operation(4, vec![keep, swap], Op::Sum(SumKind::Monarch { factors: vec![2, 2] }), 4);
    assert_close(&linear_units(&circuit, vec![Some(0)]), &[1.0 / 3.0, 1.0 / 2.0, 1.0 / 5.0, 1.0 / 4.0]);
}

#[test]
fn kronecker_sum_is_the_sum_of_the_kronecker_matrix() {
    let (a, b) = (vec![0.25, 0.75], vec![0.5, 0.5, 0.1, 0.9]);
    let factor = |kind, outputs, inputs| KroneckerFactor { kind, outputs, inputs };
    let kind = SumKind::Kronecker(vec![factor(Some(SumKind::Dense), 1, 2), factor(Some(SumKind::Dense), 2, 2)]);
    let parameters = vec![weight("a", 1, 1, 2, Init::Given(a.clone())), weight("b", 1, 2, 2, Init::Given(b.clone()))];
    let circuit = one_operation(4, parameters, Op::Sum(kind), 2);
    let mut product = Vec::new();
    for o in 0..2 {
        product.push((0..4).map(|i| a[i / 2] * b[o * 2 + i % 2] / (i + 2) as f64).sum());
    }
    assert_close(&linear_units(&circuit, vec![Some(0)]), &product);
    let identity = SumKind::Kronecker(vec![factor(None, 2, 2), factor(Some(SumKind::Dense), 1, 2)]);
    let circuit = one_operation(4, vec![weight("a", 1, 1, 2, Init::Given(a))], Op::Sum(identity), 2);
    assert_close(&linear_units(&circuit, vec![Some(0)]), &[0.125 + 0.25, 0.0625 + 0.15]);
}

#[test]
fn permutation_transposes() {
    let circuit = one_operation(6, vec![], Op::Permute { outer: 1, rows: 2, columns: 3 }, 6);
    let expected: Vec<f64> = [0, 3, 1, 4, 2, 5].iter().map(|i| 1.0 / f64::from(i + 2)).collect();
    assert_close(&linear_units(&circuit, vec![Some(0)]), &expected);
}

#[test]
fn stage_adds_sums_permutes_and_adds() {
    let stage = Stage { blocks: 2, outputs: 1, inputs: 2, rows: 2, prologue: 1 };
    let parameters = vec![
        table("t", 4, 2, Init::Given(vec![0.5, 0.5, 0.25, 0.75, 1.0, 0.0, 0.5, 0.5])),
        weight("w", 1, 1, 2, Init::Given(vec![0.5, 0.5])),
        table("e", 2, 2, Init::Given(vec![0.5, 0.5, 0.125, 0.875])),
    ];
    let mut graph = LayerGraph::new();
    let root = graph.add_single(Op::Stage(stage), 2, vec![input(0, 0), input(1, 2)], vec![ParamId(1)]);
    graph.set_root(root.layer);
    let circuit = Circuit { name: "c".into(), variables: bits(2), parameters, graph };
    assert_close(&linear_units(&circuit, vec![Some(0), Some(0)]), &[0.375 * 0.5, 0.75 * 0.125]);
}

#[test]
fn scan_reads_a_variable_per_iteration() {
    // Each iteration multiplies the carry by the probability of its bit: 1/4 for 0, 3/4 for 1.
    let parameters = vec![table("t", 1, 2, Init::Given(vec![0.25, 0.75]))];
    let mut body = LayerGraph::new();
    let carry = body.add_single(Op::Carry, 1, vec![], vec![]);
    let step = Operand::Input(VarUse { index: 2, stride: -1, table: ParamId(0) });
    let product = body.add_single(Op::Hadamard, 1, vec![carry.into(), step], vec![]);
    body.set_root(product.layer);
    let mut graph = LayerGraph::new();
    let last = graph.add_single(Op::Input, 1, vec![input(3, 0)], vec![]);
    let scan = Op::Scan(Box::new(Scan { steps: 3, body }));
    let root = graph.add_single(scan, 1, vec![last.into()], vec![]);
    graph.set_root(root.layer);
    let circuit = Circuit { name: "c".into(), variables: bits(4), parameters, graph };
    assert_close(&linear_units(&circuit, vec![Some(0), Some(1), None, Some(1)]), &[0.25 * 0.75 * 0.75]);
    let total = total_log_probability(&circuit, &ParameterValues::new()).expect("it evaluates");
    assert!(total.abs() < 1e-14);
}

#[test]
fn members_have_operands_and_parameters_of_their_own() {
    let parameters = vec![
        table("a", 1, 2, Init::Given(vec![0.25, 0.75])),
        table("b", 1, 2, Init::Given(vec![0.5, 0.5])),
        Parameter {
            name: "m".into(),
            shape: ParameterShape::Mixing { width: 1, inputs: 2 },
            init: Init::Given(vec![0.1, 0.9]),
        },
    ];
    let mut graph = LayerGraph::new();
    let member = |t| Member { operands: vec![input(0, t)], parameters: vec![] };
    let leaves = graph.add(Layer { op: Op::Input, width: 1, members: vec![member(0), member(1)] });
    let part = |part| Operand::Part(crate::circuit::PartRef { layer: leaves, part });
    let root = graph.add_single(Op::Sum(SumKind::Mixing), 1, vec![part(0), part(1)], vec![ParamId(2)]);
    graph.set_root(root.layer);
    let circuit = Circuit { name: "c".into(), variables: bits(1), parameters, graph };
    assert_close(&linear_units(&circuit, vec![Some(0)]), &[0.1 * 0.25 + 0.9 * 0.5]);
}

#[test]
fn products_of_parameters_are_computed_from_their_sources() {
    let sources = vec![("a".to_string(), 2), ("b".to_string(), 1)];
    let parameters = vec![
        table("exact", 2, 2, Init::TableProduct { sources: sources.clone(), normalize: false }),
        table("start", 2, 2, Init::TableProduct { sources, normalize: true }),
    ];
    let mut graph = LayerGraph::new();
    let exact = graph.add_single(Op::Input, 2, vec![input(0, 0)], vec![]);
    let start = graph.add_single(Op::Input, 2, vec![input(0, 1)], vec![]);
    let root = graph.add_single(Op::Concat, 4, vec![exact.into(), start.into()], vec![]);
    graph.set_root(root.layer);
    let circuit = Circuit { name: "c".into(), variables: bits(1), parameters, graph };
    let mut values = ParameterValues::new();
    values.insert("a", [0.5, 0.5, 0.0, 1.0].map(f64::ln).to_vec());
    values.insert("b", [0.25, 0.75].map(f64::ln).to_vec());
    let units = evaluate_units(&circuit, &values, &[vec![Some(1)], vec![None]]).expect("it evaluates");
    let linear: Vec<Vec<f64>> = units.iter().map(|row| row.iter().map(|x| x.exp()).collect()).collect();
    assert_close(&linear[0], &[0.375, 0.75, 0.75, 1.0]);
    assert_close(&linear[1], &[0.5, 0.75, 1.0, 1.0]);
}

#[test]
fn errors_name_what_is_wrong() {
    let circuit = one_operation(2, vec![weight("w", 1, 1, 2, Init::Random)], Op::Sum(SumKind::Dense), 1);
    let message = |values: &[f64], row: Row| {
        let mut all = ParameterValues::new();
        if !values.is_empty() {
            all.insert("w", values.to_vec());
        }
        evaluate(&circuit, &all, &[row]).expect_err("it is refused").to_string()
    };
    assert_eq!(message(&[], vec![None]), "there are no values for the parameter `w`");
    assert_eq!(message(&[1.0], vec![None]), "the parameter `w` has 1 values; its shape needs 2");
    assert_eq!(message(&[2.0, -1.0], vec![None]), "the parameter `w` holds -1 at position 1, which is no weight");
    assert_eq!(message(&[0.5, 0.5], vec![]), "row 0 has 0 values; the circuit has 1 variables");
    assert_eq!(message(&[0.5, 0.5], vec![Some(2)]), "row 0: value 2 of variable 0 is out of its domain of 2 values");
}

#[test]
fn random_rows_lie_on_the_simplex_and_depend_on_the_name_only() {
    let circuit = one_operation(2, vec![weight("w", 1, 3, 2, Init::Random)], Op::Sum(SumKind::Dense), 3);
    let values = random_values_with(&circuit, 7, RandomOptions { zeros: 0.5 });
    for row in values.get("w").expect("it is drawn").chunks(2) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }
    assert_eq!(values, random_values_with(&circuit, 7, RandomOptions { zeros: 0.5 }));
    assert_ne!(values, random_values_with(&circuit, 8, RandomOptions { zeros: 0.5 }));
}
