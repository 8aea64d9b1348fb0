//! Random region trees.

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// How a set of variables is split, down to single ones.
#[derive(Clone, Debug)]
pub enum Tree {
    Leaf(u32),
    Split(Vec<Tree>),
}

/// A random tree over a set of variables: two or three parts at each split.
pub fn random_tree(rng: &mut ChaCha8Rng, scope: &[u32]) -> Tree {
    if let [variable] = scope {
        return Tree::Leaf(*variable);
    }
    let mut scope = scope.to_vec();
    scope.shuffle(rng);
    let parts = if scope.len() >= 3 && rng.random_range(0..4) == 0 { 3 } else { 2 };
    let mut cuts: Vec<usize> = (1..scope.len()).collect();
    cuts.shuffle(rng);
    cuts.truncate(parts - 1);
    cuts.sort();
    let mut bounds = vec![0];
    bounds.extend(cuts);
    bounds.push(scope.len());
    Tree::Split(bounds.windows(2).map(|pair| random_tree(rng, &scope[pair[0]..pair[1]])).collect())
}

impl Tree {
    /// Its variables.
    pub fn scope(&self) -> Vec<u32> {
        match self {
            Tree::Leaf(variable) => vec![*variable],
            Tree::Split(parts) => parts.iter().flat_map(Tree::scope).collect(),
        }
    }
}
