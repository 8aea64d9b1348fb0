//! Tests of the parser with texts that are no programs: it never panics, and it ends soon.

use super::tests::HMM;
use super::*;
use crate::diagnostic::{Source, render};
use proptest::prelude::*;

/// Whatever the text: no panic, spans inside of the text on boundaries of characters, and it renders.
fn survives(text: &str) {
    let parsed = parse(0, text);
    let fits = |span: Span| text.get(span.start as usize..span.end as usize).is_some();
    for found in &parsed.diagnostics {
        assert!(found.primary.iter().chain(&found.secondary).all(|(span, _)| fits(*span)), "{found:?}\n{text:?}");
    }
    assert!(parsed.comments.iter().all(|comment| fits(comment.span)));
    let source = Source { name: "t.pc".to_string(), text: text.to_string() };
    render(&[source], &parsed.diagnostics);
    crate::dump::ast(&parsed.file, text);
    crate::dump::tokens(text);
    if let Ok(formatted) = crate::format::format(text) {
        assert_eq!(parse(0, &formatted).diagnostics, []);
    }
}

const SOUP: [&str; 65] = [
    "use",
    "circuit",
    "var",
    "input",
    "region",
    "regions",
    "root",
    "in",
    "sum",
    "kronecker",
    "reversed",
    "untied",
    "at",
    "by",
    "below",
    "depth",
    "product",
    "hadamard",
    "width",
    "dense",
    "block_diagonal",
    "monarch",
    "tie",
    "mixing",
    "weights",
    "floor",
    "x",
    "t",
    "categorical",
    "7",
    "0.5",
    "1e-3",
    "\"s\"",
    "\"",
    "/// doc\n",
    "// note\n",
    "/*",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "=",
    "..",
    "..=",
    ";",
    "+",
    "-",
    "*",
    "/",
    "%",
    "|",
    "ü",
    "12ab",
    "\u{0}",
    "\n",
    "\r\n",
    "\u{feff}",
    "circuit a {",
    "regions quad_tree(x) {",
    "tie by",
    "root sum(",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn token_soup(words in proptest::collection::vec(proptest::sample::select(&SOUP[..]), 0..80), space in any::<bool>()) {
        survives(&words.join(if space { " " } else { "" }));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        survives(&text);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn damaged_programs(at in 0..HMM.len(), length in 0..40usize, word in proptest::sample::select(&SOUP[..])) {
        let start = (0..=at).rev().find(|&at| HMM.is_char_boundary(at)).unwrap_or(0);
        let end = (start + length).min(HMM.len());
        survives(&format!("{}{word}{}", &HMM[..start], HMM.get(end..).unwrap_or_default()));
    }
}

#[test]
fn long_soup_is_fast() {
    for word in SOUP {
        let start = std::time::Instant::now();
        survives(&format!("{word} ").repeat(4000));
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < 10.0, "{word:?} took {seconds} s");
    }
}
