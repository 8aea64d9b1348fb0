//! Checkpoints of other programs: read into files of ours, and written from them.

pub mod hmm;
pub mod psdd;
pub mod spn;
