//! Hidden Markov models as the public code of the Monarch paper keeps them (Zhang et al., Scaling Probabilistic Circuits via
//! Monarch Matrices, ICML 2025): a folder with `config.json` and `model.safetensors`.
//!
//! | theirs | shape | ours | |
//! |---|---|---|---|
//! | `alpha_exp` | `[H, H]` | `transition` | linear, a row per output |
//! | `alpha_exp.weights_exp.N` | `[H/b, b, b]` | `transition.(N+1)` | linear; block, output, input |
//! | `beta` | `[H, V]` | `emission` | logarithms |
//! | `gamma_exp` | `[1, H]` | `initial` | linear |
//!
//! Their factors are applied last first, each to the vector seen as `[H/b, b]`, whose axes are swapped afterwards: our
//! convention. Numbers are kept bit for bit.

mod error;
mod export;
mod import;
mod source;
#[cfg(test)]
mod tests;

pub use error::HmmError;
pub use export::{export, source_of};
pub use import::{Imported, import};

/// A hidden Markov model's sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sizes {
    states: usize,
    values: usize,
    /// Sizes of the blocks of the transition's factors, the first most significant; none for a dense transition.
    factors: Vec<usize>,
}

impl Sizes {
    /// The tensors of the transition: their name, our name, shape.
    fn transition(&self, ours: &str) -> Vec<(String, String, Vec<usize>)> {
        if self.factors.is_empty() {
            return vec![("alpha_exp".to_string(), ours.to_string(), vec![self.states, self.states])];
        }
        let factor = |(idx, size): (usize, &usize)| {
            let shape = vec![self.states / size, *size, *size];
            (format!("alpha_exp.weights_exp.{idx}"), format!("{ours}.{}", idx + 1), shape)
        };
        self.factors.iter().enumerate().map(factor).collect()
    }
}
