//! Parts of images as rows.

use super::super::{Columns, DataError, Rows};
use super::{Colors, Grid, Hidden, Images, Patches, Pixels};
use std::ops::Range;
use std::path::Path;

/// Images, or patches of them.
pub(super) struct ImageRows {
    pixels: Pixels,
    /// The images that are taken.
    range: Range<usize>,
    /// The first row of each image that is taken, and the number of rows; empty if each is one row.
    starts: Vec<usize>,
    grid: Grid,
    columns: Columns,
    colors: Colors,
    patches: Option<Patches>,
    hidden: Option<Hidden>,
}

impl ImageRows {
    /// Checks the sizes of all images that are taken, and that they are grey if they shall be.
    pub fn new(
        pixels: Pixels,
        range: Range<usize>,
        grid: Grid,
        columns: Columns,
        images: &Images,
        path: &Path,
    ) -> Result<ImageRows, DataError> {
        let mut starts = if images.patches.is_some() { vec![0] } else { Vec::new() };
        for image in range.clone() {
            let (size, patch) = (pixels.images[image].size, grid.size);
            let fail =
                |reason: String| Err(DataError::format(path, format!("image {image} has {size} pixels, {reason}")));
            match images.patches {
                None if size != patch => {
                    return fail(format!("but the circuit is about images of {patch}; --patches cuts larger ones"));
                }
                None => {}
                Some(patches) => match patches.of(size, patch) {
                    Some(count) => starts.push(starts[starts.len() - 1] + count),
                    None => return fail(format!("which cannot be cut into patches of {patch}")),
                },
            }
            if images.colors == Colors::Grey {
                check_grey(&pixels, image, path)?;
            }
        }
        let (colors, patches, hidden) = (images.colors, images.patches, images.hidden.clone());
        Ok(ImageRows { pixels, range, starts, grid, columns, colors, patches, hidden })
    }

    /// Writes one row among `batch`.
    fn write(&self, row: usize, out: &mut [u32], sample: usize, batch: usize) {
        let (at, patch) = match self.starts.partition_point(|start| *start <= row) {
            0 => (row, 0),
            next => (next - 1, row - self.starts[next - 1]),
        };
        let (image, size) = (self.range.start + at, self.grid.size);
        let (top, left) = match self.patches {
            Some(patches) => patches.place(self.pixels.images[image].size, size, image, patch),
            None => (0, 0),
        };
        for pixel in 0..size.pixels() {
            let (y, x) = (pixel / size.width, pixel % size.width);
            let is_hidden = self.hidden.as_ref().is_some_and(|hidden| hidden.contains(y, x));
            let color = if is_hidden { None } else { self.pixels.pixel(image, top + y, left + x) };
            let values = color.map(|color| self.colors.encode(color));
            for channel in 0..self.grid.channels {
                let column = self.grid.column(y, x, channel);
                out[column * batch + sample] = values.map_or(self.columns.missing(column), |values| values[channel]);
            }
        }
    }
}

fn check_grey(pixels: &Pixels, image: usize, path: &Path) -> Result<(), DataError> {
    let size = pixels.images[image].size;
    for pixel in 0..size.pixels() {
        let (y, x) = (pixel / size.width, pixel % size.width);
        if let Some([red, green, blue]) = pixels.pixel(image, y, x)
            && (red != green || green != blue)
        {
            let reason = format!("image {image} is not grey: row {y}, column {x} is {red}, {green}, {blue}");
            return Err(DataError::format(path, reason));
        }
    }
    Ok(())
}

impl Rows for ImageRows {
    fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(self.range.len())
    }

    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        let batch = range.len();
        range.enumerate().for_each(|(sample, row)| self.write(row, out, sample, batch));
        Ok(())
    }

    fn fill_rows(&self, rows: &[usize], out: &mut [u32]) -> Result<(), DataError> {
        rows.iter().enumerate().for_each(|(sample, row)| self.write(*row, out, sample, rows.len()));
        Ok(())
    }

    fn log_originals(&self, evidence: &[u32]) -> f64 {
        if self.colors != Colors::YCoCg {
            return 0.0;
        }
        let (size, batch) = (self.grid.size, evidence.len() / self.columns.len());
        let mut sum = 0.0;
        for pixel in 0..size.pixels() {
            let columns = [0, 1, 2].map(|channel| self.grid.column(pixel / size.width, pixel % size.width, channel));
            for sample in 0..batch {
                let values = columns.map(|column| evidence[column * batch + sample]);
                let known = values.iter().zip(columns).all(|(value, column)| *value < self.columns.missing(column));
                sum += if known { self.colors.log_originals(values) } else { 0.0 };
            }
        }
        sum
    }
}
