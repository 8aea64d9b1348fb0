//! Parts of files.

use super::*;

impl Temporary {
    fn part(&self, range: &str) -> Temporary {
        let path = PathBuf::from(format!("{}@{range}", self.path.display()));
        Temporary { _folder: tempfile::tempdir().unwrap(), path }
    }
}

// COVERS: data.part
#[test]
fn ranges_count_what_is_read() {
    let table = Temporary::new("d.csv", "a\n0\n1\n2\n3\n");
    assert_eq!(table.part("1..3").rows(&TABLE, &xs(1, 4)), [[1], [2]]);
    assert_eq!(table.part("..-1").rows(&TABLE, &xs(1, 4)), [[0], [1], [2]]);
    assert_eq!(table.part("-1..").rows(&TABLE, &xs(1, 4)), [[3]]);
    assert_eq!(table.part("..").rows(&TABLE, &xs(1, 4)), [[0], [1], [2], [3]]);
    let text = Temporary::new("t.txt", "Ab, cde\n");
    let lower = Kind::Text(Alphabet::Lower);
    assert_eq!(text.part("1..6").rows(&lower, &xs(2, 27)), [[2, 0], [3, 4], [5, 27]]);
    let data = rows(&text.part("-4..-1").path, &lower, &xs(2, 27)).unwrap();
    assert_eq!(data.summary, "3 characters in 2 rows of 2, the last one filled up with 1 missing value");
    let tokens = Temporary::new("t.txt", "4 3 2 1 0");
    assert_eq!(tokens.part("2..4").rows(&Kind::Tokens(None), &xs(2, 5)), [[2, 1]]);
    let whole = sequence(&tokens.part("-2..").path, &Kind::Tokens(None), &xs(1, 5)).unwrap();
    assert_eq!((whole.len(), whole.fill(0..9).unwrap(), whole.fill(5..9).unwrap()), (2, vec![1, 0], vec![]));
    let lines = Temporary::new("t.txt", "a\n\nabcd\n\nb\nabc\n");
    let data = rows(&lines.part("..3").path, &Kind::Lines(Lines::Text(Alphabet::Text8)), &xs(2, 27)).unwrap();
    assert_eq!(all(&*data.rows, 2), [[1, 27], [1, 2], [2, 27]]);
    assert!(data.warnings[0].contains(": 1 of 3 lines is longer"), "{:?}", data.warnings);
}

#[test]
fn a_name_with_a_sign_is_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d@0..1");
    std::fs::write(&path, "0\n1\n").unwrap();
    assert_eq!(all(&*rows(&path, &TABLE, &xs(1, 2)).unwrap().rows, 2), [[0], [1]]);
    let part = folder.path().join("d@0..1@1..");
    assert_eq!(all(&*rows(&part, &TABLE, &xs(1, 2)).unwrap().rows, 2), [[1]]);
}

#[test]
fn range_messages() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("d"), "0\n1\n").unwrap();
    let message = |name: &str, kind: &Kind| {
        let error = rows(&folder.path().join(name), kind, &xs(1, 27)).err().unwrap();
        (error.to_string().replace(&format!("{}/", folder.path().display()), ""), error.is_file())
    };
    let help = "is not a range; write FILE@START..END with whole numbers, either of which may be left out or negative to \
                count from the end";
    for range in ["5", "1..x", "1...2", "1..=2", ""] {
        assert_eq!(message(&format!("d@{range}"), &TABLE), (format!("`d@{range}`: `{range}` {help}"), true));
    }
    let beyond = "the range goes beyond the file, which has";
    assert_eq!(message("d@0..3", &TABLE), (format!("`d@0..3`: {beyond} 2 rows"), false));
    assert_eq!(message("d@-3..", &TABLE), (format!("`d@-3..`: {beyond} 2 rows"), false));
    let tokens = Kind::Tokens(None);
    assert_eq!(message("d@3..", &tokens), (format!("`d@3..`: {beyond} 2 tokens"), false));
    assert_eq!(message("d@1..1", &tokens), ("`d@1..1`: the range is empty; the file has 2 tokens".to_string(), false));
    assert_eq!(message("d@2..1", &tokens).0, "`d@2..1`: the range is empty; the file has 2 tokens");
    let nowhere = ("cannot read `e`: there is no such file or folder".to_string(), true);
    assert_eq!(message("e@1..2", &TABLE), nowhere);
    assert_eq!(message("me@home", &TABLE).0, "cannot read `me@home`: there is no such file or folder");
}
