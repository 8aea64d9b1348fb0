//! Shows how two texts differ.

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// The lines that differ: `-` expected, `+` found. Common lines far from any change are left out.
pub fn diff(expected: &str, found: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let lines = merge(&a, &b);
    if lines.iter().all(|(mark, _)| *mark == ' ') {
        return "    (they differ in line endings or in the end of the text only)\n".to_string();
    }
    let changed: Vec<usize> = (0..lines.len()).filter(|&i| lines[i].0 != ' ').collect();
    let mut text = String::new();
    let mut gap = false;
    for (index, (mark, line)) in lines.iter().enumerate() {
        if changed.iter().any(|&change| change.abs_diff(index) <= CONTEXT) {
            text.push_str(&format!("    {mark} {line}\n"));
            gap = false;
        } else if !gap {
            text.push_str("      ..\n");
            gap = true;
        }
    }
    text
}

/// Both texts in one, along a longest common subsequence of lines.
fn merge<'a>(a: &[&'a str], b: &[&'a str]) -> Vec<(char, &'a str)> {
    // common[i][j]: length of the longest common subsequence of a[i..] and b[j..].
    let mut common = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            common[i][j] = if a[i] == b[j] { common[i + 1][j + 1] + 1 } else { common[i + 1][j].max(common[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(('-', a[i]));
            i += 1;
        } else {
            lines.push(('+', b[j]));
            j += 1;
        }
    }
    lines
}
