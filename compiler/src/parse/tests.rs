//! Tests of the parser.

use super::*;
use crate::diagnostic::{Source, render};

const HMM: &str = r#"// A hidden Markov model.
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

circuit p = hmm(H = 512) * hmm(H = 1024) untied
circuit weather() {
    var rain: binary   var wet: binary var i[2, 3,]: integer(-3..4)
    /// Doc of an item.
    input a = bernoulli(rain) weights [[0.1, 0.9], [0.5, 0.5]]
    input b = indicator(wet, 1)
    region q = (sum(a) width 4 dense tie w) * b | kronecker(a, b) mixing tie m
    root sum(0.4 : dry, 0.6 : rainy, 1e-3 : (a | b) * c) block_diagonal(-2 % 3 + 4) monarch(1, 2) weights [0.2, 0.8]
}
"#;

pub(crate) fn rendered(text: &str) -> String {
    let source = Source { name: "t.pc".to_string(), text: text.to_string() };
    render(&[source], &parse(0, text).diagnostics)
}

#[test]
fn everything() {
    let parsed = parse(0, HMM);
    println!("{}", crate::dump::ast(&parsed.file, HMM));
    println!("{}", crate::dump::tokens("/// d\n circuit a /* x */ = 0..3 \"a\\\"b\" ü"));
    assert_eq!(rendered(HMM), "");
}

#[test]
fn look() {
    for text in LOOK {
        println!("==========\n{text}\n----------\n{}", rendered(text));
    }
}

const LOOK: &[&str] = &[
    "circuit a { var x binary\n region = 3\n input e = categorical(x) width\n root sum(a) }",
    "circuit a { var x[3 binary\n region z[t in 0..=4] = a[t) * (b\n root Sum(a); }",
    "circuit a {\n region z = a and b\n region width = width width 3\n region sum = a\n region z = \n root a",
    "circuit a(T) { root a }\ncircuit b = { }\ncircuit c = a(T=2 * b\ncircuit d",
    "var x: binary",
    "circuit a { regions quad_tree(p) {\n input categorical width K\n sum width K dense } root a b c width 3, tie w\n vars x: binary var x = binary, y: binary }",
    "circuit a { region a = a(3) region b = (a width 3) * 4 region c = 'a' # foo 12abc }\n use \"a",
    "",
    "circuit",
    "circuit a { root a ] }}\n/// foo",
    "circuit a { root a weights [] tie root mixing m\n root sum() region a = b + c var x[]: real }",
];

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
