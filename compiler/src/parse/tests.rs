//! Tests of the parser.

use super::*;
use crate::diagnostic::{Source, render};

pub(super) const HMM: &str = r#"// A hidden Markov model.
use "base.pc"

/// Doc of the circuit.
circuit hmm(T = 256, H = T*2, V = 27) {
    var x[T]: categorical(V)

    // One table.
    input emit[t in 0..T] = categorical(x[t]) width H tie emission

    region z[T-1] = emit[T-1]
    region z[t in 0..T-1 reversed] = emit[t] * sum(z[t+1]) width H dense tie transition

    root sum(z[0]) tie initial
}

circuit p = hmm(H = 512) * hmm(H = 1024) untied // no doc
circuit weather() {
    var rain: binary   var wet: binary var i[2, 3,]: integer(-3..4)
    /// Doc of an item.
    input a = bernoulli(rain) weights [[0.1, 0.9], [0.5, 0.5]]
    input b = indicator(wet, 1)
    region q = (sum(a) width 4 dense tie w) * b | kronecker(a, b) mixing tie m
    root sum(0.4 : dry, 0.6 : rainy, 1e-3 : (a | b) * c) block_diagonal(-2 % 3 + 4) monarch(1, 2) weights [0.2, 0.8]
}
"#;

fn rendered(text: &str) -> String {
    let source = Source { name: "t.pc".to_string(), text: text.to_string() };
    render(&[source], &parse(0, text).diagnostics)
}

fn rules(text: &str) -> Vec<&'static str> {
    parse(0, text).diagnostics.iter().map(|diagnostic| diagnostic.rule).collect()
}

/// The messages and the help of a text, one a line, without the source.
fn messages(text: &str) -> Vec<String> {
    let list = parse(0, text).diagnostics;
    list.into_iter().flat_map(|found| std::iter::once(found.message).chain(found.help)).collect()
}

#[test]
fn everything_is_represented() {
    let parsed = parse(0, HMM);
    assert_eq!(rendered(HMM), "");
    assert_eq!(crate::dump::ast(&parsed.file, HMM), include_str!("everything.ast"));
    let comments: Vec<(&str, bool)> = parsed.comments.iter().map(|c| (c.text.as_str(), c.own_line)).collect();
    assert_eq!(comments, [("// A hidden Markov model.", true), ("// One table.", true), ("// no doc", false)]);
}

#[test]
fn tokens_are_shown() {
    let text = "\u{feff}/// d\r\n circuit a /* x */ = 0..3 \"a\\\"b\" ü // c ";
    let expected = "\
1:1      doc      /// d
2:2      reserved circuit
2:10     name     a
2:20     symbol   =
2:22     integer  0
2:23     symbol   ..
2:25     integer  3
2:27     string   \\\"a\\\\\\\"b\\\"
2:34     error    ü
2:36     comment  // c
";
    assert_eq!(crate::dump::tokens(text), expected);
}

#[test]
fn several_errors_at_once_are_shown_well() {
    let text = "circuit a {\n    var x binary\n    input e = categorical(x) width\n    root Sum(a) }";
    let expected = "\
error[syntax.var]: expected `:`, found `binary`
  ┌─ t.pc:2:11
  │
2 │     var x binary
  │           ^^^^^^ expected `:`
  │
  = help: a variable has a domain: `var x[T]: categorical(27)` or `var rain: binary`

error[syntax.attribute]: expected an integer expression, found `root`
  ┌─ t.pc:3:35
  │
3 │     input e = categorical(x) width
  │                                   ^ expected an integer expression
4 │     root Sum(a) }
  │     ---- found `root`
  │
  = help: `width` is followed by the number of units: `width 64`

error[syntax.root]: expected `*`, `|`, an attribute or the next item, found `(`
  ┌─ t.pc:4:13
  │
4 │     root Sum(a) }
  │             ^ expected `*`, `|`, an attribute or the next item
  │
  = help: `sum` is written in lower case

";
    assert_eq!(rendered(text), expected);
}

#[test]
fn an_unclosed_brace_shows_both_places() {
    let expected = "\
error[syntax.bracket]: this `{` is never closed
  ┌─ t.pc:1:11
  │
1 │ circuit a {
  │           ^ opened here
2 │     root b
  │           - expected `}` before `circuit`

";
    assert_eq!(rendered("circuit a {\n    root b\ncircuit c = a"), expected);
    assert_eq!(parse(0, "circuit a {\n    root b\ncircuit c = a").file.circuits.len(), 2);
}

/// The blocks of the specification: right ones parse, wrong ones break exactly the rule they name.
#[test]
fn specification() {
    use crate::explain::{Part, clauses};
    for clause in clauses().into_iter().filter(|clause| clause.chapter == "syntax.md") {
        for part in clause.parts {
            let Part::Code { tag, text, line } = part else { continue };
            let rules: Vec<&str> = parse(0, &text).diagnostics.iter().map(|diagnostic| diagnostic.rule).collect();
            match tag.split_once(",error=") {
                Some((_, rule)) => assert_eq!(rules, [rule], "line {line}: {}", rendered(&text)),
                None if tag == "pc" => assert_eq!(rendered(&text), "", "line {line}"),
                None => {}
            }
        }
    }
}

/// One mistake each: text, rule, and what the message and the help say.
#[test]
fn common_mistakes() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "var x: binary",
            "syntax.file",
            "expected `circuit` or `use`, found `var`|items stand inside a circuit: `circuit name { .. }`",
        ),
        (
            "circuit",
            "syntax.circuit",
            "expected a name, found the end of the file|a circuit is written `circuit name { .. }` or `circuit name = a * b`",
        ),
        (
            "circuit a(T) { root x }",
            "syntax.circuit",
            "expected `=`, found `)`|every parameter has a default: `circuit hmm(T = 256)`",
        ),
        (
            "circuit b = { }",
            "syntax.circuit",
            "expected the name of a circuit, found `{`|a product of circuits is written `circuit name = a * b`",
        ),
        (
            "circuit a { var x = binary }",
            "syntax.var",
            "expected `:`, found `=`|a variable is declared with `:` and its domain: `var x[T]: categorical(27)`",
        ),
        ("circuit a { var x: }", "syntax.var", "expected a domain, found `}`"),
        (
            "circuit a { var x: binary, y: binary }",
            "syntax.var",
            "expected `(` or the next item, found `,`|every variable has a `var` of its own: `var a: binary var b: binary`",
        ),
        ("circuit a { var x[]: real }", "syntax.expression", "expected an integer expression, found `]`"),
        (
            "circuit a { var x[0.5]: real }",
            "syntax.expression",
            "expected an integer expression, found `0.5`|sizes and indices are whole numbers",
        ),
        ("circuit a { input e = }", "syntax.input", "expected a distribution, found `}`"),
        ("circuit a { input e = categorical() }", "syntax.input", "expected a variable, found `)`"),
        ("circuit a { region = 3 }", "syntax.region", "expected a name, found `=`"),
        ("circuit a { region z: a }", "syntax.region", "expected `=`, found `:`|values are given with `=`"),
        (
            "circuit a { region z = a and b }",
            "syntax.region",
            "expected `*`, `|`, an attribute or the next item, found `and`|the product of two regions is written `a * b`",
        ),
        (
            "circuit a { region z = a + b }",
            "syntax.region",
            "expected `*`, `|`, an attribute or the next item, found `+`|a sum over several operands is written `sum(a, b)`, with weights `sum(0.4 : a, 0.6 : b)`",
        ),
        (
            "circuit a { region z = a(3) }",
            "syntax.region",
            "expected `*`, `|`, an attribute or the next item, found `(`|regions are indexed with square brackets: `z[t+1]`; the only functions are `sum` and `kronecker`",
        ),
        (
            "circuit a { region z = (a width 3) }",
            "syntax.region",
            "expected `)`, found `width`|attributes inside parentheses stand directly after a sum: `(sum(a) width 4 tie w) * b`",
        ),
        (
            "circuit a { region z[t in 0..=3] = a }",
            "syntax.range",
            "a range is written with `..`; `..=` is not part of the language|the end of a range is exclusive: `0..T` has T values",
        ),
        (
            "circuit a { region sum = a }",
            "syntax.reserved",
            "expected a name, found the reserved word `sum`|the reserved words are `circuit`, `in`, `input`, `kronecker`, `region`, `regions`, `root`, `sum`, `use`, `var`",
        ),
        ("circuit a { root sum() }", "syntax.root", "expected a region expression, found `)`"),
        ("circuit a { root 0.4 : a }", "syntax.root", "expected a region expression, found `0.4`"),
        ("circuit a { root sum(0.4 a) }", "syntax.root", "expected `:`, found `a`"),
        (
            "circuit a { root a width 3, tie w }",
            "syntax.attribute",
            "expected an attribute or the next item, found `,`|attributes follow each other without commas",
        ),
        (
            "circuit a { root a tie 3 }",
            "syntax.attribute",
            "expected a name, found `3`|`tie` is followed by a name: `tie transition`",
        ),
        (
            "circuit a { root a mixing m }",
            "syntax.attribute",
            "expected `tie`, found `m`|the weights of a mixture are named with `mixing tie m`",
        ),
        (
            "circuit a { root a weights 3 }",
            "syntax.attribute",
            "expected `[`, found `3`|`weights` is followed by a row `[0.2, 0.8]` or by rows `[[0.2, 0.8], [0.5, 0.5]]`",
        ),
        ("circuit a { root a weights [] }", "syntax.attribute", "expected `[` or a number, found `]`"),
        (
            "circuit a { vars x: binary }",
            "syntax.item",
            "expected `}` or an item (`var`, `input`, `region`, `regions` or `root`), found `vars`|did you mean `var`?",
        ),
        (
            "circuit a { root x; }",
            "syntax.semicolon",
            "items end without a semicolon|delete it; the word that begins the next item ends this one",
        ),
        ("circuit a { root x ] }", "syntax.bracket", "this `]` closes nothing|delete it"),
        ("circuit a { root x } }", "syntax.bracket", "this `}` closes nothing|delete it"),
        ("circuit a { root x[1) }", "syntax.bracket", "expected `]`, found `)`"),
        ("circuit a { root (x[1) }", "syntax.bracket", "this `[` is never closed"),
        (
            "circuit a { root x /* c */ }",
            "syntax.comment",
            "there are no comments of the form `/* .. */`|begin each line of the comment with `//`",
        ),
        (
            "circuit a { root x /// c\n }",
            "syntax.doc",
            "a doc comment stands on a line of its own, before what it documents|write an ordinary comment with `//`",
        ),
        (
            "circuit a { root x\n/// c\n }",
            "syntax.doc",
            "this doc comment documents nothing|write an ordinary comment with `//`",
        ),
        (
            "circuit a { root 'x }",
            "syntax.character",
            "the character `'` is not part of the language|strings stand in straight double quotes: `\"hmm.pc\"`",
        ),
        (
            "circuit a { root x\u{a0}}",
            "syntax.character",
            "the invisible character U+00A0 is not part of the language|delete it; it may come from copying the text",
        ),
        (
            "circuit a { root \u{0} }",
            "syntax.character",
            "the invisible character U+0000 is not part of the language|delete it; it may come from copying the text",
        ),
        (
            "circuit größe { }",
            "syntax.character",
            "the characters `öß` are not part of the language|names are made of the letters `a` to `z` and `A` to `Z`, digits and `_`",
        ),
        (
            "circuit a { root x width 1__0 }",
            "syntax.number",
            "`1__0` is neither a number nor a name|numbers are written `256`, `16_384`, `0.25` or `1e-3`; names do not begin with a digit",
        ),
        (
            "circuit a { root sum(1e999 : x) }",
            "syntax.number",
            "the number `1e999` is too large|a number is at most 1.7976931348623157e308",
        ),
        (
            "use \"a\\n\"",
            "syntax.string",
            "a backslash in a string is followed by `\"` or by another backslash|write `\\\\` for one backslash; paths may be written with `/` on every system",
        ),
        ("use \"a", "syntax.string", "this string is not closed on its line"),
        (
            "circuit a { regions quad_tree(p) { sums width 2 } root x }",
            "syntax.regions",
            "expected `}` or a layer (`input`, `sum`, `product` or `mixing`), found `sums`|did you mean `sum`?",
        ),
        (
            "circuit a { regions quad_tree(p) { product of } root x }",
            "syntax.regions",
            "expected `kronecker` or `hadamard`, found `of`",
        ),
        (
            "circuit a { regions quad_tree(p) { sum tie by 2 } root x }",
            "syntax.regions",
            "expected `depth`, `part`, `variable` or `channel`, found `2`",
        ),
        ("circuit a { regions quad_tree(p) { sum width 2 root x }", "syntax.bracket", "this `{` is never closed"),
    ];
    for (text, rule, expected) in cases {
        assert_eq!(rules(text), [*rule], "{text}\n{}", rendered(text));
        assert_eq!(messages(text).join("|"), *expected, "{text}");
    }
}

#[test]
fn words_with_a_meaning_in_one_place_are_names_elsewhere() {
    let text = "circuit width(tie = 2, reversed = tie) { var dense[t in 0..1]: binary }";
    assert_eq!(rules(text), ["syntax.var"]);
    let text = "circuit width(tie = 2, reversed = tie) { region mixing[width in tie..reversed reversed] = weights[untied] \
                * monarch tie tie width width dense weights [1] mixing tie mixing root dense }";
    assert_eq!(rendered(text), "");
}

#[test]
fn depth_is_limited_not_length() {
    let many = |count: usize, open: &str, close: &str| {
        format!("circuit a {{ root {}x{} }}", open.repeat(count), close.repeat(count))
    };
    assert_eq!(rules(&many(DEPTH_LIMIT - 1, "(", ")")), Vec::<&str>::new());
    assert_eq!(rules(&many(20_000, "(", ")")), ["syntax.depth"]);
    assert_eq!(rules(&many(20_000, "sum(", ")")), ["syntax.depth"]);
    assert_eq!(rules(&many(20_000, "x[", "]")), ["syntax.depth"]);
    assert_eq!(rules(&many(20_000, "{", "}")).first(), Some(&"syntax.depth"));
    let operators = |count: usize, what: &str| {
        format!("circuit a {{ root x width {}1 root x {} }}", what.repeat(count), "* x".repeat(count))
    };
    assert_eq!(rules(&operators(DEPTH_LIMIT - 1, "1+")), Vec::<&str>::new());
    assert_eq!(rules(&operators(20_000, "1+")), ["syntax.depth"]);
    assert_eq!(rules(&operators(20_000, "-")), ["syntax.depth"]);
}

#[test]
fn many_errors_are_cut_off() {
    let found = parse(0, &format!("circuit a {{ {} }}", "root ".repeat(50_000))).diagnostics;
    assert_eq!(found.len(), ERROR_LIMIT);
    assert!(found.last().is_some_and(|last| last.help.iter().any(|help| help.contains("not shown"))));
}

#[test]
fn long_texts_are_refused() {
    assert_eq!(rules(&" ".repeat(lex::TEXT_LIMIT + 1)), ["syntax.text"]);
}
