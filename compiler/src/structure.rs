//! Region graphs from builders: how variables are split, before anything is said about units and layers.
//!
//! A [`Structure`] is a list of regions, children before parents; the last one is the region of all variables. A
//! region is a leaf, about one or several variables, or it has one or several partitions into regions about
//! disjoint sets of variables that together are those of the region. So what is built from a structure is smooth and
//! decomposable.
//!
//! The builders: [`trees`] (chains, linear and balanced trees), [`random`] (RAT), [`grids`] (quad trees and graphs),
//! [`poon_domingos`], [`chow_liu`] (from data). They depend on numbers, seeds and data alone: equal arguments give equal
//! structures on every machine.

pub mod chow_liu;
pub mod grids;
pub mod poon_domingos;
pub mod random;
#[cfg(test)]
mod tests;
pub mod trees;

/// A region graph without units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// Children before parents; the last is about all variables.
    pub regions: Vec<Region>,
}

impl Structure {
    /// How many variables all leaves have together: each counts for every leaf it occurs in.
    pub fn input_count(&self) -> usize {
        let count = |region: &Region| match &region.content {
            Content::Leaf(variables) => variables.len(),
            Content::Partitions(_) => 0,
        };
        self.regions.iter().map(count).sum()
    }
}

/// A set of variables, and how it is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The length of the longest path from the region of all variables, which has depth 0.
    pub depth: u32,
    /// How it is split.
    pub content: Content,
}

/// What a region consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Independent variables, one or more.
    Leaf(Vec<u32>),
    /// Ways to split it, one or more, each into two or more parts.
    Partitions(Vec<Vec<Part>>),
}

/// A region as part of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Position in [`Structure::regions`].
    pub region: u32,
    /// Whether its units are those of the larger region already, as the emissions of a hidden variable are: then no
    /// sum stands between the two.
    pub is_direct: bool,
}

impl Part {
    /// A part that sums are made over.
    pub fn mixed(region: u32) -> Part {
        Part { region, is_direct: false }
    }

    /// A part whose units are those of the larger region.
    pub fn direct(region: u32) -> Part {
        Part { region, is_direct: true }
    }
}

/// A structure on its way.
#[derive(Default)]
pub(crate) struct Assembly {
    regions: Vec<Region>,
}

impl Assembly {
    /// Adds a leaf about these variables.
    pub fn leaf(&mut self, variables: Vec<u32>) -> u32 {
        self.add(Content::Leaf(variables))
    }

    /// Adds a region with these partitions.
    pub fn split(&mut self, partitions: Vec<Vec<Part>>) -> u32 {
        self.add(Content::Partitions(partitions))
    }

    fn add(&mut self, content: Content) -> u32 {
        self.regions.push(Region { depth: 0, content });
        self.regions.len() as u32 - 1
    }

    /// The structure whose region of all variables was added last.
    pub fn finish(mut self) -> Structure {
        for position in (0..self.regions.len()).rev() {
            let (children, rest) = self.regions.split_at_mut(position);
            let Content::Partitions(partitions) = &rest[0].content else { continue };
            for part in partitions.iter().flatten() {
                let child = &mut children[part.region as usize];
                child.depth = child.depth.max(rest[0].depth + 1);
            }
        }
        Structure { regions: self.regions }
    }
}
