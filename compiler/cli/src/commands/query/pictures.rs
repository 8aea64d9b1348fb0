//! Rows of values as a grid of images: samples, completions, or the means of posteriors.

use crate::evidence::data_failure;
use crate::failure::Failure;
use crate::output::say;
use danaus_runtime::data::images::{Colors, Grid, Size};
use danaus_runtime::data::{Columns, Rows};
use danaus_runtime::files;
use plotters::prelude::*;
use std::path::Path;

/// Images that are shown.
const SHOWN: usize = 256;

/// Pixels that a side of an image has at least, if its cells can be enlarged by a whole number.
const SIDE: usize = 96;

/// Pixels between images.
const GAP: usize = 4;

/// What a picture needs.
const EXPECTED: &str = "a picture needs a circuit whose variables are one array with two axes, or with a third for red, green and blue, or three \
                        arrays with two";

const BACKGROUND: RGBColor = RGBColor(226, 230, 234);
/// Cells of which nothing is known.
const UNKNOWN: RGBColor = RGBColor(214, 96, 20);

/// How rows of a circuit's variables are seen.
#[derive(Clone, Copy, Debug)]
pub struct View {
    grid: Grid,
    colors: Option<Colors>,
}

impl View {
    /// Of circuits whose variables are an image. Without colors, one variable of a pixel is its brightness, and three are red, green and
    /// blue, each from its first value to its last.
    pub fn of(columns: &Columns, colors: Option<Colors>) -> Result<View, Failure> {
        if let Some(real) = (0..columns.len()).find(|&column| columns.is_real(column)) {
            return Err(Failure::usage(format!(
                "`{}` is real: pictures are of variables with finitely many values",
                columns.name(real)
            )));
        }
        let grid = match colors {
            Some(colors) => colors.grid(columns).map_err(Failure::wrong)?,
            None => Grid::of(columns).ok_or_else(|| Failure::usage(EXPECTED))?,
        };
        Ok(View { grid, colors })
    }

    /// The colors, from 0 to 1, of rows of value indices; what is missing is not a number.
    pub fn values(&self, columns: &Columns, rows: &[u32]) -> Vec<[f32; 3]> {
        self.pixels(columns, rows, |pixel| {
            let known = pixel.iter().all(|(column, index)| *index < columns.missing(*column));
            let levels =
                |colors: Colors| colors.decode(pixel.map(|(_, index)| index)).map(|level| f32::from(level) / 255.0);
            match self.colors {
                _ if !known => [f32::NAN; 3],
                Some(colors) => levels(colors),
                None => pixel.map(|(column, index)| index as f32 / (columns.missing(column).max(2) - 1) as f32),
            }
        })
    }

    /// The colors of rows of means of value indices.
    pub fn means(&self, columns: &Columns, rows: &[f32]) -> Vec<[f32; 3]> {
        self.pixels(columns, rows, |pixel| match self.colors {
            Some(colors) => colors.mean(pixel.map(|(_, mean)| f64::from(mean))).map(|level| (level / 255.0) as f32),
            None => pixel.map(|(column, mean)| mean / (columns.missing(column).max(2) - 1) as f32),
        })
    }

    /// What becomes of each pixel of each row: three variables with what stands there, equal ones if a pixel is one variable.
    fn pixels<T: Copy>(
        &self,
        columns: &Columns,
        rows: &[T],
        of: impl Fn([(usize, T); 3]) -> [f32; 3],
    ) -> Vec<[f32; 3]> {
        let (size, last) = (self.grid.size, self.grid.channels - 1);
        let row = |row: &[T]| {
            let pixel = |at: usize| {
                let column = |channel: usize| self.grid.column(at / size.width, at % size.width, channel.min(last));
                of([0, 1, 2].map(|channel| (column(channel), row[column(channel)])))
            };
            (0..size.pixels()).map(pixel).collect::<Vec<_>>()
        };
        rows.chunks_exact(columns.len().max(1)).flat_map(row).collect()
    }
}

/// Draws completed rows: those of a row of data in a line, after what the row observes. Without data they are alone.
pub fn completions(
    path: &Path,
    colors: Option<Colors>,
    given: Option<&dyn Rows>,
    columns: &Columns,
    completed: &[u32],
) -> Result<(), Failure> {
    let view = View::of(columns, colors)?;
    let width = columns.len().max(1);
    let Some(given) = given else { return write(path, view, &view.values(columns, completed), 1) };
    let each = completed.len() / width / given.len();
    let mut rows = Vec::new();
    let mut observed = vec![0; width];
    for (row, completed) in completed.chunks_exact(each * width).enumerate().take(SHOWN) {
        given.fill(row..row + 1, &mut observed).map_err(data_failure)?;
        rows.extend_from_slice(&observed);
        rows.extend_from_slice(completed);
    }
    write(path, view, &view.values(columns, &rows), each + 1)
}

/// Draws images `[images][pixels]` of colors from 0 to 1 as a grid, in a PNG file. As many as belong together stand in a line.
pub fn write(path: &Path, view: View, images: &[[f32; 3]], together: usize) -> Result<(), Failure> {
    let all: Vec<&[[f32; 3]]> = images.chunks_exact(view.grid.size.pixels()).collect();
    let shown = &all[..all.len().min((SHOWN / together).max(1) * together)];
    if shown.len() < all.len() {
        say(format_args!("the picture shows the first {} of {}", shown.len(), all.len()));
    }
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot draw `{}`: {error}", path.display()));
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let drawn = folder.path().join("grid.png");
    draw(&drawn, view.grid.size, shown, together).map_err(|error| failed(&error))?;
    let bytes = std::fs::read(&drawn).map_err(|error| failed(&error))?;
    files::write(path, |out| out.write_all(&bytes)).map_err(Failure::usage)
}

fn draw(path: &Path, size: Size, images: &[&[[f32; 3]]], together: usize) -> Result<(), String> {
    let scale = SIDE.div_ceil(size.height.max(size.width)).max(1);
    let groups = (1..).find(|groups| groups * groups * together >= images.len()).expect("a square is large enough");
    let across = (groups * together).max(1);
    let down = images.len().div_ceil(across).max(1);
    let [high, wide] = [size.height * scale + GAP, size.width * scale + GAP];
    let extent = ((across * wide + GAP) as u32, (down * high + GAP) as u32);
    let area = BitMapBackend::new(path, extent).into_drawing_area();
    area.fill(&BACKGROUND).map_err(|error| error.to_string())?;
    for (index, image) in images.iter().enumerate() {
        let (top, left) = (index / across * high + GAP, index % across * wide + GAP);
        for (pixel, levels) in image.iter().enumerate() {
            let (y, x) = (top + pixel / size.width * scale, left + pixel % size.width * scale);
            let corners = [(x as i32, y as i32), ((x + scale) as i32, (y + scale) as i32)];
            area.draw(&Rectangle::new(corners, color(levels).filled())).map_err(|error| error.to_string())?;
        }
    }
    area.present().map_err(|error| error.to_string())
}

fn color(levels: &[f32; 3]) -> RGBColor {
    if levels.iter().any(|level| level.is_nan()) {
        return UNKNOWN;
    }
    let [red, green, blue] = levels.map(|level| (255.0 * level.clamp(0.0, 1.0)).round() as u8);
    RGBColor(red, green, blue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use danaus_artifact::signature::{Domain, VariableArray};

    fn columns(arrays: &[(&str, &[usize], usize)]) -> Columns {
        let array = |(name, shape, values): &(&str, &[usize], usize)| VariableArray {
            name: name.to_string(),
            shape: shape.to_vec(),
            domain: Domain::Categorical(*values),
        };
        Columns::new(&arrays.iter().map(array).collect::<Vec<_>>())
    }

    #[test]
    fn values_are_drawn_as_the_colors_they_stand_for() {
        let planes = columns(&[("y", &[1, 2], 256), ("co", &[1, 2], 512), ("cg", &[1, 2], 512)]);
        let view = View::of(&planes, Some(Colors::YCoCgR)).unwrap();
        let colors = [[255, 228, 34], [6, 131, 102]];
        let values = colors.map(|color| Colors::YCoCgR.encode(color));
        let rows: Vec<u32> = (0..6).map(|at| values[at % 2][at / 2]).collect();
        let expected = colors.map(|color| color.map(|level: u8| f32::from(level) / 255.0));
        assert_eq!(view.values(&planes, &rows), expected);
        let means: Vec<f32> = rows.iter().map(|value| *value as f32).collect();
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1.0 / 255.0;
        assert!(view.means(&planes, &means).iter().flatten().zip(expected.iter().flatten()).all(near));
        let unknown = view.values(&planes, &[1, 256, 2, 512, 3, 512]);
        assert!(!unknown[0][0].is_nan() && unknown[1].iter().all(|level| level.is_nan()));
    }

    #[test]
    fn without_colors_a_value_is_a_brightness() {
        let grey = columns(&[("p", &[1, 2], 5)]);
        let view = View::of(&grey, None).unwrap();
        assert_eq!(view.values(&grey, &[0, 1]), [[0.0; 3], [0.25; 3]]);
        let red = columns(&[("p", &[1, 1, 3], 2)]);
        assert_eq!(View::of(&red, None).unwrap().values(&red, &[1, 0, 1]), [[1.0, 0.0, 1.0]]);
        assert!(View::of(&columns(&[("x", &[4], 2)]), None).is_err());
        assert!(View::of(&grey, Some(Colors::Rgb)).is_err());
    }
}
