//! From a checkpoint to a program and its parameters.

use super::source::{Names, source};
use super::{HmmError, Sizes};
use crate::files;
use crate::parameters::{Problem, VERSION, check};
use crate::tensors::{self, TensorFile};
use danaus_artifact::signature::ParameterShape;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The program.
    pub source: PathBuf,
    /// Its parameters.
    pub parameters: PathBuf,
    /// States of the model.
    pub states: usize,
    /// Values of a token.
    pub values: usize,
    /// Block sizes of the transition's factors; none for a dense transition.
    pub factors: Vec<usize>,
    /// Whole sentences.
    pub warnings: Vec<String>,
}

/// Reads the checkpoint in a folder and writes `NAME.pc`, a program over sequences of `length` tokens (its parameter
/// `T`), and `NAME.safetensors`.
pub fn import(folder: &Path, name: &Path, length: usize) -> Result<Imported, HmmError> {
    let circuit = circuit_name(name)?;
    let config = Config::read(&folder.join("config.json"))?;
    let file = TensorFile::open(&folder.join("model.safetensors"))?;
    let sizes = Sizes { states: config.states, values: config.values, factors: factors(&config, &file)? };
    let (tensors, mut warnings, used) = read_tensors(&sizes, &file)?;
    warnings.extend(check::unknown(&file, &used));
    let names =
        Names { circuit: &circuit, variable: "x", emission: "emission", transition: "transition", initial: "initial" };
    let text = source(&sizes, length, &names);
    let imported = Imported {
        source: with_ending(name, ".pc"),
        parameters: with_ending(name, ".safetensors"),
        states: sizes.states,
        values: sizes.values,
        factors: sizes.factors,
        warnings,
    };
    let listed: Vec<tensors::Tensor<'_>> =
        tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), &values[..])).collect();
    let notes = BTreeMap::from([(VERSION, env!("CARGO_PKG_VERSION").to_string())]);
    tensors::write(&imported.parameters, &listed, &notes)?;
    files::write(&imported.source, |out| out.write_all(text.as_bytes()))?;
    Ok(imported)
}

/// A tensor by our name.
type Named = (String, Vec<usize>, Vec<f32>);

/// All tensors, warnings, and the names of theirs that were used.
fn read_tensors(sizes: &Sizes, file: &TensorFile) -> Result<(Vec<Named>, Vec<String>, BTreeSet<String>), HmmError> {
    let (states, values) = (sizes.states, sizes.values);
    let mut wanted = vec![("beta".to_string(), "emission".to_string(), vec![states, values])];
    wanted.extend(sizes.transition("transition"));
    wanted.push(("gamma_exp".to_string(), "initial".to_string(), vec![1, states]));
    let (mut tensors, mut warnings, mut used) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (theirs, ours, shape) in wanted {
        let kind = match *shape {
            _ if theirs == "beta" => ParameterShape::Table { width: states, values },
            [outputs, inputs] => ParameterShape::Weight { blocks: 1, outputs, inputs, dense: true },
            _ => ParameterShape::Weight { blocks: shape[0], outputs: shape[1], inputs: shape[2], dense: false },
        };
        let numbers = read_tensor(file, &theirs, &shape, &kind)?;
        warnings.extend(check::row_sums(&theirs, shape[shape.len() - 1], theirs == "beta", &numbers));
        if file.is_double(&theirs) {
            warnings.push(format!("tensor `{theirs}` is in double precision and was rounded to single precision"));
        }
        used.insert(theirs);
        tensors.push((ours, shape, numbers));
    }
    Ok((tensors, warnings, used))
}

/// A tensor, checked.
fn read_tensor(file: &TensorFile, name: &str, expected: &[usize], kind: &ParameterShape) -> Result<Vec<f32>, HmmError> {
    let fail = |problem| HmmError::Tensor { file: file.path().to_path_buf(), problem };
    let (tensor, expected) = (name.to_string(), expected.to_vec());
    let Some(found) = file.shape(name) else {
        return Err(fail(Problem::Missing { tensor, expected, found: file.names() }));
    };
    if found != expected {
        return Err(fail(Problem::Shape { tensor, found: found.to_vec(), expected }));
    }
    let values = file.values(name)?;
    check::value(name, kind, &values).map_or(Ok(values), |problem| Err(fail(problem)))
}

/// The name with an ending: also a name with dots keeps all of itself.
fn with_ending(name: &Path, ending: &str) -> PathBuf {
    let mut path = name.as_os_str().to_os_string();
    path.push(ending);
    PathBuf::from(path)
}

/// The last part of a file's name, as a name of the language.
fn circuit_name(name: &Path) -> Result<String, HmmError> {
    const WORDS: &str = "binary block_diagonal categorical circuit dense in indicator input integer kronecker mixing \
                         monarch real region regions reversed root sum tie untied use var weights width";
    let fail = |reason| HmmError::Name { name: name.to_path_buf(), reason };
    let last = name.file_name().ok_or_else(|| fail("it has no last part"))?;
    let last = last.to_str().ok_or_else(|| fail("it is not UTF-8"))?;
    let letters: String = last.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let is_free =
        letters.starts_with(|c: char| c.is_ascii_alphabetic()) && !WORDS.split(' ').any(|word| word == letters);
    Ok(if is_free { letters } else { format!("hmm_{letters}") })
}

/// The part of the configuration that matters.
struct Config {
    file: PathBuf,
    states: usize,
    values: usize,
    blocks: Blocks,
}

/// What the configuration says about the transition.
enum Blocks {
    Nothing,
    Size(usize),
    Sizes(Vec<usize>),
}

impl Config {
    fn read(file: &Path) -> Result<Config, HmmError> {
        let bytes = files::read(file)?;
        let fail = |reason: String| HmmError::Config { file: file.to_path_buf(), reason };
        let config: Value =
            serde_json::from_slice(&bytes).map_err(|error| fail(format!("it is not a JSON object: {error}")))?;
        let size = |value: &Value| value.as_u64().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
        let number = |key: &str| {
            let found = config.get(key).ok_or_else(|| fail(format!("it has no entry `{key}`")))?;
            size(found).ok_or_else(|| fail(format!("`{key}` is {found}; expected a positive whole number")))
        };
        let (states, values) = (number("hidden_states")?, number("vocab_size")?);
        let blocks = match config.get("block_size") {
            None | Some(Value::Null) => Some(Blocks::Nothing),
            Some(Value::Array(list)) => {
                let sizes: Option<Vec<usize>> = list.iter().map(size).collect();
                sizes.filter(|sizes| !sizes.is_empty()).map(Blocks::Sizes)
            }
            Some(value) => size(value).map(Blocks::Size),
        };
        let blocks = blocks.ok_or_else(|| {
            let found = &config["block_size"];
            fail(format!("`block_size` is {found}; expected a positive whole number, a list of them, or null"))
        })?;
        Ok(Config { file: file.to_path_buf(), states, values, blocks })
    }

    fn fail(&self, reason: String) -> HmmError {
        HmmError::Config { file: self.file.clone(), reason }
    }
}

/// The factors of the transition; none if it is dense. The tensors must agree with the configuration.
fn factors(config: &Config, file: &TensorFile) -> Result<Vec<usize>, HmmError> {
    let states = config.states;
    let is_dense = file.shape("alpha_exp").is_some();
    let factors = match &config.blocks {
        Blocks::Nothing => Vec::new(),
        Blocks::Size(size) if *size == states && is_dense => Vec::new(),
        Blocks::Size(size) => {
            let count = (1..64u32).find(|count| size.checked_pow(*count) == Some(states)).ok_or_else(|| {
                config.fail(format!("`hidden_states` is {states}, which is no power of `block_size` {size}"))
            })?;
            vec![*size; count as usize]
        }
        Blocks::Sizes(sizes) => {
            let product = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
            if product != Some(states) {
                let reason = format!("the sizes in `block_size` {sizes:?} do not multiply to `hidden_states` {states}");
                return Err(config.fail(reason));
            }
            sizes.clone()
        }
    };
    if is_dense && !factors.is_empty() {
        return Err(config.fail("it has a `block_size`, but the model has a dense transition `alpha_exp`".to_string()));
    }
    Ok(factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_circuits() {
        let name = |path: &str| circuit_name(Path::new(path)).unwrap();
        assert_eq!(name("models/text8"), "text8");
        assert_eq!(name("my-model.v2"), "my_model_v2");
        assert_eq!(name("8x8"), "hmm_8x8");
        assert_eq!(name("sum"), "hmm_sum");
        assert_eq!(name("hmm"), "hmm");
        assert!(circuit_name(Path::new("..")).is_err());
        assert_eq!(with_ending(Path::new("a/b-1.5"), ".pc"), Path::new("a/b-1.5.pc"));
    }
}
