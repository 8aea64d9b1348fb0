//! Rows by line.

use super::*;

fn opened(text: &str, kind: Lines, width: usize) -> (Vec<Vec<u32>>, Vec<String>, String) {
    let file = Temporary::new("t.txt", text);
    let data = rows(&file.path, &Kind::Lines(kind), &xs(width, 27)).unwrap();
    (all(&*data.rows, 2), data.warnings, data.summary)
}

// COVERS: data.lines
#[test]
fn short_lines_are_filled_up_and_long_ones_cut_off() {
    let text8 = || Lines::Text(Alphabet::Text8);
    let (rows, warnings, summary) = opened("ab\r\n\nabcde\n\r\n \nabc", text8(), 3);
    assert_eq!(rows, [[1, 2, 27], [1, 2, 3], [0, 27, 27], [1, 2, 3]]);
    assert_eq!(summary, "4 rows of up to 3 characters, one for each line");
    assert!(
        warnings[0].ends_with(
            "t.txt`: 1 of 4 lines is longer than the 3 variables of the circuit and cut off; the longest has 5 characters"
        ),
        "{warnings:?}"
    );
    assert!(opened("ab\nabc\n", text8(), 3).1.is_empty());
    let (rows, _, _) = opened("Hi, you!\nNo.\n", Lines::Text(Alphabet::Lower), 9);
    assert_eq!(rows, [[8, 9, 0, 25, 15, 21, 0, 27, 27], [14, 15, 0, 27, 27, 27, 27, 27, 27]]);
    let (rows, _, summary) = opened("1 2\n  \n? 3 4\n", Lines::Tokens, 2);
    assert_eq!(
        (rows, summary.as_str()),
        (vec![vec![1, 2], vec![27, 3]], "2 rows of up to 2 tokens, one for each line")
    );
}

#[test]
fn whole_lines_are_checked() {
    let message = |text: &str, kind: Lines| Temporary::new("t.txt", text).message(&Kind::Lines(kind), &xs(2, 27));
    assert_eq!(
        message("ab\nabcD\n", Lines::Text(Alphabet::Text8)),
        "`t.txt` line 2, column 4: 'D' is not in the alphabet `text8`; use `lower` to read any text as letters and \
         spaces, or `bytes`"
    );
    assert!(message("1 2\n3 4 27\n", Lines::Tokens).starts_with("`t.txt` line 2, column 5: `27` is not a value of"));
    assert_eq!(message("\n\n", Lines::Text(Alphabet::Text8)), "`t.txt` is empty: expected at least one line");
    assert_eq!(message("", Lines::Tokens), "`t.txt` is empty: expected at least one line");
    let file = Temporary::new("t.txt", "ab\n");
    let error = sequence(&file.path, &Kind::Lines(Lines::Tokens), &xs(2, 27)).err().unwrap().to_string();
    assert!(error.ends_with("lines are rows of their own, not one sequence"), "{error}");
}
