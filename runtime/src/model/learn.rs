//! Training of a model.

use super::{Model, ModelError};
use crate::data::Rows;
use crate::parameters::Parameters;
use crate::session::SessionError;
use crate::training::config::{Batch, Config};
use crate::training::engine::Engine;
use crate::training::likelihood::SessionLikelihood;
use crate::training::observer::{Nobody, Observer};
use crate::training::{self, Outcome, Task, TrainError};

impl Model {
    /// Trains: afterwards the model has the parameters that are best on the validation rows, or without any the last ones. It
    /// starts from those it has.
    ///
    /// ```
    /// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/weather.rs"));
    /// # fn main() -> Result<(), danaus_runtime::ModelError> {
    /// # let (_folder, path) = weather();
    /// use danaus_runtime::training::Settings;
    ///
    /// let mut model = danaus_runtime::Model::load(&path)?;
    /// // A place where it rains on one day of four.
    /// let days: Vec<Vec<Option<i64>>> = (0..400).map(|day| vec![Some(i64::from(day % 4 == 0)), None, None]).collect();
    /// let days = model.rows(&days)?;
    /// let config = Settings { epochs: Some(3), ..Settings::default() }.resolve(false)?;
    /// model.train(&days, None, &config)?;
    /// let unknown = model.rows(&[vec![None; 3]])?;
    /// assert!((model.marginals(&unknown)?.variable(0, 0)[1] - 0.25).abs() < 1e-4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn train(&mut self, rows: &dyn Rows, valid: Option<&dyn Rows>, config: &Config) -> Result<Outcome, ModelError> {
        self.train_with(rows, valid, config, &mut Nobody)
    }

    /// Like [`train`](Model::train), watched by `observer`, who may stop it.
    pub fn train_with(
        &mut self,
        rows: &dyn Rows,
        valid: Option<&dyn Rows>,
        config: &Config,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, ModelError> {
        training::run::check_trainable(&self.plan).map_err(TrainError::<SessionError, SessionError>::Circuit)?;
        let start = self.numbers()?.values().to_vec();
        let flows = self
            .flows
            .clone()
            .ok_or_else(|| ModelError::NotCompiled { circuit: self.plan.name.clone(), query: "train" })?;
        let update = match config.batch {
            Batch::Full => rows.len(),
            Batch::Rows(batch) => batch.min(rows.len()),
        };
        let chunk = config.device_batch.unwrap_or(self.batch).min(update).max(1);
        let mut source = Engine::open(self.plan.clone(), flows, chunk, config.memory_limit)?;
        let mut judge = SessionLikelihood::new(self.plan.clone(), self.batch);
        let task = Task { config, train: rows, valid, chunk, flops_per_row: self.plan.flops() as f64, fresh: false };
        let outcome = training::run(task, start, &mut source, Some(&mut judge), observer)?;
        self.set(Parameters::new(outcome.state.chosen().to_vec()));
        Ok(outcome)
    }
}
