mod compressed;
mod gathered;
mod idx;
mod lines;
mod parts;
#[cfg(feature = "tokenizers")]
mod tokenizer;

use super::*;
use danaus_artifact::signature::Domain;
use npyz::WriterBuilder;
use proptest::prelude::*;
use std::path::PathBuf;

fn array(name: &str, shape: &[usize], domain: Domain) -> VariableArray {
    VariableArray { name: name.into(), shape: shape.to_vec(), domain }
}

fn xs(len: usize, values: usize) -> Vec<VariableArray> {
    vec![array("x", &[len], Domain::Categorical(values))]
}

const TABLE: Kind = Kind::Table { array: None };

/// A file in a folder of its own.
struct Temporary {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Temporary {
    fn new(name: &str, bytes: impl AsRef<[u8]>) -> Temporary {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Temporary { _folder: folder, path }
    }

    fn rows(&self, kind: &Kind, variables: &[VariableArray]) -> Vec<Vec<u32>> {
        all(&*rows(&self.path, kind, variables).unwrap().rows, 3)
    }

    /// The message, without the folder.
    fn message(&self, kind: &Kind, variables: &[VariableArray]) -> String {
        let error = rows(&self.path, kind, variables).err().expect("the data is wrong").to_string();
        error.replace(&self.path.display().to_string(), self.path.file_name().unwrap().to_str().unwrap())
    }
}

/// All rows, read in batches.
fn all(rows: &dyn Rows, batch: usize) -> Vec<Vec<u32>> {
    let mut table = Vec::new();
    for first in (0..rows.len()).step_by(batch) {
        let range = first..rows.len().min(first + batch);
        let len = range.len();
        let mut out = vec![99; len * rows.columns().len()];
        rows.fill(range, &mut out).unwrap();
        table.extend((0..len).map(|row| out.iter().skip(row).step_by(len).copied().collect::<Vec<u32>>()));
    }
    table
}

fn npy<T: npyz::Serialize + npyz::AutoSerialize + Copy>(shape: &[u64], order: npyz::Order, values: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer =
        npyz::WriteOptions::new().default_dtype().shape(shape).order(order).writer(&mut bytes).begin_nd().unwrap();
    values.iter().for_each(|value| writer.push(value).unwrap());
    writer.finish().unwrap();
    bytes
}

#[test]
fn csv_rows() {
    let file = Temporary::new("d.csv", "0,1,2\n-1,?,\n\n 2 ,1.0,0\n1,1,1\n");
    assert_eq!(file.rows(&TABLE, &xs(3, 3)), [[0, 1, 2], [3, 3, 3], [2, 1, 0], [1, 1, 1]]);
    let file = Temporary::new("d.csv", "\u{feff}a;b\r\n0;1\r\n1;0");
    let variables = [array("b", &[], Domain::Binary), array("a", &[], Domain::Integer(-5, 5))];
    assert_eq!(file.rows(&TABLE, &variables), [[1, 5], [0, 6]]);
    let file = Temporary::new("d.tsv", "\"x[0, 1]\"\tnote\tx[0,0]\n0\thello\t1\n");
    let data = rows(&file.path, &TABLE, &[array("x", &[1, 2], Domain::Binary)]).unwrap();
    assert_eq!(all(&*data.rows, 1), [[1, 0]]);
    assert!(data.warnings[0].ends_with("not variables of the circuit and not used: `note`"));
    let file = Temporary::new("d.csv", "a,b\n0,1\n");
    let data = rows(&file.path, &TABLE, &xs(2, 2)).unwrap();
    assert_eq!(all(&*data.rows, 1), [[0, 1]]);
    assert!(data.warnings[0].ends_with("(`x[0]` to `x[1]`): columns are taken in their order"));
}

#[test]
fn minus_one_may_be_a_value() {
    let file = Temporary::new("d.csv", "-1,?\n");
    assert_eq!(file.rows(&TABLE, &[array("x", &[2], Domain::Integer(-2, 3))]), [[1, 5]]);
}

#[test]
fn csv_messages() {
    let message = |text: &str| Temporary::new("d.csv", text).message(&TABLE, &xs(2, 27));
    assert_eq!(message(""), "`d.csv` is empty: expected data");
    assert_eq!(message("\n\n"), "`d.csv` is empty: expected at least one row");
    assert_eq!(message("a,b\n"), "`d.csv` is empty: expected at least one row");
    assert_eq!(
        message("1,2\n\n5,27\n"),
        "`d.csv` line 3, variable `x[1]`: `27` is not a value of categorical(27), whose values are 0 to 26; a missing \
         value is -1, `?` or an empty field"
    );
    assert_eq!(
        message("1,2\n1,0.5\n"),
        "`d.csv` line 2, variable `x[1]`: `0.5` is not a value of categorical(27), whose values are 0 to 26; a missing \
         value is -1, `?` or an empty field"
    );
    assert_eq!(
        message("1,2\n1\n"),
        "`d.csv` line 2: found 1 column, but the circuit has 2 variables (`x[0]` to `x[1]`)"
    );
    assert_eq!(
        message("1,\"2\n3,4\n"),
        "`d.csv`: line 1 has a field that begins with a quote and goes on over the end of the line"
    );
    assert_eq!(
        message("x[0],b\n1,2\n"),
        "`d.csv`: the header has no column `x[1]`; it must name all variables of the circuit, or none"
    );
    assert_eq!(message("x[0],x[0]\n1,2\n"), "`d.csv`: the header names variable `x[0]` twice");
}

#[test]
fn npy_rows_of_any_type_and_order() {
    use npyz::Order::{C, Fortran};
    let variables = [array("p", &[2, 2], Domain::Categorical(9))];
    let expected = [[0, 1, 2, 3], [4, 5, 6, 7]];
    let bytes: [u8; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
    assert_eq!(Temporary::new("d.npy", npy(&[2, 4], C, &bytes)).rows(&TABLE, &variables), expected);
    assert_eq!(Temporary::new("d.npy", npy(&[2, 2, 2], C, &bytes.map(f64::from))).rows(&TABLE, &variables), expected);
    assert_eq!(Temporary::new("d.npy", npy(&[2, 2, 2], C, &bytes.map(i64::from))).rows(&TABLE, &variables), expected);
    let fortran: [i16; 8] = [0, 4, 2, 6, 1, 5, 3, 7];
    assert_eq!(Temporary::new("d.npy", npy(&[2, 2, 2], Fortran, &fortran)).rows(&TABLE, &variables), expected);
    let missing = npy(&[3], C, &[f32::NAN, -1.0, 2.0]);
    assert_eq!(Temporary::new("d.npy", missing).rows(&TABLE, &xs(1, 3)), [[3], [3], [2]]);
    let flags = npy(&[1, 2], C, &[true, false]);
    assert_eq!(Temporary::new("d.npy", flags).rows(&TABLE, &xs(2, 2)), [[1, 0]]);
}

#[test]
fn npy_messages() {
    use npyz::Order::C;
    let message = |bytes: Vec<u8>| Temporary::new("d.npy", bytes).message(&TABLE, &xs(2, 3));
    assert_eq!(
        message(npy(&[2, 2], C, &[0i64, 1, 2, 3])),
        "`d.npy` row 1, variable `x[1]`: 3 is not a value of categorical(3), whose values are 0 to 2; a missing value is \
         -1, or NaN in an array of floats"
    );
    assert!(message(npy(&[1, 2], C, &[0.5, 1.0])).contains("row 0, variable `x[0]`: 0.5"));
    assert_eq!(
        message(npy(&[1, 3], C, &[0i32, 1, 2])),
        "`d.npy`: found 3 columns, but the circuit has 2 variables (`x[0]` to `x[1]`)"
    );
    assert_eq!(
        message(npy(&[2], C, &[0i32, 1])),
        "`d.npy`: the array has shape [2]: one axis; for one row, make its shape [1, 2]"
    );
    assert_eq!(message(npy::<u8>(&[0, 2], C, &[])), "`d.npy` is empty: expected at least one row");
    let mut short = npy(&[2, 2], C, &[0i64, 1, 2, 3]);
    short.truncate(short.len() - 1);
    assert_eq!(message(short), "`d.npy`: the array is truncated: shape [2, 2] takes 32 bytes, found 31");
    assert_eq!(message(b"\x93NUMPY\x01".to_vec()), "`d.npy`: the array's header is truncated");
    assert_eq!(
        message(b"0,1\n".to_vec()),
        "`d.npy`: expected a NumPy file, for its name ends in `.npy`, but it does not begin like one; write it again with \
         `numpy.save`, or rename it to `.csv` if it is text"
    );
}

// COVERS: data.npz
#[test]
fn npz_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.npz");
    let write = |names: &[&str]| {
        let mut archive = npyz::npz::NpzWriter::create(&path).unwrap();
        for name in names {
            let mut writer =
                archive.array(name, Default::default()).unwrap().default_dtype().shape(&[2, 2]).begin_nd().unwrap();
            (0..4u16).for_each(|value| writer.push(&value).unwrap());
            writer.finish().unwrap();
        }
    };
    write(&["train"]);
    assert_eq!(all(&*rows(&path, &TABLE, &xs(2, 4)).unwrap().rows, 2), [[0, 1], [2, 3]]);
    write(&["test", "train"]);
    let message = |array: Option<&str>| {
        let kind = Kind::Table { array: array.map(str::to_string) };
        rows(&path, &kind, &xs(2, 4)).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(message(None).ends_with("several arrays: `test`, `train`; name the one that holds the data"));
    assert!(message(Some("valid")).ends_with("the archive has no array `valid`; it has `test`, `train`"));
    assert_eq!(message(Some("test")), "");
}

#[test]
fn text_rows() {
    let text = |alphabet: &str| Kind::Text(alphabet.parse().unwrap());
    let file = Temporary::new("t.txt", "ab cd\n");
    assert_eq!(file.rows(&text("text8"), &xs(2, 27)), [[1, 2], [0, 3], [4, 27]]);
    assert_eq!(
        rows(&file.path, &text("text8"), &xs(2, 27)).unwrap().summary,
        "5 characters in 3 rows of 2, the last one filled up with 1 missing value"
    );
    assert_eq!(file.rows(&text("bytes"), &xs(3, 256)), [[97, 98, 32], [99, 100, 10]]);
    assert_eq!(file.rows(&text("chars:dcba "), &xs(5, 5)), [[3, 2, 4, 1, 0]]);
    assert_eq!(file.rows(&text(r"chars:\ndcba "), &xs(6, 6)), [[4, 3, 5, 2, 1, 0]]);
    let any = Temporary::new("t.txt", "Äh, B2\u{200b}c!\n");
    assert_eq!(any.rows(&text("lower"), &xs(7, 27)), [[0, 8, 0, 2, 0, 3, 0]]);
    let greek = Temporary::new("t.txt", "βα");
    assert_eq!(greek.rows(&text("chars:αβ"), &xs(2, 2)), [[1, 0]]);
}

#[test]
fn text_messages() {
    let message = |text: &[u8], alphabet: &str, variables: &[VariableArray]| {
        Temporary::new("t.txt", text).message(&Kind::Text(alphabet.parse().unwrap()), variables)
    };
    assert_eq!(
        message("ab\nc\u{e4}Z".as_bytes(), "text8", &xs(2, 27)),
        "`t.txt` line 1, column 3: '\\n' is not in the alphabet `text8`; use `lower` to read any text as letters and \
         spaces, or `bytes`"
    );
    assert_eq!(
        message("ab\naä".as_bytes(), r"chars:ab\n", &xs(2, 27)),
        "`t.txt` line 2, column 2: 'ä' is not in the alphabet `chars:ab\\n`; add it to the alphabet, or use `bytes`"
    );
    assert!(message(b"a\xff", "chars:a", &xs(2, 2)).contains("byte 0xff, which is not UTF-8, is not in the alphabet"));
    assert_eq!(message(b"\n", "text8", &xs(2, 27)), "`t.txt` is empty: expected text");
    assert_eq!(
        message(b"ab", "bytes", &xs(2, 27)),
        "the circuit cannot read text: its variables have 27 values, but the alphabet `bytes` has 256 characters"
    );
    assert_eq!("chars:aba".parse::<Alphabet>().unwrap_err(), "the alphabet has 'a' twice");
    assert!("utf8".parse::<Alphabet>().unwrap_err().starts_with("`utf8` is not an alphabet; expected"));
}

#[test]
fn token_rows() {
    use npyz::Order::C;
    let expected = [[0, 1], [300, 999]];
    let bytes: Vec<u8> = [0u16, 1, 300, 999].iter().flat_map(|token| token.to_le_bytes()).collect();
    let wide: Vec<u8> = [0u32, 1, 300, 999].iter().flat_map(|token| token.to_le_bytes()).collect();
    for (name, content) in [
        ("t.bin", bytes),
        ("t.u32", wide),
        ("t.txt", b" 0 1\n300\t999 \n".to_vec()),
        ("t.npy", npy(&[4], C, &[0i64, 1, 300, 999])),
    ] {
        let file = Temporary::new(name, content);
        assert_eq!(file.rows(&Kind::Tokens(None), &xs(2, 1000)), expected, "{name}");
    }
    let missing = Temporary::new("t.txt", "5 -1 ?");
    assert_eq!(missing.rows(&Kind::Tokens(None), &xs(3, 7)), [[5, 7, 7]]);
}

#[test]
fn token_messages() {
    let message = |name: &str, bytes: &[u8]| Temporary::new(name, bytes).message(&Kind::Tokens(None), &xs(2, 7));
    assert_eq!(
        message("t.txt", b"1 2\n3 seven"),
        "`t.txt` line 2, column 3: `seven` is not a value of categorical(7), whose values are 0 to 6; a missing value is \
         -1, or `?`"
    );
    assert!(message("t.bin", &[1, 0, 7, 0]).starts_with("`t.bin` token 1: 7 is not a value of categorical(7)"));
    assert_eq!(message("t.bin", &[1, 0, 7]), "`t.bin`: the file has 3 bytes, which is no multiple of 2");
    assert_eq!(message("t.txt", b" \n"), "`t.txt` is empty: expected tokens");
}

// COVERS: data.size
#[test]
fn long_sequences_are_read_anywhere() {
    let text: String = (0..20_000)
        .map(|i| if i % 7 == 3 { "é, ".to_string() } else { char::from(b'a' + (i % 26) as u8).to_string() })
        .collect();
    let file = Temporary::new("t.txt", &text);
    let whole = sequence(&file.path, &Kind::Text(Alphabet::Lower), &xs(4, 27)).unwrap();
    assert_eq!(whole.len(), 20_000);
    let symbols = whole.fill(0..20_000).unwrap();
    for start in [0, 1, 4095, 4096, 4097, 12_345, 19_990] {
        let end = 20_000.min(start + 100);
        assert_eq!(whole.fill(start..end).unwrap(), symbols[start..end], "{start}");
    }
    assert!(whole.fill(20_000..20_000).unwrap().is_empty());
}

#[test]
fn files_are_joined() {
    let open = |text: &str| {
        let file = Temporary::new("t.txt", text);
        (rows(&file.path, &Kind::Text(Alphabet::Text8), &xs(2, 27)).unwrap().rows, file)
    };
    let ((a, _a), (b, _b), (c, _c)) = (open("abc"), open("d"), open("efgh"));
    let joined = joined::JoinedRows::new(vec![a, b, c]);
    for batch in [1, 2, 3, 5] {
        assert_eq!(all(&joined, batch), [[1, 2], [3, 27], [4, 27], [5, 6], [7, 8]], "{batch}");
    }
    let sequences = ["abc", "d", "efgh"].map(|text| {
        let file = Temporary::new("t.txt", text);
        sequence(&file.path, &Kind::Text(Alphabet::Text8), &xs(2, 27)).unwrap()
    });
    let joined = joined::JoinedSequence::new(sequences.into());
    assert_eq!((joined.len(), joined.fill(2..6).unwrap()), (8, vec![3, 4, 5, 6]));
}

#[test]
fn rows_in_memory() {
    let rows = memory::MemoryRows::new(&xs(2, 3), &[vec![Some(1), None], vec![Some(2), Some(0)]]).unwrap();
    assert_eq!(all(&rows, 1), [[1, 3], [2, 0]]);
    let error = memory::MemoryRows::new(&xs(1, 3), &[vec![Some(3)]]).unwrap_err().to_string();
    assert_eq!(
        error,
        "`memory` row 0, variable `x[0]`: 3 is not a value of categorical(3), whose values are 0 to 2; a missing value is None"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), prefix in 0usize..6) {
        let start: &[u8] = [&b""[..], b"\0\0\x08\x02\0\0\0", b"\x1f\x8b\x08", b"\x93NUMPY\x01\x00\x46\x00{'descr': '<i2', 'fortran_order': False, 'shape': (2, ", b"PK\x03\x04", b"1,2\n"][prefix];
        let file = Temporary::new("d", [start, &bytes].concat());
        for kind in [TABLE, Kind::Lines(Lines::Text(Alphabet::Lower)), Kind::Lines(Lines::Tokens), Kind::Text(Alphabet::Text8), Kind::Text(Alphabet::Lower), Kind::Tokens(None), Kind::Tokens(Some(TokenFormat::Npy)), Kind::Tokens(Some(TokenFormat::U32))] {
            if let Ok(data) = rows(&file.path, &kind, &xs(2, 27)) {
                prop_assert!(all(&*data.rows, 2).iter().flatten().all(|index| *index <= 27));
            }
        }
    }
}

/// Values are written as the text that they are read from.
#[test]
fn text_goes_out_as_it_comes_in() {
    let text8: Alphabet = "text8".parse().unwrap();
    let lines = text8.write([&[1, 0, 26][..], &[27, 2, 3]].into_iter());
    assert_eq!(String::from_utf8(lines).unwrap(), "a z\n?bc\n");
    let chars: Alphabet = "chars:\u{e4}b".parse().unwrap();
    assert_eq!(chars.write([&[0, 1, 2][..]].into_iter()), "\u{e4}b?\n".as_bytes());
    assert_eq!(Alphabet::Bytes.write([&[0, 255, 256][..]].into_iter()), [0, 255, b'?', b'\n']);
}
