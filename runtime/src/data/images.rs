//! Images: PNG and WebP files, folders and sheets of them, and arrays of bytes, as rows of a circuit's pixels.
//!
//! * [`colors`]: what the values of a pixel are: grey, red-green-blue, or one of two transforms of it
//! * [`grid`]: which variable of a circuit is which pixel
//! * `pictures`: files of images, unpacked; `arrays`: images in arrays
//! * [`patches`]: which part of which image is a row
//! * `rows`: all of it together
//!
//! Files are unpacked into a temporary file and arrays are mapped, so that memory does not grow with them but for some bytes
//! per image.

mod arrays;
pub mod colors;
pub mod grid;
pub mod patches;
mod pictures;
mod rows;

pub use colors::Colors;
pub use grid::Grid;
pub use patches::{Hidden, Patches, Size};

use super::error::count;
use super::{Columns, Data, DataError, Rows, Source, compressed, idx, npy};
use crate::files::{self, Bytes};
pub(super) use pictures::is_picture;
use rows::ImageRows;
use std::ops::Range;
use std::path::Path;

/// How images become rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// What the values of a pixel are.
    pub colors: Colors,
    /// Every picture is a sheet of images of this size, row by row.
    pub tile: Option<Size>,
    /// How images are cut into parts of the circuit's size; without it they have this size.
    pub patches: Option<Patches>,
    /// A rectangle of pixels that are missing in every row.
    pub hidden: Option<Hidden>,
    /// The name of the array in an `.npz` with several; without it `data`.
    pub array: Option<String>,
}

/// The pixels of many images, in one file.
pub(super) struct Pixels {
    content: Content,
    images: Vec<Image>,
}

/// How pixels are stored.
enum Content {
    /// Bytes: red, green, blue, and opacity, of which 0 is a missing pixel.
    Unpacked(Bytes),
    /// Elements of an array; steps are from a pixel to its right neighbor and from one channel to the next.
    Array { array: npy::Array, column: usize, channel: usize },
}

/// Where an image is: bytes or elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    start: usize,
    /// From a pixel to the one below.
    row: usize,
    size: Size,
}

impl Pixels {
    /// Red, green and blue; none if the pixel is missing.
    fn pixel(&self, image: usize, row: usize, column: usize) -> Option<[u8; 3]> {
        let image = &self.images[image];
        match &self.content {
            Content::Unpacked(bytes) => {
                let pixel = &bytes[image.start + row * image.row + 4 * column..][..4];
                (pixel[3] > 0).then(|| [pixel[0], pixel[1], pixel[2]])
            }
            Content::Array { array, column: step, channel } => {
                let first = image.start + row * image.row + column * step;
                let [red, green, blue] = [0, 1, 2].map(|at| arrays::level(array.cell(first + at * channel)));
                Some([red??, green??, blue??])
            }
        }
    }

    /// Cuts every picture into tiles, row by row.
    fn tiled(self, tile: Size, path: &Path) -> Result<Pixels, DataError> {
        let step = match &self.content {
            Content::Unpacked(_) => 4,
            Content::Array { column, .. } => *column,
        };
        let mut images = Vec::new();
        for sheet in &self.images {
            if sheet.size.height % tile.height != 0 || sheet.size.width % tile.width != 0 {
                let reason = format!("a sheet of {} pixels is not made of tiles of {tile}", sheet.size);
                return Err(DataError::format(path, reason));
            }
            for top in (0..sheet.size.height).step_by(tile.height) {
                for left in (0..sheet.size.width).step_by(tile.width) {
                    let start = sheet.start + top * sheet.row + left * step;
                    images.push(Image { start, row: sheet.row, size: tile });
                }
            }
        }
        Ok(Pixels { content: self.content, images })
    }
}

/// Opens images, and checks every pixel. A range counts images.
pub(super) fn open(source: &Source, images: &Images, columns: Columns) -> Result<Data, DataError> {
    let grid = images.colors.grid(&columns)?;
    if let Some(hidden) = &images.hidden {
        hidden.check(grid.size)?;
    }
    let path = source.path();
    let (pixels, names) = pixels(path, images.array.as_deref())?;
    let pixels = match images.tile {
        Some(tile) => pixels.tiled(tile, path)?,
        None => pixels,
    };
    let range: Range<usize> = source.select(pixels.images.len(), "image")?;
    let found = count(range.len(), "image");
    let rows = ImageRows::new(pixels, range, grid, columns, images, path)?;
    let cut = match (images.patches, rows.len()) {
        (None, _) => String::new(),
        (Some(_), 1) => format!(", 1 patch of {} pixels", grid.size),
        (Some(_), patches) => format!(", {patches} patches of {} pixels", grid.size),
    };
    let warnings = match names {
        0 => Vec::new(),
        unread => vec![format!("`{}`: not PNG or WebP and not read: {}", path.display(), count(unread, "file"))],
    };
    Ok(Data { rows: Box::new(rows), summary: format!("{found}{cut}"), warnings })
}

/// All pictures of a file or folder, and how many files of the folder are none.
fn pixels(path: &Path, array: Option<&str>) -> Result<(Pixels, usize), DataError> {
    if path.is_dir() {
        return pictures::folder(path);
    }
    let bytes = compressed::unpack(path, files::read(path)?)?;
    if bytes.is_empty() {
        return Err(DataError::Empty { file: path.into(), what: "images" });
    }
    if is_picture(&bytes) {
        return Ok((pictures::file(path, &bytes)?, 0));
    }
    let array = if bytes.starts_with(npy::MAGIC) {
        npy::Array::new(path, bytes)?
    } else if bytes.starts_with(idx::MAGIC) {
        idx::array(path, bytes)?
    } else if bytes.starts_with(b"PK") {
        npy::Array::from_archive(path, &bytes, array, Some("data"))?
    } else {
        let reason = "it holds no images; expected PNG, WebP, a folder of these, .npy, .npz or idx";
        return Err(DataError::format(path, reason));
    };
    Ok((arrays::pixels(path, array)?, 0))
}
