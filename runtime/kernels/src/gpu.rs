//! Kernels for GPUs: the same layers with schedules of their own, compiled ahead of time.
//!
//! # Design
//!
//! **Layout.** As on processors the arena is `[row][batch]`. A vector has [`LANES`] samples, so that a unit reads 16 bytes at once
//! and neighboring units read neighboring samples; a row has whole tiles of [`SAMPLES`] samples.
//!
//! **Work.** A cube computes some units of one member for one tile of samples ([`spot`]). Within a cube, unit `q` has vector
//! `q % vectors` of the tile and, of the rows, group `q / vectors`.
//!
//! **Sums** ([`stage`], [`narrow`]) find the maximum of their inputs sample by sample together, through shared memory, and then
//! multiply: [`stage`] brings slabs of exponentials and weights to shared memory and keeps tiles of sums in registers, [`narrow`] shares
//! the inputs of few outputs among all units and adds up what each has. What underflows is computed [again](crate::stage::exact()).
//!
//! **Tensor cores** ([`tensor`], [`tensor_sums`], [`tensor_flows`], [`tensor_counts`]) multiply where the code is not for single precision: the same
//! schedules with operands of fewer bits. [`choice`] predicts how long each size of tile takes and picks one.
//!
//! Reading order: [`spot`], [`layers`] (what needs no sums), [`maximum`], [`stage`], [`narrow`], [`offsets`] (between iterations); for training [`flow_layers`], [`flow_sums`], [`count_tile`] (what all kernels of
//! counts do first) and [`flow_counts`];
//! [`schedule`] (sizes), [`kernel`] (the list of all), [`mod@compile`] (to PTX), [`mod@assemble`] (to machine code), [`emulate`] (for tests).
//!
//! **Invariant.** Every unit of a cube meets every barrier, and no two units write the same number.

pub mod assemble;
pub mod choice;
pub mod compile;
pub mod count_tile;
pub mod emulate;
pub mod flow_counts;
pub mod flow_layers;
pub mod flow_sums;
pub mod kernel;
pub mod layers;
pub mod maximum;
pub mod narrow;
pub mod offsets;
pub mod schedule;
pub mod spot;
pub mod stage;
pub mod tensor;
pub mod tensor_counts;
pub mod tensor_flows;
pub mod tensor_sums;

pub use assemble::{Assembler, assemble};
pub use choice::TensorSizes;
pub use compile::compile;
pub use emulate::Emulator;
pub use kernel::DeviceKernel;
pub use schedule::{LANES, SAMPLES, Sizes};
