//! Images in arrays of bytes, as they are published: `[images, rows, columns]` (MNIST), with channels as a last axis or before
//! rows and columns, or `[images, values]` with the channels of a square image one after the other (CIFAR-10, ImageNet32).

use super::super::DataError;
use super::super::columns::Cell;
use super::super::npy::Array;
use super::{Content, Image, Pixels, Size};
use std::path::Path;

/// The images of an array. Every element is checked.
pub(super) fn pixels(path: &Path, array: Array) -> Result<Pixels, DataError> {
    let Some((size, [row, column, channel])) = arrangement(array.shape(), array.strides()) else {
        let reason = format!(
            "the array has shape {:?}; images are [images, rows, columns], with an axis of 1 or 3 channels after or before rows and \
             columns, or [images, values] with the channels of square images one after the other",
            array.shape()
        );
        return Err(DataError::format(path, reason));
    };
    let count = array.shape()[0];
    if count * size.pixels() == 0 {
        return Err(DataError::Empty { file: path.into(), what: "at least one image" });
    }
    let channels = if channel == 0 { 1 } else { 3 };
    for image in 0..count {
        for at in 0..size.pixels() * channels {
            let (pixel, band) = (at / channels, at % channels);
            let (y, x) = (pixel / size.width, pixel % size.width);
            let offset = image * array.strides()[0] + y * row + x * column + band * channel;
            if level(array.cell(offset)).is_none() {
                let found = array.show(offset);
                let reason = format!("image {image}, row {y}, column {x}: {found} is not a byte, 0 to 255");
                return Err(DataError::format(path, reason));
            }
        }
    }
    let images = (0..count).map(|image| Image { start: image * array.strides()[0], row, size }).collect();
    Ok(Pixels { content: Content::Array { array, column, channel }, images })
}

/// A byte, or no value; `None` is neither.
pub(super) fn level(cell: Cell) -> Option<Option<u8>> {
    match cell {
        Cell::Missing | Cell::Whole(-1) => Some(None),
        Cell::Whole(value) => u8::try_from(value).ok().map(Some),
        Cell::Real(_) | Cell::Other => None,
    }
}

/// The size of the images, and the steps to the next row, column and channel; the last is 0 if there is one channel.
fn arrangement(shape: &[usize], strides: &[usize]) -> Option<(Size, [usize; 3])> {
    let channels = |axis: usize| [1, 3].contains(&shape[axis]);
    let step = |axis: usize| if shape[axis] == 1 { 0 } else { strides[axis] };
    match *shape {
        [_, height, width] => Some((Size { height, width }, [strides[1], strides[2], 0])),
        [_, height, width, _] if channels(3) => Some((Size { height, width }, [strides[1], strides[2], step(3)])),
        [_, _, height, width] if channels(1) => Some((Size { height, width }, [strides[2], strides[3], step(1)])),
        [_, len] => [3, 1].into_iter().find_map(|channels| {
            let side = (len / channels).isqrt();
            let plane = if channels == 3 { side * side * strides[1] } else { 0 };
            let steps = [side * strides[1], strides[1], plane];
            (side * side * channels == len).then_some((Size { height: side, width: side }, steps))
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_arranged_as_they_are_published() {
        let size = |height, width| Size { height, width };
        assert_eq!(arrangement(&[9, 2, 4], &[8, 4, 1]), Some((size(2, 4), [4, 1, 0])));
        assert_eq!(arrangement(&[9, 2, 4, 3], &[24, 12, 3, 1]), Some((size(2, 4), [12, 3, 1])));
        assert_eq!(arrangement(&[9, 2, 4, 1], &[8, 4, 1, 1]), Some((size(2, 4), [4, 1, 0])));
        assert_eq!(arrangement(&[9, 3, 2, 4], &[24, 8, 4, 1]), Some((size(2, 4), [4, 1, 8])));
        assert_eq!(arrangement(&[9, 3072], &[3072, 1]), Some((size(32, 32), [32, 1, 1024])));
        assert_eq!(arrangement(&[9, 784], &[1, 9]), Some((size(28, 28), [252, 9, 0])));
        assert_eq!(arrangement(&[9, 785], &[785, 1]), None);
        assert_eq!(arrangement(&[9], &[1]), None);
    }
}
