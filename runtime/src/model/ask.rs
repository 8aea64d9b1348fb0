//! Questions to a model.

use super::{Model, ModelError};
use crate::data::Rows;
use crate::data::memory::MemoryRows;
use crate::queries::{Completed, Marginals, QuerySession, Sampling, Stream};
use crate::session::{Session, SessionError};
use std::ops::ControlFlow;

/// Samples: complete rows, one row of evidence after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Value indices `[rows][samples of a row][variables]`; of an impossible row what is missing stays missing.
    pub indices: Vec<u32>,
    /// The log-likelihood of each row of evidence; `-inf` for an impossible one, which has no samples.
    pub log_likelihoods: Vec<f64>,
}

/// Most likely completions.
#[derive(Clone, Debug, PartialEq)]
pub struct Mpe {
    /// Value indices `[rows][variables]`; of an impossible row what is missing stays missing.
    pub indices: Vec<u32>,
    /// The log-likelihood of each completed row; `-inf` for an impossible one.
    pub log_likelihoods: Vec<f64>,
    /// Whether no completion is more likely. If not, the log-likelihoods are lower bounds of the greatest.
    pub is_exact: bool,
}

impl Model {
    /// The log-likelihood of each row, the natural logarithm of its probability; missing values are summed out. `-inf` is a row of
    /// probability 0.
    pub fn log_likelihood(&mut self, rows: &dyn Rows) -> Result<Vec<f64>, ModelError> {
        let mut all = Vec::with_capacity(rows.len());
        let batch = self.batch;
        self.likelihoods()?.log_likelihoods(rows, batch, &mut |_, values| {
            all.extend_from_slice(values);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// The posterior of every variable given each row: `marginals.variable(row, variable)[value index]`.
    pub fn marginals(&mut self, rows: &dyn Rows) -> Result<Marginals, ModelError> {
        self.probabilities(rows, QuerySession::marginals)
    }

    /// The distribution of every variable given the observed ones before it.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (_folder, path) = weather();
    /// let mut model = danaus_runtime::Model::load(&path)?;
    /// let rain = model.rows(&[vec![Some(1), None, None]])?;
    /// let next = model.next(&rain)?;
    /// assert!((next.variable(0, 1)[1] - 0.2).abs() < 1e-6, "a rainbow after rain");
    /// # Ok(())
    /// # }
    /// ```
    pub fn next(&mut self, rows: &dyn Rows) -> Result<Marginals, ModelError> {
        self.probabilities(rows, QuerySession::next)
    }

    /// What follows, one symbol at a time, in some rows at once: a chain whose state is kept, so that each symbol takes constant time. It
    /// has a copy of the parameters of its own, and goes on with them whatever happens to the model.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/hmm.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (_folder, path) = hmm();
    /// // A hidden Markov model over nine variables of five values.
    /// let mut model = danaus_runtime::Model::load(&path)?.with_random_parameters(3)?;
    /// let mut stream = model.stream(1)?;
    /// let mut text = Vec::new();
    /// while let Some(next) = stream.next(0) {
    ///     // The most likely symbol; or draw one, or let another model choose.
    ///     let best = (0..next.len()).max_by(|&a, &b| next[a].total_cmp(&next[b])).expect("there are values");
    ///     stream.push(&[Some(best as i64)])?;
    ///     text.push(Some(best as i64));
    /// }
    /// let likelihood = model.log_likelihood(&model.rows(&[text])?)?[0];
    /// assert!((stream.log_likelihoods()[0] - likelihood).abs() < 1e-5);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, rows: usize) -> Result<Stream, ModelError> {
        let (numbers, circuit) = (self.numbers()?, self.plan.name.clone());
        let plan = self.queries.marginal.clone();
        let plan = plan.ok_or(ModelError::NotCompiled { circuit, query: "marginal" })?;
        Ok(QuerySession::open(self.plan.clone(), plan, numbers)?.into_stream(rows)?)
    }

    /// The most likely completion of each row.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (_folder, path) = weather();
    /// let mut model = danaus_runtime::Model::load(&path)?;
    /// let wet = model.rows(&[vec![None, None, Some(1)]])?;
    /// let found = model.mpe(&wet)?;
    /// assert!(found.is_exact && found.indices == [1, 0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn mpe(&mut self, rows: &dyn Rows) -> Result<Mpe, ModelError> {
        let is_exact = self.queries.deterministic && self.numbers()?.keep_zeros(&self.plan);
        let batch = self.batch;
        let found = complete(self.session(Query::Mpe)?, rows, batch, Sampling::GREATEST)?;
        let completed = MemoryRows::from_indices(self.columns.clone(), found.completions.clone());
        let mut log_likelihoods = self.log_likelihood(&completed)?;
        for (value, found) in log_likelihoods.iter_mut().zip(&found.values) {
            *value = if *found == f64::NEG_INFINITY { *found } else { *value };
        }
        Ok(Mpe { indices: found.completions, log_likelihoods, is_exact })
    }

    /// Samples: of each row of evidence, or without one from the whole distribution.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (_folder, path) = weather();
    /// use danaus_runtime::queries::Sampling;
    ///
    /// let mut model = danaus_runtime::Model::load(&path)?;
    /// let sampling = Sampling { per_row: 1000, seed: 5, temperature: 1.0 };
    /// let days = model.sample(None, sampling)?;
    /// let rainy = days.indices.chunks(3).filter(|day| day[0] == 1).count();
    /// assert!((550..650).contains(&rainy), "six days of ten are rainy: {rainy}");
    ///
    /// let dry = model.rows(&[vec![Some(0), None, None]])?;
    /// let days = model.sample(Some(&dry), sampling)?;
    /// assert!(days.indices.chunks(3).all(|day| day[0] == 0 && day[1] == 0), "no rainbow without rain");
    /// # Ok(())
    /// # }
    /// ```
    pub fn sample(&mut self, evidence: Option<&dyn Rows>, sampling: Sampling) -> Result<Samples, ModelError> {
        let unknown = MemoryRows::unknown(&self.plan.variables);
        let batch = self.batch;
        let found = complete(self.session(Query::Sample)?, evidence.unwrap_or(&unknown), batch, sampling)?;
        Ok(Samples { indices: found.completions, log_likelihoods: found.values })
    }

    fn likelihoods(&mut self) -> Result<&mut Session, ModelError> {
        let numbers = self.numbers()?;
        if self.ready.likelihood.is_none() {
            let session = Session::open(self.plan.clone(), numbers)?;
            self.ready.likelihood = Some(session);
        }
        Ok(self.ready.likelihood.as_mut().expect("it was made"))
    }

    /// The session of a query, on the device since it was first asked.
    fn session(&mut self, query: Query) -> Result<&mut QuerySession, ModelError> {
        self.numbers()?;
        let numbers = self.parameters.as_ref().expect("there are numbers");
        let (session, plan, query) = match query {
            Query::Marginal => (&mut self.ready.marginal, &self.queries.marginal, "marginal"),
            Query::Sample => (&mut self.ready.sample, &self.queries.sample, "sample"),
            Query::Mpe => (&mut self.ready.mpe, &self.queries.mpe, "mpe"),
        };
        if session.is_none() {
            let circuit = || self.plan.name.clone();
            let plan = plan.clone().ok_or_else(|| ModelError::NotCompiled { circuit: circuit(), query })?;
            *session = Some(QuerySession::open(self.plan.clone(), plan, numbers)?);
        }
        Ok(session.as_mut().expect("it was made"))
    }

    fn probabilities(&mut self, rows: &dyn Rows, ask: Ask) -> Result<Marginals, ModelError> {
        let batch = self.batch;
        let session = self.session(Query::Marginal)?;
        let mut all = session.no_marginals();
        ask(session, rows, batch, &mut |_, found| {
            all.log_likelihoods.extend_from_slice(&found.log_likelihoods);
            all.probabilities.extend_from_slice(&found.probabilities);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }
}

#[derive(Clone, Copy)]
enum Query {
    Marginal,
    Sample,
    Mpe,
}

/// A query that gives probabilities, batch by batch.
type Ask = fn(
    &mut QuerySession,
    &dyn Rows,
    usize,
    &mut dyn FnMut(usize, &Marginals) -> ControlFlow<()>,
) -> Result<(), SessionError>;

fn complete(
    session: &mut QuerySession,
    rows: &dyn Rows,
    batch: usize,
    sampling: Sampling,
) -> Result<Completed, SessionError> {
    let mut all = Completed { values: vec![f64::NEG_INFINITY; rows.len()], completions: Vec::new() };
    session.complete(rows, batch, sampling, &mut |first, found| {
        all.values[first..first + found.values.len()].copy_from_slice(&found.values);
        all.completions.extend_from_slice(&found.completions);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}
