//! Device code for GPUs, made ahead of time: what stands in the section `target:cuda:sm_XX` of an artifact.
//!
//! # Design
//!
//! A [`GpuCode`] has a [`GpuKernel`] for every kernel of the plan and for what happens between launches ([`Role`]). A runtime needs
//! no more than a driver to use it: the manifest says how many cubes to launch, which buffers and numbers to hand over, and
//! how much shared memory to ask for.
//!
//! **Layout.** Samples are grouped in vectors of [`GpuCode::lanes`]; a row of the arena has a multiple of
//! [`GpuCode::samples`] of them. All else is as the plan says.
//!
//! **Arguments** of a kernel are a pointer for each buffer, then one block by value ([`GpuKernel::block`]): the scalars, 4 bytes each,
//! padded to 8, then the length of each buffer in its elements, 4 bytes each, padded to 8.

use crate::error::ArtifactError;
use crate::file::Artifact;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// What names of targets for GPUs of NVIDIA begin with.
pub const CUDA: &str = "cuda:";
/// The target that any GPU of compute capability 8.0 or more can use, by the compiler in its driver.
pub const PTX: &str = "cuda:ptx";

/// All code for one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuCode {
    /// The architecture, `sm_90`; for PTX the oldest that can use it.
    pub architecture: String,
    /// What the images are.
    pub format: Format,
    /// What sums with many outputs multiply.
    pub precision: Precision,
    /// Samples in a vector.
    pub lanes: u32,
    /// The samples in a row of the arena are a multiple of it.
    pub samples: u32,
    /// The kernels.
    pub kernels: Vec<GpuKernel>,
}

/// What tensor cores multiply; sums are single precision always.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// Single precision: no tensor cores.
    #[default]
    F32,
    /// Single precision with 11 bits of significand, in 4 bytes.
    Tf32,
    /// 8 bits of significand, in 2 bytes.
    Bf16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Tf32, Precision::Bf16];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    /// Bytes of a number.
    pub fn bytes(self) -> u64 {
        match self {
            Precision::F32 | Precision::Tf32 => 4,
            Precision::Bf16 => 2,
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Precision, String> {
        let found = Precision::ALL.into_iter().find(|precision| precision.name() == text);
        found.ok_or_else(|| "expected f32, tf32 or bf16".to_string())
    }
}

/// The form of the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Machine code for one architecture.
    Cubin,
    /// Text that the driver compiles.
    Ptx,
}

/// A kernel with its code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GpuKernel {
    /// What it does.
    pub role: Role,
    /// The name of its entry point.
    pub entry: String,
    /// Units of a cube: threads of a block.
    pub units: u32,
    /// How many cubes a launch has.
    pub grid: Grid,
    /// Bytes of shared memory that a launch asks for.
    pub shared_bytes: u32,
    /// The buffers it is handed.
    pub buffers: Vec<Buffer>,
    /// The numbers it is handed.
    pub scalars: Vec<Scalar>,
    /// What it multiplies.
    pub precision: Precision,
    /// What the assembler said it uses; nothing is known of PTX.
    pub resources: Option<Resources>,
    /// The code; PTX ends with a zero byte.
    pub image: Vec<u8>,
}

/// What a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// A kernel of the plan, by its index.
    Layer(u32),
    /// The root's values in double precision.
    Result,
    /// The same, with the offsets added.
    ResultWithOffsets,
    /// A kernel of the flow plan, by its index: a layer, or the flows of the operands of one.
    Flow(u32),
    /// The counts that go with a kernel of the flow plan.
    Counts(u32),
    /// The flow of the root.
    Seed,
    /// Copies a carry, or rescales it where it is: see [`Loop::rescale`](crate::plan::Loop::rescale).
    Carry {
        /// Whether its maximum is taken out.
        rescales: bool,
        /// Whether the maximum is added to the offsets.
        wanted: bool,
    },
    /// Copies the last carry of a loop to its result, or leaves it where it is.
    Leave {
        /// Whether the offsets are added to it.
        with_offsets: bool,
    },
}

/// How many cubes a launch of `items` members, or groups of members, has: `items * per_item`, times the tiles of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    /// Cubes for each member and tile of samples.
    pub per_item: u32,
    /// Vectors in a tile of samples; 0 if a cube looks at all samples.
    pub vectors: u32,
}

/// A buffer of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buffer {
    /// Values, single precision, in vectors.
    Arena,
    /// Packed parameters, single precision.
    Packed,
    /// Weights in the precision of the code: see [`matrices`](crate::pack::matrices).
    Matrices,
    /// Records, 32-bit words.
    Tables,
    /// Indices of observed values, 32-bit words.
    Evidence,
    /// What was taken out of each sample's carry, double precision, in vectors.
    Offsets,
    /// Log-likelihoods, double precision, in vectors.
    Result,
    /// Counts of parameters, single precision.
    Counts,
    /// The weight of each sample, single precision, in vectors.
    Weights,
}

/// A number that a launch hands over, unsigned, 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scalar {
    /// Where the launch's records start in the tables.
    Table,
    /// Members that are computed.
    Members,
    /// The iteration of the loop; 0 outside.
    Iteration,
    /// Vectors of samples in a row of the arena.
    Vectors,
    /// First row of the carry, or row of the root.
    Row,
    /// Rows of the carry.
    Width,
    /// First row that is written.
    Target,
}

/// What a kernel uses, by each unit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// Registers.
    pub registers: u32,
    /// Bytes written to memory for want of registers.
    pub spill_stores: u32,
    /// Bytes read back.
    pub spill_loads: u32,
}

/// All code for GPUs in an artifact, by target.
pub fn codes(artifact: &Artifact) -> Result<Vec<(String, GpuCode)>, ArtifactError> {
    let named = artifact.targets().iter().filter(|(name, _)| name.starts_with(CUDA));
    named.map(|(name, code)| Ok((name.clone(), GpuCode::decode(name, code)?))).collect()
}

impl Grid {
    /// Cubes of a launch, for rows of so many vectors.
    pub fn cubes(self, items: u64, vectors: u64) -> u64 {
        let tiles = if self.vectors == 0 { 1 } else { vectors / u64::from(self.vectors) };
        items * u64::from(self.per_item) * tiles
    }
}

impl GpuKernel {
    /// The block of arguments: `lengths` counts the elements of each buffer.
    ///
    /// # Panics
    /// If there are not as many numbers as the kernel is handed.
    pub fn block(&self, scalars: &[u32], lengths: &[u32]) -> Vec<u8> {
        assert_eq!((scalars.len(), lengths.len()), (self.scalars.len(), self.buffers.len()));
        let mut block = Vec::with_capacity(4 * (scalars.len() + lengths.len()) + 8);
        for part in [scalars, lengths] {
            block.extend(part.iter().flat_map(|number| number.to_le_bytes()));
            block.resize(block.len().next_multiple_of(8), 0);
        }
        block
    }
}

impl GpuCode {
    /// The bytes of the section. Equal code gives equal bytes.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("code holds only numbers, strings and lists of known length")
    }

    /// Reads a section; `target` is its name for messages. A kernel that could not be launched is an error.
    pub fn decode(target: &str, bytes: &[u8]) -> Result<GpuCode, ArtifactError> {
        let malformed = |reason: String| ArtifactError::Malformed { section: format!("target:{target}"), reason };
        let (code, rest): (GpuCode, _) =
            postcard::take_from_bytes(bytes).map_err(|error| malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(malformed(format!("{} bytes are left over", rest.len())));
        }
        code.check().map_err(malformed)?;
        Ok(code)
    }

    fn check(&self) -> Result<(), String> {
        if self.lanes == 0 || self.samples == 0 || !self.samples.is_multiple_of(self.lanes) {
            return Err(format!("rows of {} samples cannot have vectors of {}", self.samples, self.lanes));
        }
        for kernel in &self.kernels {
            let name = &kernel.entry;
            let tile = kernel.grid.vectors;
            if tile > 0 && !(self.samples / self.lanes).is_multiple_of(tile) || kernel.grid.per_item == 0 {
                return Err(format!("kernel `{name}` has tiles of {tile} vectors"));
            }
            if kernel.units == 0 || kernel.units > 1024 || kernel.image.is_empty() || name.contains('\0') {
                return Err(format!("kernel `{name}` cannot be launched"));
            }
            if self.format == Format::Ptx && kernel.image.last() != Some(&0) {
                return Err(format!("the text of kernel `{name}` does not end"));
            }
        }
        let ordered = self.kernels.windows(2).all(|pair| pair[0].role < pair[1].role);
        if ordered { Ok(()) } else { Err("its kernels are not in order".to_string()) }
    }

    /// The kernel for a role.
    pub fn kernel(&self, role: Role) -> Option<&GpuKernel> {
        self.kernels.binary_search_by_key(&role, |kernel| kernel.role).ok().map(|index| &self.kernels[index])
    }
}
