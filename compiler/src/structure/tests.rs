//! Tests of structures: what holds for all of them, and their sizes.

use super::grids::{Cut, Image, quad};
use super::poon_domingos::{poon_domingos, size};
use super::random::random;
use super::trees::{balanced, chain, linear};
use super::*;
use std::collections::BTreeSet;

/// The variables of every region. Every region but the last is a part of another, parts are disjoint, and all
/// partitions of a region have the same variables.
fn scopes(structure: &Structure) -> Vec<BTreeSet<u32>> {
    let mut scopes: Vec<BTreeSet<u32>> = Vec::new();
    let mut used = vec![false; structure.regions.len()];
    for (position, region) in structure.regions.iter().enumerate() {
        let scope = match &region.content {
            Content::Leaf(variables) => {
                let scope: BTreeSet<u32> = variables.iter().copied().collect();
                assert!(scope.len() == variables.len() && !scope.is_empty());
                scope
            }
            Content::Partitions(partitions) => {
                let mut all = partitions.iter().map(|parts| {
                    assert!(parts.len() > 1);
                    let mut scope = BTreeSet::new();
                    for part in parts {
                        assert!((part.region as usize) < position);
                        used[part.region as usize] = true;
                        assert!(structure.regions[part.region as usize].depth > region.depth);
                        assert!(scopes[part.region as usize].iter().all(|variable| scope.insert(*variable)));
                    }
                    scope
                });
                let first = all.next().expect("a region that is no leaf has a partition");
                assert!(all.all(|scope| scope == first));
                first
            }
        };
        scopes.push(scope);
    }
    used.pop();
    assert!(used.iter().all(|used| *used));
    scopes
}

fn check(structure: &Structure, variables: u32, regions: usize, partitions: usize) {
    assert!(scopes(structure).last().expect("there is a region").iter().copied().eq(0..variables));
    let count = structure.regions.iter().map(|region| match &region.content {
        Content::Leaf(_) => 0,
        Content::Partitions(partitions) => partitions.len(),
    });
    assert_eq!((structure.regions.len(), count.sum::<usize>()), (regions, partitions));
}

#[test]
fn trees_split_all_variables() {
    for count in 1..40 {
        let (regions, partitions) = (2 * count as usize - 1, count as usize - 1);
        for structure in [chain(count), linear(count), balanced(count)] {
            check(&structure, count, regions, partitions);
        }
    }
    assert_eq!(chain(5).regions[0].depth, 4);
    assert_eq!(balanced(5).regions.iter().map(|region| region.depth).max(), Some(3));
}

#[test]
fn random_trees_have_the_depth_and_repetitions_asked_for() {
    check(&random(16, 2, 3, 1), 16, 3 * 6 + 1, 3 * 2 + 3);
    check(&random(7, 9, 2, 1), 7, 2 * 12 + 1, 2 * 5 + 2);
    check(&random(1, 3, 4, 0), 1, 1, 0);
    assert_eq!(random(16, 2, 3, 1), random(16, 2, 3, 1));
    assert_ne!(random(16, 2, 3, 1), random(16, 2, 3, 2));
    let Content::Leaf(first) = &random(8, 1, 1, 7).regions[0].content else { panic!("the first region is a leaf") };
    assert_eq!(first, &RANDOM_HALF);
}

/// Fixed: a change of these bits changes everybody's circuits.
const RANDOM_HALF: [u32; 4] = [0, 3, 1, 2];

#[test]
fn squares_are_cut() {
    let image = |rows, columns, channels| Image { rows, columns, channels, is_planar: false };
    check(&quad(image(2, 2, 3), Cut::Quarters), 12, 5, 1);
    check(&quad(image(2, 2, 1), Cut::Halves), 4, 7, 3);
    check(&quad(image(2, 2, 1), Cut::BothHalves), 4, 9, 6);
    check(&quad(image(2, 2, 1), Cut::BothHalvesAndQuarters), 4, 9, 7);
    check(&quad(image(4, 4, 1), Cut::Quarters), 16, 21, 5);
    check(&quad(image(3, 3, 1), Cut::Quarters), 9, 9 + 1 + 2 + 1, 4);
    check(&quad(image(1, 5, 2), Cut::BothHalves), 10, 9, 4);
    check(&quad(image(28, 28, 1), Cut::BothHalves), 784, 784 + 259 * 5 + 6, 259 * 6 + 6);
    check(&quad(image(1, 1, 1), Cut::BothHalves), 1, 1, 0);
}

#[test]
fn all_rectangles_are_regions() {
    for (rows, columns, delta) in [(1, 1, 1), (2, 2, 1), (3, 4, 1), (7, 5, 2), (28, 28, 4)] {
        let image = Image { rows, columns, channels: 1, is_planar: false };
        let (partitions, regions) = size(image, delta);
        check(&poon_domingos(image, delta), rows * columns, regions as usize, partitions as usize);
    }
    assert_eq!(size(Image { rows: 28, columns: 28, channels: 1, is_planar: false }, 4), (3136, 784));
}
