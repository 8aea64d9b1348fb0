//! Rows in any order are the same rows.

use super::*;
use crate::data::memory::MemoryRows;

/// Twelve rows of three variables with five values (and missing ones where a file can hold them) from every loader.
fn loaders() -> Vec<(&'static str, Box<dyn Rows>, Vec<Temporary>)> {
    let variables = xs(3, 5);
    let values: Vec<i64> = (0..36).map(|i| (i * 7 + i / 5) % 6 - 1).collect();
    let table: Vec<String> =
        values.chunks(3).map(|row| row.iter().map(i64::to_string).collect::<Vec<_>>().join(",")).collect();
    let spaced = table.join("\n\n").replace("-1", "?") + "\n";
    let letters: String =
        values[..35].iter().map(|value| if *value < 0 { 'ä' } else { char::from(b'a' + *value as u8) }).collect();
    let uneven: String = (0..12).map(|i| format!("{}\n\n", &"abcdeab"[..1 + i % 6])).collect();
    let bytes: Vec<u8> = values[..34].iter().map(|value| value.max(&0).to_owned() as u8).collect();
    let words: Vec<u8> = bytes.iter().flat_map(|byte| u16::from(*byte).to_le_bytes()).collect();
    let chars = Kind::Text("chars:abcdä".parse().unwrap());
    let mut opened: Vec<(&'static str, Box<dyn Rows>, Vec<Temporary>)> = Vec::new();
    let mut open = |name: &'static str, file: Temporary, kind: Kind| {
        let rows = rows(&file.path, &kind, &variables).unwrap().rows;
        opened.push((name, rows, vec![file]));
    };
    open("csv", Temporary::new("d.csv", spaced), TABLE);
    open("npy", Temporary::new("d.npy", npy(&[12, 3], npyz::Order::C, &values)), TABLE);
    open("fortran", Temporary::new("d.npy", npy(&[12, 3], npyz::Order::Fortran, &values)), TABLE);
    open("chars", Temporary::new("t.txt", letters.replace('e', "d")), chars);
    open("bytes", Temporary::new("t.u16", words), Kind::Tokens(None));
    open("tokens", Temporary::new("t.txt", table.join(" ").replace(',', " ")), Kind::Tokens(None));
    open("array", Temporary::new("t.npy", npy(&[34], npyz::Order::C, &values[..34])), Kind::Tokens(None));
    open("lines", Temporary::new("t.txt", uneven), Kind::Lines(Lines::Text("chars:abcde".parse().unwrap())));
    let memory: Vec<Vec<Option<i64>>> =
        values.chunks(3).map(|row| row.iter().map(|value| (*value >= 0).then_some(*value)).collect()).collect();
    opened.push(("memory", Box::new(MemoryRows::new(&variables, &memory).unwrap()), Vec::new()));
    let table = Temporary::new("d.csv", table.join("\n"));
    let part = PathBuf::from(format!("{}@4..-3", table.path.display()));
    let part = || rows(&part, &TABLE, &variables).unwrap().rows;
    opened.push(("part", part(), Vec::new()));
    opened.push(("joined", Box::new(joined::JoinedRows::new((0..3).map(|_| part()).collect())), vec![table]));
    opened
}

/// Only the default implementation of `fill_rows`.
struct Plain<'r>(&'r dyn Rows);

impl Rows for Plain<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn columns(&self) -> &Columns {
        self.0.columns()
    }

    fn fill(&self, range: Range<usize>, out: &mut [u32]) -> Result<(), DataError> {
        self.0.fill(range, out)
    }
}

/// The rows, each with its values.
fn gathered(rows: &dyn Rows, wanted: &[usize]) -> Vec<Vec<u32>> {
    let mut out = vec![99; wanted.len() * rows.columns().len()];
    rows.fill_rows(wanted, &mut out).unwrap();
    (0..wanted.len()).map(|row| out.iter().skip(row).step_by(wanted.len()).copied().collect()).collect()
}

// COVERS: data.order
#[test]
fn rows_in_any_order_are_the_same_rows() {
    for (name, rows, _files) in loaders() {
        let all = all(&*rows, 5);
        assert!(all.iter().flatten().any(|value| *value == 5), "{name} has no missing value");
        let strategy = prop::collection::vec(0..all.len(), 0..20);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        runner
            .run(&strategy, |wanted| {
                let expected: Vec<Vec<u32>> = wanted.iter().map(|row| all[*row].clone()).collect();
                prop_assert_eq!(&gathered(&*rows, &wanted), &expected, "{}", name);
                prop_assert_eq!(gathered(&Plain(&*rows), &wanted), expected, "{}", name);
                Ok(())
            })
            .unwrap();
    }
}

#[test]
fn long_rows_of_a_long_text_are_read_anywhere() {
    let text: String =
        (0..40_000).map(|i| if i % 11 == 3 { 'é' } else { char::from(b'a' + (i * i % 26) as u8) }).collect();
    for (alphabet, values) in [("lower", 27), ("chars:abcdefghijklmnopqrstuvwxyzé", 27), ("bytes", 256)] {
        let file = Temporary::new("t.txt", &text);
        let rows = rows(&file.path, &Kind::Text(alphabet.parse().unwrap()), &xs(300, values)).unwrap().rows;
        let all = all(&*rows, 7);
        let wanted: Vec<usize> = (0..rows.len()).map(|row| row * 59 % rows.len()).collect();
        let expected: Vec<Vec<u32>> = wanted.iter().map(|row| all[*row].clone()).collect();
        assert_eq!(gathered(&*rows, &wanted), expected, "{alphabet}");
    }
}
