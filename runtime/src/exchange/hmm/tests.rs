use super::*;
use crate::parameters::{Loaded, Parameters, init, load};
use crate::tensors::{self, TensorFile};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Domain, Init, Parameter, ParameterShape, VariableArray};
use std::collections::BTreeMap;
use std::path::Path;

/// Rows that sum to one.
fn rows(count: usize, columns: usize, seed: usize) -> Vec<f32> {
    let row = |row: usize| {
        let entry = move |column: usize| ((row * 7 + column * 3 + seed) % 11 + 1) as f32;
        let sum: f32 = (0..columns).map(entry).sum();
        (0..columns).map(move |column| entry(column) / sum)
    };
    (0..count).flat_map(row).collect()
}

/// Tensors by their names, with shapes.
type Checkpoint = Vec<(String, Vec<usize>, Vec<f32>)>;

fn checkpoint(states: usize, values: usize, factors: &[usize]) -> Checkpoint {
    let sizes = Sizes { states, values, factors: factors.to_vec() };
    let numbers = |shape: &[usize]| {
        let columns = shape[shape.len() - 1];
        rows(shape.iter().product::<usize>() / columns, columns, 1)
    };
    let transition = sizes.transition("t").into_iter();
    let mut tensors: Checkpoint = transition.map(|(name, _, shape)| (name, shape.clone(), numbers(&shape))).collect();
    tensors.push(("beta".into(), vec![states, values], rows(states, values, 2).iter().map(|p| p.ln()).collect()));
    tensors.push(("gamma_exp".into(), vec![1, states], rows(1, states, 3)));
    tensors
}

fn write(folder: &Path, config: &str, tensors: &Checkpoint) {
    let listed: Vec<_> = tensors.iter().map(|(name, shape, values)| (&name[..], shape.clone(), &values[..])).collect();
    std::fs::write(folder.join("config.json"), config).unwrap();
    tensors::write(&folder.join("model.safetensors"), &listed, &BTreeMap::new()).unwrap();
}

/// What a compiler makes of an imported program, as far as parameters go.
fn plan(states: usize, values: usize, factors: &[usize]) -> Plan {
    let parameter = |name: String, shape| Parameter { name, shape, init: Init::Random };
    let weight = |shape: &[usize]| match *shape {
        [outputs, inputs] => ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true },
        [blocks, outputs, inputs] => ParameterShape::Weight { blocks, outputs, inputs, dense: false },
        _ => unreachable!("weights have two or three axes"),
    };
    let sizes = Sizes { states, values, factors: factors.to_vec() };
    let mut parameters = vec![parameter("initial".into(), weight(&[1, states]))];
    let transition = sizes.transition("transition").into_iter().rev();
    parameters.extend(transition.map(|(_, ours, shape)| parameter(ours, weight(&shape))));
    parameters.push(parameter("emission".into(), ParameterShape::Table { width: states, values }));
    Plan {
        name: "hmm".into(),
        fingerprint: "f".into(),
        variables: vec![VariableArray { name: "x".into(), shape: vec![9], domain: Domain::Categorical(values) }],
        parameters,
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

fn same(_: &str) -> Result<String, String> {
    Ok("f".to_string())
}

#[test]
fn a_checkpoint_survives_both_ways_bit_for_bit() {
    let cases: [(usize, &[usize], &str, &str); 4] = [
        (6, &[], r#"{"hidden_states": 6, "vocab_size": 5, "extra": [1]}"#, "dense"),
        (6, &[2, 3], r#"{"hidden_states": 6, "vocab_size": 5, "block_size": [2, 3]}"#, "monarch(2, 3)"),
        (8, &[2, 2, 2], r#"{"hidden_states": 8, "vocab_size": 5, "block_size": 2}"#, "monarch(2, 2, 2)"),
        (4, &[4], r#"{"hidden_states": 4, "vocab_size": 5, "block_size": 4}"#, "monarch(4)"),
    ];
    for (states, factors, config, kind) in cases {
        let folder = tempfile::tempdir().unwrap();
        let original = checkpoint(states, 5, factors);
        write(folder.path(), config, &original);
        let imported = import(folder.path(), &folder.path().join("hmm"), 9).unwrap();
        assert_eq!((imported.warnings.len(), imported.factors.as_slice()), (0, factors), "{:?}", imported.warnings);
        let text = std::fs::read_to_string(&imported.source).unwrap();
        assert!(text.contains(kind) && text.contains("circuit hmm(T = 9)"), "{text}");

        let plan = plan(states, 5, factors);
        let Loaded { parameters, warnings } = load(&imported.parameters, &plan).unwrap();
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(source_of(&plan).unwrap(), text);
        let back = folder.path().join("back");
        export(&plan, &parameters, &back, &same).unwrap();
        let file = TensorFile::open(&back.join("model.safetensors")).unwrap();
        for (name, shape, values) in &original {
            assert_eq!(file.shape(name), Some(&shape[..]), "{name}");
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&file.values(name).unwrap()), bits(values), "{name}");
        }
        let again = import(&back, &folder.path().join("hmm"), 9).unwrap();
        assert_eq!((again.factors, std::fs::read_to_string(again.source).unwrap()), (factors.to_vec(), text));
    }
}

#[test]
fn the_program_is_as_people_write_it() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), r#"{"hidden_states": 4, "vocab_size": 3, "block_size": 2}"#, &checkpoint(4, 3, &[2, 2]));
    let imported = import(folder.path(), &folder.path().join("small"), 256).unwrap();
    assert_eq!(
        std::fs::read_to_string(imported.source).unwrap(),
        "/// A hidden Markov model over T tokens of 3 kinds with 4 states.
circuit small(T = 256) {
    var x[T]: categorical(3)

    input emit[t in 0..T] = categorical(x[t]) width 4 tie emission

    region z[T-1] = emit[T-1]
    region z[t in 0..T-1 reversed] = emit[t] * sum(z[t+1]) width 4 monarch(2, 2) tie transition

    root sum(z[0]) tie initial
}
"
    );
}

/// The message of an import, without the folder.
fn message(config: &str, tensors: &Checkpoint) -> String {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), config, tensors);
    let error = import(folder.path(), &folder.path().join("hmm"), 9).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn wrong_configurations_are_explained() {
    let monarch = checkpoint(6, 5, &[2, 3]);
    assert_eq!(message("{}", &monarch), "`config.json`: it has no entry `hidden_states`");
    assert!(message("{", &monarch).starts_with("`config.json`: it is not a JSON object"));
    assert_eq!(
        message(r#"{"hidden_states": -6, "vocab_size": 5}"#, &monarch),
        "`config.json`: `hidden_states` is -6; expected a positive whole number"
    );
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": "2"}"#, &monarch),
        "`config.json`: `block_size` is \"2\"; expected a positive whole number, a list of them, or null"
    );
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": 2}"#, &monarch),
        "`config.json`: `hidden_states` is 6, which is no power of `block_size` 2"
    );
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": [3, 3]}"#, &monarch),
        "`config.json`: the sizes in `block_size` [3, 3] do not multiply to `hidden_states` 6"
    );
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": [2, 3]}"#, &checkpoint(6, 5, &[])),
        "`config.json`: it has a `block_size`, but the model has a dense transition `alpha_exp`"
    );
}

#[test]
fn wrong_tensors_are_explained() {
    let monarch = checkpoint(6, 5, &[2, 3]);
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": [3, 2]}"#, &monarch),
        "`model.safetensors`: tensor `alpha_exp.weights_exp.0` has shape [3, 2, 2], expected [2, 3, 3]"
    );
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5}"#, &monarch),
        "`model.safetensors`: tensor `alpha_exp` [6, 6] is missing; the file has `alpha_exp.weights_exp.0`, \
         `alpha_exp.weights_exp.1`, `beta`, `gamma_exp`"
    );
    let mut damaged = monarch;
    damaged[1].2[7] = -0.25;
    assert_eq!(
        message(r#"{"hidden_states": 6, "vocab_size": 5, "block_size": [2, 3]}"#, &damaged),
        "`model.safetensors`: tensor `alpha_exp.weights_exp.1` has -0.25 at [0, 2, 1]; weights are finite and not negative"
    );
}

#[test]
fn odd_numbers_are_kept_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = checkpoint(2, 3, &[]);
    tensors[0].2 = vec![0.5, 0.6, 0.5, 0.5];
    tensors.push(("optimizer".into(), vec![1], vec![0.0]));
    write(folder.path(), r#"{"hidden_states": 2, "vocab_size": 3}"#, &tensors);
    let imported = import(folder.path(), &folder.path().join("hmm"), 9).unwrap();
    assert!(imported.warnings[0].starts_with("tensor `alpha_exp`: 1 of 2 rows do not sum to one, row 0 is worst"));
    assert!(imported.warnings[1].contains("`optimizer` is not part"), "{:?}", imported.warnings);
    let file = TensorFile::open(&imported.parameters).unwrap();
    assert_eq!(file.values("transition").unwrap(), [0.5, 0.6, 0.5, 0.5]);
}

/// The reason for which a changed model is refused.
fn refused(change: fn(&mut Plan), fingerprint: &dyn Fn(&str) -> Result<String, String>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan(6, 5, &[2, 3]);
    let parameters: Parameters = init(&plan, 1, None).unwrap().parameters;
    change(&mut plan);
    let error = export(&plan, &parameters, &folder.path().join("new"), fingerprint).unwrap_err();
    assert!(!folder.path().join("new").exists());
    let HmmError::NotHmm { reason, .. } = error else { panic!("{error}") };
    reason
}

#[test]
fn other_circuits_are_refused() {
    let other = |_: &str| Ok("other".to_string());
    assert_eq!(refused(|_| {}, &other), "its parameters are those of one, but its layers are not");
    assert_eq!(
        refused(|plan| plan.variables[0].domain = Domain::Binary, &same),
        "`x` is not a row of categorical variables"
    );
    assert_eq!(refused(|plan| plan.variables.clear(), &same), "it has 0 arrays of variables");
    assert_eq!(
        refused(|plan| plan.parameters[1].name = "other.2".into(), &same),
        "its sums are neither one dense transition nor the factors of one Monarch transition"
    );
    assert_eq!(refused(|plan| drop(plan.parameters.pop()), &same), "it has 0 tables and 1 initial sums");
}
