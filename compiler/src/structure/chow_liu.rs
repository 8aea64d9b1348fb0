//! Trees from data: Chow and Liu, "Approximating discrete probability distributions with dependence trees", 1968; as
//! hidden trees, in which every variable hangs on a hidden one: Liu and Van den Broeck, "Tractable regularization of
//! probabilistic circuits", NeurIPS 2021.
//!
//! The edges of the tree are those with the largest sum of mutual information. Probabilities are relative frequencies with
//! one added to the count of every cell of the joint table; a row in which one of the two values is missing does not
//! count. The root is the variable in the middle of the longest path, unless another is asked for. Each region is the variable
//! itself times a sum over the region of each of its neighbors away from the root.
//!
//! # Design
//!
//! Pairs are independent, so they are counted on all cores, a block of variables against all later ones. Where a joint
//! table is small, each value of a variable is a set of rows in bits, and a count is the size of an intersection, many words at a time on machines
//! that can; else the rows are gone through, four tables in turns, so that a count need not wait for the one before it. Both give the same
//! counts, so the result does not depend on the machine.

use super::{Assembly, Part, Structure};
use multiversion::multiversion;
use petgraph::algo::min_spanning_tree;
use petgraph::data::Element;
use petgraph::graph::UnGraph;
use rayon::prelude::*;

/// The values of one variable in all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// How many different values there can be: at most [`MAX_BINS`].
    pub bins: usize,
    /// The value of each row; [`MISSING`] if there is none.
    pub values: Vec<u8>,
}

/// The most values of a column.
pub const MAX_BINS: usize = 255;

/// A missing value.
pub const MISSING: u8 = 255;

/// Joint tables with at most this many cells are counted by bits.
const FEW_CELLS: usize = 256;

/// Tables that rows are counted in, in turns.
const TABLES: usize = 4;

/// Variables whose rows are read again and again while those of all others pass by.
const BLOCK: usize = 8;

/// The structure of the tree over the variables of the columns, of which there is at least one. All columns have the
/// same number of rows; `root` is one of them.
pub fn chow_liu(columns: &[Column], root: Option<u32>) -> Structure {
    let neighbors = spanning_tree(columns);
    let root = root.map_or_else(|| center(&neighbors), |root| root as usize);
    hidden_tree(&neighbors, root)
}

/// The mutual information of each pair of variables in nats: for variable `i` those with `i + 1`, `i + 2`, ..
pub fn mutual_information(columns: &[Column]) -> Vec<Vec<f64>> {
    let prepared: Vec<Prepared<'_>> = columns.par_iter().map(Prepared::new).collect();
    let bins = columns.iter().map(|column| column.bins).max().unwrap_or(0);
    let rows = columns.first().map_or(0, |column| column.values.len());
    let products: Vec<f64> = (0..=rows + bins * bins).map(|n| n as f64 * (n.max(1) as f64).ln()).collect();
    let starts: Vec<usize> = (0..columns.len()).step_by(BLOCK).collect();
    let blocks: Vec<Vec<Vec<f64>>> = starts
        .into_par_iter()
        .map(|start| {
            let end = (start + BLOCK).min(columns.len());
            let mut found: Vec<Vec<f64>> = (start..end).map(|i| Vec::with_capacity(columns.len() - i - 1)).collect();
            let mut counts = Vec::new();
            for j in start + 1..columns.len() {
                for i in start..end.min(j) {
                    count(&prepared[i], &prepared[j], &mut counts);
                    found[i - start].push(information(&counts, &prepared[i], &prepared[j], &products));
                }
            }
            found
        })
        .collect();
    blocks.into_iter().flatten().collect()
}

/// A column, ready to be compared with many others.
struct Prepared<'c> {
    column: &'c Column,
    /// The rows of each value as bits, if there are few values.
    bits: Vec<Vec<u64>>,
    /// How often each value occurs, if none is missing.
    counts: Option<Vec<u32>>,
}

impl<'c> Prepared<'c> {
    fn new(column: &'c Column) -> Self {
        let observed = || column.values.iter().enumerate().filter(|(_, value)| **value != MISSING);
        let mut bits = Vec::new();
        if column.bins * column.bins <= FEW_CELLS {
            bits = vec![vec![0; column.values.len().div_ceil(64)]; column.bins];
            observed().for_each(|(row, value)| bits[usize::from(*value)][row / 64] |= 1 << (row % 64));
        }
        let mut counts = vec![0; column.bins];
        observed().for_each(|(_, value)| counts[usize::from(*value)] += 1);
        let is_complete = counts.iter().sum::<u32>() as usize == column.values.len();
        Prepared { column, bits, counts: is_complete.then_some(counts) }
    }
}

/// The joint table of two variables: the values of the second vary fastest.
fn count(a: &Prepared<'_>, b: &Prepared<'_>, counts: &mut Vec<u32>) {
    counts.clear();
    let (bins, cells) = (b.column.bins, a.column.bins * b.column.bins);
    if !a.bits.is_empty() && !b.bits.is_empty() {
        return count_bits(&a.bits, &b.bits, counts);
    }
    if a.counts.is_none() || b.counts.is_none() {
        counts.resize(cells, 0);
        let rows = a.column.values.iter().zip(&b.column.values);
        let complete = rows.filter(|(a, b)| **a != MISSING && **b != MISSING);
        return complete.for_each(|(a, b)| counts[usize::from(*a) * bins + usize::from(*b)] += 1);
    }
    counts.resize(cells * TABLES, 0);
    let (first, others) = counts.split_at_mut(cells);
    let mut tables = others.chunks_exact_mut(cells);
    let [second, third, fourth] = std::array::from_fn(|_| tables.next().expect("there are four tables"));
    let cell = |a: u8, b: u8| usize::from(a) * bins + usize::from(b);
    let (some_a, some_b) = (a.column.values.chunks_exact(TABLES), b.column.values.chunks_exact(TABLES));
    for (a, b) in some_a.remainder().iter().zip(some_b.remainder()) {
        first[cell(*a, *b)] += 1;
    }
    for (a, b) in some_a.zip(some_b) {
        first[cell(a[0], b[0])] += 1;
        second[cell(a[1], b[1])] += 1;
        third[cell(a[2], b[2])] += 1;
        fourth[cell(a[3], b[3])] += 1;
    }
    let others = second.iter().zip(&*third).zip(&*fourth);
    first.iter_mut().zip(others).for_each(|(sum, ((a, b), c))| *sum += a + b + c);
    counts.truncate(cells);
}

/// The sizes of the intersections of the rows of each two values.
#[multiversion(targets = "simd")]
fn count_bits(a: &[Vec<u64>], b: &[Vec<u64>], counts: &mut Vec<u32>) {
    for a in a {
        for b in b {
            // Sums as wide as the words, so that nothing moves between vectors of different kinds.
            let both: u64 = a.iter().zip(b).map(|(a, b)| u64::from((a & b).count_ones())).sum();
            counts.push(both as u32);
        }
    }
}

/// The mutual information of a joint table with one added to each cell: with `n` the sum of its cells `c`, and `r` and `s` the
/// sums of its rows and columns, `(sum of c ln c - sum of r ln r - sum of s ln s + n ln n) / n`. The numbers `k ln k` are given.
fn information(counts: &[u32], a: &Prepared<'_>, b: &Prepared<'_>, products: &[f64]) -> f64 {
    let product = |count: u32| products[count as usize];
    let (rows, columns) = (a.column.bins as u32, b.column.bins as u32);
    // Several sums at once: one after the other would wait for each addition.
    let mut cells = [0.0; 8];
    for some in counts.chunks(cells.len()) {
        cells.iter_mut().zip(some).for_each(|(sum, count)| *sum += product(count + 1));
    }
    let cells: f64 = cells.iter().sum();
    if let (Some(of_a), Some(of_b)) = (&a.counts, &b.counts) {
        let first: f64 = of_a.iter().map(|count| product(count + columns)).sum();
        let second: f64 = of_b.iter().map(|count| product(count + rows)).sum();
        let total = a.column.values.len() as u32 + rows * columns;
        return (cells - first - second + product(total)) / f64::from(total);
    }
    let width = columns as usize;
    let of_row = |row: usize| counts[row * width..][..width].iter().sum::<u32>();
    let of_column = |column: usize| counts[column..].iter().step_by(width).sum::<u32>();
    let first: f64 = (0..rows as usize).map(|row| product(of_row(row) + columns)).sum();
    let second: f64 = (0..width).map(|column| product(of_column(column) + rows)).sum();
    let total = counts.iter().sum::<u32>() + rows * columns;
    (cells - first - second + product(total)) / f64::from(total)
}

/// Two variables and how near they are: less is nearer. Of equals the first pair is, so that there is one tree only.
type Edge = (u32, u32, (f64, u32, u32));

/// The neighbors of each variable in the tree with the most mutual information, in order. What is in no forest of some of the edges is not in
/// the tree: so forests of a few edges each are made on all cores, and put together two by two.
fn spanning_tree(columns: &[Column]) -> Vec<Vec<usize>> {
    let information = mutual_information(columns);
    let edges = |i: usize| {
        let far = move |(offset, information): (usize, &f64)| {
            let (first, second) = (i as u32, (i + 1 + offset) as u32);
            (first, second, (-information, first, second))
        };
        information[i].iter().enumerate().map(far)
    };
    let starts: Vec<usize> = (0..columns.len()).step_by(BLOCK).collect();
    let blocks = starts.into_par_iter().map(|start| {
        let end = (start + BLOCK).min(columns.len());
        forest((start..end).flat_map(edges).collect())
    });
    let tree = blocks.reduce(Vec::new, |a, b| forest([a, b].concat()));
    let mut neighbors = vec![Vec::new(); columns.len()];
    for (first, second, _) in tree {
        neighbors[first as usize].push(second as usize);
        neighbors[second as usize].push(first as usize);
    }
    neighbors.iter_mut().for_each(|list: &mut Vec<usize>| list.sort_unstable());
    neighbors
}

/// Those of the edges that hold together what they connect, by way of the nearest.
fn forest(edges: Vec<Edge>) -> Vec<Edge> {
    let graph = UnGraph::<(), (f64, u32, u32)>::from_edges(edges);
    let kept = min_spanning_tree(&graph).filter_map(|element| match element {
        Element::Edge { source, target, weight } => Some((source as u32, target as u32, weight)),
        Element::Node { .. } => None,
    });
    kept.collect()
}

/// The variable in the middle of the longest path; of two the one with the smaller number.
fn center(neighbors: &[Vec<usize>]) -> usize {
    let (order, _) = walk(neighbors, 0);
    let end = *order.last().expect("there is a variable");
    let (order, parents) = walk(neighbors, end);
    let mut path = vec![*order.last().expect("there is a variable")];
    while let Some(parent) = parents[path[path.len() - 1]] {
        path.push(parent);
    }
    let middle = path.len() / 2;
    if path.len() % 2 == 1 { path[middle] } else { path[middle].min(path[middle - 1]) }
}

/// All variables, nearest to `root` first, and what each was reached from.
fn walk(neighbors: &[Vec<usize>], root: usize) -> (Vec<usize>, Vec<Option<usize>>) {
    let mut parents = vec![None; neighbors.len()];
    let mut order = vec![root];
    let mut next = 0;
    while next < order.len() {
        let variable = order[next];
        next += 1;
        let parent = parents[variable];
        for neighbor in neighbors[variable].iter().filter(|neighbor| Some(**neighbor) != parent) {
            parents[*neighbor] = Some(variable);
            order.push(*neighbor);
        }
    }
    (order, parents)
}

fn hidden_tree(neighbors: &[Vec<usize>], root: usize) -> Structure {
    let (order, parents) = walk(neighbors, root);
    let mut assembly = Assembly::default();
    let mut regions = vec![0; neighbors.len()];
    for variable in order.into_iter().rev() {
        let leaf = assembly.leaf(vec![variable as u32]);
        let children = neighbors[variable].iter().filter(|neighbor| Some(**neighbor) != parents[variable]);
        let mut parts = vec![Part::direct(leaf)];
        parts.extend(children.map(|child| Part::mixed(regions[*child])));
        regions[variable] = if parts.len() == 1 { leaf } else { assembly.split(vec![parts]) };
    }
    assembly.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structure::Content;
    use proptest::prelude::*;

    fn column(bins: usize, values: &[u8]) -> Column {
        Column { bins, values: values.to_vec() }
    }

    /// The definition, from probabilities.
    fn by_definition(a: &Column, b: &Column) -> f64 {
        let cell = |i: usize, j: usize| {
            let rows = a.values.iter().zip(&b.values);
            1.0 + rows.filter(|(a, b)| (usize::from(**a), usize::from(**b)) == (i, j)).count() as f64
        };
        let total: f64 = (0..a.bins).flat_map(|i| (0..b.bins).map(move |j| (i, j))).map(|(i, j)| cell(i, j)).sum();
        let mut sum = 0.0;
        for i in 0..a.bins {
            for j in 0..b.bins {
                let first: f64 = (0..b.bins).map(|j| cell(i, j)).sum::<f64>() / total;
                let second: f64 = (0..a.bins).map(|i| cell(i, j)).sum::<f64>() / total;
                sum += cell(i, j) / total * (cell(i, j) / total / (first * second)).ln();
            }
        }
        sum
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn information_is_that_of_the_definition(
            sizes in proptest::collection::vec(2_usize..40, 1..12),
            rows in 0_usize..100,
            seed in any::<u64>(),
        ) {
            let columns: Vec<Column> = sizes.iter().enumerate().map(|(v, bins)| {
                let value = |row: usize| {
                    let mixed = (seed ^ (row * 31 + v) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                    if mixed.is_multiple_of(7) { MISSING } else { (mixed % *bins as u64) as u8 }
                };
                Column { bins: *bins, values: (0..rows).map(value).collect() }
            }).collect();
            let found = mutual_information(&columns);
            for i in 0..columns.len() {
                prop_assert_eq!(found[i].len(), columns.len() - i - 1);
                for j in i + 1..columns.len() {
                    let expected = by_definition(&columns[i], &columns[j]);
                    prop_assert!((found[i][j - i - 1] - expected).abs() < 1e-11, "{i} {j}");
                }
            }
        }
    }

    /// Each variable is a noisy copy of the one before it; they stand in another order.
    fn noisy_path() -> Vec<Column> {
        let order = [3_usize, 0, 4, 1, 2];
        let mut columns = vec![column(2, &[]); 5];
        let mut state = 1_u64;
        for _ in 0..2000 {
            let mut value = 0;
            for (position, variable) in order.iter().enumerate() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let draw = (state >> 40) % 100;
                value = if position == 0 { (draw % 2) as u8 } else { value ^ u8::from(draw < 10) };
                columns[*variable].values.push(value);
            }
        }
        columns
    }

    #[test]
    fn the_tree_is_found_and_rooted_in_its_middle() {
        let columns = noisy_path();
        assert_eq!(spanning_tree(&columns), [vec![3, 4], vec![2, 4], vec![1], vec![0], vec![0, 1]]);
        assert_eq!(center(&spanning_tree(&columns)), 4);
        let structure = chow_liu(&columns, None);
        let last = structure.regions.last().expect("there is a region");
        let Content::Partitions(partitions) = &last.content else { panic!("five variables are no leaf") };
        assert_eq!(partitions[0].iter().map(|part| part.is_direct).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(structure.regions.iter().map(|region| region.depth).max(), Some(2));
        let from_end = chow_liu(&columns, Some(3));
        assert_eq!(from_end.regions.iter().map(|region| region.depth).max(), Some(4));
    }

    #[test]
    fn one_and_two_variables_are_trees() {
        assert_eq!(chow_liu(&[column(2, &[0, 1])], None).regions.len(), 1);
        assert_eq!(chow_liu(&[column(2, &[0, 1]), column(3, &[2, MISSING])], None).regions.len(), 3);
    }
}
