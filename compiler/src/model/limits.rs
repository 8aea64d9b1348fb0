//! How large things may be. Everything beyond is refused with the size it would have.

/// Most variables of a circuit.
pub(super) const VARIABLES: u64 = 1 << 24;
/// Most inputs and regions of a circuit, after unrolling.
pub(super) const INSTANCES: u64 = 1 << 20;
/// Most values of a domain, and the largest width.
pub(super) const WIDTH: u64 = 1 << 31;
/// Most units of a circuit.
pub(super) const UNITS: u64 = 1 << 31;
/// Most weights and table entries of a circuit.
pub(super) const WEIGHTS: u64 = 1 << 40;
/// Most memory for scopes, in bytes; only scattered scopes come near it.
pub(super) const SCOPES: u64 = 1 << 31;
/// Most axes of a variable or region.
pub(super) const AXES: usize = 16;
/// Most files of a program.
pub(super) const FILES: usize = 256;
