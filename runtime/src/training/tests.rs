//! The loop as a whole, on a circuit that the host computes.

mod behavior;
mod checkpoints;
mod double;
mod resume;
