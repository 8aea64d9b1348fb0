//! Which part of which image is a row.

use super::super::DataError;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Rows and columns of pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// How many pixels there are.
    pub fn pixels(self) -> usize {
        self.height * self.width
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let number = |text: &str| text.parse().ok().filter(|number| (1..=1 << 16).contains(number));
        let size = text
            .split_once('x')
            .and_then(|(height, width)| Some(Size { height: number(height)?, width: number(width)? }));
        size.ok_or_else(|| format!("`{text}` is not a size; write rows and columns of pixels, for example 32x32"))
    }
}

/// How images are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patches {
    /// Side by side, row by row.
    Aligned,
    /// At random places of each image.
    Random {
        /// How many of each image.
        count: usize,
        /// The seed of the places.
        seed: u64,
    },
}

impl Patches {
    /// How many patches an image gives; none if it cannot be cut.
    pub(super) fn of(self, image: Size, patch: Size) -> Option<usize> {
        let fits = image.height >= patch.height && image.width >= patch.width;
        match self {
            Patches::Random { count, .. } => fits.then_some(count),
            Patches::Aligned => {
                let whole = image.height.is_multiple_of(patch.height) && image.width.is_multiple_of(patch.width);
                (fits && whole).then(|| image.pixels() / patch.pixels())
            }
        }
    }

    /// Where a patch of an image begins: row and column. A random place is a function of the seed, the number of the image in its
    /// file, the number of the patch, and the sizes.
    pub(super) fn place(self, image: Size, patch: Size, number: usize, at: usize) -> (usize, usize) {
        match self {
            Patches::Aligned => {
                let across = image.width / patch.width;
                (at / across * patch.height, at % across * patch.width)
            }
            Patches::Random { seed, .. } => {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream(number as u64);
                random.set_word_pos(4 * at as u128);
                let mut below = |end: usize| ((u128::from(random.next_u64()) * end as u128) >> 64) as usize;
                let top = below(image.height - patch.height + 1);
                (top, below(image.width - patch.width + 1))
            }
        }
    }
}

/// A rectangle of pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Hidden {
    /// Whether a pixel is in it.
    pub fn contains(&self, row: usize, column: usize) -> bool {
        self.rows.contains(&row) && self.columns.contains(&column)
    }

    pub(super) fn check(&self, size: Size) -> Result<(), DataError> {
        if self.rows.end <= size.height && self.columns.end <= size.width {
            return Ok(());
        }
        let reason = format!("the hidden pixels {self} go beyond an image of {size}");
        Err(DataError::Variables { what: "images", reason })
    }
}

impl fmt::Display for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{},{}..{}", self.rows.start, self.rows.end, self.columns.start, self.columns.end)
    }
}

impl FromStr for Hidden {
    type Err = String;

    fn from_str(text: &str) -> Result<Hidden, String> {
        let range = |text: &str| {
            let (start, end) = text.split_once("..")?;
            Some(start.parse().ok()?..end.parse().ok()?).filter(|range: &Range<usize>| !range.is_empty())
        };
        let hidden = text
            .split_once(',')
            .and_then(|(rows, columns)| Some(Hidden { rows: range(rows)?, columns: range(columns)? }));
        hidden.ok_or_else(|| {
            format!("`{text}` is no rectangle; write rows and columns of pixels, for example 14..28,0..28")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // COVERS: data.images.patches
    #[test]
    fn random_places_are_everywhere_and_repeat() {
        let (image, patch) = (Size { height: 5, width: 4 }, Size { height: 3, width: 2 });
        let places = |seed: u64| -> Vec<(usize, usize)> {
            let patches = Patches::Random { count: 40, seed };
            (0..200).map(|row| patches.place(image, patch, row / 40, row % 40)).collect()
        };
        let found = places(1);
        assert_eq!(found, places(1));
        assert_ne!(found, places(2));
        for top in 0..3 {
            for left in 0..3 {
                let times = found.iter().filter(|place| **place == (top, left)).count();
                assert!((8..45).contains(&times), "{top} {left}: {times} of 200");
            }
        }
        assert!(found.iter().all(|(top, left)| *top < 3 && *left < 3));
        assert_ne!(found[..40], found[40..80], "each image has places of its own");
    }

    #[test]
    fn sizes_and_rectangles_are_read() {
        assert_eq!("3x40".parse(), Ok(Size { height: 3, width: 40 }));
        for wrong in ["", "3", "3x", "x3", "0x3", "3x-1", "3x99999999"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        let hidden: Hidden = "1..3,0..2".parse().unwrap();
        assert!(hidden.contains(1, 0) && !hidden.contains(0, 0) && !hidden.contains(1, 2));
        assert!(["1..3", "1..1,0..2", "3..1,0..1", "a..2,0..1", ""].iter().all(|text| text.parse::<Hidden>().is_err()));
    }
}
