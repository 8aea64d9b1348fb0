//! `roll`, `fold` and `fuse-layers`: what they make of circuits, counted, and that they change no value.

use crate::circuit::{Circuit, Layer, Module, Op};
use crate::passes::{DumpRequest, PassContext, by_name, run_passes};
use crate::plan::interpret::interpret;
use crate::plan::samples::{
    Builder, chain, data, dense_hmm, monarch_hmm, random, reference, reference_values, tree, values,
};
use crate::plan::tests::{assert_apart, assert_close};
use crate::plan::{Plan, PlanOptions, lower};
use danaus_artifact::plan::Step;

fn after(circuit: &Circuit, names: &[&str]) -> Circuit {
    let passes: Vec<_> = names.iter().map(|name| *by_name(name).expect("a pass")).collect();
    let module = Module { circuits: vec![circuit.clone()], product: None };
    let outcome = run_passes(&passes, module, &PassContext::default(), &DumpRequest::default());
    outcome.unwrap_or_else(|error| panic!("{error}")).module.circuits.remove(0)
}

const ALL: &[&str] = &["roll", "fold", "fuse-layers"];

/// Checks that passes and planner keep the reference evaluator's values, in every combination.
fn assert_kept(circuit: &Circuit, seed: u64) {
    let (numbers, rows) = (values(circuit, seed), data(circuit, 4, seed));
    let named = reference_values(circuit, &numbers);
    let expected = reference(circuit, &named, &rows);
    let choices: &[&[&str]] = &[&[], &["roll"], &["fold"], &["fuse-layers"], &["fold", "fuse-layers"], ALL];
    for names in choices {
        let changed = after(circuit, names);
        assert_close(&reference(&changed, &named, &rows), &expected);
        let plan = lower(&changed, &PlanOptions::default());
        assert_apart(&plan);
        assert_close(&interpret(&plan, &numbers, &rows), &expected);
    }
}

fn ops(circuit: &Circuit, wanted: impl Fn(&Layer) -> bool) -> usize {
    let bodies = circuit.graph.layers().filter_map(|(_, layer)| match &layer.op {
        Op::Scan(scan) => Some(&scan.body),
        _ => None,
    });
    let graphs = bodies.chain([&circuit.graph]);
    graphs.map(|graph| graph.layers().filter(|(_, layer)| wanted(layer)).count()).sum()
}

fn scans(circuit: &Circuit) -> Vec<usize> {
    let steps = |layer: &Layer| match &layer.op {
        Op::Scan(scan) => Some(scan.steps),
        _ => None,
    };
    circuit.graph.layers().filter_map(|(_, layer)| steps(layer)).collect()
}

fn plan(circuit: &Circuit) -> Plan {
    lower(&after(circuit, ALL), &PlanOptions::default())
}

#[test]
fn random_circuits_keep_their_values() {
    (0..150).for_each(|seed| assert_kept(&random(seed), seed));
}

#[test]
fn chains_keep_their_values() {
    for steps in 2..12 {
        assert_kept(&dense_hmm(steps, 6), 1);
        assert_kept(&monarch_hmm(steps, &[2, 3]), 2);
        assert_kept(&monarch_hmm(steps, &[2, 3, 2]), 3);
    }
}

#[test]
fn a_dense_step_is_one_stage() {
    let circuit = after(&dense_hmm(100, 8), ALL);
    assert_eq!(scans(&circuit), [99]);
    let Some(Op::Scan(scan)) = circuit.graph.layers().map(|(_, l)| &l.op).find(|op| matches!(op, Op::Scan(_))) else {
        panic!("a scan")
    };
    assert_eq!(scan.body.len(), 2);
    assert_eq!(ops(&circuit, |layer| matches!(layer.op, Op::Stage(_))), 2);
}

#[test]
fn a_monarch_step_is_two_stages_in_place() {
    let circuit = after(&monarch_hmm(100, &[4, 8]), ALL);
    assert_eq!(scans(&circuit), [99]);
    assert_eq!(circuit.graph.total_len(), 3 + 3);
    let plan = plan(&monarch_hmm(100, &[4, 8]));
    let Some(Step::Loop(chain)) = plan.steps.iter().find(|step| matches!(step, Step::Loop(_))) else {
        panic!("a loop")
    };
    assert_eq!(chain.body.len(), 2);
    assert_eq!(chain.carry[0], chain.carry[1]);
    assert!(plan.root_offset);
    assert_eq!(plan.rows, 2 * 32);
}

#[test]
fn plans_do_not_grow_with_the_length() {
    let (short, long) = (plan(&monarch_hmm(256, &[4, 4])), plan(&monarch_hmm(4096, &[4, 4])));
    assert_eq!(short.kernels, long.kernels);
    assert_eq!(short.rows, long.rows);
    assert_eq!(short.tables.len(), long.tables.len());
    assert_eq!(short.steps.len(), long.steps.len());
}

#[test]
fn short_chains_stay() {
    assert!(scans(&after(&dense_hmm(3, 4), ALL)).is_empty());
    assert_eq!(scans(&after(&dense_hmm(4, 4), ALL)), [3]);
}

/// Two chains over the halves of the variables, which meet in a product.
fn two_chains(steps: usize, width: usize, apart: bool) -> Circuit {
    let mut b = Builder::new(2 * steps, 5);
    let mut ends = Vec::new();
    for half in 0..2 {
        let name = if apart { format!(".{half}") } else { String::new() };
        let mut z = b.input(&format!("emission{name}"), half * steps, width);
        for t in 1..steps {
            let sum = b.dense(&format!("transition{name}"), z, width);
            let emit = b.input(&format!("emission{name}"), half * steps + t, width);
            z = b.product(&[sum, emit]);
        }
        ends.push(z);
    }
    let product = b.product(&ends);
    let root = b.dense("initial", product, 1);
    b.finish(root)
}

#[test]
fn chains_need_not_end_at_the_root() {
    for (steps, apart) in [(9, true), (8, true), (9, false), (8, false)] {
        let circuit = two_chains(steps, 4, apart);
        assert_eq!(scans(&after(&circuit, ALL)), [steps - 1, steps - 1]);
        assert_kept(&circuit, 5);
        assert!(!plan(&circuit).root_offset);
    }
}

#[test]
fn one_chain_beside_other_factors_keeps_its_offset() {
    let mut b = Builder::new(10, 5);
    let mut z = b.input("emission", 8, 4);
    for t in (0..8).rev() {
        let sum = b.dense("transition", z, 4);
        let emit = b.input("emission", t, 4);
        z = b.product(&[emit, sum]);
    }
    let other = b.input("other", 9, 4);
    let product = b.product(&[z, other]);
    let root = b.dense("initial", product, 1);
    let circuit = b.finish(root);
    assert_eq!(scans(&after(&circuit, ALL)), [8]);
    assert!(plan(&circuit).root_offset);
    assert_kept(&circuit, 6);
}

/// Each step mixes two ways on, both from the step before, and reads three variables.
fn wide_steps(steps: usize) -> Circuit {
    let mut b = Builder::new(3 * steps, 5);
    let mut z = b.input("first", 0, 4);
    for t in 1..steps {
        let ways: Vec<_> = (0..2)
            .map(|way| {
                let sum = b.dense(&format!("transition.{way}"), z, 4);
                let inputs: Vec<_> = (0..3).map(|k| b.input(&format!("emission.{k}"), 3 * t + k - 2, 4)).collect();
                b.product(&[sum, inputs[0], inputs[1], inputs[2]])
            })
            .collect();
        z = b.mixing("mix", &ways);
    }
    let root = b.dense("initial", z, 1);
    b.finish(root)
}

#[test]
fn steps_may_branch() {
    let circuit = wide_steps(9);
    assert_eq!(scans(&after(&circuit, ALL)), [8]);
    assert_kept(&circuit, 7);
}

/// Emissions that are sums over pairs of variables: deeper than the carry at the end of the chain.
fn deep_emissions(steps: usize) -> Circuit {
    let mut b = Builder::new(2 * steps + 1, 5);
    let mut z = b.input("first", 0, 4);
    for t in 0..steps {
        let sum = b.dense("transition", z, 4);
        let pair = [1, 2].map(|k| b.input("emission", 2 * t + k, 4));
        let both = b.product(&pair);
        let emit = b.dense("pair", both, 4);
        z = b.product(&[sum, emit]);
    }
    let root = b.dense("initial", z, 1);
    b.finish(root)
}

#[test]
fn a_chain_reaches_to_its_end() {
    let circuit = deep_emissions(9);
    assert_eq!(scans(&after(&circuit, ALL)), [9]);
    assert_kept(&circuit, 8);
}

#[test]
fn untied_chains_stay() {
    let mut b = Builder::new(8, 5);
    let mut z = b.input("emission", 0, 4);
    for t in 1..8 {
        let sum = b.dense(&format!("transition.{t}"), z, 4);
        let emit = b.input("emission", t, 4);
        z = b.product(&[sum, emit]);
    }
    let root = b.dense("initial", z, 1);
    let circuit = b.finish(root);
    assert!(scans(&after(&circuit, ALL)).is_empty());
    assert_kept(&circuit, 9);
}

#[test]
fn a_value_that_something_else_reads_ends_the_chain() {
    let mut b = Builder::new(13, 5);
    let mut z = b.input("emission", 0, 4);
    let mut middle = None;
    for t in 1..12 {
        let sum = b.dense("transition", z, 4);
        let emit = b.input("emission", t, 4);
        z = b.product(&[sum, emit]);
        middle = if t == 6 { Some(z) } else { middle };
    }
    let long = b.dense("long", z, 1);
    let mut aside = b.dense("short", middle.expect("a step"), 1);
    for t in 7..12 {
        let one = b.input("one", t, 1);
        aside = b.product(&[aside, one]);
    }
    let root = b.mixing("ends", &[long, aside]);
    let circuit = b.finish(root);
    assert_eq!(scans(&after(&circuit, ALL)), [6, 5, 5]);
    assert_kept(&circuit, 10);
}

#[test]
fn steps_inside_of_steps_are_not_taken_apart() {
    let circuit = chain(20, 4, |b, z| {
        let once = b.dense("transition", z, 4);
        let twice = b.dense("transition", once, 4);
        b.dense("transition", twice, 4)
    });
    assert_eq!(scans(&after(&circuit, ALL)), [19]);
    assert_kept(&circuit, 11);
}

#[test]
fn balanced_trees_become_a_launch_per_level() {
    let circuit = after(&tree(8, 4), ALL);
    assert_eq!(ops(&circuit, |_| true), 8);
    assert_eq!(plan(&tree(8, 4)).steps.len(), 8);
    assert_kept(&tree(4, 3), 12);
}

/// Products of 100 inputs, and of 100 sums.
fn wide_products() -> Circuit {
    let mut b = Builder::new(200, 5);
    let inputs: Vec<_> = (0..100).map(|v| b.input(&format!("table.{}", v % 7), v, 3)).collect();
    let all = b.product(&inputs);
    let sums: Vec<_> = (100..200)
        .map(|v| {
            let input = b.input("table", v, 3);
            b.dense(&format!("sum.{v}"), input, 3)
        })
        .collect();
    let others = b.product(&sums);
    let both = b.product(&[all, others]);
    let root = b.dense("root", both, 1);
    b.finish(root)
}

#[test]
fn wide_products_are_split() {
    let circuit = after(&wide_products(), ALL);
    let widest = circuit.graph.layers().flat_map(|(_, layer)| &layer.members).map(|m| m.operands.len()).max();
    assert_eq!(widest, Some(32));
    assert_kept(&wide_products(), 13);
}

#[test]
fn concatenations_are_no_launches() {
    let mut b = Builder::new(1, 5);
    let parts: Vec<_> = (0..100).map(|k| b.input(&format!("table.{k}"), 0, 1 + k % 2)).collect();
    let all = b.concat(&parts);
    let root = b.dense("root", all, 1);
    let circuit = b.finish(root);
    assert_eq!(plan(&circuit).steps.len(), 3);
    assert_kept(&circuit, 14);
}

/// Concatenations that share parts with others, of a carry, and at the end of a step.
fn shared_concats(at_the_end: bool) -> Circuit {
    let mut b = Builder::new(8, 5);
    let mut z = b.input("emission", 0, 4);
    for t in 1..8 {
        let narrow = b.dense("narrow", z, 2);
        let twice = b.concat(&[narrow, narrow]);
        let once = b.dense("other", z, 2);
        let mixed = b.concat(&[narrow, once]);
        let with_carry = b.concat(&[z, mixed]);
        let sums = [b.dense("a", twice, 4), b.dense("b", with_carry, 4)];
        let sum = b.mixing("mix", &sums);
        let emit = b.input("emission", t, 4);
        z = b.product(&[sum, emit]);
        if at_the_end {
            let halves = [0, 1].map(|k| b.dense(&format!("half.{k}"), z, 2));
            z = b.concat(&halves);
        }
    }
    let root = b.dense("root", z, 1);
    b.finish(root)
}

#[test]
fn concatenations_may_share_parts() {
    for at_the_end in [false, true] {
        assert_eq!(scans(&after(&shared_concats(at_the_end), ALL)), [7]);
        assert_kept(&shared_concats(at_the_end), 15);
    }
}

#[test]
fn rolling_reads_every_layer_a_bounded_number_of_times() {
    let rolled = crate::passes::roll::rewrite(&monarch_hmm(4096, &[4, 4]).graph);
    assert_eq!(rolled.len(), 3);
}
