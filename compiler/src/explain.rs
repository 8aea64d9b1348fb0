//! The rules of the language, taken from the specification itself.
//!
//! A clause of the specification is a line `r[rule.id]`, then its paragraphs and code blocks up to the next
//! clause or heading. A block ```` ```pc ```` is a correct program, ```` ```pc,error=rule.id ```` one that breaks
//! exactly that rule; the conformance tests run them all. The chapters are part of the compiled library, so what
//! `danaus explain` prints cannot differ from the law.

macro_rules! chapters {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../spec/", $name)))),*]
    };
}

/// The chapters that contain clauses: path below `spec/` and content.
pub const CHAPTERS: &[(&str, &str)] = chapters!["syntax.md", "static.md", "builders.md", "semantics.md"];

/// A clause of the specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// The rule's id.
    pub rule: String,
    /// The chapter: a path below `spec/`.
    pub chapter: &'static str,
    /// The parts in order.
    pub parts: Vec<Part>,
}

/// A part of a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A paragraph, a list or a table: lines as they stand.
    Text(String),
    /// A code block.
    Code {
        /// What follows the opening fence: `pc`, `pc,error=sum.smooth`, `ebnf` ..
        tag: String,
        /// The content, every line with its end.
        text: String,
        /// The line of the chapter on which the content begins, counted from one.
        line: usize,
    },
}

/// All clauses, in the order of the chapters.
pub fn clauses() -> Vec<Clause> {
    CHAPTERS.iter().flat_map(|(chapter, text)| read(chapter, text)).collect()
}

/// The ids of all rules, in alphabetical order.
pub fn rules() -> Vec<String> {
    let mut ids: Vec<String> = clauses().into_iter().map(|clause| clause.rule).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// What the specification says about a rule, as text for a terminal; nothing if there is no such rule.
pub fn explain(rule: &str) -> Option<String> {
    let shown: Vec<String> = clauses().iter().filter(|clause| clause.rule == rule).map(show).collect();
    if shown.is_empty() { None } else { Some(shown.join("\n")) }
}

/// The rules whose ids resemble `rule`, the most similar first: at most five.
pub fn nearest(rule: &str) -> Vec<String> {
    let rule = rule.to_ascii_lowercase();
    let mut ranked: Vec<(usize, String)> = rules().into_iter().map(|id| (unlikeness(&rule, &id), id)).collect();
    ranked.sort();
    ranked.into_iter().filter(|(far, _)| *far <= 3).map(|(_, id)| id).take(5).collect()
}

/// How little what a person wrote resembles a rule's id. A part of an id counts as close to it.
fn unlikeness(written: &str, id: &str) -> usize {
    let parts = id.split('.').map(|part| distance(written, part) + 1);
    let last = written.rsplit('.').next().unwrap_or(written);
    let same_end = id.rsplit('.').next().map(|end| distance(last, end) + 2);
    parts.chain(same_end).chain([distance(written, id)]).min().unwrap_or(usize::MAX)
}

/// Reads the clauses of a chapter.
fn read(chapter: &'static str, text: &str) -> Vec<Clause> {
    let mut clauses: Vec<Clause> = Vec::new();
    let mut inside = false;
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if let Some(rule) = line.strip_prefix("r[").and_then(|rest| rest.trim_end().strip_suffix(']')) {
            clauses.push(Clause { rule: rule.to_string(), chapter, parts: Vec::new() });
            inside = true;
        } else if let Some(tag) = line.strip_prefix("```") {
            let mut block = String::new();
            let mut start = None;
            for (number, line) in lines.by_ref().take_while(|(_, line)| !line.starts_with("```")) {
                start.get_or_insert(number + 1);
                block.push_str(line);
                block.push('\n');
            }
            let part = Part::Code { tag: tag.trim().to_string(), text: block, line: start.unwrap_or_default() };
            clauses.last_mut().filter(|_| inside).into_iter().for_each(|clause| clause.parts.push(part.clone()));
        } else if line.starts_with('#') {
            inside = false;
        } else if let Some(clause) = clauses.last_mut().filter(|_| inside) {
            add_text(clause, line);
        }
    }
    clauses
}

/// Adds a line to the paragraph that ends the clause; an empty line ends the paragraph.
fn add_text(clause: &mut Clause, line: &str) {
    match clause.parts.last_mut() {
        Some(Part::Text(text)) if line.trim().is_empty() => {
            if !text.ends_with("\n\n") {
                text.push('\n');
            }
        }
        _ if line.trim().is_empty() => {}
        Some(Part::Text(text)) if !text.ends_with("\n\n") => {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        _ => clause.parts.push(Part::Text(format!("{}\n", line.trim_end()))),
    }
}

/// What stands above a code block.
fn title(tag: &str, rule: &str) -> String {
    let (kind, broken) = tag.split_once('=').unwrap_or((tag, rule));
    let other = if broken == rule { String::new() } else { format!(" ({broken})") };
    match kind {
        "pc" => "Right:\n\n".to_string(),
        "pc,error" => format!("Wrong{other}:\n\n"),
        "pc,warning" => format!("Right, with a warning{other}:\n\n"),
        _ => String::new(),
    }
}

fn show(clause: &Clause) -> String {
    let mut text = format!("{}    (spec/{})\n", clause.rule, clause.chapter);
    for part in &clause.parts {
        text.push('\n');
        match part {
            Part::Text(paragraph) => text.push_str(&format!("{}\n", paragraph.trim_end())),
            Part::Code { tag, text: code, .. } => {
                text.push_str(&title(tag, &clause.rule));
                for line in code.lines() {
                    text.push_str(format!("    {line}").trim_end());
                    text.push('\n');
                }
            }
        }
    }
    text
}

/// The number of letters to insert, delete, replace or swap to turn one word into the other.
pub fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().take(64).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = last[j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut cost = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                cost = cost.min(before[j - 2] + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAPTER: &str = "# Title\n\nNo clause.\n\nr[sum.smooth]\n\nOperands have\nthe same scope.\n\nSecond.\n\n```pc\ncircuit a {\n\n# x\n}\n```\n\n```pc,error=sum.smooth\ncircuit b {}\n```\nr[sum.other]\nText.\n## Heading\nNot part.\n";

    #[test]
    fn clauses_are_read() {
        let clauses = read("sum.md", CHAPTER);
        let shown: Vec<String> = clauses.iter().map(show).collect();
        let first = "sum.smooth    (spec/sum.md)\n\nOperands have\nthe same scope.\n\nSecond.\n\nRight:\n\n    circuit a {\n\n    # x\n    }\n\nWrong:\n\n    circuit b {}\n";
        assert_eq!(shown, [first, "sum.other    (spec/sum.md)\n\nText.\n"]);
        let lines: Vec<usize> = clauses[0]
            .parts
            .iter()
            .filter_map(|part| if let Part::Code { line, .. } = part { Some(*line) } else { None })
            .collect();
        assert_eq!(lines, [13, 20]);
    }

    #[test]
    fn every_rule_is_explained() {
        assert!(rules().len() > 10);
        for rule in rules() {
            let text = explain(&rule).expect("a rule has a clause");
            assert!(text.lines().count() > 2, "{rule} says nothing");
        }
        assert_eq!(explain("no.such"), None);
    }

    #[test]
    fn similar_rules_are_found() {
        assert_eq!(nearest("sintax.brackets").first().map(String::as_str), Some("syntax.bracket"));
        assert_eq!(nearest("synta.depth").first().map(String::as_str), Some("syntax.depth"));
        assert!(nearest("zzzzzzzzzzzzzz").is_empty());
    }

    #[test]
    fn distances() {
        assert_eq!(
            [distance("", "abc"), distance("width", "widht"), distance("root", "rot"), distance("a", "a")],
            [3, 1, 1, 0]
        );
    }
}
