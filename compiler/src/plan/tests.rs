//! The planner, judged by walking its plans.

use super::interpret::interpret;
use super::samples::{data, dense_hmm, random, tree, values};
use super::{PlanOptions, lower};
use crate::circuit::Circuit;
use crate::reference::log_sum_exp;
use danaus_artifact::plan::{Kernel, Launch, Plan, Step};

/// The forward algorithm as textbooks give it.
fn forward(circuit: &Circuit, values: &[Vec<f64>], row: &[Option<usize>], width: usize) -> f64 {
    let index = |name: &str| circuit.parameters.iter().position(|p| p.name == name).expect("a parameter");
    let (emission, transition, initial) =
        (&values[index("emission")], &values[index("transition")], &values[index("initial")]);
    let emit = |t: usize, h: usize| row[t].map_or(0.0, |value| emission[h * 5 + value]);
    let mut z: Vec<f64> = (0..width).map(|h| emit(row.len() - 1, h)).collect();
    for t in (0..row.len() - 1).rev() {
        let sum = |o: usize| log_sum_exp((0..width).map(|i| transition[o * width + i].ln() + z[i]));
        z = (0..width).map(|h| emit(t, h) + sum(h)).collect();
    }
    log_sum_exp((0..width).map(|h| initial[h].ln() + z[h]))
}

pub fn assert_close(found: &[f64], expected: &[f64]) {
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "found {a}, expected {b}");
    }
}

/// Checks that a plan keeps its contract, and that no launch writes rows it reads.
pub fn assert_apart(plan: &Plan) {
    danaus_artifact::validate::validate(plan).unwrap_or_else(|error| panic!("{error}"));
    for step in &plan.steps {
        let launches = match step {
            Step::Launch(launch) => std::slice::from_ref(launch),
            Step::Loop(chain) => &chain.body,
        };
        launches.iter().for_each(|launch| launch_apart(plan, launch));
    }
}

fn launch_apart(plan: &Plan, launch: &Launch) {
    let kernel = &plan.kernels[launch.kernel as usize];
    let (width, parts) = rows(kernel);
    for table in launch.table {
        let record = |m: usize| &plan.tables[table as usize + m * kernel.record_len()..][..kernel.record_len()];
        for m in 0..launch.members as usize {
            let out = record(m)[0];
            assert!(out + width <= plan.rows);
            for n in 0..launch.members as usize {
                for &(word, length) in &parts {
                    let row = record(n)[word];
                    let apart = out + width <= row || row + length <= out;
                    assert!(apart, "{} writes what it reads: {kernel:?}", launch.label);
                }
                assert!(m == n || out + width <= record(n)[0] || record(n)[0] + width <= out);
            }
        }
    }
}

/// Rows written, and for each part its word in the record and its rows.
fn rows(kernel: &Kernel) -> (u32, Vec<(usize, u32)>) {
    let same = |count: u32, width: u32| (0..count as usize).map(|k| (2 + k, width)).collect();
    let each = |widths: &[u32]| widths.iter().enumerate().map(|(k, &w)| (2 + k, w)).collect();
    match kernel {
        &Kernel::Product { width, parts, inputs: _ } => (width, same(parts, width)),
        &Kernel::Gaussian { width } => (width, Vec::new()),
        Kernel::Kronecker { widths } => (widths.iter().product(), each(widths)),
        Kernel::Concat { widths } => (widths.iter().sum(), each(widths)),
        &Kernel::Mixing { width, inputs } => (width, same(inputs, width)),
        &Kernel::Permute { outer, rows, columns } => (outer * rows * columns, vec![(2, outer * rows * columns)]),
        Kernel::Stage(s) => {
            let mut parts: Vec<(usize, u32)> = same(s.prologue_parts, s.blocks * s.inputs);
            let after = (2 + s.prologue_parts + 4 * s.prologue_inputs) as usize;
            parts.extend((0..s.epilogue_parts as usize).map(|k| (after + k, s.blocks * s.outputs)));
            (s.blocks * s.outputs, parts)
        }
    }
}

#[test]
fn a_plan_computes_the_forward_algorithm() {
    let circuit = dense_hmm(7, 9);
    let plan = lower(&circuit, &PlanOptions::default());
    let (values, rows) = (values(&circuit, 1), data(&circuit, 5, 2));
    let expected: Vec<f64> = rows.iter().map(|row| forward(&circuit, &values, row, 9)).collect();
    assert_close(&interpret(&plan, &values, &rows), &expected);
    assert_apart(&plan);
}

#[test]
fn memory_of_a_chain_does_not_grow() {
    let rows = |steps| lower(&dense_hmm(steps, 9), &PlanOptions::default()).rows;
    assert_eq!(rows(10), rows(100));
}

#[test]
fn random_circuits_sum_to_one() {
    for seed in 0..50 {
        let circuit = random(seed);
        let plan = lower(&circuit, &PlanOptions::default());
        assert_apart(&plan);
        let missing = vec![vec![None; data(&circuit, 1, 0)[0].len()]];
        assert_close(&interpret(&plan, &values(&circuit, seed), &missing), &[0.0]);
    }
}

#[test]
fn plans_are_deterministic() {
    let plan = || lower(&tree(4, 3), &PlanOptions::default());
    assert_eq!(plan(), plan());
}

#[test]
fn plans_print() {
    let circuit = rolled(&dense_hmm(6, 20));
    let text = super::print(&lower(&circuit, &PlanOptions { fingerprint: "f".into(), ..PlanOptions::default() }));
    let (_, steps) = text.split_once("steps\n").expect("steps");
    let expected = "  k0 %0: rows 0..20 = x[5] @emission
  loop 5 times, carry in rows 0..20 and rows 20..40 in turns, rescaled every 16, in linear space
    k1 %1/%1: rows 20..40 = @transition of rows 0..20 * x[4 - i] @emission
      odd: rows 0..20 = @transition of rows 20..40 * x[4 - i] @emission
  k2 %2: row 40 = @initial of rows 0..20
    odd: row 40 = @initial of rows 20..40
root
  row 40, plus the offset of the loop
";
    assert_eq!(steps, expected);
}

/// What is left of a circuit after `roll` and `fuse-layers`.
fn rolled(circuit: &Circuit) -> Circuit {
    let rolled = Circuit { graph: crate::passes::roll::rewrite(&circuit.graph), ..circuit.clone() };
    Circuit { graph: crate::passes::fuse_layers::rewrite(&rolled.graph, &rolled), ..rolled }
}
