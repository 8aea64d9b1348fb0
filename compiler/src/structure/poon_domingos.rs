//! The structure of Poon and Domingos, "Sum-Product Networks: A New Deep Architecture", UAI 2011.
//!
//! The image is divided into cells of `delta` by `delta` pixels, smaller at the lower and right border. Every rectangle of
//! cells is a region; its partitions are all ways to cut it in two between cells. A cell is a leaf.

use super::grids::Image;
use super::{Assembly, Part, Structure};

/// How many partitions the structure of an image has, and how many regions.
pub fn size(image: Image, delta: u32) -> (u64, u64) {
    let (rows, columns) = cells(image, delta);
    let rectangles = |n: u64| n * (n + 1) / 2;
    // All cuts of all intervals of n cells: the sum over lengths l of (n - l + 1) (l - 1).
    let cuts = |n: u64| (n * n * n - n) / 6;
    let (rows, columns) = (u64::from(rows), u64::from(columns));
    let partitions = cuts(rows).saturating_mul(rectangles(columns));
    let partitions = partitions.saturating_add(cuts(columns).saturating_mul(rectangles(rows)));
    (partitions, rectangles(rows).saturating_mul(rectangles(columns)))
}

fn cells(image: Image, delta: u32) -> (u32, u32) {
    (image.rows.div_ceil(delta), image.columns.div_ceil(delta))
}

/// A rectangle of cells: first and end row, first and end column.
type Rectangle = (u32, u32, u32, u32);

/// The structure of an image. Its size is that of [`size`].
pub fn poon_domingos(image: Image, delta: u32) -> Structure {
    let (rows, columns) = cells(image, delta);
    let mut assembly = Assembly::default();
    let mut known = std::collections::BTreeMap::<Rectangle, u32>::new();
    for height in 1..=rows {
        for width in 1..=columns {
            for top in 0..=rows - height {
                for left in 0..=columns - width {
                    let rectangle = (top, top + height, left, left + width);
                    let region = match cuts(rectangle, &known) {
                        partitions if partitions.is_empty() => {
                            let bounds = |cell: u32, extent: u32| (cell * delta, ((cell + 1) * delta).min(extent));
                            let (rows, columns) = (bounds(top, image.rows), bounds(left, image.columns));
                            assembly.leaf(image.variables(rows, columns))
                        }
                        partitions => assembly.split(partitions),
                    };
                    known.insert(rectangle, region);
                }
            }
        }
    }
    assembly.finish()
}

/// All ways to cut a rectangle in two: between rows from above, then between columns from the left.
fn cuts((top, bottom, left, right): Rectangle, known: &std::collections::BTreeMap<Rectangle, u32>) -> Vec<Vec<Part>> {
    let part = |rectangle: Rectangle| Part::mixed(known[&rectangle]);
    let across = (top + 1..bottom).map(|row| vec![part((top, row, left, right)), part((row, bottom, left, right))]);
    let along =
        (left + 1..right).map(|column| vec![part((top, bottom, left, column)), part((top, bottom, column, right))]);
    across.chain(along).collect()
}
