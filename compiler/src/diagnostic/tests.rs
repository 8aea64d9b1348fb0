//! Tests of the rendering.

use super::*;

fn source(text: &str) -> Vec<Source> {
    vec![Source { name: "a.pc".to_string(), text: text.to_string() }]
}

fn at(start: u32, end: u32) -> Span {
    Span { file: 0, start, end }
}

#[test]
fn several_labels_and_help() {
    let text = "circuit a {\n    root sum(z)\n}";
    let diagnostic = Diagnostic::error("name.unknown", "there is no region `z`", at(25, 26), "not declared")
        .with(at(8, 9), "in this circuit")
        .help("declare it with `region z = ..`");
    let expected = "\
error[name.unknown]: there is no region `z`
  ┌─ a.pc:2:14
  │
1 │ circuit a {
  │         - in this circuit
2 │     root sum(z)
  │              ^ not declared
  │
  = help: declare it with `region z = ..`

";
    assert_eq!(render(&source(text), &[diagnostic]), expected);
}

#[test]
fn several_lines() {
    let text = "circuit a {\n\troot z\n}";
    let diagnostic = Diagnostic::warning("a.b", "many lines", at(8, 21), "all of it");
    let expected = "\
warning[a.b]: many lines
  ┌─ a.pc:1:9
  │
1 │   circuit a {
  │ ╭─────────^
2 │ │     root z
3 │ │ }
  │ ╰─^ all of it

";
    assert_eq!(render(&source(text), &[diagnostic]), expected);
}

#[test]
fn in_source_order_and_without_place_first() {
    let text = "abc\r\ndef";
    let first = Diagnostic::error("a.a", "first", at(0, 1), "");
    let last = Diagnostic::error("a.b", "last", at(8, 8), "the end");
    let nowhere = Diagnostic::without_place("a.c", "nowhere");
    let text = render(&source(text), &[last, first, nowhere]);
    let order: Vec<&str> = text.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(order, ["error[a.c]: nowhere", "error[a.a]: first", "error[a.b]: last"]);
    assert!(text.contains("2 │ def\n  │    ^ the end\n"), "{text}");
}

#[test]
fn odd_spans_and_odd_texts() {
    let texts = ["", "\n", "\u{feff}x\u{0}\u{1b}[31m ü\u{202e}\u{85}", "a\tb\r\n", "ü"];
    let spans = [(0, 0), (0, 1), (1, 1), (5, 3), (1, 2), (u32::MAX - 1, u32::MAX), (0, u32::MAX)];
    for text in texts {
        for (start, end) in spans {
            for file in [0, 1, u32::MAX] {
                let diagnostic = Diagnostic::error("a.b", "odd", Span { file, start, end }, "here")
                    .with(Span { file, start: end, end: start }, "there");
                let rendered = render(&source(text), std::slice::from_ref(&diagnostic));
                assert!(rendered.starts_with("error[a.b]: odd\n") && !rendered.contains('\u{1b}'));
                assert!(render(&[], &[diagnostic]).starts_with("error[a.b]: odd\n"));
                span_text(&source(text), Span { file, start, end });
            }
        }
    }
}

#[test]
fn long_lines_are_not_shown() {
    let text = "x ".repeat(5000);
    let rendered = render(&source(&text), &[Diagnostic::error("a.b", "long", at(4000, 4001), "here").help("do")]);
    assert_eq!(rendered, "error[a.b]: long\n = a.pc:1:4001: here\n = help: do\n\n");
}

#[test]
fn positions() {
    let text = "\u{feff}aü\nb";
    assert_eq!(
        [0, 3, 4, 5, 6, 7, 8, 99].map(|at| position(text, at)),
        [(1, 1), (1, 1), (1, 2), (1, 2), (1, 3), (2, 1), (2, 2), (2, 2)]
    );
    assert_eq!(span_text(&source(text), at(3, 6)), "aü");
}
