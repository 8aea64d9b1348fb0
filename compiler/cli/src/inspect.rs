//! What a compiled circuit is and costs, as data. `danaus inspect` prints it as text ([`text`]) or as JSON ([`json`]).
//!
//! Everything is counted from the plan, so that an architecture and its compiled circuit give the same numbers.

pub mod cpu;
pub mod gpu;
pub mod json;
pub mod text;
pub mod training;
pub mod work;

use danaus_artifact::container;
use danaus_artifact::file::Manifest;
use danaus_artifact::flow_plan::FlowPlan;
use danaus_artifact::gpu::GpuCode;
use danaus_artifact::plan::{Loop, Plan, Step};
use danaus_artifact::signature::{Family, Init, Parameter, ParameterShape, VariableArray};
use danaus_compiler::plan::stats::Stats;

/// All there is to say.
pub struct Summary<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// What it costs.
    pub stats: Stats,
    /// The circuit's doc comment.
    pub doc: Vec<String>,
    /// What it can be asked.
    pub queries: Vec<&'static str>,
    /// Whether most likely completions are known to be exact; none if they cannot be asked for.
    pub exact: Option<bool>,
    /// How flows are computed, if the circuit was compiled with them.
    pub flows: Option<&'p FlowPlan>,
    /// What a step of training costs, if the circuit was compiled with its flows.
    pub training: Option<training::Training>,
    /// Rows of a batch, for what depends on it.
    pub batch: u64,
    /// What this processor can do, if it was measured.
    pub processor: Option<cpu::Processor>,
    /// What the compiled file says about itself, if it was read from one.
    pub origin: Option<Origin>,
}

/// The compiled file.
pub struct Origin {
    /// What it says.
    pub manifest: Manifest,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its code for GPUs, by target.
    pub gpus: Vec<(String, GpuCode)>,
}

/// A section of a compiled file.
pub struct Section {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// BLAKE3, hexadecimal.
    pub checksum: String,
}

/// The factors of a Monarch sum, beside the dense sum over as many units.
pub struct Monarch {
    /// The common name of the factors.
    pub name: String,
    /// Units.
    pub width: u64,
    /// Block sizes.
    pub factors: Vec<u64>,
    /// Weights of all factors.
    pub weights: u64,
}

impl Monarch {
    /// Weights of a dense sum.
    pub fn dense_weights(&self) -> u64 {
        self.width.saturating_mul(self.width)
    }
}

/// The sections of a compiled file that has been read already.
pub fn sections(file: &[u8]) -> Vec<Section> {
    let sections = container::split(file).expect("the file has been read");
    let section = |(name, bytes): (String, &[u8])| {
        let checksum = blake3::hash(bytes).to_hex().to_string();
        Section { name, bytes: bytes.len() as u64, checksum }
    };
    sections.into_iter().map(section).collect()
}

/// The loop with the most iterations: a step of the chain.
pub fn chain(plan: &Plan) -> Option<&Loop> {
    let loops = plan.steps.iter().filter_map(|step| match step {
        Step::Loop(chain) => Some(chain),
        Step::Launch(_) => None,
    });
    loops.max_by_key(|chain| chain.steps)
}

/// Tensors `name.1 .. name.d` of square blocks over the same units are the factors of one Monarch sum.
pub fn monarchs(parameters: &[Parameter]) -> Vec<Monarch> {
    let mut found: Vec<Monarch> = Vec::new();
    for parameter in parameters {
        let ParameterShape::Weight { blocks, outputs, inputs, dense: false } = parameter.shape else { continue };
        let Some((name, k)) = parameter.name.rsplit_once('.') else { continue };
        if outputs != inputs || k.parse::<usize>().is_err() {
            continue;
        }
        let (width, weights) = ((blocks * outputs) as u64, (blocks * outputs * inputs) as u64);
        match found.last_mut().filter(|monarch| monarch.name == name && monarch.width == width) {
            Some(monarch) => {
                monarch.factors.push(outputs as u64);
                monarch.weights += weights;
            }
            None => {
                found.push(Monarch { name: name.to_string(), width, factors: vec![outputs as u64], weights });
            }
        }
    }
    found.retain(|monarch| monarch.factors.len() > 1);
    found
}

/// What a tensor holds.
pub fn kind(parameter: &Parameter) -> &'static str {
    match parameter.shape {
        ParameterShape::Table { .. } => "table",
        ParameterShape::Gaussian { .. } => "gaussian",
        ParameterShape::Weight { dense: true, .. } => "dense weights",
        ParameterShape::Weight { dense: false, .. } => "block weights",
        ParameterShape::Mixing { .. } => "mixing weights",
    }
}

/// Where the first values of a tensor come from.
pub fn start(parameter: &Parameter) -> &'static str {
    match parameter.init {
        Init::Random => "random",
        Init::Given(_) => "given",
        Init::Indicator { .. } | Init::Identity => "indicator",
        Init::Member(Family::Binomial) => "random binomial",
        Init::Member(Family::Logistic) => "random logistic",
        Init::CopyOf { .. } => "copy of a factor",
        Init::TableProduct { .. } | Init::WeightProduct { .. } => "product of factors",
    }
}

/// `x[4, 4]`
pub fn array_name(array: &VariableArray) -> String {
    let extents: Vec<String> = array.shape.iter().map(usize::to_string).collect();
    if extents.is_empty() { array.name.clone() } else { format!("{}[{}]", array.name, extents.join(", ")) }
}
