//! What the measuring programs are asked for.

use std::collections::BTreeMap;

/// Values of a variable in the examples.
pub const VALUES: u32 = 27;

/// The options that all programs have, and others by name.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// `H` (dense) or `AxB` (Monarch).
    pub cases: Vec<String>,
    /// Rows computed at a time.
    pub batch: usize,
    /// Positions of the chain.
    pub length: usize,
    /// Undisturbed runs that are wanted.
    pub runs: usize,
    /// Seconds in which they must be had.
    pub seconds: u64,
    /// Whether to print JSON.
    pub json: bool,
    /// The options of one program, without their dashes.
    pub others: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads the command line; `others` names the options that only this program has.
    pub fn read(others: &[&str]) -> Result<Arguments, String> {
        let mut arguments = Arguments {
            cases: vec![],
            batch: 64,
            length: 64,
            runs: 11,
            seconds: 60,
            json: false,
            others: BTreeMap::new(),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            if word == "--json" {
                arguments.json = true;
                continue;
            }
            let value = words.next().ok_or_else(|| format!("`{word}` wants a value"))?;
            let number = || value.parse().map_err(|_| format!("`{word}` wants a number, not `{value}`"));
            match word.as_str() {
                "--case" => arguments.cases.push(value),
                "--batch" => arguments.batch = number()?,
                "--length" => arguments.length = number()?,
                "--runs" => arguments.runs = number()?,
                "--seconds" => arguments.seconds = number()? as u64,
                _ => match word.strip_prefix("--").filter(|name| others.contains(name)) {
                    Some(name) => drop(arguments.others.insert(name.to_string(), value)),
                    None => return Err(format!("there is no option `{word}`")),
                },
            }
        }
        if arguments.cases.is_empty() {
            arguments.cases = ["1024", "64x64", "128x128"].map(String::from).to_vec();
        }
        Ok(arguments)
    }

    /// Indices of values for all positions of a batch: the same pseudo-random ones every time.
    pub fn evidence(&self) -> Vec<u32> {
        let mut state = 1u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % VALUES
        };
        (0..self.length * self.batch).map(next).collect()
    }
}
