//! Which variable of a circuit is which pixel.

use super::super::Columns;
use super::Size;

/// The variables that are an image, in words.
pub const EXPECTED: &str = "its variables are no image: one array of rows and columns, or with a third axis for 3 channels, or an \
                            array of rows and columns for each of 3 channels";

/// An image made of variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Rows and columns.
    pub size: Size,
    /// Variables of a pixel: 1 or 3.
    pub channels: usize,
    /// Whether each channel is an array of its own.
    planar: bool,
}

impl Grid {
    /// The image that the variables are: an array with two axes, or with a third one for 1 or 3 channels, or three arrays of two
    /// axes with the same extents.
    pub fn of(columns: &Columns) -> Option<Grid> {
        let arrays = columns.arrays();
        let (height, width, channels) = match arrays.first()?.shape[..] {
            [height, width] => (height, width, arrays.len()),
            [height, width, channels] if arrays.len() == 1 => (height, width, channels),
            _ => return None,
        };
        let is_image = arrays.iter().all(|array| array.shape == arrays[0].shape) && [1, 3].contains(&channels);
        let grid = Grid { size: Size { height, width }, channels, planar: arrays.len() > 1 };
        (is_image && height * width > 0).then_some(grid)
    }

    /// The variable of a pixel's channel.
    pub fn column(&self, row: usize, column: usize, channel: usize) -> usize {
        let pixel = row * self.size.width + column;
        if self.planar { channel * self.size.pixels() + pixel } else { pixel * self.channels + channel }
    }
}
