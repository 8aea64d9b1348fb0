//! What follows a beginning, one symbol at a time: a chain that keeps its state.

use super::QuerySession;
use crate::data::{Cell, Columns, DataError};
use crate::session::SessionError;
use danaus_kernels::Prefix;
use std::path::Path;

/// Some rows of a chain, the first variables of which have been given values. Each further variable takes constant time, however many there
/// were before; nothing is computed again.
pub struct Stream {
    prefix: Prefix,
    columns: Columns,
    rows: usize,
    log_likelihoods: Vec<f64>,
    /// `[rows][values]` of the next variable; NaN after an impossible beginning. Empty at the end.
    next: Vec<f32>,
}

impl QuerySession {
    /// Rows of which nothing is known yet, of a chain whose last iteration reads the first variable. The session, one of marginals,
    /// becomes the stream.
    pub fn into_stream(self, rows: usize) -> Result<Stream, SessionError> {
        if !self.is_chain {
            return Err(SessionError::NoChain { circuit: self.signature.name.clone() });
        }
        let prefix = Prefix::new(self.program, rows.max(1))?;
        let log_likelihoods = prefix.log_partition().to_vec();
        let mut stream = Stream { prefix, columns: self.columns, rows: rows.max(1), log_likelihoods, next: Vec::new() };
        stream.look()?;
        Ok(stream)
    }
}

impl Stream {
    /// How many variables have been given a value, or passed over: the number of the variable that is next.
    pub fn position(&self) -> usize {
        self.prefix.variable()
    }

    /// Whether all variables have been given values.
    pub fn is_complete(&self) -> bool {
        self.prefix.is_complete()
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The distribution of the next variable given what a row has been given so far: a probability for each of its values, NaN if that
    /// is impossible. None if all variables have been given values.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn next(&self, row: usize) -> Option<&[f32]> {
        assert!(row < self.rows, "there are {} rows", self.rows);
        let values = self.next.len() / self.rows;
        (values > 0).then(|| &self.next[row * values..][..values])
    }

    /// The log-likelihood of what each row has been given so far; `-inf` if that is impossible.
    pub fn log_likelihoods(&self) -> &[f64] {
        &self.log_likelihoods
    }

    /// Gives the next variable a value in each row; `None` passes over it, and it stays unknown. After an error the stream is as it was.
    pub fn push(&mut self, values: &[Option<i64>]) -> Result<(), SessionError> {
        let variable = self.position();
        if self.is_complete() {
            return Err(SessionError::StreamEnd { variables: variable });
        }
        if values.len() != self.rows {
            return Err(SessionError::StreamRows { expected: self.rows, found: values.len() });
        }
        let index = |(row, value): (usize, &Option<i64>)| {
            let cell = value.map_or(Cell::Missing, |value| Cell::Whole(value.into()));
            self.columns.index(variable, cell).ok_or_else(|| {
                let place = format!("row {row}, variable `{}`", self.columns.name(variable));
                let found = value.map_or_else(String::new, |value| value.to_string());
                DataError::value(Path::new("stream"), place, found, self.columns.domain(variable), "None")
            })
        };
        let indices = values.iter().enumerate().map(index).collect::<Result<Vec<u32>, DataError>>()?;
        for (row, &index) in indices.iter().enumerate() {
            let distribution = self.next(row).expect("it is not complete");
            self.log_likelihoods[row] += match distribution.get(index as usize) {
                Some(probability) if probability.is_nan() => 0.0,
                Some(probability) => f64::from(*probability).ln(),
                None => 0.0,
            };
        }
        self.prefix.push(&indices)?;
        self.look()
    }

    /// Reads what follows.
    fn look(&mut self) -> Result<(), SessionError> {
        if self.is_complete() {
            self.next.clear();
            return Ok(());
        }
        let found = self.prefix.next()?;
        let values = found.len() / self.rows;
        self.next = vec![f32::NAN; found.len()];
        for (row, to) in self.next.chunks_exact_mut(values).enumerate() {
            let weight = |value: usize| f64::from(found[value * self.rows + row]);
            let total: f64 = (0..values).map(weight).sum();
            to.iter_mut().enumerate().for_each(|(value, to)| *to = (weight(value) / total) as f32);
        }
        Ok(())
    }
}
