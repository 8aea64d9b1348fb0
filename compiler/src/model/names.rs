//! Help for names that are not known.

/// Help that suggests the nearest known name, or lists what there is.
pub(super) fn nearest_help<'n>(wrong: &str, known: impl Iterator<Item = &'n str>, what: &str) -> String {
    let mut known: Vec<&str> = known.collect();
    known.dedup();
    let length = wrong.chars().count();
    let limit = if length < 3 { 0 } else { (length / 3).max(1) };
    let nearest = known.iter().map(|name| (distance(wrong, name), *name)).min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, name)) if distance <= limit => format!("did you mean `{name}`?"),
        Some(_) if known.len() <= 12 => format!("{what}: {}", quoted_list(&known)),
        Some(_) => format!("{what}: {}, and {} more", quoted_list(&known[..12]), known.len() - 12),
        None => format!("{what}: none"),
    }
}

fn quoted_list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The optimal string alignment distance, ignoring case: insertions, deletions, substitutions and swaps of neighbors.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().take(64).collect();
    let b: Vec<char> = b.to_lowercase().chars().take(64).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// `1 unit`, `2 units`.
pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// `no index`, `1 index`, `2 indices`.
pub(super) fn index_count(number: usize) -> String {
    match number {
        0 => "no index".to_owned(),
        1 => "1 index".to_owned(),
        _ => format!("{number} indices"),
    }
}

/// `none is`, `1 is`, `2 are`.
pub(super) fn are(number: usize) -> String {
    match number {
        0 => "none is".to_owned(),
        1 => "1 is".to_owned(),
        _ => format!("{number} are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names() {
        assert_eq!(distance("emit", "emti"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest_help("emti", ["z", "emit"].into_iter(), "regions"), "did you mean `emit`?");
        assert_eq!(nearest_help("foo", ["z", "emit"].into_iter(), "regions"), "regions: `z`, `emit`");
        assert_eq!(nearest_help("foo", [].into_iter(), "regions"), "regions: none");
    }
}
