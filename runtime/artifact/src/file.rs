//! The `.pcb` artifact: a compiled circuit in one file.
//!
//! Sections, in this order (the container is described in [`container`](crate::container)):
//!
//! * `manifest`: JSON, for people and tools
//! * `plan`: the [`Plan`], in postcard; parameters given in the source are part of it
//! * `flows`: the [`FlowPlan`] that training needs, in postcard, if the circuit was compiled with it
//! * `queries`: the [`Queries`] that the circuit was compiled for besides likelihoods, in postcard, if there are any
//! * `target:NAME`, sorted by name: code for a device. `target:cpu` is the list of the plan's [`Kernel`]s in postcard, which are
//!   compiled when the artifact is loaded; other targets are kept and listed, not understood
//! * `source:KERNEL`, sorted by name: the emitted source of a kernel, for inspection
//!
//! Sections with other names are kept. Writing is a function: equal artifacts give equal bytes. Reading
//! accepts nothing that is not whole: checksums, versions and the structure of the plan are verified.

use crate::container;
use crate::error::ArtifactError;
use crate::flow_plan::FlowPlan;
use crate::plan::{Kernel, Plan};
use crate::queries::Queries;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The target whose kernels are compiled on the machine that loads the artifact.
pub const CPU: &str = "cpu";

const MANIFEST: &str = "manifest";
const PLAN: &str = "plan";
const FLOWS: &str = "flows";
const QUERIES: &str = "queries";
const TARGET: &str = "target:";
const SOURCE: &str = "source:";

/// What an artifact says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The circuit's name.
    pub circuit: String,
    /// The version of Danaus that made the artifact.
    pub danaus_version: String,
    /// The circuit's fingerprint: equal to the plan's.
    pub fingerprint: String,
    /// The targets there is code for, sorted.
    pub targets: Vec<String>,
    /// The options of the compilation: `--set` values and others.
    pub options: BTreeMap<String, String>,
    /// The files the circuit was compiled from.
    pub files: Vec<SourceFile>,
}

/// A file the circuit was compiled from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its name, as it was given to the compiler.
    pub name: String,
    /// Its text, if the artifact carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A compiled circuit.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    manifest: Manifest,
    plan: Plan,
    flows: Option<FlowPlan>,
    queries: Option<Queries>,
    targets: BTreeMap<String, Vec<u8>>,
    sources: BTreeMap<String, String>,
    others: BTreeMap<String, Vec<u8>>,
}

impl Artifact {
    /// An artifact with code for the CPU.
    pub fn new(plan: Plan, options: BTreeMap<String, String>, files: Vec<SourceFile>) -> Artifact {
        let manifest = Manifest {
            circuit: plan.name.clone(),
            danaus_version: env!("CARGO_PKG_VERSION").to_string(),
            fingerprint: plan.fingerprint.clone(),
            targets: Vec::new(),
            options,
            files,
        };
        let kernels = encode(&plan.kernels);
        let (sources, others) = (BTreeMap::new(), BTreeMap::new());
        let targets = BTreeMap::new();
        Artifact { manifest, plan, flows: None, queries: None, targets, sources, others }.with_target(CPU, kernels)
    }

    /// Adds what training needs, or replaces it.
    pub fn with_flows(self, flows: FlowPlan) -> Artifact {
        Artifact { flows: Some(flows), ..self }
    }

    /// Adds queries, or replaces them.
    pub fn with_queries(self, queries: Queries) -> Artifact {
        Artifact { queries: Some(queries), ..self }
    }

    /// Adds code for a target, or replaces it.
    pub fn with_target(mut self, name: &str, code: Vec<u8>) -> Artifact {
        self.targets.insert(name.to_string(), code);
        self.manifest.targets = self.targets.keys().cloned().collect();
        self
    }

    /// Adds the emitted source of a kernel, or replaces it.
    pub fn with_source(mut self, kernel: &str, text: String) -> Artifact {
        self.sources.insert(kernel.to_string(), text);
        self
    }

    /// What the artifact says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The plan; its structure is [valid](crate::validate::validate) if the artifact was read.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan alone, what training needs, and the queries, if they are there.
    pub fn into_plans(self) -> (Plan, Option<FlowPlan>, Option<Queries>) {
        (self.plan, self.flows, self.queries)
    }

    /// The plan alone.
    pub fn into_plan(self) -> Plan {
        self.plan
    }

    /// What training needs. Its structure is checked when it is used.
    pub fn flows(&self) -> Option<&FlowPlan> {
        self.flows.as_ref()
    }

    /// The queries besides likelihoods. The structure of their plans is checked when they are used.
    pub fn queries(&self) -> Option<&Queries> {
        self.queries.as_ref()
    }

    /// The targets and their code, sorted by name.
    pub fn targets(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.targets
    }

    /// The emitted source of kernels, sorted by name.
    pub fn sources(&self) -> &BTreeMap<String, String> {
        &self.sources
    }

    /// The code for a target.
    pub fn target(&self, name: &str) -> Result<&[u8], ArtifactError> {
        self.targets.get(name).map(Vec::as_slice).ok_or_else(|| ArtifactError::MissingTarget {
            target: name.to_string(),
            available: self.targets.keys().cloned().collect(),
        })
    }
}

/// The bytes of an artifact's file.
pub fn write(artifact: &Artifact) -> Vec<u8> {
    let manifest = serde_json::to_vec_pretty(&artifact.manifest).expect("a manifest holds only strings");
    let mut sections = vec![(MANIFEST.to_string(), manifest), (PLAN.to_string(), encode(&artifact.plan))];
    sections.extend(artifact.flows.iter().map(|flows| (FLOWS.to_string(), encode(flows))));
    sections.extend(artifact.queries.iter().map(|queries| (QUERIES.to_string(), encode(queries))));
    sections.extend(artifact.targets.iter().map(|(name, code)| (format!("{TARGET}{name}"), code.clone())));
    sections.extend(artifact.sources.iter().map(|(name, text)| (format!("{SOURCE}{name}"), text.clone().into_bytes())));
    sections.extend(artifact.others.iter().map(|(name, bytes)| (name.clone(), bytes.clone())));
    container::join(&sections)
}

/// Reads an artifact's file.
pub fn read(file: &[u8]) -> Result<Artifact, ArtifactError> {
    let (mut manifest, mut plan, mut flows, mut queries) = (None, None, None, None);
    let (mut targets, mut sources, mut others) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (name, bytes) in container::split(file)? {
        if name == MANIFEST {
            manifest = Some(read_manifest(bytes)?);
        } else if name == PLAN {
            plan = Some(read_plan(bytes)?);
        } else if name == FLOWS {
            flows = Some(decode(FLOWS, bytes)?);
        } else if name == QUERIES {
            queries = Some(decode(QUERIES, bytes)?);
        } else if let Some(target) = name.strip_prefix(TARGET) {
            targets.insert(target.to_string(), bytes.to_vec());
        } else if let Some(kernel) = name.strip_prefix(SOURCE) {
            let text = std::str::from_utf8(bytes).map_err(|_| malformed(&name, "it is not UTF-8"))?;
            sources.insert(kernel.to_string(), text.to_string());
        } else {
            others.insert(name, bytes.to_vec());
        }
    }
    let manifest = manifest.ok_or(ArtifactError::MissingSection { section: MANIFEST })?;
    let plan = plan.ok_or(ArtifactError::MissingSection { section: PLAN })?;
    let artifact = Artifact { manifest, plan, flows, queries, targets, sources, others };
    check_agreement(&artifact)?;
    Ok(artifact)
}

fn read_manifest(bytes: &[u8]) -> Result<Manifest, ArtifactError> {
    serde_json::from_slice(bytes).map_err(|error| malformed(MANIFEST, error))
}

fn read_plan(bytes: &[u8]) -> Result<Plan, ArtifactError> {
    let plan: Plan = decode(PLAN, bytes)?;
    crate::validate::validate(&plan).map_err(|error| malformed(PLAN, error))?;
    Ok(plan)
}

/// Sections that tell the same thing twice must tell the same.
fn check_agreement(artifact: &Artifact) -> Result<(), ArtifactError> {
    let (manifest, plan) = (&artifact.manifest, &artifact.plan);
    if manifest.fingerprint != plan.fingerprint || manifest.circuit != plan.name {
        return Err(malformed(MANIFEST, "it names another circuit than the plan"));
    }
    if !manifest.targets.iter().eq(artifact.targets.keys()) {
        return Err(malformed(MANIFEST, "it lists other targets than there are sections"));
    }
    if let Some(code) = artifact.targets.get(CPU) {
        let section = format!("{TARGET}{CPU}");
        let kernels: Vec<Kernel> = decode(&section, code)?;
        if kernels != plan.kernels {
            return Err(malformed(&section, "its kernels are not the plan's"));
        }
    }
    Ok(())
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plans hold only numbers, strings and lists of known length")
}

fn decode<T: DeserializeOwned>(section: &str, bytes: &[u8]) -> Result<T, ArtifactError> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| malformed(section, error))?;
    if !rest.is_empty() {
        return Err(malformed(section, format!("{} bytes are left over", rest.len())));
    }
    Ok(value)
}

fn malformed(section: &str, reason: impl ToString) -> ArtifactError {
    ArtifactError::Malformed { section: section.to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use proptest::prelude::*;

    fn sample() -> Artifact {
        let options = BTreeMap::from([("T".to_string(), "4".to_string())]);
        let files = vec![SourceFile { name: "hmm.pc".into(), text: Some("circuit hmm {}".into()) }];
        Artifact::new(samples::hmm(4, 2, 3), options, files)
            .with_target("cuda:sm_90", vec![1, 2, 3])
            .with_source("stage", "void stage() {}".into())
    }

    /// A container with the sample's sections, one of them changed.
    fn rewritten(section: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Artifact, ArtifactError> {
        let file = write(&sample());
        let sections: Vec<(String, Vec<u8>)> = container::split(&file)
            .unwrap()
            .into_iter()
            .filter_map(|(name, bytes)| {
                let bytes = if name == section { change(bytes)? } else { bytes.to_vec() };
                Some((name, bytes))
            })
            .collect();
        read(&container::join(&sections))
    }

    #[test]
    fn what_is_written_is_read() {
        let file = write(&sample());
        let back = read(&file).unwrap();
        assert_eq!(back, sample());
        assert_eq!(write(&back), file);
        assert_eq!(back.manifest().targets, ["cpu", "cuda:sm_90"]);
    }

    #[test]
    fn a_missing_target_lists_those_there_are() {
        let error = sample().target("vulkan").unwrap_err().to_string();
        assert_eq!(
            error,
            "the artifact has no code for target `vulkan`; it has `cpu`, `cuda:sm_90`: compile it again with \
             `--target vulkan`"
        );
        assert!(sample().target("cuda:sm_90").is_ok());
    }

    #[test]
    fn unknown_sections_are_kept() {
        let mut artifact = sample();
        artifact.others.insert("notes".into(), b"mine".to_vec());
        assert_eq!(read(&write(&artifact)).unwrap(), artifact);
    }

    #[test]
    fn sections_must_be_there_and_agree() {
        let missing = rewritten("plan", |_| None).unwrap_err();
        assert_eq!(missing, ArtifactError::MissingSection { section: "plan" });
        let other = rewritten("plan", |_| Some(encode(&samples::hmm(5, 2, 3)))).unwrap_err();
        assert!(other.to_string().contains("another circuit"), "{other}");
        let longer = rewritten("plan", |bytes| Some([bytes, &[0]].concat())).unwrap_err();
        assert!(longer.to_string().contains("1 bytes are left over"), "{longer}");
        let kernels = rewritten("target:cpu", |_| Some(encode(&Vec::<Kernel>::new()))).unwrap_err();
        assert!(kernels.to_string().contains("are not the plan's"), "{kernels}");
        let target = rewritten("target:cuda:sm_90", |_| None).unwrap_err();
        assert!(target.to_string().contains("other targets"), "{target}");
    }

    #[test]
    fn an_invalid_plan_is_refused() {
        let mut plan = samples::hmm(4, 2, 3);
        plan.root = plan.rows;
        let error = rewritten("plan", |_| Some(encode(&plan))).unwrap_err();
        assert!(matches!(error, ArtifactError::Malformed { .. }), "{error}");
    }

    proptest! {
        #[test]
        fn damage_is_an_error(at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>()) {
            let file = write(&sample());
            let mut changed = file.clone();
            changed[at.index(file.len())] ^= flip;
            prop_assert!(read(&changed).is_err());
            prop_assert!(read(&file[..cut.index(file.len())]).is_err());
        }

        /// Damage that checksums do not show, as a hostile writer can make it, is an error or a valid plan, never a panic.
        #[test]
        fn hostile_plans_never_panic(at in any::<prop::sample::Index>(), value in any::<u8>(), random in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(artifact) = rewritten("plan", |bytes| {
                let mut bytes = bytes.to_vec();
                let at = at.index(bytes.len());
                bytes[at] = value;
                Some(bytes)
            }) {
                prop_assert!(crate::validate::validate(artifact.plan()).is_ok());
            }
            prop_assert!(rewritten("plan", |_| Some(random.clone())).is_err());
        }
    }
}
