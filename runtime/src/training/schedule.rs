//! Step sizes over the course of a run.
//!
//! | written | step size |
//! |---|---|
//! | `0.1` | always the same |
//! | `1.0->0.0` | linear: the first update has the first number, the last update the second |
//! | `cosine:1.0->0.01` | the same along half a cosine |
//! | `epochs:20,1.0->0.0; epochs:5,0.1` | pieces one after the other, each of so many `epochs:` or `steps:` (updates) |
//!
//! In a piece of `n` updates the update `k = 0, 1, ..` has, with `t = k / (n - 1)`, the step size `start (1 - t) + end t` (linear), or
//! `end + (start - end) (1 + cos(pi t)) / 2` (cosine); in a piece of one update the first number. A schedule of one piece without a length covers all updates. After the
//! last piece the step size stays what it was. A schedule prints in this form again.

use std::f64::consts::PI;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Step sizes by update.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
struct Piece {
    /// None only if it is the only piece.
    length: Option<Length>,
    curve: Curve,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Epochs(u64),
    Updates(u64),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Curve {
    Constant(f64),
    Linear(f64, f64),
    Cosine(f64, f64),
}

/// A text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{text}` is not a schedule: {reason}; expected a step size `0.1`, a line `1.0->0.0`, half a cosine `cosine:1.0->0.01`, or \
     pieces `epochs:20,1.0->0.0; epochs:5,0.1` (or `steps:`, for updates)"
)]
pub struct ScheduleError {
    text: String,
    reason: String,
}

impl Schedule {
    /// Always the same step size.
    pub fn constant(value: f64) -> Schedule {
        Schedule { pieces: vec![Piece { length: None, curve: Curve::Constant(value) }] }
    }

    /// A line over all updates.
    pub fn linear(start: f64, end: f64) -> Schedule {
        Schedule { pieces: vec![Piece { length: None, curve: Curve::Linear(start, end) }] }
    }

    /// The step size of an update, counted from 0, in a run of `total` updates with `per_epoch` in each epoch.
    pub fn at(&self, update: u64, per_epoch: u64, total: u64) -> f64 {
        let mut at = update;
        for piece in &self.pieces {
            let length = match piece.length {
                None => total,
                Some(Length::Epochs(epochs)) => epochs.saturating_mul(per_epoch),
                Some(Length::Updates(updates)) => updates,
            };
            if at < length {
                return piece.curve.at(at, length);
            }
            at -= length;
        }
        self.pieces.last().map_or(0.0, |piece| piece.curve.ends().1)
    }

    /// The epochs that the schedule is about, if all of its pieces say so.
    pub fn epochs(&self) -> Option<u64> {
        let epochs = |piece: &Piece| match piece.length {
            Some(Length::Epochs(epochs)) => Some(epochs),
            Some(Length::Updates(_)) | None => None,
        };
        self.pieces.iter().map(epochs).sum()
    }

    /// The smallest and the largest step size.
    pub fn range(&self) -> (f64, f64) {
        let ends = self.pieces.iter().flat_map(|piece| <[f64; 2]>::from(piece.curve.ends()));
        ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    }
}

impl Curve {
    fn ends(self) -> (f64, f64) {
        match self {
            Curve::Constant(value) => (value, value),
            Curve::Linear(start, end) | Curve::Cosine(start, end) => (start, end),
        }
    }

    fn at(self, update: u64, length: u64) -> f64 {
        let t = if length > 1 { update as f64 / (length - 1) as f64 } else { 0.0 };
        match self {
            Curve::Constant(value) => value,
            Curve::Linear(start, end) => start * (1.0 - t) + end * t,
            Curve::Cosine(start, end) => end + (start - end) * 0.5 * (1.0 + (PI * t).cos()),
        }
    }
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Schedule, ScheduleError> {
        let fail = |reason| ScheduleError { text: text.to_string(), reason };
        let pieces: Vec<Piece> = text.split(';').map(piece).collect::<Result<_, String>>().map_err(fail)?;
        if pieces.len() > 1 && pieces.iter().any(|piece| piece.length.is_none()) {
            return Err(fail("of several pieces each needs its length".to_string()));
        }
        Ok(Schedule { pieces })
    }
}

fn piece(text: &str) -> Result<Piece, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("a piece is empty".to_string());
    }
    let (make, rest): (fn(u64) -> Length, _) = if let Some(rest) = text.strip_prefix("epochs:") {
        (Length::Epochs, rest)
    } else if let Some(rest) = text.strip_prefix("steps:") {
        (Length::Updates, rest)
    } else {
        return Ok(Piece { length: None, curve: curve(text)? });
    };
    let (length, rest) = rest.split_once(',').ok_or_else(|| format!("no comma and step size follow `{text}`"))?;
    let length = match length.trim().parse() {
        Ok(length) if length > 0 => make(length),
        _ => return Err(format!("`{}` is not a whole number of at least 1", length.trim())),
    };
    Ok(Piece { length: Some(length), curve: curve(rest)? })
}

fn curve(text: &str) -> Result<Curve, String> {
    let text = text.trim();
    let (make, rest): (fn(f64, f64) -> Curve, _) = match text.strip_prefix("cosine:") {
        Some(rest) => (Curve::Cosine, rest),
        None => (Curve::Linear, text),
    };
    match rest.split_once("->") {
        Some((start, end)) => Ok(make(number(start)?, number(end)?)),
        None if rest.len() < text.len() => Err(format!("`{text}` has no second number after `->`")),
        None => Ok(Curve::Constant(number(text)?)),
    }
}

fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value >= 0.0 && value.is_finite() => Ok(value),
        Ok(value) => Err(format!("a step size is at least 0 and finite, not {value}")),
        Err(_) => Err(format!("`{}` is not a number", text.trim())),
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pieces: Vec<String> = self.pieces.iter().map(Piece::to_string).collect();
        f.write_str(&pieces.join("; "))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            Some(Length::Epochs(epochs)) => write!(f, "epochs:{epochs},")?,
            Some(Length::Updates(updates)) => write!(f, "steps:{updates},")?,
            None => {}
        }
        // Debug prints the shortest number that reads back as the same, with a point.
        match self.curve {
            Curve::Constant(value) => write!(f, "{value:?}"),
            Curve::Linear(start, end) => write!(f, "{start:?}->{end:?}"),
            Curve::Cosine(start, end) => write!(f, "cosine:{start:?}->{end:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(text: &str, per_epoch: u64, total: u64) -> Vec<f64> {
        let schedule: Schedule = text.parse().unwrap();
        (0..total).map(|update| schedule.at(update, per_epoch, total)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(found.len() == expected.len() && near, "{found:?} instead of {expected:?}");
    }

    #[test]
    fn each_form_has_its_steps() {
        // COVERS: training.schedule, training.schedule.pieces
        close(&steps("0.1", 2, 3), &[0.1; 3]);
        close(&steps("1.0->0.0", 1, 5), &[1.0, 0.75, 0.5, 0.25, 0.0]);
        close(&steps("1->0", 1, 1), &[1.0]);
        close(&steps("cosine:1.0->0.0", 1, 3), &[1.0, 0.5, 0.0]);
        close(&steps("epochs:1,1.0->0.0; steps:2,0.5", 3, 7), &[1.0, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]);
        close(&steps("steps:2,1.0->0.2", 1, 4), &[1.0, 0.2, 0.2, 0.2]);
    }

    #[test]
    fn epochs_and_range_are_known() {
        let schedule: Schedule = "epochs:20,1.0->0.0; epochs:5,0.1".parse().unwrap();
        assert_eq!((schedule.epochs(), schedule.range()), (Some(25), (0.0, 1.0)));
        assert_eq!("epochs:2,1.0; steps:3,1.0".parse::<Schedule>().unwrap().epochs(), None);
        assert_eq!(Schedule::constant(0.1).epochs(), None);
    }

    #[test]
    fn a_schedule_prints_as_it_is_read() {
        for (text, canonical) in [
            ("1", "1.0"),
            (" 1 -> 0 ", "1.0->0.0"),
            ("cosine:1->1e-3", "cosine:1.0->0.001"),
            ("epochs:20, 1.0->0.0;steps:5,0.1", "epochs:20,1.0->0.0; steps:5,0.1"),
        ] {
            let schedule: Schedule = text.parse().unwrap();
            assert_eq!(schedule.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(schedule));
        }
    }

    #[test]
    fn what_is_no_schedule_is_explained() {
        for (text, reason) in [
            ("fast", "`fast` is not a number"),
            ("-0.1", "a step size is at least 0 and finite, not -0.1"),
            ("inf", "a step size is at least 0 and finite, not inf"),
            ("cosine:1.0", "`cosine:1.0` has no second number after `->`"),
            ("epochs:20", "no comma and step size follow `epochs:20`"),
            ("epochs:0,0.1", "`0` is not a whole number of at least 1"),
            ("1.0->0.0; 0.1", "of several pieces each needs its length"),
            ("epochs:2,0.1;", "a piece is empty"),
            ("", "a piece is empty"),
        ] {
            let message = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(
                message.starts_with(&format!("`{text}` is not a schedule: {reason}; expected a step")),
                "{message}"
            );
        }
    }
}
