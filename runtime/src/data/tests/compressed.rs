//! Compressed files.

use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

// COVERS: data.compressed
#[test]
fn tables_in_gzip_are_unpacked() {
    let images = gzip(&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 1, 2, 2]);
    assert_eq!(Temporary::new("images.gz", images).rows(&TABLE, &xs(2, 3)), [[0, 1], [2, 2]]);
    let parts = [gzip(b"0,1\n"), gzip(b"?,2\n")].concat();
    assert_eq!(Temporary::new("d.csv.gz", parts).rows(&TABLE, &xs(2, 3)), [[0, 1], [3, 2]]);
    let array = gzip(&npy(&[1, 2], npyz::Order::C, &[1u8, 0]));
    assert_eq!(Temporary::new("d.npy.gz", array).rows(&TABLE, &xs(2, 3)), [[1, 0]]);
}

#[test]
fn damaged_gzip_is_refused() {
    let message = |bytes: &[u8]| Temporary::new("d.gz", bytes).message(&TABLE, &xs(2, 3));
    let whole = gzip(b"0,1\n1,2\n0,0\n");
    assert!(message(&whole[..whole.len() - 6]).starts_with("`d.gz`: the gzip file is damaged: "));
    assert!(message(&whole[..3]).starts_with("`d.gz`: the gzip file is damaged: "));
    assert_eq!(message(&gzip(b"")), "`d.gz` is empty: expected data");
}

#[test]
fn other_compressed_files_are_named() {
    let message = |bytes: &[u8], kind: &Kind| Temporary::new("d", bytes).message(kind, &xs(2, 256));
    let lower = Kind::Text(Alphabet::Lower);
    let expected = |format, command| {
        format!("`d`: the file is compressed with {format}; decompress it first, for example with `{command}`")
    };
    for (magic, format, command) in [
        (&b"\xfd7zXZ\0.."[..], "xz", "unxz"),
        (b"\x28\xb5\x2f\xfd..", "zstd", "unzstd"),
        (b"BZh91AY&SY..", "bzip2", "bunzip2"),
    ] {
        assert_eq!(message(magic, &TABLE), expected(format, command));
        assert_eq!(message(magic, &lower), expected(format, command));
        assert_eq!(message(magic, &Kind::Tokens(None)), expected(format, command));
    }
    assert_eq!(message(&gzip(b"abc"), &lower), expected("gzip", "gunzip"));
    assert_eq!(message(b"PK\x03\x04..", &Kind::Lines(Lines::Tokens)), expected("zip", "unzip"));
    // Bytes may be anything.
    assert_eq!(Temporary::new("d", b"\x1f\x8b").rows(&Kind::Text(Alphabet::Bytes), &xs(2, 256)), [[31, 139]]);
}
