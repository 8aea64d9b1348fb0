//! Files of images, unpacked into one temporary file: four bytes for each pixel.

use super::super::DataError;
use super::{Content, Image, Pixels, Size};
use crate::files::{self, FileError};
use image::{DynamicImage, ImageFormat, ImageReader};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, Write};
use std::path::{Path, PathBuf};

/// Files that are unpacked at a time.
const TOGETHER: usize = 64;

/// Folders in folders, at most: a link to a folder above ends there.
const DEPTH: usize = 16;

/// Whether a file begins like a PNG or a WebP file.
pub(in super::super) fn is_picture(bytes: &[u8]) -> bool {
    format(bytes).is_some()
}

fn format(bytes: &[u8]) -> Option<ImageFormat> {
    let known = |format: &ImageFormat| [ImageFormat::Png, ImageFormat::WebP].contains(format);
    image::guess_format(bytes).ok().filter(known)
}

/// The one picture of a file.
pub(super) fn file(path: &Path, bytes: &[u8]) -> Result<Pixels, DataError> {
    let mut unpacked = Unpacked::new(path)?;
    unpacked.add(unpack(path, bytes)?)?;
    unpacked.finish()
}

/// The pictures of a folder and of the folders in it, by name, and how many other files there are.
pub(super) fn folder(path: &Path) -> Result<(Pixels, usize), DataError> {
    let (mut names, mut others) = (Vec::new(), 0);
    list(path, DEPTH, &mut names, &mut others)?;
    if names.is_empty() {
        return Err(DataError::format(path, "the folder has no PNG or WebP files"));
    }
    let mut unpacked = Unpacked::new(path)?;
    let one = |name: &PathBuf| {
        let bytes = files::read(name)?;
        unpack(name, &bytes)
    };
    for names in names.chunks(TOGETHER) {
        let found: Vec<Result<_, DataError>> = names.par_iter().map(one).collect();
        found.into_iter().try_for_each(|picture| unpacked.add(picture?))?;
    }
    Ok((unpacked.finish()?, others))
}

/// Names in their order, those of a folder in its place.
fn list(folder: &Path, depth: usize, names: &mut Vec<PathBuf>, others: &mut usize) -> Result<(), DataError> {
    let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries: Vec<PathBuf> =
        entries.map_err(FileError::read(folder))?.into_iter().map(|entry| entry.path()).collect();
    entries.sort();
    for entry in entries {
        let ending = entry.extension().and_then(|ending| ending.to_str()).unwrap_or("").to_lowercase();
        if entry.is_dir() {
            if depth > 0 {
                list(&entry, depth - 1, names, others)?;
            }
        } else if ["png", "webp"].contains(&ending.as_str()) {
            names.push(entry);
        } else {
            *others += 1;
        }
    }
    Ok(())
}

/// Red, green, blue and opacity of every pixel.
fn unpack(path: &Path, bytes: &[u8]) -> Result<(Size, Vec<u8>), DataError> {
    let fail = |reason: String| DataError::format(path, reason);
    let format = format(bytes).ok_or_else(|| fail("it does not begin like a PNG or WebP file".to_string()))?;
    let picture = ImageReader::with_format(Cursor::new(bytes), format).decode();
    let picture = picture.map_err(|error| fail(format!("the image cannot be read: {error}")))?;
    let size = Size { height: picture.height() as usize, width: picture.width() as usize };
    match picture {
        DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLumaA8(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_) => Ok((size, picture.into_rgba8().into_raw())),
        _ => Err(fail("the image has more than 8 bits for each channel, which would be lost".to_string())),
    }
}

/// Pictures on their way.
struct Unpacked<'p> {
    path: &'p Path,
    file: BufWriter<File>,
    len: usize,
    images: Vec<Image>,
}

impl<'p> Unpacked<'p> {
    fn new(path: &'p Path) -> Result<Unpacked<'p>, DataError> {
        let file = tempfile::tempfile().map_err(FileError::read(path))?;
        Ok(Unpacked { path, file: BufWriter::with_capacity(1 << 20, file), len: 0, images: Vec::new() })
    }

    fn add(&mut self, (size, bytes): (Size, Vec<u8>)) -> Result<(), DataError> {
        self.file.write_all(&bytes).map_err(FileError::read(self.path))?;
        self.images.push(Image { start: self.len, row: 4 * size.width, size });
        self.len += bytes.len();
        Ok(())
    }

    fn finish(self) -> Result<Pixels, DataError> {
        let failed = FileError::read(self.path);
        let file = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        let bytes = file.and_then(|mut file| file.rewind().map(|()| file)).and_then(files::map).map_err(failed)?;
        Ok(Pixels { content: Content::Unpacked(bytes), images: self.images })
    }
}
