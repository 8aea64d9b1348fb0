//! Tests of the formatter: examples, and properties over random programs with comments at random places.

use super::*;
use crate::dump::shape;
use proptest::prelude::*;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn formatted(text: &str) -> String {
    format(text).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}\n{text}"))
}

fn comments(text: &str) -> Vec<String> {
    let lexed = lex(0, text);
    let mut list: Vec<String> = lexed.comments.into_iter().map(|comment| comment.text).collect();
    list.extend(lexed.lexemes.iter().filter_map(|lexeme| match lexeme.token {
        Token::Doc(text) => Some(text.to_string()),
        _ => None,
    }));
    list.sort();
    list
}

fn holds(text: &str) {
    let once = formatted(text);
    assert_eq!(shape(&parse(0, text).file), shape(&parse(0, &once).file), "the tree changes\n{text}\n=>\n{once}");
    assert_eq!(formatted(&once), once, "not idempotent\n{text}\n=>\n{once}");
    assert_eq!(comments(text), comments(&once), "comments change\n{text}\n=>\n{once}");
    assert!(once.lines().all(|line| line.trim_end() == line), "white space at the end\n{once}");
    assert!(!once.contains("\n\n\n") && !once.contains('\t') && !once.starts_with('\n'));
}

#[test]
fn odd_programs() {
    for text in ODD {
        holds(text);
    }
}

const ODD: &[&str] = &[
    "use  \"a.pc\"use\"b.pc\"\n\n\n// free\n\n\n/// doc\ncircuit a(T=256,H=T*2,){var x:binary  var y[2*T,-1]:integer(-3..T-1)\n\n\n//c\nroot(sum(x)width 4-1 tie t)*b|c mixing tie m}// end\n// last",
    "circuit a { // head\n var x: binary var y: binary // t\n var z: binary\n\n // before close\n\n}\ncircuit b{}circuit c=a(H=1,T = 2)*b() untied",
    "circuit a {\n region long[i in 0..T, j in 0..T*2+1 reversed] = sum(p[2*i, 2*j] * p[2*i, 2*j+1]) * alpha[i] * beta[j] * gamma[i, j] | other[i] * another[j] | third[i] width H * H monarch(16, 16, H / 2) tie transition_weights mixing tie mixture_weights\n root sum(0.25 : first_component_of_many, 0.25 : second_component_of_many, 0.5 : third_component_of_many) tie t }",
    "circuit a { root sum( // first\n 0.25 : a, // the a\n // the b\n 0.75 : b // also b\n // last\n) tie w input e = categorical(x) width 2 weights [[0.1,0.9], [0.5,0.5]] // given\n}",
    "circuit a { region z = // why\n a // one\n // two\n * b // three\n width // stray\n 4 // five\n tie w // six\n}",
    "circuit a { input e = categorical(x) weights [[0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625,0.0625],[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]] }",
    "circuit width(tie = 2, weights = 3) { region weights[width] = weights[0] * width[1] tie tie width width - 3 weights [1] root weights | (tie * dense) width -1 mixing tie mixing }",
    "\u{feff}circuit a {\r\n\tvar x: binary\r\n\t// c\r\n}\r\n",
    "",
    "// only\n\n\n// comments",
];

/// A text in the form the formatter makes: it stays as it is.
const FORMED: &str = "\
// A hidden Markov model.
use \"base.pc\"

/// Doc of the circuit.
circuit hmm(T = 256, H = T * 2, V = 27) {
    var x[T]: categorical(V)   var rain: binary

    // One table.
    input emit[t in 0..T] = categorical(x[t]) width H tie emission
    input given = bernoulli(rain) weights [[0.1, 0.9], [0.5, 0.5]] // given

    /// Doc of a region.
    region z[t in 0..T-1 reversed] = emit[t] * sum(z[t+1]) width H dense tie transition
    region quarter[r in 0..2, c in 0..2] =
        sum(p[2*r, 2*c] * p[2*r, 2*c+1] * p[2*r+1, 2*c] * p[2*r+1, 2*c+1]) width K dense
    region long[i in 0..T, j in 0..T*2+1 reversed] =
        sum(p[2*i, 2*j] * p[2*i, 2*j+1]) * alpha[i] * beta[j] * gamma[i, j] // first
        | other[i] * another[j]
        // last
        | third[i]
        width H * H monarch(16, 16, H / 2) tie transition_weights mixing tie mixture_weights

    root sum(
        // first
        0.25 : first_component, // the first
        0.75 : second_component, // the second
        // end
    ) tie w
    // end of circuit
} // end

circuit empty {}

circuit p = hmm(H = 512) * hmm(H = 1024) untied
// end of file
";

#[test]
fn formed_text_stays() {
    holds(FORMED);
    assert_eq!(formatted(FORMED), FORMED);
}

#[test]
fn odd_text_is_put_in_form() {
    let text = "circuit  a(H=1,){var x:binary\r\n\r\n\r\n\r\n//c\n\troot(sum(x)width 4-1 tie t)*b|c mixing // m\n tie m}circuit b{}";
    let expected = "circuit a(H = 1) {\n    var x: binary\n\n    //c\n    // m\n    root (sum(x) width 4 - 1 tie t) * b | c mixing tie m\n}\n\ncircuit b {}\n";
    assert_eq!(formatted(text), expected);
}

#[test]
fn wrong_programs_are_refused() {
    assert_eq!(format("circuit a {").map_err(|list| list[0].rule), Err("syntax.bracket"));
}

/// Deep, long and wide programs take no more time than their size asks for.
#[test]
fn extreme_programs() {
    let deep = format!("circuit a {{ root {}x{} }}", "sum(some_name * another_name, ".repeat(190), ")".repeat(190));
    let chain = format!("circuit a {{ root x{} }}", " * a_region[t+1] | (b)".repeat(2000));
    let rows = format!("circuit a {{ input e = c(x) weights [{}] }}", "[0.25, 0.25, 0.25, 0.25],".repeat(3000));
    let row = format!("circuit a {{ input e = c(x) weights [{}0.5] }}", "0.25,".repeat(20_000));
    let attributes = format!("circuit a {{ root x {} }}", "monarch(16, 16, 16, 16) ".repeat(2000));
    let nested = format!("circuit a {{ root {}x{} }}", "(a | b * (sum(".repeat(60), ") width 4))".repeat(60));
    let items = "circuit a { region z[t in 0..T] = a[t] * b // c\n }".repeat(2000);
    for text in [deep, chain, rows, row, attributes, nested, items] {
        let start = std::time::Instant::now();
        let once = formatted(&text);
        assert_eq!(formatted(&once), once);
        let seconds = start.elapsed().as_secs_f64();
        println!("{seconds:.3} s for {} bytes", text.len());
        assert!(seconds < 20.0, "{} bytes took {seconds} s", text.len());
    }
}

/// A random program: words, not meaning, so that every rule of the grammar is met.
struct Writer {
    random: ChaCha8Rng,
    words: Vec<String>,
}

impl Writer {
    fn put(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| word.to_string()));
    }

    fn name(&mut self) {
        let names = [
            "x",
            "emission_table",
            "width",
            "tie",
            "dense",
            "weights",
            "z",
            "H",
            "reversed",
            "a_name_of_forty_columns_so_that_lines_end",
        ];
        let name = names.choose(&mut self.random).expect("not empty");
        self.put(&[name]);
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.random.random_bool(probability)
    }

    fn list(&mut self, open: &str, close: &str, mut element: impl FnMut(&mut Self)) {
        self.put(&[open]);
        element(self);
        while self.chance(0.4) {
            self.put(&[","]);
            element(self);
        }
        if self.chance(0.2) {
            self.put(&[","]);
        }
        self.put(&[close]);
    }

    fn expr(&mut self, depth: usize) {
        match self.random.random_range(0..if depth == 0 { 2 } else { 6 }) {
            0 => self.name(),
            1 => self.put(&["16"]),
            2 => {
                self.put(&["-"]);
                self.expr(depth - 1);
            }
            3 => {
                self.put(&["("]);
                self.expr(depth - 1);
                self.put(&[")"]);
            }
            _ => {
                self.expr(depth - 1);
                let operator = *["+", "-", "*", "/", "%"].choose(&mut self.random).expect("not empty");
                self.put(&[operator]);
                self.expr(depth - 1);
            }
        }
    }

    fn indices(&mut self, ranges: bool) {
        if self.chance(0.5) {
            self.list("[", "]", |writer| {
                if ranges && writer.chance(0.5) {
                    writer.name();
                    writer.put(&["in"]);
                    writer.expr(1);
                    writer.put(&[".."]);
                    writer.expr(2);
                    if writer.chance(0.3) {
                        writer.put(&["reversed"]);
                    }
                } else {
                    writer.expr(2);
                }
            });
        }
    }

    fn region(&mut self, depth: usize) {
        let sum = |writer: &mut Self| {
            writer.put(&["sum"]);
            let weighted = writer.chance(0.3);
            writer.list("(", ")", |writer| {
                if weighted {
                    writer.put(&["0.25", ":"]);
                }
                writer.region(depth - 1);
            });
        };
        match self.random.random_range(0..if depth == 0 { 1 } else { 7 }) {
            0 => {
                self.name();
                self.indices(false);
            }
            1 => sum(self),
            2 => {
                self.put(&["kronecker"]);
                self.list("(", ")", |writer| writer.region(depth - 1));
            }
            3 => {
                self.put(&["("]);
                if self.chance(0.5) {
                    sum(self);
                    self.attributes(1);
                } else {
                    self.region(depth - 1);
                }
                self.put(&[")"]);
            }
            choice => {
                self.region(depth - 1);
                self.put(&[if choice == 4 { "|" } else { "*" }]);
                self.region(depth - 1);
            }
        }
    }

    fn attributes(&mut self, least: usize) {
        let count = self.random.random_range(least..4);
        for _ in 0..count {
            match self.random.random_range(0..7) {
                0 => {
                    self.put(&["width"]);
                    self.expr(2);
                }
                1 => self.put(&["dense"]),
                2 => {
                    self.put(&["block_diagonal", "("]);
                    self.expr(2);
                    self.put(&[")"]);
                }
                3 => {
                    self.put(&["monarch"]);
                    self.list("(", ")", |writer| writer.expr(1));
                }
                4 => {
                    self.put(&["tie"]);
                    self.name();
                }
                5 => {
                    self.put(&["mixing", "tie"]);
                    self.name();
                }
                _ => {
                    self.put(&["weights"]);
                    self.list("[", "]", |writer| writer.list("[", "]", |writer| writer.put(&["-", "0.5e-3"])));
                }
            }
        }
    }

    fn item(&mut self) {
        if self.chance(0.2) {
            self.put(&["\n/// doc\n"]);
        }
        match self.random.random_range(0..4) {
            0 => {
                self.put(&["var"]);
                self.name();
                if self.chance(0.5) {
                    self.list("[", "]", |writer| writer.expr(2));
                }
                self.put(&[":", "integer", "("]);
                self.expr(1);
                self.put(&[".."]);
                self.expr(2);
                self.put(&[")"]);
            }
            1 => {
                self.put(&["input"]);
                self.name();
                self.indices(true);
                self.put(&["=", "indicator", "("]);
                self.name();
                self.indices(false);
                self.put(&[",", "1", ")"]);
                self.attributes(0);
            }
            2 => {
                self.put(&["region"]);
                self.name();
                self.indices(true);
                self.put(&["="]);
                self.region(4);
                self.attributes(0);
            }
            _ => {
                self.put(&["root"]);
                self.region(4);
                self.attributes(0);
            }
        }
    }

    fn program(&mut self) {
        self.put(&["use", "\"a b.pc\""]);
        self.put(&["circuit"]);
        self.name();
        self.list("(", ")", |writer| {
            writer.name();
            writer.put(&["="]);
            writer.expr(2);
        });
        self.put(&["{"]);
        for _ in 0..self.random.random_range(0..8) {
            self.item();
        }
        self.put(&["}", "circuit", "p", "=", "a", "(", "H", "=", "2", ")", "*", "b", "untied"]);
    }

    /// The words with random space and, if asked for, random comments between them.
    fn text(&mut self, noise: f64) -> String {
        let mut text = String::new();
        for (at, word) in std::mem::take(&mut self.words).into_iter().enumerate() {
            match self.random.random_range(0..8) {
                _ if self.chance(noise) => text.push_str(&format!(" // note {at}\n")),
                _ if self.chance(noise) => text.push_str(&format!("\n\n  // own {at}\n")),
                0 => text.push('\n'),
                1 => text.push_str("\n\n \n\t"),
                2 => text.push_str("  "),
                _ => text.push(' '),
            }
            text.push_str(&word);
        }
        text
    }
}

fn program(seed: u64, noise: f64) -> String {
    let mut writer = Writer { random: ChaCha8Rng::seed_from_u64(seed), words: Vec::new() };
    writer.program();
    writer.text(noise)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_programs(seed in any::<u64>()) {
        holds(&program(seed, 0.0));
    }

    #[test]
    fn random_programs_with_comments(seed in any::<u64>(), noise in 0.0..0.3) {
        holds(&program(seed, noise));
    }
}
