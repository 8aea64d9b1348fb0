//! Rows of values as a grid of images: samples, completions, or the means of posteriors as a heat map.

use crate::failure::Failure;
use crate::output::say;
use danaus_runtime::data::Columns;
use danaus_runtime::files;
use plotters::prelude::*;
use std::path::Path;

/// Images that are shown.
const SHOWN: usize = 256;

/// Pixels that a side of an image has at least, if its cells can be enlarged by a whole number.
const SIDE: usize = 96;

/// Pixels between images.
const GAP: usize = 4;

const BACKGROUND: RGBColor = RGBColor(226, 230, 234);
/// Cells of which nothing is known.
const UNKNOWN: RGBColor = RGBColor(214, 96, 20);

/// How the variables of a circuit are laid out as an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    height: usize,
    width: usize,
    channels: usize,
}

impl Shape {
    /// That of a circuit whose variables are one array of two axes, or of three of which the last is of red, green and blue.
    pub fn of(columns: &Columns) -> Result<Shape, Failure> {
        if let [array] = columns.arrays() {
            match array.shape[..] {
                [height, width] if height * width > 0 => return Ok(Shape { height, width, channels: 1 }),
                [height, width, channels @ (1 | 3)] if height * width > 0 => {
                    return Ok(Shape { height, width, channels });
                }
                _ => {}
            }
        }
        Err(Failure::usage(
            "a picture needs a circuit whose variables are one array with two axes, or with a third for red, green and blue",
        ))
    }

    fn cells(self) -> usize {
        self.height * self.width * self.channels
    }
}

/// Value indices as brightness from 0 to 1; what is missing is not a number.
pub fn brightness(columns: &Columns, rows: &[u32]) -> Vec<f32> {
    let width = columns.len().max(1);
    let of = |(at, &index): (usize, &u32)| {
        let values = columns.missing(at % width);
        if index < values { index as f32 / (values.max(2) - 1) as f32 } else { f32::NAN }
    };
    rows.iter().enumerate().map(of).collect()
}

/// Draws images `[images][cells]` of brightness from 0 to 1 as a grid, in a PNG file.
pub fn write(path: &Path, shape: Shape, images: &[f32]) -> Result<(), Failure> {
    let all: Vec<&[f32]> = images.chunks_exact(shape.cells()).collect();
    let shown = &all[..all.len().min(SHOWN)];
    if shown.len() < all.len() {
        say(format_args!("the picture shows the first {SHOWN} of {}", all.len()));
    }
    let failed = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot draw `{}`: {error}", path.display()));
    let folder = tempfile::tempdir().map_err(|error| failed(&error))?;
    let drawn = folder.path().join("grid.png");
    draw(&drawn, shape, shown).map_err(|error| failed(&error))?;
    let bytes = std::fs::read(&drawn).map_err(|error| failed(&error))?;
    files::write(path, |out| out.write_all(&bytes)).map_err(Failure::usage)
}

fn draw(path: &Path, shape: Shape, images: &[&[f32]]) -> Result<(), String> {
    let scale = SIDE.div_ceil(shape.height.max(shape.width)).max(1);
    let across = (1..).find(|side| side * side >= images.len()).expect("a square is large enough").max(1);
    let down = images.len().div_ceil(across).max(1);
    let [high, wide] = [shape.height * scale + GAP, shape.width * scale + GAP];
    let size = ((across * wide + GAP) as u32, (down * high + GAP) as u32);
    let area = BitMapBackend::new(path, size).into_drawing_area();
    area.fill(&BACKGROUND).map_err(|error| error.to_string())?;
    for (index, image) in images.iter().enumerate() {
        let (top, left) = (index / across * high + GAP, index % across * wide + GAP);
        for cell in 0..shape.height * shape.width {
            let color = color(&image[cell * shape.channels..][..shape.channels]);
            let (y, x) = (top + cell / shape.width * scale, left + cell % shape.width * scale);
            let corners = [(x as i32, y as i32), ((x + scale) as i32, (y + scale) as i32)];
            area.draw(&Rectangle::new(corners, color.filled())).map_err(|error| error.to_string())?;
        }
    }
    area.present().map_err(|error| error.to_string())
}

fn color(cell: &[f32]) -> RGBColor {
    if cell.iter().any(|value| value.is_nan()) {
        return UNKNOWN;
    }
    let level = |value: f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8;
    match cell {
        [red, green, blue] => RGBColor(level(*red), level(*green), level(*blue)),
        _ => RGBColor(level(cell[0]), level(cell[0]), level(cell[0])),
    }
}
