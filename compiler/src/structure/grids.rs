//! Quad trees and quad graphs over images: squares whose sides are powers of two, cut at the middle.
//!
//! A square that reaches over the border of the image is what lies inside. The names and the idea of the quad graph,
//! in which a square is cut along the rows and along the columns, are those of Mari, Vessio, Vergari, "Unifying and
//! understanding overparameterized circuit representations via low-rank tensor decompositions", TPM 2023.

use super::{Assembly, Part, Structure};

/// Pixels in rows and columns, and the number of variables of each pixel. Variables count row by row, those of a pixel together, or
/// channel by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Extent of the first axis.
    pub rows: u32,
    /// Extent of the second axis.
    pub columns: u32,
    /// Variables of a pixel.
    pub channels: u32,
    /// Whether each channel is an array of its own.
    pub is_planar: bool,
}

impl Image {
    /// The variables in a rectangle, given by first and end row and column.
    pub(super) fn variables(&self, rows: (u32, u32), columns: (u32, u32)) -> Vec<u32> {
        let pixels = (rows.0..rows.1).flat_map(|row| (columns.0..columns.1).map(move |column| (row, column)));
        pixels
            .flat_map(|(row, column)| {
                let (pixel, pixels) = (row * self.columns + column, self.rows * self.columns);
                let step = if self.is_planar { pixels } else { 1 };
                let first = if self.is_planar { pixel } else { pixel * self.channels };
                (0..self.channels).map(move |channel| first + channel * step)
            })
            .collect()
    }
}

/// How a square is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Into its four quarters.
    Quarters,
    /// Into the upper and the lower half, and each of these into left and right.
    Halves,
    /// Both ways: upper and lower half; left and right half.
    BothHalves,
    /// Both ways, and into the four quarters.
    BothHalvesAndQuarters,
}

/// The structure of an image whose squares are all cut in the same way; a pixel is a leaf.
pub fn quad(image: Image, cut: Cut) -> Structure {
    let mut assembly = Assembly::default();
    let side = image.rows.max(image.columns).next_power_of_two();
    square(&mut assembly, image, cut, (0, 0), side);
    assembly.finish()
}

/// The region of the square with this corner and side, if it has pixels.
fn square(assembly: &mut Assembly, image: Image, cut: Cut, (row, column): (u32, u32), side: u32) -> Option<u32> {
    if row >= image.rows || column >= image.columns {
        return None;
    }
    if side == 1 {
        return Some(assembly.leaf(image.variables((row, row + 1), (column, column + 1))));
    }
    let half = side / 2;
    let mut quarter = |down, right| square(assembly, image, cut, (row + down * half, column + right * half), half);
    let quarters = [[quarter(0, 0), quarter(0, 1)], [quarter(1, 0), quarter(1, 1)]];
    Some(join(assembly, cut, quarters))
}

/// The region of up to four quarters: rows of columns.
fn join(assembly: &mut Assembly, cut: Cut, [[a, b], [c, d]]: [[Option<u32>; 2]; 2]) -> u32 {
    let all: Vec<u32> = [a, b, c, d].into_iter().flatten().collect();
    if all.len() < 4 {
        return group(assembly, &all);
    }
    let quarters: Vec<Part> = all.iter().copied().map(Part::mixed).collect();
    let halves = |assembly: &mut Assembly, pairs: [[Option<u32>; 2]; 2]| -> Vec<Part> {
        pairs.map(|pair| Part::mixed(group(assembly, &pair.into_iter().flatten().collect::<Vec<_>>()))).to_vec()
    };
    let partitions = match cut {
        Cut::Quarters => vec![quarters],
        Cut::Halves => vec![halves(assembly, [[a, b], [c, d]])],
        Cut::BothHalves => vec![halves(assembly, [[a, b], [c, d]]), halves(assembly, [[a, c], [b, d]])],
        Cut::BothHalvesAndQuarters => {
            vec![halves(assembly, [[a, b], [c, d]]), halves(assembly, [[a, c], [b, d]]), quarters]
        }
    };
    assembly.split(partitions)
}

/// The region of one or two regions.
fn group(assembly: &mut Assembly, regions: &[u32]) -> u32 {
    match regions {
        [only] => *only,
        several => assembly.split(vec![several.iter().copied().map(Part::mixed).collect()]),
    }
}
