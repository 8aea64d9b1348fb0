//! Words of the configuration: each is read from text, in a file and on the command line alike, and printed back.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A word cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct WordError(String);

/// The name of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptimizerName {
    /// `em`
    Em,
    /// `em-average`
    EmAverage,
    /// `anemone`
    Anemone,
    /// `adam`
    Adam,
}

/// Rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Batch {
    /// `full`: all rows.
    Full,
    /// So many.
    Rows(usize),
}

/// How often something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// `30s`, `5m`, `1h`
    Seconds(u64),
    /// `200u`
    Updates(u64),
    /// `1e`
    Epochs(u64),
}

/// A number of bytes: `1073741824`, `512MiB`, `8GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for OptimizerName {
    type Err = WordError;

    fn from_str(text: &str) -> Result<OptimizerName, WordError> {
        match text {
            "em" => Ok(OptimizerName::Em),
            "em-average" => Ok(OptimizerName::EmAverage),
            "anemone" => Ok(OptimizerName::Anemone),
            "adam" => Ok(OptimizerName::Adam),
            _ => Err(WordError(format!("there is no optimizer `{text}`; expected em, em-average, anemone or adam"))),
        }
    }
}

impl fmt::Display for OptimizerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptimizerName::Em => "em",
            OptimizerName::EmAverage => "em-average",
            OptimizerName::Anemone => "anemone",
            OptimizerName::Adam => "adam",
        })
    }
}

impl FromStr for Batch {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Batch, WordError> {
        match text.parse() {
            _ if text == "full" => Ok(Batch::Full),
            Ok(rows) if rows > 0 => Ok(Batch::Rows(rows)),
            _ => Err(WordError(format!("`{text}` is not a batch; expected `full` or a number of rows of at least 1"))),
        }
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Batch::Full => f.write_str("full"),
            Batch::Rows(rows) => write!(f, "{rows}"),
        }
    }
}

impl FromStr for Every {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Every, WordError> {
        let fail = || {
            let expected = "a number of at least 1 and a unit: `30s`, `5m`, `1h`, `200u` (updates) or `1e` (epochs)";
            WordError(format!("`{text}` does not say how often; expected {expected}"))
        };
        let unit = text.chars().last().ok_or_else(fail)?;
        let number: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| fail())?;
        let seconds = |each: u64| number.checked_mul(each).map(Every::Seconds).ok_or_else(fail);
        match unit {
            _ if number == 0 => Err(fail()),
            's' => seconds(1),
            'm' => seconds(60),
            'h' => seconds(3600),
            'u' => Ok(Every::Updates(number)),
            'e' => Ok(Every::Epochs(number)),
            _ => Err(fail()),
        }
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Every::Seconds(seconds) if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            Every::Seconds(seconds) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            Every::Seconds(seconds) => write!(f, "{seconds}s"),
            Every::Updates(updates) => write!(f, "{updates}u"),
            Every::Epochs(epochs) => write!(f, "{epochs}e"),
        }
    }
}

impl FromStr for Bytes {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Bytes, WordError> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = match text[digits.len()..].trim() {
            "" | "B" => Some(1),
            "KiB" => Some(1 << 10),
            "MiB" => Some(1 << 20),
            "GiB" => Some(1 << 30),
            "TiB" => Some(1 << 40),
            _ => None,
        };
        let bytes = digits.parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
        match bytes {
            Some(bytes) if bytes > 0 => Ok(Bytes(bytes)),
            _ => Err(WordError(format!("`{text}` is not a size; expected bytes, for example `512MiB` or `8GiB`"))),
        }
    }
}
