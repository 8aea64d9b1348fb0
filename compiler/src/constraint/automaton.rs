//! Deterministic automata over the symbols of variables, from regular expressions.
//!
//! The automaton of the expression reads bytes; a symbol is one or more of them, as a token is. [`Automaton`] reads symbols. It is *minimal and trim*: no
//! two states are left in the same ways, and every state lies on a way from the start to acceptance.
//!
//! States are merged by refinement: at first those that accept and those that do not, then by what their steps lead to, until nothing
//! changes (E. Moore, "Gedanken-experiments on sequential machines", 1956).

use super::ConstraintError;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::{primitives::StateID, start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::{BTreeMap, VecDeque};

/// Most states times symbols before merging.
const ENTRIES: usize = 1 << 23;

/// Most steps between states: the transitions of the product hold their square.
const STEPS: usize = 1 << 12;

/// Most bytes of the automaton that reads bytes, and of what makes it.
const BYTES: usize = 64 << 20;

/// A deterministic automaton. State 0 is the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automaton {
    /// For each state, whether a row may end in it.
    pub accepting: Vec<bool>,
    /// The steps, by the states that they lead from, then by those that they lead to.
    pub steps: Vec<Step>,
}

/// All symbols that lead from one state to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state before.
    pub from: usize,
    /// The state after.
    pub to: usize,
    /// The values whose symbols these are; at least one.
    pub values: Vec<usize>,
}

/// For each state, the state after each symbol, and whether it accepts.
struct Table {
    next: Vec<Vec<Option<usize>>>,
    accepting: Vec<bool>,
}

impl Automaton {
    /// The automaton of an expression over symbols. Some row of `length` symbols satisfies it.
    pub fn new(pattern: &str, symbols: &[Vec<u8>], length: usize) -> Result<Automaton, ConstraintError> {
        let refused = |reason: String| ConstraintError::Pattern { pattern: pattern.to_string(), reason };
        let table = explored(pattern, symbols).map_err(refused)?;
        if !table.accepts(length) {
            return Err(ConstraintError::Unsatisfiable { pattern: pattern.to_string(), length });
        }
        let automaton = table.trimmed().merged();
        if automaton.steps.len() > STEPS {
            let reason =
                format!("its automaton has {} steps between states; {STEPS} are possible", automaton.steps.len());
            return Err(refused(reason));
        }
        Ok(automaton)
    }
}

/// Follows all symbols from the start.
fn explored(pattern: &str, symbols: &[Vec<u8>]) -> Result<Table, String> {
    // Symbols of one byte each are characters; otherwise `.` is a character of UTF-8.
    let unicode = symbols.iter().any(|symbol| symbol.len() > 1 && std::str::from_utf8(symbol).is_ok());
    let config = dense::Config::new()
        .match_kind(MatchKind::All)
        .start_kind(StartKind::Anchored)
        .accelerate(false)
        .dfa_size_limit(Some(BYTES))
        .determinize_size_limit(Some(BYTES));
    let dfa = dense::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().unicode(unicode).utf8(false).dot_matches_new_line(true))
        .thompson(thompson::Config::new().utf8(false))
        .build(pattern)
        .map_err(|error| cause_of(&error))?;
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).map_err(|error| error.to_string())?;
    let mut numbers = BTreeMap::from([(start, 0)]);
    let mut open = VecDeque::from([start]);
    let mut table = Table { next: Vec::new(), accepting: Vec::new() };
    while let Some(state) = open.pop_front() {
        table.accepting.push(dfa.is_match_state(dfa.next_eoi_state(state)));
        let mut row = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            let after = symbol.iter().fold(state, |state, &byte| dfa.next_state(state, byte));
            row.push((!symbol.is_empty() && is_alive(&dfa, after)).then(|| {
                let number = numbers.len();
                *numbers.entry(after).or_insert_with(|| {
                    open.push_back(after);
                    number
                })
            }));
        }
        table.next.push(row);
        if numbers.len().saturating_mul(symbols.len()) > ENTRIES {
            return Err(format!("its automaton has more than {} states", ENTRIES / symbols.len()));
        }
    }
    Ok(table)
}

fn is_alive(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    !dfa.is_dead_state(state) && !dfa.is_quit_state(state)
}

/// The message of the first cause, which names the place.
fn cause_of(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map_or(String::new(), ToString::to_string)
}

impl Table {
    /// Whether a row of this many symbols is accepted.
    fn accepts(&self, length: usize) -> bool {
        let mut reached = vec![false; self.accepting.len()];
        reached[0] = true;
        for _ in 0..length {
            let mut after = vec![false; reached.len()];
            let from = reached.iter().zip(&self.next).filter(|(reached, _)| **reached);
            from.flat_map(|(_, row)| row.iter().flatten()).for_each(|&to| after[to] = true);
            reached = after;
        }
        reached.iter().zip(&self.accepting).any(|(reached, accepting)| *reached && *accepting)
    }

    /// Without steps to states from which nothing is accepted.
    fn trimmed(mut self) -> Table {
        let mut alive = self.accepting.clone();
        loop {
            let leads = |state: usize| alive[state] || self.next[state].iter().flatten().any(|&to| alive[to]);
            let more: Vec<bool> = (0..alive.len()).map(leads).collect();
            if more == alive {
                break;
            }
            alive = more;
        }
        self.next.iter_mut().flatten().for_each(|to| *to = to.filter(|&state| alive[state]));
        self
    }

    /// States that accept the same are one. Those that cannot be reached any more are left out.
    fn merged(&self) -> Automaton {
        let mut classes: Vec<usize> = self.accepting.iter().map(|&accepting| usize::from(accepting)).collect();
        let mut count = 0;
        loop {
            let mut seen = BTreeMap::new();
            let refined: Vec<usize> = (0..classes.len())
                .map(|state| {
                    let after: Vec<Option<usize>> =
                        self.next[state].iter().map(|to| to.map(|to| classes[to])).collect();
                    let number = seen.len();
                    *seen.entry((classes[state], after)).or_insert(number)
                })
                .collect();
            classes = refined;
            if seen.len() == count {
                break;
            }
            count = seen.len();
        }
        self.numbered(&classes)
    }

    /// The automaton of classes of states, which are numbered as they are met from the start.
    fn numbered(&self, classes: &[usize]) -> Automaton {
        let mut numbers = BTreeMap::from([(classes[0], 0)]);
        let mut open = VecDeque::from([0]);
        let mut automaton = Automaton { accepting: Vec::new(), steps: Vec::new() };
        while let Some(state) = open.pop_front() {
            let from = automaton.accepting.len();
            automaton.accepting.push(self.accepting[state]);
            let mut by_target: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (value, to) in self.next[state].iter().enumerate().filter_map(|(value, to)| Some((value, (*to)?))) {
                let number = numbers.len();
                let number = *numbers.entry(classes[to]).or_insert_with(|| {
                    open.push_back(to);
                    number
                });
                by_target.entry(number).or_default().push(value);
            }
            automaton.steps.extend(by_target.into_iter().map(|(to, values)| Step { from, to, values }));
        }
        automaton
    }
}
