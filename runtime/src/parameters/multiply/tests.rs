use super::*;
use crate::tensors;
use danaus_artifact::signature::Parameter;

fn plan(parameters: Vec<(&str, ParameterShape, Init)>) -> Plan {
    let parameter = |(name, shape, init): (&str, ParameterShape, Init)| Parameter { name: name.into(), shape, init };
    Plan {
        name: "c".into(),
        fingerprint: "f00d".into(),
        variables: vec![],
        parameters: parameters.into_iter().map(parameter).collect(),
        packs: vec![],
        packed_chunks: 0,
        rows: 1,
        kernels: vec![],
        tables: vec![],
        steps: vec![],
        root: 0,
        root_offset: false,
    }
}

fn blocks(blocks: usize, outputs: usize, inputs: usize, dense: bool) -> ParameterShape {
    ParameterShape::Weight { blocks, outputs, inputs, dense }
}

fn copy(source: &str, blocks: usize, outputs: usize, inputs: usize) -> Init {
    Init::CopyOf { source: source.into(), blocks, outputs, inputs }
}

/// An untied product: a table, a mixture of factor 1, a dense sum of factor 2, and a root with numbers in factor 2.
fn product() -> Plan {
    let table = |width| ParameterShape::Table { width, values: 2 };
    let tables = Init::TableProduct { sources: vec![("1.e".into(), 1), ("2.e".into(), 2)], normalize: true };
    let weights = Init::WeightProduct { sources: vec![("1.m".into(), 1, 2), ("2.r".into(), 1, 2)] };
    plan(vec![
        ("e", table(2), tables),
        ("m", blocks(4, 1, 3, false), copy("1.mix", 2, 1, 3)),
        ("t", blocks(3, 2, 2, false), copy("2.t", 1, 2, 2)),
        ("2.r", blocks(1, 1, 2, true), Init::Given(vec![0.25, 0.75])),
        ("r", blocks(1, 1, 4, true), weights),
    ])
}

type Named = (&'static str, Vec<usize>, Vec<f32>);

fn first() -> Vec<Named> {
    let (log, mixture) = (vec![0.5f32.ln(); 2], vec![0.0, 0.5, 0.5, 0.25, 0.25, 0.5]);
    vec![("e", vec![1, 2], log), ("mix", vec![2, 3], mixture), ("m", vec![1, 2], vec![0.5, 0.5])]
}

fn second() -> Vec<Named> {
    let log = vec![0.25f32.ln(), 0.75f32.ln(), 0.0, f32::NEG_INFINITY];
    vec![("e", vec![2, 2], log), ("t", vec![2, 2], vec![0.5, 0.5, 1.0, 0.0])]
}

fn multiplied(files: &[Vec<Named>]) -> (tempfile::TempDir, Result<Loaded, MultiplyError>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |(k, tensors): (usize, &Vec<Named>)| {
        let path = folder.path().join(format!("{k}.safetensors"));
        let tensors: Vec<tensors::Tensor<'_>> = tensors.iter().map(|(n, s, v)| (*n, s.clone(), &v[..])).collect();
        tensors::write(&path, &tensors, &BTreeMap::new()).unwrap();
        path
    };
    let paths: Vec<PathBuf> = files.iter().enumerate().map(write).collect();
    let loaded = multiply(&product(), &paths);
    (folder, loaded)
}

/// The message, file names without their folder.
fn message(files: &[Vec<Named>]) -> String {
    let (folder, loaded) = multiplied(files);
    loaded.unwrap_err().to_string().replace(&format!("{}/", folder.path().display()), "")
}

// COVERS: parameters.multiply
#[test]
fn every_start_is_computed_from_its_factors() {
    let (_folder, loaded) = multiplied(&[first(), second()]);
    let loaded = loaded.unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let values = loaded.parameters.values();
    let probabilities: Vec<f32> = values[0].iter().map(|log| log.exp()).collect();
    assert!(probabilities.iter().zip([0.25, 0.75, 1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{probabilities:?}");
    assert_eq!(values[1], [0.0, 0.5, 0.5, 0.25, 0.25, 0.5].repeat(2));
    assert_eq!(values[2], [0.5, 0.5, 1.0, 0.0].repeat(3));
    // The numbers of the program hold where the file has none.
    assert_eq!(values[4], [0.125, 0.375, 0.125, 0.375]);
}

// COVERS: parameters.multiply
#[test]
fn what_factors_expect_is_told_in_their_words() {
    let tensor = |name: &str, shape: &[usize]| (name.to_string(), shape.to_vec());
    let expected = factors(&product());
    assert_eq!(expected[0].tensors, [tensor("e", &[1, 2]), tensor("mix", &[2, 3]), tensor("m", &[1, 2])]);
    assert_eq!(expected[1].tensors, [tensor("e", &[2, 2]), tensor("t", &[2, 2]), tensor("r", &[1, 2])]);
    assert_eq!(
        message(&[first()]),
        "circuit `c` is a product of 2 circuits, but 1 parameter file is given; give one for each factor, in their order:\n  \
         factor 1: `e` [1, 2], `mix` [2, 3], `m` [1, 2]\n  factor 2: `e` [2, 2], `t` [2, 2], `r` [1, 2]"
    );
}

#[test]
fn files_that_do_not_fit_are_explained_all_at_once() {
    let mut wrong = first();
    wrong[1] = ("mix", vec![3, 3], vec![1.0 / 3.0; 9]);
    wrong[2].2[1] = f32::NAN;
    let missing = second().into_iter().take(1).collect();
    assert_eq!(
        message(&[wrong, missing]),
        "`0.safetensors` does not fit factor 1 of circuit `c`:\n  tensor `mix` has shape [3, 3], expected [2, 3]\n  \
         tensor `m` has NaN at [0, 1]; weights are finite and not negative\n\
         `1.safetensors` does not fit factor 2 of circuit `c`: tensor `t` [2, 2] is missing; the file has `e`"
    );
}

#[test]
fn odd_files_give_warnings() {
    let mut long = first();
    long.push(("t", vec![1], vec![1.0]));
    let mut low = second();
    low[1].2[0] = 0.25;
    let (folder, loaded) = multiplied(&[long, low]);
    let file = folder.path().join("0.safetensors");
    assert_eq!(
        loaded.unwrap().warnings,
        [
            format!("`{}`: tensor `t` is not part of the circuit and not used", file.display()),
            "tensor `t`: 3 of 6 rows do not sum to one, row 4 is worst with 0.750000; they are used as they are, and \
             likelihoods may not sum to one"
                .to_string()
        ]
    );
}

#[test]
fn a_circuit_without_factors_is_no_product() {
    let single = plan(vec![("t", blocks(1, 1, 2, true), Init::Random)]);
    assert_eq!(factors(&single), []);
    let error = multiply(&single, &[]).unwrap_err().to_string();
    assert_eq!(error, "circuit `c` is no product of circuits; a product is written `circuit product = a * b untied`");
}
