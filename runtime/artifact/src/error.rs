//! What can be wrong with a `.pcb` file. Messages speak about "the file"; whoever opened it puts its name in front.

use thiserror::Error;

/// Why bytes are not a usable artifact.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArtifactError {
    /// The magic number is missing.
    #[error("not a .pcb artifact: the file {looks}; make one with `danaus compile MODEL.pc -o MODEL.pcb`")]
    Foreign {
        /// What it looks like: "is empty", "looks like a ZIP archive".
        looks: &'static str,
    },
    /// The file ends early.
    #[error(
        "the artifact is truncated: expected at least {expected} bytes, found {found}; copy it again or compile it again"
    )]
    Truncated {
        /// Bytes that its header promises.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The file goes on after its end.
    #[error("the artifact has {extra} bytes after its end; copy it again or compile it again")]
    Trailing {
        /// How many.
        extra: u64,
    },
    /// The header, or its checksum, was changed.
    #[error("the artifact's header is damaged: {what}; copy it again or compile it again")]
    DamagedHeader {
        /// What is wrong with it.
        what: String,
    },
    /// A section's bytes do not have the checksum of the table.
    #[error("section `{section}` of the artifact is damaged: its checksum differs; copy it again or compile it again")]
    DamagedSection {
        /// Its name.
        section: String,
    },
    /// A section is intact but does not hold what it should.
    #[error("section `{section}` of the artifact does not make sense: {reason}; compile it again")]
    Malformed {
        /// Its name.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// A section that every artifact has is not there.
    #[error("the artifact has no section `{section}`; compile it again")]
    MissingSection {
        /// Its name.
        section: &'static str,
    },
    /// Written by a later version.
    #[error(
        "the artifact has format version {found}, this program reads version {supported}: \
         update Danaus, or compile the circuit again with this version"
    )]
    Newer {
        /// Its version.
        found: u32,
        /// The version of this program.
        supported: u32,
    },
    /// Written by an earlier version.
    #[error(
        "the artifact has format version {found}, which is no longer read (this program reads version {supported}): \
         compile the circuit again"
    )]
    Older {
        /// Its version.
        found: u32,
        /// The version of this program.
        supported: u32,
    },
    /// There is no code for the device.
    #[error(
        "the artifact has no code for target `{target}`; it has {}: compile it again with `--target {target}`",
        list(.available)
    )]
    MissingTarget {
        /// The wanted target.
        target: String,
        /// The targets that are there.
        available: Vec<String>,
    },
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_string(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}
