//! Parameters and data as the command line names them.

use crate::failure::Failure;
use crate::output::say;
use crate::table::grouped;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use danaus_artifact::plan::Plan;
use danaus_artifact::signature::{Init, VariableArray};
use danaus_runtime::data::images::{Colors, Hidden, Images, Patches, Size};
use danaus_runtime::data::joined::{JoinedRows, JoinedSequence};
use danaus_runtime::data::{self, Alphabet, Data, DataError, Kind, Lines, Rows, Sequence, TokenFormat};
use danaus_runtime::parameters::{self, Loaded, ParameterError, Parameters};
use std::path::{Path, PathBuf};

/// The numbers of a circuit.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Parameters")]
pub struct ParameterArguments {
    /// Take the parameters from this .safetensors file
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub params: Option<PathBuf>,

    /// Take random parameters, the same for the same seed on every machine
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// How the option of the seed is called
    #[arg(skip = "--seed")]
    pub seed_option: &'static str,
}

/// What is asked about.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Rows to evaluate: .npy, .npz, idx, CSV (missing values: empty, ? or -1), or with the options below text, tokens or images;
    /// FILE@START..END is a part, for example text8@-5000000..; may be repeated
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub data: Vec<PathBuf>,

    /// Read text: text8 (a to z and space), lower (any text, brought to these 27), bytes, or chars: and a list; the text is
    /// cut into rows
    #[arg(long, value_name = "ALPHABET", group = "sequence", conflicts_with = "array")]
    pub text: Option<Alphabet>,

    /// Read token ids, cut into rows: npy, u16, u32 or text; auto goes by the file
    #[arg(long, value_name = "FORMAT", group = "sequence", value_parser = token_format, conflicts_with = "array")]
    pub tokens: Option<TokenChoice>,

    /// Read text as the tokens of this tokenizer (see danaus tokenize), cut into rows
    #[arg(long, value_name = "FILE", group = "sequence", conflicts_with = "array")]
    pub tokenizer: Option<PathBuf>,

    /// How text or tokens become rows: chunks of the circuit's length, or lines, filled up with missing values or cut off
    #[arg(long = "rows", value_name = "CUT", requires = "sequence")]
    pub cut: Option<Cut>,

    /// Read images, PNG and WebP files, folders of them, or arrays: grey, rgb, ycocg (bytes, with loss) or ycocg-r (without)
    #[arg(long, value_name = "COLORS", conflicts_with_all = ["sequence", "cut"])]
    pub images: Option<Colors>,

    /// Every picture is a sheet of images of this size, for example 32x32
    #[arg(long, value_name = "ROWSxCOLUMNS", requires = "images")]
    pub tile: Option<Size>,

    /// Cut images into parts of the circuit's size: aligned, or random:N of each image
    #[arg(long, value_name = "CUT", requires = "images", value_parser = patches)]
    pub patches: Option<Patches>,

    /// The seed of the places of random patches
    #[arg(long, value_name = "N", requires = "patches", default_value = "0")]
    pub patch_seed: u64,

    /// Pixels that are missing in all images, for example 14..28,0..28; so are transparent ones
    #[arg(long, value_name = "ROWS,COLUMNS", requires = "images")]
    pub hide: Option<Hidden>,

    /// The array to read from an .npz file with several
    #[arg(long, value_name = "NAME")]
    pub array: Option<String>,

    /// Rows evaluated at a time [default: by the size of the circuit]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
}

/// What is known, if anything is.
#[derive(Clone, Debug)]
pub struct OptionalData(pub DataArguments);

impl Args for OptionalData {
    fn augment_args(command: Command) -> Command {
        DataArguments::augment_args(command).mut_arg("data", |data| data.required(false))
    }

    fn augment_args_for_update(command: Command) -> Command {
        DataArguments::augment_args_for_update(command)
    }
}

impl FromArgMatches for OptionalData {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        DataArguments::from_arg_matches(matches).map(OptionalData)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

/// How a sequence becomes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Cut {
    /// As many values as the circuit has variables
    Chunks,
    /// A line of the file
    Lines,
}

/// A token format, or whatever the file is.
#[derive(Clone, Copy, Debug)]
pub struct TokenChoice(pub Option<TokenFormat>);

/// Reads a token format.
pub fn token_format(text: &str) -> Result<TokenChoice, String> {
    if text == "auto" { Ok(TokenChoice(None)) } else { text.parse().map(|format| TokenChoice(Some(format))) }
}

/// Reads how images are cut; the seed is another option.
pub fn patches(text: &str) -> Result<Patches, String> {
    let random = || text.strip_prefix("random:")?.parse().ok().filter(|count| (1..=1 << 20).contains(count));
    match (text, random()) {
        ("aligned", _) => Ok(Patches::Aligned),
        (_, Some(count)) => Ok(Patches::Random { count, seed: 0 }),
        _ => Err("expected `aligned` or `random:N` with N of at least 1".to_string()),
    }
}

/// Reads a number of things of which there is at least one.
pub fn positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("expected a whole number of at least 1".to_string()),
    }
}

impl DataArguments {
    /// What is in the files.
    pub fn kind(&self) -> Result<Kind, Failure> {
        let by_line = self.cut == Some(Cut::Lines);
        if let Some(colors) = self.images {
            let patches = self.patches.map(|patches| match patches {
                Patches::Aligned => patches,
                Patches::Random { count, .. } => Patches::Random { count, seed: self.patch_seed },
            });
            let (tile, hidden, array) = (self.tile, self.hide.clone(), self.array.clone());
            return Ok(Kind::Images(Images { colors, tile, patches, hidden, array }));
        }
        Ok(match (&self.text, &self.tokens, &self.tokenizer) {
            (Some(alphabet), _, _) if by_line => Kind::Lines(Lines::Text(alphabet.clone())),
            (Some(alphabet), _, _) => Kind::Text(alphabet.clone()),
            (_, Some(TokenChoice(None | Some(TokenFormat::Text))), _) if by_line => Kind::Lines(Lines::Tokens),
            (_, Some(_), _) if by_line => {
                return Err(Failure::usage("only tokens in text stand in lines: write --tokens text --rows lines"));
            }
            (_, Some(TokenChoice(format)), _) => Kind::Tokens(*format),
            (_, _, Some(tokenizer)) if by_line => Kind::Lines(Lines::Encoded(tokenizer.clone())),
            (_, _, Some(tokenizer)) => Kind::Encoded(tokenizer.clone()),
            (None, None, None) => Kind::Table { array: self.array.clone() },
        })
    }

    /// All files, one after the other, as one sequence of values of the circuit's variables. Says what was read.
    pub fn sequence(&self, variables: &[VariableArray]) -> Result<Box<dyn Sequence>, Failure> {
        let kind = self.kind()?;
        let mut parts = Vec::new();
        for path in &self.data {
            let sequence = data::sequence(path, &kind, variables).map_err(data_failure)?;
            say(format_args!("{}: {} values", shown(path), grouped(sequence.len() as u64)));
            parts.push(sequence);
        }
        Ok(Box::new(JoinedSequence::new(parts)))
    }

    /// All files, one after the other, as rows of the circuit's variables. Says what was read.
    pub fn rows(&self, variables: &[VariableArray]) -> Result<Box<dyn Rows>, Failure> {
        let kind = self.kind()?;
        let mut parts = Vec::new();
        for path in &self.data {
            let Data { rows, summary, warnings } = data::rows(path, &kind, variables).map_err(data_failure)?;
            warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
            say(format_args!("{}: {summary}", shown(path)));
            parts.push(rows);
        }
        Ok(Box::new(JoinedRows::new(parts)))
    }
}

/// How a file is called in messages.
pub fn shown(path: &Path) -> String {
    if path == Path::new("-") { "<stdin>".to_string() } else { path.display().to_string() }
}

/// The failure that an error about data is.
pub fn data_failure(error: DataError) -> Failure {
    if error.is_file() { Failure::usage(error) } else { Failure::wrong(error) }
}

/// The parameters of a plan.
pub fn parameters(arguments: &ParameterArguments, plan: &Plan) -> Result<Parameters, Failure> {
    let loaded = match (&arguments.params, arguments.seed) {
        (Some(path), _) => load(path, plan),
        (None, Some(seed)) => parameters::init(plan, seed, None).map_err(parameter_failure),
        (None, None) => {
            let missing: Vec<&str> = plan
                .parameters
                .iter()
                .filter(|parameter| matches!(parameter.init, Init::Random | Init::Member(_)))
                .map(|parameter| parameter.name.as_str())
                .collect();
            if !missing.is_empty() {
                return Err(without_parameters(&plan.name, &missing, arguments.seed_option));
            }
            parameters::init(plan, 0, None).map_err(parameter_failure)
        }
    }?;
    loaded.warnings.iter().for_each(|warning| say(format_args!("warning: {warning}")));
    Ok(loaded.parameters)
}

fn load(path: &Path, plan: &Plan) -> Result<Loaded, Failure> {
    parameters::load(path, plan).map_err(parameter_failure)
}

fn parameter_failure(error: ParameterError) -> Failure {
    if error.is_file() { Failure::usage(error) } else { Failure::wrong(error) }
}

fn without_parameters(circuit: &str, names: &[&str], option: &str) -> Failure {
    const SHOWN: usize = 4;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    Failure::usage(format!(
        "circuit `{circuit}` has parameters without numbers ({}); give them with --params FILE.safetensors, or random \
         ones with {option} N",
        shown.join(", ")
    ))
}
