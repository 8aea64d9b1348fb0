//! Trees over variables in their order.

use super::{Assembly, Part, Structure};

/// A hidden Markov chain over `count` variables: region `t` is variable `t` times a sum over region `t + 1`.
pub fn chain(count: u32) -> Structure {
    suffixes(count, Part::direct)
}

/// Each variable split from all that follow it; sums are made over both parts.
pub fn linear(count: u32) -> Structure {
    suffixes(count, Part::mixed)
}

fn suffixes(count: u32, own: impl Fn(u32) -> Part) -> Structure {
    let mut assembly = Assembly::default();
    let mut rest = assembly.leaf(vec![count - 1]);
    for variable in (0..count - 1).rev() {
        let leaf = assembly.leaf(vec![variable]);
        rest = assembly.split(vec![vec![own(leaf), Part::mixed(rest)]]);
    }
    assembly.finish()
}

/// The variables cut in halves, again and again; of an odd number the first half has one more.
pub fn balanced(count: u32) -> Structure {
    let mut assembly = Assembly::default();
    let variables: Vec<u32> = (0..count).collect();
    halves(&mut assembly, &variables, u32::MAX);
    assembly.finish()
}

/// Cuts `variables` in halves `depth` times, or until one is left; gives the region of them all.
pub(super) fn halves(assembly: &mut Assembly, variables: &[u32], depth: u32) -> u32 {
    match split(variables, depth) {
        None => assembly.leaf(variables.to_vec()),
        Some((first, second)) => {
            let parts = [first, second].map(|half| Part::mixed(halves(assembly, half, depth - 1)));
            assembly.split(vec![parts.to_vec()])
        }
    }
}

/// The two halves of `variables`, if they are cut.
pub(super) fn split(variables: &[u32], depth: u32) -> Option<(&[u32], &[u32])> {
    (variables.len() > 1 && depth > 0).then(|| variables.split_at(variables.len().div_ceil(2)))
}
