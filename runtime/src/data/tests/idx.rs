//! idx files.

use super::*;

fn idx(code: u8, extents: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, extents.len() as u8];
    bytes.extend(extents.iter().flat_map(|extent| extent.to_be_bytes()));
    bytes.extend(data);
    bytes
}

// COVERS: data.idx
#[test]
fn images_are_rows_of_their_pixels() {
    let pixels: Vec<u8> = (0..12).collect();
    let images = Temporary::new("images", idx(0x08, &[2, 2, 3], &pixels));
    let variables = [array("p", &[2, 3], Domain::Categorical(12))];
    assert_eq!(images.rows(&TABLE, &variables), [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]);
    assert_eq!(images.rows(&TABLE, &xs(6, 12)), [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]);
    let labels = Temporary::new("labels", idx(0x08, &[3], &[7, 0, 9]));
    assert_eq!(labels.rows(&TABLE, &xs(1, 10)), [[7], [0], [9]]);
}

#[test]
fn numbers_of_all_types_are_read() {
    let file = |code, data: Vec<u8>| Temporary::new("d", idx(code, &[1, 2], &data)).rows(&TABLE, &xs(2, 3));
    assert_eq!(file(0x09, vec![0xff, 2]), [[3, 2]]);
    assert_eq!(file(0x0b, [-1i16, 2].map(i16::to_be_bytes).concat()), [[3, 2]]);
    assert_eq!(file(0x0c, [-1i32, 2].map(i32::to_be_bytes).concat()), [[3, 2]]);
    assert_eq!(file(0x0d, [f32::NAN, 2.0].map(f32::to_be_bytes).concat()), [[3, 2]]);
    assert_eq!(file(0x0e, [f64::NAN, 2.0].map(f64::to_be_bytes).concat()), [[3, 2]]);
}

#[test]
fn idx_messages() {
    let message = |bytes: &[u8]| Temporary::new("d", bytes).message(&TABLE, &xs(2, 3));
    assert_eq!(message(&[0, 0]), "`d`: the idx header is truncated");
    assert_eq!(message(&idx(0x08, &[2, 2], &[])[..7]), "`d`: the idx header is truncated");
    assert_eq!(
        message(&idx(0x0a, &[1, 2], &[0, 1])),
        "`d`: the file begins like an idx file, but its type is 0x0a; expected 0x08 (unsigned bytes), 0x09, 0x0b, 0x0c \
         (integers of 1, 2, 4 bytes), 0x0d or 0x0e (floats of 4 or 8 bytes)"
    );
    assert_eq!(
        message(&idx(0x08, &[], &[])),
        "`d`: the idx file has no axes; expected rows, and an axis or more for the variables"
    );
    assert_eq!(
        message(&idx(0x08, &[2, 2], &[0, 1, 2])),
        "`d`: the array is truncated: shape [2, 2] takes 4 bytes, found 3"
    );
    assert_eq!(
        message(&idx(0x08, &[1, 2], &[0, 1, 2])),
        "`d`: the array goes on behind its end: shape [1, 2] takes 2 bytes, found 3"
    );
    assert_eq!(
        message(&idx(0x08, &[1, 3], &[0, 1, 2])),
        "`d`: found 3 columns, but the circuit has 2 variables (`x[0]` to `x[1]`)"
    );
    assert_eq!(
        message(&idx(0x08, &[1, 2], &[0, 255])),
        "`d` row 0, variable `x[1]`: 255 is not a value of categorical(3), whose values are 0 to 2; a missing value is not \
         possible in an array of unsigned numbers"
    );
    assert_eq!(message(&idx(0x08, &[0, 2], &[])), "`d` is empty: expected at least one row");
    let huge = message(&idx(0x08, &[u32::MAX; 4], &[0]));
    assert!(huge.starts_with("`d`: the array is truncated: shape [4294967295, "), "{huge}");
}
