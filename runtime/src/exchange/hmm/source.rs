//! The program of a hidden Markov model.

use super::Sizes;

/// The names that a program uses.
pub(super) struct Names<'a> {
    pub(super) circuit: &'a str,
    pub(super) variable: &'a str,
    pub(super) emission: &'a str,
    pub(super) transition: &'a str,
    pub(super) initial: &'a str,
}

/// The text of a `.pc` file.
pub(super) fn source(sizes: &Sizes, length: usize, names: &Names<'_>) -> String {
    let Sizes { states, values, factors } = sizes;
    let Names { circuit, variable: x, emission, transition, initial } = names;
    let kind = match factors.as_slice() {
        [] => "dense".to_string(),
        factors => format!("monarch({})", factors.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    // The names of regions must differ from the variable's.
    let (emit, z) = (free("emit", x), free("z", x));
    format!(
        "/// A hidden Markov model over T tokens of {values} kinds with {states} states.\n\
         circuit {circuit}(T = {length}) {{\n    \
             var {x}[T]: categorical({values})\n\n    \
             input {emit}[t in 0..T] = categorical({x}[t]) width {states} tie {emission}\n\n    \
             region {z}[T-1] = {emit}[T-1]\n    \
             region {z}[t in 0..T-1 reversed] = {emit}[t] * sum({z}[t+1]) width {states} {kind} tie {transition}\n\n    \
             root sum({z}[0]) tie {initial}\n\
         }}\n"
    )
}

fn free(name: &str, taken: &str) -> String {
    if name == taken { format!("{name}_") } else { name.to_string() }
}
