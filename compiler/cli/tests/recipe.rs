//! Parameters that go from circuit to circuit, judged by the reference: products of circuits from their factors, Monarch
//! sums from dense ones.

use danaus_artifact::plan::Plan;
use danaus_compiler::circuit::Module;
use danaus_compiler::diagnostic::Source;
use danaus_compiler::model::{LoadError, Loader, Options};
use danaus_compiler::passes::Replaced;
use danaus_compiler::pipeline::{CompileOptions, compile};
use danaus_compiler::reference::{ParameterValues, Row, evaluate_module};
use danaus_runtime::parameters::lower::LoweredSum;
use danaus_runtime::parameters::{self, Parameters, project::dense_row};
use std::path::{Path, PathBuf};

/// One program in memory.
struct Memory<'t>(&'t str);

impl Loader for Memory<'_> {
    fn load(&mut self, path: &str, _from: Option<&str>) -> Result<Source, LoadError> {
        Ok(Source { name: path.to_string(), text: self.0.to_string() })
    }
}

struct Compiled {
    /// Before all passes that say how it is computed.
    module: Module,
    plan: Plan,
    replaced: Vec<Replaced>,
}

fn compiled(text: &str, circuit: &str, monarch: Option<&[usize]>) -> Compiled {
    let model =
        Options { circuit: Some(circuit.to_string()), monarch: monarch.map(<[usize]>::to_vec), ..Options::default() };
    let run = |stop_after: Option<&str>| {
        let stop_after = stop_after.map(str::to_string);
        let options = CompileOptions { model: model.clone(), stop_after, ..CompileOptions::default() };
        let compiled = compile(&mut Memory(text), "test.pc", &options).expect("it compiles");
        assert!(!compiled.has_errors(), "{:?}", compiled.diagnostics);
        compiled
    };
    let whole = run(None);
    // Parameters are those of the plan only when products are expanded and what was replaced is gone.
    let written = run(Some("circuit")).module.expect("a circuit");
    let is_final = monarch.is_none() && written.product.is_none();
    let module = if is_final { written } else { run(Some("prune")).module.expect("a circuit") };
    Compiled { module, plan: whole.plan.expect("a plan"), replaced: whole.replaced }
}

fn hmm(name: &str, states: usize, transition: &str) -> String {
    format!(
        "circuit {name} {{
            var x[4]: categorical(3)
            input emit[t in 0..4] = categorical(x[t]) width {states} tie emission
            region z[3] = emit[3]
            region z[t in 0..3 reversed] = emit[t] * sum(z[t+1]) width {states} {transition} tie transition
            root sum(z[0]) tie initial
        }}\n"
    )
}

/// Two partitions of one split of four variables, mixed unit by unit.
fn mixture(name: &str, width: usize) -> String {
    format!(
        "circuit {name} {{
            var x[4]: categorical(3)
            input leaf[i in 0..4] = categorical(x[i]) width {width}
            region row[r in 0..2] = sum(leaf[2*r] * leaf[2*r+1]) width {width} dense
            region other[r in 0..2] = sum(leaf[2*r] * leaf[2*r+1]) width {width} dense
            region all = row[0] * row[1] | other[0] * other[1]
            root sum(all)
        }}\n"
    )
}

/// Factors `a`, `b`, .. and their products `tied` and `untied`.
fn products(factors: &[String]) -> String {
    let names = &["a", "b", "c"][..factors.len()];
    format!("{}circuit tied = {1}\ncircuit untied = {1} untied\n", factors.concat(), names.join(" * "))
}

fn random_parameters(text: &str, circuit: &str, seed: u64) -> (Compiled, Parameters) {
    let compiled = compiled(text, circuit, None);
    let parameters = parameters::init(&compiled.plan, seed, None).expect("random parameters").parameters;
    (compiled, parameters)
}

fn values(plan: &Plan, parameters: &Parameters) -> ParameterValues {
    let mut values = ParameterValues::new();
    parameters.values64(plan).into_iter().for_each(|(name, numbers)| values.insert(name, numbers));
    values
}

fn likelihoods(compiled: &Compiled, parameters: &Parameters, rows: &[Row]) -> Vec<f64> {
    evaluate_module(&compiled.module, &values(&compiled.plan, parameters), rows).expect("the reference evaluates")
}

/// All assignments of four variables of three values.
fn all_rows() -> Vec<Row> {
    (0..81).map(|row| (0..4).map(|digit| Some(row / 3usize.pow(digit) % 3)).collect()).collect()
}

fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{place}: {a}, expected {b}");
    }
}

/// Random parameters of all factors, in files.
fn factor_files(folder: &Path, text: &str, count: usize) -> (Vec<PathBuf>, Vec<(Compiled, Parameters)>) {
    let factors: Vec<(Compiled, Parameters)> =
        ["a", "b", "c"][..count].iter().zip(10..).map(|(name, seed)| random_parameters(text, name, seed)).collect();
    let save = |(k, (factor, parameters)): (usize, &(Compiled, Parameters))| {
        let path = folder.join(format!("{k}.safetensors"));
        parameters::save(&path, &factor.plan, parameters.values()).expect("the file is written");
        path
    };
    (factors.iter().enumerate().map(save).collect(), factors)
}

fn cases() -> Vec<Vec<String>> {
    vec![
        vec![hmm("a", 2, "dense"), hmm("b", 3, "dense")],
        vec![hmm("a", 3, "dense"), hmm("b", 4, "monarch(2, 2)")],
        vec![hmm("a", 6, "monarch(2, 3)"), hmm("b", 4, "monarch(2, 2)")],
        vec![hmm("a", 4, "block_diagonal(2)"), hmm("b", 2, "dense")],
        vec![hmm("a", 2, "dense"), hmm("b", 3, "dense"), hmm("c", 2, "dense")],
        vec![mixture("a", 2), mixture("b", 3)],
    ]
}

// COVERS: parameters.multiply
#[test]
fn a_tied_product_of_files_is_the_product_of_likelihoods() {
    for factors in cases() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = products(&factors);
        let (files, each) = factor_files(folder.path(), &text, factors.len());
        let product = compiled(&text, "tied", None);
        let loaded = parameters::multiply(&product.plan, &files).expect("the files fit");
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let rows = all_rows();
        let mut expected = vec![0.0; rows.len()];
        for (factor, parameters) in &each {
            let terms = likelihoods(factor, parameters, &rows);
            expected.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
        }
        assert_close(&likelihoods(&product, &loaded.parameters, &rows), &expected, 1e-12);
    }
}

// COVERS: parameters.multiply
#[test]
fn an_untied_product_of_files_is_a_distribution() {
    for factors in cases() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = products(&factors);
        let (files, _) = factor_files(folder.path(), &text, factors.len());
        let product = compiled(&text, "untied", None);
        let loaded = parameters::multiply(&product.plan, &files).expect("the files fit");
        assert_eq!(loaded.warnings, Vec::<String>::new());
        let total: f64 = likelihoods(&product, &loaded.parameters, &all_rows()).into_iter().map(f64::exp).sum();
        assert!((total - 1.0).abs() < 1e-6, "{total}");
        // What is written is what is read.
        let path = folder.path().join("start.safetensors");
        parameters::save(&path, &product.plan, loaded.parameters.values()).expect("the file is written");
        assert_eq!(parameters::load(&path, &product.plan).expect("the file fits"), loaded);
    }
}

fn tensor<'v>(plan: &Plan, parameters: &'v Parameters, name: &str) -> &'v [f32] {
    let place = plan.parameters.iter().position(|parameter| parameter.name == name);
    &parameters.values()[place.unwrap_or_else(|| panic!("no tensor {name}"))]
}

fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

// COVERS: parameters.multiply
#[test]
fn an_untied_hidden_markov_model_starts_as_the_kronecker_product() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = products(&[hmm("a", 3, "dense"), hmm("b", 4, "dense")]);
    let (files, each) = factor_files(folder.path(), &text, 2);
    let product = compiled(&text, "untied", None);
    let start = parameters::multiply(&product.plan, &files).expect("the files fit").parameters;
    let of = |factor: usize, name: &str| doubles(tensor(&each[factor].0.plan, &each[factor].1, name));

    let (a, b) = (of(0, "transition"), of(1, "transition"));
    let factors = ["transition.1", "transition.2"].map(|name| doubles(tensor(&product.plan, &start, name)));
    for output in 0..12 {
        let expected: Vec<f64> = (0..12).map(|i| a[output / 4 * 3 + i / 4] * b[output % 4 * 4 + i % 4]).collect();
        let row = dense_row(&factors, &[3, 4], output);
        assert_close(&row, &expected, 1e-12);
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6);
    }

    let (a, b) = (of(0, "initial"), of(1, "initial"));
    let expected: Vec<f64> = (0..12).map(|state| a[state / 4] * b[state % 4]).collect();
    assert_close(&doubles(tensor(&product.plan, &start, "initial")), &expected, 1e-7);

    let (a, b) = (of(0, "emission"), of(1, "emission"));
    for (state, row) in tensor(&product.plan, &start, "emission").chunks_exact(3).enumerate() {
        let both: Vec<f64> = (0..3).map(|v| (a[state / 4 * 3 + v] + b[state % 4 * 3 + v]).exp()).collect();
        let total: f64 = both.iter().sum();
        let expected: Vec<f64> = both.iter().map(|value| value / total).collect();
        assert_close(&doubles(row).into_iter().map(f64::exp).collect::<Vec<f64>>(), &expected, 1e-6);
    }
}

/// A dense model, lowered; also the model it is lowered to.
fn lowered(text: &str, factors: &[usize], start: &Parameters) -> (Compiled, Parameters, Vec<parameters::lower::Loss>) {
    let dense = compiled(text, "a", None);
    let monarch = compiled(text, "a", Some(factors));
    let sum = |sum: &Replaced| LoweredSum { dense: sum.dense.clone(), factors: sum.factors.clone() };
    let sums: Vec<LoweredSum> = monarch.replaced.iter().map(sum).collect();
    let (parameters, losses) = parameters::lower(&dense.plan, start, &monarch.plan, &sums).expect("memory");
    (monarch, parameters, losses)
}

// COVERS: parameters.lower
#[test]
fn a_monarch_transition_comes_back_from_its_dense_matrix() {
    for factors in [&[2, 3][..], &[3, 2], &[2, 2, 3]] {
        let width: usize = factors.iter().product();
        let text = hmm("a", width, "dense");
        let sizes: Vec<String> = factors.iter().map(usize::to_string).collect();
        let (model, true_parameters) =
            random_parameters(&hmm("a", width, &format!("monarch({})", sizes.join(", "))), "a", 3);
        // The dense model with the matrix of the Monarch one.
        let names = (1..=factors.len()).map(|k| format!("transition.{k}"));
        let tensors: Vec<Vec<f64>> = names.map(|name| doubles(tensor(&model.plan, &true_parameters, &name))).collect();
        let matrix: Vec<f32> =
            (0..width).flat_map(|output| dense_row(&tensors, factors, output)).map(|value| value as f32).collect();
        let dense = compiled(&text, "a", None);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("dense.safetensors");
        let shapes = [("transition", vec![width, width]), ("emission", vec![width, 3]), ("initial", vec![1, width])];
        let written = shapes.map(|(name, shape)| {
            let numbers = if name == "transition" { &matrix } else { tensor(&model.plan, &true_parameters, name) };
            (name, shape, numbers)
        });
        danaus_runtime::tensors::write(&path, &written, &Default::default()).expect("the file is written");
        let start = parameters::load(&path, &dense.plan).expect("the file fits").parameters;

        let (monarch, parameters, losses) = lowered(&text, factors, &start);
        assert_eq!(losses.len(), 1);
        assert!(losses[0].most < 1e-6 && losses[0].sizes == factors, "{losses:?}");
        for (name, expected) in (1..).zip(&tensors).map(|(k, tensor)| (format!("transition.{k}"), tensor)) {
            assert_close(&doubles(tensor(&monarch.plan, &parameters, &name)), expected, 1e-5);
        }
        let rows = all_rows();
        let expected = likelihoods(&model, &true_parameters, &rows);
        assert_close(&likelihoods(&monarch, &parameters, &rows), &expected, 1e-6);
    }
}

// COVERS: parameters.lower
#[test]
fn what_is_not_lowered_is_copied() {
    let text = hmm("a", 6, "dense");
    let (dense, start) = random_parameters(&text, "a", 8);
    let (monarch, parameters, losses) = lowered(&text, &[2, 3], &start);
    for name in ["emission", "initial"] {
        assert_eq!(tensor(&monarch.plan, &parameters, name), tensor(&dense.plan, &start, name));
    }
    assert!(losses[0].mean > 0.01 && losses[0].most >= losses[0].mean && losses[0].row < 6, "{losses:?}");
    let total: f64 = likelihoods(&monarch, &parameters, &all_rows()).into_iter().map(f64::exp).sum();
    assert!((total - 1.0).abs() < 1e-6, "{total}");
}
