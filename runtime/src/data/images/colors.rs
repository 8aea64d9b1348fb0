//! What the values of a pixel are.
//!
//! * grey, red-green-blue: the bytes themselves
//! * YCoCg-R, lossless (H. Malvar, G. Sullivan, "YCoCg-R: a color space with RGB reversibility and low dynamic range", JVT-I014,
//!   2003): `Co = R - B`, `t = B + floor(Co / 2)`, `Cg = G - t`, `Y = t + floor(Cg / 2)`; the values are `Y`, `Co + 255` and
//!   `Cg + 255`, of 256, 511 and 511
//! * YCoCg, quantized to bytes: the values are `floor((R + 2 G + B + 2) / 4)`, `floor((R - B + 256) / 2)` and
//!   `floor((2 G - R - B + 512) / 4)`. Several colors have the same values, about four of them on average

use super::super::{Columns, DataError};
use super::Grid;
use std::str::FromStr;
use std::sync::OnceLock;

/// The values of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// One value.
    Grey,
    /// Red, green and blue.
    Rgb,
    /// Brightness, orange and green, quantized.
    YCoCg,
    /// Brightness, orange and green, without loss.
    YCoCgR,
}

const NAMES: [(&str, Colors); 4] =
    [("grey", Colors::Grey), ("rgb", Colors::Rgb), ("ycocg", Colors::YCoCg), ("ycocg-r", Colors::YCoCgR)];

impl FromStr for Colors {
    type Err = String;

    fn from_str(text: &str) -> Result<Colors, String> {
        let known = NAMES.iter().find(|(name, _)| *name == text);
        let wrong = || format!("`{text}` is not a form of colors; expected `grey`, `rgb`, `ycocg` or `ycocg-r`");
        known.map(|(_, colors)| *colors).ok_or_else(wrong)
    }
}

impl Colors {
    /// The name.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, colors)| *colors == self).expect("all are in the table").0
    }

    /// How many values a pixel has.
    pub fn channels(self) -> usize {
        if self == Colors::Grey { 1 } else { 3 }
    }

    /// How many values a channel can have.
    pub fn values(self, channel: usize) -> usize {
        if self == Colors::YCoCgR && channel > 0 { 511 } else { 256 }
    }

    /// The image that a circuit's variables are, if their domains can hold the values.
    pub fn grid(self, columns: &Columns) -> Result<Grid, DataError> {
        let wrong = |reason: String| DataError::Variables { what: "images", reason };
        let grid = Grid::of(columns).ok_or_else(|| wrong(super::grid::EXPECTED.to_string()))?;
        if grid.channels != self.channels() {
            let (name, channels) = (self.name(), self.channels());
            let reason = format!("a pixel of `{name}` has {channels} values, but the circuit's have {}", grid.channels);
            return Err(wrong(reason));
        }
        for channel in 0..grid.channels {
            let column = grid.column(0, 0, channel);
            let (values, needed) = (columns.missing(column) as usize, self.values(channel));
            if values < needed {
                let (variable, name) = (columns.name(column), self.name());
                let domain = columns.describe(column);
                let reason = format!("`{variable}` is {domain}, but channel {channel} of `{name}` has {needed} values");
                return Err(wrong(reason));
            }
        }
        Ok(grid)
    }

    /// The values of a color. Of grey only the first is one.
    pub fn encode(self, [red, green, blue]: [u8; 3]) -> [u32; 3] {
        let [r, g, b] = [red, green, blue].map(i32::from);
        let values = match self {
            Colors::Grey | Colors::Rgb => [r, g, b],
            Colors::YCoCg => [(r + 2 * g + b + 2) >> 2, (r - b + 256) >> 1, (2 * g - r - b + 512) >> 2],
            Colors::YCoCgR => {
                let orange = r - b;
                let middle = b + (orange >> 1);
                let green = g - middle;
                [middle + (green >> 1), orange + 255, green + 255]
            }
        };
        values.map(|value| value as u32)
    }

    /// The color of values: the one that they were made of, or in the middle of those that it can have been. Values that
    /// are of no color give the nearest.
    pub fn decode(self, values: [u32; 3]) -> [u8; 3] {
        if self != Colors::YCoCgR {
            return self.mean(values.map(f64::from)).map(|level| level.round() as u8);
        }
        let [y, orange, green] = [values[0] as i32, values[1] as i32 - 255, values[2] as i32 - 255];
        let middle = y - (green >> 1);
        let blue = middle - (orange >> 1);
        [blue + orange, green + middle, blue].map(|level| level.clamp(0, 255) as u8)
    }

    /// The color, from 0 to 255, of means of values.
    pub fn mean(self, [first, second, third]: [f64; 3]) -> [f64; 3] {
        let of = |brightness: f64, orange: f64, green: f64| {
            let (outer, green) = (brightness - green / 2.0, brightness + green / 2.0);
            [outer + orange / 2.0, green, outer - orange / 2.0].map(|level| level.clamp(0.0, 255.0))
        };
        match self {
            Colors::Grey => [first; 3],
            Colors::Rgb => [first, second, third],
            // The middles of what is rounded to the values: R + 2 G + B is 4 y - 1/2, R - B is 2 o - 255.5, and so on.
            Colors::YCoCg => of(first - 0.125, 2.0 * second - 255.5, (4.0 * third - 510.5) / 2.0),
            Colors::YCoCgR => of(first, second - 255.0, third - 255.0),
        }
    }

    /// The logarithm of the number of colors with these values.
    pub fn log_originals(self, [first, second, third]: [u32; 3]) -> f64 {
        if self != Colors::YCoCg {
            return 0.0;
        }
        let counts = counts();
        let at = place([first, second, third]);
        f64::from(counts.get(at).copied().unwrap_or(1).max(1)).ln()
    }
}

fn place([first, second, third]: [u32; 3]) -> usize {
    (first as usize) << 16 | (second as usize) << 8 | third as usize
}

/// How many colors have each of the quantized values.
fn counts() -> &'static [u8] {
    static COUNTS: OnceLock<Vec<u8>> = OnceLock::new();
    COUNTS.get_or_init(|| {
        let mut counts = vec![0u8; 1 << 24];
        for color in 0..1u32 << 24 {
            let [_, red, green, blue] = color.to_be_bytes();
            counts[place(Colors::YCoCg.encode([red, green, blue]))] += 1;
        }
        counts
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors() -> impl Iterator<Item = [u8; 3]> {
        let levels = || (0..=255u8).step_by(5).chain([1, 2, 127, 128, 254]);
        levels().flat_map(move |r| levels().flat_map(move |g| levels().map(move |b| [r, g, b])))
    }

    // COVERS: data.images.colors
    #[test]
    fn lossless_transforms_come_back() {
        for colors_of in [Colors::Rgb, Colors::YCoCgR] {
            for color in colors() {
                let values = colors_of.encode(color);
                assert_eq!(colors_of.decode(values), color, "{colors_of:?}");
                assert!((0..3).all(|channel| (values[channel] as usize) < colors_of.values(channel)));
            }
        }
    }

    #[test]
    fn quantized_colors_are_near() {
        for color in colors() {
            let values = Colors::YCoCg.encode(color);
            assert!(values.iter().all(|value| *value < 256));
            let back = Colors::YCoCg.decode(values);
            assert!(back.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= 2), "{color:?} {back:?}");
        }
    }

    /// The counts of colors are those of all 2^24 colors, so `p(values) / count` is a distribution over colors.
    #[test]
    fn every_color_is_counted_once() {
        assert_eq!(counts().iter().map(|count| u64::from(*count)).sum::<u64>(), 1 << 24);
        let alike = [[10, 20, 30], [200, 100, 3]].map(|color: [u8; 3]| {
            let values = Colors::YCoCg.encode(color);
            let near = |level: u8| level - 3..=level + 3;
            let all =
                near(color[0]).flat_map(|r| near(color[1]).flat_map(move |g| near(color[2]).map(move |b| [r, g, b])));
            (all.filter(|other| Colors::YCoCg.encode(*other) == values).count(), Colors::YCoCg.log_originals(values))
        });
        alike.into_iter().for_each(|(count, found)| assert_eq!((count as f64).ln(), found));
        assert_eq!(Colors::Rgb.log_originals([1, 2, 3]), 0.0);
    }

    #[test]
    fn means_of_values_are_means_of_colors() {
        let all: Vec<[u8; 3]> = vec![[255, 0, 0], [0, 255, 0], [30, 60, 90], [200, 210, 190]];
        let mean = |of: &dyn Fn(&[u8; 3]) -> [f64; 3]| {
            let sum = all.iter().map(of).fold([0.0; 3], |sum, next| [0, 1, 2].map(|at| sum[at] + next[at]));
            sum.map(|sum| sum / all.len() as f64)
        };
        let expected = mean(&|color| color.map(f64::from));
        for colors in [Colors::YCoCgR, Colors::YCoCg] {
            let found = colors.mean(mean(&|color| colors.encode(*color).map(f64::from)));
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1.5), "{colors:?} {found:?} {expected:?}");
        }
    }
}
